//! `e2h schedule simulate`: rules on synthetic learners, over seeds in parallel, ranked.

use std::fmt::Write;

use e2h_sched::simulate::{self, Budget, Interval, LearnerConfig, Run};
use e2h_sched::{Kind, ScheduleConfig};
use serde_json::{Value, json};

use super::spec::{build, rule};
use crate::args::{RankBy, ScheduleSimulateArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{Pieces, Work, out, say};

/// Runs the command.
pub(super) fn run(args: &ScheduleSimulateArgs) -> Outcome {
    let (learner, budget) = (learner(args), budget(args));
    let problems = learner.problems().into_iter().chain(budget.problems());
    let mut problems: Vec<String> = problems.map(|problem| problem.to_string()).collect();
    for (level, rate) in args.pass_rates.iter().flatten().enumerate() {
        if !is_open_share(rate) {
            let bound = "greater than 0 and less than 1";
            problems.push(format!("`pass-rates` of level {level} is {rate}, but must be {bound}"));
        }
    }
    if !(1..=100_000).contains(&args.seeds) {
        problems
            .push(format!("`seeds` is {}, but must be at least 1 and at most 100000", args.seeds));
    }
    if !problems.is_empty() {
        let failure = Failure::usage("the simulation cannot be run")
            .hint("`e2h schedule simulate --help` shows the defaults");
        return Err(problems.into_iter().fold(failure, Failure::detail));
    }
    let names = names(&args.schedules);
    let rules: Vec<ScheduleConfig> = names.iter().map(|name| rule(name)).collect::<Outcome<_>>()?;
    for (name, rule) in names.iter().zip(&rules) {
        build(name, rule, learner.difficulties.len(), args.steps)?;
    }
    // Rule by rule, for the sake of the progress; each rule meets the same learners.
    let mut work = Work::new(rules.len() as u64, Pieces::Of("rules"));
    let mut outcomes = Vec::with_capacity(rules.len());
    for rule in &rules {
        let found = simulate::compare(std::slice::from_ref(rule), &learner, budget, args.seeds);
        outcomes.extend(found.map_err(Failure::run)?);
        work.add(1);
    }
    drop(work);
    let value = |run: &Run| match args.by {
        RankBy::Average => run.average(),
        RankBy::Hard => run.hard(),
    };
    let mean = |runs: &[Run]| runs.iter().map(value).sum::<f64>();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| mean(&outcomes[b].runs).total_cmp(&mean(&outcomes[a].runs)));
    let best = &outcomes[order[0]].runs;
    let behind = |runs: &[Run]| {
        let gaps: Vec<f64> = best.iter().zip(runs).map(|(a, b)| value(a) - value(b)).collect();
        Interval::of(&gaps)
    };
    if args.json {
        let row = |&index: &usize| {
            let outcome = &outcomes[index];
            json!({
                "schedule": names[index],
                "hard": interval(&outcome.hard),
                "average": interval(&outcome.average),
                "zero_variance_frac": interval(&outcome.zero_variance),
                "behind_best": interval(&behind(&outcome.runs)),
            })
        };
        let rows: Vec<Value> = order.iter().map(row).collect();
        out(&json!({ "seeds": args.seeds, "by": by(args.by), "ranking": rows }).to_string());
        return Ok(());
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!(
        "rank {:<width$} {:>13} {:>13} {:>13} {:>13}\n",
        "schedule", "hardest %", "average %", "flat groups %", "behind best"
    );
    for (rank, &index) in order.iter().enumerate() {
        let outcome = &outcomes[index];
        let behind = behind(&outcome.runs);
        let (hard, average, flat) = (&outcome.hard, &outcome.average, &outcome.zero_variance);
        let same = if rank > 0 && behind.low() <= 0.0 { "  not told apart" } else { "" };
        let _ = writeln!(
            text,
            "{:>4} {:<width$} {hard:>13} {average:>13} {flat:>13} {behind:>13}{same}",
            rank + 1,
            names[index]
        );
    }
    out(&text);
    say(&format!(
        "ranked by the {} final pass rate over {} seeds, with 95% intervals; behind best is the paired difference.\n\
         Synthetic learners check a rule before compute is spent; they are no result about language models.",
        by(args.by),
        args.seeds
    ));
    Ok(())
}

/// A learner whose skill starts at 0: a level of difficulty d is passed at the rate `1 / (1 + exp(d))`.
fn learner(args: &ScheduleSimulateArgs) -> LearnerConfig {
    let difficulties = match &args.pass_rates {
        // What is out of range is reported by its own name.
        Some(rates) => rates
            .iter()
            .map(|p| if is_open_share(p) { ((1.0 - p) / p).ln() } else { 0.0 })
            .collect(),
        None => args.difficulties.clone(),
    };
    LearnerConfig {
        difficulties,
        rate: args.rate,
        transfer: args.transfer,
        forgetting: args.forgetting,
        item_spread: args.item_spread,
        ..LearnerConfig::default()
    }
}

fn is_open_share(value: &f64) -> bool {
    *value > 0.0 && *value < 1.0
}

fn budget(args: &ScheduleSimulateArgs) -> Budget {
    Budget { steps: args.steps, prompts: args.prompts, group_size: args.group_size }
}

/// The schedules asked for, or every kind that needs no key.
fn names(given: &[String]) -> Vec<String> {
    let needs = |kind: &Kind| matches!(kind, Kind::Only | Kind::Table | Kind::Piecewise);
    match given {
        [] => Kind::ALL.iter().filter(|kind| !needs(kind)).map(|k| k.name().to_owned()).collect(),
        given => given.to_vec(),
    }
}

fn by(rank: RankBy) -> &'static str {
    match rank {
        RankBy::Average => "average",
        RankBy::Hard => "hardest level's",
    }
}

fn interval(interval: &Interval) -> Value {
    json!({ "mean": interval.mean, "low": interval.low(), "high": interval.high() })
}
