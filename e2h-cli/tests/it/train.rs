//! Training, evaluation, resuming.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::run::{command, e2h, json, ok};
use crate::tiny::lines;

/// A run of seconds.
const TINY: [&str; 7] = [
    "train.steps=6",
    "train.prompts=4",
    "train.group_size=4",
    "data.problems_per_level=32",
    "eval.problems_per_level=12",
    "run.save_every=2",
    "run.sample_every=1",
];

fn train_args<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    let sets = TINY.iter().flat_map(|set| ["--set", set]);
    ["train", "--quiet"].into_iter().chain(sets).chain(extra.iter().copied()).collect()
}

#[test]
fn a_run_writes_its_files_and_eval_repeats_its_table() {
    for task in ["countdown", "blocksworld"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        ok(folder.path(), &train_args(&["--task", task, "--run-dir", "run"]));
        let run = folder.path().join("run");
        assert_eq!(lines(&run.join("metrics.jsonl")).len(), 6);
        assert_eq!(lines(&run.join("samples.jsonl")).len(), 6 * 4);
        assert_eq!(lines(&run.join("eval.jsonl")).len(), 2);
        let summary = json(&fs::read_to_string(run.join("summary.json")).expect("a summary"));
        let report = json(&ok(folder.path(), &["eval", "run", "--json"]));
        assert_eq!(report["train_mean"], summary["train_mean"]);
        let levels = |value: &Value| value["levels"].as_array().expect("levels").clone();
        for (again, first) in levels(&report).iter().zip(levels(&summary)) {
            assert_eq!(again["accuracy"], first["accuracy"]);
            assert_eq!(again["n"], first["n"]);
        }
        let page = fs::read_to_string(run.join("report.html")).expect("a page");
        assert!(page.starts_with("<!doctype html>") && page.contains("<svg"));
        ok(folder.path(), &["report", "run", "run", "--out", "both.html"]);
        assert!(folder.path().join("both.html").exists());
        let config = ok(folder.path(), &["config", "show", "-c", "run/config.toml"]);
        assert!(config.contains(&format!("task.kind = \"{task}\"")), "{config}");
        let samples = ok(folder.path(), &["sample", "run", "--level", "1", "-n", "2", "--json"]);
        assert_eq!(samples.lines().filter(|line| line.starts_with('{')).count(), 2);
    }
}

#[test]
fn the_burn_engine_gives_the_same_run_up_to_rounding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for engine in ["fused", "burn"] {
        let set = format!("model.engine={engine}");
        ok(folder.path(), &train_args(&["--steps", "2", "--set", &set, "--run-dir", engine]));
    }
    let metrics = |name: &str| lines(&folder.path().join(name).join("metrics.jsonl"));
    let close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-3 * (1.0 + a.abs()),
        _ => a == b,
    };
    let (fused, burn) = (&metrics("fused")[0], &metrics("burn")[0]);
    for (key, value) in fused.as_object().expect("an object") {
        assert!(close(value, &burn[key]), "{key}: {value} and {}", burn[key]);
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, seed) in [("a", "5"), ("b", "5"), ("c", "6")] {
        ok(folder.path(), &train_args(&["--run-dir", name, "--seed", seed]));
    }
    let metrics = |name: &str| lines(&folder.path().join(name).join("metrics.jsonl"));
    assert_eq!(metrics("a"), metrics("b"));
    assert_ne!(metrics("a"), metrics("c"));
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    ok(folder.path(), &train_args(&["--run-dir", "whole"]));
    let whole = folder.path().join("whole");
    let killed = folder.path().join("killed");
    let mut args = train_args(&["--run-dir", "killed"]);
    let mut kills = 0;
    // Each try gets a little longer, so that the run ends on a machine of any speed.
    for delay_ms in (1..).map(|n| 100 + 60 * n) {
        let mut child = command(folder.path(), &args).spawn().expect("e2h starts");
        std::thread::sleep(Duration::from_millis(delay_ms));
        let ended = child.try_wait().expect("a child").is_some();
        let _ = child.kill();
        child.wait().expect("a child");
        if ended {
            break;
        }
        kills += 1;
        if killed.join("config.toml").exists() {
            args = vec!["train", "--quiet", "--resume", "killed"];
        }
    }
    assert!(kills > 0, "the run was over before the first kill");
    for name in ["metrics.jsonl", "samples.jsonl", "eval.jsonl"] {
        assert_eq!(lines(&killed.join(name)), lines(&whole.join(name)), "{name}");
    }
    let weights = |run: &Path| fs::read(run.join("checkpoints/step-6/model.safetensors"));
    assert_eq!(weights(&killed).expect("weights"), weights(&whole).expect("weights"));
}

