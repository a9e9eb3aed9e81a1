//! Accuracy on held-out problems, apart from the reward.
//!
//! Greedy accuracy is the share of problems whose greedy completion is `Correct`, with a Wilson interval.
//! pass@k is the unbiased estimate `1 - C(n-c, k) / C(n, k)` over `n` samples of which `c` are correct, averaged
//! over problems.
//!
//! # Source
//! Wilson 1927; pass@k of Chen et al. 2021 (Codex), equation 1.

use std::collections::HashSet;

use e2h_core::{Level, Outcome, Policy, Problem, Rollout, RootSeed, Sampling, Split, Task};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::rollout::{Ask, roll_out};

/// How a policy is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Held-out problems a level.
    pub problems_per_level: usize,
    /// Seed of the held-out problems; they are the same for every run that names the same seed.
    pub seed: u64,
    /// Samples a problem for pass@k; 0 = greedy only.
    pub n_samples: usize,
    /// The values of k.
    pub k: Vec<usize>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { problems_per_level: 200, seed: 0, n_samples: 0, k: vec![1, 8] }
    }
}

impl EvalConfig {
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
        problems
    }
}

/// The held-out problems of every level, easiest first, none twice.
///
/// A level whose problem space is small may have fewer than were asked for.
///
/// # Errors
/// When the task cannot make enough problems.
pub fn held_out(task: &dyn Task, config: &EvalConfig) -> e2h_core::Result<Vec<Vec<Problem>>> {
    let n = config.problems_per_level;
    // Drawn with a margin, so that repeats can be dropped.
    let drawn = problems(task, Split::Test, RootSeed(config.seed), 4 * n, |_| true)?;
    drawn.into_iter().map(|rows| distinct(task, rows, n)).collect()
}

fn distinct(task: &dyn Task, rows: Vec<Problem>, n: usize) -> e2h_core::Result<Vec<Problem>> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for row in rows {
        if kept.len() < n && seen.insert(task.canonical(&row)?) {
            kept.push(row);
        }
    }
    Ok(kept)
}

/// The training problems of every level but the out-of-distribution ones, `n` a level.
///
/// # Errors
/// When the task cannot make enough problems.
pub fn training_pools(
    task: &dyn Task,
    seed: RootSeed,
    n: usize,
) -> e2h_core::Result<Vec<Vec<Problem>>> {
    let levels = task.levels();
    problems(task, Split::Train, seed, n, |level| !levels[level].ood)
}

fn problems(
    task: &dyn Task,
    split: Split,
    seed: RootSeed,
    n: usize,
    wanted: impl Fn(usize) -> bool,
) -> e2h_core::Result<Vec<Vec<Problem>>> {
    use rayon::prelude::*;
    let label = format!("problems/{}/{}", task.name(), split.name());
    (0..task.levels().len())
        .filter(|level| wanted(*level))
        .map(|level| {
            (0..n as u64)
                .into_par_iter()
                .map(|index| {
                    let mut rng = seed.stream(&label, &[level as u64, index]);
                    let mut problem = task.generate(Level::at(level), split, &mut rng)?;
                    problem.id = format!("{}/{}/{level}/{index}", task.name(), split.name());
                    Ok(problem)
                })
                .collect()
        })
        .collect()
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
    /// 95% Wilson interval of the accuracy.
    pub interval: [f64; 2],
    /// `(k, pass@k)`, for the values asked for.
    pub pass_at_k: Vec<(usize, f64)>,
}

impl EvalReport {
    /// Greedy accuracy averaged over the levels that are trained on.
    pub fn train_mean(&self) -> f64 {
        let train: Vec<f64> =
            self.levels.iter().filter(|level| !level.ood).map(|level| level.accuracy).collect();
        train.iter().sum::<f64>() / train.len().max(1) as f64
    }
}

