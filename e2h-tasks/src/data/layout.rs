//! From a JSON object of any known layout to a [`Problem`].
//!
//! | layout | known by | question | answer | solution | level |
//! |---|---|---|---|---|---|
//! | rows | `question` | `question` | `answer` | `solution` | `level`, 0 = easiest |
//! | countdown | `numbers` (or `nums`) without `question` | the numbers | `target` | `solution` | the number of numbers - 2 |
//! | math | `problem` without `question` | `problem` | `answer`, else the last `\boxed{}` of the solution | `solution` | `level` - 1 |
//! | aqua | `correct` beside `options` | `question` | `correct` | `rationale` | `level` |
//! | gsm8k | task gsm8k, `####` in `answer`, no `solution` | `question` | what follows `####` | the text | `level` |
//!
//! A level is always explicit. In place of a number it may be MATH's `Level 3` (which is 2 here), or one of `trivial`,
//! `easy`, `medium`, `hard`. A row without level takes that of the specification; only Countdown, whose levels are
//! *defined* as the number of numbers, can do without.
//!
//! How often a base model solved a problem comes under several names. `errors_of_20` counts wrong samples of 20. The
//! published `difficulty` counts the right samples of 20 in GSM8K and the wrong ones in AQuA. All become `n_correct`
//! and `n_samples`; none is ever taken for a level.
//!
//! # Source
//! The published E2H data sets (arXiv 2506.06632), MATH, GSM8K, AQuA-RAT, and the Countdown files of several projects.
//!
//! # Invariants
//! - All other fields are kept in `extra`.
//! - What is renamed or turned round is noted.

use std::collections::BTreeMap;

use e2h_core::{Level, Problem};
use serde_json::{Map, Value};

use super::DataSpec;
use super::error::Fault;
use crate::countdown;

/// What was mapped, and for how many rows.
pub(crate) type Notes = BTreeMap<&'static str, usize>;

/// Words for levels in the published data.
const LEVEL_WORDS: [&str; 4] = ["trivial", "easy", "medium", "hard"];

/// Samples of the published pass counts.
const N_SAMPLES: u64 = 20;

/// The layout of one row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Rows,
    Countdown,
    Math,
    Aqua,
}

impl Layout {
    fn of(row: &Map<String, Value>) -> Self {
        let has = |field| row.contains_key(field);
        match () {
            () if has("options") && has("correct") => Self::Aqua,
            () if has("question") => Self::Rows,
            () if has("numbers") || has("nums") => Self::Countdown,
            () if has("problem") => Self::Math,
            () => Self::Rows,
        }
    }

    /// The task that a layout belongs to.
    fn task(self, row: &Map<String, Value>) -> Option<&'static str> {
        match self {
            Self::Countdown => Some(countdown::NAME),
            Self::Math => Some("math"),
            Self::Aqua => Some("aqua"),
            Self::Rows if row.contains_key("options") => Some("aqua"),
            Self::Rows => None,
        }
    }
}

