//! Hand-worked numbers and laws of the bounds.

use proptest::prelude::*;

use super::*;

fn stage(updates: u32, initial_gap: f64, evaluation_error: f64, beta: f64) -> StageInput {
    StageInput { updates, initial_gap, evaluation_error, beta }
}

fn close(got: f64, expect: f64) {
    assert!((got - expect).abs() <= 1e-9 * expect.abs().max(1.0), "{got} is not {expect}");
}

#[test]
fn the_terms_of_a_stage_are_those_worked_by_hand() {
    // g = 1/2, T = 2: g^T = 1/4; 2 g / (1-g)^2 = 4; 4 * 3/4 = 3.
    let bound = StageBound::new(0.5, &stage(2, 0.8, 0.1, 8.0)).expect("valid");
    close(bound.initial_gap, 0.2);
    close(bound.evaluation_error, 0.3);
    close(bound.policy_update, 0.5);
    close(bound.total(), 1.0);
}

#[test]
fn the_bound_adds_stages_and_prices() {
    let input = stage(2, 0.8, 0.1, 8.0);
    let bound = ConvergenceBound::new(0.5, &[input, input, input], &[0.4, 0.1]).expect("valid");
    close(bound.learning(), 3.0);
    close(bound.curriculum_price(), 0.5);
    close(bound.total(), 3.5);
}

#[test]
fn the_sample_bound_is_the_one_worked_by_hand() {
    let constants = SampleConstants { gamma: 0.5, contraction: 0.5, lambda_min: 0.1, n: 1 };
    let accuracy = (-2f64).exp(); // log^3 = 8
    let stages = [SampleStage { accuracy, scale: accuracy }, SampleStage { accuracy, scale: 1.0 }];
    let bound = SampleBound::new(&constants, &stages).expect("valid");
    close(bound.common, 128.0 * 8.0 * 1000.0);
    let samples: Vec<f64> = bound.per_stage().collect();
    close(samples[0], 8.0 * 1_024_000.0);
    close(samples[1] / samples[0], 4f64.exp());
    close(bound.total(), samples[0] + samples[1]);
}

#[test]
fn one_stage_is_learning_directly_and_never_wins() {
    close(boundary(3.0, 0.2, 1).expect("valid"), 1.0);
    let even = WinCondition::new(3.0, 0.2, 1.0, 1).expect("valid");
    assert!(!even.curriculum_wins());
    close(even.speedup(), 1.0);
}

#[test]
fn equal_stages_need_m_over_their_number() {
    for stages in 1..9 {
        close(boundary(0.5, 2.0, stages).expect("valid"), f64::from(stages));
    }
    assert!(WinCondition::new(1.0, 1.0, 4.01, 4).expect("valid").curriculum_wins());
    assert!(!WinCondition::new(1.0, 1.0, 3.99, 4).expect("valid").curriculum_wins());
}

#[test]
fn the_boundary_is_smooth_through_its_singular_point() {
    for offset in [1e-15, 1e-12, 1e-9, 1e-7] {
        for el in [1.0 - offset, 1.0 + offset] {
            let got = boundary(el, 1.0, 6).expect("valid");
            assert!((got - 6.0).abs() <= 40.0 * offset, "{got} at {el}");
        }
    }
}

#[test]
fn values_outside_their_range_are_named() {
    let name = |result: Result<f64>| result.expect_err("out of range").to_string();
    let total = |gamma, input| StageBound::new(gamma, &input).map(|bound| bound.total());
    assert!(name(total(1.0, stage(1, 0.0, 0.0, 1.0))).starts_with("`gamma` is 1"));
    assert!(name(total(0.9, stage(1, -1.0, 0.0, 1.0))).starts_with("`initial_gap`"));
    assert!(name(total(0.9, stage(1, 0.0, f64::NAN, 1.0))).starts_with("`evaluation_error`"));
    assert!(name(total(0.9, stage(1, 0.0, 0.0, 0.0))).starts_with("`beta`"));
    assert!(name(boundary(0.0, 1.0, 2)).starts_with("`e` is 0"));
    assert!(name(boundary(1.0, f64::INFINITY, 2)).starts_with("`l`"));
    assert!(name(boundary(1.0, 1.0, 0)).starts_with("`K`"));
    assert!(name(boundary(1e-3, 1.0, 1000)).contains("small enough"));
    let prices = ConvergenceBound::new(0.9, &[stage(1, 0.0, 0.0, 1.0)], &[0.1]);
    assert!(name(prices.map(|bound| bound.total())).contains("number of prices"));
}

