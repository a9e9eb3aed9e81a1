//! `e2h schedule compare`: expected prompts and tokens of several schedules, side by side.

use std::fmt::Write;

use e2h_sched::Preview;
use serde_json::json;

use super::spec::{Lengths, Size, Spec};
use crate::args::ScheduleCompareArgs;
use crate::hints::Outcome;
use crate::progress::{out, say};

/// Runs the command.
pub(super) fn run(args: &ScheduleCompareArgs) -> Outcome {
    let size = Size::of(&args.size)?;
    let specs: Vec<Spec> = args.schedules.iter().map(|s| Spec::parse(s)).collect::<Outcome<_>>()?;
    let previews: Vec<Preview> =
        specs.iter().map(|spec| spec.preview(&size)).collect::<Outcome<_>>()?;
    let levels = previews.iter().map(Preview::n_levels).max().unwrap_or(0);
    let lengths = Lengths::of(&args.lengths, &size, levels)?;
    if args.json {
        let row = |(spec, preview): (&Spec, &Preview)| {
            json!({
                "schedule": spec.name(),
                "steps": preview.steps,
                "prompts": preview.prompts,
                "expected_counts": preview.expected_counts,
                "expected_tokens": lengths.expected(preview),
            })
        };
        let rows: Vec<_> = specs.iter().zip(&previews).map(row).collect();
        out(&json!(rows).to_string());
        return Ok(());
    }
    let names: Vec<&str> = specs.iter().map(Spec::name).collect();
    let counts: Vec<Vec<f64>> = previews.iter().map(|p| p.expected_counts.clone()).collect();
    let mut text = table("expected prompts", &names, &counts, levels);
    if let Some(costs) = previews.iter().map(|p| lengths.expected(p)).collect::<Option<Vec<_>>>() {
        let title = token_title(lengths.group_size);
        text += &table(&title, &names, &costs, levels);
    }
    out(&text);
    if specs.iter().any(Spec::adapts) {
        say("rules that adapt are shown as they begin; `e2h schedule simulate` lets them learn");
    }
    Ok(())
}

/// The title of a table of tokens.
pub(super) fn token_title(group_size: u64) -> String {
    format!("\nexpected completion tokens, {group_size} completions a prompt")
}

/// One line a schedule: a number a level and their sum.
pub(super) fn table(title: &str, names: &[&str], rows: &[Vec<f64>], levels: usize) -> String {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!("{title}\n{:<width$}", "schedule");
    for level in 0..levels {
        // Writing to a string cannot fail.
        let _ = write!(text, " {:>12}", format!("level {level}"));
    }
    text += &format!(" {:>12}\n", "all");
    for (name, row) in names.iter().zip(rows) {
        let _ = write!(text, "{name:<width$}");
        for number in row.iter().chain([&row.iter().sum()]) {
            let _ = write!(text, " {number:>12.0}");
        }
        text.push('\n');
    }
    text
}