/// Reads a row.
pub(crate) fn problem(
    mut row: Map<String, Value>,
    spec: &DataSpec,
    notes: &mut Notes,
) -> Result<Problem, Fault> {
    let layout = Layout::of(&row);
    let default_task = spec.task.as_deref().or(layout.task(&row));
    let task = task(&mut row, default_task)?;
    if task == "gsm8k" {
        split_gsm8k(&mut row, notes);
    }
    let names: [&[&str]; 3] = match layout {
        Layout::Rows => [&["question"], &["answer"], &["solution"]],
        Layout::Countdown => [&["numbers", "nums"], &["target"], &["solution"]],
        Layout::Math => [&["problem"], &["answer"], &["solution"]],
        Layout::Aqua => [&["question"], &["correct"], &["rationale", "solution"]],
    };
    let [question, answer, solution] = names.map(|names| take(&mut row, names));
    let question = question.ok_or_else(|| missing(names[0][0]))?;
    let answer = match (answer, layout) {
        (None, Layout::Math) => {
            note(notes, "the answer is the last \\boxed{} of the solution");
            solution.as_ref().and_then(Value::as_str).and_then(last_boxed).map(Value::from)
        }
        (answer, _) => answer,
    };
    let answer = answer.ok_or_else(|| missing(names[1][0]))?;
    match layout {
        Layout::Rows => {}
        Layout::Countdown => note(notes, "`numbers` is the question, `target` the answer"),
        Layout::Math => note(notes, "`problem` is the question"),
        Layout::Aqua => note(notes, "`correct` is the answer, `rationale` the solution"),
    }
    if answer.as_str().is_some_and(|text| text.trim().is_empty()) {
        note(notes, "the answer is empty, so that no completion can be right");
    }
    count_right(&mut row, &task, notes);
    let level = level(&mut row, layout, &question, &task, spec, notes)?;
    let id = match row.remove("id") {
        Some(Value::String(id)) => id,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    Ok(Problem { id, task, level, question, answer, solution, extra: row })
}

fn note(notes: &mut Notes, text: &'static str) {
    *notes.entry(text).or_default() += 1;
}

fn missing(field: &str) -> Fault {
    Fault::value(field, "given", None)
}

/// Takes the first of `names` that the row has with a value.
fn take(row: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let name = names.iter().find(|name| row.get(**name).is_some_and(|value| !value.is_null()))?;
    row.remove(*name)
}

fn task(row: &mut Map<String, Value>, default: Option<&str>) -> Result<String, Fault> {
    match row.remove("task") {
        Some(Value::String(task)) => Ok(task),
        None | Some(Value::Null) => default.map(str::to_owned).ok_or_else(|| {
            let expected = "the name of a task, here or as `task` of the data's specification";
            Fault::value("task", expected, None)
        }),
        Some(other) => Err(Fault::value("task", "the name of a task", Some(&other))),
    }
}

/// Parts GSM8K's `answer` into solution and answer.
fn split_gsm8k(row: &mut Map<String, Value>, notes: &mut Notes) {
    if row.contains_key("solution") {
        return;
    }
    let text = row.get("answer").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some((_, answer)) = text.rsplit_once("####") {
        note(notes, "the answer is what follows ####, the solution is the whole text");
        row.insert("answer".to_owned(), answer.trim().replace(',', "").into());
        row.insert("solution".to_owned(), text.into());
    }
}

/// Brings the published counts of right or wrong samples to `n_correct` and `n_samples`.
fn count_right(row: &mut Map<String, Value>, task: &str, notes: &mut Notes) {
    if row.contains_key("n_correct") {
        return;
    }
    let count = |field: &str| row.get(field).and_then(Value::as_u64).filter(|&n| n <= N_SAMPLES);
    let (n_correct, text) = match (count("errors_of_20"), count("difficulty"), task) {
        (Some(n), ..) => {
            (N_SAMPLES - n, "`errors_of_20` counts wrong samples: `n_correct` is 20 minus it")
        }
        (_, Some(n), "aqua") => (
            N_SAMPLES - n,
            "`difficulty` of aqua counts wrong samples of 20: `n_correct` is 20 minus it",
        ),
        (_, Some(n), "gsm8k") => {
            (n, "`difficulty` of gsm8k counts right samples of 20: `n_correct` is the same")
        }
        _ => return,
    };
    note(notes, text);
    row.insert("n_correct".to_owned(), n_correct.into());
    row.insert("n_samples".to_owned(), N_SAMPLES.into());
}

fn level(
    row: &mut Map<String, Value>,
    layout: Layout,
    question: &Value,
    task: &str,
    spec: &DataSpec,
    notes: &mut Notes,
) -> Result<Level, Fault> {
    if let Some(map) = &spec.level_map {
        let value = row.get(&map.field);
        let place = map.order.iter().position(|known| Some(known) == value);
        let expected = || format!("one of {}", Value::from(map.order.clone()));
        let place = place.ok_or_else(|| Fault::value(&map.field, expected(), value))?;
        note(notes, "the level is read from the field that `level_map` names");
        row.remove("level");
        return Ok(Level::at(place));
    }
    let value = row.remove("level").unwrap_or(Value::Null);
    let whole = |n: u64| u16::try_from(n).ok().map(Level);
    let found = match &value {
        Value::Null => return level_of_none(row, question, task, spec, notes),
        Value::Number(n) if layout == Layout::Math => {
            note(notes, "MATH levels 1 to 5 become 0 to 4");
            n.as_u64().and_then(|n| n.checked_sub(1)).and_then(whole)
        }
        Value::Number(n) => n.as_u64().and_then(whole),
        Value::String(text) => match LEVEL_WORDS.iter().position(|word| word == text) {
            Some(place) => {
                note(notes, "trivial, easy, medium, hard become levels 0 to 3");
                Some(Level::at(place))
            }
            None => {
                note(notes, "`Level 1` to `Level 5` become 0 to 4");
                let n = text.strip_prefix("Level ").and_then(|n| n.parse::<u64>().ok());
                n.and_then(|n| n.checked_sub(1)).and_then(whole)
            }
        },
        _ => None,
    };
    let expected = match layout {
        Layout::Math => "a whole number from 1",
        _ => "a whole number from 0",
    };
    found.ok_or_else(|| Fault::value("level", expected, Some(&value)))
}

/// The level of a row that carries none.
fn level_of_none(
    row: &Map<String, Value>,
    question: &Value,
    task: &str,
    spec: &DataSpec,
    notes: &mut Notes,
) -> Result<Level, Fault> {
    if let Some(level) = spec.level {
        note(notes, "rows without level take the `level` of the specification");
        return Ok(level);
    }
    let n_numbers = question.as_array().filter(|_| task == countdown::NAME).map(Vec::len);
    if let Some(level) = n_numbers.and_then(|n| n.checked_sub(2)) {
        note(notes, "the level is the number of numbers minus 2");
        return u16::try_from(level)
            .map(Level)
            .map_err(|_| Fault::value("numbers", "fewer", Some(&level.into())));
    }
    let expected = match row.contains_key("n_correct") {
        true => "given (counts of right samples are no levels: label the rows first)",
        false => "given, or `level` or `level_map` in the data's specification",
    };
    Err(Fault::value("level", expected, None))
}

/// What stands in the last `\boxed{...}` of a text.
fn last_boxed(text: &str) -> Option<&str> {
    let (_, rest) = text.rsplit_once("\\boxed{")?;
    let mut depth = 1_usize;
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&rest[..at]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &str, spec: &DataSpec) -> (Result<Problem, Fault>, Vec<&'static str>) {
        let row = serde_json::from_str(row).expect("an object");
        let mut notes = Notes::new();
        let problem = problem(row, spec, &mut notes);
        (problem, notes.into_keys().collect())
    }

    fn check(
        row: &str,
        spec: &DataSpec,
        task: &str,
        level: u16,
        answer: impl Into<Value>,
    ) -> Problem {
        let (problem, _) = read(row, spec);
        let problem = problem.expect("a good row");
        let found = (problem.task.as_str(), problem.level, &problem.answer);
        assert_eq!(found, (task, Level(level), &answer.into()), "{row}");
        problem
    }

    fn task(name: &str) -> DataSpec {
        DataSpec { task: Some(name.to_owned()), ..DataSpec::default() }
    }

    #[test]
    fn every_published_layout_is_read() {
        let none = DataSpec::default();
        check(r#"{"numbers": [1, 2, 3], "target": 6}"#, &none, "countdown", 1, 6);
        check(r#"{"nums": [1, 2], "target": 3, "level": 4}"#, &none, "countdown", 4, 3);
        let row = r#"{"problem": "x", "solution": "so $\\boxed{\\{1\\}}$", "level": "Level 3"}"#;
        check(row, &none, "math", 2, "\\{1\\}");
        check(r#"{"problem": "x", "answer": "1", "level": 5}"#, &none, "math", 4, "1");
        let row = r#"{"question": "x", "options": ["A)1"], "correct": "A", "rationale": "r", "level": 0}"#;
        assert_eq!(check(row, &none, "aqua", 0, "A").solution, Some("r".into()));
        let row = r#"{"question": "x", "answer": "5 + 1\n#### 1,006", "level": "hard"}"#;
        let problem = check(row, &task("gsm8k"), "gsm8k", 3, "1006");
        assert_eq!(problem.solution, Some("5 + 1\n#### 1,006".into()));
        let row = r#"{"task": "own", "level": 7, "question": {}, "answer": false, "mine": [1]}"#;
        assert_eq!(check(row, &task("gsm8k"), "own", 7, false).extra["mine"], Value::from(vec![1]));
    }

    #[test]
    fn a_level_is_never_guessed() {
        let row = r#"{"question": "x", "answer": "1", "difficulty": 6}"#;
        for name in ["gsm8k", "aqua", "blocksworld"] {
            let fault = read(row, &task(name)).0.expect_err("no level");
            assert_eq!(fault.field, "level", "{name}");
        }
        let mut spec = task("gsm8k");
        spec.level = Some(Level(2));
        check(row, &spec, "gsm8k", 2, "1");
        for level in ["-1", "1.5", "70000", "true", "\"Level ?\"", "\"Level 0\"", "[]"] {
            let row = format!(r#"{{"question": "x", "answer": "1", "level": {level}}}"#);
            assert_eq!(read(&row, &spec).0.expect_err("no level").field, "level", "{level}");
        }
        let row = r#"{"problem": "x", "answer": "1", "level": 0}"#;
        assert_eq!(
            read(row, &spec).0.expect_err("MATH begins at 1").expected,
            "a whole number from 1"
        );
    }

    #[test]
    fn counts_of_right_and_wrong_samples_are_brought_to_one_name() {
        for (name, field, expected) in [
            ("gsm8k", "difficulty", 6),
            ("aqua", "difficulty", 14),
            ("gsm8k", "errors_of_20", 14),
            ("aqua", "errors_of_20", 14),
        ] {
            let row = format!(r#"{{"question": "x", "answer": "1", "level": 0, "{field}": 6}}"#);
            let (problem, notes) = read(&row, &task(name));
            let problem = problem.expect("a good row");
            assert_eq!(problem.extra["n_correct"], expected, "{name} {field}");
            assert_eq!(problem.extra[field], 6, "the original is kept");
            assert_eq!(notes.len(), 1, "and it is said: {notes:?}");
        }
    }

    #[test]
    fn a_level_map_gives_the_order_of_another_field() {
        let spec = DataSpec {
            level_map: Some(super::super::LevelMap {
                field: "steps".to_owned(),
                order: vec![1.into(), 2.into(), 4.into()],
            }),
            ..task("blocksworld")
        };
        let row =
            |steps| format!(r#"{{"question": "x", "answer": "1", "level": 9, "steps": {steps}}}"#);
        let problem = check(&row(4), &spec, "blocksworld", 2, "1");
        assert_eq!(problem.extra["steps"], 4);
        assert_eq!(read(&row(3), &spec).0.expect_err("not in the list").field, "steps");
    }

    #[test]
    fn faults_name_the_field_and_what_was_expected() {
        let spec = DataSpec { level: Some(Level(0)), ..DataSpec::default() };
        for (row, field) in [
            (r#"{"question": "x", "answer": "1"}"#, "task"),
            (r#"{"task": 5, "question": "x", "answer": "1"}"#, "task"),
            (r#"{"task": "math", "question": "x"}"#, "answer"),
            (r#"{"task": "math", "question": null, "answer": 1}"#, "question"),
            (r#"{"problem": "x", "solution": "\\boxed{1"}"#, "answer"),
            (r#"{"numbers": [1, 2]}"#, "target"),
        ] {
            assert_eq!(read(row, &spec).0.expect_err(row).field, field);
        }
    }
}
