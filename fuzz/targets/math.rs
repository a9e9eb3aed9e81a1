//! The grader of mathematics: gold answer and answer, a line each.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::math(text));
