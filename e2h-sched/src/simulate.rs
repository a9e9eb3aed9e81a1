//! Rules tried on synthetic learners, thousands of runs a second: a check before compute is spent, not a result.
//!
//! Every rule gets the same budget of rollouts: B groups of G a step. A group that the rule drops teaches nothing, and
//! its slot of the next step is first offered to the rule's [`refill`](Curriculum::refill).
//!
//! # Source
//! Ours; see [`Learner`] for the model.
//!
//! # Deviations
//! None.
//!
//! # Invariants
//! - A run is a function of (rule, learner, budget, seed); the number of threads changes nothing.

mod learner;
mod stats;

pub use learner::{Learner, LearnerConfig};
pub use stats::Interval;

use std::sync::atomic::{AtomicUsize, Ordering};

use e2h_core::{Curriculum, Error, GroupOutcome, Pick, ProblemSampler, Result, RootSeed};

use crate::checks::Checks;
use crate::config::ScheduleConfig;
use crate::sampler::{LevelSampler, Picking};

/// The budget of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps, T.
    pub steps: u64,
    /// Prompts a step, B.
    pub prompts: usize,
    /// Rollouts a prompt, G.
    pub group_size: u32,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The learner's expected pass rate at each level after the last step.
    pub pass_rates: Vec<f64>,
    /// Share of all groups whose rollouts agreed.
    pub zero_variance_frac: f64,
}

impl Budget {
    /// Every problem of this budget; empty for one that can be run.
    pub fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.at_least_one("steps", self.steps);
        checks.at_least_one("prompts", self.prompts as u64);
        checks.require(self.group_size >= 2, "group_size", self.group_size, "at least 2");
        checks.into_problems()
    }
}

/// One rule on one kind of learner, over seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The runs, in the order of the seeds.
    pub runs: Vec<Run>,
    /// Final pass rate at the hardest level.
    pub hard: Interval,
    /// Final pass rate averaged over the levels.
    pub average: Interval,
    /// Share of groups without variance.
    pub zero_variance: Interval,
}

impl Run {
    /// The final pass rate at the hardest level.
    pub fn hard(&self) -> f64 {
        self.pass_rates.last().copied().unwrap_or(0.0)
    }

    /// The final pass rate averaged over the levels.
    pub fn average(&self) -> f64 {
        self.pass_rates.iter().sum::<f64>() / self.pass_rates.len().max(1) as f64
    }
}

/// Trains one synthetic learner under `rule`.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_sched::simulate::{Budget, LearnerConfig, run};
/// use e2h_sched::{Fixed, Shape};
///
/// let mut rule = Fixed::new(Shape::Balanced, 2, 20)?;
/// let budget = Budget { steps: 20, prompts: 8, group_size: 8 };
/// // Without spread among problems a learner of skill 0 solves a level of difficulty d with 1 / (1 + exp(d)).
/// let learner = LearnerConfig { difficulties: vec![0.0, 2.0], item_spread: 0.0, ..LearnerConfig::default() };
/// let done = run(&mut rule, &learner, budget, RootSeed(0))?;
/// assert!(done.pass_rates[0] > 0.5 && done.hard() > 1.0 / (1.0 + 2f64.exp()));
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`LevelSampler::draw`].
pub fn run(
    rule: &mut dyn Curriculum,
    learner: &LearnerConfig,
    budget: Budget,
    seed: RootSeed,
) -> Result<Run> {
    watched(rule, learner, budget, seed, &mut |_, _| {})
}

/// The probabilities that `rule` gives at each step while a synthetic learner trains under it.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_sched::simulate::{Budget, LearnerConfig, trace};
/// use e2h_sched::{Kind, ScheduleConfig};
///
/// // Problems that are far too easy: after 4 steps of 8 groups the window of 32 is full, and the level is raised.
/// let learner = LearnerConfig { difficulties: vec![-20.0; 2], ..LearnerConfig::default() };
/// let budget = Budget { steps: 6, prompts: 8, group_size: 8 };
/// let mut rule = ScheduleConfig::of(Kind::Threshold).build(2, budget.steps)?;
/// let table = trace(rule.as_mut(), &learner, budget, RootSeed(0))?;
/// assert_eq!(table[..4], [[1.0, 0.0]; 4]);
/// assert_eq!(table[4..], [[0.0, 1.0]; 2]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`LevelSampler::draw`].
pub fn trace(
    rule: &mut dyn Curriculum,
    learner: &LearnerConfig,
    budget: Budget,
    seed: RootSeed,
) -> Result<Vec<Vec<f64>>> {
    let mut probabilities = Vec::new();
    watched(rule, learner, budget, seed, &mut |probs, _| probabilities.push(probs))?;
    Ok(probabilities)
}

