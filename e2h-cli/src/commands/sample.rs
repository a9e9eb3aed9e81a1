//! `e2h sample`: completions of a policy on problems of one level, with their verdicts.

use e2h_core::{Level, Problem, Rollout, RootSeed, Sampling, Split, Task};
use e2h_rl::{Ask, roll_out};
use serde_json::json;

use crate::args::SampleArgs;
use crate::commands::chat;
use crate::commands::eval::subject;
use crate::commands::tasks::first_problem;
use crate::config::{Config, ModelSection};
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Placed, Which};
use crate::problems::held_out;
use crate::progress::{Pieces, Work, out, say};

/// Completions made together, before the first of them is shown.
pub(super) const AT_ONCE: usize = 32;

/// Runs the command.
pub(crate) fn run(args: &SampleArgs) -> Outcome {
    if !(args.temperature >= 0.0 && args.temperature.is_finite()) {
        return Err(Failure::usage(format!("--temperature is {}", args.temperature))
            .hint("0 takes the most probable token, 1 samples as in training"));
    }
    if let (Some(_), Some(text)) = (&args.config.model, &args.path) {
        let mut args = args.clone();
        if args.own.is_given() {
            return Err(Failure::usage("a text is given twice")
                .hint("leave the argument out, or --prompt, --prompts and --chat"));
        }
        args.own.prompt = Some(text.to_string_lossy().into_owned());
        let config = args.config.resolve()?.value;
        let base = config.model.base.clone();
        return chat::run(&args, &config, base);
    }
    let (config, base) = subject(args.path.as_deref(), Which::Last, &args.config)?;
    if args.own.is_given() {
        return chat::run(args, &config, base);
    }
    let task = config.task.clone().task().map_err(first_problem)?;
    let n_levels = task.levels().len();
    if usize::from(args.level) >= n_levels {
        let message =
            format!("{} has levels 0 to {}, not {}", task.name(), n_levels - 1, args.level);
        return Err(Failure::usage(message).hint("`e2h tasks list` shows the levels"));
    }
    let section = ModelSection { base, ..config.model.clone() };
    let Placed { mut policy, place } = policy::place(&section)?;
    if !args.json {
        say(&place);
    }
    let seed = RootSeed(config.seed);
    let problems = problems(&config, task.as_ref(), args)?;
    let asks: Vec<Ask<'_>> = problems
        .iter()
        .enumerate()
        .map(|(index, problem)| Ask {
            problem,
            streams: vec![seed.stream("sample/tokens", &[u64::from(args.level), index as u64])],
        })
        .collect();
    let sampling = Sampling { temperature: args.temperature, ..config.train.sampling.clone() };
    let mut work = Work::beside_data(problems.len() as u64, Pieces::Of("answers"));
    for (asks, problems) in asks.chunks(AT_ONCE).zip(problems.chunks(AT_ONCE)) {
        let (groups, _) =
            roll_out(&mut policy, task.as_ref(), asks, &sampling).map_err(Failure::run)?;
        for (rollout, problem) in groups.iter().flatten().zip(problems) {
            out(&shown(task.as_ref(), problem, rollout, args.json)?);
            if !args.json {
                out("");
            }
        }
        work.add(problems.len() as u64);
    }
    Ok(())
}

/// One completion with its problem and verdict: a row of JSON, or a few lines.
fn shown(task: &dyn Task, problem: &Problem, rollout: &Rollout, json: bool) -> Outcome<String> {
    let score = &rollout.score;
    if json {
        return Ok(json!({
            "question": problem.question, "answer": problem.answer,
            "completion": rollout.text, "score": score,
        })
        .to_string());
    }
    let prompt = task.prompt(problem).map_err(Failure::run)?;
    Ok(format!(
        "{} {}\n  {}\n  {}: {} (reward {:.2})",
        prompt.user,
        prompt.assistant_prefix,
        rollout.text,
        score.outcome.name(),
        score.reason,
        score.reward,
    ))
}

/// Held-out problems of the level: the first rows of `[data.test]`, or generated ones.
fn problems(config: &Config, task: &dyn Task, args: &SampleArgs) -> Outcome<Vec<Problem>> {
    if config.data.test.is_some() || !config.task.generates() {
        let rows = held_out(config, task)?.into_iter().nth(usize::from(args.level));
        return Ok(rows.unwrap_or_default().into_iter().take(args.n as usize).collect());
    }
    let draw = |index| {
        let mut rng =
            RootSeed(config.seed).stream("sample/problem", &[u64::from(args.level), index]);
        task.generate(Level(args.level), Split::Test, &mut rng).map_err(Failure::run)
    };
    (0..args.n).map(draw).collect()
}
