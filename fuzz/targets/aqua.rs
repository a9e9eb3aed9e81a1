//! The grader of choices.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::choices(text));
