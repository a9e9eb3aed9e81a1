//! The readers of rows: a file of any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2h_fuzz::data(bytes));
