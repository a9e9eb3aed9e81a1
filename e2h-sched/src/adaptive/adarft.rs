//! AdaRFT: a target difficulty follows the pass rate, and the level nearest to it is drawn.
//!
//! Level i has difficulty `d_i = 100 i / (K - 1)`; after a step with mean pass rate R,
//! `target <- clip(target + eta tanh(alpha (R - beta)), 0, 100)`; the level with the smallest
//! `|d_i - target|` gets probability 1, the easier one on a tie.
//!
//! # Source
//! Adaptive Curriculum Reinforcement Finetuning, arXiv 2504.05520: `alpha = 2`, `beta = 0.5`, `eta = 50` on
//! difficulties in [0, 100].
//!
//! # Deviations
//! 1. The source gives each problem its own difficulty and takes the B nearest; here the difficulty is the level's.
//! 2. The target starts at 0, the easiest level.
//!
//! # Invariants
//! - The target stays in [0, 100].

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde_json::Value;

use super::usable;
use crate::checks::Checks;
use crate::fixed::one_hot;
use crate::state;

/// The scale of difficulties.
const MAX_DIFFICULTY: f64 = 100.0;

/// The parameters of [`AdaRft`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaRftConfig {
    /// Largest change of the target in one step, in difficulty points of [0, 100].
    pub eta: f64,
    /// Sensitivity to the pass rate, dimensionless.
    pub alpha: f64,
    /// The pass rate that the target aims at, in [0, 1].
    pub beta: f64,
}

impl Default for AdaRftConfig {
    fn default() -> Self {
        Self { eta: 50.0, alpha: 2.0, beta: 0.5 }
    }
}

impl AdaRftConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.positive("eta", self.eta);
        checks.positive("alpha", self.alpha);
        checks.within("beta", self.beta, 0.0, 1.0);
        checks.into_problems()
    }
}

/// The AdaRFT rule over levels.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{AdaRft, AdaRftConfig};
///
/// let mut rule = AdaRft::new(3, AdaRftConfig::default())?;
/// assert_eq!(rule.probs(0), [1.0, 0.0, 0.0]);
/// // All right: the target rises by 50 tanh(2 * 0.5) = 38 points of 100, and the level at 50 is nearest.
/// let all_right = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0; 4], advantages: vec![0.0; 4], n_correct: 4,
/// };
/// rule.observe(0, &[all_right]);
/// assert_eq!(rule.probs(1), [0.0, 1.0, 0.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdaRft {
    config: AdaRftConfig,
    n_levels: usize,
    target: f64,
}

impl AdaRft {
    /// The rule over `n_levels` levels.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, config: AdaRftConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, n_levels, target: 0.0 })
    }
}

impl Curriculum for AdaRft {
    fn name(&self) -> &str {
        "adarft"
    }

    fn n_levels(&self) -> usize {
        self.n_levels
    }

    fn probs(&self, _step: u64) -> Vec<f64> {
        let last = (self.n_levels - 1) as f64;
        // Half a level rounds down, to the easier one.
        let nearest = (self.target / MAX_DIFFICULTY * last - 0.5).ceil().max(0.0);
        one_hot(self.n_levels, nearest as usize)
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        let pass_rates: Vec<f64> =
            usable(self.n_levels, groups).map(GroupOutcome::pass_rate).collect();
        if pass_rates.is_empty() {
            return;
        }
        let mean = pass_rates.iter().sum::<f64>() / pass_rates.len() as f64;
        let AdaRftConfig { eta, alpha, beta } = self.config;
        let moved = self.target + eta * (alpha * (mean - beta)).tanh();
        self.target = moved.clamp(0.0, MAX_DIFFICULTY);
    }

    fn state(&self) -> Value {
        state::save(&self.target)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let on_scale = |target: &f64| (0.0..=MAX_DIFFICULTY).contains(target);
        self.target = state::load("adarft", saved, on_scale)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn adarft(n_levels: usize) -> AdaRft {
        AdaRft::new(n_levels, AdaRftConfig::default()).expect("valid")
    }

    #[test]
    fn two_steps_by_hand() {
        let mut rule = adarft(3);
        assert_eq!(rule.probs(0), [1.0, 0.0, 0.0]);
        rule.observe(0, &[group(0, 4, 4)]);
        // 50 tanh(2 * 0.5) = 38.08: nearer to 50 than to 0.
        assert!((rule.target - 38.079_707_797_788_24).abs() < 1e-9);
        assert_eq!(rule.probs(1), [0.0, 1.0, 0.0]);
        rule.observe(1, &[group(1, 0, 4)]);
        assert!(rule.target.abs() < 1e-9);
        assert_eq!(rule.probs(2), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_target_between_two_levels_takes_the_easier() {
        let mut rule = adarft(3);
        rule.target = 25.0;
        assert_eq!(rule.probs(0), [1.0, 0.0, 0.0]);
        rule.target = 25.1;
        assert_eq!(rule.probs(0), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_target_stays_on_its_scale() {
        let mut rule = adarft(1);
        for step in 0..9 {
            rule.observe(step, &[group(0, 4, 4)]);
        }
        assert_eq!(rule.target, MAX_DIFFICULTY);
        assert_eq!(rule.probs(9), [1.0]);
    }

    #[test]
    fn a_saved_target_off_the_scale_is_refused() {
        assert!(adarft(3).restore(&serde_json::json!(101.0)).is_err());
    }

    #[test]
    fn the_state_is_exact() {
        assert_exact_state(adarft(3), adarft(3));
    }
}
