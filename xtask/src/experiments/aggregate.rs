//! From the summaries of the cells to means over seeds and differences between schedules.
//!
//! All numbers of every view come from [`Results`], which is `results.json`.
//!
//! # Invariants
//! - A paired difference uses only the seeds that both schedules have.
//! - The hard level is the last level that is trained on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::budget::Ratios;
use super::plan::Experiment;
use super::summary::{Level, Summary};
use crate::stats::Interval;

/// `results.json`.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// The experiment's heading.
    pub(super) title: String,
    /// The schedule that the others are compared with.
    pub(super) baseline: String,
    /// Cells of the grid.
    pub(super) n_cells: usize,
    /// Cells that are done.
    pub(super) n_done: usize,
    /// One block a task, in the experiment's order; tasks without a finished cell are left out.
    pub(super) tasks: Vec<TaskResults>,
    /// What the baseline pays for the same ability, where the experiment asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) budget: Vec<Ratios>,
}

/// The results on one task.
#[derive(Debug, Serialize)]
pub(super) struct TaskResults {
    /// The task.
    pub(super) task: String,
    /// Its levels, easiest first.
    pub(super) levels: Vec<LevelHead>,
    /// The base policy before training, over seeds.
    pub(super) base: Vec<Measures>,
    /// The schedules, in the experiment's order.
    pub(super) schedules: Vec<ScheduleResults>,
    /// The number of the hard level.
    pub(super) hard_level: u16,
    /// Greedy accuracy on the hard level, each schedule minus the baseline.
    pub(super) paired: Vec<Paired>,
}

/// A level, as tables head it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct LevelHead {
    /// Its number.
    pub(super) level: u16,
    /// What sets it apart.
    pub(super) label: String,
    /// True outside the training distribution.
    pub(super) ood: bool,
    /// Number of test problems.
    pub(super) n: u64,
}

/// One schedule on one task.
#[derive(Debug, Serialize)]
pub(super) struct ScheduleResults {
    /// Its name.
    pub(super) schedule: String,
    /// The seeds that are done.
    pub(super) seeds: Vec<u64>,
    /// Training steps of a run: the most that one made.
    pub(super) steps: u64,
    /// Time of a run, in seconds.
    pub(super) wall_s: Option<Interval>,
    /// One entry a level.
    pub(super) levels: Vec<Measures>,
}

/// What is measured on one level.
#[derive(Debug, Serialize)]
pub(super) struct Measures {
    /// The level.
    pub(super) level: u16,
    /// Greedy accuracy, between 0 and 1.
    pub(super) accuracy: Option<Measure>,
    /// Pass@k, between 0 and 1.
    pub(super) pass_at_k: Option<Measure>,
}

/// A quantity by seed, and its mean.
#[derive(Debug, Serialize)]
pub(super) struct Measure {
    /// The value of each seed.
    pub(super) by_seed: BTreeMap<u64, f64>,
    /// The mean over seeds with its 95% interval.
    pub(super) interval: Interval,
}

/// A schedule against the baseline.
#[derive(Debug, Serialize)]
pub(super) struct Paired {
    /// The schedule.
    pub(super) schedule: String,
    /// The difference of each seed that both have.
    pub(super) by_seed: BTreeMap<u64, f64>,
    /// The mean difference with its 95% interval.
    pub(super) interval: Interval,
    /// The two-sided p-value of no difference, not adjusted for the number of comparisons.
    pub(super) p_value: Option<f64>,
}

impl Measure {
    fn of(by_seed: BTreeMap<u64, f64>) -> Option<Self> {
        let values: Vec<f64> = by_seed.values().copied().collect();
        let interval = Interval::of(&values)?;
        Some(Self { by_seed, interval })
    }
}

/// Puts the finished `runs` together.
pub(super) fn results(experiment: &Experiment, n_cells: usize, runs: &[Summary]) -> Results {
    let tasks = experiment.tasks.iter().filter_map(|task| {
        let runs: Vec<&Summary> = runs.iter().filter(|run| run.task == *task).collect();
        task_results(experiment, task, &runs)
    });
    Results {
        title: experiment.title.clone(),
        baseline: experiment.baseline.clone(),
        n_cells,
        n_done: runs.len(),
        tasks: tasks.collect(),
        budget: Vec::new(),
    }
}

