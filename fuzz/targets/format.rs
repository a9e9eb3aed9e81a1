//! The reader of completions.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::completion(text));
