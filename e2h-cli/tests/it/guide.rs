//! The snippets of `docs/guide.md` are run.
//!
//! Commands run in their order in one folder. A run is made shorter by a few settings, since the guide's own
//! take minutes. TOML is checked as a configuration. Python runs where `E2H_PYTHON` names one.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{command, ok, skipped};

const GUIDE: &str = include_str!("../../../docs/guide.md");

/// What makes a run short.
const SHORT: [&str; 10] = [
    "--quiet",
    "--steps=2",
    "--set=train.prompts=2",
    "--set=train.group_size=2",
    "--set=train.warmup_steps=0",
    "--set=data.problems_per_level=8",
    "--set=eval.problems_per_level=4",
    "--set=train.sampling.max_tokens=32",
    "--set=run.save_every=0",
    "--set=run.sample_every=1",
];

/// The text of each block fenced as `kind`.
fn blocks(kind: &str) -> Vec<&'static str> {
    let open = format!("```{kind}\n");
    let block = |rest: &'static str| rest.split("```").next().unwrap_or_default();
    GUIDE.split(open.as_str()).skip(1).map(block).collect()
}

#[test]
fn the_commands_of_the_guide_run_in_their_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut n = 0;
    for line in blocks("console").iter().flat_map(|block| block.lines()) {
        let line = line.strip_prefix("$ e2h ").expect("a command of e2h");
        let mut args: Vec<&str> = line.split_whitespace().collect();
        if args[0] == "train" {
            args.extend(SHORT);
        }
        ok(folder.path(), &args);
        n += 1;
    }
    assert!(n > 12, "only {n} commands");
    assert!(folder.path().join("compare.html").is_file());
}

#[test]
fn the_settings_of_the_guide_are_a_valid_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for block in blocks("toml") {
        fs::write(folder.path().join("mine.toml"), block).expect("a file");
        ok(folder.path(), &["config", "check", "-c", "mine.toml"]);
    }
}

#[test]
fn the_python_of_the_guide_runs() {
    let Some(python) = std::env::var_os("E2H_PYTHON") else {
        skipped("no Python: set E2H_PYTHON to run the guide's Python");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = command(folder.path(), &[]).get_program().to_owned();
    let bin = Path::new(&program).parent().expect("a folder");
    for block in blocks("python") {
        let mut run = Command::new(&python);
        run.args(["-c", block]).env("PATH", bin).current_dir(folder.path());
        let output = run.output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
