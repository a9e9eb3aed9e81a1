//! The problems of a run: pools to train on, and held-out ones to evaluate on.
//!
//! # Invariants
//! - A problem's split is a hash of its content, so no held-out problem is ever in a pool.
//! - Problem `index` of a level depends on (seed, task, split, level, index) only.

use std::collections::HashSet;

use e2h_core::{Level, Problem, RootSeed, Split, Task};

use super::EvalConfig;

/// The held-out problems of every level, easiest first, none twice.
///
/// A level whose problem space is small may have fewer than were asked for.
///
/// ```
/// use e2h_rl::{EvalConfig, held_out, training_pools};
/// # use e2h_core::*;
/// # struct Say([LevelSpec; 1]);
/// # impl Task for Say {
/// #     fn name(&self) -> &str { "say" }
/// #     fn levels(&self) -> &[LevelSpec] { &self.0 }
/// #     fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
/// #         loop {
/// #             let n = rand::Rng::next_u32(rng) % 100;
/// #             let row = serde_json::json!({"task": "say", "level": level, "question": n, "answer": n});
/// #             let problem: Problem = serde_json::from_value(row).expect("a row");
/// #             if Split::of(&self.canonical(&problem)?) == split { return Ok(problem); }
/// #         }
/// #     }
/// #     fn canonical(&self, problem: &Problem) -> Result<String> { Ok(problem.question.to_string()) }
/// #     fn prompt(&self, problem: &Problem) -> Result<Prompt> {
/// #         Ok(Prompt { system: None, user: problem.question.to_string(), assistant_prefix: String::new() })
/// #     }
/// #     fn score(&self, problem: &Problem, said: &str) -> Score { self.score_answer(problem, said) }
/// #     fn score_answer(&self, problem: &Problem, said: &str) -> Score {
/// #         let right = problem.answer.to_string() == said;
/// #         let outcome = if right { Outcome::Correct } else { Outcome::Wrong };
/// #         Score::new(vec![RewardPart::new("correct", f64::from(u8::from(right)), 1.0)], outcome, "")
/// #     }
/// # }
/// # let task = Say([LevelSpec { label: "numbers".to_owned(), ood: false }]);
///
/// let config = EvalConfig { problems_per_level: 5, ..EvalConfig::default() };
/// let test = held_out(&task, &config)?;
/// let train = training_pools(&task, RootSeed(1), 50)?;
/// assert_eq!((test[0].len(), train[0].len()), (5, 50));
/// // What is held out never comes up in training.
/// let trained = |row: &Problem| train[0].iter().any(|other| other.question == row.question);
/// assert!(!test[0].iter().any(trained));
/// # Ok::<(), e2h_core::Error>(())
/// ```
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
