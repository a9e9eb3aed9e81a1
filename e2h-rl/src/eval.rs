//! Accuracy on held-out problems, apart from the reward.
//!
//! Greedy accuracy is the share of problems whose greedy completion is `Correct`, with a 95% interval. pass@k is
//! the unbiased estimate `1 - C(n-c, k) / C(n, k)` over `n` samples of which `c` are correct, averaged over
//! problems. The majority vote takes the answer that most of the `n` samples gave; of equally frequent answers
//! the one that was given first.
//!
//! # Source
//! pass@k of Chen et al. 2021 (Codex), equation 1; majority vote of Wang et al. 2023 (self-consistency).

mod compare;
mod problems;
mod select;
mod stats;

use std::collections::HashMap;

use e2h_core::{Level, Outcome, Policy, Problem, Rollout, RootSeed, Sampling, Stream, Task};
use serde::{Deserialize, Serialize};

pub use compare::{Comparison, PairedRow, ProblemResult, compare};
pub use problems::{held_out, training_pools};
pub use select::EvalMetric;
pub use stats::{bootstrap, mcnemar, pass_at_k, wilson};

use crate::Result;
use crate::rollout::{Ask, roll_out};

/// How a policy is evaluated.
///
/// ```
/// use e2h_rl::EvalConfig;
/// let config = EvalConfig { n_samples: 4, k: vec![1, 4], ..EvalConfig::default() };
/// assert!(config.validate().is_empty());
/// // pass@8 cannot be told from four samples.
/// let config = EvalConfig { k: vec![1, 8], ..config };
/// assert_eq!(config.validate()[0].to_string(), "`k` is 8, but must be from 1 to n_samples, 4");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Held-out problems a level.
    pub problems_per_level: usize,
    /// Seed of the held-out problems; they are the same for every run that names the same seed.
    pub seed: u64,
    /// Samples a problem for pass@k and the majority vote; 0 = greedy only.
    pub n_samples: usize,
    /// The values of k.
    pub k: Vec<usize>,
    /// Whether the majority vote over the samples is reported.
    pub majority: bool,
    /// What the interval of an accuracy is; that of pass@k is always a bootstrap over problems.
    pub interval: IntervalKind,
}

/// A kind of 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntervalKind {
    /// Wilson's score interval.
    #[default]
    Wilson,
    /// Percentiles of resampled problems.
    Bootstrap,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            problems_per_level: 200,
            seed: 0,
            n_samples: 0,
            k: vec![1, 8],
            majority: false,
            interval: IntervalKind::Wilson,
        }
    }
}

impl EvalConfig {
    /// The same evaluation without samples: greedy answers alone.
    #[must_use]
    pub fn greedy(&self) -> Self {
        Self { n_samples: 0, majority: false, ..self.clone() }
    }

    /// Every setting that is out of range; empty when all is well.
    pub fn validate(&self) -> Vec<e2h_core::Error> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, name: &str, got: String, expected: String| {
            if !ok {
                problems.push(e2h_core::Error::OutOfRange { name: name.to_owned(), got, expected });
            }
        };
        let n = self.problems_per_level;
        check(n > 0, "problems_per_level", n.to_string(), "at least 1".to_owned());
        if self.n_samples > 0 {
            let bad = self.k.iter().find(|k| !(1..=self.n_samples).contains(*k));
            let got = bad.map_or(String::new(), ToString::to_string);
            let expected = format!("from 1 to n_samples, {}", self.n_samples);
            check(bad.is_none(), "k", got, expected);
        }
        let votes = !self.majority || self.n_samples > 0;
        check(votes, "majority", "true".to_owned(), "false while n_samples is 0".to_owned());
        problems
    }
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// One entry a level, easiest first.
    pub levels: Vec<LevelReport>,
}

