//! The error after each stage against the convergence bound.
//!
//! The theorem says `E_K` without saying in a table what is in it, so three readings are measured, each against the
//! part of the bound that covers it:
//! - stage: `|| Q*_k - Q_k^pi_k ||_inf` against the three terms of stage k alone, the sharpest of the readings;
//! - summed: `sum_{j<=k} || Q*_K - Q_j^pi_j ||_{d_K}` against all terms and prices up to stage k;
//! - final: `|| Q*_K - Q_K^pi_K ||_{d_K}` against the whole bound.
//!
//! The second follows from the first by the triangle inequality, the third from the first at k = K.
//! A fourth is measured for comparison: the error of pi_k on the last task, against the bound up to stage k. The
//! theorem does not claim that one.
//!
//! # Source
//! Theorem 3.1 of arXiv 2506.06632.
//!
//! # Invariants
//! - eta, delta and all errors are computed by dynamic programming; no part of the bound is estimated.

use e2h_core::{Result, RootSeed};
use serde::{Deserialize, Serialize};

use super::stats::Interval;
use crate::theory::api::{Learner, Method, Sampling, StageRecord, Update, run_stage};
use crate::theory::bounds::{ConvergenceBound, StageBound};
use crate::theory::lock::{LockChain, Task};

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvergenceSetting {
    /// Its name in tables.
    pub name: String,
    /// The chain of tasks.
    pub chain: LockChain,
    /// K.
    pub stages: usize,
    /// T.
    pub updates: u32,
    /// The iteration.
    pub method: Method,
    /// True when the last task has other keys at all doors, so that it contradicts what came before.
    pub contradicts: bool,
}

/// What came out for one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageResult {
    /// eta_k over the seeds.
    pub initial_gap: Interval,
    /// delta_k over the seeds.
    pub evaluation_error: Interval,
    /// `|| Q*_k - Q_k^pi_k ||_inf` over the seeds.
    pub error: Interval,
    /// The bound on it over the seeds.
    pub bound: Interval,
    /// Its three terms, mean over the seeds.
    pub terms: StageBound,
    /// `|| Q*_K - Q*_k ||_{d_K}`, mean over the seeds.
    pub price: f64,
    /// The largest ratio of error to bound over the seeds: the stage reading.
    pub worst_stage_ratio: f64,
    /// The same of the summed reading.
    pub worst_summed_ratio: f64,
    /// The same of the error on the last task, which the theorem does not claim for k < K.
    pub worst_transferred_ratio: f64,
}

/// What came out for one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvergenceResult {
    /// The setting's name.
    pub name: String,
    /// One entry a stage.
    pub stages: Vec<StageResult>,
    /// The whole bound over the seeds.
    pub bound: Interval,
    /// `|| Q*_K - Q_K^pi_K ||_{d_K}` over the seeds.
    pub final_error: Interval,
    /// The largest ratio of the two over the seeds: the final reading.
    pub worst_final_ratio: f64,
    /// The number of seeds and stages at which the stage reading is over its bound.
    pub violations: u32,
    /// The number of seeds and stages looked at.
    pub checks: u32,
}

/// The settings of the default plan: one thing changes from the first, the small evaluation error comes from full
/// coverage and the large one from the policy's own play.
pub fn default_settings() -> Vec<ConvergenceSetting> {
    let every_pair = Sampling::EveryPair { episodes: 500, max_steps: 100 };
    let on_policy = Sampling::OnPolicy { steps: 20_000, max_steps: 100 };
    let (exact, softmax, mirror) = (Sampling::Exact, Update::Softmax, Update::Mirror);
    vec![
        setting("softmax, exact, beta 20", softmax, exact, 20.0, 10, false),
        setting("softmax, exact, beta 200", softmax, exact, 200.0, 10, false),
        setting("softmax, exact, beta 2000", softmax, exact, 2000.0, 10, false),
        setting("softmax, every pair", softmax, every_pair, 2000.0, 10, false),
        setting("softmax, on policy", softmax, on_policy, 2000.0, 10, false),
        setting("softmax, contradicted, T = 1", softmax, exact, 2000.0, 1, true),
        setting("softmax, contradicted, T = 20", softmax, exact, 2000.0, 20, true),
        setting("mirror, exact, beta 20", mirror, exact, 20.0, 10, false),
        setting("mirror, every pair", mirror, every_pair, 2000.0, 10, false),
        setting("mirror, on policy", mirror, on_policy, 2000.0, 10, false),
        setting("mirror, contradicted, T = 20", mirror, exact, 2000.0, 20, true),
    ]
}

