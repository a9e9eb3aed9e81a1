//! The stream of rows: any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2h_fuzz::score_stream(bytes));
