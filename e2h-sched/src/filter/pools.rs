//! Problems weighted by their last pass rate, in three pools.
//!
//! Hard (pass rate at most 0.25): weight 0.2. Normal (at most 0.75) and not yet seen: 1. Easy: 0.2. The weight is the
//! chance that the sampler takes the problem when it comes to it.
//!
//! # Source
//! The difficulty pools of prime-rl.
//!
//! # Deviations
//! 1. The source draws pools in the ratio of the weights; here each problem is taken with its weight, so the ratio
//!    follows from the pools' sizes.
//!
//! # Invariants
//! - A problem's weight depends on its last group only.

use std::collections::BTreeMap;

use e2h_core::{GroupOutcome, Level, Result};
use serde_json::Value;

use crate::checks::Checks;
use crate::state;

/// The last pass rate of every problem seen, and the weights of the pools.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Filter, Filtered, Fixed, Pools, Shape};
///
/// # let group = |item, n_correct| GroupOutcome {
/// #     level: Level(0), item, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// # };
/// let pools = Filter::Pools(Pools::default());
/// let mut rule = Filtered::new(Box::new(Fixed::new(Shape::Balanced, 2, 100)?), pools);
/// // Problems 0, 1 and 2 were solved by none, two and all of four rollouts; problem 3 has not come up.
/// rule.observe(0, &[group(0, 0), group(1, 2), group(2, 4)]);
/// assert_eq!([0, 1, 2, 3].map(|item| rule.item_weight(1, Level(0), item)), [0.2, 1.0, 0.2, 1.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pools {
    /// Highest pass rate of the hard pool.
    low: f64,
    /// Highest pass rate of the normal pool.
    high: f64,
    /// Weight of the hard and of the easy pool, in [0, 1].
    weight: f64,
    last: BTreeMap<(Level, u64), f64>,
}

impl Default for Pools {
    fn default() -> Self {
        Self { low: 0.25, high: 0.75, weight: 0.2, last: BTreeMap::new() }
    }
}

impl Pools {
    /// Pools with the bounds `0 <= low <= high <= 1` and the `weight` of problems outside them.
    ///
    /// # Errors
    /// [`OutOfRange`](e2h_core::Error::OutOfRange) for the first parameter outside its range.
    pub fn new(low: f64, high: f64, weight: f64) -> Result<Self> {
        let mut checks = Checks::default();
        checks.within("filter.high", high, 0.0, 1.0);
        checks.within("filter.low", low, 0.0, high);
        checks.within("filter.weight", weight, 0.0, 1.0);
        checks.into_result()?;
        Ok(Self { low, high, weight, last: BTreeMap::new() })
    }

    pub(super) fn observe(&mut self, groups: &[GroupOutcome]) {
        for group in groups.iter().filter(|group| !group.rewards.is_empty()) {
            self.last.insert((group.level, group.item), group.pass_rate());
        }
    }

    pub(super) fn weight(&self, level: Level, item: u64) -> f64 {
        match self.last.get(&(level, item)) {
            Some(&rate) if rate <= self.low || rate > self.high => self.weight,
            _ => 1.0,
        }
    }

    pub(super) fn state(&self) -> Value {
        // JSON keys are texts, so the table is written as a list.
        let rows: Vec<(Level, u64, f64)> =
            self.last.iter().map(|(&(level, item), &rate)| (level, item, rate)).collect();
        state::save(&rows)
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        let rows: Vec<(Level, u64, f64)> = state::load("the pools filter", saved, |_| true)?;
        self.last = rows.into_iter().map(|(level, item, rate)| ((level, item), rate)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;

    #[test]
    fn weights_follow_the_last_pass_rate() {
        let mut pools = Pools::default();
        assert_eq!(pools.weight(Level(0), 0), 1.0);
        for (n_correct, expected) in [(2, 0.2), (3, 1.0), (6, 1.0), (7, 0.2)] {
            pools.observe(&[group(0, n_correct, 8)]);
            assert_eq!(pools.weight(Level(0), 0), expected, "{n_correct} of 8");
        }
        assert_eq!(pools.weight(Level(1), 0), 1.0);
    }
}
