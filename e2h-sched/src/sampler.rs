//! Turns level probabilities into problems to train on.
//!
//! Each of the B prompt slots of a step draws a level from `p`; a level hands out its problems in the order of
//! a permutation of its pool, a new one each epoch, so no problem repeats before all have had their turn.
//!
//! Problems may have weights. When the sampler comes to a problem it takes it with chance
//! `w / max w of the level` times the rule's own [`item_weight`](Curriculum::item_weight); what it passes over waits for
//! the next epoch. So a level's problems come up in the ratio of their weights, each at most once an epoch, and one of
//! weight 0 never.
//!
//! # Source
//! The sampler of the E2H reference code: i.i.d. levels, a permutation a level.
//!
//! # Deviations
//! 1. The permutation is drawn anew each epoch; the reference wraps around the same one.
//! 2. [`Picking::Systematic`] is ours.
//! 3. The state is saved, so a resumed run draws what an uninterrupted one would.
//! 4. Weights of problems are ours.
//!
//! # Invariants
//! - Within an epoch of a level each problem is handed out at most once, and exactly once where neither the data nor
//!   the rule weighs problems.
//! - Every level has a problem that can be drawn, so no draw fails in the middle of a run.
//! - A draw depends on (seed, pool sizes, weights, state, probabilities) only; one `u64` or `f64` at a time, so it is
//!   the same on every platform.

use e2h_core::{
    Curriculum, Error, Level, Pick, ProblemSampler, Result, RootSeed, Stream, stable_hash,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checks::Checks;

/// How the levels of a step's prompt slots are drawn.
///
/// ```
/// use e2h_core::{ProblemSampler, RootSeed};
/// use e2h_sched::{Fixed, LevelSampler, Picking, Shape};
///
/// let rule = Fixed::new(Shape::Table(vec![vec![0.25, 0.75]]), 2, 100)?;
/// let mut sampler = LevelSampler::new(RootSeed(1), &[50, 50], Picking::Systematic)?;
/// // A quarter of eight is two, at every step.
/// let levels: Vec<u16> = sampler.draw(&rule, 0, 8)?.iter().map(|pick| pick.level.0).collect();
/// assert_eq!(levels, [0, 0, 1, 1, 1, 1, 1, 1]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Picking {
    /// Each slot on its own, as in the reference.
    #[default]
    Independent,
    /// Slots at evenly spaced points of the cumulative distribution with one random offset. The expected counts
    /// are the same, and each level's count is within 1 of `B p_i`. Slots come out easiest first.
    Systematic,
}

/// What a [`LevelSampler`] needs to go on where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplerState {
    /// How many calls of [`LevelSampler::draw`] there were.
    pub calls: u64,
    /// The pool size of each level.
    pub sizes: Vec<u64>,
    /// How many problems each level has handed out or passed over, over all epochs.
    pub taken: Vec<u64>,
    /// A hash of the problems' weights; none where all weigh alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<u64>,
}

/// Draws the problems of each step.
///
/// ```
/// use e2h_core::{Level, ProblemSampler, RootSeed};
/// use e2h_sched::{Fixed, LevelSampler, Picking, Shape};
///
/// let rule = Fixed::new(Shape::Only(Level(1)), 2, 100)?;
/// let mut sampler = LevelSampler::new(RootSeed(1), &[9, 3], Picking::Independent)?;
/// // Three draws from a level of three problems: each comes once.
/// let mut items: Vec<u64> = sampler.draw(&rule, 0, 3)?.iter().map(|pick| pick.item).collect();
/// items.sort_unstable();
/// assert_eq!(items, [0, 1, 2]);
/// // A sampler that takes up the state goes on as this one does.
/// let mut resumed = LevelSampler::new(RootSeed(1), &[9, 3], Picking::Independent)?;
/// resumed.restore(&sampler.state())?;
/// assert_eq!(resumed.draw(&rule, 1, 2)?, sampler.draw(&rule, 1, 2)?);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LevelSampler {
    seed: RootSeed,
    picking: Picking,
    calls: u64,
    pools: Vec<Pool>,
    weights: Option<u64>,
}

