//! Turns level probabilities into problems to train on.
//!
//! Each of the B prompt slots of a step draws a level from `p`; a level hands out its problems in the order of
//! a permutation of its pool, a new one each epoch, so no problem repeats before all have had their turn.
//!
//! # Source
//! The sampler of the E2H reference code: i.i.d. levels, a permutation a level.
//!
//! # Deviations
//! 1. The permutation is drawn anew each epoch; the reference wraps around the same one.
//! 2. [`Picking::Systematic`] is ours.
//! 3. The state is saved, so a resumed run draws what an uninterrupted one would.
//!
//! # Invariants
//! - Within an epoch of a level each problem is handed out at most once, and exactly once for a rule without
//!   item weights.
//! - A draw depends on (seed, pool sizes, state, probabilities) only; one `u64` or `f64` at a time, so it is
//!   the same on every platform.

use e2h_core::{Curriculum, Error, Level, Pick, ProblemSampler, Result, RootSeed, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How the levels of a step's prompt slots are drawn.
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
}

/// Draws the problems of each step.
#[derive(Clone, Debug)]
pub struct LevelSampler {
    seed: RootSeed,
    picking: Picking,
    calls: u64,
    pools: Vec<Pool>,
}

/// The problems of one level and how far they are used up.
#[derive(Clone, Debug)]
struct Pool {
    size: u64,
    taken: u64,
    /// The epoch that `order` is the permutation of.
    epoch: Option<u64>,
    order: Vec<u64>,
}

