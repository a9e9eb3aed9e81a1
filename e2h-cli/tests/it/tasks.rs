//! `e2h tasks solve`, `label`, `stats` and `score`, and runs on rows from files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::{Finished, command, e2h, ok};
use crate::tiny;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Runs the binary with `input` on its stdin.
fn piped(folder: &Path, line: &str, input: &[u8]) -> Finished {
    let mut command = command(folder, &words(line));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("e2h starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A command that fails early closes the pipe, which is not what is tested here.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().expect("e2h ends");
    let _ = writer.join();
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Finished {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs the binary with `input` on its stdin, and expects success.
fn piped_ok(folder: &Path, line: &str, input: &str) -> String {
    let finished = piped(folder, line, input.as_bytes());
    assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
    finished.stdout
}

/// Expects a mistake of usage with `said` in the error.
fn refused(folder: &Path, line: &str, said: &str) {
    let finished = e2h(folder, &words(line));
    assert_eq!(finished.code, Some(2), "{line}: {}", finished.stderr);
    assert!(finished.stderr.contains(said), "{line}: {}", finished.stderr);
    assert!(finished.stderr.contains("hint: ") && finished.stdout.is_empty(), "{line}");
}

const COUNTDOWN: &str = r#"{"task":"countdown","level":0,"question":[3,3,7,7],"answer":24,"id":"a"}
{"task":"countdown","level":1,"question":[1,1],"answer":24,"id":"b"}
{"task":"countdown","level":0,"question":[7,3,7,3],"answer":24,"id":"c"}
"#;

#[test]
fn numbers_are_solved_with_or_without_the_name_of_the_task() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    for name in ["countdown ", "", "countdown-nano "] {
        let line = format!("tasks solve {name}--numbers 3,3,7,7 --target 24");
        let solved = json_lines(&ok(folder, &words(&line))).remove(0);
        assert_eq!(solved["outcome"], "solved", "{line}");
        assert_eq!(
            (&solved["n_steps"], solved["n_solutions"].as_u64() > Some(0)),
            (&json!(3), true)
        );
        let row = json!({"numbers": [3, 3, 7, 7], "target": 24, "text": solved["solution"]});
        let verdict = piped_ok(folder, "tasks score countdown", &row.to_string());
        assert_eq!(json_lines(&verdict)[0]["correct"], true, "{solved}");
    }
    let reached = ok(folder, &words("tasks solve countdown --numbers 3,6"));
    assert_eq!(json_lines(&reached), [json!({"numbers": [3, 6], "reachable": [2, 3, 9, 18]})]);
    refused(
        folder,
        "tasks solve blocksworld --numbers 3,6",
        "problem of countdown, not of blocksworld",
    );
    refused(folder, "tasks solve rows.jsonl --numbers 3,6", "without the rows of rows.jsonl");
    refused(folder, "tasks solve countdown --numbers 1,2,3,4,5,6,7", "7 numbers are too many");
    refused(folder, "tasks solve contdown", "contdown");
}

#[test]
fn rows_are_solved_from_a_file_and_from_stdin() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    fs::write(folder.join("rows.jsonl"), COUNTDOWN).expect("a file");
    let from_file = ok(folder, &words("tasks solve rows.jsonl"));
    for line in ["tasks solve", "tasks solve -", "tasks solve countdown -"] {
        assert_eq!(piped_ok(folder, line, COUNTDOWN), from_file, "{line}");
    }
    let outcome = |row: &Value| format!("{} {}", row["id"], row["outcome"]).replace('"', "");
    let outcomes: Vec<String> = json_lines(&from_file).iter().map(outcome).collect();
    assert_eq!(outcomes, ["a solved", "c solved", "b no_solution"]);
    let rows = ok(folder, &words("tasks gen blocksworld --level 3 -n 4"));
    for solved in json_lines(&piped_ok(folder, "tasks solve", &rows)) {
        assert_eq!((&solved["outcome"], &solved["n_steps"]), (&json!("solved"), &json!(6)));
    }
}

#[test]
fn rows_are_counted_with_duplicates_and_overlap() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    fs::write(folder.join("train.jsonl"), COUNTDOWN).expect("a file");
    let test = r#"{"task":"countdown","level":0,"question":[7,7,3,3],"answer":24,"id":"x"}
{"task":"countdown","level":0,"question":[2,5],"answer":10,"id":"y"}"#;
    fs::write(folder.join("test.jsonl"), test).expect("a file");
    let text = ok(folder, &words("tasks stats train.jsonl --test test.jsonl"));
    assert!(text.starts_with("3 rows (countdown 3), 1 of them repeat an earlier one"), "{text}");
    assert!(text.contains("1 of 2 test rows ask the same as a training row"), "{text}");
    for line in ["tasks stats --json", "tasks stats countdown - --json"] {
        let value: Value = serde_json::from_str(&piped_ok(folder, line, COUNTDOWN)).expect("JSON");
        assert_eq!(value["stats"]["n_rows"], 3, "{line}");
        assert_eq!(value["stats"]["n_duplicates"], 1, "{line}");
        assert_eq!(value["stats"]["levels"][0]["n_rows"], 2, "{line}");
    }
    let line = "tasks stats train.jsonl --drop-duplicates --json --test -";
    let value: Value = serde_json::from_str(&piped_ok(folder, line, test)).expect("JSON");
    assert_eq!(
        (&value["stats"]["n_rows"], &value["overlap"]["n_test_rows"]),
        (&json!(2), &json!(1))
    );
    refused(folder, "tasks stats missing.jsonl", "missing.jsonl");
    refused(
        folder,
        "tasks stats train.jsonl --hub a/b --hub-file x",
        "cannot be given beside `path`",
    );
}

