//! DUMP: upper confidence bounds on each level's mean absolute advantage.
//!
//! `UCB_j = mean |A| over the last W groups of level j + sqrt(2 ln(N + 1) / (n_j + 1))`, where `n_j` is the number
//! of groups drawn so far at level j and `N` their sum; `p = softmax(UCB / tau)`.
//!
//! # Source
//! DUMP, arXiv 2504.09710: `W = 300`, `tau = 0.1`.
//!
//! # Deviations
//! 1. The unit of `W` and `n_j` is the group (one prompt), not the single sample: the samples of a group share
//!    one prompt and say one thing about it.
//!
//! # Invariants
//! - The bonus of a level that is not drawn grows without bound, so no level is forgotten.

use std::collections::VecDeque;

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sec::boltzmann;
use super::usable;
use crate::checks::Checks;
use crate::state;

/// The parameters of [`Dump`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DumpConfig {
    /// How many of a level's latest groups its mean is over.
    pub window: u64,
    /// Temperature of the softmax, in units of |A|.
    pub tau: f64,
}

impl Default for DumpConfig {
    fn default() -> Self {
        Self { window: 300, tau: 0.1 }
    }
}

impl DumpConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.at_least_one("window", self.window);
        checks.positive("tau", self.tau);
        checks.into_problems()
    }
}

/// The DUMP rule.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Dump, DumpConfig};
///
/// let mut rule = Dump::new(2, DumpConfig::default())?;
/// assert_eq!(rule.probs(0), [0.5, 0.5]);
/// let group = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0, 0.0], advantages: vec![0.5, -0.5], n_correct: 1,
/// };
/// rule.observe(0, &[group]);
/// // One group in all: the bounds are 0.5 + sqrt(2 ln 2 / 2) and 0 + sqrt(2 ln 2 / 1).
/// let ln2 = 2f64.ln();
/// let apart = 0.5 + ln2.sqrt() - (2.0 * ln2).sqrt();
/// let probs = rule.probs(1);
/// assert!(((probs[0] / probs[1]).ln() - apart / 0.1).abs() < 1e-9);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    config: DumpConfig,
    arms: Vec<Arm>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    n_groups: u64,
    recent: VecDeque<f64>,
}

impl Arm {
    fn mean(&self) -> f64 {
        if self.recent.is_empty() {
            0.0
        } else {
            self.recent.iter().sum::<f64>() / self.recent.len() as f64
        }
    }
}

impl Dump {
    /// The rule over `n_levels` levels.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, config: DumpConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, arms: vec![Arm::default(); n_levels] })
    }

    fn bounds(&self) -> Vec<f64> {
        let total: u64 = self.arms.iter().map(|arm| arm.n_groups).sum();
        let log_total = ((total + 1) as f64).ln();
        let bonus = |arm: &Arm| (2.0 * log_total / (arm.n_groups + 1) as f64).sqrt();
        self.arms.iter().map(|arm| arm.mean() + bonus(arm)).collect()
    }
}

impl Curriculum for Dump {
    fn name(&self) -> &str {
        "dump"
    }

    fn n_levels(&self) -> usize {
        self.arms.len()
    }

    fn probs(&self, _step: u64) -> Vec<f64> {
        boltzmann(&self.bounds(), self.config.tau)
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        for group in usable(self.arms.len(), groups) {
            let arm = &mut self.arms[group.level.index()];
            arm.n_groups += 1;
            arm.recent.push_back(group.mean_abs_advantage());
            if arm.recent.len() as u64 > self.config.window {
                arm.recent.pop_front();
            }
        }
    }

    fn state(&self) -> Value {
        state::save(&self.arms)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let n_levels = self.arms.len();
        self.arms = state::load("dump", saved, |arms: &Vec<Arm>| arms.len() == n_levels)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn dump(n_levels: usize) -> Dump {
        Dump::new(n_levels, DumpConfig::default()).expect("valid")
    }

    #[test]
    fn bounds_by_hand() {
        let mut rule = dump(2);
        assert_eq!(rule.probs(0), [0.5, 0.5]);
        // |A| = 1 and 0 at level 0; nothing at level 1.
        rule.observe(0, &[group(0, 2, 4), group(0, 0, 4)]);
        let log_total = 3.0f64.ln();
        let expected = [0.5 + (2.0 * log_total / 3.0).sqrt(), (2.0 * log_total).sqrt()];
        for (bound, expected) in rule.bounds().iter().zip(expected) {
            assert!((bound - expected).abs() < 1e-15);
        }
        let expected = 1.0 / (1.0 + ((expected[1] - expected[0]) / 0.1).exp());
        assert!((rule.probs(1)[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn the_window_forgets_what_is_old() {
        let config = DumpConfig { window: 2, ..DumpConfig::default() };
        let mut rule = Dump::new(1, config).expect("valid");
        rule.observe(0, &[group(0, 2, 4), group(0, 0, 4), group(0, 0, 4)]);
        assert_eq!(rule.arms[0].mean(), 0.0);
        assert_eq!(rule.arms[0].n_groups, 3);
    }

    #[test]
    fn the_state_is_exact() {
        assert_exact_state(dump(3), dump(3));
    }
}
