//! The grader of mathematics: gold answer and answer, a line each.

#![no_main]

use e2h_tasks::math::{Outcome, explain, grade};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (gold, pred) = text.split_once('\n').unwrap_or((text, text));
    let verdict = grade(gold, pred);
    assert_eq!(verdict, grade(gold, pred));
    assert_eq!(explain(gold, pred).len(), 3);
    if gold == pred && gold.contains(|c: char| c.is_ascii_alphanumeric()) {
        assert_ne!(verdict.outcome, Outcome::Different);
    }
});
