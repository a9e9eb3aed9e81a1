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
///
/// ```
/// use e2h_rl::{EvalConfig, RunConfig};
/// let config = RunConfig { best_metric: "pass_at_8".to_owned(), ..RunConfig::default() };
/// // The default evaluation draws no samples to tell pass@8 from.
/// assert_eq!(config.validate(&EvalConfig::default()).len(), 1);
/// let sampled = EvalConfig { n_samples: 8, k: vec![8], ..EvalConfig::default() };
/// assert!(config.validate(&sampled).is_empty());
/// ```
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
///
/// ```
/// use std::{path::Path, sync::atomic::AtomicBool};
///
/// use e2h_rl::*;
/// # use std::rc::Rc;
/// # use e2h_model::{AdamW, LanguageModel, Model, ModelConfig, TextCodec};
/// # fn main() -> e2h_rl::Result<()> {
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/one_level.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "words".to_owned(), ood: false }]);
/// # fn row() -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": "say", "answer": "b"});
/// #     serde_json::from_value(row).expect("a row")
/// # }
/// # let text = TextCodec::word_level(&["say", "a", "b"].map(str::to_owned))?;
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// # let mut policy = LanguageModel::new(model, text)?;
/// # let sampling = Sampling { max_tokens: 1, ..Sampling::default() };
/// # let config = GrpoConfig { steps: 3, prompts: 2, group_size: 4, sampling, ..GrpoConfig::default() };
/// # let pools = [vec![row()]];
/// # let optimizer = AdamW::new(config.adamw, policy.engine().params().len());
/// # let mut trainer = Trainer { policy, ranks: Rc::new(Alone), rollouts: None, reference: Reference::None, optimizer,
/// #     curriculum: Box::new(OneLevel), sampler: Box::new(OneProblem), task: &task, pools: &pools, config: &config,
/// #     seed: RootSeed(0), bad_updates: 0, critic: None, replay: Replay::default(), token_budget: 1024 };
///
/// /// Watches a run without a word.
/// struct Silent;
///
/// impl Observer for Silent {
///     fn step(&mut self, _: &StepReport) {}
///     fn evaluated(&mut self, _: u64, _: &EvalReport) {}
///     fn saved(&mut self, _: u64, _: &Path) {}
///     fn note(&mut self, _: &str) {}
/// }
///
/// # let temporary = tempfile::tempdir().expect("a temporary folder");
/// # let path = temporary.path().join("run");
/// let folder = RunFolder::create(&path)?;
/// let stop = AtomicBool::new(false);
/// let (config, eval) = (&RunConfig::default(), &EvalConfig::default());
/// let run = Run { folder: &folder, config, eval, held_out: &pools, stop: &stop };
/// let RunEnd::Finished { after, .. } = run.run(&mut trainer, &mut Silent)? else { panic!("it was stopped") };
/// // One line a step, and a checkpoint of the last.
/// let lines: Vec<serde_json::Value> = read_jsonl(&folder.file("metrics.jsonl"))?;
/// assert_eq!((lines.len(), after.levels[0].n), (3, 1));
/// assert_eq!(checkpoint::list(&folder.checkpoints())?[0].0, 3);
/// # Ok(())
/// # }
/// ```
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
