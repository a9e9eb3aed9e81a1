//! Filters: which problems and groups are worth the compute, on top of any rule for the levels.
//!
//! A configuration composes them: level probabilities from the rule, a [`Filter`] over problems and groups, and a
//! floor under the probabilities. A filter expects [`observe`](Curriculum::observe) to see every finished group, those
//! that it dropped too.

mod pass_rate;
mod pools;
mod vcrl;

pub use pass_rate::PassRateFilter;
pub use pools::Pools;
pub use vcrl::{Vcrl, VcrlConfig, normalised_variance};

use e2h_core::{Curriculum, GroupOutcome, Level, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state;

/// One of the filters.
#[derive(Clone, Debug)]
pub enum Filter {
    /// The online difficulty filter.
    PassRate(PassRateFilter),
    /// Variance threshold with a memory of good prompts.
    Vcrl(Vcrl),
    /// Problems weighted by their last pass rate.
    Pools(Pools),
}

/// A rule for the levels with a filter over its problems and groups.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Filter, Filtered, Fixed, PassRateFilter, Shape};
///
/// let levels = Fixed::new(Shape::Balanced, 2, 100)?;
/// let rule = Filtered::new(Box::new(levels), Filter::PassRate(PassRateFilter::default()));
/// assert_eq!(rule.probs(0), [0.5, 0.5]);
/// // Of groups of four, those whose rollouts all agree are dropped.
/// let group = |n_correct| GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// };
/// assert_eq!([0, 1, 3, 4].map(|n| rule.keeps(0, &group(n))), [false, true, true, false]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub struct Filtered {
    inner: Box<dyn Curriculum>,
    filter: Filter,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    levels: Value,
    filter: Value,
}

impl Filtered {
    /// Puts `filter` on top of `inner`.
    pub fn new(inner: Box<dyn Curriculum>, filter: Filter) -> Self {
        Self { inner, filter }
    }
}

impl Curriculum for Filtered {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn n_levels(&self) -> usize {
        self.inner.n_levels()
    }

    fn probs(&self, step: u64) -> Vec<f64> {
        self.inner.probs(step)
    }

    fn observe(&mut self, step: u64, groups: &[GroupOutcome]) {
        self.inner.observe(step, groups);
        match &mut self.filter {
            Filter::PassRate(_) => {}
            Filter::Vcrl(vcrl) => vcrl.observe(step, groups),
            Filter::Pools(pools) => pools.observe(groups),
        }
    }

    fn keeps(&self, step: u64, group: &GroupOutcome) -> bool {
        let kept = match &self.filter {
            Filter::PassRate(filter) => filter.keeps(group),
            Filter::Vcrl(vcrl) => vcrl.keeps(step, group),
            Filter::Pools(_) => true,
        };
        kept && self.inner.keeps(step, group)
    }

    fn item_weight(&self, step: u64, level: Level, item: u64) -> f64 {
        let weight = match &self.filter {
            Filter::Pools(pools) => pools.weight(level, item),
            Filter::PassRate(_) | Filter::Vcrl(_) => 1.0,
        };
        weight * self.inner.item_weight(step, level, item)
    }

    fn refill(&mut self, step: u64) -> Option<(Level, u64)> {
        match &mut self.filter {
            Filter::Vcrl(vcrl) => vcrl.refill(),
            Filter::PassRate(_) | Filter::Pools(_) => self.inner.refill(step),
        }
    }

    fn state(&self) -> Value {
        state::save(&State {
            levels: self.inner.state(),
            filter: match &self.filter {
                Filter::PassRate(_) => Value::Null,
                Filter::Vcrl(vcrl) => vcrl.state(),
                Filter::Pools(pools) => pools.state(),
            },
        })
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let saved: State = state::load("the filter", saved, |_| true)?;
        match &mut self.filter {
            Filter::PassRate(_) => {}
            Filter::Vcrl(vcrl) => vcrl.restore(&saved.filter, self.inner.n_levels())?,
            Filter::Pools(pools) => pools.restore(&saved.filter)?,
        }
        self.inner.restore(&saved.levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};
    use crate::adaptive::{Sec, SecConfig};

    fn filtered(filter: Filter) -> Filtered {
        let sec = Sec::new(3, SecConfig::default()).expect("valid");
        Filtered::new(Box::new(sec), filter)
    }

    #[test]
    fn the_state_of_both_parts_is_exact() {
        let filters = || {
            [
                Filter::PassRate(PassRateFilter::default()),
                Filter::Vcrl(Vcrl::new(VcrlConfig::default()).expect("valid")),
                Filter::Pools(Pools::default()),
            ]
        };
        for (one, other) in filters().into_iter().zip(filters()) {
            assert_exact_state(filtered(one), filtered(other));
        }
    }

    #[test]
    fn a_restored_memory_refills_alike() {
        let vcrl = || Filter::Vcrl(Vcrl::new(VcrlConfig::default()).expect("valid"));
        let mut first = filtered(vcrl());
        first.observe(0, &[group(1, 4, 8)]);
        let mut second = filtered(vcrl());
        second.restore(&first.state()).expect("the same rule");
        assert_eq!(second.refill(1), Some((Level(1), 0)));
        assert_eq!(second.refill(1), None);
        let mut state = first.state();
        state["filter"][0]["level"] = 3.into();
        assert!(second.restore(&state).is_err(), "there are levels 0 to 2");
    }
}
