//! Approximate policy iteration against hand-worked and exact values.

use e2h_core::RootSeed;

use super::super::bounds::StageBound;
use super::super::lock::LockChain;
use super::super::mdp::Outcome;
use super::*;

const EXACT: Method = Method { update: Update::Softmax, beta: 200.0, sampling: Sampling::Exact };

fn task() -> Task {
    let mdp = LockChain::default().task(4, &[0, 1, 2, 0, 1, 2]).expect("a task");
    Task::new(mdp)
}

/// Two states in a row; in the second, action `good` pays 1.
fn fork(good: usize) -> Task {
    let pair = |next, reward| vec![Outcome { prob: 1.0, next, reward }];
    let pay = |action| if action == good { 1.0 } else { 0.0 };
    let pairs = vec![pair(1, 0.0), pair(1, 0.0), pair(2, pay(0)), pair(2, pay(1)), vec![], vec![]];
    Task::new(Mdp::new(2, 0.5, 0, pairs).expect("a process"))
}

#[test]
fn exact_iteration_finds_the_optimal_policy() {
    for update in [Update::Softmax, Update::Mirror] {
        let task = task();
        let mut learner = Learner::new(Method { update, ..EXACT }, &task.mdp).expect("valid");
        let mut rng = RootSeed(1).stream("api", &[]);
        let record = run_stage(&mut learner, &task, 20, &mut rng);
        assert_eq!(record.samples, 0);
        assert_eq!(record.input.evaluation_error, 0.0);
        assert!(record.input.initial_gap > 0.5);
        assert!(record.error < 1e-3, "{record:?}");
    }
}

#[test]
fn monte_carlo_evaluation_tends_to_the_exact_values() {
    let task = task();
    let error = |episodes| {
        let sampling = Sampling::EveryPair { episodes, max_steps: 200 };
        let mut learner = Learner::new(Method { sampling, ..EXACT }, &task.mdp).expect("valid");
        let samples = learner.evaluate(&task.mdp, &mut RootSeed(2).stream("api", &[]));
        assert!(samples >= u64::from(episodes) * 12);
        learner.q.sup_distance(&task.mdp.policy_q(&task.mdp.uniform_policy()))
    };
    let (few, many) = (error(10), error(10_000));
    assert!(many < 0.02 && many < few, "{few} {many}");
}

#[test]
fn on_policy_evaluation_leaves_what_it_does_not_visit() {
    let task = task();
    let sampling = Sampling::OnPolicy { steps: 50, max_steps: 10 };
    let mut learner = Learner::new(Method { sampling, ..EXACT }, &task.mdp).expect("valid");
    learner.q.row_mut(6)[0] = 0.25;
    let samples = learner.evaluate(&task.mdp, &mut RootSeed(3).stream("api", &[]));
    assert!((50..60).contains(&samples));
    assert_eq!(learner.q.row(6)[0], 0.25);
}

#[test]
fn a_batch_without_reward_erases_the_softmax_policy_and_not_the_mirror_policy() {
    for (update, keeps) in [(Update::Softmax, false), (Update::Mirror, true)] {
        let task = task();
        let mut learner = Learner::new(Method { update, ..EXACT }, &task.mdp).expect("valid");
        learner.evaluate(&task.mdp, &mut RootSeed(4).stream("api", &[]));
        learner.improve();
        let before = learner.policy.clone();
        learner.q = Table::filled(7, 3, 0.0);
        learner.improve();
        let moved = before.sup_distance(&learner.policy);
        assert_eq!(moved < 1e-12, keeps, "{update:?} moved by {moved}");
    }
}