#[test]
fn rows_get_levels_from_counts_by_quantiles_and_by_thresholds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let row = |n: u64| {
        let row = json!({"question": format!("{n} and 1?"), "answer": n + 1, "n_correct": n, "n_samples": 8});
        row.to_string() + "\n"
    };
    let rows: String = (0..8).map(row).collect();
    let line = "tasks label gsm8k --policy mine --out q.jsonl --quantiles 4 --date 2026-01-02";
    piped_ok(folder, line, &rows);
    let written = fs::read_to_string(folder.join("q.jsonl")).expect("rows");
    let mut levels: Vec<(u64, u64)> = json_lines(&written)
        .iter()
        .map(|row| (row["n_correct"].as_u64().expect("n"), row["level"].as_u64().expect("a level")))
        .collect();
    levels.sort_unstable();
    assert_eq!(levels, [(0, 3), (1, 3), (2, 2), (3, 2), (4, 1), (5, 1), (6, 0), (7, 0)]);
    let by = &json_lines(&written)[0]["labelled_by"];
    assert_eq!((&by["policy"], &by["date"]), (&json!("mine"), &json!("2026-01-02")));
    let header = fs::read_to_string(folder.join("q.labels.json")).expect("a header");
    let header: Value = serde_json::from_str(&header).expect("JSON");
    assert_eq!(header["sizes"], json!([2, 2, 2, 2]), "{header}");
    let line = "tasks label - --task gsm8k --policy mine --out t.jsonl --thresholds 0.7,0.2";
    piped_ok(folder, line, &rows);
    let stats = ok(folder, &words("tasks stats t.jsonl --json"));
    let stats: Value = serde_json::from_str(&stats).expect("JSON");
    let size = |level: usize| stats["stats"]["levels"][level]["n_rows"].clone();
    assert_eq!([size(0), size(1), size(2)], [2, 4, 2].map(Value::from));
    let finished = piped(folder, "tasks label gsm8k --policy x --out u.jsonl", row(3).as_bytes());
    assert_eq!(finished.code, Some(1), "one row makes no four levels");
    assert!(finished.stderr.contains("hint: ") && !folder.join("u.jsonl").exists());
}

#[test]
fn rows_get_levels_from_a_policy_that_is_run_on_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let rows = ok(folder, &words("tasks gen countdown-nano -n 3"));
    fs::write(folder.join("rows.jsonl"), rows).expect("a file");
    let line = "tasks label rows.jsonl --task countdown-nano --model embedded:countdown-nano --samples 2 \
                --max-tokens 64 --thresholds 0.4 --out out.jsonl";
    let finished = e2h(folder, &words(line));
    // Two samples may fall on one side of the threshold for all rows, which is said and not hidden.
    if finished.code == Some(0) {
        let rows = json_lines(&fs::read_to_string(folder.join("out.jsonl")).expect("rows"));
        assert_eq!(rows.len(), 15);
        assert!(rows.iter().all(|row| row["n_samples"] == 2 && row["level"].as_u64() < Some(2)));
        assert_eq!(rows[0]["labelled_by"]["policy"], "embedded:countdown-nano");
    } else {
        assert!(finished.stderr.contains("--thresholds may part the rows"), "{}", finished.stderr);
    }
}

#[test]
fn explanations_say_what_was_read_and_which_rule_decided() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = r#"{"gold":"[0, 1)","pred":"0 \\le x < 1"}"#;
    let line = "tasks score math --explain";
    let verdict = json_lines(&piped_ok(folder.path(), line, row)).remove(0);
    assert_eq!(verdict["correct"], true);
    let explain: Vec<&str> =
        verdict["explain"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    assert!(explain.iter().any(|line| line.contains("read as an interval")), "{explain:?}");
    assert!(explain.iter().any(|line| line.starts_with("equal: ")), "{explain:?}");
    let row = r#"{"numbers":[2,3],"target":7,"completion":" so</think><answer>2*3</answer>"}"#;
    let verdict = piped_ok(folder.path(), "tasks score --task countdown --explain", row);
    assert!(verdict.contains("the answer uses each number once and is 6"), "{verdict}");
}

