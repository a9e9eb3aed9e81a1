//! `e2h tasks label`: levels from how often a policy solves each row.

use std::path::PathBuf;
use std::time::SystemTime;

use e2h_core::{Level, Problem, Sampling};
use e2h_rl::pass_counts;
use e2h_tasks::data::DataSpec;
use e2h_tasks::label::{LabelRule, PassCount, Provenance, label};

use super::rows::{RowArgs, loaded};
use crate::config::ModelSection;
use crate::hints::{Failure, Outcome};
use crate::policy;
use crate::progress::{Pieces, Work, say};

/// `e2h tasks label`
#[derive(Debug, clap::Args)]
pub(crate) struct LabelArgs {
    #[command(flatten)]
    pub rows: RowArgs,
    /// Where the labelled rows are written; what holds for all of them stands beside it in NAME.labels.json
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// So many levels of about equal size
    #[arg(long, value_name = "K", default_value_t = 4, conflicts_with = "thresholds")]
    pub quantiles: usize,
    /// Levels parted at these falling pass rates, for example 0.7,0.55,0.35
    #[arg(long, value_delimiter = ',', value_name = "RATE,..")]
    pub thresholds: Vec<f64>,
    /// The rows carry pass counts (n_correct and n_samples) of the policy of this name
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    pub policy: Option<String>,
    /// Run this policy on the rows: a model folder, or embedded:NAME
    #[arg(long, short, value_name = "DIR", required_unless_present = "policy")]
    pub model: Option<String>,
    /// Samples a row, with --model
    #[arg(long, short = 'n', default_value_t = 20)]
    pub samples: u32,
    /// Softmax temperature of the samples
    #[arg(long, default_value_t = 0.8)]
    pub temperature: f64,
    /// Longest completion in tokens, with --model
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_tokens: usize,
    /// Where to compute, with --model: auto, cpu, cuda, cuda:1
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The date to write [default: today]
    #[arg(long)]
    pub date: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &LabelArgs) -> Outcome {
    if !(args.temperature >= 0.0 && args.temperature.is_finite()) || args.samples == 0 {
        let given = format!("--temperature is {}, --samples {}", args.temperature, args.samples);
        return Err(Failure::usage(given).hint("give a temperature from 0 and a sample or more"));
    }
    // The levels that the rows have, if any, are replaced.
    let level = args.rows.level.map_or(Level(0), Level);
    let rows = loaded(&DataSpec { level: Some(level), ..args.rows.spec() })?;
    let problems: Vec<Problem> = rows.problems.into_iter().flatten().collect();
    let counts: Vec<(u32, u32)> = match &args.model {
        Some(model) => sampled(args, model, &problems)?,
        None => {
            let counts: Result<Vec<PassCount>, _> =
                problems.iter().map(PassCount::of_row).collect();
            let counts = counts.map_err(|error| {
                Failure::run(error).hint("--model DIR runs a policy on rows without counts")
            })?;
            counts.iter().map(|count| (count.n_correct, count.n_samples)).collect()
        }
    };
    let rule = match args.thresholds.is_empty() {
        true => LabelRule::Quantiles { k: args.quantiles },
        false => LabelRule::Thresholds { thresholds: args.thresholds.clone() },
    };
    let provenance = Provenance {
        policy: args.policy.as_ref().or(args.model.as_ref()).cloned().unwrap_or_default(),
        n_samples: counts.iter().map(|(_, n_samples)| *n_samples).max().unwrap_or(0),
        temperature: args.temperature,
        date: args.date.clone().unwrap_or_else(today),
    };
    let rows = problems.into_iter().zip(counts).map(|(row, (right, all))| (row, right, all));
    let labelled = label(rows, rule, provenance).map_err(|error| {
        Failure::run(error).hint("fewer levels, more samples or --thresholds may part the rows")
    })?;
    let header = labelled.write(&args.out).map_err(Failure::run)?;
    for (level, n) in labelled.header.sizes.iter().enumerate() {
        let least = labelled.header.thresholds.get(level);
        let bound = least.map_or("the rest".to_owned(), |rate| format!("pass rate from {rate:.3}"));
        say(&format!("level {level}: {n} rows, {bound}"));
    }
    say(&format!("wrote {} and {}", args.out.display(), header.display()));
    Ok(())
}

/// Runs the policy on the rows.
fn sampled(args: &LabelArgs, model: &str, problems: &[Problem]) -> Outcome<Vec<(u32, u32)>> {
    let named = problems.first().map_or("", |row| row.task.as_str());
    let name = args.rows.task().unwrap_or(named);
    let task = e2h_tasks::registry::task(name).map_err(|error| {
        Failure::usage(error)
            .hint("`e2h tasks list` shows the tasks; --task names the one of the rows")
    })?;
    if let Some(other) = problems.iter().find(|row| row.task != task.name()) {
        let message = format!("row {} is of task {}, not {}", other.id, other.task, task.name());
        return Err(Failure::usage(message).hint("label the rows of one task at a time"));
    }
    let section =
        ModelSection { base: model.to_owned(), device: args.device.clone(), ..Default::default() };
    let mut placed = policy::place(&section)?;
    say(&format!("{model} on {}, {}", task.name(), placed.place));
    let sampling = Sampling {
        temperature: args.temperature,
        max_tokens: args.max_tokens,
        ..Sampling::default()
    };
    let total = problems.len() as u64 * u64::from(args.samples);
    let mut work = Work::new(total, Pieces::Of("completions"));
    let n = args.samples as usize;
    let counts = pass_counts(
        &mut placed.policy,
        task.as_ref(),
        problems,
        &sampling,
        args.rows.seed,
        n,
        |done| work.add(done as u64),
    );
    drop(work);
    let counts = counts.map_err(Failure::run)?;
    if let Some(index) = counts.iter().position(|(_, n_judged)| *n_judged == 0) {
        let message = format!("no sample of row {} could be judged", problems[index].id);
        return Err(Failure::run(message).hint("leave the row out, or correct its answer"));
    }
    Ok(counts)
}

/// Today's date in UTC.
fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.chars().take(10).collect()
}
