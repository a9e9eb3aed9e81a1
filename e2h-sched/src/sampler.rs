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
    fn a_level_without_problems_is_refused_at_the_start_and_named() {
        let error = LevelSampler::new(RootSeed(3), &[5, 0, 2], Picking::Independent);
        let expected = "`number of problems of level 1` is 0, but must be at least 1 and at most \
                        4294967295";
        assert_eq!(error.expect_err("empty").to_string(), expected);
    }

    #[test]
    fn levels_of_one_and_two_problems_hand_them_out_in_turn() {
        let mut sampler = sampler(&[1, 2], Picking::Independent);
        let picks = sampler.draw(&mixture(&[0.5, 0.5]), 0, 40).expect("drawable");
        let of = |level: u16| -> Vec<u64> {
            let mine = picks.iter().filter(|pick| pick.level == Level(level));
            mine.map(|pick| pick.item).collect()
        };
        assert!(of(0).iter().all(|&item| item == 0) && !of(0).is_empty());
        assert!(of(1).chunks_exact(2).all(|epoch| epoch[0] != epoch[1]), "{:?}", of(1));
    }

    #[test]
    fn a_rule_of_other_levels_is_refused_and_changes_nothing() {
        let mut sampler = sampler(&[5, 5], Picking::Independent);
        let before = sampler.state();
        assert!(sampler.draw(&mixture(&[1.0]), 0, 4).is_err());
        assert_eq!(sampler.state(), before);
    }

    #[test]
    fn problems_come_up_in_the_ratio_of_their_weights() {
        let weights = vec![vec![4.0, 2.0, 1.0, 0.0, 1.0], Vec::new()];
        let sampler = sampler(&[5, 2], Picking::Independent);
        let mut sampler = sampler.weighted(&weights).expect("valid weights");
        let picks = sampler.draw(&mixture(&[1.0, 0.0]), 0, 8_000).expect("drawable");
        let mut counts = [0.0; 5];
        picks.iter().for_each(|pick| counts[pick.item as usize] += 1.0);
        for (count, weight) in counts.iter().zip(&weights[0]) {
            // The counts vary less than five standard deviations of a binomial count.
            assert!((count - 1_000.0 * weight).abs() < 5.0 * (1_000.0 * weight).sqrt() + 1e-9);
        }
    }

    #[test]
    fn a_weighted_problem_comes_at_most_once_an_epoch_and_weight_zero_never() {
        let weights = [vec![1e6, 1.0, 1.0, 0.0]];
        let mut sampler = sampler(&[4], Picking::Independent).weighted(&weights).expect("valid");
        let rule = mixture(&[1.0]);
        for step in 0..50 {
            let pick = sampler.draw(&rule, step, 1).expect("drawable")[0];
            assert_eq!(pick.item, 0, "the others come once in a million");
        }
        assert!(sampler.pools[0].taken <= 4 * 50, "one epoch a draw");
    }

    #[test]
    fn a_problem_of_weight_zero_is_not_drawn_even_when_the_rule_passes_over_all_others() {
        let weights: [Vec<f64>; 1] =
            [(0..100).map(|item| f64::from(u8::from(item < 10))).collect()];
        let mut sampler = sampler(&[100], Picking::Independent).weighted(&weights).expect("valid");
        struct Never;
        impl Curriculum for Never {
            fn name(&self) -> &str {
                "none"
            }
            fn n_levels(&self) -> usize {
                1
            }
            fn probs(&self, _step: u64) -> Vec<f64> {
                vec![1.0]
            }
            fn item_weight(&self, _step: u64, _level: Level, _item: u64) -> f64 {
                0.0
            }
        }
        let picks = sampler.draw(&Never, 0, 30).expect("drawable");
        assert!(picks.iter().all(|pick| pick.item < 10), "{picks:?}");
    }

    #[test]
    fn equal_weights_draw_the_same_stream_as_none() {
        let rule = mixture(&[0.5, 0.5]);
        let mut plain = sampler(&[7, 9], Picking::Systematic);
        let weights = [vec![3.0; 7], vec![0.25; 9]];
        let mut weighted = plain.clone().weighted(&weights).expect("valid");
        for step in 0..20 {
            assert_eq!(plain.draw(&rule, step, 6).ok(), weighted.draw(&rule, step, 6).ok());
        }
    }

    #[test]
    fn weights_out_of_range_are_refused_and_named() {
        for (weights, expected) in [
            (
                vec![vec![1.0, -0.5], vec![]],
                "`weight of problem 1 of level 0` is -0.5, but must be a finite number of at least 0",
            ),
            (
                vec![vec![], vec![f64::NAN, 1.0, 1.0]],
                "`weight of problem 0 of level 1` is NaN, but must be a finite number of at least 0",
            ),
            (
                vec![vec![1.0, f64::INFINITY], vec![]],
                "`weight of problem 1 of level 0` is inf, but must be a finite number of at least 0",
            ),
            (
                vec![vec![0.0, 0.0], vec![]],
                "`largest weight of level 0` is 0, but must be greater than 0",
            ),
            (
                vec![vec![1.0], vec![]],
                "`number of weights of level 0` is 1, but must be 2, one a problem",
            ),
            (vec![vec![]], "`number of lists of weights` is 1, but must be 2, one a level"),
        ] {
            let error = sampler(&[2, 3], Picking::Independent).weighted(&weights);
            assert_eq!(error.expect_err("refused").to_string(), expected);
        }
    }

    #[test]
    fn a_state_of_other_weights_is_refused() {
        let weighted = |weights: &[Vec<f64>]| {
            sampler(&[2], Picking::Independent).weighted(weights).expect("valid")
        };
        let state = weighted(&[vec![1.0, 2.0]]).state();
        assert!(weighted(&[vec![1.0, 2.0]]).restore(&state).is_ok());
        for mut other in [weighted(&[vec![1.0, 3.0]]), weighted(&[vec![]])] {
            assert!(matches!(other.restore(&state), Err(Error::BadState { .. })));
        }
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
            weighted: bool,
        ) {
            let rule = mixture(&vec![1.0 / sizes.len() as f64; sizes.len()]);
            let weight = |item: u64| if weighted { 1.0 / (item + 1) as f64 } else { 1.0 };
            let weights: Vec<Vec<f64>> =
                sizes.iter().map(|&size| (0..size).map(weight).collect()).collect();
            let sampler = |sizes: &[u64], picking| {
                sampler(sizes, picking).weighted(&weights).expect("valid weights")
            };
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
