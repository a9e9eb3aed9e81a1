//! The grader of GSM8K answers: gold answer and text, a line each.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::numbers(text));