/// What an evaluation found for one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelReport {
    /// The level.
    pub level: Level,
    /// The task's name for it.
    pub label: String,
    /// Out of the training distribution.
    pub ood: bool,
    /// Problems.
    pub n: usize,
    /// Problems whose greedy completion is correct.
    pub n_correct: usize,
    /// Problems whose greedy completion breaks the format.
    pub n_bad_format: usize,
    /// Problems that the verifier could not decide.
    pub n_unverifiable: usize,
    /// `n_correct / n`.
    pub accuracy: f64,
    /// 95% interval of the accuracy.
    pub interval: [f64; 2],
    /// Mean length of the greedy completions, in tokens.
    pub mean_tokens: f64,
    /// pass@k for the values asked for.
    pub pass_at_k: Vec<PassAtK>,
    /// Accuracy of the majority vote, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<Share>,
}

/// pass@k of one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassAtK {
    /// k.
    pub k: usize,
    /// The mean over problems.
    pub value: f64,
    /// Its 95% bootstrap interval over problems.
    pub interval: [f64; 2],
}

/// A share with its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Its interval.
    pub interval: [f64; 2],
}

impl EvalReport {
    /// Greedy accuracy averaged over the levels that are trained on; 0 when there is none.
    pub fn train_mean(&self) -> f64 {
        EvalMetric::TrainMean.of(self).unwrap_or(0.0)
    }
}

/// Evaluates `policy` on `problems`, one list a level.
///
/// `progress` is called with the number of finished completions, about every 128 of them.
///
/// ```
/// use e2h_rl::{EvalConfig, evaluate};
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/parrot.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "numbers".to_owned(), ood: false }]);
/// # let row = |question: u32, answer: u32| -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": question, "answer": answer});
/// #     serde_json::from_value(row).expect("a row")
/// # };
///
/// // A policy that repeats its prompt, on problems of which half ask for that.
/// let problems = [vec![row(7, 7), row(7, 8), row(6, 6), row(6, 9)]];
/// let config = EvalConfig { n_samples: 2, k: vec![1], ..EvalConfig::default() };
/// let report = evaluate(&mut Parrot, &task, &problems, &Sampling::default(), &config, |_| ())?;
/// let level = &report.levels[0];
/// assert_eq!((level.n, level.n_correct, level.accuracy), (4, 2, 0.5));
/// assert_eq!(level.pass_at_k[0].value, 0.5);
/// # Ok::<(), e2h_rl::Error>(())
/// ```
///
/// # Errors
/// When a problem is not of the task's form, or the policy fails.
pub fn evaluate(
    policy: &mut dyn Policy,
    task: &dyn Task,
    problems: &[Vec<Problem>],
    sampling: &Sampling,
    config: &EvalConfig,
    progress: impl FnMut(usize),
) -> Result<EvalReport> {
    Ok(evaluate_rows(policy, task, problems, sampling, config, progress)?.0)
}

/// Evaluates `policy` as [`evaluate`] does, and returns what became of each problem too.
///
/// ```
/// use e2h_rl::{EvalConfig, evaluate_rows};
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/parrot.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "numbers".to_owned(), ood: false }]);
/// # let row = |question: u32, answer: u32| -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": question, "answer": answer});
/// #     serde_json::from_value(row).expect("a row")
/// # };
///
/// let (problems, config) = ([vec![row(7, 7), row(7, 8)]], EvalConfig::default());
/// let mut n_done = 0;
/// let sampling = Sampling::default();
/// let (_, rows) = evaluate_rows(&mut Parrot, &task, &problems, &sampling, &config, |n| n_done += n)?;
/// assert_eq!((rows[0].completion.as_str(), rows[0].outcome.as_str()), ("7", "correct"));
/// assert_eq!((rows[1].completion.as_str(), rows[1].outcome.as_str()), ("7", "wrong"));
/// assert_eq!(n_done, 2);
/// # Ok::<(), e2h_rl::Error>(())
/// ```
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_rows(
    policy: &mut dyn Policy,
    task: &dyn Task,
    problems: &[Vec<Problem>],
    sampling: &Sampling,
    config: &EvalConfig,
    mut progress: impl FnMut(usize),
) -> Result<(EvalReport, Vec<ProblemResult>)> {
    let (mut levels, mut results) = (Vec::with_capacity(problems.len()), Vec::new());
    for rows in problems {
        let Some(first) = rows.first() else { continue };
        let seed = config.seed;
        let greedy = sample(policy, task, rows, &sampling.greedy(), seed, 1, &mut progress)?;
        let drawn = match config.n_samples {
            0 => vec![Vec::new(); rows.len()],
            n => sample(policy, task, rows, sampling, seed, n, &mut progress)?,
        };
        let parts = rows.iter().zip(&greedy).zip(&drawn);
        let found = parts
            .filter_map(|((row, greedy), drawn)| Some((row, greedy.first()?, drawn)))
            .map(|(row, greedy, drawn)| result(task, row, greedy, drawn))
            .collect::<Result<Vec<_>>>()?;
        levels.push(level_report(task, first.level, &found, config));
        results.extend(found);
    }
    Ok((EvalReport { levels }, results))
}

