//! Models with a chat template and a tokenizer of bytes: tasks by name, rows of files, adapters of runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2h_core::RootSeed;
use e2h_model::{Adapter, Group, Model, ModelConfig, WeightFormat};
use serde_json::{Value, json};

use crate::run::{e2h, ok, skipped};

const PEFT_PROGRAM: &str = include_str!("../../../e2h-model/tests/it/peft.py");

/// Saves a small random model that reads and writes bytes.
fn byte_model(folder: &Path) {
    let config = ModelConfig {
        hidden_size: 16,
        intermediate_size: 24,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 8,
        max_positions: 2048,
        initializer_range: 0.3,
        ..ModelConfig::nano(257)
    };
    let model = Model::new(config, &mut RootSeed(5).stream("init", &[]));
    model.save(folder, WeightFormat::F32).expect("saved");
    let mut vocab: serde_json::Map<String, Value> =
        (0..256_u32).map(|byte| (format!("<0x{byte:02X}>"), json!(byte))).collect();
    vocab.insert("<eos>".to_owned(), json!(256));
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 256, "content": "<eos>", "single_word": false, "lstrip": false,
                          "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true},
    });
    let config = json!({
        "eos_token": "<eos>",
        "chat_template": "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).expect("written");
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).expect("written");
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_task_by_name_is_worded_for_the_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    byte_model(&folder.path().join("chat"));
    let shown = |task: &str, model: &str| {
        ok(folder.path(), &["config", "show", "--task", task, "--model", model])
    };
    let has = |text: &str, key: &str, value: &str| {
        text.lines().any(|line| line.starts_with(key) && line.contains(value))
    };
    for model in ["chat", "some/chat-model"] {
        let chat = shown("countdown", model);
        assert!(has(&chat, "task.style", "\"chat\""), "{chat}");
        assert!(has(&shown("gsm8k", model), "task.kind", "\"gsm8k\""));
    }
    let small = shown("countdown", "embedded:countdown-nano");
    assert!(has(&small, "task.style", "\"compact\""), "{small}");
    let unknown = e2h(folder.path(), &["config", "show", "--task", "gsm9k", "--model", "chat"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("did you mean `gsm8k`?"), "{}", unknown.stderr);
}

#[test]
fn problems_of_a_file_are_evaluated_by_level() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    byte_model(&folder.path().join("chat"));
    let rows: String = (0..8)
        .map(|n| {
            let row = json!({"question": format!("What is {n} + 1?"), "answer": (n + 1).to_string(),
                             "level": n % 4});
            row.to_string() + "\n"
        })
        .collect();
    fs::write(folder.path().join("rows.jsonl"), rows).expect("written");
    let eval = |task: &str, extra: &[&str]| {
        let few = ["--json", "--set", "train.sampling.max_tokens=4", "--problems", "1"];
        let args = [&["eval", "-m", "chat", "--task", task][..], extra, &few].concat();
        let found = json_of(&ok(folder.path(), &args));
        assert_eq!(found["task"], task);
        let levels = found["levels"].as_array().expect("levels").len();
        (levels, found)
    };
    assert_eq!(eval("gsm8k", &["--rows", "rows.jsonl"]).0, 4);
    let (levels, found) = eval("math", &["--rows", "rows.jsonl"]);
    assert!(levels >= 4, "{found}");
    assert_eq!(eval("countdown", &[]).0, 5);
    let none = e2h(folder.path(), &["eval", "-m", "chat", "--task", "gsm8k"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    assert!(none.stderr.contains("hint: `e2h eval --rows FILE`"), "{}", none.stderr);
}

#[test]
fn the_adapter_of_a_run_is_exported_and_peft_opens_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    byte_model(&here.join("chat"));
    // Rewards differ by length, so that there is something to learn from.
    let sets = [
        "train.prompts=4",
        "train.group_size=8",
        "train.sampling.max_tokens=64",
        "train.overlong_buffer=60",
        "train.lr=1e-2",
        "train.entropy_coef=0.01",
        "data.problems_per_level=4",
        "eval.problems_per_level=1",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args = ["train", "--task", "countdown", "-m", "chat", "--steps", "2", "--quiet"];
    let args: Vec<&str> = args.into_iter().chain(["--run-dir", "run"]).chain(sets).collect();
    ok(here, &args);
    ok(here, &["model", "export", "run", "--out", "adapter", "--format", "f32"]);
    let base = Model::load(here.join("chat").as_path()).expect("loadable");
    let adapter = Adapter::load(here.join("adapter").as_path(), base.config()).expect("loadable");
    let row: Vec<u32> = "Write an expression".bytes().map(u32::from).collect();
    let logprobs = |model: &Model| {
        let group = Group { prompt: &row[..1], completions: vec![&row[1..]] };
        model.token_stats(&[group], 100).expect("valid").swap_remove(0).0
    };
    let plain = logprobs(&base);
    let mut adapted = base;
    adapted.set_adapter(Some(adapter));
    let ours = logprobs(&adapted);
    let differs = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(differs(&ours, &plain) > 1e-4, "the run has learned something");
    let Ok(python) = std::env::var("E2H_PYTHON") else {
        return skipped("E2H_PYTHON names no Python with peft");
    };
    let text = row.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut command = Command::new(python);
    command.args(["-c", PEFT_PROGRAM]).arg("chat").arg("adapter").arg(text).current_dir(here);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("text");
    let theirs: Vec<f32> =
        printed.split_whitespace().map(|x| x.parse().expect("a number")).collect();
    assert!(differs(&ours, &theirs) < 1e-4);
}
