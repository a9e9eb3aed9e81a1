//! The trait of a curriculum: which levels a training step draws from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Level, Result};

/// A rule that gives each level its probability at each step.
///
/// A fixed schedule ignores [`observe`](Self::observe); an adaptive rule learns from it.
///
/// # Invariants
/// - [`probs`](Self::probs) has one entry a level, each at least 0, with sum 1.
/// - [`state`](Self::state) and [`restore`](Self::restore) are exact: a restored rule goes on bit for bit.
///
/// ```
/// use e2h_core::Curriculum;
///
/// /// The easier half of the levels first, then all.
/// struct Halves { n_levels: usize, steps: u64 }
///
/// impl Curriculum for Halves {
///     fn name(&self) -> &str {
///         "halves"
///     }
///     fn n_levels(&self) -> usize {
///         self.n_levels
///     }
///     fn probs(&self, step: u64) -> Vec<f64> {
///         let open = if 2 * step < self.steps { self.n_levels.div_ceil(2) } else { self.n_levels };
///         (0..self.n_levels).map(|k| if k < open { 1.0 / open as f64 } else { 0.0 }).collect()
///     }
/// }
///
/// let rule = Halves { n_levels: 4, steps: 100 };
/// assert_eq!(rule.probs(0), [0.5, 0.5, 0.0, 0.0]);
/// assert_eq!(rule.probs(50), [0.25; 4]);
/// ```
pub trait Curriculum: Send {
    /// The rule's name as written in a configuration, for example `gaussian`.
    fn name(&self) -> &str;

    /// The number of training levels, K.
    fn n_levels(&self) -> usize;

    /// The probability of each level at `step` (0-based).
    fn probs(&self, step: u64) -> Vec<f64>;

    /// Takes in the outcome of the groups of `step`.
    fn observe(&mut self, step: u64, groups: &[GroupOutcome]) {
        let _ = (step, groups);
    }

    /// True when a finished group is worth an update; others are dropped or drawn again.
    fn keeps(&self, step: u64, group: &GroupOutcome) -> bool {
        let _ = (step, group);
        true
    }

    /// The chance, in [0, 1], that the sampler takes `item` of `level` when it comes to it; what it passes over
    /// waits for the level's next epoch. 1 for a rule that does not look at single problems.
    fn item_weight(&self, step: u64, level: Level, item: u64) -> f64 {
        let _ = (step, level, item);
        1.0
    }

    /// A problem to draw in place of a group that [`keeps`](Self::keeps) dropped, as (level, item); `None` when
    /// the rule has none, and the sampler then draws as usual.
    fn refill(&mut self, step: u64) -> Option<(Level, u64)> {
        let _ = step;
        None
    }

    /// What has been learned so far, for a checkpoint; `Null` for a rule without state.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Takes up a saved state.
    ///
    /// # Errors
    /// [`BadState`](crate::Error::BadState) when the state is not one of this rule.
    fn restore(&mut self, state: &Value) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

/// What one group of rollouts of the same prompt came to.
///
/// ```
/// use e2h_core::{GroupOutcome, Level};
///
/// let group = GroupOutcome {
///     level: Level(2),
///     item: 7,
///     rewards: vec![1.0, 0.0, 0.0, 0.0],
///     advantages: vec![1.5, -0.5, -0.5, -0.5],
///     n_correct: 1,
/// };
/// assert_eq!((group.pass_rate(), group.mean_abs_advantage()), (0.25, 0.75));
/// // A log keeps all but the single advantages.
/// let read = GroupOutcome::from_row(&group.to_row()).expect("a row of a log");
/// assert_eq!(read, GroupOutcome { advantages: vec![0.75; 4], ..group });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupOutcome {
    /// The problem's level.
    pub level: Level,
    /// The problem's index within its level's pool.
    pub item: u64,
    /// The rewards of the group's verified rollouts.
    pub rewards: Vec<f64>,
    /// The advantages of the same rollouts.
    pub advantages: Vec<f64>,
    /// How many of the rollouts were correct.
    pub n_correct: u32,
}

impl GroupOutcome {
    /// The share of correct rollouts; 0 for an empty group.
    pub fn pass_rate(&self) -> f64 {
        if self.rewards.is_empty() {
            0.0
        } else {
            f64::from(self.n_correct) / self.rewards.len() as f64
        }
    }