fn task_results(experiment: &Experiment, task: &str, runs: &[&Summary]) -> Option<TaskResults> {
    let levels: Vec<LevelHead> = runs.first()?.levels.iter().map(head).collect();
    let of = |name: &str| -> Vec<&Summary> {
        let mine = runs.iter().filter(|run| run.schedule == name);
        mine.copied().collect()
    };
    let schedules: Vec<ScheduleResults> = experiment
        .schedules
        .iter()
        .map(|schedule| schedule_results(&schedule.name, &levels, &of(&schedule.name)))
        .filter(|results| !results.seeds.is_empty())
        .collect();
    let hard_level = hard_level(&runs.first()?.levels)?;
    let hard = |name: &str| by_seed(&of(name), hard_level, |level| Some(level.accuracy));
    let baseline = hard(&experiment.baseline);
    let paired = schedules
        .iter()
        .filter(|results| results.schedule != experiment.baseline)
        .filter_map(|results| paired(&results.schedule, &hard(&results.schedule), &baseline))
        .collect();
    let base = levels.iter().map(|head| Measures {
        level: head.level,
        accuracy: Measure::of(by_seed(runs, head.level, |level| level.base_accuracy)),
        pass_at_k: Measure::of(by_seed(runs, head.level, |level| level.base_pass_at_k)),
    });
    Some(TaskResults {
        task: task.to_owned(),
        base: base.collect(),
        levels: levels.clone(),
        schedules,
        hard_level,
        paired,
    })
}

/// The number of the last level that is trained on; without one, of the last level.
pub(super) fn hard_level(levels: &[Level]) -> Option<u16> {
    let mut trained = levels.iter().filter(|level| !level.ood);
    Some(trained.next_back().or(levels.last())?.level)
}

fn head(level: &Level) -> LevelHead {
    LevelHead { level: level.level, label: level.label.clone(), ood: level.ood, n: level.n }
}

fn schedule_results(name: &str, levels: &[LevelHead], runs: &[&Summary]) -> ScheduleResults {
    let wall_s: Vec<f64> = runs.iter().map(|run| run.wall_s).collect();
    let levels = levels.iter().map(|head| Measures {
        level: head.level,
        accuracy: Measure::of(by_seed(runs, head.level, |level| Some(level.accuracy))),
        pass_at_k: Measure::of(by_seed(runs, head.level, |level| level.pass_at_k)),
    });
    ScheduleResults {
        schedule: name.to_owned(),
        seeds: runs.iter().map(|run| run.seed).collect(),
        steps: runs.iter().map(|run| run.steps).max().unwrap_or(0),
        wall_s: Interval::of(&wall_s),
        levels: levels.collect(),
    }
}

/// A quantity of one level by seed; where several runs have a seed, their mean.
fn by_seed(
    runs: &[&Summary],
    level: u16,
    quantity: impl Fn(&Level) -> Option<f64>,
) -> BTreeMap<u64, f64> {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in runs {
        let found = run.levels.iter().find(|found| found.level == level);
        if let Some(value) = found.and_then(&quantity) {
            values.entry(run.seed).or_default().push(value);
        }
    }
    values
        .into_iter()
        .map(|(seed, values)| (seed, values.iter().sum::<f64>() / values.len() as f64))
        .collect()
}

/// `own - baseline` on the seeds of both; none when they share no seed.
fn paired(
    schedule: &str,
    own: &BTreeMap<u64, f64>,
    baseline: &BTreeMap<u64, f64>,
) -> Option<Paired> {
    let by_seed: BTreeMap<u64, f64> =
        own.iter().filter_map(|(seed, value)| Some((*seed, value - baseline.get(seed)?))).collect();
    let differences: Vec<f64> = by_seed.values().copied().collect();
    let interval = Interval::of(&differences)?;
    Some(Paired { schedule: schedule.to_owned(), by_seed, interval, p_value: interval.p_of_zero() })
}
