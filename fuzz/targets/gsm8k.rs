//! The grader of GSM8K answers: gold answer and text, a line each.

#![no_main]

use e2h_tasks::math::gsm8k;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (gold, said) = text.split_once('\n').unwrap_or(("18", text));
    let _ = gsm8k::grade(gold, said);
});
