//! `e2h inspect`: the samples that a run kept, filtered and paged.
//!
//! On a terminal the pages go through `$PAGER`, or `less` where it is not set; on a pipe they are plain text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::args::InspectArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::{out, page, say};

/// Runs the command.
pub(crate) fn run(args: &InspectArgs) -> Outcome {
    let path = match args.path.is_dir() {
        true => args.path.join("samples.jsonl"),
        false => args.path.clone(),
    };
    let filter = Filter::new(args)?;
    let (samples, seen) = read(&path, &filter)?;
    let n = args.n.unwrap_or(samples.len()).min(samples.len());
    let chosen = if args.last { &samples[samples.len() - n..] } else { &samples[..n] };
    if args.json {
        for sample in chosen {
            out(&sample.to_string());
        }
        return Ok(());
    }
    say(&format!("{} of {} samples of {}", chosen.len(), seen.n, path.display()));
    if samples.is_empty() && seen.n > 0 {
        say(&seen.to_string());
    }
    let text: String = chosen.iter().map(show).collect();
    if !text.is_empty() {
        page(&text);
    }
    Ok(())
}

/// Which samples are wanted.
struct Filter {
    level: Option<u64>,
    outcome: Option<String>,
    /// First step, and the one after the last.
    steps: Option<(u64, u64)>,
    grep: Option<String>,
    ignore_case: bool,
}

impl Filter {
    fn new(args: &InspectArgs) -> Outcome<Self> {
        let steps = match &args.step {
            None => None,
            Some(text) => Some(steps(text).ok_or_else(|| {
                Failure::usage(format!("--step is `{text}`"))
                    .hint("give a step, or a range without its end: 40, 40..60, 40.., ..60")
            })?),
        };
        let grep = args.grep.clone().map(|text| match args.ignore_case {
            true => text.to_lowercase(),
            false => text,
        });
        let (level, outcome) = (args.level, args.outcome.clone());
        Ok(Self { level, outcome, steps, grep, ignore_case: args.ignore_case })
    }

    fn takes(&self, sample: &Value) -> bool {
        let step = sample["step"].as_u64().unwrap_or(0);
        self.level.is_none_or(|level| sample["level"].as_u64() == Some(level))
            && self.outcome.as_deref().is_none_or(|name| sample["outcome"].as_str() == Some(name))
            && self.steps.is_none_or(|(from, to)| (from..to).contains(&step))
            && self.grep.as_deref().is_none_or(|text| {
                ["prompt", "completion", "reason"].iter().any(|key| {
                    let field = sample[*key].as_str().unwrap_or_default();
                    match self.ignore_case {
                        true => field.to_lowercase().contains(text),
                        false => field.contains(text),
                    }
                })
            })
    }
}

/// A step, or a range of steps without its end.
fn steps(text: &str) -> Option<(u64, u64)> {
    let number = |text: &str, absent: u64| match text {
        "" => Some(absent),
        text => text.parse().ok(),
    };
    match text.split_once("..") {
        None => text.parse().ok().map(|step: u64| (step, step.saturating_add(1))),
        Some((from, to)) => Some((number(from, 0)?, number(to, u64::MAX)?)),
    }
}

/// What a file of samples holds, for a person whose filter took nothing.
#[derive(Default)]
struct Seen {
    n: usize,
    levels: BTreeSet<u64>,
    outcomes: BTreeMap<String, usize>,
    first: Option<u64>,
    last: u64,
}

impl Seen {
    fn take(&mut self, sample: &Value) {
        let step = sample["step"].as_u64().unwrap_or(0);
        self.n += 1;
        self.levels.extend(sample["level"].as_u64());
        let outcome = sample["outcome"].as_str().unwrap_or("none").to_owned();
        *self.outcomes.entry(outcome).or_default() += 1;
        self.first = Some(self.first.map_or(step, |first| first.min(step)));
        self.last = self.last.max(step);
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<String> = self.levels.iter().map(ToString::to_string).collect();
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(name, n)| format!("{n} {name}")).collect();
        let (first, last) = (self.first.unwrap_or(0), self.last);
        let (levels, outcomes) = (levels.join(", "), outcomes.join(", "));
        write!(f, "there are steps {first} to {last}, levels {levels}; {outcomes}")
    }
}

/// The wanted samples, and what there is in all. A torn last line, as a run at work leaves it, is passed over.
fn read(path: &Path, filter: &Filter) -> Outcome<(Vec<Value>, Seen)> {
    let file = std::fs::File::open(path).map_err(|error| {
        Failure::usage(format!("cannot read {}: {error}", path.display()))
            .hint("give a run folder; a run keeps samples unless run.sample_every is 0")
    })?;
    let (mut samples, mut seen) = (Vec::new(), Seen::default());
    for line in BufReader::new(file).lines() {
        let line = line.map_err(Failure::run)?;
        let Ok(sample) = serde_json::from_str::<Value>(&line) else { continue };
        seen.take(&sample);
        if filter.takes(&sample) {
            samples.push(sample);
        }
    }
    Ok((samples, seen))
}

/// One sample as a few lines.
fn show(sample: &Value) -> String {
    let text = |key: &str| sample[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| match sample[key].as_f64() {
        Some(value) => format!("{value:.3}"),
        None => "none".to_owned(),
    };
    let parts: Vec<String> = sample["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| format!("{} {}", part["name"].as_str().unwrap_or("?"), part["value"]))
        .collect();
    let prompt = match sample["prompt"].as_str() {
        Some(prompt) => prompt.to_owned(),
        None => format!("{} -> {}", sample["question"], sample["answer"]),
    };
    format!(
        "step {}  level {}  {}: {}\nreward {} ({})  advantage {}  {} tokens, {}\n  {}\n  {}\n\n",
        sample["step"],
        sample["level"],
        text("outcome"),
        text("reason"),
        number("reward"),
        parts.join(", "),
        number("advantage"),
        sample["n_tokens"],
        text("finish"),
        indent(&prompt),
        indent(&text("completion")),
    )
}

fn indent(text: &str) -> String {
    text.trim().replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_of_steps_leave_out_their_end() {
        assert_eq!(steps("40"), Some((40, 41)));
        assert_eq!(steps("40..60"), Some((40, 60)));
        assert_eq!(steps("40.."), Some((40, u64::MAX)));
        assert_eq!(steps("..60"), Some((0, 60)));
        assert_eq!(steps("x"), None);
    }

    #[test]
    fn what_a_file_holds_is_said_in_a_line() {
        let mut seen = Seen::default();
        for (step, level, outcome) in [(3, 1, "wrong"), (7, 0, "correct"), (5, 1, "wrong")] {
            seen.take(&json!({"step": step, "level": level, "outcome": outcome}));
        }
        assert_eq!(seen.to_string(), "there are steps 3 to 7, levels 0, 1; 1 correct, 2 wrong");
    }

    #[test]
    fn all_filters_must_take_a_sample() {
        let sample = json!({"step": 4, "level": 1, "outcome": "wrong", "completion": "3 + 4 = 8"});
        let filter = |level, steps, grep: &str| Filter {
            level: Some(level),
            outcome: Some("wrong".to_owned()),
            steps,
            grep: Some(grep.to_owned()),
            ignore_case: false,
        };
        assert!(filter(1, Some((4, 5)), "= 8").takes(&sample));
        assert!(!filter(0, None, "= 8").takes(&sample));
        assert!(!filter(1, Some((5, 9)), "= 8").takes(&sample));
        assert!(!filter(1, None, "= 7").takes(&sample));
    }
}
