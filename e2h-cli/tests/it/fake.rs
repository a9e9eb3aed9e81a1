//! Run folders as `e2h train` leaves them, written without having trained.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Steps of such a run.
pub(crate) const STEPS: u64 = 60;

/// Lines of `metrics.jsonl` like those of a run on two levels.
fn metrics(shift: f64) -> Vec<Value> {
    let line = |step: u64| {
        let late = step as f64 / STEPS as f64;
        // Some unrest, so that smoothing has something to do.
        let unrest = [0.03, -0.02, 0.01, -0.03, 0.0][(step % 5) as usize];
        json!({
            "step": step, "reward": 0.3 + 0.4 * late + unrest, "reward_std": 0.2,
            "accuracy/mean": 0.2 + 0.4 * late + shift + unrest,
            "accuracy/level_0/mean": 0.4 + 0.4 * late + shift + unrest,
            "accuracy/level_1/mean": 0.1 + 0.3 * late + shift - unrest,
            "schedule/level_0/prob": 1.0 - late, "schedule/level_0/prompts": 4,
            "schedule/level_1/prob": late, "schedule/level_1/prompts": 4,
            "entropy": 0.4 - 0.2 * late, "frac_reward_zero_std": 0.5 + unrest,
            "completions/mean_length": 30.0 + 10.0 * late, "rollout/bad_format_frac": 0.0,
            "clip_ratio/region_mean": 0.0, "loss": 0.01 * unrest, "grad_norm": 0.7 + unrest,
            "groups/outcomes": [[0, 1, 2, 0.5, [1.0, 0.0]]],
            "time/rollout_s": 0.2, "time/score_s": 0.01, "time/update_s": 0.1, "time/step_s": 0.32,
        })
    };
    (0..STEPS).map(line).collect()
}

fn lines(values: impl IntoIterator<Item = Value>) -> String {
    values.into_iter().map(|value| format!("{value}\n")).collect()
}

fn evaluation(step: u64, gain: f64) -> Value {
    let level = |level: u64, accuracy: f64, ood: bool| {
        json!({
            "level": level, "label": format!("{} numbers", level + 2), "ood": ood, "n": 100,
            "accuracy": accuracy, "interval": [accuracy - 0.08, accuracy + 0.08],
        })
    };
    json!({"step": step, "levels": [
        level(0, 0.3 + gain, false), level(1, 0.1 + gain, false), level(2, 0.1 + gain / 4.0, true),
    ]})
}

/// What became of ten problems a level of which `n_right` are right.
fn results(n_right: usize) -> Vec<Value> {
    let row = |level: u64, i: usize| {
        let (right, target) = (i < n_right, 10 + i);
        let said = format!("<think> 3 + {i} </think> <answer> 3 + {i} </answer>");
        json!({
            "task": "countdown", "level": level, "key": format!("{level}/{i}"), "question": [3, i],
            "answer": target, "completion": said, "outcome": if right { "correct" } else { "wrong" },
            "n_tokens": 9, "n_samples": 0, "n_correct": 0,
        })
    };
    (0..3).flat_map(|level| (0..10).map(move |i| row(level, i))).collect()
}

/// Makes the folder of a run of schedule `kind` with `seed`. A model has written markup into its samples.
pub(crate) fn run(folder: &Path, name: &str, kind: &str, seed: u64) -> PathBuf {
    let run = folder.join(name);
    fs::create_dir_all(run.join("eval")).expect("a folder");
    let config = format!(
        "seed = {seed}\n\n[task]\nkind = \"countdown\"\n\n[schedule]\nkind = \"{kind}\"\n\n[train]\nsteps = {STEPS}\n"
    );
    let sample = |step: u64, outcome: &str| {
        json!({
            "step": step, "level": 0, "question": "<script>alert(1)</script> 2 3", "completion": "x",
            "outcome": outcome, "reward": 0.1, "parts": [],
        })
    };
    let shift = seed as f64 / 50.0;
    let evals =
        [evaluation(0, 0.0), evaluation(STEPS / 2, 0.1 + shift), evaluation(STEPS, 0.2 + shift)];
    let summary = json!({"rollouts": 3840, "wall_s": 21.0});
    for (file, text) in [
        ("config.toml", config),
        ("metrics.jsonl", lines(metrics(shift))),
        ("eval.jsonl", lines(evals)),
        ("eval/step-0.jsonl", lines(results(2))),
        ("eval/step-60.jsonl", lines(results(6))),
        ("samples.jsonl", lines([sample(0, "wrong"), sample(50, "correct")])),
        ("summary.json", summary.to_string()),
    ] {
        fs::write(run.join(file), text).expect("a file");
    }
    run
}
