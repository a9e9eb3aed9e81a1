//! `e2h tasks`: tasks, their levels and their problems.

mod label;
pub(crate) mod rows;
mod solve;
mod stats;

use std::fs::File;
use std::io::{BufReader, BufWriter};

use e2h_core::{Error, Level, RootSeed, Split, Task};
use e2h_tasks::registry::{self, TaskConfig};
use e2h_tasks::score_stream::{BadLine, ScoreOptions, Scorer, score_stream};
use serde_json::{Value, json};

pub(crate) use label::LabelArgs;
pub(crate) use solve::SolveArgs;
pub(crate) use stats::StatsArgs;

use crate::args::{ScoreArgs, SplitArg, TasksArgs, TasksCommand};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// Runs the command.
pub(crate) fn run(args: &TasksArgs) -> Outcome {
    match &args.command {
        TasksCommand::List { json } => list(*json),
        TasksCommand::Gen { task, level, n, split, seed } => {
            generate(task, *level, *n, *split, RootSeed(*seed))
        }
        TasksCommand::Score(args) => score(args),
        TasksCommand::Solve(args) => solve::run(args),
        TasksCommand::Label(args) => label::run(args),
        TasksCommand::Stats(args) => stats::run(args),
        TasksCommand::Show { task, seed } => show(task, RootSeed(*seed)),
    }
}

/// The problems of a task's configuration as one failure of usage.
pub(crate) fn first_problem(problems: Vec<Error>) -> Failure {
    let failure = Failure::usage("the task's configuration is not valid");
    problems.iter().fold(failure, |failure, problem| failure.detail(problem.to_string()))
}

fn named(name: &str) -> Outcome<Box<dyn Task>> {
    registry::task(name).map_err(|error| {
        Failure::usage(error).hint("`e2h tasks list` shows the tasks and their levels")
    })
}

/// A task whose problems are generated.
fn generated(name: &str) -> Outcome<Box<dyn Task>> {
    let task = named(name)?;
    match TaskConfig::named(name).is_ok_and(|config| config.generates()) {
        true => Ok(task),
        false => Err(Failure::usage(format!("the problems of {name} come from files")).hint(
            "`e2h tasks stats FILE --task NAME` looks at rows; math-gen makes problems alike",
        )),
    }
}

fn list(as_json: bool) -> Outcome {
    let mut rows = Vec::new();
    for name in registry::task_names() {
        let task = named(name)?;
        let levels: Vec<Value> = task
            .levels()
            .iter()
            .enumerate()
            .map(|(level, spec)| json!({"level": level, "label": spec.label, "ood": spec.ood}))
            .collect();
        if as_json {
            rows.push(json!({"name": name, "levels": levels}));
        } else {
            let labels = task.levels().iter().enumerate().map(|(level, spec)| {
                let ood = if spec.ood { " (unseen in training)" } else { "" };
                format!("{level} = {}{ood}", spec.label)
            });
            out(&format!("{name:<18} {}", labels.collect::<Vec<_>>().join(", ")));
        }
    }
    if as_json {
        out(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    }
    Ok(())
}

fn generate(name: &str, level: Option<u16>, n: u64, split: SplitArg, seed: RootSeed) -> Outcome {
    let task = generated(name)?;
    let split = match split {
        SplitArg::Train => Split::Train,
        SplitArg::Test => Split::Test,
    };
    let levels = match level {
        Some(level) => vec![Level(level)],
        None => (0..task.levels().len()).map(Level::at).collect(),
    };
    for level in levels {
        for index in 0..n {
            let label = format!("gen/{}/{}", task.name(), split.name());
            let mut rng = seed.stream(&label, &[u64::from(level.0), index]);
            let mut problem = task.generate(level, split, &mut rng).map_err(|error| {
                Failure::usage(error).hint("`e2h tasks list` shows the tasks and their levels")
            })?;
            problem.id = format!("{}/{}/{}/{index}", task.name(), split.name(), level.0);
            out(&serde_json::to_string(&problem).unwrap_or_default());
        }
    }
    Ok(())
}

fn show(name: &str, seed: RootSeed) -> Outcome {
    let task = generated(name)?;
    for (level, spec) in task.levels().iter().enumerate() {
        let mut rng = seed.stream("show", &[level as u64]);
        let problem =
            task.generate(Level::at(level), Split::Train, &mut rng).map_err(Failure::run)?;
        let prompt = task.prompt(&problem).map_err(Failure::run)?;
        let solution = problem.solution.as_ref().and_then(Value::as_str).unwrap_or("unknown");
        out(&format!(
            "level {level}: {}\n  prompt:   {}\n            {}\n  solution: {}\n",
            spec.label,
            prompt.user.replace('\n', "\n            "),
            prompt.assistant_prefix.replace('\n', "\n            "),
            solution.replace('\n', "\n            "),
        ));
    }
    Ok(())
}

/// Verdicts on a stream of rows; goes on past bad lines and fails at the end if there were any.
fn score(args: &ScoreArgs) -> Outcome {
    let scorer = match &args.task {
        Some(name) => Scorer::named(name)
            .map_err(|error| Failure::usage(error).hint("`e2h tasks list` shows the tasks"))?,
        None => Scorer::new(),
    };
    let scorer = scorer.explaining(args.explain);
    let options =
        ScoreOptions { answer_bad_lines: args.answer_bad_lines, ..ScoreOptions::default() };
    let on_bad = |bad: &BadLine| say(&format!("line {}: {}", bad.line, bad.problem));
    let stdout = BufWriter::new(std::io::stdout().lock());
    let counts = match &args.file {
        Some(path) => {
            let file = File::open(path).map_err(|error| {
                Failure::usage(format!("cannot read {}: {error}", path.display()))
                    .hint("give a JSONL file, or pipe the rows in")
            })?;
            score_stream(&scorer, options, BufReader::with_capacity(1 << 20, file), stdout, on_bad)
        }
        None => score_stream(&scorer, options, std::io::stdin().lock(), stdout, on_bad),
    };
    let counts = match counts {
        Ok(counts) => counts,
        // The reader of our output has gone, and wants no more.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(Failure::run(format!("cannot score: {error}"))),
    };
    match counts.n_bad {
        0 => Ok(()),
        n => Err(Failure::run(format!("{n} of {} lines could not be judged", counts.n_lines))
            .hint("docs/verifiers.md has the fields of every task")),
    }
}
