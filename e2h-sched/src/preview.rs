//! What a schedule will do, before it is run.

use e2h_core::Curriculum;

/// The expected number of prompts of each level over `steps` steps of `prompts` prompts.
///
/// `n_i = prompts * sum_t p_i(t)` for `t = 0..steps`, with the rule as it stands: an adaptive rule is not fed.
pub fn expected_counts(curriculum: &dyn Curriculum, steps: u64, prompts: u64) -> Vec<f64> {
    let mut counts = vec![0.0; curriculum.n_levels()];
    for step in 0..steps {
        for (count, prob) in counts.iter_mut().zip(curriculum.probs(step)) {
            *count += prob;
        }
    }
    for count in &mut counts {
        *count *= prompts as f64;
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
        Shape::Gaussian {
            mu_exp,
            sigma,
            min_prob: None,
        }
    }

    #[test]
    fn expected_counts_are_those_of_the_reference_run() {
        check(gaussian(0.25, 0.75), &[1412.0, 2294.0, 4523.0, 4571.0]);
        check(gaussian(0.5, 0.5), &[1628.0, 2997.0, 4595.0, 3580.0]);
        check(gaussian(0.75, 0.25), &[1995.0, 3619.0, 4254.0, 2932.0]);
        check(
            Shape::Cosine(CosineForm::Code),
            &[3201.0, 3200.0, 3200.0, 3199.0],
        );
    }
}
