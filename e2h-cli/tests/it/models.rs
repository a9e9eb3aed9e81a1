//! Models by folder: looking at them, fine-tuning, adapters, plans.

use std::fs;
use std::path::Path;

use e2h_core::RootSeed;
use e2h_model::{Family, LanguageModel, Model, ModelConfig, TextCodec, WeightFormat};
use serde_json::Value;

use crate::run::{e2h, json, ok};

/// Saves a small random model of a family.
fn random_model(folder: &Path, family: Family) {
    let words: Vec<String> = (0..40).map(|n| n.to_string()).chain(["+".to_owned()]).collect();
    let codec = TextCodec::word_level(&words).expect("a tokenizer");
    let config = ModelConfig {
        family,
        qkv_bias: family == Family::Qwen2,
        hidden_size: 32,
        intermediate_size: 48,
        n_layers: 2,
        n_kv_heads: 2,
        head_dim: 8,
        max_positions: 4096,
        ..ModelConfig::nano(codec.vocab_size())
    };
    let model = Model::new(config, &mut RootSeed(7).stream("init", &[]));
    let model = LanguageModel::new(model, codec).expect("they fit");
    model.save(folder, WeightFormat::Bf16).expect("saved");
}

#[test]
fn every_run_of_the_paper_has_a_plan_on_a_model_of_its_family() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    random_model(&folder.path().join("llama"), Family::Llama);
    random_model(&folder.path().join("qwen2.5"), Family::Qwen2);
    let names = ok(folder.path(), &["config", "list"]);
    let runs: Vec<&str> = names
        .lines()
        .filter(|name| name.starts_with("paper/llama-") || name.starts_with("paper/qwen"))
        .collect();
    assert_eq!(runs.len(), 15, "{names}");
    for name in runs {
        let family = if name.contains("llama") { "llama" } else { "qwen2.5" };
        let args = ["train", "--preset", name, "--model", family, "--dry-run", "--json"];
        let plan = json(&ok(folder.path(), &args));
        let steps =
            if name.ends_with("math") || name.ends_with("blocksworld") { 1200 } else { 1600 };
        assert_eq!(plan["steps"], steps, "{name}");
        assert_eq!(plan["rollouts_a_step"], 64, "{name}");
        let counts = plan["expected_prompts"].as_array().expect("a list");
        let total: f64 = counts.iter().filter_map(|row| row["prompts"].as_f64()).sum();
        assert!((total - 8.0 * f64::from(steps)).abs() <= 4.0, "{name}: {total}");
        if name.ends_with("countdown") {
            // REFERENCE: E2H-G (0.5, 0.5) over 1600 steps of 8 prompts on 4 levels.
            let expected = [1628.0, 2997.0, 4595.0, 3580.0];
            for (row, want) in counts.iter().zip(expected) {
                let got = row["prompts"].as_f64().unwrap_or(0.0);
                assert!((got - want).abs() <= 1.0, "{name}: {got}, not {want}");
            }
        }
        assert!(plan["memory_bytes"]["adapter"].as_f64().unwrap_or(0.0) > 0.0, "{name}");
        assert!(!folder.path().join("runs").exists(), "a plan leaves nothing behind");
    }
}

