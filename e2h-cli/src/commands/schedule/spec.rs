//! How a command line names a schedule, and the size of the run that it is for.

use std::path::Path;

use e2h_core::Curriculum;
use e2h_sched::{Kind, Preview, ScheduleConfig};

use crate::args::{ScheduleLengths, ScheduleSize};
use crate::config::{Config, ConfigArgs, n_train_levels};
use crate::hints::{Failure, Outcome};
use crate::report::RunData;

/// A schedule as written on the command line.
pub(super) enum Spec {
    /// A rule with its settings.
    Rule {
        /// As written.
        name: String,
        /// The settings.
        config: Box<ScheduleConfig>,
    },
    /// What a run did.
    Run {
        /// As written.
        name: String,
        /// The run's probabilities by step, and its prompts a step.
        preview: Preview,
    },
}

impl Spec {
    /// Reads `KIND`, `KIND:key=value,...`, a TOML file or a run folder.
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        Self::parse_with(text, &[])
    }

    /// [`parse`](Self::parse), with settings `key=value` on top of those in `text`.
    pub(super) fn parse_with(text: &str, sets: &[String]) -> Outcome<Self> {
        let path = Path::new(text);
        if path.is_dir() {
            if let Some(set) = sets.first() {
                let problem = format!("{text} is a finished run; --set {set} cannot change it");
                return Err(Failure::usage(problem).hint("leave --set out, or give a kind"));
            }
            return Ok(Self::Run { name: text.to_owned(), preview: logged(path)? });
        }
        let name = [&[text.to_owned()], sets].concat().join(" ");
        Ok(Self::Rule { name, config: Box::new(rule_with(text, sets)?) })
    }

    /// As written.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Rule { name, .. } | Self::Run { name, .. } => name,
        }
    }

    /// True for a rule that learns from rewards.
    pub(super) fn adapts(&self) -> bool {
        matches!(self, Self::Rule { config, .. } if config.kind.is_adaptive())
    }

    /// The probabilities over a run of `size`; an adaptive rule is shown as it begins.
    pub(super) fn preview(&self, size: &Size) -> Outcome<Preview> {
        match self {
            Self::Rule { name, config } => {
                let rule = build(name, config, size.levels, size.steps)?;
                Ok(Preview::new(rule.as_ref(), size.steps, size.prompts))
            }
            Self::Run { preview, .. } => Ok(preview.clone()),
        }
    }
}

/// The rule that `text` describes: `KIND`, `KIND:key=value,...` or a TOML file.
pub(super) fn rule(text: &str) -> Outcome<ScheduleConfig> {
    rule_with(text, &[])
}

/// [`rule`], with settings `key=value` on top of those in `text`.
fn rule_with(text: &str, sets: &[String]) -> Outcome<ScheduleConfig> {
    let more = sets.iter().map(|set| format!("schedule.{set}"));
    if text.ends_with(".toml") {
        let sets = more.collect();
        let args = ConfigArgs { files: vec![text.into()], sets, ..ConfigArgs::default() };
        return Ok(args.merge()?.value.schedule);
    }
    let (kind, settings) = text.split_once(':').unwrap_or((text, ""));
    let own = split(settings).into_iter().map(|set| format!("schedule.{set}"));
    let sets = own.chain(more).collect();
    let args = ConfigArgs { sets, schedule: Some(kind.to_owned()), ..ConfigArgs::default() };
    let config = args.merge().map_err(|failure| {
        let failure = failure.context(format!("schedule {text}"));
        if kind.contains('/') || Path::new(kind).exists() {
            return failure.hint("give a kind, a .toml file or a run folder that is there");
        }
        if Kind::ALL.iter().all(|known| known.name() != kind) {
            return failure.hint("`e2h schedule list` shows the kinds and what each takes");
        }
        failure
    })?;
    Ok(config.value.schedule)
}

