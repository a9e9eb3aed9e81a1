//! Schedules in runs and in the documents: empty levels, weights of problems, pictures.

use std::fs;
use std::path::{Path, PathBuf};

use e2h_sched::{FilterKind, Kind};
use serde_json::Value;

use crate::run::{e2h, ok};
use crate::tiny::train;

/// Writes rows of Countdown as the tiny runs know them: `n` of each of `levels`, with the extra fields of `extra`.
fn write_rows(folder: &Path, levels: &[u16], n: usize, extra: impl Fn(u16, usize) -> String) {
    let mut text = String::new();
    for &level in levels {
        let (level_text, n_text) = (level.to_string(), n.to_string());
        let args = ["tasks", "gen", "countdown-nano", "--level", &level_text, "-n", &n_text];
        for (index, row) in ok(folder, &args).lines().enumerate() {
            text += &row.replacen('{', &format!("{{{}", extra(level, index)), 1);
            text.push('\n');
        }
    }
    fs::write(folder.join("rows.jsonl"), text).expect("a file");
}

/// The exit code and the talk of a tiny run on `rows.jsonl`.
fn run(folder: &Path, name: &str, extra: &[&str]) -> (Option<i32>, String) {
    let rows = ["--set", "data.train.path=rows.jsonl"];
    let output = train(folder, name, &[&rows[..], extra].concat()).output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_level_without_rows_is_refused_before_the_first_step_and_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_rows(folder.path(), &[0, 1, 3], 2, |_, _| String::new());
    // Classic would come to level 2 in the middle of the run; only, never.
    for (name, kind) in
        [("a", "schedule.kind=\"classic\""), ("b", "schedule={kind=\"only\",level=0}")]
    {
        let (code, talk) = run(folder.path(), name, &["--set", kind]);
        assert_eq!(code, Some(2), "{kind}: {talk}");
        assert!(talk.contains("data.train has no rows of level 2"), "{kind}: {talk}");
    }
    assert!(!folder.path().join("a").join("metrics.jsonl").exists(), "no step was made");
}

#[test]
fn rows_are_drawn_by_their_weights_and_weight_zero_never() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The first row of each level has no weight, which is 1; the second 0; the third one in a million.
    let weight = |_, index: usize| ["", "\"weight\":0,", "\"weight\":1e-6,"][index].to_owned();
    write_rows(folder.path(), &[0, 1, 2, 3], 3, weight);
    let (code, talk) = run(folder.path(), "a", &["--schedule", "balanced"]);
    assert_eq!(code, Some(0), "{talk}");
    let items = drawn(&folder.path().join("a"));
    assert!(items.len() >= 24 && items.iter().all(|&item| item == 0), "{items:?}");
    let (code, talk) = run(folder.path(), "b", &["--set", "data.weight_field=\"\""]);
    assert_eq!(code, Some(0), "{talk}");
    assert!(drawn(&folder.path().join("b")).contains(&1));
}

/// The items of all groups of a run.
fn drawn(run: &Path) -> Vec<u64> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let items = |line: Value| -> Vec<u64> {
        let groups = line["groups/outcomes"].as_array().expect("a list").clone();
        groups.iter().map(|group| group[1].as_u64().expect("an item")).collect()
    };
    lines.flat_map(items).collect()
}

#[test]
fn a_weight_that_is_no_weight_is_refused_with_its_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, weight, expected) in [
        ("a", "-1", "`weight` is -1, but must be a finite number of at least 0"),
        ("b", "\"NaN\"", "`weight` is \"NaN\", but must be a finite number of at least 0"),
        ("c", "0", "all rows of level 1 have `weight` 0"),
    ] {
        let field = |level: u16, _| match level {
            1 => format!("\"weight\":{weight},"),
            _ => String::new(),
        };
        write_rows(folder.path(), &[0, 1, 2, 3], 2, field);
        let (code, talk) = run(folder.path(), name, &[]);
        assert_eq!(code, Some(2), "{talk}");
        assert!(talk.contains(expected), "{talk}");
    }
}

#[test]
fn every_rule_and_filter_has_a_picture_in_the_documents_that_is_up_to_date() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/curricula.md")).expect("the page");
    // The quotes are for the reader's shell; no word has a space.
    let commands: Vec<String> = page
        .lines()
        .map(|line| line.trim().replace('\'', ""))
        .filter(|line| line.starts_with("e2h schedule plot ") && line.contains(" --svg docs/"))
        .collect();
    for command in &commands {
        let (command, path) = command.split_once(" --svg ").expect("it writes a picture");
        let words: Vec<&str> = command.split_whitespace().skip(1).chain(["--svg", "-"]).collect();
        let shown = e2h(&root, &words);
        let committed = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert_eq!(shown.stdout.trim_end(), committed.trim_end(), "`cargo xtask gen` makes {path}");
        let link = format!("]({})", path.trim_start_matches("docs/"));
        assert!(page.contains(&link), "{path} is not shown");
    }
    for kind in Kind::ALL {
        let plotted = format!("e2h schedule plot {}", kind.name());
        assert!(commands.iter().any(|line| line.starts_with(&plotted)), "{} has none", kind.name());
        assert!(page.contains(&format!("### {}", kind.name())), "{} has no section", kind.name());
    }
    for kind in FilterKind::ALL {
        let plotted = format!("filter.kind={}", kind.name());
        assert!(commands.iter().any(|line| line.contains(&plotted)), "{} has none", kind.name());
    }
}
