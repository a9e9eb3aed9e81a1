//! `cargo xtask experiments NAME`: a grid of training runs over tasks, schedules and seeds, and its tables.
//!
//! The grid stands in `configs/experiments/NAME.toml` ([`plan`]). Each cell is one `e2h train` in its own folder
//! under `runs/experiments/NAME` ([`cell`]); where the experiment asks for it, all cells of a task and seed start from
//! a policy that is trained first. The small files of a finished cell are kept in `results/NAME/cells` ([`keep`]). What
//! the cells measured is put together ([`aggregate`], [`budget`]) into `results/NAME/results.json`, from which
//! `results/NAME/table.md` derives ([`table`]); `results/NAME/report.html` is `e2h report` over the kept files.
//! With `--quick` everything goes to `NAME-quick`.
//!
//! # Invariants
//! - The grid can be stopped at any instant; the same command goes on with it.
//! - The results are written anew after each cell, so a stopped grid has them for what is done.
//! - What is kept suffices to go on elsewhere: a cell whose small files are there is not run again.
//! - Seeds are the outermost loop, so that a stopped grid still compares all schedules on the same seeds.
//! - A cell that was made with other settings is never taken for this one.

mod aggregate;
mod budget;
mod cell;
mod keep;
mod plan;
mod summary;
mod table;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::{cargo, shell, target_folder};
use aggregate::Results;
use cell::{End, State};
use plan::{Cell, Experiment, Places};
use summary::Summary;

/// The arguments of the verb.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which experiment: the name of a file in configs/experiments, or theory
    #[arg(default_value = "main")]
    name: String,
    /// The short form of the experiment, to see that all works
    #[arg(long)]
    quick: bool,
    /// How many of the listed seeds to run
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// How many cells run at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Only put together what is there
    #[arg(long)]
    collect: bool,
    /// The e2h program; built first when not given
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
}

/// The experiment that trains no model: the paper's theorems on tabular tasks.
const THEORY: &str = "theory";

/// Runs what is left of the grid, then writes the results.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    if args.name == THEORY {
        return theory(root);
    }
    let experiment = Experiment::read(root, &args.name)?;
    let bin = match &args.bin {
        // The cells run in the root folder, wherever this command was typed.
        Some(bin) => fs::canonicalize(bin).with_context(|| bin.display().to_string())?,
        None => build(root)?,
    };
    // Arguments of cells name files by their paths in the repository, so that they are the same everywhere.
    std::env::set_current_dir(root)?;
    let places = Places::of(&args.name, args.quick);
    let folder = &places.results;
    let cells = experiment.cells(&places, args.quick, args.seeds)?;
    let grid = Grid { experiment: &experiment, args, folder, cells: &cells };
    if !args.collect {
        grid.run(root, &bin)?;
    }
    let results = grid.collect()?;
    eprint!("{}", table::ways(&results));
    eprintln!("wrote {}", folder.join("table.md").display());
    report(root, &bin, folder, &grid.done()?)
}

/// Writes the page about the finished cells.
fn report(root: &Path, bin: &Path, folder: &Path, done: &[&Cell]) -> Result<()> {
    if done.is_empty() {
        return Ok(());
    }
    let (sh, page) = (shell(root)?, folder.join("report.html"));
    let runs = done.iter().map(|cell| &cell.kept);
    cmd!(sh, "{bin} report {runs...} --out {page}").quiet().run()?;
    Ok(())
}

/// Measures the theorems and writes the report and its figures to `results/theory`.
fn theory(root: &Path) -> Result<()> {
    let (sh, cargo) = (shell(root)?, cargo());
    let folder = root.join("results").join(THEORY);
    cmd!(sh, "{cargo} run --quiet -p e2h-rl --example theory -- {folder}").run()?;
    eprintln!("wrote {}", folder.display());
    Ok(())
}

/// Builds the command-line program and says where it is.
fn build(root: &Path) -> Result<PathBuf> {
    let (shell, cargo) = (shell(root)?, cargo());
    cmd!(shell, "{cargo} build --package e2h-cli").quiet().run()?;
    let name = format!("e2h{}", std::env::consts::EXE_SUFFIX);
    Ok(target_folder(&shell)?.join("debug").join(name))
}

struct Grid<'a> {
    experiment: &'a Experiment,
    args: &'a Args,
    folder: &'a Path,
    cells: &'a [Cell],
}

/// What the threads share.
struct Progress<'a> {
    queue: VecDeque<&'a Cell>,
    n_done: usize,
    /// Time and number of the cells that this command ran from their beginning.
    measured: (Duration, u32),
    failed: Vec<String>,
    stopped: bool,
}

