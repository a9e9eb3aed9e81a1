//! `e2h schedule compare`: expected prompts and tokens of several schedules, side by side.

use std::fmt::Write;

use e2h_sched::Preview;
use serde_json::json;

use super::spec::{Size, Spec};
use crate::args::ScheduleCompareArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// Completions a prompt where neither a flag nor a run says it.
const GROUP_SIZE: u64 = 8;

/// Runs the command.
pub(super) fn run(args: &ScheduleCompareArgs) -> Outcome {
    let size = Size::of(&args.size)?;
    let specs: Vec<Spec> = args.schedules.iter().map(|s| Spec::parse(s)).collect::<Outcome<_>>()?;
    let previews: Vec<Preview> =
        specs.iter().map(|spec| spec.preview(&size)).collect::<Outcome<_>>()?;
    let levels = previews.iter().map(Preview::n_levels).max().unwrap_or(0);
    let tokens = args.tokens.as_ref().or(size.tokens.as_ref());
    let group_size = args.group_size.or(size.group_size).unwrap_or(GROUP_SIZE);
    if let Some(tokens) = tokens {
        let fits = tokens.len() == levels && tokens.iter().all(|n| n.is_finite() && *n >= 0.0);
        if !fits {
            let problem = format!(
                "--tokens is {tokens:?}, but must be {levels} numbers of at least 0, one a level"
            );
            return Err(Failure::usage(problem).hint("for example --tokens 60,80,120,200"));
        }
    }
    let of_tokens = |preview: &Preview| -> Option<Vec<f64>> {
        let cost = |(count, tokens): (&f64, &f64)| count * group_size as f64 * tokens;
        Some(preview.expected_counts.iter().zip(tokens?).map(cost).collect())
    };
    if args.json {
        let row = |(spec, preview): (&Spec, &Preview)| {
            json!({
                "schedule": spec.name(),
                "steps": preview.steps,
                "prompts": preview.prompts,
                "expected_counts": preview.expected_counts,
                "expected_tokens": of_tokens(preview),
            })
        };
        let rows: Vec<_> = specs.iter().zip(&previews).map(row).collect();
        out(&json!(rows).to_string());
        return Ok(());
    }
    let names: Vec<&str> = specs.iter().map(Spec::name).collect();
    let counts: Vec<Vec<f64>> = previews.iter().map(|p| p.expected_counts.clone()).collect();
    let mut text = table("expected prompts", &names, &counts, levels);
    if let Some(costs) = previews.iter().map(of_tokens).collect::<Option<Vec<_>>>() {
        let title = format!("\nexpected completion tokens, {group_size} completions a prompt");
        text += &table(&title, &names, &costs, levels);
    }
    out(&text);
    let adapts =
        |spec: &Spec| matches!(spec, Spec::Rule { config, .. } if config.kind.is_adaptive());
    if specs.iter().any(adapts) {
        say("rules that adapt are shown as they begin; `e2h schedule simulate` lets them learn");
    }
    Ok(())
}

/// One line a schedule: a number a level and their sum.
fn table(title: &str, names: &[&str], rows: &[Vec<f64>], levels: usize) -> String {
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