fn result(
    task: &dyn Task,
    row: &Problem,
    greedy: &Rollout,
    drawn: &[Rollout],
) -> Result<ProblemResult> {
    Ok(ProblemResult {
        task: task.name().to_owned(),
        level: row.level.0,
        key: task.canonical(row)?,
        question: row.question.clone(),
        answer: row.answer.clone(),
        completion: greedy.text.clone(),
        outcome: greedy.score.outcome.name().to_owned(),
        n_tokens: greedy.generation.tokens.len(),
        n_samples: drawn.len(),
        n_correct: drawn.iter().filter(|rollout| rollout.score.is_correct()).count(),
        majority_correct: (!drawn.is_empty()).then(|| {
            let votes = drawn.iter().map(|r| (task.answer_key(&r.text), r.score.is_correct()));
            majority(votes)
        }),
    })
}

/// Whether the most frequent answer is correct. Completions without an answer have no vote.
fn majority(votes: impl Iterator<Item = (Option<String>, bool)>) -> bool {
    let mut counts: HashMap<String, (usize, usize, bool)> = HashMap::new();
    for (place, (answer, correct)) in votes.enumerate() {
        let Some(answer) = answer else { continue };
        counts.entry(answer).or_insert((0, place, correct)).0 += 1;
    }
    let winner = counts.into_values().max_by_key(|(n, place, _)| (*n, std::cmp::Reverse(*place)));
    winner.is_some_and(|(_, _, correct)| correct)
}

fn level_report(
    task: &dyn Task,
    level: Level,
    results: &[ProblemResult],
    config: &EvalConfig,
) -> LevelReport {
    let seed = RootSeed(config.seed);
    let share = |right: &dyn Fn(&ProblemResult) -> bool| {
        let values: Vec<f64> = results.iter().map(|r| f64::from(u8::from(right(r)))).collect();
        let n_right = values.iter().filter(|value| **value == 1.0).count();
        let interval = match config.interval {
            IntervalKind::Wilson => wilson(n_right, results.len()),
            IntervalKind::Bootstrap => bootstrap(&values, seed),
        };
        Share { value: n_right as f64 / results.len() as f64, interval }
    };
    let count = |name: &str| results.iter().filter(|result| result.outcome == name).count();
    let pass = |k: usize| {
        let values: Vec<f64> =
            results.iter().map(|r| pass_at_k(r.n_samples, r.n_correct, k)).collect();
        let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
        PassAtK { k, value, interval: bootstrap(&values, seed) }
    };
    let spec = task.levels().get(level.index());
    let accuracy = share(&ProblemResult::is_correct);
    let n_tokens: usize = results.iter().map(|result| result.n_tokens).sum();
    LevelReport {
        level,
        label: spec.map_or_else(String::new, |spec| spec.label.clone()),
        ood: spec.is_some_and(|spec| spec.ood),
        n: results.len(),
        n_correct: count("correct"),
        n_bad_format: count("bad_format"),
        n_unverifiable: count("unverifiable"),
        accuracy: accuracy.value,
        interval: accuracy.interval,
        mean_tokens: n_tokens as f64 / results.len() as f64,
        pass_at_k: match config.n_samples {
            0 => Vec::new(),
            _ => config.k.iter().map(|&k| pass(k)).collect(),
        },
        majority: config.majority.then(|| share(&|r| r.majority_correct == Some(true))),
    }
}

