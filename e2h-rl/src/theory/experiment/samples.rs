//! Samples to reach an accuracy against the number of stages, and what the win condition says.
//!
//! A run of K stages iterates in each stage until `|| Q*_k - Q_k^pi ||_{d_k} <= eps_k`, with
//! `eps_k = eps e^(K - k)`, and counts all transitions. K = 1 is learning directly.
//!
//! The condition needs (e l)^2, the growth of the cost from stage to stage, and m, the direct cost over that of the
//! last stage. Both are fitted to the mean costs on one set of seeds, the slope of log cost by least squares; wins and
//! losses are measured on another. Two predictions are made: with the fit at 3 stages held for all K, as the
//! paper treats e, l and m as constants of the problem, and with a fit of its own for each K.
//!
//! # Source
//! Theorem 3.2 of arXiv 2506.06632.
//!
//! # Deviations
//! 1. L_k is not observed. At a given accuracy the theorem has cost proportional to L_k^2 / eps_k^2, so the ratio of
//!    costs stands for it. What is tested is that costs are geometric and m a constant, not the value of L_k.
//!
//! # Invariants
//! - A run that does not reach its accuracy within the limit counts with what it drew, and is reported.

use e2h_core::{Result, RootSeed};
use serde::{Deserialize, Serialize};

use super::stats::{Interval, median};
use crate::theory::api::{Learner, Method, Sampling, Update, learn_until};
use crate::theory::bounds::{SampleBound, SampleConstants, SampleStage, WinCondition};
use crate::theory::lock::LockChain;
use crate::theory::require;

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleSetting {
    /// Its name in tables.
    pub name: String,
    /// The chain of tasks.
    pub chain: LockChain,
    /// The iteration.
    pub method: Method,
    /// eps, the accuracy of the last stage.
    pub accuracy: f64,
    /// e, the ratio of successive accuracies.
    pub accuracy_ratio: f64,
    /// Samples after which a stage is given up.
    pub limit: u64,
    /// The largest number of stages.
    pub max_stages: u32,
}

/// The constants of the win condition, fitted to costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// e, as set.
    pub accuracy_ratio: f64,
    /// l, so that (e l)^2 is the growth of the cost from stage to stage.
    pub scale_ratio: f64,
    /// m, the direct cost over the cost of the last stage.
    pub direct_cost: f64,
}

/// Does a curriculum of K stages need fewer samples than learning directly?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The 95% interval of the difference lies over 0.
    Wins,
    /// It lies under 0.
    Loses,
    /// It has 0 in it.
    Unclear,
}

/// What came out for one number of stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRow {
    /// K.
    pub stages: u32,
    /// Samples of all stages, over the test seeds.
    pub samples: Interval,
    /// The median of the same: costs of learning directly are skewed.
    pub median: f64,
    /// Samples of each stage, mean over the test seeds.
    pub per_stage: Vec<f64>,
    /// Test seeds that did not reach an accuracy within the limit.
    pub unreached: u32,
    /// Samples of learning directly less those of the curriculum, seed by seed.
    pub saved: Interval,
    /// Mean samples of learning directly over those of the curriculum.
    pub speedup: f64,
    /// What was measured.
    pub verdict: Verdict,
    /// The fit at this K, on the fit's seeds; none for K = 1 and where a stage cost nothing.
    pub fit: Option<Fit>,
    /// The condition at K with the fit at 3 stages.
    pub with_held_fit: Option<WinCondition>,
    /// The condition at K with its own fit.
    pub with_own_fit: Option<WinCondition>,
}

/// What came out for one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleResult {
    /// The setting's name.
    pub name: String,
    /// One entry for each K.
    pub rows: Vec<SampleRow>,
    /// The fit at 3 stages.
    pub held_fit: Option<Fit>,
    /// The sample bound of learning directly, its constant and L being 1, over the measured samples. Only for
    /// full coverage, which the bound assumes.
    pub bound_over_measured: Option<f64>,
}

/// The number of stages whose fit is held for all K.
const HELD_STAGES: u32 = 3;