/// Evaluates `policy` on `problems`, one list a level.
///
/// `progress` is called with the number of finished completions after each level.
///
/// # Errors
/// When a problem is not of the task's form, or the policy fails.
pub fn evaluate(
    policy: &mut dyn Policy,
    task: &dyn Task,
    problems: &[Vec<Problem>],
    sampling: &Sampling,
    config: &EvalConfig,
    mut progress: impl FnMut(usize),
) -> Result<EvalReport> {
    let specs = task.levels();
    let mut levels = Vec::with_capacity(problems.len());
    for rows in problems {
        let Some(first) = rows.first() else { continue };
        let level = first.level;
        let greedy = sample(policy, task, rows, &sampling.greedy(), config.seed, 1)?;
        progress(rows.len());
        let count = |name: &str| {
            let first = greedy.iter().filter_map(|group| group.first());
            first.filter(|rollout| rollout.score.outcome.name() == name).count()
        };
        let mut pass_at_k = Vec::new();
        if config.n_samples > 0 {
            let n = config.n_samples;
            let drawn = sample(policy, task, rows, sampling, config.seed, n)?;
            progress(rows.len() * n);
            let correct: Vec<usize> =
                drawn.iter().map(|g| g.iter().filter(|r| r.score.is_correct()).count()).collect();
            pass_at_k = config.k.iter().map(|&k| (k, mean_pass_at_k(n, &correct, k))).collect();
        }
        let (n, n_correct) = (rows.len(), count("correct"));
        levels.push(LevelReport {
            level,
            label: specs.get(level.index()).map_or_else(String::new, |spec| spec.label.clone()),
            ood: specs.get(level.index()).is_some_and(|spec| spec.ood),
            n,
            n_correct,
            n_bad_format: count("bad_format"),
            n_unverifiable: count("unverifiable"),
            accuracy: n_correct as f64 / n as f64,
            interval: wilson(n_correct, n),
            pass_at_k,
        });
    }
    Ok(EvalReport { levels })
}

fn sample(
    policy: &mut dyn Policy,
    task: &dyn Task,
    rows: &[Problem],
    sampling: &Sampling,
    seed: u64,
    n: usize,
) -> Result<Vec<Vec<Rollout>>> {
    let asks: Vec<Ask<'_>> = rows
        .iter()
        .enumerate()
        .map(|(index, problem)| Ask {
            problem,
            streams: (0..n as u64)
                .map(|s| {
                    let level = u64::from(problem.level.0);
                    RootSeed(seed).stream("eval", &[level, index as u64, s])
                })
                .collect(),
        })
        .collect();
    Ok(roll_out(policy, task, &asks, sampling)?.0)
}

/// How often `policy` solves each of `rows`: `(n_correct, n_judged)` of `n` samples each; a sample that the verifier
/// cannot decide is in neither.
///
/// The samples of a row depend on the seed and the row's place alone. `progress` is called with the number of
/// finished completions.
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
        let stream = |index: usize, sample: u64| {
            RootSeed(seed).stream("pass_counts", &[(chunk * ROWS + index) as u64, sample])
        };
        let asks: Vec<Ask<'_>> = rows
            .iter()
            .enumerate()
            .map(|(index, problem)| Ask {
                problem,
                streams: (0..n as u64).map(|sample| stream(index, sample)).collect(),
            })
            .collect();
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

/// 95% Wilson score interval of `successes` in `n` trials.
pub fn wilson(successes: usize, n: usize) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (n as f64, successes as f64 / n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)]
}

/// Unbiased estimate of the chance that at least one of `k` samples is correct, from `n` samples of which
/// `correct` are.
pub fn pass_at_k(n: usize, correct: usize, k: usize) -> f64 {
    if n - correct < k {
        return 1.0;
    }
    1.0 - (n - correct + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>()
}

fn mean_pass_at_k(n: usize, correct: &[usize], k: usize) -> f64 {
    correct.iter().map(|&c| pass_at_k(n, c, k)).sum::<f64>() / correct.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_equals_published_values() {
        // Newcombe 1998, table I: 81/263 and 0/20.
        let check = |successes, n, low: f64, high: f64| {
            let [a, b] = wilson(successes, n);
            assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
        };
        check(81, 263, 0.2553, 0.3662);
        check(0, 20, 0.0, 0.1611);
    }

    #[test]
    fn pass_at_k_equals_counting() {
        assert!((pass_at_k(4, 1, 1) - 0.25).abs() < 1e-12);
        assert!((pass_at_k(4, 1, 2) - 0.5).abs() < 1e-12);
        // 1 - C(3, 2) / C(5, 2)
        assert!((pass_at_k(5, 2, 2) - 0.7).abs() < 1e-12);
        assert_eq!(pass_at_k(5, 0, 3), 0.0);
        assert_eq!(pass_at_k(5, 3, 3), 1.0);
    }
}