impl Grid<'_> {
    fn run(&self, root: &Path, bin: &Path) -> Result<()> {
        let mut queue = VecDeque::new();
        for cell in self.cells {
            if !matches!(cell::state(cell)?, State::Done) {
                queue.push_back(cell);
            }
        }
        let n_cells = self.cells.len();
        eprintln!(
            "{}: {n_cells} cells, {} done before, {} to run, {} at a time",
            self.experiment.title,
            n_cells - queue.len(),
            queue.len(),
            self.args.jobs.max(1),
        );
        let progress = Mutex::new(Progress {
            n_done: n_cells - queue.len(),
            queue,
            measured: (Duration::ZERO, 0),
            failed: Vec::new(),
            stopped: false,
        });
        let bases = Mutex::new(());
        thread::scope(|scope| {
            for _ in 0..self.args.jobs.max(1) {
                scope.spawn(|| self.work(root, bin, &progress, &bases));
            }
        });
        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        if progress.stopped {
            bail!("stopped; the same command goes on with the grid");
        }
        if !progress.failed.is_empty() {
            self.collect()?;
            bail!(
                "{} of {n_cells} cells failed:\n  {}",
                progress.failed.len(),
                progress.failed.join("\n  ")
            );
        }
        Ok(())
    }

    /// One thread's work: cell after cell until none is left.
    fn work(&self, root: &Path, bin: &Path, progress: &Mutex<Progress<'_>>, bases: &Mutex<()>) {
        loop {
            let cell = {
                let mut progress = lock(progress);
                if progress.stopped {
                    return;
                }
                match progress.queue.pop_front() {
                    Some(cell) => cell,
                    None => return,
                }
            };
            let based = start_from(root, bin, cell, bases);
            let start = Instant::now();
            let fresh = matches!(cell::state(cell), Ok(State::Fresh));
            let end = match based {
                Ok(End::Done) => cell::run(root, bin, cell),
                other => other,
            };
            let took = start.elapsed();

            let mut progress = lock(progress);
            let outcome = match end {
                Ok(End::Done) => {
                    progress.n_done += 1;
                    if fresh {
                        progress.measured.0 += took;
                        progress.measured.1 += 1;
                    }
                    "done".to_owned()
                }
                Ok(End::Interrupted) => {
                    progress.stopped = true;
                    "stopped".to_owned()
                }
                Ok(End::Failed(why)) => {
                    progress.failed.push(format!("{}: {why}", cell.name()));
                    format!("failed: {why}")
                }
                Err(error) => {
                    progress.failed.push(format!("{}: {error:#}", cell.name()));
                    format!("failed: {error:#}")
                }
            };
            let left = self.cells.len() - progress.n_done - progress.failed.len();
            eprintln!(
                "[{}/{}] {} {outcome} in {}{}",
                progress.n_done,
                self.cells.len(),
                cell.name(),
                clock(took),
                eta(progress.measured, left, self.args.jobs)
                    .map_or_else(String::new, |eta| format!(", {} to go", clock(eta))),
            );
            if let Err(error) = self.collect() {
                eprintln!("    cannot write the results: {error:#}");
            }
        }
    }

    /// The cells that are done.
    fn done(&self) -> Result<Vec<&Cell>> {
        let mut done = Vec::new();
        for cell in self.cells {
            if matches!(cell::state(cell)?, State::Done) {
                done.push(cell);
            }
        }
        Ok(done)
    }

    /// Writes the results of the cells that are done.
    fn collect(&self) -> Result<Results> {
        let mut runs = Vec::new();
        for cell in self.done()? {
            runs.push((cell, summary::read(&cell.kept.join(keep::SUMMARY_FILE), cell)?));
        }
        let summaries: Vec<Summary> = runs.iter().map(|(_, summary)| summary.clone()).collect();
        let mut results = aggregate::results(self.experiment, self.cells.len(), &summaries);
        if let Some(budget) = &self.experiment.budget {
            results.budget = budget::ratios(budget, &runs)?;
        }
        fs::create_dir_all(self.folder)?;
        let json = serde_json::to_string_pretty(&results)? + "\n";
        write(&self.folder.join("results.json"), &json)?;
        write(&self.folder.join("table.md"), &table::markdown(&results))?;
        Ok(results)
    }
}

/// Trains the policy that `cell` starts from, where the experiment asks for one; one thread at a time.
fn start_from(root: &Path, bin: &Path, cell: &Cell, bases: &Mutex<()>) -> Result<End> {
    let (Some(base), Ok(State::Fresh)) = (&cell.base, cell::state(cell)) else {
        return Ok(End::Done);
    };
    let _turn = bases.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let fresh = !base.folder.exists();
    let end = cell::train_base(root, bin, base)?;
    if fresh && end == End::Done {
        eprintln!("trained {} in {}", base.folder.display(), clock(start.elapsed()));
    }
    Ok(end)
}

/// A thread that panicked leaves the progress usable: each change to it is complete in itself.
fn lock<'a, 'b>(progress: &'a Mutex<Progress<'b>>) -> MutexGuard<'a, Progress<'b>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time that `left` cells take at the mean pace of the measured ones; none before the first.
fn eta(measured: (Duration, u32), left: usize, jobs: usize) -> Option<Duration> {
    let (total, n) = measured;
    let rounds = u32::try_from(left.div_ceil(jobs.max(1))).unwrap_or(u32::MAX);
    (n > 0 && left > 0).then(|| (total / n).saturating_mul(rounds))
}

/// `45s`, `4m10s` or `3h05m`.
fn clock(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

/// Writes a file whole: by a temporary file that is renamed.
fn write(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
