//! The reader of Blocksworld states and goals: one line each.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::blocksworld_row(text));