#[test]
fn files_are_scored_one_after_the_other_and_a_task_can_be_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    fs::write(folder.join("a.jsonl"), "{\"id\":1,\"gold\":\"A\",\"text\":\"(A)\"}\nnonsense\n")
        .expect("a file");
    fs::write(folder.join("b.jsonl"), "{\"id\":2,\"gold\":\"B\",\"text\":\"(A)\"}\n")
        .expect("a file");
    let finished = e2h(folder, &words("tasks score aqua a.jsonl b.jsonl"));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("a.jsonl, line 2: not JSON"), "{}", finished.stderr);
    assert!(finished.stderr.contains("1 of 3 lines could not be judged"), "{}", finished.stderr);
    let verdicts = json_lines(&finished.stdout);
    assert_eq!((&verdicts[0]["correct"], &verdicts[1]["correct"]), (&json!(true), &json!(false)));
    let row = r#"{"numbers":[2,3],"target":6,"text":"2*3"}"#;
    let line = r#"tasks score countdown - --set operators=["+","-"] --set correct_weight=0.5"#;
    let verdict = json_lines(&piped_ok(folder, line, row)).remove(0);
    assert_eq!(verdict["reason"], "an operator is not allowed");
    assert_eq!(verdict["parts"][0]["weight"], 0.5);
    refused(folder, "tasks score --set operators=[]", "there is none");
    refused(folder, "tasks gen countdown --set max_numbr=9", "max_numbr");
    refused(folder, "tasks gen countdown --set max_number", "has no value");
    refused(folder, "tasks gen countdown --set max_number=0", "min_number, max_number");
    let rows = ok(
        folder,
        &words(
            "tasks gen countdown --level 1 -n 20 -s max_number=9 -s left_fold=true -s reject_padded=true",
        ),
    );
    for row in json_lines(&rows) {
        let numbers: Vec<u64> = serde_json::from_value(row["question"].clone()).expect("numbers");
        assert!(numbers.iter().all(|number| (1..=9).contains(number)), "{row}");
    }
}

#[test]
fn hurtful_rows_are_answered_at_once_and_the_rest_is_judged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let big = |task: &str| json!({"task": task, "gold": "5", "numbers": [5], "target": 5, "text": "(".repeat(10 << 20)});
    let deep =
        format!("{{\"task\":\"math\",\"gold\":{}5{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}5{}", "(".repeat(100_000), ")".repeat(100_000));
    let mut input = Vec::new();
    for line in [
        big("countdown").to_string().into_bytes(),
        big("math").to_string().into_bytes(),
        b"{\"task\":\"math\",\"gold\":\"5\",\"text\":\"\xff\xfe\"}".to_vec(),
        deep.into_bytes(),
        json!({"task": "math", "gold": "5", "text": nested}).to_string().into_bytes(),
        json!({"task": "math", "gold": "5", "text": "9^{9^{9^9}}"}).to_string().into_bytes(),
        vec![b'x'; 17 << 20],
        json!({"task": "math", "gold": "5", "text": "5"}).to_string().into_bytes(),
    ] {
        input.extend(line);
        input.push(b'\n');
    }
    let start = Instant::now();
    let finished = piped(folder.path(), "tasks score --answer-bad-lines", &input);
    let took = start.elapsed();
    assert_eq!(finished.code, Some(1));
    let outcomes: Vec<Value> =
        json_lines(&finished.stdout).iter().map(|verdict| verdict["outcome"].clone()).collect();
    let unknown = "unverifiable";
    assert_eq!(
        outcomes,
        ["wrong", unknown, unknown, unknown, unknown, "wrong", unknown, "correct"]
    );
    for said in
        ["line 3: the line is not UTF-8", "line 4: not JSON", "line 7: the line is too long"]
    {
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
    // Reading and parsing 40 MB is most of it.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_run_takes_its_rows_from_files_and_tells_of_overlap() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let rows = ok(folder, &words("tasks gen countdown-nano -n 12 -s max_number=10"));
    fs::write(folder.join("train.jsonl"), &rows).expect("a file");
    let first = rows.lines().next().expect("a row").to_owned() + "\n";
    let test = ok(folder, &words("tasks gen countdown-nano -n 6 --split test -s max_number=10"));
    fs::write(folder.join("test.jsonl"), first.clone() + &test).expect("a file");
    let config = "[data.train]\npath = \"train.jsonl\"\ntake = 12\n\n[data.test]\npath = \"test.jsonl\"\ntake = 100\n";
    fs::write(folder.join("rows.toml"), config).expect("a file");
    let args = ["--preset", "countdown-nano", "--config", "rows.toml"];
    let (code, stderr) = tiny::end(&mut tiny::train(folder, "run", &args));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("1 of 31 held-out rows ask the same as a training row"), "{stderr}");
    let summary = fs::read_to_string(folder.join("run/summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["levels"][0]["n"], 7, "{summary}");
    // A task of published rows needs to be told where they are; rows of another task are refused.
    fs::write(folder.join("math.toml"), "[task]\nkind = \"math\"\n").expect("a file");
    refused(folder, "train --config math.toml --run-dir none", "data.train names none");
    let line = "train --task blocksworld --config rows.toml --run-dir none";
    let finished = e2h(folder, &words(line));
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("countdown"), "{}", finished.stderr);
}
