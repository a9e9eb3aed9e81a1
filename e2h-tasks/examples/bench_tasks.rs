//! Measures the verifiers and the generator of Countdown on one thread, and prints one JSON object.
//!
//! `cargo run --release -p e2h-tasks --example bench_tasks -- [ROWS]`, where ROWS is a JSONL file of `gold` and `pred`.
//! Without it the rows are generated mathematics, and `write ROWS` as arguments writes them for a peer to read.
//! `cargo xtask bench tasks` runs it and a peer side by side. Seconds are those that the thread was running, where Linux
//! tells them, so that a busy machine measures the same; elsewhere those of the clock.

#[path = "../tests/it/watch.rs"]
mod watch;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use e2h_core::{Level, Problem, RootSeed, Split};
use e2h_tasks::math::grade;
use e2h_tasks::registry;
use serde_json::{Value, json};
use watch::Watch;

/// Problems of each level that are judged in turn.
const N_PROBLEMS: usize = 400;
/// Judgements that are timed.
const N_JUDGED: usize = 200_000;
/// Countdown problems that are generated.
const N_GENERATED: usize = 100_000;
/// Generated rows of mathematics.
const N_ROWS: usize = 1_000;
/// Times that every row of mathematics is graded.
const N_ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = &mut std::io::stdout().lock();
    if let [verb, path] = &arguments[..]
        && verb == "write"
    {
        let mut text = String::new();
        for (gold, pred) in math_rows()? {
            writeln!(text, "{}", json!({"gold": gold, "pred": pred}))?;
        }
        return Ok(std::fs::write(path, text)?);
    }
    let rows = match arguments.first() {
        Some(path) => read_rows(path)?,
        None => math_rows()?,
    };
    let generated = generate()?;
    let result = json!({
        "countdown_verified_per_s": verified_per_s("countdown")?,
        "blocksworld_verified_per_s": verified_per_s("blocksworld")?,
        "countdown_generated_s": generated,
        "n_countdown_generated": N_GENERATED,
        "n_math_rows": rows.len(),
        "math_s_per_row": grade_s(&rows),
    });
    writeln!(out, "{result}")?;
    Ok(())
}

/// Completions judged a second: right ones of all levels in turn, each followed by a wrong one.
fn verified_per_s(name: &str) -> Result<f64, Box<dyn Error>> {
    let task = registry::task(name)?;
    let mut asked: Vec<(Problem, String)> = Vec::new();
    for level in 0..task.levels().len() {
        let mut rng = RootSeed(0).stream("bench", &[level as u64]);
        for _ in 0..N_PROBLEMS {
            let problem = task.generate(Level::at(level), Split::Train, &mut rng)?;
            let solution = problem.solution.as_ref().and_then(Value::as_str).unwrap_or_default();
            let completion = format!(" I try.</think>\n<answer>{solution}</answer>");
            asked.push((problem, completion));
        }
    }
    let n = asked.len();
    let start = Watch::start();
    let mut n_correct = 0;
    for index in 0..N_JUDGED {
        // Every second completion belongs to another problem.
        let (problem, _) = &asked[index % n];
        let (_, completion) = &asked[(index + index % 2) % n];
        n_correct += usize::from(task.score(problem, completion).is_correct());
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    if n_correct < N_JUDGED / 2 {
        return Err(format!("{name}: {n_correct} of {N_JUDGED} were right").into());
    }
    Ok(N_JUDGED as f64 / elapsed_s)
}

/// Seconds to generate Countdown problems, the same number of every level.
fn generate() -> Result<f64, Box<dyn Error>> {
    let task = registry::task("countdown")?;
    let n_levels = task.levels().len();
    let start = Watch::start();
    for index in 0..N_GENERATED {
        let mut rng = RootSeed(0).stream("bench/generate", &[index as u64]);
        let problem = task.generate(Level::at(index % n_levels), Split::Train, &mut rng)?;
        if problem.question.as_array().map(Vec::len) != Some(index % n_levels + 2) {
            return Err("a problem is not of its level".into());
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Pairs of a gold answer and an answer: the same, then one of another problem.
fn math_rows() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let task = registry::task("math-gen")?;
    let mut answers = Vec::new();
    for index in 0..N_ROWS {
        let mut rng = RootSeed(0).stream("bench/math", &[index as u64]);
        let level = Level::at(index % task.levels().len());
        let problem = task.generate(level, Split::Train, &mut rng)?;
        answers.push(problem.answer.as_str().unwrap_or_default().to_owned());
    }
    let other = |index: usize| answers[(index + index % 2) % N_ROWS].clone();
    Ok(answers.iter().enumerate().map(|(i, gold)| (gold.clone(), other(i))).collect())
}

fn read_rows(path: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let mut rows = Vec::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line)?;
        let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        rows.push((field("gold"), field("pred")));
    }
    Ok(rows)
}

/// Seconds to grade a row, on average.
fn grade_s(rows: &[(String, String)]) -> f64 {
    let start = Watch::start();
    let mut n_equal = 0;
    for _ in 0..N_ROUNDS {
        n_equal += rows.iter().filter(|(gold, pred)| grade(gold, pred).is_equal()).count();
    }
    std::hint::black_box(n_equal);
    start.elapsed().as_secs_f64() / (N_ROUNDS * rows.len().max(1)) as f64
}