/// What the groups of [`trace_pass_rates`] are sorted into, by the share x of their rollouts that is right.
pub const PASS_RATE_BANDS: [&str; 6] =
    ["all wrong", "x <= 1/4", "1/4 < x <= 3/4", "x > 3/4", "all right", "dropped"];

/// The share of each step's groups in each of [`PASS_RATE_BANDS`], over a synthetic learner for each of the seeds
/// `0..n_seeds`: what the updates see. A group that the rule does not keep counts as dropped.
///
/// ```
/// use e2h_sched::simulate::{Budget, LearnerConfig, PASS_RATE_BANDS, trace_pass_rates};
/// use e2h_sched::{Kind, ScheduleConfig};
///
/// let budget = Budget { steps: 10, prompts: 8, group_size: 8 };
/// let rule = ScheduleConfig::of(Kind::Balanced);
/// let shares = trace_pass_rates(&rule, &LearnerConfig::default(), budget, 2)?;
/// assert_eq!((shares.len(), shares[0].len()), (10, PASS_RATE_BANDS.len()));
/// // Every group is in one band, and a rule without a filter drops none.
/// assert!(shares.iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row[5] == 0.0));
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`ScheduleConfig::build`] and [`LevelSampler::draw`].
pub fn trace_pass_rates(
    rule: &ScheduleConfig,
    learner: &LearnerConfig,
    budget: Budget,
    n_seeds: u64,
) -> Result<Vec<Vec<f64>>> {
    let mut shares = vec![vec![0.0; PASS_RATE_BANDS.len()]; budget.steps as usize];
    let part = 1.0 / (budget.prompts as f64 * n_seeds as f64);
    for seed in 0..n_seeds {
        let mut built = rule.build(learner.difficulties.len(), budget.steps)?;
        let mut rows = shares.iter_mut();
        watched(built.as_mut(), learner, budget, RootSeed(seed), &mut |_, kept| {
            let Some(row) = rows.next() else { return };
            kept.iter().for_each(|group| row[band(group.pass_rate())] += part);
            row[PASS_RATE_BANDS.len() - 1] += part * (budget.prompts - kept.len()) as f64;
        })?;
    }
    Ok(shares)
}

/// The index of a pass rate among [`PASS_RATE_BANDS`].
fn band(pass_rate: f64) -> usize {
    match pass_rate {
        0.0 => 0,
        1.0 => 4,
        x if x <= 0.25 => 1,
        x if x <= 0.75 => 2,
        _ => 3,
    }
}

/// [`run`], with the probabilities and the kept groups of each step given to `watch`.
fn watched(
    rule: &mut dyn Curriculum,
    learner: &LearnerConfig,
    budget: Budget,
    seed: RootSeed,
    watch: &mut dyn FnMut(Vec<f64>, &[&GroupOutcome]),
) -> Result<Run> {
    let mut learner = Learner::new(learner, seed);
    let sizes = vec![learner.items_per_level(); rule.n_levels()];
    let mut sampler = LevelSampler::new(seed, &sizes, Picking::Independent)?;
    let mut rng = seed.stream("simulate/rollouts", &[]);
    let (mut dropped, mut flat, mut total) = (0usize, 0u64, 0u64);
    for step in 0..budget.steps {
        let probs = rule.probs(step);
        let mut picks: Vec<Pick> = Vec::with_capacity(budget.prompts);
        while picks.len() < dropped.min(budget.prompts) {
            match rule.refill(step) {
                Some((level, item)) => picks.push(Pick { level, item }),
                None => break,
            }
        }
        picks.extend(sampler.draw(rule, step, budget.prompts - picks.len())?);
        let groups: Vec<GroupOutcome> = picks
            .into_iter()
            .map(|pick| learner.attempt(pick, budget.group_size, &mut rng))
            .collect();
        let agree = |group: &&GroupOutcome| matches!(group.pass_rate(), 0.0 | 1.0);
        flat += groups.iter().filter(agree).count() as u64;
        total += groups.len() as u64;
        let kept: Vec<&GroupOutcome> = groups.iter().filter(|g| rule.keeps(step, g)).collect();
        watch(probs, &kept);
        dropped = groups.len() - kept.len();
        learner.learn(&kept, budget.prompts);
        rule.observe(step, &groups);
    }
    Ok(Run {
        pass_rates: learner.pass_rates(),
        zero_variance_frac: flat as f64 / total.max(1) as f64,
    })
}

