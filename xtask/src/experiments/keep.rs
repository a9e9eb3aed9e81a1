//! What is kept of a finished run: small files in the layout of a run folder, which `e2h report` reads.
//!
//! `config.toml`, `summary.json` and `eval.jsonl` are kept as they are, and the arguments that made the run as
//! `args.json`. `metrics.jsonl` is thinned to at most [`MAX_LINES`] lines: each is the mean over a block of consecutive
//! steps, under the number of the block's last step, rounded to five digits. What is said of one level is weighted by
//! the level's prompts in each step. Samples and checkpoints are not kept.
//!
//! # Invariants
//! - The folder appears whole or not at all.
//! - A quantity that no step of a block has is left out of the block's line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Number, Value};

use super::plan::Cell;

/// The arguments that made a kept run.
pub(super) const ARGS_FILE: &str = "args.json";
/// The results of a finished run.
pub(super) const SUMMARY_FILE: &str = "summary.json";
/// One line a step, or of a kept run one line a block of steps.
const METRICS_FILE: &str = "metrics.jsonl";

/// The most lines that are kept of a run's metrics.
const MAX_LINES: usize = 50;

/// Keeps the small files of the finished `cell`.
///
/// # Errors
/// When a file of the run cannot be read, or its copy not be written.
pub(super) fn keep(cell: &Cell) -> Result<()> {
    let name = cell.kept.file_name().unwrap_or_default().to_string_lossy();
    let partial = cell.kept.with_file_name(format!(".{name}.partial"));
    let write = || -> Result<()> {
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        for file in ["config.toml", SUMMARY_FILE, "eval.jsonl"] {
            let from = cell.folder.join(file);
            if from.exists() {
                fs::copy(&from, partial.join(file))?;
            }
        }
        let metrics = cell.folder.join(METRICS_FILE);
        if metrics.exists() {
            let text = thin(&fs::read_to_string(&metrics)?, MAX_LINES)
                .with_context(|| metrics.display().to_string())?;
            fs::write(partial.join(METRICS_FILE), text)?;
        }
        let args = serde_json::to_string_pretty(&cell.args)? + "\n";
        fs::write(partial.join(ARGS_FILE), args)?;
        if cell.kept.exists() {
            fs::remove_dir_all(&cell.kept)?;
        }
        Ok(fs::rename(&partial, &cell.kept)?)
    };
    write().with_context(|| {
        format!("cannot keep {} as {}", cell.folder.display(), cell.kept.display())
    })
}

/// The evaluations of a kept run: finished steps, and the accuracy of each level by its number.
///
/// # Errors
/// When `eval.jsonl` of `folder` is not there or not well formed.
pub(super) fn evaluations(folder: &Path) -> Result<Vec<(u64, BTreeMap<u16, f64>)>> {
    #[derive(serde::Deserialize)]
    struct Line {
        step: u64,
        levels: Vec<Level>,
    }
    #[derive(serde::Deserialize)]
    struct Level {
        level: u16,
        accuracy: f64,
    }
    let path = folder.join("eval.jsonl");
    let parse = || -> Result<Vec<_>> {
        let text = fs::read_to_string(&path)?;
        let mut all = Vec::new();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line)?;
            all.push((line.step, line.levels.iter().map(|l| (l.level, l.accuracy)).collect()));
        }
        all.sort_by_key(|(step, _)| *step);
        Ok(all)
    };
    parse().with_context(|| path.display().to_string())
}

/// The means over blocks of the lines of `metrics`, at most `max` of them.
fn thin(metrics: &str, max: usize) -> Result<String> {
    let lines: Vec<Map<String, Value>> =
        metrics.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let size = lines.len().div_ceil(max).max(1);
    let mut text = String::new();
    for block in lines.chunks(size) {
        text += &serde_json::to_string(&block_mean(block))?;
        text.push('\n');
    }
    Ok(text)
}

fn block_mean(block: &[Map<String, Value>]) -> Map<String, Value> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for line in block {
        for (key, value) in line {
            if let Some(value) = value.as_f64() {
                let weight = weight(line, key);
                let sum = sums.entry(key).or_default();
                sum.0 += weight * value;
                sum.1 += weight;
            }
        }
    }
    let mut mean = Map::new();
    for (key, (sum, weight)) in sums {
        if let Some(value) = (weight > 0.0).then(|| Number::from_f64(rounded(sum / weight))) {
            mean.insert(key.to_owned(), value.map_or(Value::Null, Value::Number));
        }
    }
    if let Some(step) = block.last().and_then(|line| line.get("step")) {
        mean.insert("step".to_owned(), step.clone());
    }
    mean
}

/// The prompts of the level that `key` speaks of, in the step of `line`; 1 for what speaks of all levels.
fn weight(line: &Map<String, Value>, key: &str) -> f64 {
    let mut parts = key.split('/');
    match (parts.next(), parts.next()) {
        (Some(head), Some(level)) if head != "schedule" && level.starts_with("level_") => {
            let prompts = line.get(&format!("schedule/{level}/prompts"));
            prompts.and_then(Value::as_f64).unwrap_or(1.0)
        }
        _ => 1.0,
    }
}

/// `value` to five significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_metrics_are_the_means_of_blocks_and_levels_are_weighted_by_their_prompts() {
        let metrics = r#"{"step":0,"reward":0.25,"schedule/level_1/prompts":3,"reward/level_1/mean":1.0}
{"step":1,"reward":0.75,"schedule/level_1/prompts":1,"reward/level_1/mean":0.0}
{"step":2,"reward":0.123456789,"schedule/level_1/prompts":0}
"#;
        let expected = r#"{"reward":0.5,"reward/level_1/mean":0.75,"schedule/level_1/prompts":2.0,"step":1}
{"reward":0.12346,"schedule/level_1/prompts":0.0,"step":2}
"#;
        assert_eq!(thin(metrics, 2).expect("thinned"), expected);
        assert!(thin("{\"step\":", 2).is_err());
        assert_eq!(thin("", 2).expect("nothing"), "");
    }
}
