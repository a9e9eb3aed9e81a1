//! The `summary.json` that a training run ends with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::plan::Cell;

/// What is read of a summary; it may hold more.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Summary {
    /// The task.
    #[serde(default)]
    pub(super) task: String,
    /// The schedule's name in the comparison; filled in from the cell.
    #[serde(default)]
    pub(super) schedule: String,
    /// The seed.
    pub(super) seed: u64,
    /// Training steps made.
    pub(super) steps: u64,
    /// Time of the whole run, in seconds.
    pub(super) wall_s: f64,
    /// The test results, easiest level first.
    pub(super) levels: Vec<Level>,
}

/// The test results on one level; shares between 0 and 1.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Level {
    /// The level's number.
    pub(super) level: u16,
    /// What sets it apart, for a person.
    pub(super) label: String,
    /// True for a level outside the training distribution.
    pub(super) ood: bool,
    /// Number of test problems.
    pub(super) n: u64,
    /// Share of problems solved greedily before training.
    pub(super) base_accuracy: Option<f64>,
    /// Share of problems solved greedily after training.
    pub(super) accuracy: f64,
    /// Share of problems solved in at least one of k samples before training.
    pub(super) base_pass_at_k: Option<f64>,
    /// The same after training.
    pub(super) pass_at_k: Option<f64>,
}

/// Reads the summary of `cell` and checks that it is of this task and seed.
pub(super) fn read(path: &Path, cell: &Cell) -> Result<Summary> {
    let parse = || -> Result<Summary> {
        let mut summary: Summary = serde_json::from_str(&fs::read_to_string(path)?)?;
        ensure!(
            summary.seed == cell.seed && summary.task == cell.task,
            "is of task {} with seed {}, not of {} with {}",
            summary.task,
            summary.seed,
            cell.task,
            cell.seed
        );
        ensure!(!summary.levels.is_empty(), "has no levels");
        // Two entries of a comparison may use the same rule with other numbers.
        summary.schedule.clone_from(&cell.schedule);
        Ok(summary)
    };
    parse().with_context(|| path.display().to_string())
}
