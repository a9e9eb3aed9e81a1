//! `e2h export`: the metrics of runs as CSV, one row a step.
//!
//! The first column is `step`, so that trackio and W&B take the file as it is; a column `run` names the run where
//! there are several. The other columns are the keys of `metrics.jsonl` in alphabetical order. A value that a step
//! does not have is an empty cell; lists are left out.
//!
//! # Source
//! The quoting of RFC 4180.

use std::collections::BTreeSet;
use std::path::Path;

use e2h_core::write_atomic;
use serde_json::Value;

use crate::args::ExportArgs;
use crate::commands::report::read;
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// Runs the command.
pub(crate) fn run(args: &ExportArgs) -> Outcome {
    let mut runs = Vec::new();
    for path in &args.runs {
        let data = read(path)?;
        if data.metrics().is_empty() {
            return Err(empty(path));
        }
        runs.push((path.display().to_string(), data.metrics().to_vec()));
    }
    let text = csv(&runs);
    match &args.out {
        None => out(&text),
        Some(path) => {
            write_atomic(path, text.as_bytes()).map_err(Failure::run)?;
            say(&format!("wrote {} rows to {}", text.lines().count() - 1, path.display()));
        }
    }
    Ok(())
}

fn empty(path: &Path) -> Failure {
    Failure::run(format!("{} has no finished step to export", path.display()))
        .hint("wait for the first step, or look into its events.log")
}

/// The rows of all runs under the columns of all.
fn csv(runs: &[(String, Vec<Value>)]) -> String {
    let lines = || runs.iter().flat_map(|(_, lines)| lines);
    let keys: BTreeSet<&str> = lines()
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(key, value)| *key != "step" && !value.is_array() && !value.is_object())
        .map(|(key, _)| key.as_str())
        .collect();
    let several = runs.len() > 1;
    let mut head = vec!["step".to_owned()];
    if several {
        head.push("run".to_owned());
    }
    head.extend(keys.iter().map(|key| quote(key)));
    let mut text = head.join(",") + "\n";
    for (name, lines) in runs {
        for line in lines {
            let mut row = vec![cell(&line["step"])];
            if several {
                row.push(quote(name));
            }
            row.extend(keys.iter().map(|key| cell(&line[*key])));
            text += &(row.join(",") + "\n");
        }
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quote(text),
        other => quote(&other.to_string()),
    }
}

fn quote(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_column_a_metric_and_an_empty_cell_for_what_is_missing() {
        let lines =
            vec![json!({"step": 0, "b": 1.5, "list": [1]}), json!({"step": 1, "a": 2, "b": null})];
        assert_eq!(csv(&[("r".to_owned(), lines)]), "step,a,b\n0,,1.5\n1,2,\n");
    }

    #[test]
    fn several_runs_are_named_and_commas_are_quoted() {
        let line = || vec![json!({"step": 0, "a": 1})];
        let text = csv(&[("x,y".to_owned(), line()), ("z".to_owned(), line())]);
        assert_eq!(text, "step,run,a\n0,\"x,y\",1\n0,z,1\n");
    }
}
