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
mod ledger;
mod watch;

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use e2h_core::{Problem, sync, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use folder::RunFolder;
use ledger::Ledger;
pub use ledger::OnWriteError;
use watch::Watch;

use crate::checkpoint::{self, TrainerState};
use crate::eval::{EvalConfig, EvalMetric, EvalReport, evaluate_rows};
use crate::report::StepReport;
use crate::trainer::Trainer;
use crate::{Error, Result, fault, tensorboard};

/// TensorBoard finds files of this form of name.
const EVENT_FILE: &str = "events.out.tfevents.0.e2h";

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
        let _lock = self.folder.lock()?;
        let ledger = RefCell::new(Ledger::new(self.config.on_write_error));
        let watch = Watch::new(trainer.config.token_budget);
        Session { run: self, ledger, watch, troubled: false, observer }.run(trainer)
    }
}

/// A run at work.
struct Session<'a> {
    run: &'a Run<'a>,
    ledger: RefCell<Ledger>,
    watch: Watch,
    /// The disk has failed, and the observer knows.
    troubled: bool,
    observer: &'a mut dyn Observer,
}

impl Session<'_> {
    fn run(&mut self, trainer: &mut Trainer<'_>) -> Result<RunEnd> {
        self.log("started")?;
        let mut step = self.resume(trainer)?;
        let (config, last) = (self.run.config, trainer.config.steps);
        let mut saved = step;
        let mut wish = Wish::default();
        loop {
            let stop = self.run.stop.load(Ordering::Relaxed);
            let due = wish.save || is_due(step, config.save_every) || step == last || stop;
            if due && step > saved && self.save(trainer, step, step == last || stop)? {
                saved = step;
            }
            let due = wish.evaluate || step == 0 || step == last || is_due(step, config.eval_every);
            if due && !(stop && step < last) && self.evaluation_at(step)?.is_none() {
                self.evaluate(trainer, step, &mut saved)?;
            }
            if step >= last {
                break;
            }
            if self.run.stop.load(Ordering::Relaxed) {
                if step > saved {
                    self.save(trainer, step, true)?;
                }
                self.log(&format!("stopped after {step} steps"))?;
                self.ledger.borrow_mut().flush()?;
                return Ok(RunEnd::Stopped { step });
            }
            let report = trainer.step(step)?;
            self.write_step(trainer, &report)?;
            self.observer.step(&report);
            for warning in self.watch.step(&report) {
                self.note(&warning)?;
            }
            step += 1;
            wish = self.observer.wish();
        }
        self.ledger.borrow_mut().flush()?;
        let lost = |which: &str| Error::NotARun {
            path: self.run.folder.path().to_path_buf(),
            problem: format!("eval.jsonl has lost its {which} line"),
        };
        let before = self.evaluation_at(0)?.ok_or_else(|| lost("first"))?;
        let after = self.evaluation_at(last)?.ok_or_else(|| lost("last"))?;
        self.log(&format!("finished after {last} steps"))?;
        Ok(RunEnd::Finished { before, after })
    }

    /// Takes up the newest checkpoint, if there is one; returns the number of finished steps.
    fn resume(&mut self, trainer: &mut Trainer<'_>) -> Result<u64> {
        let folder = self.run.folder.checkpoints();
        checkpoint::sweep(&folder)?;
        let mut damaged = Vec::new();
        let found = checkpoint::latest(&folder, |path, error| {
            damaged.push((path.to_path_buf(), error.to_string()));
        })?;
        let step = match &found {
            Some((path, state)) => {
                checkpoint::restore(trainer, path, state)?;
                state.step
            }
            None => 0,
        };
        for name in ["metrics.jsonl", "samples.jsonl"] {
            self.run.folder.truncate(name, |line| line < step)?;
        }
        self.run.folder.truncate("eval.jsonl", |line| line <= step)?;
        tensorboard::cut(&self.run.folder.file(EVENT_FILE), step)?;
        for (path, problem) in damaged {
            self.note(&format!("{} is passed over: {problem}", path.display()))?;
            // Out of the way, so that it does not count as one of those to keep.
            let aside = path.with_extension("damaged");
            let _ = std::fs::remove_dir_all(&aside);
            std::fs::rename(&path, &aside).map_err(Error::io("rename", &path))?;
        }
        if let Some((_, TrainerState { step, .. })) = found {
            self.note(&format!("resumed after {step} steps"))?;
        }
        Ok(step)
    }

    /// Saves a checkpoint, once all lines are on disk. False when that failed and the run goes on.
    fn save(&mut self, trainer: &Trainer<'_>, step: u64, must: bool) -> Result<bool> {
        let folder = self.run.folder.checkpoints();
        let saved = self.settle().and_then(|()| checkpoint::save(trainer, &folder, step));
        match saved {
            Ok(path) => {
                self.log(&format!("saved {}", path.display()))?;
                self.observer.saved(step, &path);
                self.rotate()?;
                Ok(true)
            }
            Err(error) if !must && self.run.config.on_write_error == OnWriteError::GoOn => {
                self.note(&format!("no checkpoint after {step} steps: {}", chain(&error)))?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what waits, and flushes the files to disk.
    fn settle(&self) -> Result<()> {
        self.ledger.borrow_mut().flush()?;
        for name in ["metrics.jsonl", "samples.jsonl", "eval.jsonl"] {
            sync(&self.run.folder.file(name))?;
        }
        Ok(())
    }

    fn rotate(&self) -> Result<()> {
        let best = self.best()?.map(|best| best.step);
        checkpoint::rotate(&self.run.folder.checkpoints(), self.run.config.keep_last, best)
    }

    /// Appends a line with the time to `events.log`.
    fn log(&mut self, text: &str) -> Result<()> {
        let line = format!("{} {text}", timestamp(fault::now()));
        let failed = self.ledger.get_mut().line(&self.run.folder.file("events.log"), &line)?;
        self.trouble(failed);
        Ok(())
    }

    /// Tells the log and the observer.
    fn note(&mut self, text: &str) -> Result<()> {
        self.observer.note(text);
        self.log(text)
    }

    /// Tells the observer of the first failure that the run goes on after.
    fn trouble(&mut self, failed: Option<Error>) {
        if let Some(error) = failed.filter(|_| !std::mem::replace(&mut self.troubled, true)) {
            self.observer.note(&format!(
                "warning: {}; the run goes on and keeps its lines in memory until there is room",
                chain(&error)
            ));
        }
    }

    fn append(&mut self, name: &str, line: &Value) -> Result<()> {
        let failed = self.ledger.get_mut().line(&self.run.folder.file(name), &line.to_string())?;
        self.trouble(failed);
        Ok(())
    }

    fn write_step(&mut self, trainer: &Trainer<'_>, report: &StepReport) -> Result<()> {
        fault::pass("step", report.step);
        let metrics = report.metrics();
        let path = self.run.folder.file(EVENT_FILE);
        let mut bytes = tensorboard::event(report.step, &metrics);
        if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            bytes = [tensorboard::head(), bytes].concat();
        }
        let failed = self.ledger.get_mut().bytes(&path, bytes)?;
        self.trouble(failed);
        self.append("metrics.jsonl", &Value::Object(metrics))?;
        let every = self.run.config.sample_every;
        if every > 0 && report.step.is_multiple_of(every) {
            let problem =
                |pick: &e2h_core::Pick| &trainer.pools[pick.level.index()][pick.item as usize];
            let problems: Vec<&Problem> = report.picks.iter().map(problem).collect();
            let prompts = problems
                .iter()
                .map(|problem| {
                    let prompt = trainer.task.prompt(problem)?;
                    Ok(format!("{}\n{}", prompt.user, prompt.assistant_prefix))
                })
                .collect::<Result<Vec<String>>>()?;
            for sample in report.samples(&problems, &prompts) {
                self.append("samples.jsonl", &sample)?;
            }
        }
        Ok(())
    }

    /// Evaluates, and saves and keeps the checkpoint when it is the best so far.
    fn evaluate(&mut self, trainer: &mut Trainer<'_>, step: u64, saved: &mut u64) -> Result<()> {
        fault::pass("evaluate", step);
        let (task, sampling) = (trainer.task, &trainer.config.sampling);
        let (policy, run) = (&mut trainer.policy, self.run);
        let eval = match run.config.sampled_evals {
            SampledEvals::Last if step < trainer.config.steps => run.eval.greedy(),
            SampledEvals::All | SampledEvals::Last => run.eval.clone(),
        };
        let per_problem = 1 + eval.n_samples;
        let total = run.held_out.iter().map(|rows| rows.len() * per_problem).sum();
        let (mut done, observer) = (0, &mut *self.observer);
        observer.evaluating(done, total);
        let (report, rows) = evaluate_rows(policy, task, run.held_out, sampling, &eval, |n| {
            done += n;
            observer.evaluating(done, total);
        })?;
        let mut text = String::new();
        for row in rows {
            text += &serde_json::to_string(&row)
                .map_err(|e| Error::checkpoint(run.folder.path(), e))?;
            text.push('\n');
        }
        let folder = run.folder.file("eval");
        let written =
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder)).and_then(|()| {
                Ok(write_atomic(&folder.join(format!("step-{step}.jsonl")), text.as_bytes())?)
            });
        match written {
            Err(error) if run.config.on_write_error == OnWriteError::GoOn => {
                self.trouble(Some(error));
            }
            written => written?,
        }
        self.append("eval.jsonl", &json!({"step": step, "levels": report.levels}))?;
        self.observer.evaluated(step, &report);
        match self.best()? {
            Some(best) if best.step == step => {
                if step > *saved && self.save(trainer, step, false)? {
                    *saved = step;
                }
                let path = run.folder.checkpoints().join("best.json");
                let text = serde_json::to_string_pretty(&best).unwrap_or_default() + "\n";
                match write_atomic(&path, text.as_bytes()).map_err(Error::from) {
                    Err(error) if run.config.on_write_error == OnWriteError::GoOn => {
                        self.trouble(Some(error));
                    }
                    written => written?,
                }
                self.rotate()
            }
            _ => Ok(()),
        }
    }

    /// The best evaluation of `eval.jsonl` after the first step; the earliest of equals.
    fn best(&self) -> Result<Option<Best>> {
        let name = &self.run.config.best_metric;
        let Ok(metric) = name.parse::<EvalMetric>() else { return Ok(None) };
        let mut best: Option<Best> = None;
        for (step, report) in self.evaluations()?.into_iter().filter(|(step, _)| *step > 0) {
            let value = metric.of(&report).filter(|value| value.is_finite());
            if let Some(value) =
                value.filter(|value| best.as_ref().is_none_or(|b| *value > b.value))
            {
                best = Some(Best { step, metric: name.clone(), value });
            }
        }
        Ok(best)
    }

    /// The evaluation after `step` steps, if `eval.jsonl` has it.
    fn evaluation_at(&self, step: u64) -> Result<Option<EvalReport>> {
        let mut all = self.evaluations()?.into_iter();
        Ok(all.find(|(at, _)| *at == step).map(|(_, report)| report))
    }

    /// The evaluations of `eval.jsonl` with their finished steps.
    fn evaluations(&self) -> Result<Vec<(u64, EvalReport)>> {
        let path = self.run.folder.file("eval.jsonl");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let lines: Vec<Value> = e2h_core::read_jsonl(&path)?;
        let parse = |line: Value| {
            let step = line["step"].as_u64().unwrap_or_default();
            let report = serde_json::from_value(line);
            report.map(|report| (step, report)).map_err(|error| Error::checkpoint(&path, error))
        };
        lines.into_iter().map(parse).collect()
    }
}

/// An error with its causes, on one line.
fn chain(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A time as in RFC 3339; times that it cannot say, as a clock that jumped may tell, as seconds since 1970.
fn timestamp(now: SystemTime) -> String {
    const YEAR_10000_S: u64 = 253_402_300_800;
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since.as_secs() < YEAR_10000_S => {
            humantime::format_rfc3339_seconds(now).to_string()
        }
        Ok(since) => format!("@{}", since.as_secs()),
        Err(before) => format!("@-{}", before.duration().as_secs()),
    }
}

fn is_due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn any_clock_gives_a_timestamp() {
        assert_eq!(timestamp(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(5)), "@-5");
        let far = Duration::from_secs(253_402_300_800);
        assert_eq!(timestamp(UNIX_EPOCH + far), "@253402300800");
    }

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
