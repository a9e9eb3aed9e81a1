//! The live view on a real pseudo terminal: keys, signals, a panic, and the terminal given back.
//!
//! The terminal is made by `script` of util-linux; where it is not there, the tests say so and do nothing. What keys
//! did is read from the run's files, since the view draws only what has changed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::skipped;
use crate::tiny::train;

/// Enters the alternate screen.
const ENTER: &str = "\u{1b}[?1049h";
/// Leaves it.
const LEAVE: &str = "\u{1b}[?1049l";
/// Shows the cursor.
const SHOW: &str = "\u{1b}[?25h";

/// `e2h train` on a pseudo terminal.
struct Terminal {
    child: Child,
    folder: PathBuf,
}

/// What is left when the program has ended.
struct End {
    code: Option<i32>,
    /// All that was written to the terminal.
    written: String,
    /// The terminal's settings afterwards, of `stty -a`.
    settings: String,
}

impl Terminal {
    /// Starts a run that would take long, on a terminal of this size; `None` where there is no `script`.
    fn start(folder: &Path, (columns, rows): (u32, u32), env: &[(&str, &str)]) -> Option<Self> {
        let run = train(
            folder,
            "run",
            &[
                "--set",
                "train.steps=100000",
                "--set",
                "run.save_every=0",
                "--set",
                "run.eval_every=0",
            ],
        );
        let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy());
        // The tiny runs are quiet; this one is to be seen.
        let args = run.get_args().filter(|arg| *arg != "--quiet").map(quoted);
        let words = std::iter::once(quoted(run.get_program())).chain(args);
        let program = format!(
            "stty cols {columns} rows {rows}; {} --ui tui; code=$?; stty -a > settings; exit $code",
            words.collect::<Vec<_>>().join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &program, "written"]).current_dir(folder);
        command.env("TERM", "xterm-256color").env("SHELL", "/bin/sh").envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Some(Self { child, folder: folder.to_path_buf() }),
            Err(_) => {
                skipped("no pseudo terminal: there is no program `script`");
                None
            }
        }
    }

    fn press(&mut self, key: &str) {
        let keys = self.child.stdin.as_mut().expect("a pipe");
        keys.write_all(key.as_bytes()).and_then(|()| keys.flush()).expect("pressed");
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn n_steps(&self) -> usize {
        self.read("run/metrics.jsonl").lines().count()
    }

    /// Waits until `done`, or fails.
    fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            let log = self.read("run/events.log");
            assert!(start.elapsed() < Duration::from_secs(60), "{what} never came: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends the program a signal.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, self.read("run/.lock").trim()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn end(mut self) -> End {
        // Waiting would close the keyboard.
        let _keys = self.child.stdin.take();
        let status = self.child.wait().expect("a child");
        let (written, settings) = (self.read("written"), self.read("settings"));
        End { code: status.code(), written, settings }
    }
}

/// A test that fails leaves no run behind: without its terminal it stops.
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The view was there, and the terminal is as it was; returns what came after the view.
fn check_restored(end: &End) -> &str {
    assert_eq!(end.written.matches(ENTER).count(), 1);
    let (_, after) = end.written.rsplit_once(LEAVE).expect("the screen was left");
    assert!(after.contains(SHOW) && !after.contains(ENTER), "{after:?}");
    let words: Vec<&str> = end.settings.split([' ', ';', '\n']).collect();
    assert!(words.contains(&"icanon") && words.contains(&"echo"), "{}", end.settings);
    after
}

#[test]
fn keys_pause_evaluate_save_and_quit_and_the_terminal_is_given_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut terminal) = Terminal::start(folder.path(), (100, 30), &[]) else { return };
    terminal.wait("a step", |terminal| terminal.n_steps() > 2);
    terminal.press("p");
    std::thread::sleep(Duration::from_millis(1500));
    let paused = terminal.n_steps();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(terminal.n_steps(), paused, "a paused run makes no step");
    terminal.press("p");
    terminal.wait("a step after the pause", |terminal| terminal.n_steps() > paused);
    terminal.press("s");
    terminal.wait("a checkpoint", |terminal| terminal.read("run/events.log").contains("saved "));
    let evals = terminal.read("run/eval.jsonl").lines().count();
    terminal.press("e");
    terminal
        .wait("an evaluation", |terminal| terminal.read("run/eval.jsonl").lines().count() > evals);
    terminal.press("q");
    let end = terminal.end();
    assert_eq!(end.code, Some(130), "{}", end.written);
    assert!(check_restored(&end).contains("hint: go on with `e2h train --resume run`"));
}

#[test]
fn a_signal_ends_the_run_and_gives_the_terminal_back() {
    for (name, size) in [("-TERM", (100, 30)), ("-INT", (30, 8))] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Some(terminal) = Terminal::start(folder.path(), size, &[]) else { return };
        terminal.wait("a step", |terminal| terminal.n_steps() > 0);
        terminal.signal(name);
        let end = terminal.end();
        assert_eq!(end.code, Some(130), "{name}: {}", end.written);
        assert!(check_restored(&end).contains("everything is saved in run"), "{name}");
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let env = [("E2H_FAULT", "rollout@1=panic")];
    let Some(terminal) = Terminal::start(folder.path(), (100, 30), &env) else { return };
    let end = terminal.end();
    assert_eq!(end.code, Some(101), "{}", end.written);
    assert!(check_restored(&end).contains("a panic on demand"), "{}", end.written);
}

#[test]
fn colours_are_left_out_when_no_color_is_set() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut terminal) = Terminal::start(folder.path(), (100, 30), &[("NO_COLOR", "1")]) else {
        return;
    };
    terminal.wait("a step", |terminal| terminal.n_steps() > 2);
    terminal.press("q");
    let end = terminal.end();
    check_restored(&end);
    // Foreground colours are 30 to 37 and 38;5;N.
    let coloured = (30..=38).any(|code| end.written.contains(&format!("\u{1b}[{code}m")));
    assert!(!coloured && !end.written.contains("[38;5;"), "{}", end.written);
}
