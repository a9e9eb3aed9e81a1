//! The vocabulary alone: rows written as JSONL, split by their content, shuffled by a named stream, read back.
//!
//! `cargo run -p e2h-core --example rows`
#![expect(clippy::print_stdout, reason = "the counts are this program's output")]

use e2h_core::{Level, Problem, Result, RootSeed, Split, read_jsonl, write_atomic};
use rand::seq::SliceRandom;
use serde_json::json;

pub(crate) fn main() -> Result<()> {
    let mut rows: Vec<Problem> = (0..40)
        .map(|i| Problem {
            id: format!("sums/{i}"),
            task: "sums".to_owned(),
            level: Level::at(i / 20),
            question: json!([i, i + 1]),
            answer: json!(2 * i + 1),
            solution: None,
            extra: serde_json::Map::new(),
        })
        .collect();
    rows.shuffle(&mut RootSeed(7).stream("rows/shuffle", &[]));

    let path = std::env::temp_dir().join(format!("e2h-rows-{}.jsonl", std::process::id()));
    let lines: Vec<String> =
        rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
    write_atomic(&path, lines.join("\n").as_bytes())?;
    let read: Vec<Problem> = read_jsonl(&path)?;
    assert_eq!(read, rows);
    let _ = std::fs::remove_file(&path);

    let is_test = |row: &&Problem| Split::of(&row.question.to_string()) == Split::Test;
    let n_test = read.iter().filter(is_test).count();
    println!("{} rows to train on, {n_test} held out", read.len() - n_test);
    Ok(())
}
