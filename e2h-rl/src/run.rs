//! A whole run: evaluate, train step by step, save, evaluate again; stop and resume at any step.
//!
//! # Invariants
//! - `metrics.jsonl`, `samples.jsonl` and `eval.jsonl` are written line by line as things happen. Resuming cuts
//!   off lines of steps that the checkpoint does not have, so an interrupted run and its continuation leave the
//!   same lines as an uninterrupted one, time fields aside.
//! - A checkpoint is written only when the lines of all its steps are on disk.
//! - Which checkpoint is the best is a function of `eval.jsonl` alone.
//! - The final evaluation is of the weights in the last checkpoint, which are f32, so `e2h eval` repeats it.

mod folder;
mod follow;
mod ledger;
mod session;
mod watch;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use e2h_core::Problem;
use serde::{Deserialize, Serialize};

pub use folder::RunFolder;
pub use follow::follow;
use follow::tell_failure;
pub use ledger::OnWriteError;
use session::Session;

use crate::Result;
use crate::eval::{EvalConfig, EvalMetric, EvalReport};
use crate::report::StepReport;
use crate::trainer::Trainer;

/// How often a run saves and evaluates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Steps between checkpoints; the last step is always saved. 0 = only the last.
    pub save_every: u64,
    /// How many checkpoints are kept, besides the best.
    pub keep_last: usize,
    /// The figure by which the best checkpoint is chosen: train_mean, ood_mean, mean, level_K or pass_at_K.
    pub best_metric: String,
    /// Steps between evaluations; before the first and after the last step there always is one. 0 = only those.
    pub eval_every: u64,
    /// Which evaluations draw the `eval.n_samples` samples a problem, and not greedy answers alone.
    pub sampled_evals: SampledEvals,
    /// Steps between samples in `samples.jsonl`; 0 = none.
    pub sample_every: u64,
    /// What happens when the disk is full.
    pub on_write_error: OnWriteError,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            save_every: 50,
            keep_last: 2,
            best_metric: "train_mean".to_owned(),
            eval_every: 0,
            sampled_evals: SampledEvals::All,
            sample_every: 10,
            on_write_error: OnWriteError::Stop,
        }
    }
}

impl RunConfig {
    /// Every setting that is out of range, for an evaluation of `eval`; empty when all is well.
    pub fn validate(&self, eval: &EvalConfig) -> Vec<e2h_core::Error> {
        let out_of_range = |expected: String| {
            vec![e2h_core::Error::OutOfRange {
                name: "best_metric".to_owned(),
                got: self.best_metric.clone(),
                expected,
            }]
        };
        match self.best_metric.parse() {
            Err(()) => out_of_range(EvalMetric::NAMES.to_owned()),
            Ok(EvalMetric::PassAtK(k)) if eval.n_samples == 0 || !eval.k.contains(&k) => {
                out_of_range(format!("a k of eval.k, {:?}, with eval.n_samples over 0", eval.k))
            }
            Ok(EvalMetric::PassAtK(_)) if self.sampled_evals == SampledEvals::Last => {
                out_of_range("a greedy metric while run.sampled_evals is `last`".to_owned())
            }
            Ok(_) => Vec::new(),
        }
    }
}

/// Which evaluations of a run draw samples beside the greedy answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampledEvals {
    /// Each of them.
    #[default]
    All,
    /// The one after the last step alone: with many evaluations on the way, samples would cost more than training.
    Last,
}

/// The best evaluation of a run so far: `checkpoints/best.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Finished steps; the checkpoint of this step is kept.
    pub step: u64,
    /// The figure that was compared.
    pub metric: String,
    /// Its value.
    pub value: f64,
}

/// Who watches a run.
pub trait Observer {
    /// A step is done.
    fn step(&mut self, report: &StepReport);
    /// An evaluation after `step` finished steps is done.
    fn evaluated(&mut self, step: u64, report: &EvalReport);
    /// A checkpoint was written.
    fn saved(&mut self, step: u64, path: &Path);
    /// Something worth a line.
    fn note(&mut self, text: &str);
    /// An evaluation goes on: `done` of `total` completions are there.
    fn evaluating(&mut self, _done: usize, _total: usize) {}
    /// What the watcher wants of the run; asked after each step. It may wait here: that pauses the run.
    fn wish(&mut self) -> Wish {
        Wish::default()
    }
}

/// What a watcher wants done after a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// A checkpoint.
    pub save: bool,
    /// An evaluation.
    pub evaluate: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    /// All steps are done; the evaluations before and after, where the former was kept.
    Finished {
        /// Before the first step.
        before: EvalReport,
        /// After the last step.
        after: EvalReport,
    },
    /// It was asked to stop, and has saved.
    Stopped {
        /// Finished steps.
        step: u64,
    },
}

/// Everything that a run needs besides its trainer.
pub struct Run<'a> {
    /// Where it writes.
    pub folder: &'a RunFolder,
    /// How often it saves and evaluates.
    pub config: &'a RunConfig,
    /// How it evaluates.
    pub eval: &'a EvalConfig,
    /// Held-out problems by level.
    pub held_out: &'a [Vec<Problem>],
    /// Set from outside to make the run finish its step, save and stop.
    pub stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Runs from the beginning, or from the newest whole checkpoint.
    ///
    /// # Errors
    /// Whatever a step, an evaluation or a file operation ran into.
    pub fn run(&self, trainer: &mut Trainer<'_>, observer: &mut dyn Observer) -> Result<RunEnd> {
        let end = self.folder.lock().and_then(|_lock| {
            Session::new(self, trainer.config.token_budget, observer).run(trainer)
        });
        if let Err(error) = &end {
            tell_failure(&*trainer.ranks, error);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_best_metric_is_refused_with_the_names() {
        let eval = EvalConfig::default();
        let config = RunConfig { best_metric: "acuracy".to_owned(), ..RunConfig::default() };
        let problem = config.validate(&eval)[0].to_string();
        assert!(problem.contains("must be train_mean, ood_mean"), "{problem}");
        let config = RunConfig { best_metric: "pass_at_8".to_owned(), ..RunConfig::default() };
        assert_eq!(config.validate(&eval).len(), 1);
        let eval = EvalConfig { n_samples: 8, ..eval };
        assert!(config.validate(&eval).is_empty());
    }
}
