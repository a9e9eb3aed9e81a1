//! The loss of a value head and its gradient with respect to values.
//!
//! `w sum_t 1/2 max((v_t - R_t)^2, (clip(v_t, o_t - eps, o_t + eps) - R_t)^2)`, with the value `o` at rollout and the
//! return `R`. A value that has moved by more than `eps` toward its return, or past it, is pulled no further.
//!
//! # Source
//! The clipped value loss of OpenAI's `baselines` PPO2, as in TRL's `PPOTrainer` and verl's `compute_value_loss`.

use crate::config::PpoConfig;

/// What the value loss of one sequence compares with. Lists have one entry a token. `[T]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Critique {
    /// Values of the head that was there when the completion was drawn.
    pub values: Vec<f64>,
    /// What the values should have been.
    pub returns: Vec<f64>,
}

/// What a sequence adds to the loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueLoss {
    /// Sum over tokens, before weighting.
    pub loss: f64,
    /// Derivative of the sum with respect to each value. `[T]`
    pub d_values: Vec<f64>,
    /// Tokens whose clipped value counted.
    pub clipped: u64,
}

/// The value loss of one sequence, unweighted.
///
/// ```
/// use e2h_rl::PpoConfig;
/// use e2h_rl::loss::value::{Critique, value_loss};
///
/// let config = PpoConfig { value_clip: 0.5, ..PpoConfig::default() };
/// // The return is 2. The first value has moved by 0.25; the second by 1, so it counts as 0.5 and is not pulled.
/// let critique = Critique { values: vec![0.0, 0.0], returns: vec![2.0, 2.0] };
/// let found = value_loss(&config, &[0.25, 1.0], &critique);
/// assert_eq!(found.d_values, [0.25 - 2.0, 0.0]);
/// assert_eq!((found.loss, found.clipped), (0.5 * 1.75 * 1.75 + 0.5 * 1.5 * 1.5, 1));
/// ```
pub fn value_loss(config: &PpoConfig, values: &[f64], critique: &Critique) -> ValueLoss {
    let mut out = ValueLoss::default();
    let clip = if config.value_clip > 0.0 { config.value_clip } else { f64::INFINITY };
    let tokens = values.iter().zip(&critique.values).zip(&critique.returns);
    for ((value, old), target) in tokens {
        let free = value - target;
        let bound = old + (value - old).clamp(-clip, clip) - target;
        // Within the range both are the same but for rounding.
        let is_clipped = (value - old).abs() > clip && bound * bound > free * free;
        let (error, slope) = if is_clipped { (bound, 0.0) } else { (free, free) };
        out.loss += 0.5 * error * error;
        out.d_values.push(slope);
        out.clipped += u64::from(is_clipped);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(value: f64, old: f64, target: f64) -> ValueLoss {
        let critique = Critique { values: vec![old], returns: vec![target] };
        value_loss(&PpoConfig::default(), &[value], &critique)
    }

    #[test]
    fn within_the_range_it_is_half_the_squared_error() {
        let out = at(0.6, 0.5, 1.0);
        assert!((out.loss - 0.08).abs() < 1e-12 && (out.d_values[0] + 0.4).abs() < 1e-12);
        assert_eq!(out.clipped, 0);
    }

    #[test]
    fn a_value_that_went_far_toward_its_return_is_pulled_no_further_but_one_that_went_away_is() {
        let toward = at(0.9, 0.5, 1.0);
        assert!((toward.loss - 0.5 * 0.09).abs() < 1e-12, "{toward:?}");
        assert_eq!((toward.d_values[0], toward.clipped), (0.0, 1));
        let away = at(0.1, 0.5, 1.0);
        assert_eq!((away.d_values[0], away.clipped), (-0.9, 0));
    }

    #[test]
    fn without_a_clip_every_value_is_pulled() {
        let config = PpoConfig { value_clip: 0.0, ..PpoConfig::default() };
        let critique = Critique { values: vec![0.0], returns: vec![5.0] };
        let out = value_loss(&config, &[4.0], &critique);
        assert_eq!((out.loss, out.d_values[0], out.clipped), (0.5, -1.0, 0));
    }

    proptest! {
        #[test]
        fn the_gradient_equals_finite_differences(
            value in -2.0..2.0_f64, old in -2.0..2.0_f64, target in -2.0..2.0_f64,
        ) {
            let h = 1e-6;
            let (left, middle, right) = (
                at(value - h, old, target).loss,
                at(value, old, target).loss,
                at(value + h, old, target).loss,
            );
            // At a kink the two one-sided slopes differ.
            prop_assume!(((right - middle) - (middle - left)).abs() < 1e-9);
            let numeric = (right - left) / (2.0 * h);
            prop_assert!((numeric - at(value, old, target).d_values[0]).abs() < 1e-6);
        }
    }
}
