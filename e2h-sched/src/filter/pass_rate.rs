//! The online difficulty filter: only groups of middling pass rate are updated on.
//!
//! A group is kept when `low <= pass rate <= high`.
//!
//! # Source
//! Online difficulty filtering, arXiv 2504.03380.
//!
//! # Deviations
//! 1. The defaults 0.01 and 0.99 are ours: they drop only the groups whose rollouts all agree, as long as a group
//!    has fewer than 100.
//!
//! # Invariants
//! - The filter has no state.

use e2h_core::{GroupOutcome, Result};

use crate::checks::Checks;

/// Keeps groups whose pass rate lies in `[low, high]`.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{Filter, Filtered, Fixed, PassRateFilter, Shape};
///
/// # let group = |n_correct| GroupOutcome {
/// #     level: Level(0), item: 0, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// # };
/// let filter = PassRateFilter::new(0.25, 0.5)?;
/// let rule = Filtered::new(Box::new(Fixed::new(Shape::Balanced, 2, 100)?), Filter::PassRate(filter));
/// // Groups of four with 0 to 4 right; the bounds belong to the range.
/// let kept = [0, 1, 2, 3, 4].map(|n_correct| rule.keeps(0, &group(n_correct)));
/// assert_eq!(kept, [false, true, true, false, false]);
/// assert!(PassRateFilter::new(0.5, 0.25).is_err());
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassRateFilter {
    low: f64,
    high: f64,
}

impl Default for PassRateFilter {
    fn default() -> Self {
        Self { low: 0.01, high: 0.99 }
    }
}

impl PassRateFilter {
    /// The filter with bounds `0 <= low <= high <= 1`.
    ///
    /// # Errors
    /// [`OutOfRange`](e2h_core::Error::OutOfRange) for the first bound outside its range.
    pub fn new(low: f64, high: f64) -> Result<Self> {
        let mut checks = Checks::default();
        checks.within("filter.high", high, 0.0, 1.0);
        checks.within("filter.low", low, 0.0, high);
        checks.into_result()?;
        Ok(Self { low, high })
    }

    pub(super) fn keeps(&self, group: &GroupOutcome) -> bool {
        (self.low..=self.high).contains(&group.pass_rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;

    #[test]
    fn the_default_drops_only_groups_that_agree() {
        let filter = PassRateFilter::default();
        let kept: Vec<u32> = (0..=8).filter(|&n| filter.keeps(&group(0, n, 8))).collect();
        assert_eq!(kept, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn bounds_are_inclusive() {
        let filter = PassRateFilter::new(0.25, 0.75).expect("valid");
        let kept: Vec<u32> = (0..=8).filter(|&n| filter.keeps(&group(0, n, 8))).collect();
        assert_eq!(kept, [2, 3, 4, 5, 6]);
    }

    #[test]
    fn crossed_bounds_are_refused() {
        assert!(PassRateFilter::new(0.8, 0.2).is_err());
    }
}