/// The settings of the default plan.
pub fn default_settings() -> Vec<SampleSetting> {
    let deep = LockChain { doors: 12, keys: 3, fall: 12, slip: 0.0, gamma: 0.95 };
    let on_policy = |steps| Sampling::OnPolicy { steps, max_steps: 200 };
    let setting = |name: &str, chain, update, beta, sampling| SampleSetting {
        name: name.to_owned(),
        chain,
        method: Method { update, beta, sampling },
        accuracy: 0.05,
        accuracy_ratio: 1.0,
        limit: 5_000_000,
        max_stages: 6,
    };
    let two_keys = LockChain { keys: 2, ..deep };
    let every_pair = Sampling::EveryPair { episodes: 10, max_steps: 200 };
    vec![
        setting("deep lock", deep, Update::Softmax, 500.0, on_policy(3000)),
        setting(
            "middle lock",
            LockChain { doors: 10, ..deep },
            Update::Softmax,
            500.0,
            on_policy(5000),
        ),
        setting("shallow lock", two_keys, Update::Softmax, 500.0, on_policy(1000)),
        SampleSetting {
            accuracy_ratio: 1.3,
            ..setting("shallow lock, e = 1.3", two_keys, Update::Softmax, 500.0, on_policy(1000))
        },
        setting("walk", LockChain { fall: 1, ..two_keys }, Update::Softmax, 500.0, on_policy(1000)),
        setting("deep lock, every pair", deep, Update::Softmax, 500.0, every_pair),
        setting("deep lock, mirror", deep, Update::Mirror, 20.0, on_policy(1000)),
    ]
}

/// Samples of each stage, and whether all were reached.
struct SeedRun {
    per_stage: Vec<f64>,
    reached: bool,
}

impl SeedRun {
    fn total(&self) -> f64 {
        self.per_stage.iter().sum()
    }
}

/// The runs of all seeds of one set, `[K - 1][seed]`.
type Runs = Vec<Vec<SeedRun>>;

/// Runs one setting on `seeds` seeds for the fit and as many for the test.
///
/// # Errors
/// `OutOfRange` for a setting that cannot be run.
pub fn run(root: RootSeed, seeds: u32, setting: &SampleSetting) -> Result<SampleResult> {
    require(setting.max_stages > 0, "max_stages", setting.max_stages, "1 or more")?;
    let runs = |set: &str| -> Result<Runs> {
        let all = (1..=setting.max_stages).map(|stages| {
            (0..seeds).map(|seed| run_seed(root, set, seed, stages, setting)).collect()
        });
        all.collect()
    };
    let (fitted, tested) = (runs("fit")?, runs("test")?);
    let fits: Vec<Option<Fit>> = fitted.iter().map(|of_k| fit(setting, of_k, &fitted[0])).collect();
    let held_fit = fits.get(HELD_STAGES as usize - 1).copied().flatten();
    let rows = tested.iter().zip(&fits).zip(1..).map(|((of_k, own), stages)| {
        let condition = |fit: Option<Fit>| fit.map(|fit| fit.condition(stages)).transpose();
        let mut row = measure(stages, of_k, &tested[0]);
        row.fit = *own;
        row.with_own_fit = condition(*own)?;
        row.with_held_fit = condition(held_fit.filter(|_| stages > 1))?;
        Ok(row)
    });
    let rows: Vec<SampleRow> = rows.collect::<Result<_>>()?;
    let bound_over_measured = match setting.method.sampling {
        Sampling::EveryPair { .. } => Some(direct_bound(setting)? / rows[0].samples.mean),
        _ => None,
    };
    Ok(SampleResult { name: setting.name.clone(), rows, held_fit, bound_over_measured })
}

