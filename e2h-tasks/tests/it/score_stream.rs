//! The stream of verdicts reproduces the oracle's, end to end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, Write};

use e2h_tasks::score_stream::{ScoreCounts, ScoreOptions, Scorer, score_stream};
use serde_json::Value;

use crate::shared;

/// Judges an oracle file as it is; hands each row with its verdict to `agrees`, and fails with all that do not.
fn check(task: &str, agrees: impl Fn(&Value, &Value) -> bool) {
    let Some(folder) = shared::folder() else {
        return;
    };
    let path = folder.join(format!("oracle/{task}_shared.jsonl"));
    let scorer = Scorer::named(task).expect("known");
    let input = BufReader::new(File::open(&path).expect("readable"));
    let mut output = Vec::new();
    let counts =
        score_stream(&scorer, ScoreOptions::default(), input, &mut output, |bad| panic!("{bad}"))
            .expect("no line stops it");
    let output = String::from_utf8(output).expect("UTF-8");
    let text = fs::read_to_string(&path).expect("readable");
    let parse = |line| serde_json::from_str::<Value>(line).expect("JSON");
    let (mut wrong, mut n_rows) = (Vec::new(), 0);
    for (row, verdict) in text.lines().map(parse).zip(output.lines().map(parse)) {
        n_rows += 1;
        assert_eq!((&row["id"], &verdict["task"]), (&verdict["id"], &task.into()));
        if row["doubtful"] != true
            && (verdict["outcome"] == "unverifiable" || !agrees(&row, &verdict))
        {
            wrong.push(format!("{} {} {}", row["id"], row["expected"], verdict));
        }
    }
    assert_eq!(n_rows, text.lines().count());
    assert_eq!(counts.n_lines, n_rows as u64);
    assert!(wrong.is_empty(), "{} of {n_rows} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_stream_reproduces_the_oracle_s_verdicts_on_the_format() {
    check("format", |row, verdict| verdict["correct"] == row["expected"]);
}

#[test]
fn the_stream_reproduces_the_oracle_s_verdicts_on_countdown() {
    check("countdown", |row, verdict| verdict["correct"] == row["expected"]);
}

#[test]
fn the_stream_reproduces_the_oracle_s_rewards_on_blocksworld() {
    check("blocksworld", |row, verdict| {
        let expected = row["expected"].as_f64().expect("a number");
        let reward = verdict["reward"].as_f64().expect("a number");
        // The oracle's numbers are rounded to 12 digits.
        (reward - expected).abs() < 1e-9 && verdict["correct"] == (expected > 0.0)
    });
}

#[test]
fn the_stream_reads_the_rows_of_the_math_tasks() {
    for (task, truth) in [("gsm8k", "expected"), ("aqua", "expected"), ("math", "truth")] {
        let Some(folder) = shared::folder() else {
            return;
        };
        let text = fs::read_to_string(folder.join(format!("oracle/{task}_shared.jsonl")))
            .expect("readable");
        let mut output = Vec::new();
        let scorer = Scorer::named(task).expect("known");
        let counts =
            score_stream(&scorer, ScoreOptions::default(), text.as_bytes(), &mut output, |bad| {
                panic!("{task}: {bad}")
            });
        let counts = counts.expect("no line stops it");
        let output = String::from_utf8(output).expect("UTF-8");
        let parse = |line| serde_json::from_str::<Value>(line).expect("JSON");
        let pairs = text.lines().map(parse).zip(output.lines().map(parse));
        let n_right =
            pairs.filter(|(row, verdict)| verdict["correct"] == row[truth]).count() as u64;
        assert!(n_right * 10 > counts.n_lines * 9, "{task}: {n_right} of {}", counts.n_lines);
    }
}

#[test]
fn all_tasks_may_be_mixed_in_one_stream() {
    let Some(folder) = shared::folder() else {
        return;
    };
    let mut input = Vec::new();
    let mut expected: HashMap<&str, u64> = HashMap::new();
    for task in ["format", "countdown", "blocksworld"] {
        let text = fs::read_to_string(folder.join(format!("oracle/{task}_shared.jsonl")))
            .expect("readable");
        for line in text.lines() {
            let named = line.replacen('{', &format!("{{\"task\":\"{task}\","), 1);
            writeln!(input, "{named}").expect("a vector takes all");
            *expected.entry(task).or_default() += 1;
        }
    }
    let mut output = Vec::new();
    let counts =
        score_stream(&Scorer::new(), ScoreOptions::default(), &input[..], &mut output, |bad| {
            panic!("{bad}")
        });
    let counts: ScoreCounts = counts.expect("no line stops it");
    assert_eq!(counts.n_lines, expected.values().sum::<u64>());
    for line in String::from_utf8(output).expect("UTF-8").lines() {
        let verdict: Value = serde_json::from_str(line).expect("JSON");
        *expected.get_mut(verdict["task"].as_str().expect("a name")).expect("asked for") -= 1;
    }
    assert!(expected.values().all(|&left| left == 0), "{expected:?}");
}
