//! Verdicts on the shared oracle rows and published data, where they are at hand.

use e2h_core::{Level, Outcome, Problem, Task, read_jsonl};
use e2h_tasks::blocksworld::planner::{Search, shortest_plan};
use e2h_tasks::blocksworld::{Blocksworld, BlocksworldConfig};
use e2h_tasks::countdown::{Countdown, CountdownConfig};
use e2h_tasks::format;
use serde_json::{Map, Value};

use crate::shared;

/// The rows of a shared file, or `None` after saying so.
pub(crate) fn rows<T: serde::de::DeserializeOwned>(file: &str) -> Option<Vec<T>> {
    let shared = shared::folder()?;
    Some(read_jsonl(&shared.join(file)).expect("the shared file is readable"))
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().expect("a text field")
}

fn problem(task: &str, question: Value, answer: Value, solution: Option<Value>) -> Problem {
    let (id, task) = (String::new(), task.to_owned());
    Problem { id, task, level: Level(0), question, answer, solution, extra: Map::new() }
}

/// Fails with all wrong rows at once.
fn report(wrong: Vec<String>, n: usize) {
    assert!(
        wrong.is_empty(),
        "{} of {n} rows are judged wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn settled(rows: Vec<Value>) -> Vec<Value> {
    rows.into_iter().filter(|row| row["doubtful"] != true).collect()
}

#[test]
fn every_oracle_row_of_the_format_is_judged_right() {
    let Some(rows) = rows::<Value>("oracle/format_shared.jsonl").map(settled) else {
        return;
    };
    let mut wrong = Vec::new();
    for row in &rows {
        let found = format::answer(text(row, "completion")).ok();
        let same_answer = row["expected"] == false || found == row["extracted"].as_str();
        if found.is_some() != (row["expected"] == true) || !same_answer {
            wrong.push(format!("{} {found:?} {:?}", row["id"], row["completion"]));
        }
    }
    report(wrong, rows.len());
}

#[test]
fn every_oracle_row_of_countdown_is_judged_right() {
    let Some(rows) = rows::<Value>("oracle/countdown_shared.jsonl").map(settled) else {
        return;
    };
    let task = Countdown::new(CountdownConfig::default()).expect("valid");
    let mut wrong = Vec::new();
    for row in &rows {
        let problem = problem("countdown", row["numbers"].clone(), row["target"].clone(), None);
        let score = task.score_answer(&problem, text(row, "text"));
        let verified = !matches!(score.outcome, Outcome::Unverifiable { .. });
        if !verified || score.is_correct() != (row["expected"] == true) {
            wrong.push(format!("{} {} {:?}", row["id"], score.reason, row["text"]));
        }
    }
    report(wrong, rows.len());
}

/// The hand-made rows of the Countdown oracle: numbers, target, text and the right verdict.
const COUNTDOWN: &str = include_str!("fixtures/countdown.jsonl");

#[test]
fn every_hand_made_countdown_case_is_judged_right() {
    let task = Countdown::new(CountdownConfig::default()).expect("valid");
    let mut n_rows = 0;
    for line in COUNTDOWN.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let problem = problem("countdown", row["numbers"].clone(), row["target"].clone(), None);
        let score = task.score_answer(&problem, text(&row, "text"));
        assert_eq!(score.is_correct(), row["expected"] == true, "{} {line}", score.reason);
        n_rows += 1;
    }
    assert!(n_rows > 100, "{n_rows} rows");
}

#[test]
fn every_oracle_row_of_blocksworld_is_judged_right() {
    let Some(rows) = rows::<Value>("oracle/blocksworld_shared.jsonl").map(settled) else {
        return;
    };
    let task = Blocksworld::new(BlocksworldConfig::default()).expect("valid");
    let mut wrong = Vec::new();
    for row in &rows {
        let gold = Some(row["gold"].clone());
        let problem = problem("blocksworld", row["init"].clone(), row["goal"].clone(), gold);
        let score = task.score_answer(&problem, text(row, "pred"));
        let verified = !matches!(score.outcome, Outcome::Unverifiable { .. });
        let expected = row["expected"].as_f64().expect("a number");
        // The oracle's numbers are rounded to 12 digits.
        if !verified || (score.reward - expected).abs() > 1e-9 {
            wrong
                .push(format!("{} {} {} {:?}", row["id"], score.reward, score.reason, row["pred"]));
        }
    }
    report(wrong, rows.len());
}

#[test]
fn every_published_blocksworld_row_loads_and_its_plan_verifies() {
    let task = Blocksworld::new(BlocksworldConfig::default()).expect("valid");
    for file in ["data/blocksworld/train.jsonl", "data/blocksworld/test.jsonl"] {
        let Some(rows) = rows::<Value>(file) else {
            return;
        };
        for row in rows {
            let solution = Some(row["solution"].clone());
            let problem =
                problem("blocksworld", row["question"].clone(), row["answer"].clone(), solution);
            let score = task.score_answer(&problem, text(&row, "solution"));
            assert_eq!((score.reward, score.is_correct()), (2.0, true), "{}", row["id"]);
        }
    }
}

#[test]
fn every_published_blocksworld_plan_is_as_short_as_the_planner_s() {
    for file in ["data/blocksworld/train.jsonl", "data/blocksworld/test.jsonl"] {
        let Some(rows) = rows::<Value>(file) else {
            return;
        };
        for row in rows {
            let problem =
                problem("blocksworld", row["question"].clone(), row["answer"].clone(), None);
            let instance = Blocksworld::instance(&problem).expect("well formed");
            let Search::Plan(plan) = shortest_plan(&instance.start, &instance.goal, 12, 100_000)
            else {
                panic!("{} has no plan of 12 actions", row["id"]);
            };
            assert_eq!(Some(plan.len() as u64), row["steps"].as_u64(), "{}", row["id"]);
        }
    }
}
