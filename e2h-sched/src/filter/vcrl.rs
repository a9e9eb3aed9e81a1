//! VCRL: groups of low variance are dropped and replaced by prompts that had high variance before.
//!
//! A group of G rollouts with k right has the variance `k (G - k) / (G (G - 1))`; over its largest value this is
//! `v = k (G - k) / (floor(G / 2) ceil(G / 2))`. A group is kept when `v >= kappa`, where kappa is `kappa_start` for the
//! first `warmup_steps` steps and `kappa` after. Kept prompts enter a memory with priority v; a refill takes the
//! prompt of highest priority out, the oldest among equals.
//!
//! # Source
//! Variance-based Curriculum Reinforcement Learning, arXiv 2509.19803: kappa 0.3 for 20 steps, then 0.8.
//!
//! # Deviations
//! 1. A prompt that is seen again replaces its priority; the source averages it with momentum.
//! 2. The memory's size, 512 prompts, is ours; a full memory forgets its lowest priority.
//!
//! # Invariants
//! - A prompt is in the memory at most once, and the memory never exceeds its size.

use e2h_core::{Error, GroupOutcome, Level, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checks::Checks;
use crate::state;

/// The parameters of [`Vcrl`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VcrlConfig {
    /// Least normalised variance in the first steps, in [0, 1].
    pub kappa_start: f64,
    /// Least normalised variance after them, in [0, 1].
    pub kappa: f64,
    /// How many steps `kappa_start` holds.
    pub warmup_steps: u64,
    /// Most prompts that the memory holds.
    pub memory: u64,
}

impl Default for VcrlConfig {
    fn default() -> Self {
        Self { kappa_start: 0.3, kappa: 0.8, warmup_steps: 20, memory: 512 }
    }
}

impl VcrlConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.within("filter.kappa_start", self.kappa_start, 0.0, 1.0);
        checks.within("filter.kappa", self.kappa, 0.0, 1.0);
        checks.into_problems()
    }
}

/// The VCRL filter and its memory.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Filter, Filtered, Fixed, Shape, Vcrl, VcrlConfig};
///
/// let filter = Filter::Vcrl(Vcrl::new(VcrlConfig::default())?);
/// let mut rule = Filtered::new(Box::new(Fixed::new(Shape::Balanced, 2, 100)?), filter);
/// // Two of eight right: v = 2 * 6 / (4 * 4) = 0.75, between the 0.3 of the first steps and 0.8.
/// let group = GroupOutcome {
///     level: Level(1), item: 5, rewards: vec![0.0; 8], advantages: vec![0.0; 8], n_correct: 2,
/// };
/// assert!(rule.keeps(0, &group) && !rule.keeps(20, &group));
/// // A prompt that was kept stands in, once, for one that is dropped later.
/// rule.observe(0, &[group]);
/// assert_eq!((rule.refill(1), rule.refill(1)), (Some((Level(1), 5)), None));
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vcrl {
    config: VcrlConfig,
    /// In the order of arrival.
    memory: Vec<Remembered>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    level: Level,
    item: u64,
    variance: f64,
}

/// The variance of a group of binary outcomes over the largest that its size allows, in [0, 1]; 0 for fewer than two.
///
/// ```
/// use e2h_core::{GroupOutcome, Level};
/// use e2h_sched::normalised_variance;
/// let group = |n_correct| GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// };
/// // Of four with k right it is k (4 - k) / 4.
/// assert_eq!([0, 1, 2].map(|k| normalised_variance(&group(k))), [0.0, 0.75, 1.0]);
/// ```
pub fn normalised_variance(group: &GroupOutcome) -> f64 {
    let size = group.rewards.len() as u64;
    let right = u64::from(group.n_correct).min(size);
    let largest = (size / 2) * size.div_ceil(2);
    if largest == 0 { 0.0 } else { (right * (size - right)) as f64 / largest as f64 }
}