/// The problems of one level and how far they are used up.
#[derive(Clone, Debug)]
struct Pool {
    size: u64,
    taken: u64,
    /// Each problem's weight over the largest; empty where all weigh alike.
    chances: Vec<f64>,
    /// The epoch that `order` is the permutation of.
    epoch: Option<u64>,
    order: Vec<u64>,
}

impl LevelSampler {
    /// A sampler over pools of `sizes[level]` problems.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) when there is no level, or a pool has no problem or over `u32::MAX`. A level
    /// without problems is refused whatever its probability now: a rule may come to it in the middle of a run.
    pub fn new(seed: RootSeed, sizes: &[u64], picking: Picking) -> Result<Self> {
        let out_of_range = |name: String, got: u64, expected: String| Error::OutOfRange {
            name,
            got: got.to_string(),
            expected,
        };
        if sizes.is_empty() {
            let name = "number of levels".to_owned();
            return Err(out_of_range(name, 0, "at least 1".to_owned()));
        }
        let most = u64::from(u32::MAX);
        if let Some(level) = sizes.iter().position(|&size| size == 0 || size > most) {
            let name = format!("number of problems of level {level}");
            return Err(out_of_range(name, sizes[level], format!("at least 1 and at most {most}")));
        }
        let pool = |&size: &u64| Pool {
            size,
            taken: 0,
            chances: Vec::new(),
            epoch: None,
            order: Vec::new(),
        };
        let pools = sizes.iter().map(pool).collect();
        Ok(Self { seed, picking, calls: 0, pools, weights: None })
    }

    /// The same sampler with `weights[level][item]`; an empty list weighs the level's problems alike.
    ///
    /// ```
    /// use e2h_core::{ProblemSampler, RootSeed};
    /// use e2h_sched::{Fixed, LevelSampler, Picking, Shape};
    ///
    /// let rule = Fixed::new(Shape::Balanced, 1, 100)?;
    /// let sampler = LevelSampler::new(RootSeed(1), &[3], Picking::Independent)?;
    /// let mut sampler = sampler.weighted(&[vec![1.0, 0.0, 1.0]])?;
    /// // The problem of weight 0 never comes.
    /// assert!(sampler.draw(&rule, 0, 20)?.iter().all(|pick| pick.item != 1));
    /// # Ok::<(), e2h_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) when there is not one list a level or not one weight a problem, when a weight is
    /// negative or not finite, or when all weights of a level are 0.
    pub fn weighted(mut self, weights: &[Vec<f64>]) -> Result<Self> {
        let mut checks = Checks::default();
        let n_levels = self.pools.len();
        let expected = format!("{n_levels}, one a level");
        checks.require(
            weights.len() == n_levels,
            "number of lists of weights",
            weights.len(),
            expected,
        );
        for (level, (pool, row)) in self.pools.iter_mut().zip(weights).enumerate() {
            if row.is_empty() {
                continue;
            }
            let name = format!("number of weights of level {level}");
            let expected = format!("{}, one a problem", pool.size);
            checks.require(row.len() as u64 == pool.size, &name, row.len(), expected);
            for (item, &weight) in row.iter().enumerate() {
                checks.not_negative(&format!("weight of problem {item} of level {level}"), weight);
            }
            let most = row.iter().copied().fold(0.0, f64::max);
            let name = format!("largest weight of level {level}");
            checks.require(most > 0.0, &name, most, "greater than 0");
            pool.chances = row.iter().map(|weight| weight / most).collect();
        }
        checks.into_result()?;
        if weights.iter().any(|row| !row.is_empty()) {
            let text: Vec<String> = weights.iter().map(|row| format!("{row:?}")).collect();
            self.weights = Some(stable_hash("sampler/weights", text.join("\n").as_bytes()));
        }
        Ok(self)
    }

    fn check(&self, probs: &[f64]) -> Result<()> {
        if probs.len() != self.pools.len() {
            return Err(Error::OutOfRange {
                name: "number of levels of the curriculum".to_owned(),
                got: probs.len().to_string(),
                expected: format!("{}, one for each pool of problems", self.pools.len()),
            });
        }
        Ok(())
    }

