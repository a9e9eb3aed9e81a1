//! `e2h eval`: accuracy by level on held-out problems, on one task or several; two evaluations compared.

use std::path::Path;

use e2h_core::{Task, write_atomic};
use e2h_model::LanguageModel;
use e2h_rl::{EvalReport, ProblemResult, evaluate_rows};
use e2h_tasks::data::DataSpec;
use serde_json::{Value, json};

use crate::args::{CompareArgs, EvalArgs, EvalCommand};
use crate::commands::tasks::first_problem;
use crate::commands::train::check_words;
use crate::config::{Config, ConfigArgs, ModelSection};
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Placed, Which};
use crate::presets::PRESETS;
use crate::problems::held_out;
use crate::progress::{Pieces, Work, out, say};
use crate::table;

/// Runs the command.
pub(crate) fn run(args: &EvalArgs) -> Outcome {
    if let Some(EvalCommand::Compare(args)) = &args.command {
        return compare(args);
    }
    let which = Which::parse(&args.checkpoint)?;
    let (config, base) = subject(args.path.as_deref(), which, &args.config)?;
    let config = with_flags(config, args)?;
    let configs = match args.tasks.is_empty() {
        true => vec![config.clone()],
        false => args
            .tasks
            .iter()
            .map(|name| on_task(&config, name))
            .collect::<Outcome<Vec<Config>>>()?,
    };
    let section = ModelSection { base: base.clone(), ..config.model.clone() };
    let Placed { mut policy, place } = policy::place(&section)?;
    let tasks = configs
        .iter()
        .map(|config| config.task.clone().task().map_err(first_problem))
        .collect::<Outcome<Vec<_>>>()?;
    let mut sets = Vec::new();
    for (config, task) in configs.iter().zip(&tasks) {
        let problems = held_out(config, task.as_ref())?;
        check_words(&policy, task.as_ref(), &base, &problems)?;
        sets.push(problems);
    }
    let (mut results, mut values) = (Vec::new(), Vec::new());
    for ((config, task), problems) in configs.iter().zip(&tasks).zip(&sets) {
        if !args.json {
            say(&format!("{base} on {}, {place}", task.name()));
        }
        let (report, rows) = measure(&mut policy, task.as_ref(), problems, config)?;
        if !args.json {
            let title = if tasks.len() > 1 { format!("{}\n", task.name()) } else { String::new() };
            out(&(title + &table::one(&report)));
        }
        results.extend(rows);
        values.push(json!({
            "model": base,
            "task": task.name(),
            "train_mean": report.train_mean(),
            "levels": report.levels,
        }));
    }
    if args.json {
        // One task is one object, as a script for one task expects.
        let value =
            if args.tasks.is_empty() { values.swap_remove(0) } else { Value::Array(values) };
        out(&serde_json::to_string_pretty(&value).unwrap_or_default());
    }
    match &args.save {
        Some(path) => save(path, &results),
        None => Ok(()),
    }
}

/// The configuration with the command's own flags on top.
fn with_flags(mut config: Config, args: &EvalArgs) -> Outcome<Config> {
    if let Some(rows) = &args.rows {
        config.data.test = Some(DataSpec::at(rows));
    }
    if let (Some(_), Some(test)) = (args.problems, &mut config.data.test) {
        test.take = None;
    }
    let eval = &mut config.eval;
    if let Some(problems) = args.problems {
        eval.problems_per_level = problems as usize;
    }
    if let Some(samples) = args.samples {
        eval.n_samples = samples as usize;
    }
    if !args.k.is_empty() {
        eval.k.clone_from(&args.k);
        eval.n_samples = eval.n_samples.max(args.k.iter().copied().max().unwrap_or(0));
    } else {
        let n = eval.n_samples;
        eval.k.retain(|k| *k <= n);
    }
    eval.majority |= args.majority;
    match eval.validate().into_iter().next() {
        Some(problem) => Err(Failure::usage(problem).hint("see `e2h eval --help`")),
        None => Ok(config),
    }
}

/// `config` with the task of a preset, a task's preset for the model, or a file; all else stays.
fn on_task(config: &Config, name: &str) -> Outcome<Config> {
    let preset = |name: &str| PRESETS.iter().any(|(known, _)| *known == name);
    let layers = if preset(name) {
        ConfigArgs { preset: Some(name.to_owned()), ..ConfigArgs::default() }
    } else if Path::new(name).is_file() {
        ConfigArgs { files: vec![name.into()], ..ConfigArgs::default() }
    } else {
        let model = Some(config.model.base.clone());
        ConfigArgs { task: Some(name.to_owned()), model, ..ConfigArgs::default() }
    };
    let other = layers.resolve()?.value;
    Ok(Config { task: other.task, ..config.clone() })
}

