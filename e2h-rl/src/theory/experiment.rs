//! The theory against measurements, on chains of tabular tasks.
//!
//! - [`convergence`]: the error after each stage against the bound made of what was measured in it.
//! - [`samples`]: the samples to reach an accuracy against the number of stages, and what the win condition says.
//! - [`stats`]: means with Student-t intervals.
//!
//! # Invariants
//! - A report depends on the plan alone; the seeds of fits and of tests are disjoint streams.

pub mod convergence;
pub mod samples;
pub mod stats;

use e2h_core::{Result, RootSeed};
use serde::{Deserialize, Serialize};

use convergence::{ConvergenceResult, ConvergenceSetting};
use samples::{SampleResult, SampleSetting};

use super::require;

/// What is run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The root of all randomness.
    pub root: RootSeed,
    /// Seeds of each setting of the convergence experiment.
    pub convergence_seeds: u32,
    /// The settings of the convergence experiment.
    pub convergence: Vec<ConvergenceSetting>,
    /// Seeds of each setting and number of stages, once for the fit and once for the test.
    pub sample_seeds: u32,
    /// The settings of the sample experiment.
    pub samples: Vec<SampleSetting>,
}

impl Default for Plan {
    /// What `docs/theory.md` reports.
    fn default() -> Self {
        Self {
            root: RootSeed(20_250_606),
            convergence_seeds: 24,
            convergence: convergence::default_settings(),
            sample_seeds: 64,
            samples: samples::default_settings(),
        }
    }
}

/// All results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// Error against bound, one entry a setting.
    pub convergence: Vec<ConvergenceResult>,
    /// Samples against stages, one entry a setting.
    pub samples: Vec<SampleResult>,
}

/// Runs `plan`; the default takes about a minute on one core.
///
/// # Errors
/// `OutOfRange` for fewer than two seeds and for a setting that cannot be run.
pub fn run(plan: &Plan) -> Result<Report> {
    require(plan.convergence_seeds > 1, "convergence_seeds", plan.convergence_seeds, "2 or more")?;
    require(plan.sample_seeds > 1, "sample_seeds", plan.sample_seeds, "2 or more")?;
    let convergence = plan.convergence.iter();
    let samples = plan.samples.iter();
    Ok(Report {
        plan: plan.clone(),
        convergence: convergence
            .map(|setting| convergence::run(plan.root, plan.convergence_seeds, setting))
            .collect::<Result<_>>()?,
        samples: samples
            .map(|setting| samples::run(plan.root, plan.sample_seeds, setting))
            .collect::<Result<_>>()?,
    })
}
