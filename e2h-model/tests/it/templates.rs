//! Chat templates of the supported families against transformers, where `E2H_PYTHON` names a Python that has it; and
//! that no special token comes twice.

use std::io::Write;
use std::process::{Command, Stdio};

use e2h_core::Prompt;
use e2h_model::{ChatTemplate, Message, TextCodec};
use serde_json::{Value, json};

const PROGRAM: &str = include_str!("templates.py");

/// Templates with what published ones do: white space control, namespaces, slices, trims, Python's methods.
const OWN: [(&str, &str); 3] = [
    (
        "blocks",
        "{{- bos_token }}\n{%- set ns = namespace(last=-1) %}\n{% for m in messages[::-1] %}\n    {%- if ns.last < 0 and m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}\n{% endfor %}\n{{ ns.last }}\n{% for m in messages %}\n  {%- if loop.first and m['role'] != 'system' %}[sys]default\n{% endif %}\n[{{ m.role }}]{{ m['content'] | trim }}{% generation %}{% if not loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}\n{% endfor %}\n{%- if add_generation_prompt %}[assistant]{% endif %}\n",
    ),
    (
        "methods",
        "{% for m in messages %}{{ m.content.split('</think>')[-1].lstrip('\\n').replace('a', 'b') }}|{% if m.content.startswith('So') %}so{% endif %}|{{ m.content[:3] }}|{{ m.content | tojson }}{% if tools is not none and tools %}no{% endif %}{% if m.tool_calls %}no{% endif %}{% endfor %}",
    ),
    (
        "raises",
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}{% endif %}{{ messages[-1].content ~ '' }}",
    ),
];

fn conversations() -> Vec<Vec<Message>> {
    let (system, user) = (|text| Message::new("system", text), |text| Message::new("user", text));
    let assistant = |text| Message::new("assistant", text);
    let think = "Let me solve this step by step.\n<think>";
    vec![
        vec![user("What is 2 + 2?")],
        vec![system("Be brief.\n"), user("  a < b & 'c' \"d\" \u{e9}\u{4e2d}\\n  ")],
        vec![user("Hi"), assistant("<think>\nhm\n</think>\n\nHello!"), user("Who?")],
        vec![user("Use the numbers [3, 5]."), assistant(think)],
        vec![system("S"), user("One"), assistant("So: \n")],
    ]
}

/// What transformers makes of the templates; `None`, with a word about it, without a Python.
fn rendered() -> Option<Vec<Value>> {
    let Ok(python) = std::env::var("E2H_PYTHON") else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: E2H_PYTHON names no Python with transformers");
        }
        return None;
    };
    let own: serde_json::Map<String, Value> =
        OWN.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("Python starts");
    let mut stdin = child.stdin.take().expect("piped");
    let given = json!({"conversations": conversations(), "own": own}).to_string();
    stdin.write_all(given.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

#[test]
fn templates_of_the_families_are_rendered_as_transformers_renders_them() {
    let Some(cases) = rendered() else { return };
    assert!(cases.len() >= OWN.len() * conversations().len());
    let mut wrong = Vec::new();
    for case in &cases {
        let source = case["template"].as_str().expect("text");
        let messages: Vec<Message> =
            serde_json::from_value(case["messages"].clone()).expect("messages");
        let template = ChatTemplate::new(source, "<bos>", "<eos>").expect("compiles");
        let got = match case["opened"].as_bool() {
            Some(true) => template.render_opened(messages),
            _ => template.render_chat(&messages, true),
        };
        // A template may refuse a conversation; both refuse it then.
        if got.as_ref().ok().map(String::as_str) != case["text"].as_str() {
            let name = &case["name"];
            wrong.push(format!("{name}\n  got  {got:?}\n  want {}", case["text"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_beginning_token_of_a_template_does_not_come_twice() {
    // A tokenizer that puts `<s>` before every text by itself, and a template that writes it.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<s>"), special(1, "</s>")],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
        },
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, "2": 2, "+": 3}, "unk_token": "</s>"},
    });
    let config = json!({
        "bos_token": {"content": "<s>"}, "eos_token": "</s>",
        "chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    });
    let write = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.to_string()).expect("written");
    };
    write("tokenizer.json", &tokenizer);
    write("tokenizer_config.json", &config);
    let codec = TextCodec::load(folder.path()).expect("loadable");
    let prompt = Prompt { system: None, user: "2 + 2".to_owned(), assistant_prefix: String::new() };
    assert_eq!(codec.encode_prompt(&prompt).expect("encodes"), [0, 2, 3, 2]);
}
