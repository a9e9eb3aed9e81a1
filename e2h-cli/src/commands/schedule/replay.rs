//! `e2h schedule replay`: what rules would have asked for on the rewards that a finished run logged.

use std::fmt::Write;
use std::path::Path;

use e2h_core::GroupOutcome;
use e2h_sched::{Kind, Replay, replay, total_variation};
use serde_json::{Value, json};

use super::spec::{build, open, probs, rule};
use crate::args::ScheduleReplayArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// The metric that holds the outcomes of a step's groups.
const KEY: &str = "groups/outcomes";
/// Rows of the printed table.
const ROWS: usize = 10;

/// Runs the command.
pub(super) fn run(args: &ScheduleReplayArgs) -> Outcome {
    let (data, config) = open(&args.run)?;
    let log = read_log(&args.run, &data.metrics)?;
    let logged: Vec<Vec<f64>> = data.metrics.iter().map(probs).collect();
    let levels = logged.iter().map(Vec::len).max().unwrap_or(0);
    let adaptive = Kind::ALL.into_iter().filter(|kind| kind.is_adaptive());
    let names: Vec<String> = match &args.schedules[..] {
        [] => adaptive.map(|kind| kind.name().to_owned()).collect(),
        given => given.to_vec(),
    };
    let mut replays = Vec::new();
    for name in &names {
        let mut built = build(name, &rule(name)?, levels, config.train.steps)?;
        replays.push(replay(built.as_mut(), log.iter().cloned()));
    }
    if args.json {
        let rules: Vec<Value> =
            names.iter().zip(&replays).map(|(n, r)| shown(n, r, &logged)).collect();
        let steps: Vec<u64> = log.iter().map(|(step, _)| *step).collect();
        out(&json!({ "steps": steps, "logged": logged, "rules": rules }).to_string());
        return Ok(());
    }
    let own = format!("{} as run ({})", args.run.display(), config.schedule.kind.name());
    let width = names.iter().chain([&own]).map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let last = log.len() - 1;
    let rows = last.clamp(1, ROWS);
    let mut shown_rows: Vec<usize> = (0..=rows).map(|row| row * last / rows).collect();
    shown_rows.dedup();
    for index in shown_rows {
        let _ = writeln!(text, "step {}", log[index].0);
        let _ = writeln!(text, "  {own:<width$} {}", percents(&logged[index]));
        for (name, replay) in names.iter().zip(&replays) {
            let row = &replay.probabilities[index];
            let moved = 100.0 * total_variation(row, &logged[index]);
            let _ = writeln!(text, "  {name:<width$} {}  moves {moved:.0} %", percents(row));
        }
    }
    let _ = writeln!(
        text,
        "\nover the run\n  {:<width$} {:>10} {:>10} {:>12}",
        "rule", "moved", "most", "kept groups"
    );
    for (name, replay) in names.iter().zip(&replays) {
        let (mean, most, _) = distance(replay, &logged);
        let kept = format!("{} of {}", replay.n_kept, replay.n_groups);
        let _ = writeln!(
            text,
            "  {name:<width$} {:>8.1} % {:>8.1} % {kept:>12}",
            100.0 * mean,
            100.0 * most
        );
    }
    out(&text);
    say(
        "percent of the prompts at each level, easiest first; moved: the share of prompts that would have \
         gone to other levels.\nThe rewards are those of the run as it was: a rule in charge would have seen others.",
    );
    Ok(())
}

/// (step, groups) of each line of `metrics.jsonl`.
fn read_log(run: &Path, metrics: &[Value]) -> Outcome<Vec<(u64, Vec<GroupOutcome>)>> {
    let run = run.display();
    if metrics.is_empty() {
        return Err(Failure::usage(format!("{run} has no finished step"))
            .hint("its metrics.jsonl is empty or not there yet"));
    }
    let entry = |line: &Value| -> Option<(u64, Vec<GroupOutcome>)> {
        let groups = line[KEY].as_array()?.iter().map(GroupOutcome::from_row);
        Some((line["step"].as_u64()?, groups.collect::<Option<_>>()?))
    };
    let read = |(index, line): (usize, &Value)| {
        entry(line).ok_or_else(|| {
            let what = if line[KEY].is_null() { "has no" } else { "cannot be read:" };
            Failure::usage(format!("{run}/metrics.jsonl:{}: {what} `{KEY}`", index + 1))
                .hint("runs of versions before `groups/outcomes` cannot be replayed; train again")
        })
    };
    metrics.iter().enumerate().map(read).collect()
}

/// Mean and largest distance from the logged probabilities, and the index of the largest.
fn distance(replay: &Replay, logged: &[Vec<f64>]) -> (f64, f64, usize) {
    let rows = replay.probabilities.iter().zip(logged);
    let all: Vec<f64> = rows.map(|(a, b)| total_variation(a, b)).collect();
    let most = all.iter().enumerate().fold((0.0, 0), |best, (index, &distance)| {
        if distance > best.0 { (distance, index) } else { best }
    });
    (all.iter().sum::<f64>() / all.len().max(1) as f64, most.0, most.1)
}

fn shown(name: &str, replay: &Replay, logged: &[Vec<f64>]) -> Value {
    let (mean, most, index) = distance(replay, logged);
    json!({
        "schedule": name,
        "probabilities": replay.probabilities,
        "moved_mean": mean,
        "moved_most": most,
        "moved_most_step": replay.steps[index],
        "groups": replay.n_groups,
        "kept_groups": replay.n_kept,
    })
}

fn percents(row: &[f64]) -> String {
    row.iter().map(|prob| format!("{:>5.0}", 100.0 * prob)).collect()
}
