//! Training on rollouts from a server: our own, on loopback.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use e2h_core::RootSeed;
use e2h_model::{LanguageModel, Model, WeightFormat};
use serde_json::Value;

use crate::server::Server;
use crate::tiny::{end, lines, model, succeeds, train};

const LORA: [&str; 4] = ["--set", "model.lora.rank=4", "--set", "model.lora.alpha=8"];

/// Arguments of a run on the rollouts of `source`.
fn from<'a>(source: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    [&LORA[..], &["--rollouts", source, "--set", "rollouts.retries=0"], extra].concat()
}

fn adapter(run: &Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/step-6/adapter_model.safetensors")).expect("an adapter")
}

fn same_lines(a: &Path, b: &Path) {
    for name in ["metrics.jsonl", "samples.jsonl", "eval.jsonl"] {
        assert_eq!(lines(&a.join(name)), lines(&b.join(name)), "{name}");
    }
}

#[test]
fn a_run_on_a_servers_rollouts_is_the_run_on_its_own_to_the_bit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(model(), &[]);
    succeeds(&mut train(folder.path(), "own", &LORA));
    // Without the correction nothing differs: tokens, log-probs, losses, weights.
    let source = server.source();
    let args = from(&source, &["--set", "train.importance_sampling_cap=0"]);
    succeeds(&mut train(folder.path(), "served", &args));
    same_lines(&path("own"), &path("served"));
    assert!(adapter(&path("own")) == adapter(&path("served")), "weights");
    assert!(!path("served/rollouts").exists(), "adapters are cleared away");
    let (_, models) = server.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(models.matches("\"id\"").count(), 1, "{models}");

    succeeds(&mut train(folder.path(), "corrected", &from(&source, &[])));
    let corrected = lines(&path("corrected/metrics.jsonl"));
    let updates: Vec<&Value> = corrected.iter().filter(|line| line.get("loss").is_some()).collect();
    assert!(!updates.is_empty());
    for line in updates {
        let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"));
        let apart = number("sampling/sampling_logp_difference/max");
        assert!(apart < 1e-4, "one engine on both sides: {apart}");
        assert!(number("sampling/sampling_logp_difference/mean") <= apart);
        let [least, most] =
            ["min", "max"].map(|key| number(&format!("sampling/importance_sampling_ratio/{key}")));
        assert!(least <= most && (least - 1.0).abs() < 1e-4 && (most - 1.0).abs() < 1e-4);
    }
}

#[test]
fn a_server_that_goes_away_ends_the_run_and_another_takes_it_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let first = Server::start(model(), &["--api-key", "k"]);
    succeeds(train(folder.path(), "own", &LORA).env_remove("E2H_FAULT"));
    let seen = path("seen");
    let source = first.source();
    let args = from(&source, &["--set", "train.importance_sampling_cap=0"]);
    let mut command = train(folder.path(), "run", &args);
    command.env("E2H_API_KEY", "k").env("E2H_FAULT", format!("update@3=hold:{}", seen.display()));
    let child = command.stderr(Stdio::piped()).spawn().expect("starts");
    while !seen.exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop(first);
    let output = child.wait_with_output().expect("a child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot be reached (tried 1 times)"), "{stderr}");
    assert!(stderr.contains("hint: what was finished is kept"), "{stderr}");
    let second = Server::start(model(), &[]);
    let source = second.source();
    let args = ["train", "--quiet", "--resume", "run", "--rollouts", &source];
    succeeds(&mut crate::run::command(folder.path(), &args));
    same_lines(&path("own"), &path("run"));
    assert!(adapter(&path("own")) == adapter(&path("run")), "weights");
}

#[test]
fn what_a_server_lacks_is_told_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fails = |name: &str, args: &[&str], code: i32, parts: &[&str]| {
        let (got, stderr) = end(train(folder.path(), name, args).env_remove("E2H_API_KEY"));
        assert_eq!(got, Some(code), "{name}: {stderr}");
        assert!(stderr.contains("hint: "), "{name}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{name}: {part} in {stderr}");
        }
        assert!(!folder.path().join(name).exists(), "{name}: nothing is left behind");
    };
    let away = "openai:http://127.0.0.1:1";
    fails("away", &from(away, &[]), 1, &["http://127.0.0.1:1 cannot be reached"]);
    let full = ["--rollouts", away];
    fails("full", &full, 2, &["local unless an adapter is trained"]);
    fails("odd", &["--rollouts", "vllm"], 2, &["local or openai:http://HOST:PORT"]);
    let locked = Server::start(model(), &["--api-key", "k"]);
    fails("key", &from(&locked.source(), &[]), 1, &["does not accept the key", "E2H_API_KEY"]);
    let open = Server::start(model(), &["--served-model-name", "tiny"]);
    let set = ["--set", "rollouts.model=\"huge\""];
    fails("name", &from(&open.source(), &set), 1, &["does not serve `huge` (it serves: tiny)"]);

    // The same words, other weights.
    let other = folder.path().join("other");
    let trained = LanguageModel::load(model()).expect("loaded");
    let mut weights =
        Model::new(trained.engine().config().clone(), &mut RootSeed(5).stream("x", &[]));
    weights.update_params(|_, params| params.iter_mut().for_each(|value| *value *= 3.0));
    trained.save(&other, WeightFormat::F32).expect("saved");
    weights.save(&other, WeightFormat::F32).expect("saved");
    let wrong = Server::start(&other, &[]);
    fails("weights", &from(&wrong.source(), &[]), 1, &["is another model than the run's"]);
}
