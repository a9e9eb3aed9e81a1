//! What a schedule will do, before it is run.

use e2h_core::Curriculum;
use serde::{Deserialize, Serialize};

/// The probabilities of a rule over a run, and what they add up to.
///
/// ```
/// use e2h_sched::{Preview, ScheduleConfig};
/// let rule = ScheduleConfig::default().build(4, 1600)?;
/// let preview = Preview::new(rule.as_ref(), 1600, 8);
/// assert!((preview.expected_counts.iter().sum::<f64>() - 12_800.0).abs() < 1e-6);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// `probabilities[t][i]`: of level i at step t.
    pub probabilities: Vec<Vec<f64>>,
    /// Expected number of prompts of each level over the run.
    pub expected_counts: Vec<f64>,
    /// The rule's name.
    pub name: String,
    /// Number of steps, T.
    pub steps: u64,
    /// Prompts a step, B.
    pub prompts: u64,
}

impl Preview {
    /// What `curriculum` gives over `steps` steps of `prompts` prompts, as it stands: an adaptive rule is not fed.
    pub fn new(curriculum: &dyn Curriculum, steps: u64, prompts: u64) -> Self {
        let probabilities = (0..steps).map(|step| curriculum.probs(step)).collect();
        Self::of_table(curriculum.name(), probabilities, prompts)
    }

    /// The preview of a table of probabilities, for example one that [`replay`](crate::replay()) gave.
    pub fn of_table(name: &str, probabilities: Vec<Vec<f64>>, prompts: u64) -> Self {
        let k = probabilities.first().map_or(0, Vec::len);
        let mut expected_counts = vec![0.0; k];
        for row in &probabilities {
            for (count, prob) in expected_counts.iter_mut().zip(row) {
                *count += prob * prompts as f64;
            }
        }
        Self {
            name: name.to_owned(),
            steps: probabilities.len() as u64,
            prompts,
            probabilities,
            expected_counts,
        }
    }

    /// The number of levels, K.
    pub fn n_levels(&self) -> usize {
        self.expected_counts.len()
    }

    /// The probability of `level` in each of `columns` equal spans of the run, as the span's mean.
    pub fn columns(&self, level: usize, columns: usize) -> Vec<f64> {
        let steps = self.probabilities.len();
        let columns = columns.min(steps);
        let mean = |column: usize| {
            let span = column * steps / columns..(column + 1) * steps / columns;
            let length = span.len() as f64;
            let sum: f64 = self.probabilities[span].iter().map(|row| row[level]).sum();
            sum / length
        };
        (0..columns).map(mean).collect()
    }
}

/// The expected number of prompts of each level over `steps` steps of `prompts` prompts.
///
/// `n_i = prompts * sum_t p_i(t)` for `t = 0..steps`, with the rule as it stands: an adaptive rule is not fed.
///
/// ```
/// use e2h_sched::{Fixed, Shape, expected_counts};
/// // The easy level for the first half of ten steps of eight prompts, then the hard one.
/// let rule = Fixed::new(Shape::Classic, 2, 10)?;
/// assert_eq!(expected_counts(&rule, 10, 8), [40.0, 40.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub fn expected_counts(curriculum: &dyn Curriculum, steps: u64, prompts: u64) -> Vec<f64> {
    let mut counts = vec![0.0; curriculum.n_levels()];
    for step in 0..steps {
        for (count, prob) in counts.iter_mut().zip(curriculum.probs(step)) {
            *count += prob * prompts as f64;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CosineForm, Fixed, Shape};

    fn check(shape: Shape, expected: &[f64]) {
        let schedule = Fixed::new(shape, 4, 1600).expect("valid");
        let counts = expected_counts(&schedule, 1600, 8);
        for (count, expected) in counts.iter().zip(expected) {
            assert!((count - expected).abs() < 0.51, "{counts:?}");
        }
    }

    fn gaussian(mu_exp: f64, sigma: f64) -> Shape {
        Shape::Gaussian { mu_exp, sigma, min_prob: None }
    }

    #[test]
    fn expected_counts_are_those_of_the_reference_run() {
        check(gaussian(0.25, 0.75), &[1412.0, 2294.0, 4523.0, 4571.0]);
        check(gaussian(0.5, 0.5), &[1628.0, 2997.0, 4595.0, 3580.0]);
        check(gaussian(0.75, 0.25), &[1995.0, 3619.0, 4254.0, 2932.0]);
        check(Shape::Cosine(CosineForm::Code), &[3201.0, 3200.0, 3200.0, 3199.0]);
    }

    #[test]
    fn a_preview_holds_its_two_tables_first() {
        let schedule = Fixed::new(Shape::Classic, 2, 4).expect("valid");
        let preview = Preview::new(&schedule, 4, 3);
        assert_eq!(preview.expected_counts, expected_counts(&schedule, 4, 3));
        let text = serde_json::to_string(&preview).expect("previews serialise");
        let expected = r#"{"probabilities":[[1.0,0.0],[1.0,0.0],[0.0,1.0],[0.0,1.0]],"expected_counts":[6.0,6.0],"#;
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn columns_are_means_over_equal_spans() {
        let schedule = Fixed::new(Shape::Classic, 2, 4).expect("valid");
        let preview = Preview::new(&schedule, 4, 1);
        assert_eq!(preview.columns(1, 2), [0.0, 1.0]);
        assert_eq!(preview.columns(1, 1), [0.5]);
        assert_eq!(preview.columns(1, 99).len(), 4);
    }
}
