//! Wrong uses, each with the whole text that a person sees.
//!
//! The texts stand in `errors/*.txt`: a command, its exit code, and what it prints on stderr. With the variable
//! `E2H_UPDATE=1` the tests write the files anew instead of comparing; look at the difference before you keep it.
//!
//! # Invariants
//! - A text is one line, perhaps indented details below it, a blank line, and a hint of one line.
//! - A wrong use prints nothing on stdout, overwrites nothing and leaves no run folder.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::fake;
use crate::run::e2h;

/// Values and files of a configuration.
const CONFIG: &[&str] = &[
    "train --task contdown",
    "train --preset nanoo",
    "train --preset countdown-nano --task countdown",
    "train --set train.grup_size=3",
    "train --set grup_size=3",
    "train --set train.lr",
    "train --set train.lr=fast",
    "train --set train.lr=-1",
    "train --set train.group_size=1",
    "train --set train.steps=0",
    "train --set train.loss=ppoo",
    "train --set train.sampling.temperature=-1",
    "train --set schedule.kind=gausian",
    "train --set schedule.sigma=0",
    "train --set schedule.min_prob=0.9",
    "train --set schedule.kind=balanced --set schedule.sigma=1",
    "train --set task.levels=[]",
    "train --set eval.n_samples=2 --set eval.k=[4]",
    "train --set run.best_metric=acuracy",
    "train --set model.lora.rank=0",
    "train --set seed=-1",
    "train --set train.lr=-1 --set train.group_size=1 --set eval.problems_per_level=0",
    "train --config missing.toml",
    "train --config countdown-nan.toml",
    "train --config broken.toml",
    "train --config typo.toml",
    "train --config types.toml",
    "train --config kinds.toml",
    "train --config cycle.toml",
    "train --config several.toml",
    "config check -c typo.toml",
    "config show -c broken.toml",
];

/// Runs and folders.
const FOLDERS: &[&str] = &[
    "train --run-dir taken",
    "train --resume nowhere",
    "train --resume taken",
    "report nowhere",
    "report taken",
    "report done nowhere",
    "report done --out no/such/folder/page.html",
    "report nowhere --watch --port 0",
    "export taken",
    "export hollow",
    "eval nowhere",
    "eval taken",
    "eval hollow",
    "eval done --checkpoint first",
    "eval done --task countdown",
    "eval hollow --task countdown",
    "eval compare done nowhere.jsonl",
    "eval compare hollow hollow",
    "inspect nowhere",
    "inspect done --step soon",
    "schedule replay taken",
    "schedule replay hollow",
    "schedule compare hollow",
    "base --task countdown --out taken",
    "base --task math --out new",
];

/// Models and devices.
const MODELS: &[&str] = &[
    "train --model nowhere",
    "train --model taken",
    "train --model embedded:countdwn-nano",
    "train --model embedded:blocksworld-nano",
    "train --model torn",
    "train --device tpu",
    "eval taken --model embedded:countdown-nano",
    "model info nowhere",
    "model info embedded:nan",
    "model check taken",
    "sample --level 9",
    "sample --temperature=-1",
    "sft rows.jsonl --out taken",
    "sft rows.jsonl --out new --lr 0",
];

/// Rows, tasks and schedules.
const DATA: &[&str] = &[
    "tasks gen contdown",
    "tasks gen countdown --level 7",
    "tasks gen math",
    "tasks show blocksword",
    "tasks score missing.jsonl",
    "tasks score bad.jsonl",
    "tasks score rows.jsonl --task mathh",
    "tasks stats missing.jsonl",
    "tasks stats empty.jsonl",
    "tasks stats bad.jsonl",
    "tasks solve --numbers 1,2,3,4,5,6,7,8,9,10,11,12",
    "tasks solve --numbers 1,2 --target 3 rows.jsonl",
    "tasks label bad.jsonl --policy p --out new.jsonl",
    "sft missing.jsonl --out new",
    "sft empty.jsonl --out new",
    "train --set data.train.path=missing.jsonl",
    "train --set data.train.path=empty.jsonl",
    "schedule show --schedule linnear",
    "schedule show --levels 0",
    "schedule plot gausian",
    "schedule plot gaussian:sigmaa=1",
    "schedule plot gaussian:sigma=0",
    "schedule plot only --levels 0",
    "schedule compare gaussian --tokens 1,2",
    "schedule compare table:file=missing.csv",
    "schedule compare no/such/run",
    "schedule simulate sec --transfer 2",
    "schedule simulate --seeds 0",
];

/// The command line itself.
const FLAGS: &[&str] = &[
    "trian",
    "train --sed 1",
    "train --seed many",
    "train --seed",
    "train --quiet --ui plain",
    "train --ui fancy",
    "train --ui tui",
    "train --resume a --seed 1",
    "train --json",
    "train extra",
    "report",
    "report a --watch --out b.html",
    "report a --port 80",
    "schedule",
    "schedule sho",
    "completions tcsh",
    "inspect a --outcome right",
    "tasks gen",
    "export --frmt csv a",
];