#[test]
fn a_model_is_described_and_what_it_lacks_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    random_model(&folder.path().join("m"), Family::Qwen2);
    let info = json(&ok(folder.path(), &["model", "info", "m", "--json"]));
    assert_eq!((&info["family"], &info["n_layers"]), (&Value::from("qwen2"), &Value::from(2)));
    assert_eq!(info["formats"], serde_json::json!(["bf16"]));
    ok(folder.path(), &["model", "check", "m"]);
    ok(folder.path(), &["model", "info", "embedded:countdown-nano"]);
    let config = folder.path().join("m/config.json");
    let text = fs::read_to_string(&config).expect("there");
    fs::write(&config, text.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"))
        .expect("written");
    fs::remove_file(folder.path().join("m/tokenizer.json")).expect("removed");
    let checked = e2h(folder.path(), &["model", "check", "m"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    assert!(checked.stderr.contains("2 problems"), "{}", checked.stderr);
    assert!(checked.stderr.contains("model.layers.2."), "{}", checked.stderr);
    assert!(checked.stderr.contains("tokenizer.json"), "{}", checked.stderr);
    fs::write(&config, text.replace("\"qwen2\"", "\"mamba\"")).expect("written");
    let loaded = e2h(folder.path(), &["sample", "-m", "m", "1"]);
    assert!(loaded.stderr.contains("`mamba` is not supported"), "{}", loaded.stderr);
}

#[test]
fn fine_tuning_of_an_adapter_merges_into_a_model_that_says_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    random_model(&folder.path().join("m"), Family::Llama);
    let rows: String = (0..16)
        .map(|n| format!("{{\"prompt\": \"{n} + 1\", \"completion\": \"{}\"}}\n", n + 1))
        .collect();
    fs::write(folder.path().join("rows.jsonl"), rows).expect("written");
    let tune = |out: &str, sets: &[&str]| {
        let args =
            ["sft", "rows.jsonl", "-m", "m", "--steps", "80", "--batch", "8", "--lr", "1e-2"];
        let args = [&args[..], &["--format", "f32", "--out", out], sets].concat();
        ok(folder.path(), &args);
    };
    tune("full", &[]);
    let answer = |model: &str| {
        let args = ["sample", "-m", model, "3 + 1", "--json", "--max-tokens", "4"];
        json(&ok(folder.path(), &args))["tokens"].clone()
    };
    let full = answer("full");
    assert_eq!(full.as_array().map(Vec::len), Some(2), "a number and the end: {full}");
    tune("adapter", &["--set", "model.lora.rank=8", "--set", "model.lora.dropout=0"]);
    assert!(folder.path().join("adapter/adapter_model.safetensors").is_file());
    ok(folder.path(), &["model", "merge", "adapter", "--out", "merged", "--format", "f32"]);
    assert_eq!(answer("adapter"), answer("merged"));
    let whole = e2h(folder.path(), &["model", "info", "adapter"]);
    assert!(whole.stderr.contains("is an adapter of m"), "{}", whole.stderr);
    let again = e2h(folder.path(), &["model", "merge", "merged", "--out", "x"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
}

#[test]
fn a_conversation_goes_on_line_by_line() {
    use std::io::Write;
    use std::process::Stdio;

    let folder = tempfile::tempdir().expect("a temporary folder");
    random_model(&folder.path().join("m"), Family::Llama);
    let args = ["sample", "-m", "m", "--chat", "--json", "--max-tokens", "3"];
    let mut command = crate::run::command(folder.path(), &args);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("e2h starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"1 + 2\n3\n\n4\n").expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("e2h ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let turns: Vec<usize> =
        text.lines().map(|line| json(line)["messages"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(turns, [1, 3, 1], "{text}");
}

#[cfg(feature = "hub")]
#[test]
fn a_model_of_the_hub_that_is_not_in_the_cache_is_an_error_when_offline() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let offline = |args: &[&str]| {
        let mut command = crate::run::command(folder.path(), args);
        command.env("HF_HUB_OFFLINE", "1").env("HF_HUB_CACHE", folder.path().join("cache"));
        let output = command.output().expect("e2h starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for args in [
        &["sample", "-m", "some/model", "Hello"][..],
        &["model", "info", "some/model"],
        &["model", "check", "some/model"],
        &["train", "--preset", "paper/qwen2.5-1.5b-countdown", "--dry-run"],
    ] {
        let (code, stderr) = offline(args);
        assert_eq!(code, Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("it is not in the cache"), "{args:?}: {stderr}");
        assert!(stderr.contains("HF_HUB_OFFLINE is set"), "{args:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{args:?}: {stderr}");
    }
}