fn setting(
    name: &str,
    update: Update,
    sampling: Sampling,
    beta: f64,
    updates: u32,
    contradicts: bool,
) -> ConvergenceSetting {
    ConvergenceSetting {
        name: name.to_owned(),
        chain: LockChain { doors: 6, keys: 3, fall: 6, slip: 0.1, gamma: 0.8 },
        stages: 3,
        updates,
        method: Method { update, beta, sampling },
        contradicts,
    }
}

/// What one seed gives.
struct SeedRun {
    records: Vec<StageRecord>,
    bound: ConvergenceBound,
    /// `|| Q*_K - Q_k^pi_k ||_{d_K}` after each stage, in the stage's own task.
    own: Vec<f64>,
    /// `|| Q*_K - Q_K^pi_k ||_{d_K}` after each stage, in the last task.
    transferred: Vec<f64>,
}

impl SeedRun {
    fn new(root: RootSeed, seed: u32, setting: &ConvergenceSetting) -> Result<Self> {
        let tasks = tasks(root, seed, setting)?;
        let last = &tasks[tasks.len() - 1];
        let mut rng = root.stream(&format!("theory/convergence/{}", setting.name), &[seed.into()]);
        let mut learner = Learner::new(setting.method, &last.mdp)?;
        let (mut records, mut own, mut transferred) = (Vec::new(), Vec::new(), Vec::new());
        for task in &tasks {
            records.push(run_stage(&mut learner, task, setting.updates, &mut rng));
            for (errors, mdp) in [(&mut own, &task.mdp), (&mut transferred, &last.mdp)] {
                errors.push(last.q_star.distance(&mdp.policy_q(learner.policy()), &last.weights));
            }
        }
        let inputs: Vec<_> = records.iter().map(|record| record.input).collect();
        let earlier = &tasks[..tasks.len() - 1];
        let prices: Vec<_> = earlier.iter().map(|task| last.price_of(task)).collect();
        let bound = ConvergenceBound::new(setting.chain.gamma, &inputs, &prices)?;
        Ok(Self { records, bound, own, transferred })
    }

    fn stage_ratio(&self, k: usize) -> f64 {
        self.records[k].error / self.bound.stages[k].total()
    }

    /// The bound on what the first `k + 1` stages add.
    fn bound_up_to(&self, k: usize) -> f64 {
        let learning: f64 = self.bound.stages[..=k].iter().map(StageBound::total).sum();
        learning + self.bound.prices.iter().take(k + 1).sum::<f64>()
    }

    fn summed_ratio(&self, k: usize) -> f64 {
        self.own[..=k].iter().sum::<f64>() / self.bound_up_to(k)
    }

    fn final_error(&self) -> f64 {
        self.own[self.own.len() - 1]
    }
}

fn tasks(root: RootSeed, seed: u32, setting: &ConvergenceSetting) -> Result<Vec<Task>> {
    let chain = &setting.chain;
    let mut keys = chain.draw_keys(&mut root.stream("theory/convergence/keys", &[seed.into()]));
    let mut tasks = chain.stages(setting.stages, &keys)?;
    if setting.contradicts {
        keys.iter_mut().for_each(|key| *key = (*key + 1) % chain.keys);
        tasks.pop();
        tasks.push(Task::new(chain.task(chain.doors, &keys)?));
    }
    Ok(tasks)
}

