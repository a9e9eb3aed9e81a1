//! Tables, exact values and occupancies against hand-worked cases.

use super::*;

fn to(next: usize, reward: f64) -> Vec<Outcome> {
    vec![Outcome { prob: 1.0, next, reward }]
}

/// Two states and the end: action 0 stays, action 1 goes on; arriving at the end pays 1.
fn corridor() -> Mdp {
    let pairs = vec![to(0, 0.0), to(1, 0.0), to(1, 0.0), to(2, 1.0), vec![], vec![]];
    Mdp::new(2, 0.5, 0, pairs).expect("a process")
}

fn close(got: &[f64], expect: &[f64]) {
    for (a, b) in got.iter().zip(expect) {
        assert!((a - b).abs() < 1e-12, "{got:?} is not {expect:?}");
    }
}

#[test]
fn optimal_values_are_those_worked_by_hand() {
    close(corridor().optimal_q().values(), &[0.25, 0.5, 0.5, 1.0, 0.0, 0.0]);
}

#[test]
fn values_of_the_uniform_policy_are_those_worked_by_hand() {
    // V(1) = (g V(1) + 1) / 2 = 2/3; V(0) = g (V(0) + V(1)) / 2 = 2/9.
    let mdp = corridor();
    let q = mdp.policy_q(&mdp.uniform_policy());
    close(q.values(), &[1.0 / 9.0, 1.0 / 3.0, 1.0 / 3.0, 1.0, 0.0, 0.0]);
}

#[test]
fn occupancy_of_the_optimal_policy_is_a_geometric_sequence() {
    let mdp = corridor();
    let mut policy = Table::filled(3, 2, 0.0);
    (0..3).for_each(|state| policy.row_mut(state)[1] = 1.0);
    close(&mdp.occupancy(&policy), &[2.0 / 3.0, 1.0 / 3.0, 0.0]);
}

#[test]
fn optimal_values_are_a_fixed_point_of_the_optimality_operator() {
    let mdp =
        crate::theory::lock::LockChain::default().task(5, &[0, 1, 2, 0, 1, 2]).expect("a task");
    let q = mdp.optimal_q();
    let best: Vec<f64> = (0..mdp.n_states()).map(|s| q.row(s)[argmax(q.row(s))]).collect();
    assert!(q.sup_distance(&mdp.back_up(&best)) < 1e-12);
}

#[test]
fn the_weighted_norm_is_never_over_the_largest_difference() {
    let (a, b) = (Table::filled(2, 2, 0.0), corridor().optimal_q());
    let b = Table { n_actions: 2, values: b.values[..4].to_vec() };
    let weights = Table { n_actions: 2, values: vec![0.1, 0.2, 0.3, 0.4] };
    let expect = (0.1f64 * 0.0625 + 0.2 * 0.25 + 0.3 * 0.25 + 0.4).sqrt();
    assert!((a.distance(&b, &weights) - expect).abs() < 1e-12);
    assert!(a.distance(&b, &weights) <= a.sup_distance(&b));
}

#[test]
fn malformed_processes_are_refused_by_name() {
    let error = |result: Result<Mdp>| result.expect_err("malformed").to_string();
    assert!(error(Mdp::new(1, 1.0, 0, vec![vec![]])).contains("gamma"));
    assert!(error(Mdp::new(2, 0.5, 0, vec![vec![]])).contains("number of pairs"));
    assert!(error(Mdp::new(1, 0.5, 1, vec![vec![]])).contains("start"));
    assert!(error(Mdp::new(1, 0.5, 0, vec![to(7, 0.0)])).contains("next state"));
    assert!(error(Mdp::new(2, 0.5, 0, vec![to(0, 0.0), vec![]])).contains("sum of a pair"));
}
