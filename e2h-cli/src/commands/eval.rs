//! `e2h eval`: accuracy by level on held-out problems.

use e2h_rl::{EvalReport, evaluate};
use serde_json::json;

use crate::args::EvalArgs;
use crate::commands::tasks::first_problem;
use crate::config::{Config, ConfigArgs, ModelSection};
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Placed};
use crate::problems::held_out;
use crate::progress::{bar, out, say};
use crate::table;

/// Runs the command.
pub(crate) fn run(args: &EvalArgs) -> Outcome {
    let (mut config, base) = subject(args.path.as_deref(), &args.config)?;
    if let Some(problems) = args.problems {
        config.eval.problems_per_level = problems as usize;
        if let Some(test) = &mut config.data.test {
            test.take = None;
        }
    }
    if let Some(samples) = args.samples {
        config.eval.n_samples = samples as usize;
        config.eval.k.retain(|k| *k <= samples as usize);
    }
    if let Some(problem) = config.eval.validate().into_iter().next() {
        return Err(Failure::usage(problem).hint("see `e2h eval --help`"));
    }
    let report = measure(&config, &base, args.json)?;
    if args.json {
        let value = json!({
            "model": base,
            "task": config.task.clone().task().map_err(first_problem)?.name(),
            "train_mean": report.train_mean(),
            "levels": report.levels,
        });
        out(&serde_json::to_string_pretty(&value).unwrap_or_default());
    } else {
        out(&table::one(&report));
    }
    Ok(())
}

fn measure(config: &Config, base: &str, quiet: bool) -> Outcome<EvalReport> {
    let task = config.task.clone().task().map_err(first_problem)?;
    let section = ModelSection { base: base.to_owned(), ..config.model.clone() };
    let Placed { mut policy, place } = policy::place(&section)?;
    let problems = held_out(config, task.as_ref())?;
    if !quiet {
        say(&format!("{base} on {}, {place}", task.name()));
    }
    let samples = 1 + config.eval.n_samples;
    let total: usize = problems.iter().map(|rows| rows.len() * samples).sum();
    let bar = bar(total as u64, quiet);
    let sampling = &config.train.sampling;
    let report = evaluate(&mut policy, task.as_ref(), &problems, sampling, &config.eval, |n| {
        bar.inc(n as u64);
    });
    bar.finish_and_clear();
    report.map_err(Failure::run)
}

/// The configuration and the model that a path or the flags name.
pub(crate) fn subject(
    path: Option<&std::path::Path>,
    args: &ConfigArgs,
) -> Outcome<(Config, String)> {
    let Some(path) = path else {
        let config = args.resolve()?.value;
        let base = config.model.base.clone();
        return Ok((config, base));
    };
    if args.preset.is_some() || args.task.is_some() || args.model.is_some() {
        return Err(Failure::usage("a run names its own task and model")
            .hint("leave --preset, --task and --model out, or leave the path out"));
    }
    let found = policy::find(path)?;
    let mut args = args.clone();
    args.files.insert(0, found.config);
    Ok((args.resolve()?.value, found.model.display().to_string()))
}
