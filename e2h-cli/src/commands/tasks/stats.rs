//! `e2h tasks stats`: what rows hold, level by level, and what training and test rows have in common.

use std::path::PathBuf;

use e2h_tasks::data::{DataSpec, Stats, overlap};
use serde_json::json;

use super::rows::{RowArgs, file_of, loaded};
use crate::hints::Outcome;
use crate::progress::{out, say};

/// `e2h tasks stats`
#[derive(Debug, clap::Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub rows: RowArgs,
    /// Test rows: report those that ask the same as a row of ROWS
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &StatsArgs) -> Outcome {
    let rows = args.rows.load()?;
    let stats = Stats::of(&rows);
    let test = match &args.test {
        Some(path) => {
            let path = vec![file_of(&path.display().to_string())];
            Some(loaded(&DataSpec { path, hub: None, take: None, ..args.rows.spec() })?)
        }
        None => None,
    };
    let common = test.as_ref().map(|test| (overlap(&rows, test), test.len()));
    if args.json {
        let overlap = common.map(|(overlap, _)| overlap);
        let value = json!({"stats": stats, "report": rows.report, "overlap": overlap});
        out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(());
    }
    let tasks: Vec<String> =
        stats.n_by_task.iter().map(|(name, n)| format!("{name} {n}")).collect();
    out(&format!(
        "{} rows ({}), {} of them repeat an earlier one",
        stats.n_rows,
        tasks.join(", "),
        stats.n_duplicates
    ));
    let columns = ["level", "rows", "solved", "repeats", "question chars", "answer chars"];
    out(&format!(
        "{:<6}{:>9}{:>9}{:>9}  {:<22}{}",
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
    ));
    for level in &stats.levels {
        let lengths = |of: e2h_tasks::data::LengthStats| {
            format!("{} to {}, mean {:.0}", of.min, of.max, of.mean)
        };
        out(&format!(
            "{:<6}{:>9}{:>9}{:>9}  {:<22}{}",
            level.level.0,
            level.n_rows,
            level.n_with_solution,
            level.n_duplicates,
            lengths(level.question_chars),
            lengths(level.answer_chars)
        ));
    }
    if let Some((overlap, n_test)) = common {
        let n = overlap.n_test_rows;
        out(&format!("{n} of {n_test} test rows ask the same as a training row"));
        for [train, test] in &overlap.examples {
            say(&format!("  {test} asks the same as {train}"));
        }
    }
    Ok(())
}