fn closed_form(el: f64, stages: u32) -> f64 {
    (el.powf(2.0 * (1.0 - f64::from(stages))) - 1.0) / (1.0 - el * el)
}

proptest! {
    #[test]
    fn the_boundary_solves_the_papers_equation(e in 0.5f64..3.0, l in 0.5f64..3.0, stages in 1u32..12) {
        prop_assume!((e * l - 1.0).abs() > 1e-3);
        let m = boundary(e, l, stages).expect("valid");
        let expect = closed_form(e * l, stages);
        prop_assert!((m - 1.0 - expect).abs() <= 1e-9 * expect.abs().max(1.0));
        prop_assert!(WinCondition::new(e, l, m * (1.0 + 1e-9), stages).expect("valid").curriculum_wins());
        prop_assert!(!WinCondition::new(e, l, m * (1.0 - 1e-9), stages).expect("valid").curriculum_wins());
    }

    #[test]
    fn the_boundary_rises_with_stages_and_falls_with_the_ratios(
        e in 0.5f64..3.0, l in 0.5f64..3.0, more in 1.01f64..2.0, stages in 2u32..12,
    ) {
        let at = |e, l, stages| boundary(e, l, stages).expect("valid");
        // Strictly so, until the new stage is too cheap for a double to tell.
        prop_assert!(at(e, l, stages + 1) >= at(e, l, stages));
        prop_assert!(at(e, l, 3) > at(e, l, 2));
        prop_assert!(at(e * more, l, stages) < at(e, l, stages));
        prop_assert!(at(e, l * more, stages) < at(e, l, stages));
    }

    #[test]
    fn a_stages_bound_is_monotone_in_what_was_measured(
        gamma in 0.05f64..0.98, updates in 1u32..100, gap in 0.0f64..5.0, error in 0.0f64..1.0,
        beta in 0.1f64..1000.0, more in 0.01f64..2.0,
    ) {
        let total = |updates, gap, error, beta| {
            StageBound::new(gamma, &stage(updates, gap, error, beta)).expect("valid").total()
        };
        let base = total(updates, gap, error, beta);
        prop_assert!(total(updates, gap + more, error, beta) >= base);
        prop_assert!(total(updates, gap, error + more, beta) > base);
        prop_assert!(total(updates, gap, error, beta * (1.0 + more)) < base);
        // More updates help exactly when the gap is over what the evaluation error leaves in the limit.
        let limit = 2.0 * gamma / (1.0 - gamma).powi(2) * error;
        let after = total(updates + 1, gap, error, beta);
        let slack = 1e-9 * base;
        let ordered = if gap >= limit { after <= base + slack } else { after >= base - slack };
        prop_assert!(ordered);
    }

    #[test]
    fn the_sample_bound_grows_where_the_problem_gets_harder(
        gamma in 0.1f64..0.95, contraction in 0.1f64..0.95, lambda in 0.01f64..0.5,
        accuracy in 0.01f64..0.9, scale in 0.5f64..5.0,
    ) {
        let total = |gamma, contraction, lambda_min, accuracy, scale| {
            let constants = SampleConstants { gamma, contraction, lambda_min, n: 3 };
            SampleBound::new(&constants, &[SampleStage { accuracy, scale }]).expect("valid").total()
        };
        let base = total(gamma, contraction, lambda, accuracy, scale);
        prop_assert!(total(gamma + 0.01, contraction, lambda, accuracy, scale) > base);
        prop_assert!(total(gamma, contraction + 0.01, lambda, accuracy, scale) > base);
        prop_assert!(total(gamma, contraction, lambda * 1.1, accuracy, scale) < base);
        prop_assert!(total(gamma, contraction, lambda, accuracy * 1.1, scale) < base);
        prop_assert!(total(gamma, contraction, lambda, accuracy, scale * 1.1) > base);
    }
}