impl Vcrl {
    /// The filter with an empty memory.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(config: VcrlConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, memory: Vec::new() })
    }

    pub(super) fn keeps(&self, step: u64, group: &GroupOutcome) -> bool {
        let kappa = if step < self.config.warmup_steps {
            self.config.kappa_start
        } else {
            self.config.kappa
        };
        normalised_variance(group) >= kappa
    }

    pub(super) fn observe(&mut self, step: u64, groups: &[GroupOutcome]) {
        for group in groups {
            let same = |old: &Remembered| old.level == group.level && old.item == group.item;
            self.memory.retain(|old| !same(old));
            if self.keeps(step, group) {
                self.memory.push(Remembered {
                    level: group.level,
                    item: group.item,
                    variance: normalised_variance(group),
                });
            }
            if self.memory.len() as u64 > self.config.memory {
                let lowest = |a: &Remembered, b: &Remembered| b.variance.total_cmp(&a.variance);
                self.remove_first_max(lowest);
            }
        }
    }

    pub(super) fn refill(&mut self) -> Option<(Level, u64)> {
        let taken = self.remove_first_max(|a, b| a.variance.total_cmp(&b.variance))?;
        Some((taken.level, taken.item))
    }

    /// Removes the greatest by `order`, the oldest among equals.
    fn remove_first_max(
        &mut self,
        order: impl Fn(&Remembered, &Remembered) -> std::cmp::Ordering,
    ) -> Option<Remembered> {
        // `max_by` takes the last among equals, so the search runs from the newest to the oldest.
        let newest_first = self.memory.iter().enumerate().rev();
        let (index, _) = newest_first.max_by(|a, b| order(a.1, b.1))?;
        Some(self.memory.remove(index))
    }

    pub(super) fn state(&self) -> Value {
        state::save(&self.memory)
    }

    pub(super) fn restore(&mut self, saved: &Value, n_levels: usize) -> Result<()> {
        let fits = |memory: &Vec<Remembered>| memory.iter().all(|old| old.level.index() < n_levels);
        self.memory = state::load("the vcrl filter", saved, fits)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;

    fn vcrl(memory: u64) -> Vcrl {
        let config = VcrlConfig { memory, ..VcrlConfig::default() };
        Vcrl::new(config).expect("valid")
    }

    fn item(item: u64, n_correct: u32) -> GroupOutcome {
        GroupOutcome { item, ..group(0, n_correct, 8) }
    }

    #[test]
    fn the_variance_is_one_at_the_middle_of_even_and_odd_groups() {
        assert_eq!(normalised_variance(&group(0, 4, 8)), 1.0);
        assert_eq!(normalised_variance(&group(0, 3, 7)), 1.0);
        assert_eq!(normalised_variance(&group(0, 2, 8)), 0.75);
        assert_eq!(normalised_variance(&group(0, 8, 8)), 0.0);
        assert_eq!(normalised_variance(&group(0, 1, 1)), 0.0);
    }

    #[test]
    fn the_threshold_rises_after_the_warmup() {
        let vcrl = vcrl(8);
        assert!(vcrl.keeps(19, &group(0, 2, 8)));
        assert!(!vcrl.keeps(20, &group(0, 2, 8)));
        assert!(vcrl.keeps(20, &group(0, 3, 8)));
    }

    #[test]
    fn a_refill_takes_the_highest_variance_and_the_oldest_among_equals() {
        let mut vcrl = vcrl(8);
        vcrl.observe(0, &[item(1, 2), item(2, 4), item(3, 4), item(4, 0)]);
        let order: Vec<u64> = std::iter::from_fn(|| vcrl.refill()).map(|(_, i)| i).collect();
        assert_eq!(order, [2, 3, 1]);
    }

    #[test]
    fn a_full_memory_forgets_its_lowest_priority() {
        let mut vcrl = vcrl(2);
        vcrl.observe(0, &[item(1, 4), item(2, 2), item(3, 3)]);
        let order: Vec<u64> = std::iter::from_fn(|| vcrl.refill()).map(|(_, i)| i).collect();
        assert_eq!(order, [1, 3]);
    }

    #[test]
    fn a_prompt_that_lost_its_variance_leaves_the_memory() {
        let mut vcrl = vcrl(2);
        vcrl.observe(0, &[item(1, 4)]);
        vcrl.observe(1, &[item(1, 8)]);
        assert_eq!(vcrl.refill(), None);
    }
}
