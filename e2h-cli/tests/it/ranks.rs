//! Runs on several processes, started by `mpirun`: the same run on any number of them, and how it ends when one fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::skipped;
use crate::tiny::{end, lines, model, resume, same_run, succeeds, train};

/// What Open MPI wants to be told on a small machine or in a container; MPICH passes it over.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("PRTE_ALLOW_RUN_AS_ROOT", "1"),
    ("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
];

/// Parts of a gradient, so that a run is the same to the bit on 1, 2 and 4 ranks.
const SHARDS: [&str; 2] = ["--set", "train.shards=4"];

/// True where this build and this machine can start several ranks.
fn can_start() -> bool {
    if !cfg!(feature = "mpi") {
        skipped("this build has no feature mpi");
        return false;
    }
    let there = Command::new("mpirun").arg("--version").output();
    let there = there.is_ok_and(|output| output.status.success());
    if !there {
        skipped("there is no mpirun");
    }
    there
}

/// `mpirun` on `n` ranks of `run`.
fn on(n: usize, run: &Command) -> Command {
    together(&[(n, run)])
}

/// `mpirun` on so many ranks of each, in one job.
fn together(parts: &[(usize, &Command)]) -> Command {
    let mut job = Command::new("mpirun");
    job.envs(ENVIRONMENT);
    for (index, (n, run)) in parts.iter().enumerate() {
        if index > 0 {
            job.arg(":");
        }
        job.args(["-np", &n.to_string()]).arg(run.get_program()).args(run.get_args());
        if let Some(folder) = run.get_current_dir() {
            job.current_dir(folder);
        }
    }
    job
}

/// `run` in a shell that first does `script`.
fn after(script: &str, run: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{script}; exec \"$0\" \"$@\""));
    shell.arg(run.get_program()).args(run.get_args());
    if let Some(folder) = run.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// A job of two ranks, the second with a plan of faults.
fn second_with(plan: &str, run: &Command) -> Command {
    together(&[(1, run), (1, &after(&format!("export E2H_FAULT='{plan}'"), run))])
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Names of files in a run and below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(
                files(&path)
                    .into_iter()
                    .map(|file| Path::new(path.file_name().expect("a name")).join(file)),
            ),
            false => all.push(path.file_name().expect("a name").into()),
        }
    }
    all.sort();
    all
}

#[test]
fn one_two_and_four_ranks_make_the_same_run_and_the_first_alone_writes() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |n: usize| folder.path().join(n.to_string());
    succeeds(&mut train(folder.path(), "1", &SHARDS));
    for n in [2, 4] {
        let (code, stderr) = end(&mut on(n, &train(folder.path(), &n.to_string(), &SHARDS)));
        assert_eq!(code, Some(0), "{n} ranks: {stderr}");
        same_run(&path(n), &path(1), &format!("{n} ranks"));
        assert_eq!(files(&path(n)), files(&path(1)), "{n} ranks");
    }
}

#[test]
fn without_shards_the_first_twenty_steps_agree_within_rounding() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |n: usize| folder.path().join(n.to_string());
    let extra = ["--set", "train.steps=20", "--set", "run.eval_every=0"];
    succeeds(&mut train(folder.path(), "1", &extra));
    let words = |n: usize| -> Vec<Value> {
        let samples = lines(&path(n).join("samples.jsonl"));
        samples.iter().map(|line| line["completion"].clone()).collect()
    };
    for n in [2, 4] {
        succeeds(&mut on(n, &train(folder.path(), &n.to_string(), &extra)));
        assert_eq!(words(n), words(1), "{n} ranks");
        let steps = lines(&path(1).join("metrics.jsonl"));
        let others = lines(&path(n).join("metrics.jsonl"));
        assert_eq!((steps.len(), others.len()), (20, 20));
        for (a, b) in steps.iter().zip(&others) {
            for key in ["loss", "grad_norm", "entropy"] {
                let (a, b) = (a[key].as_f64(), b[key].as_f64());
                let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-4 * (1.0 + a.abs());
                assert!(a.zip(b).map_or(a == b, near), "{n} ranks, {key}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_killed_rank_is_named_and_the_run_goes_on_with_another_number_of_ranks() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &SHARDS));
    let (seen, pid) = (folder.path().join("seen"), folder.path().join("pid"));
    let run = train(folder.path(), "run", &SHARDS);
    let plan = format!("E2H_FAULT='update@3=pause:{}'", seen.display());
    let script = format!("echo $$ > '{}'; export {plan}", pid.display());
    let mut job = together(&[(1, &run), (1, &after(&script, &run))]);
    let started = std::thread::spawn(move || end(&mut job));
    wait_for(&seen);
    let pid = fs::read_to_string(pid).expect("its number");
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().expect("kill runs").success());
    let (code, stderr) = started.join().expect("mpirun ends");
    assert_ne!(code, Some(0), "{stderr}");
    assert!(stderr.contains("rank 1") && stderr.contains("signal 9"), "{stderr}");
    assert!(folder.path().join("run/checkpoints/step-2/SHA256SUMS").exists());
    succeeds(&mut on(4, &resume(folder.path(), "run")));
    same_run(&folder.path().join("run"), &folder.path().join("whole"), "resumed on 4 ranks");
}

#[test]
fn a_signal_to_all_ranks_stops_after_the_step_with_everything_saved() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &SHARDS));
    let path = |name: &str| folder.path().join(name);
    let run = train(folder.path(), "run", &SHARDS);
    let first = after(&format!("echo $$ > '{}'", path("first").display()), &run);
    let plan = format!("E2H_FAULT='rollout@3=hold:{}'", path("seen").display());
    let script = format!("echo $$ > '{}'; export {plan}", path("second").display());
    let mut job = together(&[(1, &first), (1, &after(&script, &run))]);
    let started = std::thread::spawn(move || end(&mut job));
    wait_for(&path("seen"));
    for name in ["second", "first"] {
        let pid = fs::read_to_string(path(name)).expect("its number");
        let sent = Command::new("kill").args(["-TERM", pid.trim()]).status();
        assert!(sent.expect("kill runs").success());
    }
    let (code, stderr) = started.join().expect("mpirun ends");
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("stopped after 4 of 6 steps"), "{stderr}");
    succeeds(&mut on(2, &resume(folder.path(), "run")));
    same_run(&path("run"), &path("whole"), "stopped and resumed");
}

