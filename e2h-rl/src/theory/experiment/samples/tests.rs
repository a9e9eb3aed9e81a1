//! Samples to an accuracy, on small plans.

use super::*;

/// A setting small enough for a test: random play needs about keys^6 turns.
fn lock(sampling: Sampling) -> SampleSetting {
    SampleSetting {
        name: "test".to_owned(),
        chain: LockChain { doors: 6, keys: 4, fall: 6, slip: 0.0, gamma: 0.9 },
        method: Method { update: Update::Softmax, beta: 500.0, sampling },
        accuracy: 0.05,
        accuracy_ratio: 1.0,
        limit: 1_000_000,
        max_stages: 3,
    }
}

fn runs(costs: &[f64]) -> Vec<SeedRun> {
    vec![SeedRun { per_stage: costs.to_vec(), reached: true }]
}

#[test]
fn a_fit_of_geometric_costs_gives_back_their_ratio() {
    let mut setting = lock(Sampling::Exact);
    setting.accuracy_ratio = 1.25;
    let direct = runs(&[120.0]);
    let fit = fit(&setting, &runs(&[10.0, 20.0, 40.0]), &direct).expect("usable");
    assert!(((fit.scale_ratio * 1.25).powi(2) - 2.0).abs() < 1e-12);
    assert!((fit.direct_cost - 3.0).abs() < 1e-12);
    // The condition then is the comparison of the totals: 70 < 120.
    let condition = fit.condition(3).expect("valid");
    assert!((condition.earlier_stages - 30.0 / 40.0).abs() < 1e-12);
    assert!((condition.speedup() - 120.0 / 70.0).abs() < 1e-12);
}

#[test]
fn stages_that_cost_nothing_have_no_fit() {
    let setting = lock(Sampling::Exact);
    assert!(fit(&setting, &runs(&[0.0, 20.0]), &runs(&[30.0])).is_none());
    assert!(fit(&setting, &runs(&[20.0]), &runs(&[30.0])).is_none());
}

#[test]
fn where_reward_is_rare_the_curriculum_wins_as_predicted() {
    let mut setting = lock(Sampling::OnPolicy { steps: 600, max_steps: 100 });
    setting.chain.keys = 7;
    let result = run(RootSeed(11), 12, &setting).expect("it runs");
    let row = &result.rows[2];
    assert_eq!((row.unreached, row.verdict), (0, Verdict::Wins), "{row:?}");
    assert!(row.with_own_fit.expect("a fit").curriculum_wins());
    assert!(result.bound_over_measured.is_none());
}

#[test]
fn where_all_is_covered_the_curriculum_loses_as_predicted() {
    let result = run(RootSeed(12), 8, &lock(Sampling::EveryPair { episodes: 20, max_steps: 100 }))
        .expect("it runs");
    let row = &result.rows[2];
    assert_eq!((row.unreached, row.verdict), (0, Verdict::Loses), "{row:?}");
    assert!(!row.with_own_fit.expect("a fit").curriculum_wins());
    assert!(result.bound_over_measured.expect("full coverage") > 1.0);
}

#[test]
fn learning_directly_saves_nothing_over_itself() {
    let setting =
        SampleSetting { max_stages: 1, ..lock(Sampling::OnPolicy { steps: 600, max_steps: 100 }) };
    let result = run(RootSeed(13), 4, &setting).expect("it runs");
    let row = &result.rows[0];
    assert_eq!((row.saved.mean, row.speedup, row.verdict), (0.0, 1.0, Verdict::Unclear));
    assert!(row.with_held_fit.is_none());
}

#[test]
fn a_limit_that_is_too_low_is_reported() {
    let mut setting = lock(Sampling::OnPolicy { steps: 600, max_steps: 100 });
    (setting.limit, setting.max_stages) = (600, 1);
    let result = run(RootSeed(14), 4, &setting).expect("it runs");
    assert!(result.rows[0].unreached > 0);
}
