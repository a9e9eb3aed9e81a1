//! `e2h eval`, `e2h eval compare` and `e2h inspect`.

use std::fs;

use crate::run::{e2h, json, ok};
use crate::tiny::{lines, succeeds, train};

#[test]
fn several_tasks_are_evaluated_at_once_and_two_evaluations_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "run", &[]));
    let here = folder.path();
    let few = ["--problems", "4", "--samples", "4", "-k", "1,4", "--majority"];
    let eval = |extra: &[&str]| ok(here, &[&["eval"], extra, &few[..]].concat());
    let two = json(&eval(&["run", "--tasks", "countdown,run/config.toml", "--json"]));
    assert_eq!(two.as_array().map(Vec::len), Some(2));
    let level = &two[0]["levels"][0];
    assert_eq!(level["pass_at_k"].as_array().map(Vec::len), Some(2), "{level}");
    assert!(level["majority"]["interval"].is_array(), "{level}");
    let table = eval(&["run", "--save", "a.jsonl"]);
    assert!(table.contains("pass@4") && table.contains("majority"), "{table}");
    // The best checkpoint, and the model folder of a checkpoint, are evaluated as well.
    eval(&["run", "--checkpoint", "best", "--save", "b.jsonl"]);
    eval(&["run/checkpoints/step-6", "--save", "c.jsonl"]);
    assert_eq!(lines(&here.join("a.jsonl")), lines(&here.join("c.jsonl")));
    let same = json(&ok(here, &["eval", "compare", "a.jsonl", "c.jsonl", "--json"]));
    for row in same["rows"].as_array().expect("rows") {
        assert_eq!((row["only_a"].as_u64(), row["p_value"].as_f64()), (Some(0), Some(1.0)));
    }
    let text = ok(here, &["eval", "compare", "run", "run"]);
    assert!(text.contains("only A") && text.contains(" all "), "{text}");
    let wrong = e2h(here, &["eval", "run", "--checkpoint", "99"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("hint: kept are: "), "{}", wrong.stderr);
}

#[test]
fn samples_are_filtered_and_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "run", &[]));
    let all = lines(&folder.path().join("run/samples.jsonl"));
    for key in ["prompt", "completion", "parts", "reward", "advantage", "level", "step"] {
        assert!(all.iter().all(|sample| sample.get(key).is_some()), "{key}");
    }
    let inspect = |extra: &[&str]| {
        let text = ok(folder.path(), &[&["inspect", "run", "--json"], extra].concat());
        text.lines().map(json).collect::<Vec<_>>()
    };
    assert_eq!(inspect(&[]), all);
    let step = inspect(&["--step", "2..4"]);
    assert_eq!(step.len(), 8);
    let expected: Vec<_> = all.iter().filter(|s| s["outcome"] == "bad_format").cloned().collect();
    assert_eq!(inspect(&["--outcome", "bad_format"]), expected);
    assert_eq!(inspect(&["--last", "-n", "1"]), all[all.len() - 1..]);
    assert!(inspect(&["--grep", "no such text anywhere"]).is_empty());
    let none = e2h(folder.path(), &["inspect", "run", "--level", "9"]);
    assert!(none.stderr.contains("there are steps 0 to 5, levels "), "{}", none.stderr);
    let shown = e2h(folder.path(), &["inspect", "run", "--step", "0", "-n", "2"]);
    assert_eq!(shown.stdout.matches("step 0  level ").count(), 2, "{}", shown.stdout);
    assert!(shown.stderr.contains("2 of 24 samples"), "{}", shown.stderr);
    fs::remove_file(folder.path().join("run/samples.jsonl")).expect("removed");
    assert_eq!(e2h(folder.path(), &["inspect", "run"]).code, Some(2));
}
