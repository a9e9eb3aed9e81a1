//! The stream of rows: any bytes.

#![no_main]

use std::sync::LazyLock;

use e2h_tasks::score_stream::{ScoreOptions, Scorer, score_stream};
use libfuzzer_sys::fuzz_target;

static SCORER: LazyLock<Scorer> = LazyLock::new(|| Scorer::new().explaining(true));

fuzz_target!(|bytes: &[u8]| {
    let mut verdicts = Vec::new();
    let counts = score_stream(&SCORER, ScoreOptions::default(), bytes, &mut verdicts, |_| ());
    let counts = counts.expect("memory can be read and written");
    let n_verdicts = verdicts.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(counts.n_lines, counts.n_blank + counts.n_bad + n_verdicts);
});