#[test]
fn an_interrupted_run_saves_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = train_args(&["--run-dir", "run", "--steps", "1000"]);
    let child = command(folder.path(), &args).stderr(Stdio::piped()).spawn().expect("e2h starts");
    let metrics = folder.path().join("run/metrics.jsonl");
    while !metrics.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill runs").success());
    let output = child.wait_with_output().expect("a child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("hint: go on with `e2h train --resume run`"), "{stderr}");
    let n = lines(&metrics).len();
    assert!(folder.path().join(format!("run/checkpoints/step-{n}/trainer/state.json")).exists());
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    ok(folder.path(), &train_args(&["--run-dir", "whole"]));
    ok(folder.path(), &train_args(&["--run-dir", "run"]));
    let run = folder.path().join("run");
    let weights = run.join("checkpoints/step-6/model.safetensors");
    let mut bytes = fs::read(&weights).expect("weights");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).expect("writable");
    let finished = e2h(folder.path(), &["train", "--resume", "run"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("step-6 is passed over"), "{}", finished.stderr);
    assert!(finished.stderr.contains("resumed after 4 steps"), "{}", finished.stderr);
    let whole = lines(&folder.path().join("whole/metrics.jsonl"));
    assert_eq!(lines(&run.join("metrics.jsonl")), whole);
}

#[test]
fn an_adapter_is_trained_saved_for_peft_and_taken_up_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lora = ["--set", "model.lora.rank=4", "--set", "train.kl_beta=0.01"];
    let args = |extra: &[&'static str]| train_args(&[&lora[..], extra].concat());
    ok(folder.path(), &args(&["--run-dir", "whole"]));
    ok(folder.path(), &args(&["--run-dir", "half", "--set", "run.keep_last=9"]));
    let checkpoint = folder.path().join("half/checkpoints/step-6");
    assert!(!checkpoint.join("model.safetensors").exists());
    let config = fs::read_to_string(checkpoint.join("adapter_config.json")).expect("a config");
    let config = json(&config);
    assert_eq!(config["r"], 4);
    assert_eq!(config["base_model_name_or_path"], "embedded:countdown-nano");
    // Go back to step 2, and on from there.
    for step in ["step-4", "step-6"] {
        fs::remove_dir_all(folder.path().join("half/checkpoints").join(step)).expect("removed");
    }
    let resumed = e2h(folder.path(), &["train", "--quiet", "--resume", "half"]);
    assert!(resumed.stderr.contains("resumed after 2 steps"), "{}", resumed.stderr);
    for name in ["metrics.jsonl", "samples.jsonl", "eval.jsonl"] {
        let of = |run: &str| lines(&folder.path().join(run).join(name));
        assert_eq!(of("half"), of("whole"), "{name}");
    }
    let adapter = |run: &str| {
        fs::read(folder.path().join(run).join("checkpoints/step-6/adapter_model.safetensors"))
    };
    assert_eq!(adapter("half").expect("an adapter"), adapter("whole").expect("an adapter"));
    let summary = fs::read_to_string(folder.path().join("whole/summary.json")).expect("a summary");
    let report = json(&ok(folder.path(), &["eval", "whole", "--json"]));
    assert_eq!(report["train_mean"], json(&summary)["train_mean"]);
}
