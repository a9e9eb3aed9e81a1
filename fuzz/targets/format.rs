//! The reader of completions.

#![no_main]

use e2h_tasks::format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(answer) = format::answer(text) {
        assert!(!answer.is_empty() && text.contains(answer));
    }
});