#[test]
fn samples_are_counted_up_to_the_accuracy_or_the_limit() {
    let task = task();
    let sampling = Sampling::OnPolicy { steps: 500, max_steps: 100 };
    let method = Method { update: Update::Mirror, beta: 50.0, sampling };
    let learn = |accuracy, limit| {
        let mut learner = Learner::new(method, &task.mdp).expect("valid");
        let mut rng = RootSeed(5).stream("api", &[]);
        learn_until(&mut learner, &task, accuracy, limit, &mut rng).expect("valid")
    };
    let done = learn(0.05, 1_000_000);
    assert!(done.reached && done.samples >= 500, "{done:?}");
    let stopped = learn(1e-12, 600);
    assert!(!stopped.reached && (600..1_700).contains(&stopped.samples), "{stopped:?}");
    assert_eq!(learn(10.0, 600), Reached { samples: 0, reached: true });
}

#[test]
fn the_softmax_update_keeps_the_bound_where_two_stages_contradict_each_other() {
    assert!(worst_ratio(Update::Softmax) < 1.0);
}

/// The mirror policy needs as many updates to unlearn the first stage as it took to learn it.
#[test]
fn the_mirror_update_breaks_the_bound_where_two_stages_contradict_each_other() {
    let ratio = worst_ratio(Update::Mirror);
    // Even odds after T updates: an error of g/2 against 2 g / (beta (1-g)^2) = 4 / beta.
    assert!((ratio - 0.25 / (4.0 / 100.0)).abs() < 0.01, "{ratio}");
}

fn worst_ratio(update: Update) -> f64 {
    let method = Method { update, beta: 100.0, sampling: Sampling::Exact };
    let stages = [fork(0), fork(1)];
    let mut learner = Learner::new(method, &stages[0].mdp).expect("valid");
    let mut rng = RootSeed(6).stream("api", &[]);
    let ratios = stages.iter().map(|task| {
        let record = run_stage(&mut learner, task, 20, &mut rng);
        record.error / StageBound::new(0.5, &record.input).expect("valid").total()
    });
    ratios.fold(0.0, f64::max)
}

#[test]
fn methods_without_samples_are_refused() {
    let task = task();
    let sampling = Sampling::OnPolicy { steps: 0, max_steps: 10 };
    assert!(Learner::new(Method { sampling, ..EXACT }, &task.mdp).is_err());
    assert!(Learner::new(Method { beta: f64::NAN, ..EXACT }, &task.mdp).is_err());
    let mut learner = Learner::new(EXACT, &task.mdp).expect("valid");
    let mut rng = RootSeed(7).stream("api", &[]);
    assert!(learn_until(&mut learner, &task, 0.1, 100, &mut rng).is_err());
}

/// One state that repeats: action 0 pays `reward`, the other 999 pay nothing.
fn many_actions(gamma: f64, reward: f64) -> Task {
    let pay = |action| if action == 0 { reward } else { 0.0 };
    let pair = |action| vec![Outcome { prob: 1.0, next: 0, reward: pay(action) }];
    Task::new(Mdp::new(1000, gamma, 0, (0..1000).map(pair).collect()).expect("a process"))
}

/// The softmax leaves a gap of W((A - 1) / e) / beta, and the theorem has no A in it.
#[test]
fn a_thousand_actions_break_the_bound_at_a_small_discount_and_not_at_a_usual_one() {
    for (gamma, breaks) in [(0.1, true), (0.9, false)] {
        let beta = 10.0;
        // The gap is largest at a difference of 1 + W(999 / e) = 5.4 inverse temperatures.
        let task = many_actions(gamma, 5.4 / beta);
        let method = Method { beta, ..EXACT };
        let mut learner = Learner::new(method, &task.mdp).expect("valid");
        let record = run_stage(&mut learner, &task, 200, &mut RootSeed(8).stream("api", &[]));
        let ratio = record.error / StageBound::new(gamma, &record.input).expect("valid").total();
        // The error is g W / (beta (1 - g)) with W = 4.42, against 2 g / (beta (1 - g)^2).
        assert_eq!(ratio > 1.0, breaks, "{ratio} at {gamma}");
        assert!((ratio - 4.42 * (1.0 - gamma) / 2.0).abs() < 0.01, "{ratio} at {gamma}");
    }
}
