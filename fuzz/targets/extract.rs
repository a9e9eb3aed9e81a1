//! The search for the final answer in a text.

#![no_main]

use e2h_tasks::math::{Options, extract, grade_texts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = extract(text);
    let _ = grade_texts("$\\frac{1}{2}$", text, Options::default());
});
