//! What a user gets for wrong input: one line, a hint, the right exit code, nothing overwritten.

use std::fs;

use serde_json::Value;

use crate::run::{e2h, ok};

#[test]
fn wrong_input_is_one_line_with_a_hint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("taken")).expect("a folder");
    fs::write(folder.path().join("taken/notes.txt"), "mine").expect("a file");
    fs::write(folder.path().join("broken.toml"), "seed = \n").expect("a file");
    fs::write(folder.path().join("typo.toml"), "[train]\ngrup_size = 3\n").expect("a file");
    let check = |line: &str, code: i32, expect: &str| {
        let args: Vec<&str> = line.split_whitespace().collect();
        let finished = e2h(folder.path(), &args);
        assert_eq!(finished.code, Some(code), "{line}: {}", finished.stderr);
        assert!(finished.stderr.contains(expect), "{line}: {}", finished.stderr);
        assert!(finished.stderr.contains("hint: "), "{line}: {}", finished.stderr);
        assert!(finished.stdout.is_empty(), "{line}: {}", finished.stdout);
    };
    check("train --task contdown", 2, "did you mean `countdown`?");
    check("train --preset nanoo", 2, "nanoo");
    check("train --set train.grup_size=3", 2, "did you mean `train.group_size`?");
    check("train --set train.group_size=1", 2, "`group_size` is 1, but must be at least 2");
    check("train --set train.lr=fast", 2, "train.lr");
    check("train --set schedule.kind=gausian", 2, "gausian");
    check("train --set schedule.sigma=0", 2, "`sigma`");
    check("train --set schedule.min_prob=0.9", 2, "`min_prob`");
    check("train --set task.levels=[]", 2, "levels");
    check("train --config missing.toml", 2, "missing.toml");
    check("train --config broken.toml", 2, "broken.toml");
    check("train --config typo.toml", 2, "typo.toml:2");
    check("train --model nowhere", 2, "there is no model folder nowhere");
    check("train --model taken", 1, "config.json");
    check("train --model embedded:countdwn-nano", 2, "did you mean `embedded:countdown-nano`?");
    check("train --model embedded:blocksworld-nano", 2, "does not know the words");
    check("train --device tpu", 2, "known: auto, cpu, cuda");
    check("train --device cuda", 2, "cuda");
    check("train --run-dir taken", 2, "run folder taken is not empty");
    check("train --resume nowhere", 2, "nowhere is not a run folder");
    check("train --resume taken", 2, "it has no config.toml");
    check("report taken", 2, "taken is not a run folder");
    check("eval nowhere", 2, "there is no folder nowhere");
    check("eval taken", 2, "taken is neither a run nor a checkpoint");
    check("sample --level 9", 2, "has levels 0 to 4, not 9");
    check("sample --temperature=-1", 2, "--temperature is -1");
    check("schedule show --schedule linnear", 2, "linnear");
    check("schedule show --levels 0", 2, "n_levels");
    check("tasks score --task mathh", 2, "did you mean `math`?");
    check("tasks score missing.jsonl", 2, "missing.jsonl");
    check("tasks gen contdown", 2, "did you mean `countdown`");
    check("tasks gen countdown --level 7", 2, "levels 0 to 4");
    check("base --task countdown --out taken", 2, "taken is not empty");
    assert_eq!(fs::read_to_string(folder.path().join("taken/notes.txt")).expect("kept"), "mine");
    assert!(!folder.path().join("runs").exists(), "a failed command left a run folder");
}

#[test]
fn a_run_folder_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    fs::create_dir(&run).expect("a folder");
    fs::write(run.join("metrics.jsonl"), "{}\n").expect("a file");
    let finished = e2h(folder.path(), &["train", "--run-dir", "run"]);
    assert_eq!(finished.code, Some(2));
    assert_eq!(fs::read_dir(&run).expect("listable").count(), 1);
}

#[test]
fn the_first_page_and_every_help_text_print() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(ok(folder.path(), &[]).contains("e2h train"));
    for verb in ["train", "eval", "sample", "report", "tasks", "schedule", "config", "base"] {
        assert!(ok(folder.path(), &[verb, "--help"]).contains("Usage: e2h"), "{verb}");
    }
}

#[test]
fn schedule_show_prints_probabilities_and_expected_counts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let line = "schedule show --schedule gaussian --levels 4 --steps 1600 --prompts 8 --json";
    let args: Vec<&str> = line.split_whitespace().collect();
    let value: Value = serde_json::from_str(&ok(folder.path(), &args)).expect("JSON");
    let counts: Vec<f64> =
        serde_json::from_value(value["expected_counts"].clone()).expect("a list of numbers");
    let rounded: Vec<f64> = counts.iter().map(|count| count.round()).collect();
    assert_eq!(rounded, [1628.0, 2997.0, 4595.0, 3580.0]);
    let first: Vec<f64> =
        serde_json::from_value(value["probabilities"][0].clone()).expect("a list of numbers");
    assert!((first[0] - 0.628_322_133_979_881_7).abs() < 1e-12);
    assert_eq!(value["probabilities"].as_array().map(Vec::len), Some(1600));
}

#[test]
fn tasks_are_listed_shown_and_generated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(ok(folder.path(), &["tasks", "list"]).contains("countdown-nano"));
    assert!(ok(folder.path(), &["tasks", "show", "blocksworld"]).contains("level 4: 8 actions"));
    assert!(ok(folder.path(), &["tasks", "show", "math-gen"]).contains("level 4: "));
    let args = ["tasks", "gen", "countdown", "--level", "1", "-n", "5", "--split", "test"];
    let rows = ok(folder.path(), &args);
    assert_eq!(rows, ok(folder.path(), &args));
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).expect("a JSON row");
        assert_eq!(row["level"], 1);
        assert_eq!(row["question"].as_array().map(Vec::len), Some(3));
    }
    assert_eq!(rows.lines().count(), 5);
}

#[test]
fn answers_are_scored_in_order_and_a_bad_line_is_reported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = concat!(
        r#"{"id":1,"task":"countdown","numbers":[2,3],"target":6,"text":"2 * 3"}"#,
        "\nnot json\n",
        r#"{"id":2,"task":"math","gold":"\\frac{1}{2}","pred":"0.5"}"#,
        "\n",
        r#"{"id":3,"task":"aqua","gold":"C","text":"B)"}"#,
        "\n",
    );
    fs::write(folder.path().join("rows.jsonl"), rows).expect("a file");
    let finished = e2h(folder.path(), &["tasks", "score", "rows.jsonl"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("line 2: "), "{}", finished.stderr);
    let verdicts: Vec<Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let outcomes: Vec<&str> =
        verdicts.iter().map(|verdict| verdict["outcome"].as_str().expect("a text")).collect();
    assert_eq!(outcomes, ["correct", "correct", "wrong"]);
}
