//! Runs that are killed, and go on as if they had not been.

use std::fs;
use std::time::Duration;

use crate::tiny::{end, kill_after, lines, resume, same_run, succeeds, train};

/// Numbers that look random and are the same in every run of the tests.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn thirty_kills_anywhere_leave_the_run_that_was_never_killed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    let whole = folder.path().join("whole");
    assert_eq!(lines(&whole.join("metrics.jsonl")).len(), 6);
    // Each place with the steps at which it is passed: steps are counted from 0, saves and evaluations by
    // finished steps. A step of 3 is saved only where its evaluation is the best so far.
    let places: [(&str, &[u64]); 10] = [
        ("rollout", &[0, 1, 2, 3, 4, 5]),
        ("score", &[0, 1, 2, 3, 4, 5]),
        ("update", &[0, 1, 2, 3, 4, 5]),
        ("step", &[0, 1, 2, 3, 4, 5]),
        ("evaluate", &[0, 3, 6]),
        ("save", &[2, 4, 6]),
        ("save/state", &[2, 4, 6]),
        ("save/rename", &[2, 4, 6]),
        ("save", &[2, 4, 6]),
        ("evaluate", &[3, 6]),
    ];
    let mut draws = Draws(2026);
    for n in 0..30_u64 {
        let (place, steps) = places[n as usize % places.len()];
        let step = steps[draws.below(steps.len() as u64) as usize];
        // A third is killed at the very place, the others at any moment after it.
        let (action, delay_ms) = if n < 10 { ("pause", 0) } else { ("mark", draws.below(25)) };
        let name = format!("killed-{n}");
        let what = format!("{place} at {step}, {action}, {delay_ms} ms");
        let (mut run, delay) = (train(folder.path(), &name, &[]), Duration::from_millis(delay_ms));
        kill_after(&mut run, folder.path(), (place, step), action, delay);
        succeeds(&mut resume(folder.path(), &name));
        let run = folder.path().join(&name);
        same_run(&run, &whole, &what);
        let left = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
        let torn =
            left.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with("tmp"));
        assert_eq!(torn.count(), 0, "{what}");
        fs::remove_dir_all(run).expect("removable");
    }
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_the_one_before_it_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    succeeds(&mut train(folder.path(), "run", &[]));
    let run = folder.path().join("run");
    let state = run.join("checkpoints/step-6/trainer/state.json");
    let text = fs::read_to_string(&state).expect("a state");
    fs::write(&state, &text[..text.len() / 2]).expect("writable");
    let (code, stderr) = end(&mut resume(folder.path(), "run"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("step-6 is passed over"), "{stderr}");
    assert!(stderr.contains("the checksum of trainer/state.json does not hold"), "{stderr}");
    assert!(stderr.contains("resumed after 4 steps"), "{stderr}");
    assert!(run.join("checkpoints/step-6.damaged").is_dir());
    same_run(&run, &folder.path().join("whole"), "after damage");
}

#[test]
fn the_best_checkpoint_outlives_the_rotation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sets = ["--set", "run.eval_every=1", "--set", "run.keep_last=1"];
    succeeds(&mut train(folder.path(), "run", &sets));
    let checkpoints = folder.path().join("run/checkpoints");
    let best = fs::read(checkpoints.join("best.json")).expect("best.json");
    let best: serde_json::Value = serde_json::from_slice(&best).expect("JSON");
    let evals = lines(&folder.path().join("run/eval.jsonl"));
    assert_eq!(evals.len(), 7);
    let mean = |eval: &serde_json::Value| {
        let levels = eval["levels"].as_array().expect("levels");
        let train: Vec<f64> = levels
            .iter()
            .filter(|level| level["ood"] == false)
            .map(|level| level["accuracy"].as_f64().expect("a number"))
            .collect();
        train.iter().sum::<f64>() / train.len() as f64
    };
    let most = evals[1..].iter().map(mean).fold(f64::MIN, f64::max);
    assert_eq!(best["value"].as_f64(), Some(most));
    let step = best["step"].as_u64().expect("a step");
    assert!(checkpoints.join(format!("step-{step}/model.safetensors")).exists());
    assert!(checkpoints.join("step-6/model.safetensors").exists());
    let kept = fs::read_dir(&checkpoints).expect("listed").flatten();
    let kept = kept.filter(|entry| entry.path().is_dir()).count();
    assert_eq!(kept, if step == 6 { 1 } else { 2 });
}

#[test]
fn samples_may_be_left_to_the_last_evaluation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "all", &[]));
    succeeds(&mut train(folder.path(), "last", &["--set", "run.sampled_evals=\"last\""]));
    let evals = |name: &str| lines(&folder.path().join(name).join("eval.jsonl"));
    let (all, last) = (evals("all"), evals("last"));
    let sampled = |eval: &serde_json::Value| {
        eval["levels"]
            .as_array()
            .expect("levels")
            .iter()
            .all(|level| level["pass_at_k"] != serde_json::json!([]))
    };
    assert_eq!(all.iter().map(sampled).collect::<Vec<_>>(), [true, true, true]);
    assert_eq!(last.iter().map(sampled).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(all[2], last[2]);
}
