//! The search for the final answer in a text.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::final_answer(text));
