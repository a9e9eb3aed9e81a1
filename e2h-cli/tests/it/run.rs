//! Running the binary.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// What a finished command left.
pub(crate) struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with `args`, in `folder`.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_e2h"));
    command.args(args).current_dir(folder);
    command
}

/// Runs the binary to its end.
pub(crate) fn e2h(folder: &Path, args: &[&str]) -> Finished {
    let Output { status, stdout, stderr } = command(folder, args).output().expect("e2h starts");
    Finished {
        code: status.code(),
        stdout: String::from_utf8(stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(stderr).expect("stderr is UTF-8"),
    }
}

/// Runs the binary and expects success.
pub(crate) fn ok(folder: &Path, args: &[&str]) -> String {
    let finished = e2h(folder, args);
    assert_eq!(finished.code, Some(0), "{args:?}: {}", finished.stderr);
    finished.stdout
}

/// The value that a command printed as JSON.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Says why a test has nothing to do here.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
