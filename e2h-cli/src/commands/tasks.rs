//! `e2h tasks`: tasks, their levels and their problems.

mod label;
mod play;
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
pub(crate) use play::PlayArgs;
pub(crate) use solve::SolveArgs;
pub(crate) use stats::StatsArgs;

use crate::args::{ScoreArgs, SplitArg, TasksArgs, TasksCommand};
use crate::hints::{Failure, Outcome};
use crate::progress::{Counted, Pieces, Work, out, page, say};

/// Runs the command.
pub(crate) fn run(args: &TasksArgs) -> Outcome {
    match &args.command {
        TasksCommand::List { json } => list(*json),
        TasksCommand::Gen { task, level, n, split, seed, sets } => {
            generate(&*generated(task, sets)?, *level, *n, *split, RootSeed(*seed))
        }
        TasksCommand::Score(args) => score(args),
        TasksCommand::Solve(args) => solve::run(args),
        TasksCommand::Label(args) => label::run(args),
        TasksCommand::Play(args) => play::run(args),
        TasksCommand::Stats(args) => stats::run(args),
        TasksCommand::Show { task, seed, sets } => show(&*generated(task, sets)?, RootSeed(*seed)),
    }
}

/// The problems of a task's configuration as one failure of usage.
pub(crate) fn first_problem(problems: Vec<Error>) -> Failure {
    let failure = Failure::usage("the task's configuration is not valid")
        .hint("`e2h config show --task NAME` prints the keys of [task] with their values");
    problems.iter().fold(failure, |failure, problem| failure.detail(problem.to_string()))
}

/// The configuration of a preset, changed by texts like `max_number=50`.
fn configured(name: &str, sets: &[String]) -> Outcome<TaskConfig> {
    let preset = TaskConfig::named(name).map_err(|error| {
        Failure::usage(error).hint("`e2h tasks list` shows the tasks and their levels")
    })?;
    if sets.is_empty() {
        return Ok(preset);
    }
    let mut table = serde_json::Map::from_iter([("kind".to_owned(), name.into())]);
    for set in sets {
        let (key, value) = set.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--set {set} has no value")).hint("write --set KEY=VALUE")
        })?;
        // What is no TOML value is a text.
        let value = value.trim().parse().unwrap_or_else(|_| toml::Value::String(value.to_owned()));
        let value = serde_json::to_value(value).map_err(Failure::usage)?;
        table.insert(key.trim().to_owned(), value);
    }
    serde_json::from_value(Value::Object(table)).map_err(|error| {
        Failure::usage(format!("--set: {error}"))
            .hint("`e2h config show --task NAME` prints the keys of [task] with their values")
    })
}

/// The task of a name, changed by `sets`.
fn named(name: &str, sets: &[String]) -> Outcome<Box<dyn Task>> {
    configured(name, sets)?.task().map_err(first_problem)
}

/// A task whose problems are generated.
fn generated(name: &str, sets: &[String]) -> Outcome<Box<dyn Task>> {
    let config = configured(name, sets)?;
    match config.generates() {
        true => config.task().map_err(first_problem),
        false => Err(Failure::usage(format!("the problems of {name} come from files")).hint(
            "`e2h tasks stats FILE --task NAME` looks at rows; math-gen makes problems alike",
        )),
    }
}

