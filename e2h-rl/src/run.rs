//! A whole run: evaluate, train step by step, save, evaluate again; stop and resume at any step.
//!
//! # Invariants
//! - `metrics.jsonl`, `samples.jsonl` and `eval.jsonl` are written line by line as things happen. Resuming cuts
//!   off lines of steps that the checkpoint does not have, so an interrupted run and its continuation leave the
//!   same lines as an uninterrupted one, time fields aside.
//! - The final evaluation is of the weights in the last checkpoint, which are f32, so `e2h eval` repeats it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use e2h_core::{Problem, append_line, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkpoint::{self, TrainerState};
use crate::eval::{EvalConfig, EvalReport, evaluate};
use crate::report::StepReport;
use crate::tensorboard;
use crate::trainer::Trainer;
use crate::{Error, Result};

/// TensorBoard finds files of this form of name.
const EVENT_FILE: &str = "events.out.tfevents.0.e2h";

/// How often a run saves and evaluates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Steps between checkpoints; the last step is always saved. 0 = only the last.
    pub save_every: u64,
    /// How many checkpoints are kept.
    pub keep_last: usize,
    /// Steps between evaluations; before the first and after the last step there always is one. 0 = only those.
    pub eval_every: u64,
    /// Steps between samples in `samples.jsonl`; 0 = none.
    pub sample_every: u64,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self { save_every: 50, keep_last: 2, eval_every: 0, sample_every: 10 }
    }
}