    /// The mean absolute advantage; 0 for an empty group.
    pub fn mean_abs_advantage(&self) -> f64 {
        if self.advantages.is_empty() {
            0.0
        } else {
            self.advantages.iter().map(|a| a.abs()).sum::<f64>() / self.advantages.len() as f64
        }
    }

    /// The group as an entry of a log: `[level, item, n_correct, mean |A|, [rewards]]`.
    pub fn to_row(&self) -> Value {
        let mean = self.mean_abs_advantage();
        json!([self.level, self.item, self.n_correct, mean, self.rewards])
    }

    /// Reads what [`to_row`](Self::to_row) wrote; `None` for anything else.
    ///
    /// The single advantages are not in the log: each is given as their mean absolute value, which is all that the
    /// rules look at.
    pub fn from_row(row: &Value) -> Option<Self> {
        type Row = (Level, u64, u32, f64, Vec<f64>);
        let (level, item, n_correct, mean, rewards): Row = Row::deserialize(row).ok()?;
        let advantages = vec![mean; rewards.len()];
        Some(Self { level, item, rewards, advantages, n_correct })
    }
}

/// One prompt slot of a step: which problem of which level's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// The level.
    pub level: Level,
    /// The problem's index within the level's pool.
    pub item: u64,
}

/// Draws the problems of each step by a curriculum's probabilities.
///
/// ```
/// use e2h_core::{Curriculum, Error, Level, Pick, ProblemSampler, Result};
/// use serde_json::Value;
///
/// /// The problems of the first level that has a probability, one after the other.
/// struct InTurn(u64);
///
/// impl ProblemSampler for InTurn {
///     fn draw(&mut self, rule: &dyn Curriculum, step: u64, n: usize) -> Result<Vec<Pick>> {
///         let level = rule.probs(step).iter().position(|prob| *prob > 0.0).unwrap_or(0);
///         let items = self.0..self.0 + n as u64;
///         self.0 = items.end;
///         Ok(items.map(|item| Pick { level: Level::at(level), item }).collect())
///     }
///     fn state(&self) -> Value {
///         self.0.into()
///     }
///     fn restore(&mut self, state: &Value) -> Result<()> {
///         let bad = || Error::BadState { owner: "in turn".into(), problem: "not a count".into() };
///         self.0 = state.as_u64().ok_or_else(bad)?;
///         Ok(())
///     }
/// }
/// # struct Hard;
/// # impl Curriculum for Hard {
/// #     fn name(&self) -> &str { "hard" }
/// #     fn n_levels(&self) -> usize { 2 }
/// #     fn probs(&self, _: u64) -> Vec<f64> { vec![0.0, 1.0] }
/// # }
///
/// // A sampler that takes up the state of another goes on where that one is.
/// let (mut first, mut second) = (InTurn(0), InTurn(0));
/// first.draw(&Hard, 0, 3)?;
/// second.restore(&first.state())?;
/// assert_eq!(second.draw(&Hard, 1, 1)?, [Pick { level: Level(1), item: 3 }]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub trait ProblemSampler: Send {
    /// Draws `n` problems for `step`.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::Error::OutOfRange) when the rule has another number of levels than the sampler.
    fn draw(&mut self, rule: &dyn Curriculum, step: u64, n: usize) -> Result<Vec<Pick>>;

    /// What the sampler needs to go on where it is.
    fn state(&self) -> Value;

    /// Takes up a saved state.
    ///
    /// # Errors
    /// [`BadState`](crate::Error::BadState) when the state was saved over other pools.
    fn restore(&mut self, state: &Value) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_what_rules_look_at() {
        let group = GroupOutcome {
            level: Level(2),
            item: 41,
            rewards: vec![1.0, 0.1, 0.0, 1.0],
            advantages: vec![0.9, -0.8, -1.0, 0.9],
            n_correct: 2,
        };
        assert_eq!(group.to_row().to_string(), "[2,41,2,0.9,[1.0,0.1,0.0,1.0]]");
        let read = GroupOutcome::from_row(&group.to_row()).expect("a row");
        assert_eq!(read.rewards, group.rewards);
        assert_eq!((read.level, read.item, read.n_correct), (Level(2), 41, 2));
        assert!((read.mean_abs_advantage() - group.mean_abs_advantage()).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_a_row_is_refused() {
        for text in ["[]", "{}", "[0,1,2,0.5]", "[0,1,2,\"x\",[1]]", "[-1,1,2,0.5,[1]]"] {
            let row: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(GroupOutcome::from_row(&row), None, "{text}");
        }
    }
}