    /// The level's next problem. What a weight passes over waits for the next epoch; once the rule's weights have
    /// passed over as many candidates as the level has problems, only the problems' own weights count.
    fn take(&mut self, index: usize, rule: &dyn Curriculum, step: u64, rng: &mut Stream) -> Pick {
        let level = Level::at(index);
        let mut candidates = 1;
        loop {
            let item = self.next(index);
            let pool = &self.pools[index];
            let mut chance = pool.chances.get(item as usize).copied().unwrap_or(1.0);
            if candidates < pool.size {
                chance *= rule.item_weight(step, level, item);
            }
            // The largest own weight is a chance of 1, so this ends within two epochs.
            if chance >= 1.0 || rng.random::<f64>() < chance {
                return Pick { level, item };
            }
            candidates += 1;
        }
    }

    fn next(&mut self, index: usize) -> u64 {
        let pool = &mut self.pools[index];
        let epoch = pool.taken / pool.size;
        if pool.epoch != Some(epoch) {
            let key = [index as u64, epoch];
            pool.order = permutation(pool.size, &mut self.seed.stream("sampler/order", &key));
            pool.epoch = Some(epoch);
        }
        let position = pool.taken % pool.size;
        pool.taken += 1;
        pool.order[position as usize]
    }
}

impl ProblemSampler for LevelSampler {
    /// Draws `n` problems for `step` by the rule's probabilities and item weights.
    ///
    /// It may be called several times a step: each call has its own random stream. On an error, for a rule with
    /// another number of levels, the sampler is unchanged.
    fn draw(&mut self, rule: &dyn Curriculum, step: u64, n: usize) -> Result<Vec<Pick>> {
        let probs = rule.probs(step);
        self.check(&probs)?;
        let mut rng = self.seed.stream("sampler/levels", &[self.calls]);
        self.calls += 1;
        let levels = match self.picking {
            Picking::Independent => (0..n).map(|_| level_at(&probs, rng.random::<f64>())).collect(),
            Picking::Systematic => systematic(&probs, n, &mut rng),
        };
        Ok(levels.into_iter().map(|index| self.take(index, rule, step, &mut rng)).collect())
    }

    fn state(&self) -> Value {
        json!(SamplerState {
            calls: self.calls,
            sizes: self.pools.iter().map(|pool| pool.size).collect(),
            taken: self.pools.iter().map(|pool| pool.taken).collect(),
            weights: self.weights,
        })
    }

    fn restore(&mut self, state: &Value) -> Result<()> {
        let bad = |problem: String| Error::BadState { owner: "the sampler".to_owned(), problem };
        let state: SamplerState =
            serde_json::from_value(state.clone()).map_err(|error| bad(error.to_string()))?;
        let sizes: Vec<u64> = self.pools.iter().map(|pool| pool.size).collect();
        if state.sizes != sizes || state.taken.len() != sizes.len() {
            return Err(bad(format!("pools of {:?} problems became {sizes:?}", state.sizes)));
        }
        if state.weights != self.weights {
            return Err(bad("the weights of the problems are others".to_owned()));
        }
        self.calls = state.calls;
        for (pool, &taken) in self.pools.iter_mut().zip(&state.taken) {
            pool.taken = taken;
        }
        Ok(())
    }
}

/// The level whose span of the cumulative distribution holds `point`, in [0, 1). A level of probability 0 is
/// never chosen, even where rounding leaves the sum under `point`.
fn level_at(probs: &[f64], point: f64) -> usize {
    let mut sum = 0.0;
    let mut last = 0;
    for (level, &prob) in probs.iter().enumerate() {
        if prob > 0.0 {
            sum += prob;
            last = level;
            if point < sum {
                break;
            }
        }
    }
    last
}

fn systematic(probs: &[f64], n: usize, rng: &mut Stream) -> Vec<usize> {
    let offset = rng.random::<f64>();
    (0..n).map(|slot| level_at(probs, (slot as f64 + offset) / n as f64)).collect()
}

/// A uniformly random order of `0..size`: Fisher and Yates, with `u64` ranges.
fn permutation(size: u64, rng: &mut Stream) -> Vec<u64> {
    let mut order: Vec<u64> = (0..size).collect();
    for last in (1..size).rev() {
        let other = rng.random_range(0..=last);
        order.swap(last as usize, other as usize);
    }
    order
}

#[cfg(test)]
mod tests;
