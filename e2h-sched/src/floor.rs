//! A floor under every level's probability, for any rule.
//!
//! `p'_i = f + (1 - K f) p_i`, so each level keeps at least `f` and the order of the levels is unchanged.
//!
//! # Source
//! The E2H reference code applies this form to its Gaussian schedule, with `f = 2 / (K (K + 1))`.
//!
//! # Deviations
//! None.
//!
//! # Invariants
//! - `f <= p'_i <= 1 - (K - 1) f`, and the sum stays 1.

use e2h_core::{Curriculum, GroupOutcome, Level, Result};
use serde_json::Value;

use crate::checks::Checks;

/// Lifts every probability to at least `floor`: `f + (1 - K f) p`.
pub(crate) fn lift(probs: &mut [f64], floor: f64) {
    let scale = 1.0 - probs.len() as f64 * floor;
    for prob in probs {
        *prob = floor + scale * *prob;
    }
}

/// A rule with a floor under its probabilities.
///
/// ```
/// use e2h_core::{Curriculum, Level};
/// use e2h_sched::{Fixed, Floored, Shape};
///
/// let inner = Fixed::new(Shape::Only(Level(0)), 4, 100)?;
/// let rule = Floored::new(Box::new(inner), 0.125)?;
/// // 1/8 each, and the other half as the inner rule has it.
/// assert_eq!(rule.probs(0), [0.625, 0.125, 0.125, 0.125]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub struct Floored {
    inner: Box<dyn Curriculum>,
    floor: f64,
}

impl Floored {
    /// Puts `floor` (a probability) under every level of `inner`.
    ///
    /// # Errors
    /// [`OutOfRange`](e2h_core::Error::OutOfRange) unless `0 <= floor <= 1 / K`.
    pub fn new(inner: Box<dyn Curriculum>, floor: f64) -> Result<Self> {
        let mut checks = Checks::default();
        checks.floor("floor", floor, inner.n_levels());
        checks.into_result()?;
        Ok(Self { inner, floor })
    }
}

impl Curriculum for Floored {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn n_levels(&self) -> usize {
        self.inner.n_levels()
    }

    fn probs(&self, step: u64) -> Vec<f64> {
        let mut probs = self.inner.probs(step);
        lift(&mut probs, self.floor);
        probs
    }

    fn observe(&mut self, step: u64, groups: &[GroupOutcome]) {
        self.inner.observe(step, groups);
    }

    fn keeps(&self, step: u64, group: &GroupOutcome) -> bool {
        self.inner.keeps(step, group)
    }

    fn item_weight(&self, step: u64, level: Level, item: u64) -> f64 {
        self.inner.item_weight(step, level, item)
    }

    fn refill(&mut self, step: u64) -> Option<(Level, u64)> {
        self.inner.refill(step)
    }

    fn state(&self) -> Value {
        self.inner.state()
    }

    fn restore(&mut self, state: &Value) -> Result<()> {
        self.inner.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fixed, Shape};

    #[test]
    fn a_floor_lifts_the_zeros_of_a_hard_switch() {
        let classic = Fixed::new(Shape::Classic, 4, 8).expect("valid");
        let floored = Floored::new(Box::new(classic), 0.05).expect("0.05 fits 4 levels");
        let probs = floored.probs(0);
        for (prob, expected) in probs.iter().zip([0.85, 0.05, 0.05, 0.05]) {
            assert!((prob - expected).abs() < 1e-15, "{probs:?}");
        }
    }

    #[test]
    fn a_floor_over_its_bound_is_refused() {
        let balanced = Fixed::new(Shape::Balanced, 4, 8).expect("valid");
        let error = Floored::new(Box::new(balanced), 0.26).err().expect("too high");
        assert!(error.to_string().contains("at most 1 / 4"), "{error}");
    }
}
