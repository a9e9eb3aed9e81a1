//! The verifier of Countdown expressions, and what it says of their value.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| e2h_fuzz::countdown(text));
