//! The verifier of Countdown expressions, and what it says of their value.

#![no_main]

use e2h_tasks::countdown::{Op, expr};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let numbers = [1, 2, 3, 7, 25, 100];
    let verdict = expr::check(text, &numbers, 24, &Op::ALL);
    let value = expr::value(text, &numbers, &Op::ALL);
    assert_eq!(verdict.is_ok(), value.as_deref() == Ok("24"));
});