/// Runs one setting on `seeds` seeds.
///
/// # Errors
/// `OutOfRange` for a setting that cannot be run.
pub fn run(root: RootSeed, seeds: u32, setting: &ConvergenceSetting) -> Result<ConvergenceResult> {
    let runs: Vec<SeedRun> =
        (0..seeds).map(|seed| SeedRun::new(root, seed, setting)).collect::<Result<_>>()?;
    let ratios = runs.iter().flat_map(|run| (0..setting.stages).map(|k| run.stage_ratio(k)));
    Ok(ConvergenceResult {
        name: setting.name.clone(),
        stages: (0..setting.stages).map(|k| stage_result(&runs, k)).collect(),
        bound: over(&runs, |run| run.bound.total()),
        final_error: over(&runs, SeedRun::final_error),
        worst_final_ratio: worst(&runs, |run| run.final_error() / run.bound.total()),
        violations: ratios.filter(|&ratio| ratio > 1.0).count() as u32,
        checks: seeds * setting.stages as u32,
    })
}

fn stage_result(runs: &[SeedRun], k: usize) -> StageResult {
    let mean = |value: fn(&StageBound) -> f64| over(runs, |run| value(&run.bound.stages[k])).mean;
    StageResult {
        initial_gap: over(runs, |run| run.records[k].input.initial_gap),
        evaluation_error: over(runs, |run| run.records[k].input.evaluation_error),
        error: over(runs, |run| run.records[k].error),
        bound: over(runs, |run| run.bound.stages[k].total()),
        terms: StageBound {
            initial_gap: mean(|terms| terms.initial_gap),
            evaluation_error: mean(|terms| terms.evaluation_error),
            policy_update: mean(|terms| terms.policy_update),
        },
        price: over(runs, |run| run.bound.prices.get(k).copied().unwrap_or(0.0)).mean,
        worst_stage_ratio: worst(runs, |run| run.stage_ratio(k)),
        worst_summed_ratio: worst(runs, |run| run.summed_ratio(k)),
        worst_transferred_ratio: worst(runs, |run| run.transferred[k] / run.bound_up_to(k)),
    }
}

fn over(runs: &[SeedRun], value: impl Fn(&SeedRun) -> f64) -> Interval {
    Interval::of(&runs.iter().map(value).collect::<Vec<_>>())
}

fn worst(runs: &[SeedRun], value: impl Fn(&SeedRun) -> f64) -> f64 {
    runs.iter().map(value).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(is_wanted: impl Fn(&ConvergenceSetting) -> bool) -> Vec<ConvergenceResult> {
        let settings = default_settings().into_iter().filter(is_wanted);
        settings.map(|setting| run(RootSeed(5), 3, &setting).expect("it runs")).collect()
    }

    #[test]
    fn with_the_softmax_update_every_reading_keeps_its_bound() {
        for result in results(|setting| setting.method.update == Update::Softmax) {
            assert_eq!((result.violations, result.checks), (0, 9), "{}", result.name);
            assert!(result.worst_final_ratio <= 1.0, "{}", result.name);
            for stage in &result.stages {
                assert!(stage.worst_stage_ratio <= 1.0, "{}", result.name);
                assert!(stage.worst_summed_ratio <= 1.0, "{}", result.name);
            }
        }
    }

    #[test]
    fn with_the_mirror_update_a_contradicting_stage_breaks_it() {
        let [result] =
            &results(|setting| setting.method.update == Update::Mirror && setting.contradicts)[..]
        else {
            panic!("there is one such setting")
        };
        assert!(result.violations > 0);
        assert!(result.stages[2].worst_stage_ratio > 1.0);
        assert!(result.stages[0].worst_stage_ratio <= 1.0);
    }

    #[test]
    fn exact_evaluation_has_no_error_and_sampled_evaluation_has() {
        for result in results(|setting| setting.updates >= 10) {
            let errors = result.stages.iter().map(|stage| stage.evaluation_error.mean);
            let is_exact = result.name.contains("exact") || result.name.contains("contradicted");
            assert_eq!(errors.fold(0.0, f64::max) == 0.0, is_exact, "{}", result.name);
        }
    }
}
