//! Whole runs with the options of the loop: refills, replay, a reference that moves. Each does something, and each
//! run goes on after a kill as if it had not been.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::e2h;
use crate::tiny::{end, kill_at, lines, resume, same_run, succeeds, train};

/// `--set` before each of `sets`.
fn flags<'a>(sets: &[&'a str]) -> Vec<&'a str> {
    sets.iter().flat_map(|set| ["--set", set]).collect()
}

fn column(run: &Path, key: &str) -> Vec<f64> {
    let value = |line: &Value| line[key].as_f64().unwrap_or(f64::NAN);
    lines(&run.join("metrics.jsonl")).iter().map(value).collect()
}

/// Runs to the end; then again, killed at each of `places`, once a run; all must leave the same.
fn survives(sets: &[&str], places: &[(&str, u64)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flags = flags(sets);
    succeeds(&mut train(folder.path(), "whole", &flags));
    for (place, step) in places {
        let name = format!("{}-{step}", place.replace('/', "-"));
        kill_at(&mut train(folder.path(), &name, &flags), folder.path(), place, *step);
        succeeds(&mut resume(folder.path(), &name));
        let what = format!("{sets:?}, killed in {place} of step {step}");
        same_run(&folder.path().join(&name), &folder.path().join("whole"), &what);
    }
    folder
}

#[test]
fn dropped_groups_are_drawn_again_up_to_the_bound_and_their_waste_is_reported() {
    let sets = ["train.dynamic_sampling=true", "train.max_refills=2"];
    let folder = survives(&sets, &[("score", 3), ("save/state", 4)]);
    let run = folder.path().join("whole");
    let (refills, dropped) = (column(&run, "groups/refills"), column(&run, "groups/dropped"));
    assert!(refills.iter().any(|n| *n > 0.0) && refills.iter().all(|n| *n <= 2.0), "{refills:?}");
    for (line, dropped) in lines(&run.join("metrics.jsonl")).iter().zip(dropped) {
        let groups = line["groups/outcomes"].as_array().expect("groups");
        // All refills of a step are of the step's own curriculum: its probabilities are logged once.
        assert_eq!(groups.len() as f64, 4.0 + dropped - missing(line), "{line}");
        assert_eq!(line["rollout/wasted_tokens"].as_f64() > Some(0.0), dropped > 0.0, "{line}");
    }
    let off = folder.path().join("off");
    succeeds(&mut train(folder.path(), "off", &flags(&["train.dynamic_sampling=false"])));
    assert!(column(&off, "groups/dropped").iter().all(|n| *n == 0.0));
    let learned = |run: &Path| column(run, "groups/learned").iter().sum::<f64>();
    assert!(learned(&run) > learned(&off), "{} {}", learned(&run), learned(&off));
}

/// Groups that a step was to have and did not get within its refills.
fn missing(line: &Value) -> f64 {
    let n = line["groups/outcomes"].as_array().map_or(0, Vec::len) as f64;
    (4.0 - (n - line["groups/dropped"].as_f64().expect("a number"))).max(0.0)
}

#[test]
fn groups_of_earlier_steps_stand_in_for_groups_that_teach_nothing() {
    let sets = ["train.replay_groups=6", "train.replay_max_age=3"];
    let folder = survives(&sets, &[("rollout", 4), ("save/rename", 4), ("update", 5)]);
    let run = folder.path().join("whole");
    let replayed = column(&run, "groups/replayed");
    assert_eq!(replayed[0], 0.0, "nothing is in memory before the first step");
    assert!(replayed.iter().any(|n| *n > 0.0), "{replayed:?}");
    let state = fs::read(run.join("checkpoints/step-4/trainer/state.json")).expect("a state");
    let state: Value = serde_json::from_slice(&state).expect("JSON");
    let memory = state["replay"].as_array().expect("a memory");
    assert!(!memory.is_empty() && memory.len() <= 6, "{}", memory.len());
    // Old completions are off policy; the first ratio is of the step's own alone.
    for ratio in column(&run, "sampling/importance_sampling_ratio/mean") {
        assert!(ratio.is_nan() || (ratio - 1.0).abs() < 1e-3, "{ratio}");
    }
}

#[test]
fn a_moving_reference_stays_nearer_than_a_frozen_one_and_is_in_the_checkpoint() {
    let (kl, sync) = ("train.kl_beta=0.05", "train.reference_sync_steps=2");
    let folder = survives(&[kl, sync], &[("update", 3), ("save", 4), ("step", 5)]);
    let run = folder.path().join("whole");
    assert!(run.join("checkpoints/step-4/trainer/reference.safetensors").exists());
    succeeds(&mut train(folder.path(), "frozen", &flags(&[kl])));
    let frozen = folder.path().join("frozen");
    assert!(!frozen.join("checkpoints/step-4/trainer/reference.safetensors").exists());
    let (moving, still) = (column(&run, "kl"), column(&frozen, "kl"));
    // The first two steps are the same; then the reference has moved, and the runs part.
    assert_eq!(moving[..2], still[..2]);
    let sum = |kl: &[f64]| kl[2..].iter().filter(|kl| kl.is_finite()).sum::<f64>();
    assert!(sum(&moving) < sum(&still), "{moving:?} {still:?}");
}

#[test]
fn a_reference_that_cannot_move_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let none = ["--set", "train.reference_sync_steps=2"];
    let (code, stderr) = end(&mut train(folder.path(), "run", &none));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("must be 0 while kl_beta is 0"), "{stderr}");
    let sets = ["train.reference_sync_steps=2", "train.kl_beta=0.1", "model.lora.rank=2"];
    let (code, stderr) = end(&mut train(folder.path(), "run", &flags(&sets)));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("the frozen model below it") && stderr.contains("hint: "), "{stderr}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_weight_for_an_unknown_part_of_the_reward_is_refused_with_the_known_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = |name: &str| {
        let set = format!("train.reward_weights=[{{name=\"{name}\", weight=0.5}}]");
        let finished = e2h(folder.path(), &["config", "show", "--set", &set]);
        assert_eq!(finished.code, Some(2), "{name}: {}", finished.stderr);
        finished.stderr
    };
    let stderr = refused("fromat");
    assert!(stderr.contains("a part of countdown's reward: format, correct"), "{stderr}");
    assert!(stderr.contains("did you mean `format`?"), "{stderr}");
    assert!(refused("overlong").contains("overlong_penalty"));
    let set = "train.reward_weights=[{name=\"format\", weight=0.5}]";
    assert_eq!(e2h(folder.path(), &["config", "show", "--set", set]).code, Some(0));
}

#[test]
fn a_checkpoint_without_checksums_is_taken_up_with_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    let sets = flags(&["run.keep_last=9"]);
    kill_at(&mut train(folder.path(), "run", &sets), folder.path(), "rollout", 5);
    let run = folder.path().join("run");
    fs::remove_file(run.join("checkpoints/step-4/SHA256SUMS")).expect("removed");
    let (code, stderr) = end(&mut resume(folder.path(), "run"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("step-4 has no SHA256SUMS"), "{stderr}");
    assert!(stderr.contains("resumed after 4 steps"), "{stderr}");
    same_run(&run, &folder.path().join("whole"), "without checksums");
}