/// Trains a learner under each rule with seeds `0..n_seeds`, on all cores. Every rule meets the same learners.
///
/// ```
/// use e2h_sched::simulate::{Budget, LearnerConfig, compare};
/// use e2h_sched::{Kind, ScheduleConfig};
///
/// let rules = [ScheduleConfig::of(Kind::Balanced), ScheduleConfig::of(Kind::Gaussian)];
/// let budget = Budget { steps: 40, prompts: 8, group_size: 8 };
/// let found = compare(&rules, &LearnerConfig::default(), budget, 2)?;
/// assert_eq!((found.len(), found[0].runs.len()), (2, 2));
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`ScheduleConfig::build`] and [`run`].
pub fn compare(
    rules: &[ScheduleConfig],
    learner: &LearnerConfig,
    budget: Budget,
    n_seeds: u64,
) -> Result<Vec<Outcome>> {
    let one = |rule: &ScheduleConfig, seed: u64| -> Result<Run> {
        let mut built = rule.build(learner.difficulties.len(), budget.steps)?;
        run(built.as_mut(), learner, budget, RootSeed(seed))
    };
    let jobs: Vec<(usize, u64)> =
        (0..rules.len()).flat_map(|rule| (0..n_seeds).map(move |seed| (rule, seed))).collect();
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = in_parallel(n_threads, &jobs, |&(rule, seed)| one(&rules[rule], seed));
    let runs: Vec<Run> = runs.into_iter().collect::<Result<_>>()?;
    Ok(runs.chunks(n_seeds.max(1) as usize).map(summary).collect())
}

fn summary(runs: &[Run]) -> Outcome {
    let of = |value: &dyn Fn(&Run) -> f64| {
        let values: Vec<f64> = runs.iter().map(value).collect();
        Interval::of(&values)
    };
    Outcome {
        runs: runs.to_vec(),
        hard: of(&Run::hard),
        average: of(&Run::average),
        zero_variance: of(&|run| run.zero_variance_frac),
    }
}

