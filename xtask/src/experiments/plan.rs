//! The file of an experiment, and the cells of its grid.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// `configs/experiments/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiment {
    /// The heading of the tables.
    pub(super) title: String,
    /// The tasks, one block of the tables each.
    pub(super) tasks: Vec<String>,
    /// Arguments of `e2h train` that all cells share. `{task}`, `{schedule}` and `{seed}` are filled in.
    pub(super) args: Vec<String>,
    /// The schedules to compare.
    pub(super) schedules: Vec<Schedule>,
    /// The seeds; each schedule runs with each of them.
    pub(super) seeds: Vec<u64>,
    /// The schedule that the others are compared with, seed by seed.
    #[serde(default = "balanced")]
    pub(super) baseline: String,
    /// What `--quick` changes.
    #[serde(default)]
    pub(super) quick: Quick,
}

/// One schedule of a comparison.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    /// Its name in tables and folders.
    pub(super) name: String,
    /// Its settings, each as for `--set`.
    pub(super) set: Vec<String>,
}

/// The short form of an experiment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Quick {
    /// Settings that come after those of the schedule.
    pub(super) set: Vec<String>,
    /// How many of the seeds are run; all when not given.
    pub(super) seeds: Option<usize>,
}

fn balanced() -> String {
    "balanced".to_owned()
}

/// One run of the grid.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// The task.
    pub(super) task: String,
    /// The schedule's name.
    pub(super) schedule: String,
    /// The seed.
    pub(super) seed: u64,
    /// The run folder, `RESULTS/cells/TASK/SCHEDULE/seed-S`.
    pub(super) folder: PathBuf,
    /// The arguments of `e2h` that begin the run, without `--run-dir` and `--quiet`.
    pub(super) args: Vec<String>,
}

impl Cell {
    /// `task/schedule/seed-S`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}/seed-{}", self.task, self.schedule, self.seed)
    }
}

impl Experiment {
    /// Reads and checks the experiment `name`.
    pub(super) fn read(root: &Path, name: &str) -> Result<Self> {
        let folder = root.join("configs/experiments");
        let path = folder.join(format!("{name}.toml"));
        if !path.exists() {
            let mut known: Vec<String> = fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
                .collect();
            known.sort();
            bail!("no experiment `{name}`, there are {}", known.join(", "));
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| format!("configs/experiments/{name}.toml"))
    }

    /// Parses and checks the text of an experiment.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let experiment: Self = toml::from_str(text)?;
        let schedules: Vec<&str> = experiment.schedules.iter().map(|s| &s.name[..]).collect();
        let tasks: Vec<&str> = experiment.tasks.iter().map(String::as_str).collect();
        for (what, names) in [("task", &tasks), ("schedule", &schedules)] {
            ensure!(!names.is_empty(), "there is no {what}");
            let mut seen = BTreeSet::new();
            for name in names {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                if name.is_empty() || !name.chars().all(plain) {
                    bail!("the {what} `{name}` names a folder: use letters, digits, `-` and `_`");
                }
                ensure!(seen.insert(*name), "the {what} `{name}` is there twice");
            }
        }
        ensure!(!experiment.seeds.is_empty(), "there is no seed");
        let distinct: BTreeSet<u64> = experiment.seeds.iter().copied().collect();
        ensure!(distinct.len() == experiment.seeds.len(), "a seed is there twice");
        ensure!(
            schedules.contains(&&experiment.baseline[..]),
            "the baseline `{}` is none of the schedules {}",
            experiment.baseline,
            schedules.join(", ")
        );
        Ok(experiment)
    }

    /// The cells, seed by seed, with their run folders under `folder`.
    pub(super) fn cells(
        &self,
        folder: &Path,
        quick: bool,
        n_seeds: Option<usize>,
    ) -> Result<Vec<Cell>> {
        let n_seeds = n_seeds.or(self.quick.seeds.filter(|_| quick)).unwrap_or(self.seeds.len());
        ensure!(
            (1..=self.seeds.len()).contains(&n_seeds),
            "asked for {n_seeds} seeds, the experiment lists {}",
            self.seeds.len()
        );
        let mut cells = Vec::new();
        for &seed in &self.seeds[..n_seeds] {
            for task in &self.tasks {
                for schedule in &self.schedules {
                    cells.push(self.cell(folder, quick, task, schedule, seed));
                }
            }
        }
        Ok(cells)
    }

    fn cell(&self, folder: &Path, quick: bool, task: &str, schedule: &Schedule, seed: u64) -> Cell {
        let fill = |text: &String| {
            text.replace("{task}", task)
                .replace("{schedule}", &schedule.name)
                .replace("{seed}", &seed.to_string())
        };
        let mut args = vec!["train".to_owned()];
        args.extend(self.args.iter().map(fill));
        let quick_set: &[String] = if quick { &self.quick.set } else { &[] };
        for set in schedule.set.iter().chain(quick_set) {
            args.extend(["--set".to_owned(), fill(set)]);
        }
        Cell {
            task: task.to_owned(),
            schedule: schedule.name.clone(),
            seed,
            folder: folder
                .join("cells")
                .join(task)
                .join(&schedule.name)
                .join(format!("seed-{seed}")),
            args,
        }
    }
}
