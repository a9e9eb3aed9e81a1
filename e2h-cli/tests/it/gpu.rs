//! What a machine with a GPU runs, on the CPU through the same commands: devices, goldens, speed, and the packed script.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{e2h, json, ok, skipped};

/// The small models with another program's numbers, where they are.
fn goldens() -> Option<PathBuf> {
    let shared = std::env::var("E2H_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let folder = shared.join("oracle/models");
    if !folder.is_dir() {
        skipped(&format!("{} is not here", folder.display()));
        return None;
    }
    folder.canonicalize().ok()
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_never_the_cpu_in_silence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("rows.jsonl"), "{\"prompt\":\"a\",\"completion\":\"b\"}\n")
        .expect("a file");
    for command in [
        "train",
        "train --dtype bf16",
        "eval",
        "sample",
        "sft rows.jsonl --out tuned",
        "golden nowhere",
        "bench",
    ] {
        let line = format!("{command} --device cuda:99");
        let finished = e2h(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert_eq!(finished.code, Some(2), "{line}: {}", finished.stderr);
        assert!(finished.stderr.contains("error: device `cuda:99`"), "{line}: {}", finished.stderr);
        assert!(finished.stderr.contains("hint: "), "{line}: {}", finished.stderr);
        assert!(finished.stdout.is_empty(), "{line}: {}", finished.stdout);
    }
    assert!(!folder.path().join("runs").exists(), "a failed command left a run folder");
}

#[test]
fn auto_says_which_device_it_took_and_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let line = "sample -n 1 --device auto --set train.sampling.max_tokens=4";
    let finished = e2h(folder.path(), &line.split(' ').collect::<Vec<_>>());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let why = ["on cpu (no CUDA device can be used: ", "on cuda:0 (the first CUDA device: "];
    assert!(why.iter().any(|why| finished.stderr.contains(why)), "{}", finished.stderr);
}

#[test]
fn small_models_agree_with_their_goldens_in_both_precisions() {
    let Some(goldens) = goldens() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = goldens.join("smollm2").display().to_string();
    for (dtype, engines) in [("f32", 2), ("bf16", 1)] {
        let args = ["golden", &model, "--device", "cpu", "--dtype", dtype, "--json"];
        let finished = e2h(folder.path(), &args);
        let value = json(&finished.stdout);
        assert_eq!(value["rows"].as_array().map(Vec::len), Some(engines), "{value}");
        let row = &value["rows"][0];
        if dtype == "f32" {
            assert_eq!((finished.code, &value["over"]), (Some(0), &0.into()), "{value}");
        }
        // The bounds of bf16. That of gradients, 0.02, is for a GPU; this CPU rounds after every operation.
        for (key, bound) in [("logits", 3e-2), ("gap_mean", 0.02), ("gradients", 3e-2)] {
            assert!(row[key].as_f64().is_some_and(|number| number < bound), "{key}: {value}");
        }
        assert!(row["greedy"].as_f64().is_some_and(|share| share >= 0.95), "{value}");
    }
}

#[test]
fn speed_is_measured_beside_what_the_machine_can_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let size =
        "--prompts 2 --group 2 --prompt-tokens 5 --completion 4 --steps 1 --device cpu --json";
    for options in ["--engine fused", "--engine burn --dtype bf16 --lora --gradient-checkpointing"]
    {
        let line = format!("bench {size} {options}");
        let value = json(&ok(folder.path(), &line.split(' ').collect::<Vec<_>>()));
        assert_eq!((value["sequences"].as_u64(), value["prompt"].as_u64()), (Some(4), Some(5)));
        for key in
            ["rollout_tok_per_s", "update_tok_per_s", "step_s", "rollout_share", "update_share"]
        {
            assert!(value[key].as_f64().is_some_and(|number| number > 0.0), "{key}: {value}");
        }
    }
    let line = "bench --preset nano --engine fused --dtype bf16";
    let refused = e2h(folder.path(), &line.split(' ').collect::<Vec<_>>());
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let refused = e2h(folder.path(), &["bench", "--preset", "qwen2.5-1.5"]);
    assert!(refused.stderr.contains("did you mean `qwen2.5-1.5b`?"), "{}", refused.stderr);
}

/// Runs the packed script with the tiny size; returns its exit code and what it has written.
#[cfg(unix)]
fn script(folder: &Path, seconds: &str, only: &str) -> (Option<i32>, Value) {
    let output = Command::new("bash")
        .args(["pack/run.sh", "out"])
        .envs([
            ("E2H_DEVICE", "cpu"),
            ("E2H_SIZE", "tiny"),
            ("E2H_BINARY", env!("CARGO_BIN_EXE_e2h")),
        ])
        .envs([("E2H_SECONDS", seconds), ("E2H_ONLY", only)])
        .env_remove("E2H_MODEL")
        .current_dir(folder)
        .output()
        .expect("bash is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let written = fs::read_to_string(folder.join("out/gpu.json"));
    let written = written.unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (output.status.code(), json(&written))
}

#[cfg(unix)]
#[test]
fn the_packed_script_runs_piece_by_piece_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pack = folder.path().join("pack");
    fs::create_dir_all(pack.join("goldens")).expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/gpu/run.sh");
    fs::copy(source, pack.join("run.sh")).expect("copied");
    let only = "doctor|bench-*|sft-*|train-short|train-countdown-*";

    // No time: nothing begins, and that is said.
    let (code, nothing) = script(folder.path(), "0", only);
    assert_eq!((code, nothing["pieces"].as_array().map(Vec::len)), (Some(3), Some(0)), "{nothing}");
    let (code, all) = script(folder.path(), "500", only);
    assert_eq!((code, &all["left"], &all["failed"]), (Some(0), &0.into(), &0.into()), "{all}");
    let pieces = all["pieces"].as_array().expect("a list");
    let piece = |name: &str| {
        let found = pieces.iter().find(|piece| piece["piece"] == name);
        found.unwrap_or_else(|| panic!("no piece {name} in {all}"))
    };
    assert!(piece("bench-nano-f32")["result"]["step_s"].as_f64().is_some());
    assert_eq!(piece("bench-nano-lora-bf16")["result"]["dtype"], "bf16");
    assert_eq!(piece("train-short")["result"]["steps"], 2);
    for schedule in ["balanced", "only"] {
        let result = &piece(&format!("train-countdown-{schedule}"))["result"];
        assert_eq!(result["schedule"], schedule);
        assert_eq!(result["levels"].as_array().map(Vec::len), Some(5), "{result}");
    }
    assert!(folder.path().join("out/kept.tar.gz").is_file());

    // What is done is not done again.
    let (code, again) = script(folder.path(), "0", only);
    assert_eq!((code, &again["pieces"]), (Some(0), &all["pieces"]));
}
