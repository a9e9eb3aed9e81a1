//! `e2h serve`, asked as any client of OpenAI's protocol asks.

use std::path::Path;

use e2h_core::{GenerateRequest, Policy, RootSeed, Sampling};
use e2h_model::{Adapter, LanguageModel, LoraConfig, WeightFormat};
use serde_json::{Value, json};

use crate::run::e2h;
use crate::server::Server;
use crate::tiny::model;

const PROMPT: [u32; 4] = [3, 4, 5, 6];

/// What the engine itself draws for `PROMPT` where a request has `seed` and `n`.
fn own(model: &mut LanguageModel, seed: u64, n: u64, sampling: &Sampling) -> Vec<(Value, Value)> {
    model.text_mut().set_stops(Vec::new());
    let streams = (0..n).map(|sample| RootSeed(seed).stream("serve", &[sample])).collect();
    let request = GenerateRequest { prompt: PROMPT.to_vec(), streams };
    let groups = model.generate(vec![request], sampling).expect("generated");
    groups[0].iter().map(|one| (json!(one.tokens), json!(one.logprobs))).collect()
}

fn told(choices: &Value) -> Vec<(Value, Value)> {
    let choices = choices["choices"].as_array().expect("choices");
    let pair = |c: &Value| (c["token_ids"].clone(), c["logprobs"]["token_logprobs"].clone());
    choices.iter().map(pair).collect()
}

fn ask(extra: &Value) -> Value {
    let mut body = json!({
        "prompt": PROMPT, "n": 3, "seed": 11, "max_tokens": 12, "temperature": 0.9, "top_p": 0.95,
        "logprobs": 0, "return_token_ids": true,
    });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

#[test]
fn completions_are_those_of_the_engine_to_the_bit_whole_streamed_and_with_an_adapter() {
    let server = Server::start(model(), &["--served-model-name", "tiny"]);
    let mut local = LanguageModel::load(model()).expect("loaded");
    let sampling =
        Sampling { temperature: 0.9, top_p: 0.95, max_tokens: 12, ..Sampling::default() };
    let expected = own(&mut local, 11, 3, &sampling);
    let whole = server.complete(&ask(&json!({"model": "tiny"})));
    assert_eq!(told(&whole), expected);
    assert_eq!(whole["usage"]["prompt_tokens"], 4);

    let extra = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (status, text) = server.post("/v1/completions", &ask(&extra));
    assert_eq!(status, 200, "{text}");
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|e| serde_json::from_str(e).expect("JSON")).collect();
    for (index, choice) in whole["choices"].as_array().expect("choices").iter().enumerate() {
        let of = |key: &str| -> Vec<Value> {
            let here = chunks.iter().filter(|c| c["choices"][0]["index"] == index);
            here.map(|chunk| chunk["choices"][0][key].clone()).collect()
        };
        let text: String = of("text").iter().filter_map(Value::as_str).collect();
        assert_eq!(choice["text"], text);
        let ids: Vec<Value> =
            of("token_ids").iter().flat_map(|v| v.as_array().cloned()).flatten().collect();
        assert_eq!(choice["token_ids"], Value::Array(ids));
        let reasons: Vec<Value> =
            of("finish_reason").into_iter().filter(|v| !v.is_null()).collect();
        assert_eq!(reasons, [choice["finish_reason"].clone()]);
    }
    assert_eq!(chunks.last().expect("a chunk")["usage"], whole["usage"]);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = strong_adapter(&local);
    adapter.save(folder.path(), Some("tiny"), WeightFormat::F32).expect("saved");
    let load = json!({"lora_name": "a", "lora_path": folder.path()});
    let (status, text) = server.post("/v1/load_lora_adapter", &load);
    assert_eq!(status, 200, "{text}");
    let (status, text) = server.post("/v1/load_lora_adapter", &load);
    assert!(status == 400 && text.contains("already been loaded"), "{text}");
    local.engine_mut().set_adapter(Some(adapter));
    let adapted = own(&mut local, 11, 3, &sampling);
    assert_ne!(adapted, expected);
    assert_eq!(told(&server.complete(&ask(&json!({"model": "a"})))), adapted);
    assert_eq!(told(&server.complete(&ask(&json!({"model": "tiny"})))), expected);
    let (_, models) = server.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let models: Value = serde_json::from_str(&models).expect("JSON");
    assert_eq!(
        (&models["data"][0]["id"], &models["data"][1]["parent"]),
        (&json!("tiny"), &json!("tiny"))
    );
    let unload = json!({"lora_name": "a"});
    assert_eq!(server.post("/v1/unload_lora_adapter", &unload).0, 200);
    assert_eq!(server.post("/v1/unload_lora_adapter", &unload).0, 404);
    assert_eq!(server.post("/v1/completions", &ask(&json!({"model": "a"}))).0, 404);
}

