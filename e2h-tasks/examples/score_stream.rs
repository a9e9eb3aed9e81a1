//! Judges JSON lines from stdin: `score_stream [TASK] < rows.jsonl > verdicts.jsonl`. Counts and speed go to stderr.

use std::error::Error;
use std::io::{BufReader, BufWriter, stdin, stdout};
use std::time::Instant;

use e2h_tasks::score_stream::{ScoreOptions, Scorer, score_stream};

#[expect(clippy::print_stderr, reason = "the program's talk")]
fn main() -> Result<(), Box<dyn Error>> {
    let scorer = match std::env::args().nth(1) {
        Some(task) => Scorer::named(&task)?,
        None => Scorer::new(),
    };
    let input = BufReader::with_capacity(1 << 20, stdin());
    let output = BufWriter::with_capacity(1 << 20, stdout().lock());
    let start = Instant::now();
    let counts = score_stream(&scorer, ScoreOptions::default(), input, output, |bad| {
        eprintln!("{bad}");
    })?;
    let elapsed_s = start.elapsed().as_secs_f64();
    let rate = counts.n_lines as f64 / elapsed_s;
    eprintln!("{counts:?} in {elapsed_s:.3} s: {rate:.0} lines/s");
    if counts.n_bad > 0 {
        return Err("some lines could not be judged".into());
    }
    Ok(())
}
