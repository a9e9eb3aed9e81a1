//! From the flat table to the parameters of one rule.

use e2h_core::{Curriculum, Error, Level, Result};

use super::{Kind, ScheduleConfig};
use crate::adaptive::{
    AdaRft, AdaRftConfig, Dump, DumpConfig, E2hA, E2hAConfig, GroupDro, GroupDroConfig, Sec,
    SecConfig, Threshold, ThresholdConfig,
};
use crate::fixed::{Fixed, Shape};
use crate::table_file::read_table;

/// A rule with all its parameters, the defaults filled in.
pub(super) enum Rule {
    Fixed(Shape),
    Sec(SecConfig),
    AdaRft(AdaRftConfig),
    Dump(DumpConfig),
    GroupDro(GroupDroConfig),
    Threshold(ThresholdConfig),
    E2hA(E2hAConfig),
}

impl Rule {
    pub(super) fn problems(&self, n_levels: usize) -> Vec<Error> {
        match self {
            Self::Fixed(shape) => shape.problems(n_levels),
            Self::Sec(config) => config.problems(),
            Self::AdaRft(config) => config.problems(),
            Self::Dump(config) => config.problems(),
            Self::GroupDro(config) => config.problems(),
            Self::Threshold(config) => config.problems(),
            Self::E2hA(config) => config.problems(),
        }
    }

    pub(super) fn build(self, n_levels: usize, total_steps: u64) -> Result<Box<dyn Curriculum>> {
        Ok(match self {
            Self::Fixed(shape) => Box::new(Fixed::new(shape, n_levels, total_steps)?),
            Self::Sec(config) => Box::new(Sec::new(n_levels, config)?),
            Self::AdaRft(config) => Box::new(AdaRft::new(n_levels, config)?),
            Self::Dump(config) => Box::new(Dump::new(n_levels, config)?),
            Self::GroupDro(config) => Box::new(GroupDro::new(n_levels, total_steps, config)?),
            Self::Threshold(config) => Box::new(Threshold::new(n_levels, config)?),
            Self::E2hA(config) => Box::new(E2hA::new(n_levels, total_steps, config)?),
        })
    }

    /// The rule that `config` names.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) when a required key is left out; those of [`read_table`].
    pub(super) fn of(config: &ScheduleConfig) -> Result<Self> {
        Ok(match config.kind {
            Kind::Balanced => Self::Fixed(Shape::Balanced),
            Kind::Only => Self::Fixed(Shape::Only(Level(required(config, "level", config.level)?))),
            Kind::Classic => Self::Fixed(Shape::Classic),
            Kind::Cosine => Self::Fixed(Shape::Cosine(config.form.unwrap_or_default())),
            Kind::Gaussian => Self::Fixed(Shape::Gaussian {
                mu_exp: config.mu_exp.unwrap_or(0.5),
                sigma: config.sigma.unwrap_or(0.5),
                min_prob: config.min_prob,
            }),
            Kind::Linear => Self::Fixed(Shape::Linear),
            Kind::Table => Self::Fixed(Shape::Table(rows(config)?)),
            Kind::Piecewise => Self::Fixed(Shape::Piecewise {
                points: required(config, "points", config.points.clone())?,
                interpolate: config.interpolate.unwrap_or(false),
            }),
            Kind::Sec => Self::Sec(sec(config)),
            Kind::AdaRft => Self::AdaRft(adarft(config)),
            Kind::Dump => Self::Dump(dump(config)),
            Kind::GroupDro => Self::GroupDro(group_dro(config)),
            Kind::Threshold => Self::Threshold(threshold(config)),
            Kind::E2hA => Self::E2hA(e2h_a(config)),
        })
    }
}

/// The rows of a table, from the configuration or from its file.
fn rows(config: &ScheduleConfig) -> Result<Vec<Vec<f64>>> {
    match (&config.rows, &config.file) {
        (Some(rows), _) => Ok(rows.clone()),
        (None, Some(path)) => read_table(path),
        (None, None) => required(config, "rows", None),
    }
}

fn sec(config: &ScheduleConfig) -> SecConfig {
    let default = SecConfig::default();
    SecConfig {
        alpha: config.alpha.unwrap_or(default.alpha),
        tau: config.tau.unwrap_or(default.tau),
    }
}

fn adarft(config: &ScheduleConfig) -> AdaRftConfig {
    let default = AdaRftConfig::default();
    AdaRftConfig {
        eta: config.eta.unwrap_or(default.eta),
        alpha: config.alpha.unwrap_or(default.alpha),
        beta: config.beta.unwrap_or(default.beta),
    }
}

fn dump(config: &ScheduleConfig) -> DumpConfig {
    let default = DumpConfig::default();
    DumpConfig {
        window: config.window.unwrap_or(default.window),
        tau: config.tau.unwrap_or(default.tau),
    }
}

fn group_dro(config: &ScheduleConfig) -> GroupDroConfig {
    let default = GroupDroConfig::default();
    GroupDroConfig {
        w_dro: config.w_dro.unwrap_or(default.w_dro),
        w_sec: config.w_sec.unwrap_or(default.w_sec),
        w_gaussian: config.w_gaussian.unwrap_or(default.w_gaussian),
        dro_rate: config.dro_rate.unwrap_or(default.dro_rate),
        alpha: config.alpha.unwrap_or(default.alpha),
        tau: config.tau.unwrap_or(default.tau),
        mu_exp: config.mu_exp.unwrap_or(default.mu_exp),
        sigma: config.sigma.unwrap_or(default.sigma),
    }
}

fn threshold(config: &ScheduleConfig) -> ThresholdConfig {
    let default = ThresholdConfig::default();
    ThresholdConfig {
        raise: config.raise.unwrap_or(default.raise),
        lower: config.lower.unwrap_or(default.lower),
        window: config.window.unwrap_or(default.window),
    }
}

fn e2h_a(config: &ScheduleConfig) -> E2hAConfig {
    let default = E2hAConfig::default();
    E2hAConfig {
        gamma: config.gamma.unwrap_or(default.gamma),
        prior_groups: config.prior_groups.unwrap_or(default.prior_groups),
        probe: config.probe.unwrap_or(default.probe),
        pull: config.pull.unwrap_or(default.pull),
        explore: config.explore.unwrap_or(default.explore),
    }
}

fn required<T>(config: &ScheduleConfig, name: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::OutOfRange {
        name: name.to_owned(),
        got: "left out".to_owned(),
        expected: format!("given for kind = \"{}\"", config.kind.name()),
    })
}