fn list(as_json: bool) -> Outcome {
    let mut rows = Vec::new();
    for name in registry::task_names() {
        let task = named(name, &[])?;
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

fn generate(
    task: &dyn Task,
    level: Option<u16>,
    n: u64,
    split: SplitArg,
    seed: RootSeed,
) -> Outcome {
    let split = match split {
        SplitArg::Train => Split::Train,
        SplitArg::Test => Split::Test,
    };
    let levels = match level {
        Some(level) => vec![Level(level)],
        None => (0..task.levels().len()).map(Level::at).collect(),
    };
    let mut work = Work::beside_data(n * levels.len() as u64, Pieces::Of("problems"));
    for level in levels {
        for index in 0..n {
            let label = format!("gen/{}/{}", task.name(), split.name());
            let mut rng = seed.stream(&label, &[u64::from(level.0), index]);
            let mut problem = task.generate(level, split, &mut rng).map_err(|error| {
                Failure::usage(error).hint("`e2h tasks list` shows the tasks and their levels")
            })?;
            problem.id = format!("{}/{}/{}/{index}", task.name(), split.name(), level.0);
            out(&serde_json::to_string(&problem).unwrap_or_default());
            work.add(1);
        }
    }
    Ok(())
}

fn show(task: &dyn Task, seed: RootSeed) -> Outcome {
    let mut text = String::new();
    for (level, spec) in task.levels().iter().enumerate() {
        let mut rng = seed.stream("show", &[level as u64]);
        let problem =
            task.generate(Level::at(level), Split::Train, &mut rng).map_err(Failure::run)?;
        let prompt = task.prompt(&problem).map_err(Failure::run)?;
        let solution = problem.solution.as_ref().and_then(Value::as_str).unwrap_or("unknown");
        text += &format!(
            "level {level}: {}\n  prompt:   {}\n            {}\n  solution: {}\n\n",
            spec.label,
            prompt.user.replace('\n', "\n            "),
            prompt.assistant_prefix.replace('\n', "\n            "),
            solution.replace('\n', "\n            "),
        );
    }
    page(&text);
    Ok(())
}

/// Verdicts on streams of rows; goes on past bad lines and fails at the end if there were any.
fn score(args: &ScoreArgs) -> Outcome {
    let (task, files) = rows::task_and_files(args.task.as_deref(), &args.files);
    let scorer = match (task, &args.sets[..]) {
        (Some(name), []) => Scorer::named(name)
            .map_err(|error| Failure::usage(error).hint("`e2h tasks list` shows the tasks"))?,
        (Some(name), sets) => Scorer::with_task(named(name, sets)?),
        (None, []) => Scorer::new(),
        (None, _) => {
            return Err(Failure::usage("--set changes the task of --task, and there is none")
                .hint("e2h tasks score countdown rows.jsonl --set operators='[\"+\",\"-\"]'"));
        }
    };
    let scorer = scorer.explaining(args.explain);
    let options =
        ScoreOptions { answer_bad_lines: args.answer_bad_lines, ..ScoreOptions::default() };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let (mut n_bad, mut n_lines) = (0, 0);
    let files = if rows::is_stdin(files) { &[] } else { files };
    for index in 0..files.len().max(1) {
        let name = files.get(index);
        let on_bad = |bad: &BadLine| match name.filter(|_| files.len() > 1) {
            Some(name) => say(&format!("{name}, line {}: {}", bad.line, bad.problem)),
            None => say(&format!("line {}: {}", bad.line, bad.problem)),
        };
        let counts = match name {
            Some(name) => {
                let file = File::open(rows::file_of(name)).map_err(|error| {
                    Failure::usage(format!("cannot read {name}: {error}"))
                        .hint("give a JSONL file, or pipe the rows in")
                })?;
                let bytes = file.metadata().map_or(0, |meta| meta.len());
                let mut work = Work::beside_data(bytes, Pieces::Bytes);
                let input = Counted::new(BufReader::with_capacity(1 << 20, file), &mut work);
                score_stream(&scorer, options, input, &mut stdout, on_bad)
            }
            None => {
                rows::say_if_typed();
                score_stream(&scorer, options, std::io::stdin().lock(), &mut stdout, on_bad)
            }
        };
        match counts {
            Ok(counts) => (n_bad, n_lines) = (n_bad + counts.n_bad, n_lines + counts.n_lines),
            // The reader of our output has gone, and wants no more.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::run(format!("cannot score: {error}"))),
        }
    }
    match n_bad {
        0 => Ok(()),
        n => Err(Failure::run(format!("{n} of {n_lines} lines could not be judged"))
            .hint("docs/verifiers.md has the fields of every task")),
    }
}
