//! SEC: the level is an arm of a non-stationary bandit whose reward is the mean absolute advantage.
//!
//! `r_i = mean |A|` over the step's samples of level i, 0 for a level that was not drawn;
//! `Q_i <- (1 - alpha) Q_i + alpha r_i` from `Q_i = 0`; `p = softmax(Q / tau)`.
//!
//! # Source
//! Self-Evolving Curriculum, arXiv 2505.14970. Defaults `alpha = 0.5`, `tau = 1.0` (Countdown; 0.4 for math).
//!
//! # Deviations
//! 1. `r_i` is the mean of the groups' means, which is the mean over samples when groups are of one size.
//!
//! # Invariants
//! - A level that gives no signal for ever decays to Q = 0, and keeps probability.

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde_json::Value;

use super::level_means;
use crate::checks::Checks;
use crate::fixed::softmax;
use crate::state;

/// The parameters of [`Sec`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecConfig {
    /// Learning rate of Q, in (0, 1].
    pub alpha: f64,
    /// Temperature of the softmax, in units of |A|.
    pub tau: f64,
}

impl Default for SecConfig {
    fn default() -> Self {
        Self { alpha: 0.5, tau: 1.0 }
    }
}

impl SecConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.rate("alpha", self.alpha);
        checks.positive("tau", self.tau);
        checks.into_problems()
    }
}

/// The Self-Evolving Curriculum.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Sec, SecConfig};
///
/// let mut rule = Sec::new(2, SecConfig::default())?;
/// assert_eq!(rule.probs(0), [0.5, 0.5]);
/// let group = GroupOutcome {
///     level: Level(1), item: 0, rewards: vec![1.0, 0.0], advantages: vec![1.0, -1.0], n_correct: 1,
/// };
/// rule.observe(0, &[group]);
/// // Q = [0, 0.5 * 1], so the odds are exp(0.5) to 1.
/// let probs = rule.probs(1);
/// assert!((probs[1] / probs[0] - 0.5f64.exp()).abs() < 1e-12);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sec {
    config: SecConfig,
    q: Vec<f64>,
}

impl Sec {
    /// The rule over `n_levels` levels.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, config: SecConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, q: vec![0.0; n_levels] })
    }
}

/// `Q <- (1 - alpha) Q + alpha mean |A|`, with 0 for levels that were not drawn.
pub(super) fn update_q(q: &mut [f64], alpha: f64, groups: &[GroupOutcome]) {
    let signals = level_means(q.len(), groups, GroupOutcome::mean_abs_advantage);
    for (q, signal) in q.iter_mut().zip(signals) {
        *q = (1.0 - alpha) * *q + alpha * signal.unwrap_or(0.0);
    }
}

/// `softmax(Q / tau)`.
pub(super) fn boltzmann(values: &[f64], tau: f64) -> Vec<f64> {
    let logits: Vec<f64> = values.iter().map(|value| value / tau).collect();
    softmax(&logits)
}

impl Curriculum for Sec {
    fn name(&self) -> &str {
        "sec"
    }

    fn n_levels(&self) -> usize {
        self.q.len()
    }

    fn probs(&self, _step: u64) -> Vec<f64> {
        boltzmann(&self.q, self.config.tau)
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        update_q(&mut self.q, self.config.alpha, groups);
    }

    fn state(&self) -> Value {
        state::save(&self.q)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let n_levels = self.q.len();
        self.q = state::load("sec", saved, |q: &Vec<f64>| q.len() == n_levels)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn sec(n_levels: usize) -> Sec {
        Sec::new(n_levels, SecConfig::default()).expect("valid")
    }

    #[test]
    fn two_steps_by_hand() {
        let mut sec = sec(2);
        assert_eq!(sec.probs(0), [0.5, 0.5]);
        // Level 0: one mixed group (|A| = 1) and one without variance; level 1: not drawn.
        sec.observe(0, &[group(0, 1, 4), group(0, 4, 4)]);
        assert_eq!(sec.q, [0.25, 0.0]);
        sec.observe(1, &[group(1, 2, 4)]);
        assert_eq!(sec.q, [0.125, 0.5]);
        let expected = 1.0 / (1.0 + 0.375f64.exp());
        assert!((sec.probs(2)[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn the_state_is_exact() {
        assert_exact_state(sec(3), sec(3));
    }

    #[test]
    fn an_alpha_over_one_is_refused() {
        let config = SecConfig { alpha: 1.5, ..SecConfig::default() };
        assert!(Sec::new(2, config).is_err());
    }
}
