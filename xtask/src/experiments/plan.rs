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
    /// Arguments of `e2h train` that all cells share. `{task}`, `{schedule}`, `{seed}` and `{base}` are filled in.
    pub(super) args: Vec<String>,
    /// Arguments of `e2h base`: with them, one starting policy is trained for each task and seed, and all schedules
    /// start from it. `{base}` in `args` is its folder.
    #[serde(default)]
    pub(super) base: Option<Vec<String>>,
    /// The schedules, or other variants of a run, to compare.
    pub(super) schedules: Vec<Schedule>,
    /// The seeds; each schedule runs with each of them.
    pub(super) seeds: Vec<u64>,
    /// The schedule that the others are compared with, seed by seed.
    #[serde(default = "balanced")]
    pub(super) baseline: String,
    /// The rollouts that the baseline needs for the same ability, where the experiment asks for them.
    #[serde(default)]
    pub(super) budget: Option<Budget>,
    /// What `--quick` changes.
    #[serde(default)]
    pub(super) quick: Quick,
}

/// Which runs [`budget`](super::budget) compares.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// The curricula.
    pub(super) of: Vec<String>,
    /// The baseline that runs longer, with evaluations on the way.
    pub(super) against: String,
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
    /// Settings that come after those of the starting policy.
    pub(super) base_set: Vec<String>,
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
    /// The run folder, `RUNS/TASK/SCHEDULE/seed-S`.
    pub(super) folder: PathBuf,
    /// Where what is kept of the finished run lies, `RESULTS/cells/TASK/SCHEDULE/seed-S`.
    pub(super) kept: PathBuf,
    /// The arguments of `e2h` that begin the run, without `--run-dir` and `--quiet`.
    pub(super) args: Vec<String>,
    /// The starting policy that is trained first, where the experiment asks for one.
    pub(super) base: Option<Base>,
}

/// The starting policy of all cells of one task and seed.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Its model folder, `RUNS/TASK/base/seed-S`.
    pub(super) folder: PathBuf,
    /// The arguments of `e2h` that train it, without `--out`.
    pub(super) args: Vec<String>,
}

/// Where an experiment's files lie, relative to the root folder of the repository.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Run folders with their checkpoints, and starting policies: large, and not kept.
    pub(super) runs: PathBuf,
    /// Tables, the report, and the small files of finished runs: kept.
    pub(super) results: PathBuf,
}

impl Places {
    /// The places of the experiment `name`.
    pub(super) fn of(name: &str, quick: bool) -> Self {
        let name = if quick { format!("{name}-quick") } else { name.to_owned() };
        Self {
            runs: Path::new("runs/experiments").join(&name),
            results: Path::new("results").join(&name),
        }
    }
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
        if let Some(budget) = &experiment.budget {
            for name in budget.of.iter().chain([&budget.against]) {
                ensure!(
                    schedules.contains(&&name[..]),
                    "`budget` names `{name}`, which is none of the schedules {}",
                    schedules.join(", ")
                );
            }
        }
        Ok(experiment)
    }

    /// The cells, seed by seed.
    pub(super) fn cells(
        &self,
        places: &Places,
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
                    cells.push(self.cell(places, quick, task, schedule, seed));
                }
            }
        }
        Ok(cells)
    }

    fn cell(
        &self,
        places: &Places,
        quick: bool,
        task: &str,
        schedule: &Schedule,
        seed: u64,
    ) -> Cell {
        let base_folder = places.runs.join(task).join("base").join(format!("seed-{seed}"));
        let fill = |text: &String| {
            text.replace("{task}", task)
                .replace("{schedule}", &schedule.name)
                .replace("{seed}", &seed.to_string())
                .replace("{base}", &base_folder.to_string_lossy())
        };
        let quick_set: &[String] = if quick { &self.quick.set } else { &[] };
        let set = |args: &mut Vec<String>, values: &[String]| {
            for value in values {
                args.extend(["--set".to_owned(), fill(value)]);
            }
        };
        let mut args = vec!["train".to_owned()];
        args.extend(self.args.iter().map(fill));
        set(&mut args, &schedule.set);
        set(&mut args, quick_set);
        let base = self.base.as_ref().map(|base| {
            let mut args = vec!["base".to_owned()];
            args.extend(base.iter().map(fill));
            set(&mut args, if quick { &self.quick.base_set } else { &[] });
            Base { folder: base_folder.clone(), args }
        });
        let place = Path::new(task).join(&schedule.name).join(format!("seed-{seed}"));
        Cell {
            task: task.to_owned(),
            schedule: schedule.name.clone(),
            seed,
            folder: places.runs.join(&place),
            kept: places.results.join("cells").join(&place),
            args,
            base,
        }
    }
}