/// A folder with everything that the commands trip over.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
    };
    for name in ["taken", "hollow", "torn"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    fake::run(folder.path(), "done", "cosine", 0);
    file("taken/notes.txt", "mine");
    file("hollow/config.toml", "");
    file("torn/config.json", "{\"model_type\": \"llama\"");
    file("broken.toml", "seed = 1\n\n[train]\nlr = \n");
    file("typo.toml", "seed = 1\n\n[train]\ngrup_size = 3\n");
    file("types.toml", "[train]\nlr = \"fast\"\n");
    file("kinds.toml", "[schedule]\nkind = \"balanced\"\nsigma = 0.5\n");
    file("cycle.toml", "inherit = \"cycle.toml\"\n");
    file("several.toml", "sed = 1\n\n[train]\nlr = true\ngroup_sise = 4\n");
    file("empty.jsonl", "");
    file("rows.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n");
    file(
        "bad.jsonl",
        "{\"task\":\"countdown\",\"level\":0,\"question\":[1,2],\"answer\":3}\nnot json\n",
    );
    folder
}

/// A command with its exit code and what it printed on stderr.
fn told(folder: &Path, line: &str) -> String {
    let args: Vec<&str> = line.split_whitespace().collect();
    let finished = e2h(folder, &args);
    let text = finished.stderr.replace(&folder.display().to_string(), "FOLDER");
    assert!(finished.stdout.is_empty(), "{line}: {}", finished.stdout);
    assert!(matches!(finished.code, Some(1 | 2)), "{line}: {:?} {text}", finished.code);
    check_form(line, &text);
    format!("$ e2h {line}\n[exit {}]\n{text}", finished.code.unwrap_or_default())
}

/// Perhaps some talk about what went before; then one line, perhaps details, a blank line, a hint of one line.
fn check_form(line: &str, text: &str) {
    assert_eq!(text.matches("error:").count(), 1, "{line}:\n{text}");
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    let [error, details @ .., blank, hint] = &lines[..] else {
        panic!("{line}: no hint in\n{text}")
    };
    assert!(
        error.len() > 12 && blank.is_empty(),
        "{line}: no blank line before the hint in\n{text}"
    );
    assert!(hint.starts_with("hint: ") && hint.len() > 12, "{line}: no hint in\n{text}");
    assert!(details.iter().all(|detail| detail.starts_with("  ")), "{line}:\n{text}");
}

/// Compares what `lines` print with `errors/NAME.txt`, or writes the file anew.
fn check(name: &str, lines: &[&str]) {
    let folder = folder();
    let told: Vec<String> = lines.iter().map(|line| told(folder.path(), line)).collect();
    let notes = fs::read_to_string(folder.path().join("taken/notes.txt"));
    assert_eq!(notes.expect("kept"), "mine");
    for made in ["runs", "new", "new.jsonl"] {
        assert!(!folder.path().join(made).exists(), "a wrong use left {made}");
    }
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/errors").join(format!("{name}.txt"));
    if std::env::var_os("E2H_UPDATE").is_some_and(|value| value == "1") {
        fs::write(&file, told.join("\n")).expect("written");
        return;
    }
    let expected = fs::read_to_string(&file).expect("the expected texts; E2H_UPDATE=1 writes them");
    let expected: Vec<&str> =
        expected.split("\n$ ").map(|text| text.trim_start_matches("$ ")).collect();
    let mut wrong = String::new();
    for (i, is) in told.iter().enumerate() {
        let (is, was) =
            (is.trim_start_matches("$ ").trim_end(), expected.get(i).unwrap_or(&"").trim_end());
        if is != was {
            let _ = write!(wrong, "\n--- expected\n{was}\n+++ printed\n{is}\n");
        }
    }
    assert!(wrong.is_empty() && expected.len() == told.len(), "{name}: {wrong}");
}

#[test]
fn wrong_configurations_are_told_as_written() {
    check("config", CONFIG);
}

#[test]
fn wrong_folders_are_told_as_written() {
    check("folders", FOLDERS);
}

#[test]
fn wrong_models_are_told_as_written() {
    check("models", MODELS);
}

#[test]
fn wrong_data_is_told_as_written() {
    check("data", DATA);
}

#[test]
fn wrong_flags_are_told_as_written() {
    check("flags", FLAGS);
}

#[test]
fn there_are_more_than_a_hundred_wrong_uses() {
    let n: usize = [CONFIG, FOLDERS, MODELS, DATA, FLAGS].iter().map(|lines| lines.len()).sum();
    assert!(n > 100, "{n}");
}
