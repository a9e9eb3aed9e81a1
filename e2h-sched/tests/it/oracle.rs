//! Fixed schedules against probabilities computed by the reference formulas in another language.
//!
//! `tests/data/schedules.json` is a subset of the oracle; the whole of it is checked where it is at hand.

use std::path::PathBuf;

use e2h_core::Curriculum;
use e2h_sched::{Kind, ScheduleConfig};
use serde::Deserialize;
use serde_json::Value;

const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
    edge: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    schedule: String,
    args: Args,
    #[serde(rename = "K")]
    k: usize,
    #[serde(rename = "T")]
    total_steps: u64,
    #[serde(default)]
    t: Vec<i64>,
    #[serde(default)]
    p: Vec<Vec<Option<f64>>>,
}

#[derive(Deserialize)]
struct Args {
    mu_exp: Option<f64>,
    sigma: Option<f64>,
    min_prob: Option<Value>,
}

impl Case {
    fn config(&self) -> ScheduleConfig {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == self.schedule);
        ScheduleConfig {
            mu_exp: self.args.mu_exp,
            sigma: self.args.sigma,
            min_prob: self.args.min_prob.as_ref().and_then(Value::as_f64),
            ..ScheduleConfig::of(kind.expect("the oracle names our kinds"))
        }
    }

    fn label(&self) -> String {
        let config = self.config();
        format!("{config:?} K={} T={}", self.k, self.total_steps)
    }
}

fn check(case: &Case) {
    let label = case.label();
    let curriculum = case.config().build(case.k, case.total_steps).expect(&label);
    for (&t, expected) in case.t.iter().zip(&case.p) {
        let step = u64::try_from(t).expect("cases have no negative step");
        compare(curriculum.as_ref(), step, expected, &label);
    }
}

fn compare(curriculum: &dyn Curriculum, step: u64, expected: &[Option<f64>], label: &str) {
    let probs = curriculum.probs(step);
    assert_eq!(probs.len(), expected.len(), "{label}");
    for (prob, expected) in probs.iter().zip(expected) {
        // The reference's own 0 / 0 is the one place where it gives no number to compare with.
        match expected {
            Some(expected) => assert!((prob - expected).abs() <= TOLERANCE, "{label} t={step}"),
            None => assert!((0.0..=1.0).contains(prob), "{label} t={step}: {prob}"),
        }
    }
}

fn parse(text: &str) -> Oracle {
    serde_json::from_str(text).expect("the oracle's form")
}

#[test]
fn the_subset_of_the_oracle_is_met() {
    let oracle = parse(include_str!("../data/schedules.json"));
    oracle.cases.iter().for_each(check);
}

#[test]
fn the_whole_oracle_is_met() {
    let shared = std::env::var_os("E2H_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(shared.join("oracle/schedules.json")) else {
        eprintln!("skipped: ../shared is not here");
        return;
    };
    let oracle = parse(&text);
    assert_eq!(oracle.cases.len(), 702);
    oracle.cases.iter().for_each(check);
}

#[test]
fn odd_arguments_give_one_error_that_names_the_bound_or_a_distribution() {
    let oracle = parse(include_str!("../data/schedules.json"));
    for case in &oracle.edge {
        let label = case.label();
        let bad = expected_problem(case);
        match (case.config().build(case.k, case.total_steps), bad) {
            (Err(error), Some(bound)) => {
                assert!(error.to_string().contains(bound), "{label}: {error}");
            }
            (Ok(curriculum), None) => {
                for (&t, row) in case.t.iter().zip(&case.p) {
                    match u64::try_from(t) {
                        Ok(step) if step <= case.total_steps => {
                            compare(curriculum.as_ref(), step, row, &label);
                        }
                        // Ours: a step after the end counts as the end, and no step is negative.
                        _ => assert_eq!(
                            curriculum.probs(u64::MAX),
                            curriculum.probs(case.total_steps)
                        ),
                    }
                }
            }
            (built, bad) => panic!("{label}: built: {}, expected: {bad:?}", built.is_ok()),
        }
    }
}

/// The part of the message that names the bound, or `None` where the arguments are fine for us.
fn expected_problem(case: &Case) -> Option<&'static str> {
    let min_prob = case.config().min_prob.unwrap_or(0.0);
    Some(match case.config() {
        _ if case.k == 0 => "`n_levels` is 0, but must be at least 1",
        _ if case.total_steps == 0 => "`total_steps` is 0, but must be at least 1",
        config if config.sigma.is_some_and(|sigma| sigma <= 0.0) => "greater than 0",
        config if config.mu_exp.is_some_and(|mu_exp| mu_exp <= 0.0) => "greater than 0",
        _ if min_prob < 0.0 => "at least 0",
        _ if min_prob * case.k as f64 > 1.0 && case.k == 4 => "at most 1 / 4 = 0.25",
        _ if min_prob * case.k as f64 > 1.0 && case.k == 8 => "at most 1 / 8 = 0.125",
        _ => return None,
    })
}
