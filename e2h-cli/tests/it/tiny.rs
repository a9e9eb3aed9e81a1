//! Runs of a second: a decoder of a few thousand weights on the easiest problems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::{command, ok};

/// The base almost never gets the format right; the overlong penalty is what its updates learn from.
const SETS: [&str; 15] = [
    "train.steps=6",
    "train.prompts=4",
    "train.group_size=4",
    "train.sampling.max_tokens=24",
    "train.lr=1e-2",
    "train.entropy_coef=0.01",
    "train.overlong_buffer=20",
    "data.problems_per_level=16",
    "eval.problems_per_level=4",
    "eval.n_samples=2",
    "eval.k=[1, 2]",
    "run.save_every=2",
    "run.eval_every=3",
    "run.sample_every=1",
    "run.keep_last=2",
];

/// A base policy of a few thousand weights; it is made once for all tests.
pub(crate) fn model() -> &'static Path {
    static MODEL: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("base");
        let out = path.display().to_string();
        let sets = [
            "base.hidden_size=16",
            "base.intermediate_size=32",
            "base.n_layers=1",
            "base.n_heads=2",
            "base.sft.batch=8",
        ];
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        ok(
            folder.path(),
            &["base", "--steps", "30", "--out", &out].into_iter().chain(sets).collect::<Vec<_>>(),
        );
        (folder, path)
    });
    path
}

/// `e2h train` on a new run `name` in `folder`, with further arguments.
pub(crate) fn train(folder: &Path, name: &str, extra: &[&str]) -> Command {
    let model = model().display().to_string();
    let args = ["train", "--quiet", "--run-dir", name, "--model", &model];
    let sets = SETS.iter().flat_map(|set| ["--set", set]);
    command(folder, &args.into_iter().chain(sets).chain(extra.iter().copied()).collect::<Vec<_>>())
}

/// `e2h train --resume`.
pub(crate) fn resume(folder: &Path, name: &str) -> Command {
    command(folder, &["train", "--quiet", "--resume", name])
}

/// Runs a command to its end: exit code and stderr.
pub(crate) fn end(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("e2h starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a command that must succeed.
pub(crate) fn succeeds(command: &mut Command) {
    let (code, stderr) = end(command);
    assert_eq!(code, Some(0), "{stderr}");
}

/// The lines of a JSONL file without their time fields.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a JSONL file");
    let parse = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("a JSON line");
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| !key.starts_with("time/"));
        }
        value
    };
    text.lines().map(parse).collect()
}

/// Starts a run, waits until it reaches `place` of `step`, where it stops, and kills it.
pub(crate) fn kill_at(run: &mut Command, folder: &Path, place: &str, step: u64) {
    kill_after(run, folder, (place, step), "pause", Duration::ZERO);
}

/// Starts a run, waits until it reaches `place` of `step`, does `action` there, and kills it `delay` later.
pub(crate) fn kill_after(
    run: &mut Command,
    folder: &Path,
    (place, step): (&str, u64),
    action: &str,
    delay: Duration,
) {
    let seen = tempfile::tempdir_in(folder).expect("a temporary folder");
    let seen = seen.path().join("seen");
    let plan = format!("{place}@{step}={action}:{}", seen.display());
    let mut child = run.env("E2H_FAULT", &plan).spawn().expect("e2h starts");
    let start = Instant::now();
    while !seen.exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(delay);
    // SIGKILL: the process has no say in it.
    let _ = child.kill();
    child.wait().expect("a child");
    assert!(seen.exists(), "the run never came to {place} of {step}");
}

/// Fails unless both runs left the same lines and the same last checkpoint: weights, optimiser and all other state.
pub(crate) fn same_run(a: &Path, b: &Path, what: &str) {
    for name in ["metrics.jsonl", "samples.jsonl", "eval.jsonl"] {
        assert_eq!(lines(&a.join(name)), lines(&b.join(name)), "{what}: {name}");
    }
    let sums = |run: &Path| fs::read_to_string(run.join("checkpoints/step-6/SHA256SUMS"));
    assert_eq!(sums(a).expect("checksums"), sums(b).expect("checksums"), "{what}");
}
