//! The grid against a stand-in program, and the aggregation against numbers worked by hand.

use super::*;
use crate::experiments::summary::{Level, Summary};

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn experiment(schedules: &[&str]) -> Experiment {
    let schedules: Vec<String> = schedules
        .iter()
        .map(|name| format!("{{ name = \"{name}\", set = ['schedule.kind=\"{name}\"'] }}"))
        .collect();
    let text = format!(
        "title = \"A test\"\ntasks = [\"countdown\"]\nseeds = [1, 2]\n\
         args = [\"--config\", \"{{task}}.toml\", \"--set\", \"seed={{seed}}\"]\n\
         schedules = [{}]\n[quick]\nset = [\"train.steps=2\"]\nseeds = 1\n",
        schedules.join(", ")
    );
    Experiment::parse(&text).expect("a valid experiment")
}

fn args(jobs: usize) -> Args {
    Args { name: "test".to_owned(), quick: false, seeds: None, jobs, collect: false, bin: None }
}

fn fake() -> PathBuf {
    crate::root().join("xtask/fixtures/fake-e2h")
}

fn places(folder: &Path) -> Places {
    Places { runs: folder.join("runs"), results: folder.join("results") }
}

fn run_grid(experiment: &Experiment, folder: &Path, jobs: usize) -> Result<Results> {
    let places = places(folder);
    let cells = experiment.cells(&places, false, None)?;
    let args = args(jobs);
    let grid = Grid { experiment, args: &args, folder: &places.results, cells: &cells };
    grid.run(folder, &fake())?;
    grid.collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn every_shipped_experiment_is_valid() {
    let folder = crate::root().join("configs/experiments");
    let mut n = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let experiment = Experiment::read(&crate::root(), name.expect("a name"));
        let experiment = experiment.expect("a valid experiment");
        let cells = experiment.cells(&Places::of("test", true), true, None);
        assert!(!cells.expect("cells").is_empty());
        n += 1;
    }
    assert!(n >= 2, "smoke and main at least");
}

#[test]
fn a_cell_has_the_arguments_of_its_place_in_the_grid() {
    let cells = experiment(&["balanced", "gaussian"])
        .cells(&Places::of("test", false), true, Some(2))
        .expect("cells");
    let names: Vec<String> = cells.iter().map(Cell::name).collect();
    assert_eq!(
        names,
        [
            "countdown/balanced/seed-1",
            "countdown/gaussian/seed-1",
            "countdown/balanced/seed-2",
            "countdown/gaussian/seed-2"
        ]
    );
    assert_eq!(
        cells[3].args.join(" "),
        "train --config countdown.toml --set seed=2 --set schedule.kind=\"gaussian\" \
         --set train.steps=2"
    );
    assert_eq!(cells[3].folder, Path::new("runs/experiments/test/countdown/gaussian/seed-2"));
    assert_eq!(cells[3].kept, Path::new("results/test/cells/countdown/gaussian/seed-2"));
}

#[test]
fn mistakes_in_an_experiment_are_told() {
    let good = "title = \"t\"\ntasks = [\"a\"]\nargs = []\nseeds = [1]\n\
                schedules = [{ name = \"balanced\", set = [] }]\n";
    assert!(Experiment::parse(good).is_ok());
    for (from, to, told) in [
        ("[\"a\"]", "[\"a/b\"]", "names a folder"),
        ("[\"a\"]", "[\"a\", \"a\"]", "twice"),
        ("[1]", "[1, 1]", "a seed is there twice"),
        ("[1]", "[]", "no seed"),
        ("\"balanced\"", "\"other\"", "baseline `balanced` is none"),
        ("title", "titel", "unknown field"),
    ] {
        let error = Experiment::parse(&good.replace(from, to)).expect_err(told);
        assert!(format!("{error:#}").contains(told), "{error:#}");
    }
    let too_many = experiment(&["balanced"]).cells(&Places::of("r", false), false, Some(3));
    assert!(too_many.is_err());
}