impl LevelSampler {
    /// A sampler over pools of `sizes[level]` problems.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) when there is no level, or a pool has over `u32::MAX` problems.
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
        if let Some(level) = sizes.iter().position(|&size| size > most) {
            let name = format!("number of problems of level {level}");
            return Err(out_of_range(name, sizes[level], format!("at most {most}")));
        }
        let pool = |&size: &u64| Pool { size, taken: 0, epoch: None, order: Vec::new() };
        Ok(Self { seed, picking, calls: 0, pools: sizes.iter().map(pool).collect() })
    }

    fn check(&self, probs: &[f64]) -> Result<()> {
        if probs.len() != self.pools.len() {
            return Err(Error::OutOfRange {
                name: "number of levels of the curriculum".to_owned(),
                got: probs.len().to_string(),
                expected: format!("{}, one for each pool of problems", self.pools.len()),
            });
        }
        let empty = |(&prob, pool): (&f64, &Pool)| prob > 0.0 && pool.size == 0;
        match probs.iter().zip(&self.pools).position(empty) {
            Some(level) => Err(Error::OutOfRange {
                name: format!("probability of level {level}"),
                got: probs[level].to_string(),
                expected: "0, because the level has no problems".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The level's next problem. What the rule's item weight passes over waits for the next epoch; after a whole
    /// pass without success the last candidate is taken.
    fn take(&mut self, index: usize, rule: &dyn Curriculum, step: u64, rng: &mut Stream) -> Pick {
        let level = Level::at(index);
        let size = self.pools[index].size;
        let mut item = self.next(index);
        for _ in 1..size {
            let weight = rule.item_weight(step, level, item);
            if weight >= 1.0 || rng.random::<f64>() < weight {
                break;
            }
            item = self.next(index);
        }
        Pick { level, item }
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
    /// It may be called several times a step: each call has its own random stream. On an error, for a level
    /// with probability but no problems or a rule with another number of levels, the sampler is unchanged.
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Fixed, Shape};

    fn mixture(probs: &[f64]) -> Fixed {
        Fixed::new(Shape::Table(vec![probs.to_vec()]), probs.len(), 1).expect("a valid mixture")
    }

    fn sampler(sizes: &[u64], picking: Picking) -> LevelSampler {
        LevelSampler::new(RootSeed(3), sizes, picking).expect("valid pools")
    }

    fn counts(picks: &[Pick], k: usize) -> Vec<usize> {
        let mut counts = vec![0; k];
        picks.iter().for_each(|pick| counts[pick.level.index()] += 1);
        counts
    }

    #[test]
    fn independent_counts_follow_the_probabilities() {
        let mut sampler = sampler(&[10; 3], Picking::Independent);
        let rule = mixture(&[0.2, 0.5, 0.3]);
        let picks = sampler.draw(&rule, 0, 20_000).expect("drawable");
        let counts = counts(&picks, 3);
        for (count, expected) in counts.iter().zip([4_000.0, 10_000.0, 6_000.0]) {
            // Five standard deviations of a binomial count.
            assert!((*count as f64 - expected).abs() < 360.0, "{counts:?}");
        }
    }

    #[test]
    fn each_epoch_hands_out_every_problem_once_in_a_new_order() {
        let mut sampler = sampler(&[50], Picking::Independent);
        let rule = mixture(&[1.0]);
        let mut epoch = || -> Vec<u64> {
            let picks = sampler.draw(&rule, 0, 50).expect("drawable");
            picks.iter().map(|pick| pick.item).collect()
        };
        let (first, second) = (epoch(), epoch());
        assert_ne!(first, second);
        for mut items in [first, second] {
            items.sort_unstable();
            assert!(items.into_iter().eq(0..50));
        }
    }

    #[test]
    fn a_level_without_problems_is_refused_only_when_it_has_probability() {
        let mut sampler = sampler(&[5, 0], Picking::Independent);
        assert!(sampler.draw(&mixture(&[1.0, 0.0]), 0, 4).is_ok());
        let before = sampler.state();
        let error = sampler.draw(&mixture(&[0.75, 0.25]), 0, 4).expect_err("empty");
        let expected = "`probability of level 1` is 0.25, but must be 0, because the level has no \
                        problems";
        assert_eq!(error.to_string(), expected);
        assert_eq!(sampler.state(), before);
    }

    #[test]
    fn a_state_of_other_pools_is_refused() {
        let state = sampler(&[5, 6], Picking::Independent).state();
        let error = sampler(&[5, 7], Picking::Independent).restore(&state);
        assert!(matches!(error, Err(Error::BadState { .. })), "{error:?}");
    }

    #[test]
    fn the_stream_is_the_same_on_every_platform() {
        let mut sampler = sampler(&[1000; 4], Picking::Independent);
        let picks = sampler.draw(&mixture(&[0.25; 4]), 0, 6).expect("drawable");
        let seen: Vec<(u16, u64)> = picks.iter().map(|pick| (pick.level.0, pick.item)).collect();
        // A change here means that runs of an earlier version no longer resume exactly.
        assert_eq!(seen, [(1, 232), (0, 169), (0, 391), (0, 289), (1, 759), (0, 935)]);
    }

    /// Passes over odd items.
    struct EvenOnly;

    impl Curriculum for EvenOnly {
        fn name(&self) -> &str {
            "even-only"
        }
        fn n_levels(&self) -> usize {
            1
        }
        fn probs(&self, _step: u64) -> Vec<f64> {
            vec![1.0]
        }
        fn item_weight(&self, _step: u64, _level: Level, item: u64) -> f64 {
            if item.is_multiple_of(2) { 1.0 } else { 0.0 }
        }
    }

    #[test]
    fn problems_of_weight_zero_are_passed_over() {
        let picks = sampler(&[100], Picking::Independent).draw(&EvenOnly, 0, 50).expect("drawable");
        assert!(picks.iter().all(|pick| pick.item.is_multiple_of(2)));
    }

    proptest! {
        #[test]
        fn systematic_counts_are_within_one_of_their_expectation(
            weights in prop::collection::vec(0.0..1.0f64, 1..8), n in 1usize..40, seed: u64,
        ) {
            let sum: f64 = weights.iter().sum();
            prop_assume!(sum > 0.01);
            let probs: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            let mut rng = RootSeed(seed).stream("test", &[]);
            let mut counts = vec![0.0; probs.len()];
            for level in systematic(&probs, n, &mut rng) {
                counts[level] += 1.0;
            }
            for (count, prob) in counts.iter().zip(&probs) {
                prop_assert!((count - prob * n as f64).abs() < 1.0 + 1e-9);
            }
        }

        #[test]
        fn a_restored_sampler_goes_on_as_the_first_would(
            sizes in prop::collection::vec(1u64..9, 1..5), before in 0u64..12, n in 1usize..9,
        ) {
            let rule = mixture(&vec![1.0 / sizes.len() as f64; sizes.len()]);
            let mut first = sampler(&sizes, Picking::Independent);
            for step in 0..before {
                first.draw(&rule, step, n).expect("drawable");
            }
            let saved = serde_json::to_string(&first.state()).expect("states serialise");
            let mut second = sampler(&sizes, Picking::Independent);
            second.restore(&serde_json::from_str(&saved).expect("valid")).expect("same pools");
            for step in before..before + 6 {
                let expected = first.draw(&rule, step, n).expect("drawable");
                prop_assert_eq!(second.draw(&rule, step, n).expect("drawable"), expected);
            }
        }

        #[test]
        fn no_draw_lands_on_a_level_of_probability_zero(point in 0.0..1.0f64, zero in 0usize..3) {
            let mut probs = vec![0.5; 3];
            probs[zero] = 0.0;
            prop_assert_ne!(level_at(&probs, point), zero);
        }
    }
}
