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