fn run_seed(
    root: RootSeed,
    set: &str,
    seed: u32,
    stages: u32,
    setting: &SampleSetting,
) -> Result<SeedRun> {
    let stream = |what: &str, indices: &[u64]| {
        root.stream(&format!("theory/samples/{}/{set}/{what}", setting.name), indices)
    };
    let keys = setting.chain.draw_keys(&mut stream("keys", &[seed.into()]));
    let mut rng = stream("play", &[seed.into(), stages.into()]);
    let tasks = setting.chain.stages(stages as usize, &keys)?;
    let mut learner = Learner::new(setting.method, &tasks[0].mdp)?;
    let mut run = SeedRun { per_stage: vec![0.0; tasks.len()], reached: true };
    for (k, task) in tasks.iter().enumerate() {
        let left = (tasks.len() - 1 - k) as i32;
        let accuracy = setting.accuracy * setting.accuracy_ratio.powi(left);
        let stage = learn_until(&mut learner, task, accuracy, setting.limit, &mut rng)?;
        run.per_stage[k] = stage.samples as f64;
        if !stage.reached {
            run.reached = false;
            break;
        }
    }
    Ok(run)
}

/// The row of one K, still without predictions.
fn measure(stages: u32, runs: &[SeedRun], direct: &[SeedRun]) -> SampleRow {
    let totals: Vec<f64> = runs.iter().map(SeedRun::total).collect();
    let saved: Vec<f64> =
        direct.iter().zip(&totals).map(|(run, total)| run.total() - total).collect();
    let (samples, saved) = (Interval::of(&totals), Interval::of(&saved));
    let directly = direct.iter().map(SeedRun::total).sum::<f64>() / direct.len() as f64;
    SampleRow {
        stages,
        samples,
        median: median(&totals),
        per_stage: mean_costs(runs),
        unreached: runs.iter().filter(|run| !run.reached).count() as u32,
        saved,
        speedup: directly / samples.mean,
        verdict: if saved.low() > 0.0 {
            Verdict::Wins
        } else if saved.high() < 0.0 {
            Verdict::Loses
        } else {
            Verdict::Unclear
        },
        fit: None,
        with_held_fit: None,
        with_own_fit: None,
    }
}

fn mean_costs(runs: &[SeedRun]) -> Vec<f64> {
    let mean = |k: usize| runs.iter().map(|run| run.per_stage[k]).sum::<f64>() / runs.len() as f64;
    (0..runs[0].per_stage.len()).map(mean).collect()
}

impl Fit {
    fn condition(&self, stages: u32) -> Result<WinCondition> {
        WinCondition::new(self.accuracy_ratio, self.scale_ratio, self.direct_cost, stages)
    }
}

/// Fits the condition's constants to the mean costs of `runs` and of learning directly.
fn fit(setting: &SampleSetting, runs: &[SeedRun], direct: &[SeedRun]) -> Option<Fit> {
    let costs = mean_costs(runs);
    let usable = costs.len() > 1 && costs.iter().all(|&cost| cost > 0.0);
    usable.then(|| Fit {
        accuracy_ratio: setting.accuracy_ratio,
        scale_ratio: (slope(&costs) / 2.0).exp() / setting.accuracy_ratio,
        direct_cost: mean_costs(direct)[0] / costs[costs.len() - 1],
    })
}

/// The slope of log cost over the stage's number, by least squares.
fn slope(costs: &[f64]) -> f64 {
    let middle = (costs.len() - 1) as f64 / 2.0;
    let offsets = (0..costs.len()).map(|k| k as f64 - middle);
    let (mut up, mut down) = (0.0, 0.0);
    for (offset, cost) in offsets.zip(costs) {
        up += offset * cost.ln();
        down += offset * offset;
    }
    up / down
}

/// The sample bound of learning directly with full coverage, its constant and L being 1.
fn direct_bound(setting: &SampleSetting) -> Result<f64> {
    let chain = &setting.chain;
    let constants = SampleConstants {
        gamma: chain.gamma,
        contraction: chain.gamma,
        lambda_min: 1.0 / (chain.doors * chain.keys) as f64,
        n: 1,
    };
    let stage = SampleStage { accuracy: setting.accuracy, scale: 1.0 };
    Ok(SampleBound::new(&constants, &[stage])?.total())
}

#[cfg(test)]
mod tests;