/// An adapter that changes what the model says.
fn strong_adapter(base: &LanguageModel) -> Adapter {
    let mut rng = RootSeed(3).stream("lora", &[]);
    let config = LoraConfig { rank: 4, ..LoraConfig::default() };
    let adapter = Adapter::new(config, base.engine().config(), &mut rng);
    let mut tuned = LanguageModel::load(model()).expect("loaded").with_adapter(adapter, "tiny");
    tuned.engine_mut().update_params(&mut |_, params| {
        for (index, value) in params.iter_mut().enumerate() {
            *value += if index % 3 == 0 { 0.3 } else { -0.2 };
        }
    });
    tuned.engine().adapter().cloned().expect("an adapter")
}

#[test]
fn a_stop_text_ends_a_completion_and_is_kept_only_where_that_is_asked_for() {
    let server = Server::start(model(), &[]);
    let (seed, text, first, stop) =
        (0..50).find_map(|seed| with_a_stop(&server, seed)).expect("text");
    for stream in [false, true] {
        for (keep, length) in [(false, first), (true, first + stop.len())] {
            let body = ask(&json!({
                "max_tokens": 24, "stop": stop, "include_stop_str_in_output": keep, "n": 1,
                "stream": stream, "seed": seed,
            }));
            let (_, answer) = server.post("/v1/completions", &body);
            let parts: Vec<Value> = match stream {
                true => answer
                    .lines()
                    .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
                    .collect(),
                false => vec![serde_json::from_str(&answer).expect("JSON")],
            };
            let told: String =
                parts.iter().filter_map(|part| part["choices"][0]["text"].as_str()).collect();
            assert_eq!(told, text[..length], "stream {stream}, keep {keep}");
            let last = &parts[parts.len() - 1]["choices"][0];
            assert_eq!(last["finish_reason"], "stop");
        }
    }
}

/// A completion of a seed with a word that begins nowhere before, and where it begins.
fn with_a_stop(server: &Server, seed: u64) -> Option<(u64, String, usize, String)> {
    let whole = server.complete(&ask(&json!({"max_tokens": 24, "n": 1, "seed": seed})));
    let text = whole["choices"][0]["text"].as_str()?.to_owned();
    let places: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).collect();
    let word = |pair: &[usize]| (pair[0] + 1, text[pair[0] + 1..pair[1]].to_owned());
    let words: Vec<(usize, String)> = places.windows(2).skip(2).map(word).collect();
    let new = |(at, word): &&(usize, String)| !word.is_empty() && text.find(word) == Some(*at);
    let (at, word) = words.iter().find(new)?.clone();
    Some((seed, text, at, word))
}