#[test]
fn a_grid_runs_what_is_not_done_and_goes_on_with_what_is_begun() {
    let folder = Folder::new("grid");
    let experiment = experiment(&["balanced", "gaussian"]);
    let results = run_grid(&experiment, &folder.0, 2).expect("the grid runs");
    assert_eq!((results.n_done, results.n_cells), (4, 4));
    let cells = experiment.cells(&places(&folder.0), false, None).expect("cells");

    // Done: the run folder is not needed any more.
    fs::remove_dir_all(&cells[0].folder).expect("there");
    // Begun: a checkpoint, and nothing kept.
    fs::remove_dir_all(&cells[1].kept).expect("there");
    fs::create_dir_all(cells[1].folder.join("checkpoints/step-5")).expect("writable");
    // Left over: neither, so it begins anew in an empty folder.
    fs::remove_dir_all(&cells[2].kept).expect("there");
    fs::write(cells[2].folder.join("left-over"), "").expect("writable");

    run_grid(&experiment, &folder.0, 1).expect("the grid runs again");
    assert!(!cells[0].folder.exists());
    let resumed =
        |cell: &Cell| read(&cell.kept.join("summary.json")).contains("\"resumed\":\"yes\"");
    assert!(resumed(&cells[1]) && !resumed(&cells[2]));
    assert!(!cells[2].folder.join("left-over").exists());
    assert!(read(&folder.0.join("results/table.md")).contains("| gaussian | 50.0 ± 0.0 | 2 |"));
    let json: serde_json::Value =
        serde_json::from_str(&read(&folder.0.join("results/results.json"))).expect("JSON");
    assert_eq!(json["tasks"][0]["schedules"][1]["levels"][0]["accuracy"]["by_seed"]["2"], 0.5);
}

#[test]
fn a_failed_cell_does_not_stop_the_others_and_fails_the_grid() {
    let folder = Folder::new("failed");
    let experiment = experiment(&["broken", "balanced"]);
    let error = run_grid(&experiment, &folder.0, 1).expect_err("two cells fail");
    let text = error.to_string();
    assert!(text.starts_with("2 of 4 cells failed"), "{text}");
    assert!(text.contains("countdown/broken/seed-1: exit code 1, see"));
    assert!(read(&folder.0.join("runs/countdown/broken/seed-1.log")).contains("it broke"));
    assert!(read(&folder.0.join("results/table.md")).contains("2 of 4 runs are in"));
}

#[test]
fn an_interrupted_cell_stops_the_grid() {
    let folder = Folder::new("stopped");
    let experiment = experiment(&["stopped", "balanced"]);
    let error = run_grid(&experiment, &folder.0, 1).expect_err("stopped");
    assert!(error.to_string().starts_with("stopped"), "{error}");
    assert!(!folder.0.join("runs/countdown/balanced/seed-1").exists());
}

#[test]
fn a_cell_of_other_settings_is_never_taken_for_this_one() {
    let folder = Folder::new("settings");
    let mut experiment = experiment(&["balanced"]);
    run_grid(&experiment, &folder.0, 1).expect("the grid runs");
    experiment.args.push("--dry".to_owned());
    let error = run_grid(&experiment, &folder.0, 1).expect_err("made otherwise");
    assert!(error.to_string().contains("other settings"), "{error}");
}

#[test]
fn all_schedules_of_a_seed_start_from_one_policy_that_is_trained_once() {
    let folder = Folder::new("base");
    let mut experiment = experiment(&["balanced", "gaussian"]);
    experiment.base = Some(vec!["--set".to_owned(), "seed={seed}".to_owned()]);
    experiment.args.extend(["--model".to_owned(), "{base}".to_owned()]);
    let cells = experiment.cells(&places(&folder.0), false, None).expect("cells");
    let base = folder.0.join("runs/countdown/base/seed-1");
    assert!(cells[0].args.ends_with(&["--set".into(), "schedule.kind=\"balanced\"".into()]));
    assert!(cells[1].args.contains(&base.to_string_lossy().into_owned()));
    run_grid(&experiment, &folder.0, 2).expect("the grid runs");
    // The stand-in writes its arguments, a line a call.
    assert_eq!(read(&base.join("calls")), "base --set seed=1\n");
    fs::remove_dir_all(folder.0.join("results")).expect("there");
    run_grid(&experiment, &folder.0, 2).expect("the grid runs again");
    assert_eq!(read(&base.join("calls")), "base --set seed=1\n");
}

#[test]
fn the_baselines_price_is_worked_out_seed_by_seed() {
    let folder = Folder::new("budget");
    let mut experiment = experiment(&["balanced", "gaussian"]);
    let of = vec!["gaussian".to_owned()];
    experiment.budget = Some(plan::Budget { of, against: "balanced".to_owned() });
    let results = run_grid(&experiment, &folder.0, 1).expect("the grid runs");
    // The stand-in reaches the 0.5 of all its runs at step 20, and a run has 10 steps.
    assert_eq!(results.budget[0].by_seed, [(1, 2.0), (2, 2.0)].into());
    assert!(results.budget[0].censored.is_empty());
    let table = read(&folder.0.join("results/table.md"));
    assert!(table.contains("| gaussian | 2.0 ± 0.0 | 2 | 0 |"), "{table}");
}

