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
fn survives(args: &[&str], places: &[(&str, u64)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", args));
    for (place, step) in places {
        let name = format!("{}-{step}", place.replace('/', "-"));
        kill_at(&mut train(folder.path(), &name, args), folder.path(), place, *step);
        succeeds(&mut resume(folder.path(), &name));
        let what = format!("{args:?}, killed in {place} of step {step}");
        same_run(&folder.path().join(&name), &folder.path().join("whole"), &what);
    }
    folder
}

/// Settings under which the rewards of some groups are all equal, and of others not: both rollouts of a group may be
/// cut at the limit, or both end early.
const SOME_EQUAL: [&str; 2] = ["train.group_size=2", "train.overlong_buffer=4"];

#[test]
fn dropped_groups_are_drawn_again_up_to_the_bound_and_their_waste_is_reported() {
    // Each step of this schedule has one level only, so a draw of another step's level would show.
    let plain = [&flags(&SOME_EQUAL)[..], &["--schedule", "classic"]].concat();
    let sets = flags(&["train.dynamic_sampling=true", "train.max_refills=2"]);
    let args = [&plain[..], &sets].concat();
    let folder = survives(&args, &[("score", 3), ("save/state", 4)]);
    let run = folder.path().join("whole");
    let (mut n_refills, mut n_dropped) = (0, 0);
    for line in lines(&run.join("metrics.jsonl")) {
        let n = |key: &str| line[key].as_u64().expect("a count");
        let groups = line["groups/outcomes"].as_array().expect("groups");
        let (refills, dropped) = (n("groups/refills"), n("groups/dropped"));
        let kept = groups.len() as u64 - dropped;
        assert!(kept == 4 || (kept < 4 && refills == 2), "{line}");
        assert_eq!(n("rollout/wasted_tokens") > 0, dropped > 0, "{line}");
        let level = &groups[0][0];
        assert!(groups.iter().all(|group| group[0] == *level), "{line}");
        assert_eq!(line[format!("schedule/level_{level}/prob")], 1.0, "{line}");
        (n_refills, n_dropped) = (n_refills + refills, n_dropped + dropped);
    }
    assert!(n_refills > 0 && n_dropped > 0, "{n_refills} {n_dropped}");
    succeeds(&mut train(folder.path(), "off", &plain));
    let off = folder.path().join("off");
    assert!(column(&off, "groups/dropped").iter().all(|n| *n == 0.0));
    let learned = |run: &Path| column(run, "groups/learned").iter().sum::<f64>();
    assert!(learned(&run) > learned(&off), "{} {}", learned(&run), learned(&off));
}

#[test]
fn groups_of_earlier_steps_stand_in_for_groups_that_teach_nothing() {
    let replay = ["train.replay_groups=6", "train.replay_max_age=3"];
    let sets = flags(&[&SOME_EQUAL[..], &replay].concat());
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
    // So many rollouts that every step has an update.
    let sets = ["train.kl_beta=0.05", "train.prompts=16", "train.group_size=8"];
    let moves = flags(&[&sets[..], &["train.reference_sync_steps=2"]].concat());
    let folder = survives(&moves, &[("update", 3), ("save", 4), ("step", 5)]);
    let run = folder.path().join("whole");
    assert!(run.join("checkpoints/step-4/trainer/reference.safetensors").exists());
    succeeds(&mut train(folder.path(), "frozen", &flags(&sets)));
    let frozen = folder.path().join("frozen");
    assert!(!frozen.join("checkpoints/step-4/trainer/reference.safetensors").exists());
    let (moving, still) = (column(&run, "kl"), column(&frozen, "kl"));
    // The first two steps are the same; then the reference has moved, and the runs part.
    assert_eq!(moving[..2], still[..2]);
    let sum = |kl: &[f64]| kl[2..].iter().sum::<f64>();
    assert!(sum(&moving) < sum(&still), "{moving:?} {still:?}");
}

/// Settings of PPO under which each part of it does something.
const PPO: [&str; 4] =
    ["train.loss=ppo", "train.kl_beta=0.02", "train.num_iterations=2", "train.minibatches=2"];

#[test]
fn ppo_goes_on_after_kills_with_all_weights_and_with_an_adapter() {
    for (extra, model) in
        [(&[][..], "model.safetensors"), (&["model.lora.rank=2"][..], "adapter_model.safetensors")]
    {
        let sets = flags(&[&PPO[..], extra].concat());
        let folder = survives(&sets, &[("update", 3), ("save/state", 4), ("rollout", 5)]);
        let run = folder.path().join("whole");
        let checkpoint = run.join("checkpoints/step-6");
        // The head stands apart, so that the model's file is one that other tools know.
        let head = fs::read(checkpoint.join("trainer/value_head.safetensors")).expect("a head");
        let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("v_head.summary.weight");
        assert!(names(&head));
        assert!(!names(&fs::read(checkpoint.join(model)).expect("weights")));
        for key in ["loss/value_avg", "val/mean", "val/grad_norm", "objective/non_score_reward"] {
            assert!(column(&run, key).iter().all(|value| value.is_finite()), "{key}");
        }
        // Every group teaches a critic.
        assert!(column(&run, "groups/learned").iter().all(|n| *n == 4.0));
    }
}

#[test]
fn ppo_on_the_burn_engine_gives_the_same_steps_up_to_rounding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for engine in ["fused", "burn"] {
        let set = format!("model.engine={engine}");
        let sets = [&PPO[..], &["train.steps=2", set.as_str()]].concat();
        succeeds(&mut train(folder.path(), engine, &flags(&sets)));
    }
    for key in ["loss", "loss/value_avg", "val/mean", "grad_norm", "val/grad_norm", "kl"] {
        let of = |engine: &str| column(&folder.path().join(engine), key)[0];
        let (fused, burn) = (of("fused"), of("burn"));
        assert!((fused - burn).abs() < 1e-3 * (1.0 + fused.abs()), "{key}: {fused} {burn}");
    }
}

#[test]
fn the_value_loss_of_a_ppo_run_falls_and_one_rollout_a_prompt_is_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sets = ["train.loss=ppo", "train.steps=30", "train.lr=1e-3", "train.group_size=1"];
    let more = ["train.prompts=16", "run.eval_every=0", "run.save_every=0"];
    succeeds(&mut train(folder.path(), "run", &flags(&[&sets[..], &more].concat())));
    let losses = column(&folder.path().join("run"), "loss/value_avg");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[25..]));
    assert!(last < 0.7 * first, "{losses:?}");
}

#[test]
fn a_setting_that_ppo_does_not_have_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sets = ["train.loss=ppo", "train.advantage=rloo", "train.dynamic_sampling=true"];
    let (code, stderr) = end(&mut train(folder.path(), "run", &flags(&sets)));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("`advantage` is \"rloo\", but must be left out"), "{stderr}");
    assert!(stderr.contains("`dynamic_sampling` is true"), "{stderr}");
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
