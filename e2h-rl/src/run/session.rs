//! A run at work: its loop, and what it writes as it goes.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use e2h_core::{Problem, sync, write_atomic};
use serde_json::{Value, json};

use super::follow::{Order, tell};
use super::ledger::{Ledger, OnWriteError};
use super::watch::Watch;
use super::{Best, Observer, Run, RunEnd, SampledEvals, Wish};
use crate::checkpoint::{self, TrainerState};
use crate::eval::{EvalMetric, EvalReport, evaluate_rows};
use crate::report::StepReport;
use crate::source::Sourced;
use crate::trainer::Trainer;
use crate::{Error, Result, fault, tensorboard};

/// TensorBoard finds files of this form of name.
const EVENT_FILE: &str = "events.out.tfevents.0.e2h";

/// A run at work.
pub(super) struct Session<'a> {
    run: &'a Run<'a>,
    ledger: RefCell<Ledger>,
    watch: Watch,
    /// The disk has failed, and the observer knows.
    troubled: bool,
    observer: &'a mut dyn Observer,
}

impl<'a> Session<'a> {
    /// A session that has not begun; `token_budget` is the configured one.
    pub(super) fn new(
        run: &'a Run<'a>,
        token_budget: usize,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let ledger = RefCell::new(Ledger::new(run.config.on_write_error));
        Self { run, ledger, watch: Watch::new(token_budget), troubled: false, observer }
    }

    /// Runs from where the folder stands to the last step, or until it is asked to stop.
    ///
    /// # Errors
    /// Whatever a step, an evaluation or a file operation ran into.
    pub(super) fn run(&mut self, trainer: &mut Trainer<'_>) -> Result<RunEnd> {
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
                tell(&*trainer.ranks, Order::End)?;
                return Ok(RunEnd::Stopped { step });
            }
            tell(&*trainer.ranks, Order::Step(step))?;
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
        tell(&*trainer.ranks, Order::End)?;
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
                tell(&*trainer.ranks, Order::Restore(path.clone()))?;
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
        if let Some((path, TrainerState { step, .. })) = found {
            if !checkpoint::has_sums(&path) {
                self.note(&format!(
                    "warning: {} has no SHA256SUMS, as versions that wrote none leave it; it is taken up, but \
                     damage to it would not be noticed",
                    path.display()
                ))?;
            }
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
        let run = self.run;
        let eval = match run.config.sampled_evals {
            SampledEvals::Last if step < trainer.config.steps => run.eval.greedy(),
            SampledEvals::All | SampledEvals::Last => run.eval.clone(),
        };
        tell(&*trainer.ranks, Order::Evaluate(eval.clone()))?;
        let (task, sampling) = (trainer.task, &trainer.config.sampling);
        let mut policy = Sourced::new(&mut trainer.policy, None, &*trainer.ranks);
        let per_problem = 1 + eval.n_samples;
        let total = run.held_out.iter().map(|rows| rows.len() * per_problem).sum();
        let (mut done, observer) = (0, &mut *self.observer);
        observer.evaluating(done, total);
        let watched = |n| {
            done += n;
            observer.evaluating(done, total);
        };
        let results = evaluate_rows(&mut policy, task, run.held_out, sampling, &eval, watched);
        let (report, rows) = policy.settle(results)?;
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
pub(super) fn chain(error: &Error) -> String {
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
}
