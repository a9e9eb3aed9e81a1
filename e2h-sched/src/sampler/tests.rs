//! Tests of the sampler.

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
    let weights: [Vec<f64>; 1] = [(0..100).map(|item| f64::from(u8::from(item < 10))).collect()];
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
