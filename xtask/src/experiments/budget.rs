//! How many times the rollouts of a curriculum the baseline needs to become as able on the hard level.
//!
//! For each seed, `a` is the curriculum's accuracy on the hard level at the end of its budget of `T` steps. The baseline
//! runs longer and is evaluated on the way; it reaches `a` at the first evaluated step `t` with an accuracy of at least
//! `a`, and the ratio is `t / T`. A baseline that never gets there has a ratio of at least its own length over `T`; such a
//! seed is counted as censored and enters the mean with that least value, so the mean is then a lower bound.
//!
//! # Source
//! Ours: what a user pays for training without a curriculum.
//!
//! # Invariants
//! - Both runs of a ratio have the same seed, and so the same starting policy.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::aggregate::hard_level;
use super::keep;
use super::plan::{Budget, Cell};
use super::summary::Summary;
use crate::stats::Interval;

/// The ratios of one curriculum on one task.
#[derive(Debug, Serialize)]
pub(super) struct Ratios {
    /// The task.
    pub(super) task: String,
    /// The curriculum.
    pub(super) schedule: String,
    /// The baseline that runs longer.
    pub(super) against: String,
    /// Rollouts of the baseline over those of the curriculum, by seed.
    pub(super) by_seed: BTreeMap<u64, f64>,
    /// Seeds on which the baseline never became as able: their ratio is a lower bound.
    pub(super) censored: Vec<u64>,
    /// The mean ratio with its 95% interval.
    pub(super) interval: Interval,
}

/// The ratios that `budget` asks for, over the finished runs.
///
/// # Errors
/// When the evaluations of a finished run cannot be read.
pub(super) fn ratios(budget: &Budget, runs: &[(&Cell, Summary)]) -> Result<Vec<Ratios>> {
    let mut all = Vec::new();
    let mut tasks: Vec<&str> = runs.iter().map(|(cell, _)| cell.task.as_str()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    for task in tasks {
        for schedule in &budget.of {
            let mut by_seed = BTreeMap::new();
            let mut censored = Vec::new();
            let of = |name: &str| {
                let name = name.to_owned();
                runs.iter().filter(move |(cell, _)| cell.task == task && cell.schedule == name)
            };
            for (cell, own) in of(schedule) {
                let Some((longer, summary)) =
                    of(&budget.against).find(|run| run.0.seed == cell.seed)
                else {
                    continue;
                };
                let Some(hard) = hard_level(&own.levels) else { continue };
                let goal = own.levels.iter().find(|level| level.level == hard);
                let goal = goal.map_or(0.0, |level| level.accuracy);
                let evaluations = keep::evaluations(&longer.kept)?;
                let (steps, reached) = reach(&evaluations, hard, goal, summary.steps);
                by_seed.insert(cell.seed, steps as f64 / own.steps.max(1) as f64);
                if !reached {
                    censored.push(cell.seed);
                }
            }
            let values: Vec<f64> = by_seed.values().copied().collect();
            if let Some(interval) = Interval::of(&values) {
                let (task, schedule) = (task.to_owned(), schedule.clone());
                let against = budget.against.clone();
                all.push(Ratios { task, schedule, against, by_seed, censored, interval });
            }
        }
    }
    Ok(all)
}

/// The first evaluated step after the start with an accuracy of at least `goal`, or all steps and `false`.
fn reach(
    evaluations: &[(u64, BTreeMap<u16, f64>)],
    level: u16,
    goal: f64,
    steps: u64,
) -> (u64, bool) {
    let able = |levels: &BTreeMap<u16, f64>| levels.get(&level).is_some_and(|&a| a >= goal);
    match evaluations.iter().find(|(step, levels)| *step > 0 && able(levels)) {
        Some((step, _)) => (*step, true),
        None => (steps, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_at_the_first_evaluation_that_is_as_good_or_never() {
        let at = |step, accuracy| (step, BTreeMap::from([(3, accuracy)]));
        let evaluations = [at(0, 0.9), at(100, 0.1), at(200, 0.3), at(300, 0.2)];
        assert_eq!(reach(&evaluations, 3, 0.3, 400), (200, true));
        assert_eq!(reach(&evaluations, 3, 0.1, 400), (100, true));
        assert_eq!(reach(&evaluations, 3, 0.5, 400), (400, false));
        assert_eq!(reach(&evaluations, 2, 0.0, 400), (400, false));
    }
}
