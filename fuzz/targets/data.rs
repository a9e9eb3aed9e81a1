//! The readers of rows: a file of any bytes.

#![no_main]

use std::io::Write;

use e2h_core::Level;
use e2h_tasks::data::{DataSpec, OnBadRow, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("e2h-fuzz-{}.jsonl", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("writable");
    file.write_all(bytes).expect("writable");
    let spec = DataSpec {
        task: Some("math".to_owned()),
        level: Some(Level(0)),
        bad_rows: OnBadRow::Collect,
        ..DataSpec::at(path.display().to_string())
    };
    let _ = load(&spec);
});
