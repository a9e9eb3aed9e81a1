//! The figure of an evaluation by which the best checkpoint is chosen.

use std::str::FromStr;

use super::EvalReport;

/// A named figure of an evaluation; larger is better.
///
/// ```
/// use e2h_rl::EvalMetric;
/// assert_eq!("pass_at_8".parse(), Ok(EvalMetric::PassAtK(8)));
/// assert_eq!("level_3".parse(), Ok(EvalMetric::Level(3)));
/// assert!("accuracy".parse::<EvalMetric>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvalMetric {
    /// `train_mean`: greedy accuracy averaged over the levels that are trained on.
    #[default]
    TrainMean,
    /// `ood_mean`: the same over the levels that are not.
    OodMean,
    /// `mean`: the same over all levels.
    Mean,
    /// `level_K`: greedy accuracy on level K.
    Level(u16),
    /// `pass_at_K`: pass@K averaged over the levels that are trained on.
    PassAtK(usize),
}

impl EvalMetric {
    /// What may be written, for messages.
    pub const NAMES: &'static str = "train_mean, ood_mean, mean, level_K or pass_at_K";

    /// The figure; `None` when the evaluation does not have it.
    pub fn of(self, report: &EvalReport) -> Option<f64> {
        let mean = |wanted: &dyn Fn(bool) -> bool| {
            let levels = report.levels.iter().filter(|level| wanted(level.ood));
            mean(levels.map(|level| Some(level.accuracy)))
        };
        match self {
            Self::TrainMean => mean(&|ood| !ood),
            Self::OodMean => mean(&|ood| ood),
            Self::Mean => mean(&|_| true),
            Self::Level(wanted) => {
                report.levels.iter().find(|level| level.level.0 == wanted).map(|l| l.accuracy)
            }
            Self::PassAtK(k) => {
                let train = report.levels.iter().filter(|level| !level.ood);
                self::mean(train.map(|level| {
                    level.pass_at_k.iter().find(|pass| pass.k == k).map(|pass| pass.value)
                }))
            }
        }
    }
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

impl FromStr for EvalMetric {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "train_mean" => Ok(Self::TrainMean),
            "ood_mean" => Ok(Self::OodMean),
            "mean" => Ok(Self::Mean),
            _ => match (name.strip_prefix("level_"), name.strip_prefix("pass_at_")) {
                (Some(level), _) => level.parse().map(Self::Level).map_err(|_| ()),
                (_, Some(k)) => k.parse().map(Self::PassAtK).map_err(|_| ()),
                _ => Err(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_others_refused() {
        assert_eq!("train_mean".parse(), Ok(EvalMetric::TrainMean));
        assert_eq!("level_3".parse(), Ok(EvalMetric::Level(3)));
        assert_eq!("pass_at_8".parse(), Ok(EvalMetric::PassAtK(8)));
        for name in ["", "level_", "accuracy", "pass_at_x"] {
            assert!(name.parse::<EvalMetric>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_figure_that_an_evaluation_lacks_is_none() {
        let report = EvalReport { levels: Vec::new() };
        assert_eq!(EvalMetric::TrainMean.of(&report), None);
        assert_eq!(EvalMetric::Level(0).of(&report), None);
    }
}
