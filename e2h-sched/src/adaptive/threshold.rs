//! A global level that is raised after good results and lowered after bad ones.
//!
//! All prompts are of the current level. Once `window` groups have been seen at it, their mean pass rate m decides:
//! `m > raise` moves one level up, `m < lower` one level down, else the window starts anew.
//!
//! # Source
//! The curriculum of reasoning-gym: raise over 0.7, lower under 0.3.
//!
//! # Deviations
//! 1. The window is counted in groups of the current level (default 32), so a decision always rests on as much.
//!
//! # Invariants
//! - The level moves by at most one a step.

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::usable;
use crate::checks::Checks;
use crate::fixed::one_hot;
use crate::state;

/// The parameters of [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdConfig {
    /// Pass rate over which the level is raised.
    pub raise: f64,
    /// Pass rate under which the level is lowered.
    pub lower: f64,
    /// How many groups of the current level a decision rests on.
    pub window: u64,
}

impl Default for ThresholdConfig {
    fn default() -> Self {
        Self { raise: 0.7, lower: 0.3, window: 32 }
    }
}

impl ThresholdConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.within("raise", self.raise, 0.0, 1.0);
        let most = if (0.0..=1.0).contains(&self.raise) { self.raise } else { 1.0 };
        checks.within("lower", self.lower, 0.0, most);
        checks.at_least_one("window", self.window);
        checks.into_problems()
    }
}

/// The level-up, level-down rule.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Threshold, ThresholdConfig};
///
/// let mut rule = Threshold::new(3, ThresholdConfig { window: 2, ..ThresholdConfig::default() })?;
/// let all_right = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0; 4], advantages: vec![0.0; 4], n_correct: 4,
/// };
/// rule.observe(0, &[all_right.clone()]);
/// assert_eq!(rule.probs(1), [1.0, 0.0, 0.0]);
/// rule.observe(1, &[all_right]);
/// assert_eq!(rule.probs(2), [0.0, 1.0, 0.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Threshold {
    config: ThresholdConfig,
    n_levels: usize,
    state: State,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    level: usize,
    n_groups: u64,
    sum: f64,
}

impl Threshold {
    /// The rule over `n_levels` levels.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, config: ThresholdConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, n_levels, state: State::default() })
    }
}

impl Curriculum for Threshold {
    fn name(&self) -> &str {
        "threshold"
    }

    fn n_levels(&self) -> usize {
        self.n_levels
    }

    fn probs(&self, _step: u64) -> Vec<f64> {
        one_hot(self.n_levels, self.state.level)
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        let state = &mut self.state;
        for group in
            usable(self.n_levels, groups).filter(|group| group.level.index() == state.level)
        {
            state.n_groups += 1;
            state.sum += group.pass_rate();
        }
        if state.n_groups < self.config.window {
            return;
        }
        let mean = state.sum / state.n_groups as f64;
        let level = if mean > self.config.raise {
            (state.level + 1).min(self.n_levels - 1)
        } else if mean < self.config.lower {
            state.level.saturating_sub(1)
        } else {
            state.level
        };
        *state = State { level, ..State::default() };
    }

    fn state(&self) -> Value {
        state::save(&self.state)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let fits = |state: &State| state.level < self.n_levels;
        self.state = state::load("threshold", saved, fits)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn rule(window: u64) -> Threshold {
        let config = ThresholdConfig { window, ..ThresholdConfig::default() };
        Threshold::new(3, config).expect("valid")
    }

    #[test]
    fn good_windows_raise_and_bad_windows_lower_the_level() {
        let mut rule = rule(2);
        rule.observe(0, &[group(0, 4, 4)]);
        assert_eq!(rule.probs(1), [1.0, 0.0, 0.0]);
        rule.observe(1, &[group(0, 3, 4)]);
        assert_eq!(rule.probs(2), [0.0, 1.0, 0.0]);
        rule.observe(2, &[group(1, 2, 4), group(1, 2, 4)]);
        assert_eq!(rule.probs(3), [0.0, 1.0, 0.0]);
        rule.observe(3, &[group(1, 1, 4), group(1, 0, 4)]);
        assert_eq!(rule.probs(4), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn groups_of_other_levels_do_not_count() {
        let mut rule = rule(1);
        rule.observe(0, &[group(2, 4, 4)]);
        assert_eq!(rule.probs(1), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_level_stays_within_the_task() {
        let mut rule = rule(1);
        rule.observe(0, &[group(0, 0, 4)]);
        assert_eq!(rule.state.level, 0);
        rule.state.level = 2;
        rule.observe(1, &[group(2, 4, 4)]);
        assert_eq!(rule.state.level, 2);
    }

    #[test]
    fn the_state_is_exact() {
        assert_exact_state(rule(3), rule(3));
    }
}
