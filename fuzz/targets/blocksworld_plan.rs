//! The verifier of Blocksworld plans, in both wordings.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::blocksworld_plan(text));