fn measure(
    policy: &mut LanguageModel,
    task: &dyn Task,
    problems: &[Vec<e2h_core::Problem>],
    config: &Config,
) -> Outcome<(EvalReport, Vec<ProblemResult>)> {
    let samples = 1 + config.eval.n_samples;
    let total: usize = problems.iter().map(|rows| rows.len() * samples).sum();
    let mut work = Work::new(total as u64, Pieces::Of("completions"));
    let sampling = &config.train.sampling;
    let found = evaluate_rows(policy, task, problems, sampling, &config.eval, |n| {
        work.add(n as u64);
    });
    found.map_err(Failure::run)
}

fn save(path: &Path, results: &[ProblemResult]) -> Outcome {
    let mut text = String::new();
    for result in results {
        text += &serde_json::to_string(result).map_err(Failure::run)?;
        text.push('\n');
    }
    write_atomic(path, text.as_bytes()).map_err(|error| Failure::from(anyhow::Error::new(error)))
}

/// The configuration and the model that a path or the flags name.
pub(crate) fn subject(
    path: Option<&Path>,
    which: Which,
    args: &ConfigArgs,
) -> Outcome<(Config, String)> {
    let Some(path) = path else {
        let config = args.resolve()?.value;
        let base = config.model.base.clone();
        return Ok((config, base));
    };
    // Before the checkpoint is looked for: the flags are wrong whether it is there or not.
    if path.join("config.toml").is_file() {
        names_nothing_else(args)?;
    }
    let found = policy::find(path, which)?;
    let model = found.model.display().to_string();
    let Some(config) = found.config else {
        if args.model.is_some() {
            return Err(Failure::usage("a path and --model name two models").hint("leave one out"));
        }
        // The model decides which preset a task has.
        let args = ConfigArgs { model: Some(model.clone()), ..args.clone() };
        return Ok((args.resolve()?.value, model));
    };
    names_nothing_else(args)?;
    let mut args = args.clone();
    args.files.insert(0, config);
    Ok((args.resolve()?.value, model))
}

/// Refuses flags that name what a run names itself.
fn names_nothing_else(args: &ConfigArgs) -> Outcome {
    if args.preset.is_some() || args.task.is_some() || args.model.is_some() {
        return Err(Failure::usage("a run names its own task and model")
            .hint("leave --preset, --task and --model out; --tasks evaluates on other tasks"));
    }
    Ok(())
}

/// Runs `e2h eval compare`.
fn compare(args: &CompareArgs) -> Outcome {
    let (a, b) = (results(&args.a)?, results(&args.b)?);
    let found = e2h_rl::compare(&a, &b);
    if found.rows.is_empty() {
        return Err(Failure::run(format!(
            "{} and {} have no problem in common",
            args.a.display(),
            args.b.display()
        ))
        .hint("compare evaluations of the same task, levels and eval.seed"));
    }
    if args.json {
        out(&serde_json::to_string_pretty(&found).map_err(Failure::run)?);
        return Ok(());
    }
    out(&table::paired(&found, &args.a.display().to_string(), &args.b.display().to_string()));
    Ok(())
}

/// The rows of a results file, or of the newest evaluation of a run.
fn results(path: &Path) -> Outcome<Vec<ProblemResult>> {
    let file = if path.is_dir() { newest(path)? } else { path.to_path_buf() };
    e2h_core::read_jsonl(&file).map_err(|error| {
        Failure::from(anyhow::Error::new(error))
            .hint("`e2h eval RUN --save FILE` writes a results file")
    })
}

fn newest(run: &Path) -> Outcome<std::path::PathBuf> {
    let step = |path: &Path| -> Option<u64> {
        path.file_stem()?.to_str()?.strip_prefix("step-")?.parse().ok()
    };
    let entries = std::fs::read_dir(run.join("eval")).into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path()).filter_map(|path| Some((step(&path)?, path)));
    match found.max() {
        Some((_, path)) => Ok(path),
        None => Err(Failure::usage(format!("{} has no evaluation", run.display()))
            .hint("give a run folder, or a file that `e2h eval --save FILE` wrote")),
    }
}