#[test]
fn a_rank_that_stalls_or_panics_ends_the_run_by_name() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &SHARDS));
    for (name, plan, told) in [
        ("stalls", "update@3=pause:seen", "error: rank 1 has not answered for 2 s"),
        ("panics", "update@3=panic", "error: rank 1 failed: a mistake in the program"),
    ] {
        let mut job = second_with(plan, &train(folder.path(), name, &SHARDS));
        let (code, stderr) = end(job.env("E2H_RANK_PATIENCE_S", "2"));
        assert_ne!(code, Some(0), "{stderr}");
        assert!(stderr.contains(told), "{name}: {stderr}");
        assert!(stderr.contains("hint: the newest checkpoint is whole"), "{name}: {stderr}");
        succeeds(&mut resume(folder.path(), name));
        same_run(&folder.path().join(name), &folder.path().join("whole"), name);
    }
}

#[test]
fn ranks_with_another_configuration_program_or_model_refuse_to_start() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = train(folder.path(), "run", &[]);
    let other = train(folder.path(), "run", &["--set", "train.lr=2e-2"]);
    // The same program to the machine, with a byte more behind it.
    let program = folder.path().join("e2h");
    fs::copy(run.get_program(), &program).expect("copied");
    let bytes = fs::OpenOptions::new().append(true).open(&program);
    std::io::Write::write_all(&mut bytes.expect("opened"), b"x").expect("written");
    let mut newer = Command::new(&program);
    newer.args(run.get_args());
    // The same path on two machines with other weights behind it.
    for name in ["a", "b"] {
        let place = folder.path().join(name);
        fs::create_dir(&place).expect("a folder");
        let copied = Command::new("cp").arg("-r").arg(model()).arg(place.join("base")).status();
        assert!(copied.expect("cp runs").success());
    }
    let weights = folder.path().join("b/base/model.safetensors");
    let mut bytes = fs::read(&weights).expect("weights");
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    fs::write(&weights, bytes).expect("written");
    let mut local = Command::new(run.get_program());
    local.args(run.get_args().map(|arg| if arg == model() { "base".as_ref() } else { arg }));
    let (first, second) = (after("cd a", &local), after("cd b", &local));
    for (job, told) in [
        (together(&[(1, &run), (1, &other)]), "has another configuration than rank 0: `lr = 0.02`"),
        (together(&[(1, &run), (1, &newer)]), "has another version than rank 0: "),
        (together(&[(1, &first), (1, &second)]), "has another model than rank 0: "),
    ] {
        let mut job = job;
        let (code, stderr) = end(job.current_dir(folder.path()));
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(&format!("error: rank 1 {told}")), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "said once: {stderr}");
        assert!(!folder.path().join("run").exists(), "a run folder was made");
    }
}

#[test]
fn a_mistake_on_all_ranks_is_said_once() {
    if !can_start() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (set, told) in [
        ("train.lr=-1", "error: "),
        ("train.shards=3", "error: train.shards is 3, which 4 ranks cannot share alike"),
    ] {
        let (code, stderr) = end(&mut on(4, &train(folder.path(), "run", &["--set", set])));
        assert_eq!(code, Some(2), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn one_of_several_processes_that_cannot_find_the_others_refuses_to_train() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut alone = train(folder.path(), "run", &[]);
    let (code, stderr) = end(alone.envs(ENVIRONMENT).env("SLURM_STEP_NUM_TASKS", "3"));
    let told = match cfg!(feature = "mpi") {
        true => "3 processes were started, but MPI joins only 1",
        false => "this is one of 3 processes, but the program is built without MPI",
    };
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(told), "{stderr}");
    assert!(!folder.path().join("run").exists());
}
