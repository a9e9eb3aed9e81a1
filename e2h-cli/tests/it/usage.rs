//! The verbs that look at things: help, schedules, tasks, verdicts.

use std::fs;

use serde_json::Value;

use crate::run::{e2h, ok};

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
    for verb in [
        "train", "eval", "sample", "report", "export", "tasks", "schedule", "config", "base",
        "doctor", "bench", "golden",
    ] {
        let help = ok(folder.path(), &[verb, "--help"]);
        assert!(help.contains("Usage: e2h") && help.contains("Examples:"), "{verb}");
    }
}

#[test]
fn the_steps_of_a_base_are_its_own_updates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let line = "base --steps 2 --set base.sft.batch=4 --set base.hidden_size=16 \
                --set base.n_layers=1 --set base.n_heads=2 --set eval.problems_per_level=1 --out m";
    let made = e2h(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stderr.contains("on 8 random plays"), "{}", made.stderr);
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
fn schedules_are_compared_plotted_and_simulated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |line: &str| ok(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    fs::write(folder.path().join("rows.csv"), "1 0\n0.5 0.5\n").expect("a file");
    let line = "schedule compare balanced table:file=rows.csv --levels 2 --steps 10 --prompts 4 \
                --tokens 10,20 --group-size 2 --json";
    let rows: Value = serde_json::from_str(&run(line)).expect("JSON");
    assert_eq!(rows[0]["expected_counts"], serde_json::json!([20.0, 20.0]));
    assert_eq!(rows[1]["expected_counts"], serde_json::json!([30.0, 10.0]));
    assert_eq!(rows[1]["expected_tokens"], serde_json::json!([600.0, 400.0]));
    let line = "schedule show table:file=rows.csv --levels 2 --steps 10 --prompts 4 --tokens 10,20 \
                --group-size 2";
    let shown: Value = serde_json::from_str(&run(&format!("{line} --json"))).expect("JSON");
    assert_eq!(shown["expected_counts"], serde_json::json!([30.0, 10.0]));
    assert_eq!(shown["expected_tokens"], serde_json::json!([600.0, 400.0]));
    assert!(run(line).contains("expected completion tokens, 2 completions a prompt"));
    let shown = run("schedule show --schedule gaussian --set sigma=0.75 --steps 9 --json");
    assert_eq!(shown, run("schedule show gaussian:sigma=0.75 --steps 9 --json"));
    assert!(run("schedule list").contains("filter.kind=\"vcrl\""));
    assert_eq!(run("schedule plot linear --steps 20").lines().count(), 4);
    assert!(run("schedule plot e2h-a --steps 20 --svg -").starts_with("<svg"));
    assert!(run("schedule plot sec --by pass-rate --steps 9 --svg -").contains("all wrong"));
    let line = "schedule simulate balanced e2h-a --pass-rates 0.7,0.36,0.14,0.13 --steps 40 \
                --prompts 16 --group-size 16 --seeds 8 --by hard --json";
    let ranking: Value = serde_json::from_str(&run(line)).expect("JSON");
    assert_eq!(ranking["ranking"][0]["schedule"], "e2h-a", "{ranking}");
    let line = "schedule simulate balanced gaussian only:level=3 --seeds 4 --steps 60 --json";
    let ranking: Value = serde_json::from_str(&run(line)).expect("JSON");
    assert_eq!(ranking["ranking"][2]["schedule"], "only:level=3");
    assert_eq!(ranking["ranking"][0]["behind_best"]["mean"], 0.0);
}

#[test]
fn a_run_is_replayed_under_other_rules() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |line: &str| ok(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    let path = folder.path().join("a");
    fs::create_dir(&path).expect("a folder");
    let config = run("config show --schedule sec --steps 2");
    fs::write(path.join("config.toml"), config).expect("a file");
    let line = |step: u64, easy: f64, outcomes: &str| {
        let hard = (1.0 - easy) / 3.0;
        format!(
            "{{\"step\":{step},\"schedule/level_0/prob\":{easy},\"schedule/level_1/prob\":{hard},\
             \"schedule/level_2/prob\":{hard},\"schedule/level_3/prob\":{hard},\
             \"groups/outcomes\":{outcomes}}}\n"
        )
    };
    // One group at level 0 with mean |A| 1: Q = 0.5, so its weight is exp(0.5) against 1.
    let easy = 0.5f64.exp() / (0.5f64.exp() + 3.0);
    let log = line(0, 0.25, "[[0,7,2,1.0,[1,1,0,0]]]") + &line(1, easy, "[[0,8,4,0.0,[1,1,1,1]]]");
    fs::write(path.join("metrics.jsonl"), log).expect("a file");
    let replayed: Value =
        serde_json::from_str(&run("schedule replay a sec balanced:filter.kind=pass-rate --json"))
            .expect("JSON");
    let moved = replayed["rules"][0]["moved_most"].as_f64().expect("a number");
    assert!(moved < 1e-12, "sec replayed on a run of sec moves {moved}");
    assert_eq!(replayed["rules"][1]["kept_groups"], 1);
    assert_eq!(replayed["rules"][1]["moved_most_step"], 1);
    let text = run("schedule replay a");
    assert!(text.contains("e2h-a") && text.contains("moved"), "{text}");
    fs::write(path.join("metrics.jsonl"), "{\"step\":0}\n").expect("a file");
    let finished = e2h(folder.path(), &["schedule", "replay", "a"]);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("has no `groups/outcomes`"), "{}", finished.stderr);
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