fn summary(schedule: &str, seed: u64, hard: f64) -> Summary {
    let level = |level: u16, ood: bool, accuracy: f64| Level {
        level,
        label: format!("{} numbers", level + 2),
        ood,
        n: 200,
        base_accuracy: Some(0.25),
        accuracy,
        base_pass_at_k: None,
        pass_at_k: Some(accuracy + 0.1),
    };
    Summary {
        task: "countdown".to_owned(),
        schedule: schedule.to_owned(),
        seed,
        steps: 300,
        wall_s: 90.0,
        levels: vec![level(0, false, 0.75), level(1, false, hard), level(2, true, 0.0)],
    }
}

#[test]
fn the_table_shows_the_numbers_worked_by_hand() {
    let experiment = experiment(&["balanced", "gaussian"]);
    // Balanced 0.10, 0.20, and 0.30 on a seed that gaussian lacks; gaussian 0.30, 0.36.
    // Means 0.2 and 0.33; half widths 4.302653 * 0.1 / sqrt(3) = 0.248 and 12.7062 * 0.0424264 / sqrt(2) = 0.381.
    // Differences 0.20, 0.16: mean 0.18, s = 0.0282843, half width 12.7062 * 0.02 = 0.254, t = 9,
    // p = 1 - 2 atan(9) / pi = 0.070.
    let runs = [
        summary("balanced", 1, 0.10),
        summary("gaussian", 1, 0.30),
        summary("balanced", 2, 0.20),
        summary("gaussian", 2, 0.36),
        summary("balanced", 3, 0.30),
    ];
    let results = aggregate::results(&experiment, 6, &runs);
    let expected = "\
# A test

5 of 6 runs are in. Numbers are percent of test problems: mean over seeds ± half width of the 95% t-interval; \
with one seed there is no interval.

## countdown

Greedy accuracy.

| schedule | 2 numbers | 3 numbers | 4 numbers (OOD) | seeds | steps | minutes |
|---|---:|---:|---:|---:|---:|---:|
| (before training) | 25.0 ± 0.0 | 25.0 ± 0.0 | 25.0 ± 0.0 | – | – | – |
| balanced | 75.0 ± 0.0 | 20.0 ± 24.8 | 0.0 ± 0.0 | 3 | 300 | 1.5 |
| gaussian | 75.0 ± 0.0 | 33.0 ± 38.1 | 0.0 ± 0.0 | 2 | 300 | 1.5 |

Pass@k.

| schedule | 2 numbers | 3 numbers | 4 numbers (OOD) | seeds | steps | minutes |
|---|---:|---:|---:|---:|---:|---:|
| (before training) | – | – | – | – | – | – |
| balanced | 85.0 ± 0.0 | 30.0 ± 24.8 | 10.0 ± 0.0 | 3 | 300 | 1.5 |
| gaussian | 85.0 ± 0.0 | 43.0 ± 38.1 | 10.0 ± 0.0 | 2 | 300 | 1.5 |

Greedy accuracy on level 1 (3 numbers) minus that of balanced, in points, paired by seed; p of the paired \
t-test, not adjusted for the number of rows.

| schedule | difference | p | seeds |
|---|---:|---:|---:|
| gaussian | +18.0 ± 25.4 | 0.070 | 2 |
";
    assert_eq!(table::markdown(&results), expected);
    assert_eq!(
        table::ways(&results),
        "5 of 6 runs are in\ncountdown gaussian: +18.0 ± 25.4 points against balanced on level 1\n"
    );
}

#[test]
fn the_time_to_go_is_the_mean_pace_times_the_rounds_left() {
    let minutes = |n| Duration::from_secs(60_u64 * n);
    assert_eq!(eta((minutes(12), 3), 5, 2), Some(minutes(12)));
    assert_eq!(eta((Duration::ZERO, 0), 5, 2), None);
    assert_eq!(eta((minutes(1), 1), 0, 1), None);
    assert_eq!(clock(Duration::from_secs(45)), "45s");
    assert_eq!(clock(Duration::from_secs(250)), "4m10s");
    assert_eq!(clock(Duration::from_secs(11_100)), "3h05m");
}
