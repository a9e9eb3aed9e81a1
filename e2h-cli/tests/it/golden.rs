//! A real model against transformers: templates, tokens and greedy answers.
//!
//! They run when `E2H_GOLDEN_MODEL` names a model folder and `E2H_GOLDEN_PYTHON` a Python with transformers, as
//! `cargo xtask golden greedy` does, and say so when they do not.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2h_core::Prompt;
use e2h_model::{Message, TextCodec};
use serde_json::{Value, json};

use crate::run::ok;

const SCRIPT: &str = include_str!("golden/reference.py");

/// Tokens of a greedy answer.
const N_TOKENS: usize = 48;

/// Questions of many kinds, with the letters, signs and line feeds that tokenizers trip over.
const QUESTIONS: [&str; 24] = [
    "What is the capital of France?",
    "What is 12 + 30? Answer with the number only.",
    "Name three colours of the rainbow.",
    "Write a short poem about the sea.",
    "Explain in one sentence why the sky is blue.",
    "Translate 'good morning' into Spanish.",
    "Using the numbers [3, 7, 25], make an expression that equals 46.",
    "List the first five prime numbers.",
    "Who wrote \"Romeo and Juliet\"?",
    "Fix the spelling: teh quikc brown fox",
    "What is the opposite of 'hot'?",
    "Give me a recipe for pancakes.",
    "Write a Python function that returns the larger of two numbers.",
    "def f(x):\n\treturn x ** 2  # what does this do?",
    "Summarise: water boils at 100 °C at sea level.",
    "日本の首都はどこですか?",
    "¿Cuál es la capital de España?",
    "Complete: 1, 1, 2, 3, 5, 8,",
    "A train goes 60 km in 1.5 hours. What is its speed?",
    "  Leading and trailing spaces  ",
    "Emoji test: 😀🎉 what do these mean?",
    "If all cats are animals and Tom is a cat, is Tom an animal?",
    "Use <think> and </think> tags in your answer.",
    "Line one\n\nLine two\n\n\nHow many lines of text did I write?",
];

/// The model folder and the Python, or a word about why the test does nothing.
fn given() -> Option<(PathBuf, String)> {
    let path = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (path("E2H_GOLDEN_MODEL"), path("E2H_GOLDEN_PYTHON")) {
        (Some(model), Some(python)) => Some((PathBuf::from(model), python)),
        _ => {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: E2H_GOLDEN_MODEL and E2H_GOLDEN_PYTHON are not set");
            }
            None
        }
    }
}

fn conversations() -> Vec<Vec<Message>> {
    let user = |text: &str| Message::new("user", text);
    let mut all: Vec<Vec<Message>> = QUESTIONS.iter().map(|text| vec![user(text)]).collect();
    all.push(vec![Message::new("system", "Answer in one word."), user("Is ice cold?")]);
    all.push(vec![user("My name is Ada."), Message::new("assistant", "Hello!"), user("My name?")]);
    all
}

/// What transformers makes of the conversations, with `n_tokens` of greedy answers.
fn expected(
    folder: &Path,
    model: &Path,
    python: &str,
    rows: &[Vec<Message>],
    n: usize,
) -> Vec<Value> {
    let lines: Vec<String> =
        rows.iter().map(|messages| json!({ "messages": messages }).to_string()).collect();
    std::fs::write(folder.join("rows.jsonl"), lines.join("\n")).expect("written");
    std::fs::write(folder.join("reference.py"), SCRIPT).expect("written");
    let n = n.to_string();
    let mut command = Command::new(python);
    command.arg("reference.py").arg(model).args(["rows.jsonl", &n]).current_dir(folder);
    let output = command.output().expect("the Python starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("token ids")
}

#[test]
fn prompts_are_rendered_and_cut_into_tokens_as_transformers_does() {
    let Some((model, python)) = given() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rows = conversations();
    for n in 0..200_u32 {
        // Many lengths, numbers and mixtures of the questions' parts.
        let (a, b) = (QUESTIONS[n as usize % 24], QUESTIONS[(n as usize * 7 + 3) % 24]);
        let text =
            format!("{} {n}{}\n{}", a.chars().take(9).collect::<String>().trim_end(), n * n, b);
        rows.push(vec![Message::new("user", text)]);
    }
    let expected = expected(folder.path(), &model, &python, &rows, 0);
    let codec = TextCodec::load(model.as_path()).expect("loadable");
    assert_eq!(expected.len(), rows.len());
    for (messages, want) in rows.iter().zip(&expected) {
        let text = codec.template().render_chat(messages, true).expect("renders");
        assert_eq!(text, want["text"].as_str().expect("text"));
        assert_eq!(codec.encode(&text).expect("encodes"), ids(&want["ids"]), "{text}");
        let [message] = &messages[..] else { continue };
        let prompt = Prompt {
            system: None,
            user: message.content.clone(),
            assistant_prefix: "Let me solve this step by step.\n<think>".to_owned(),
        };
        let opened = codec.template().render(&prompt).expect("renders");
        assert_eq!(opened, want["opened"].as_str().expect("text"));
        assert_eq!(codec.encode_prompt(&prompt).expect("encodes"), ids(&want["opened_ids"]));
    }
}

#[test]
fn greedy_answers_equal_transformers_token_for_token() {
    let Some((model, python)) = given() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = conversations();
    let expected = expected(folder.path(), &model, &python, &rows, N_TOKENS);
    let model = model.display().to_string();
    let n = N_TOKENS.to_string();
    let args = ["sample", "-m", &model, "--prompts", "rows.jsonl", "--json", "--max-tokens", &n];
    let answers = ok(folder.path(), &args);
    let answers: Vec<Value> =
        answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), expected.len());
    let mut wrong = Vec::new();
    for ((messages, got), want) in rows.iter().zip(&answers).zip(&expected) {
        if ids(&got["tokens"]) != ids(&want["tokens"]) || got["completion"] != want["completion"] {
            wrong.push(format!(
                "{messages:?}\n  got  {}\n  want {}",
                got["completion"], want["completion"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