/// `n` completions of each row. They are drawn so many at a time that every core is busy and the progress is seen.
fn sample(
    policy: &mut dyn Policy,
    task: &dyn Task,
    rows: &[Problem],
    sampling: &Sampling,
    seed: u64,
    n: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Rollout>>> {
    /// Completions at a time.
    const TOGETHER: usize = 128;
    let at_a_time = TOGETHER.div_ceil(n.max(1));
    let mut groups = Vec::with_capacity(rows.len());
    for (chunk, rows) in rows.chunks(at_a_time).enumerate() {
        let asks = asks(rows, n, |index, sample| {
            let (level, index) = (u64::from(rows[index].level.0), chunk * at_a_time + index);
            RootSeed(seed).stream("eval", &[level, index as u64, sample])
        });
        groups.extend(roll_out(policy, task, &asks, sampling)?.0);
        progress(rows.len() * n);
    }
    Ok(groups)
}

/// `n` samples of each row; `stream` gets the row's place and the sample's number.
fn asks(rows: &[Problem], n: usize, stream: impl Fn(usize, u64) -> Stream) -> Vec<Ask<'_>> {
    let streams = |index| (0..n as u64).map(|sample| stream(index, sample)).collect();
    let rows = rows.iter().enumerate();
    rows.map(|(index, problem)| Ask { problem, streams: streams(index) }).collect()
}

/// How often `policy` solves each of `rows`: `(n_correct, n_judged)` of `n` samples each; a sample that the verifier
/// cannot decide is in neither.
///
/// The samples of a row depend on the seed and the row's place alone. `progress` is called with the number of
/// finished completions.
///
/// ```
/// use e2h_rl::pass_counts;
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/parrot.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "numbers".to_owned(), ood: false }]);
/// # let row = |question: u32, answer: u32| -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": question, "answer": answer});
/// #     serde_json::from_value(row).expect("a row")
/// # };
///
/// let rows = [row(7, 7), row(7, 8)];
/// let counts = pass_counts(&mut Parrot, &task, &rows, &Sampling::default(), 0, 20, |_| ())?;
/// assert_eq!(counts, [(20, 20), (0, 20)]);
/// # Ok::<(), e2h_rl::Error>(())
/// ```
///
/// # Errors
/// When a problem is not of the task's form, or the policy fails.
pub fn pass_counts(
    policy: &mut dyn Policy,
    task: &dyn Task,
    rows: &[Problem],
    sampling: &Sampling,
    seed: u64,
    n: usize,
    mut progress: impl FnMut(usize),
) -> Result<Vec<(u32, u32)>> {
    /// Rows that are rolled out together.
    const ROWS: usize = 32;
    let mut counts = Vec::with_capacity(rows.len());
    for (chunk, rows) in rows.chunks(ROWS).enumerate() {
        let asks = asks(rows, n, |index, sample| {
            RootSeed(seed).stream("pass_counts", &[(chunk * ROWS + index) as u64, sample])
        });
        for group in roll_out(policy, task, &asks, sampling)?.0 {
            let count = |of: fn(&Rollout) -> bool| group.iter().filter(|r| of(r)).count() as u32;
            let n_correct = count(|rollout| rollout.score.is_correct());
            let undecided = |r: &Rollout| matches!(r.score.outcome, Outcome::Unverifiable { .. });
            counts.push((n_correct, group.len() as u32 - count(undecided)));
        }
        progress(rows.len() * n);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_answer_wins_and_the_first_of_equals() {
        let vote = |answers: &[(&str, bool)]| {
            majority(answers.iter().map(|(answer, correct)| {
                ((!answer.is_empty()).then(|| (*answer).to_owned()), *correct)
            }))
        };
        assert!(vote(&[("7", false), ("8", true), ("8", true)]));
        assert!(!vote(&[("7", false), ("8", true)]));
        assert!(vote(&[("8", true), ("7", false)]));
        assert!(vote(&[("", false), ("", false), ("8", true)]));
        assert!(!vote(&[("", false)]));
    }

    #[test]
    fn a_vote_needs_samples() {
        let config = EvalConfig { majority: true, ..EvalConfig::default() };
        assert_eq!(
            config.validate()[0].to_string(),
            "`majority` is true, but must be false while n_samples is 0"
        );
    }
}