#[test]
fn what_is_not_a_request_is_refused_with_its_status() {
    let server = Server::start(model(), &["--max-body", "2000"]);
    let bad = |body: Value, status: u16, part: &str| {
        let (got, text) = server.post("/v1/completions", &body);
        assert_eq!(got, status, "{text}");
        assert!(text.contains(part), "{text}");
    };
    bad(json!({"prompt": "1", "model": "gpt"}), 404, "the model `gpt` does not exist");
    bad(json!({"prompt": [1_000_000]}), 400, "not in the vocabulary");
    bad(json!({"prompt": [1], "max_tokens": 100_000}), 400, "the context is");
    bad(json!({"prompt": vec![1; 4000]}), 413, "over the limit of 2000 bytes");
    bad(json!([1]), 400, "");
    let raw = |line: &str, headers: &str| {
        server.send(&format!("{line} HTTP/1.1\r\n{headers}\r\nContent-Length: 0\r\n\r\n")).0
    };
    let json_header = "Host: localhost\r\nContent-Type: application/json";
    assert_eq!(raw("POST /v1/completions", json_header), 400);
    assert_eq!(raw("POST /v1/completions", "Host: localhost\r\nContent-Type: text/plain"), 415);
    assert_eq!(raw("GET /v1/completions", "Host: localhost"), 405);
    assert_eq!(raw("GET /v2", "Host: localhost"), 404);
    assert_eq!(raw("GET /health", "Host: localhost"), 200);
    assert_eq!(raw("GET /health", "Host: evil.example"), 403);
    let lora = json!({"lora_name": "a", "lora_path": "/nowhere"});
    assert_eq!(server.post("/v1/load_lora_adapter", &lora).0, 404);
}

#[test]
fn a_key_is_demanded_where_there_is_one_and_other_machines_are_let_in_with_one_only() {
    let server = Server::start(model(), &["--api-key", "secret"]);
    let models = |key: &str| {
        server.send(&format!("GET /v1/models HTTP/1.1\r\nHost: far.example\r\n{key}\r\n\r\n")).0
    };
    assert_eq!(models("Authorization: Bearer secret"), 200);
    assert_eq!(models("Authorization: Bearer secre"), 401);
    assert_eq!(models("X: y"), 401);
    assert_eq!(server.send("GET /health HTTP/1.1\r\n\r\n").0, 200);
    let model = model().display().to_string();
    let args = ["serve", "-m", &model, "--host", "0.0.0.0", "--port", "0"];
    let mut command = crate::run::command(Path::new("."), &args);
    let output = command.env_remove("E2H_API_KEY").output().expect("e2h starts");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("there is no key") && stderr.contains("hint: "), "{stderr}");
}

#[test]
fn many_clients_at_once_get_what_one_alone_gets() {
    let server = Server::start(model(), &[]);
    let alone: Vec<Value> = (0..4)
        .map(|seed| server.complete(&ask(&json!({"seed": seed})))["choices"].clone())
        .collect();
    std::thread::scope(|scope| {
        for round in 0..16_usize {
            let (server, alone) = (&server, &alone);
            scope.spawn(move || {
                let seed = round % 4;
                let answer = server.complete(&ask(&json!({"seed": seed})));
                assert_eq!(answer["choices"], alone[seed], "round {round}");
            });
        }
    });
}

#[test]
fn a_stopped_server_answers_what_it_has_begun_and_takes_no_more() {
    let server = Server::start(model(), &[]);
    let long = ask(&json!({"n": 512, "max_tokens": 200, "stop": "never"}));
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.post("/v1/completions", &long));
        std::thread::sleep(std::time::Duration::from_millis(150));
        server.signal("-TERM");
        asked.join().expect("answered")
    });
    assert_eq!(answer.0, 200, "{}", answer.1.chars().take(200).collect::<String>());
    let (code, text) = server.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("stopping when the requests at work are answered"), "{text}");
}

#[test]
fn a_port_in_use_is_told() {
    let server = Server::start(model(), &[]);
    let port = server.address.rsplit(':').next().expect("a port").to_owned();
    let model = model().display().to_string();
    let second = e2h(Path::new("."), &["serve", "-m", &model, "--port", &port]);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(second.stderr.contains("--port 0 takes a free port"), "{}", second.stderr);
}