/// The files of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a folder for a new run.
    ///
    /// # Errors
    /// [`Error::RunExists`] when it has files already.
    pub fn create(path: &Path) -> Result<Self> {
        let taken = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        };
        if taken {
            return Err(Error::RunExists(path.to_path_buf()));
        }
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// Opens the folder of a run that began.
    ///
    /// # Errors
    /// [`Error::NotARun`] when it is none.
    pub fn open(path: &Path) -> Result<Self> {
        let missing = |problem: &str| Error::NotARun {
            path: path.to_path_buf(),
            problem: problem.to_owned(),
        };
        if !path.is_dir() {
            return Err(missing("there is no such folder"));
        }
        if !path.join("config.toml").is_file() {
            return Err(missing("it has no config.toml"));
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Takes the run for this process, until the lock is dropped.
    ///
    /// # Errors
    /// [`Error::NotARun`] when another process holds it.
    pub fn lock(&self) -> Result<fs::File> {
        let path = self.file(".lock");
        let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
        file.try_lock().map_err(|_| Error::NotARun {
            path: self.path.clone(),
            problem: "another process is writing to it".to_owned(),
        })?;
        Ok(file)
    }

    /// Cuts off the lines of steps from `step` on.
    fn truncate(&self, name: &str, keep: impl Fn(u64) -> bool) -> Result<()> {
        let path = self.file(name);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| {
                let step = serde_json::from_str::<Value>(line).ok();
                step.and_then(|line| line["step"].as_u64()).is_some_and(&keep)
            })
            .collect();
        if kept != text {
            write_atomic(&path, kept.as_bytes())?;
        }
        Ok(())
    }
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
        self.log("started")?;
        let mut step = self.resume(trainer, observer)?;
        if step == 0 && self.evaluation_at(0)?.is_none() {
            self.evaluate(trainer, 0, observer)?;
        }
        let last = trainer.config.steps;
        while step < last {
            let report = trainer.step(step)?;
            self.write_step(trainer, &report)?;
            observer.step(&report);
            step += 1;
            let wish = observer.wish();
            let stop = self.stop.load(Ordering::Relaxed);
            if wish.save || is_due(step, self.config.save_every) || step == last || stop {
                self.save(trainer, step, observer)?;
            }
            if (wish.evaluate || is_due(step, self.config.eval_every)) && step < last {
                self.evaluate(trainer, step, observer)?;
            }
            if stop && step < last {
                self.log(&format!("stopped after {step} steps"))?;
                return Ok(RunEnd::Stopped { step });
            }
        }
        let before = self.evaluation_at(0)?.ok_or_else(|| Error::NotARun {
            path: self.folder.path().to_path_buf(),
            problem: "eval.jsonl has lost its first line".to_owned(),
        })?;
        let after = match self.evaluation_at(last)? {
            Some(report) => report,
            None => self.evaluate(trainer, last, observer)?,
        };
        self.log(&format!("finished after {last} steps"))?;
        Ok(RunEnd::Finished { before, after })
    }

    /// Takes up the newest checkpoint, if there is one; returns the number of finished steps.
    fn resume(&self, trainer: &mut Trainer<'_>, observer: &mut dyn Observer) -> Result<u64> {
        let folder = self.folder.checkpoints();
        let mut notes = Vec::new();
        let found = checkpoint::latest(&folder, |path, error| {
            notes.push(format!("{} is passed over: {error}", path.display()));
        })?;
        let step = match &found {
            Some((path, state)) => {
                checkpoint::restore(trainer, path, state)?;
                state.step
            }
            None => 0,
        };
        for name in ["metrics.jsonl", "samples.jsonl"] {
            self.folder.truncate(name, |line| line < step)?;
        }
        self.folder.truncate("eval.jsonl", |line| line <= step)?;
        if let Some((_, TrainerState { step, .. })) = found {
            notes.push(format!("resumed after {step} steps"));
        }
        for note in notes {
            self.log(&note)?;
            observer.note(&note);
        }
        Ok(step)
    }

    fn save(&self, trainer: &Trainer<'_>, step: u64, observer: &mut dyn Observer) -> Result<()> {
        let folder = self.folder.checkpoints();
        let path = checkpoint::save(trainer, &folder, step, self.config.keep_last)?;
        self.log(&format!("saved {}", path.display()))?;
        observer.saved(step, &path);
        Ok(())
    }

    /// Appends a line with the time to `events.log`.
    fn log(&self, text: &str) -> Result<()> {
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
        Ok(append_line(&self.folder.file("events.log"), &format!("{now} {text}"))?)
    }

    fn write_step(&self, trainer: &Trainer<'_>, report: &StepReport) -> Result<()> {
        let metrics = report.metrics();
        tensorboard::append(&self.folder.file(EVENT_FILE), report.step, &metrics)?;
        append_line(&self.folder.file("metrics.jsonl"), &Value::Object(metrics).to_string())?;
        let every = self.config.sample_every;
        if every > 0 && report.step.is_multiple_of(every) {
            let problem =
                |pick: &e2h_core::Pick| &trainer.pools[pick.level.index()][pick.item as usize];
            let problems: Vec<&Problem> = report.picks.iter().map(problem).collect();
            for sample in report.samples(&problems) {
                append_line(&self.folder.file("samples.jsonl"), &sample.to_string())?;
            }
        }
        Ok(())
    }

    fn evaluate(
        &self,
        trainer: &mut Trainer<'_>,
        step: u64,
        observer: &mut dyn Observer,
    ) -> Result<EvalReport> {
        let (task, sampling) = (trainer.task, &trainer.config.sampling);
        let policy = &mut trainer.policy;
        let per_problem = 1 + self.eval.n_samples;
        let total = self.held_out.iter().map(|rows| rows.len() * per_problem).sum();
        let mut done = 0;
        observer.evaluating(done, total);
        let report = evaluate(policy, task, self.held_out, sampling, self.eval, |n| {
            done += n;
            observer.evaluating(done, total);
        })?;
        let line = json!({"step": step, "levels": report.levels});
        append_line(&self.folder.file("eval.jsonl"), &line.to_string())?;
        observer.evaluated(step, &report);
        Ok(report)
    }

    /// The evaluation after `step` steps, if `eval.jsonl` has it.
    fn evaluation_at(&self, step: u64) -> Result<Option<EvalReport>> {
        let path = self.folder.file("eval.jsonl");
        if !path.exists() {
            return Ok(None);
        }
        let lines: Vec<Value> = e2h_core::read_jsonl(&path)?;
        let line = lines.into_iter().find(|line| line["step"].as_u64() == Some(step));
        line.map(serde_json::from_value::<EvalReport>)
            .transpose()
            .map_err(|error| Error::checkpoint(&path, error))
    }
}

fn is_due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}