/// The parts of `text` between commas that stand in no bracket.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let comma = |c: char| {
        depth += match c {
            '[' | '{' => 1,
            ']' | '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    };
    text.split(comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The curriculum of `config`, or all its problems under the schedule's `name`.
pub(super) fn build(
    name: &str,
    config: &ScheduleConfig,
    levels: usize,
    steps: u64,
) -> Outcome<Box<dyn Curriculum>> {
    let problems = config.validate(levels, steps);
    if !problems.is_empty() {
        let failure = Failure::usage(format!("the schedule {name} is not valid"))
            .hint("`e2h schedule list` shows what each kind takes");
        return Err(problems.iter().fold(failure, |f, problem| f.detail(problem.to_string())));
    }
    config.build(levels, steps).map_err(Failure::usage)
}

/// The size of the run that a schedule is for.
pub(super) struct Size {
    /// Training levels, K.
    pub(super) levels: usize,
    /// Steps, T.
    pub(super) steps: u64,
    /// Prompts a step, B.
    pub(super) prompts: u64,
    /// Completions a prompt, G, where a run says it.
    pub(super) group_size: Option<u64>,
    /// Mean completion tokens by level, where a run says them.
    pub(super) tokens: Option<Vec<f64>>,
}

impl Size {
    /// The flags, over what the named run says, over the defaults.
    pub(super) fn of(args: &ScheduleSize) -> Outcome<Self> {
        let from = match &args.run {
            Some(path) => of_run(path)?,
            None => Self { levels: 4, steps: 1600, prompts: 8, group_size: None, tokens: None },
        };
        let size = Self {
            levels: args.levels.unwrap_or(from.levels),
            steps: args.steps.unwrap_or(from.steps),
            prompts: args.prompts.unwrap_or(from.prompts),
            ..from
        };
        for (flag, value, most) in [
            ("--levels", size.levels as u64, 1_000),
            ("--steps", size.steps, 10_000_000),
            ("--prompts", size.prompts, 10_000_000),
        ] {
            if !(1..=most).contains(&value) {
                let problem =
                    format!("{flag} is {value}, but must be at least 1 and at most {most}");
                return Err(Failure::usage(problem).hint("for example --levels 4 --steps 1600"));
            }
        }
        Ok(size)
    }
}

/// Completions a prompt where neither a flag nor a run says it.
const GROUP_SIZE: u64 = 8;

/// How many tokens the prompts of a schedule will ask for.
pub(super) struct Lengths {
    tokens: Option<Vec<f64>>,
    /// Completions a prompt, G.
    pub(super) group_size: u64,
}

impl Lengths {
    /// The flags, over what the run of `size` says; the tokens are those of `levels` levels.
    pub(super) fn of(args: &ScheduleLengths, size: &Size, levels: usize) -> Outcome<Self> {
        let tokens = args.tokens.as_ref().or(size.tokens.as_ref()).cloned();
        let bad = |problem| {
            Err(Failure::usage(problem).hint("for example --tokens 60,80,120,200 --group-size 8"))
        };
        if let Some(tokens) = &tokens {
            let fits = tokens.len() == levels && tokens.iter().all(|n| n.is_finite() && *n >= 0.0);
            if !fits {
                return bad(format!(
                    "--tokens is {tokens:?}, but must be {levels} numbers of at least 0, one a level"
                ));
            }
        }
        let group_size = args.group_size.or(size.group_size).unwrap_or(GROUP_SIZE);
        if group_size == 0 {
            return bad("--group-size is 0, but must be at least 1".to_owned());
        }
        Ok(Self { tokens, group_size })
    }

    /// Expected completion tokens of each level, where lengths are known.
    pub(super) fn expected(&self, preview: &Preview) -> Option<Vec<f64>> {
        let cost = |(count, tokens): (&f64, &f64)| count * self.group_size as f64 * tokens;
        Some(preview.expected_counts.iter().zip(self.tokens.as_ref()?).map(cost).collect())
    }
}

/// The files and the configuration of the run in `path`.
pub(super) fn open(path: &Path) -> Outcome<(RunData, Config)> {
    if !path.join("config.toml").is_file() {
        return Err(Failure::usage(format!("{} is not a run folder", path.display()))
            .hint("give a folder that `e2h train` printed"));
    }
    let data = RunData::read(path).map_err(Failure::run)?;
    let args = ConfigArgs { files: vec![path.join("config.toml")], ..ConfigArgs::default() };
    Ok((data, args.resolve()?.value))
}

fn of_run(path: &Path) -> Outcome<Size> {
    let (data, config) = open(path)?;
    let task = config.task.clone().task().map_err(crate::commands::tasks::first_problem)?;
    let levels = n_train_levels(task.as_ref());
    Ok(Size {
        levels,
        steps: config.train.steps,
        prompts: config.train.prompts as u64,
        group_size: Some(config.train.group_size as u64),
        tokens: mean_tokens(&data, levels),
    })
}

/// Mean completion tokens of each level over the run; `None` where a level was never drawn.
fn mean_tokens(data: &RunData, levels: usize) -> Option<Vec<f64>> {
    let mean = |level: usize| {
        let of = |line: &serde_json::Value| {
            let tokens = line[format!("rollout/level_{level}/mean_tokens")].as_f64()?;
            Some((tokens, line[format!("schedule/level_{level}/prompts")].as_f64()?))
        };
        let parts = data.metrics.iter().filter_map(of);
        let (sum, n) = parts.fold((0.0, 0.0), |(sum, n), (tokens, w)| (sum + tokens * w, n + w));
        (n > 0.0).then(|| sum / n)
    };
    (0..levels).map(mean).collect()
}

/// The probabilities that the run in `path` logged.
fn logged(path: &Path) -> Outcome<Preview> {
    let (data, config) = open(path)?;
    let rows: Vec<Vec<f64>> = data.metrics.iter().map(probs).collect();
    if rows.iter().all(Vec::is_empty) {
        return Err(Failure::usage(format!("{} has no finished step", path.display()))
            .hint("its metrics.jsonl has no line with schedule/level_0/prob yet"));
    }
    let name = format!("{} ({})", path.display(), config.schedule.kind.name());
    Ok(Preview::of_table(&name, rows, config.train.prompts as u64))
}

/// The probabilities in a line of `metrics.jsonl`.
pub(super) fn probs(line: &serde_json::Value) -> Vec<f64> {
    (0..).map_while(|level| line[format!("schedule/level_{level}/prob")].as_f64()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parted_by_commas_outside_brackets() {
        assert_eq!(
            split("a=1, rows=[[1,0],[0,1]],b={x=1,y=2}"),
            ["a=1", "rows=[[1,0],[0,1]]", "b={x=1,y=2}"]
        );
        assert!(split("").is_empty());
    }

    #[test]
    fn a_spec_is_a_kind_with_settings() {
        let config = rule("gaussian:mu_exp=0.25,sigma=0.75,floor=0.05").expect("valid");
        assert_eq!((config.mu_exp, config.sigma), (Some(0.25), Some(0.75)));
        assert_eq!(config.floor, Some(0.05));
        let config = rule("sec:filter.kind=vcrl").expect("valid");
        assert!(config.filter.is_some());
        assert!(rule("gausian").is_err());
        assert!(rule("gaussian:sigmaa=1").is_err());
    }
}