/// `work` of each job on `n_threads` threads, in the order of the jobs.
fn in_parallel<J: Sync, R: Send>(
    n_threads: usize,
    jobs: &[J],
    work: impl Fn(&J) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((index, job)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            done.push((index, work(job)));
        }
        done
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    all.sort_by_key(|&(index, _)| index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FilterConfig, FilterKind, Kind};

    const BUDGET: Budget = Budget { steps: 120, prompts: 8, group_size: 8 };

    fn outcomes(rules: &[ScheduleConfig], n_seeds: u64) -> Vec<Outcome> {
        compare(rules, &LearnerConfig::default(), BUDGET, n_seeds).expect("valid rules")
    }

    #[test]
    fn a_run_is_a_function_of_its_seed() {
        let rules = [ScheduleConfig::of(Kind::E2hA), ScheduleConfig::of(Kind::Dump)];
        assert_eq!(outcomes(&rules, 3), outcomes(&rules, 3));
    }

    #[test]
    fn training_raises_the_average_pass_rate() {
        let untrained = Learner::new(&LearnerConfig::default(), RootSeed(0)).pass_rates();
        let before = untrained.iter().sum::<f64>() / untrained.len() as f64;
        let after = &outcomes(&[ScheduleConfig::of(Kind::Balanced)], 4)[0];
        assert!(after.average.mean > before + 0.1, "{after:?} from {before}");
    }

    #[test]
    fn hard_problems_alone_teach_a_weak_learner_less_than_a_curriculum() {
        let only = ScheduleConfig { level: Some(3), ..ScheduleConfig::of(Kind::Only) };
        let outcomes = outcomes(&[only, ScheduleConfig::default()], 8);
        assert!(outcomes[0].hard.high() < outcomes[1].hard.low(), "{outcomes:?}");
    }

    #[test]
    fn the_adaptive_curriculum_keeps_more_of_the_easy_levels_than_the_gaussian() {
        let rules = [ScheduleConfig::of(Kind::E2hA), ScheduleConfig::default()];
        let outcomes = outcomes(&rules, 8);
        assert!(outcomes[0].average.low() > outcomes[1].average.high(), "{outcomes:?}");
    }

    #[test]
    fn the_memory_of_good_prompts_lowers_the_share_of_flat_groups() {
        let plain = ScheduleConfig::of(Kind::Balanced);
        let vcrl =
            ScheduleConfig { filter: Some(FilterConfig::of(FilterKind::Vcrl)), ..plain.clone() };
        let outcomes = outcomes(&[plain, vcrl], 8);
        assert!(outcomes[1].zero_variance.high() < outcomes[0].zero_variance.low(), "{outcomes:?}");
    }

    #[test]
    fn a_trace_is_what_the_rule_gives_in_the_run() {
        let learner = LearnerConfig::default();
        let mut rule = ScheduleConfig::of(Kind::E2hA).build(4, BUDGET.steps).expect("valid");
        let rows = trace(rule.as_mut(), &learner, BUDGET, RootSeed(0)).expect("runs");
        assert_eq!(rows.len(), 120);
        assert!(rows[0][0] > rows[119][0], "it leaves the easiest level");
        assert_ne!(rows[119], rule.probs(119), "the rule goes on to learn from its last step");
    }

    #[test]
    fn a_budget_or_learner_out_of_range_names_its_bounds() {
        let budget = Budget { steps: 0, prompts: 0, group_size: 1 };
        assert_eq!(budget.problems().len(), 3);
        let learner = LearnerConfig {
            difficulties: vec![0.0, f64::NAN],
            rate: 0.0,
            transfer: 1.5,
            forgetting: -0.1,
            item_spread: -1.0,
            items: 0,
        };
        let problems = learner.problems();
        assert_eq!(problems.len(), 6, "{problems:?}");
        let expected = "`transfer` is 1.5, but must be at least 0 and at most 1";
        assert!(problems.iter().any(|p| p.to_string() == expected), "{problems:?}");
        assert!(LearnerConfig::default().problems().is_empty());
    }

    #[test]
    fn jobs_come_back_in_their_order() {
        let jobs: Vec<u64> = (0..100).collect();
        for n_threads in [1, 3] {
            let doubled: Vec<u64> = jobs.iter().map(|job| job * 2).collect();
            assert_eq!(in_parallel(n_threads, &jobs, |&job| job * 2), doubled);
        }
    }

    #[test]
    fn jobs_run_at_the_same_time() {
        // Neither job can end before the other has begun.
        let meeting = std::sync::Barrier::new(2);
        in_parallel(2, &[(), ()], |()| meeting.wait().is_leader());
    }

    #[test]
    fn the_bands_of_pass_rates_show_what_a_filter_drops() {
        let learner = LearnerConfig::default();
        let shares = |filter| {
            let rule = ScheduleConfig { filter, ..ScheduleConfig::of(Kind::Balanced) };
            trace_pass_rates(&rule, &learner, BUDGET, 2).expect("a valid rule")
        };
        let plain = shares(None);
        let filtered = shares(Some(FilterConfig::of(FilterKind::PassRate)));
        for (plain, filtered) in plain.iter().zip(&filtered) {
            assert!((plain.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((filtered.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(plain[5], 0.0);
            assert_eq!([filtered[0], filtered[4]], [0.0; 2]);
        }
        // The first step draws the same groups.
        assert!((plain[0][0] + plain[0][4] - filtered[0][5]).abs() < 1e-12);
        assert_eq!([0.0, 0.125, 0.25, 0.5, 0.875, 1.0].map(band), [0, 1, 1, 2, 3, 4]);
    }
}
