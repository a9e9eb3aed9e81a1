//! Faults that tests make happen: nothing that was finished is lost.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tiny::{end, lines, resume, same_run, succeeds, train};

/// `command` with a limit on the size of a file, in blocks of 512 bytes; what is over it fails as on a full disk.
fn limited(command: &Command, blocks: u64) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn a_full_disk_stops_the_run_and_room_lets_it_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    let whole = folder.path().join("whole");
    // Two sizes: what fails first is the evaluation, the lines or the weights.
    for (name, blocks) in [("lines", 24), ("weights", 40)] {
        let (code, stderr) = end(&mut limited(&train(folder.path(), name, &[]), blocks));
        assert_eq!(code, Some(1), "{name}: {stderr}");
        assert!(stderr.contains("make room, then `e2h train --resume"), "{name}: {stderr}");
        succeeds(&mut resume(folder.path(), name));
        same_run(&folder.path().join(name), &whole, name);
    }
}

#[test]
fn a_run_told_to_go_on_waits_for_room_and_writes_everything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let set = ["--set", "run.on_write_error=go_on"];
    succeeds(&mut train(folder.path(), "whole", &set));
    let (code, stderr) = end(&mut limited(&train(folder.path(), "run", &set), 16));
    // There never is room, so in the end it fails, but it made all its steps.
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("the run goes on and keeps its lines in memory"), "{stderr}");
    succeeds(&mut resume(folder.path(), "run"));
    same_run(&folder.path().join("run"), &folder.path().join("whole"), "go on");
}

#[test]
fn a_folder_that_may_not_be_written_is_told_before_anything_is_computed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // No one may make folders here, the superuser neither.
    let (code, stderr) = end(&mut train(folder.path(), "/proc/e2h-run", &[]));
    assert!(code == Some(1) || code == Some(2), "{stderr}");
    assert!(stderr.starts_with("error: cannot create /proc/e2h-run"), "{stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
}

#[test]
fn a_second_process_is_told_who_has_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seen = folder.path().join("seen");
    let plan = format!("rollout@1=pause:{}", seen.display());
    let mut first =
        train(folder.path(), "run", &[]).env("E2H_FAULT", plan).spawn().expect("starts");
    wait_for(&seen);
    let (code, stderr) = end(&mut resume(folder.path(), "run"));
    let held = format!("run is in use by process {}", first.id());
    first.kill().expect("killed");
    first.wait().expect("a child");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&held) && stderr.contains("hint: "), "{stderr}");
    // The lock of a dead process holds nobody up.
    succeeds(&mut resume(folder.path(), "run"));
}

#[test]
fn one_signal_stops_after_the_step_and_two_stop_now_and_both_can_be_resumed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    let whole = folder.path().join("whole");
    for (kind, twice) in [("-INT", false), ("-TERM", false), ("-INT", true), ("-TERM", true)] {
        let name = format!("run{kind}{twice}");
        let seen = folder.path().join(format!("{name}.seen"));
        // Twice: the run is held up in a step that does not end, so the first signal alone cannot stop it.
        let plan = match twice {
            true => format!("rollout@3=pause:{}", seen.display()),
            false => format!("rollout@1=hold:{}", seen.display()),
        };
        let mut command = train(folder.path(), &name, &[]);
        let child = command.env("E2H_FAULT", plan).stderr(Stdio::piped()).spawn().expect("starts");
        wait_for(&seen);
        signal(kind, child.id());
        if twice {
            std::thread::sleep(Duration::from_millis(200));
            signal(kind, child.id());
        }
        let output = child.wait_with_output().expect("a child");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{kind} {twice}: {stderr}");
        assert_eq!(stderr.contains("hint: go on with"), !twice, "{kind} {twice}: {stderr}");
        succeeds(&mut resume(folder.path(), &name));
        same_run(&folder.path().join(&name), &whole, &name);
    }
}

#[test]
fn a_verifier_that_fails_on_some_rows_is_counted_and_teaches_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = train(folder.path(), "run", &[]);
    succeeds(command.env("E2H_FAULT", "score@2=unverifiable"));
    let metrics = lines(&folder.path().join("run/metrics.jsonl"));
    let counts: Vec<_> = metrics.iter().map(|line| line["rollout/unverifiable"].as_u64()).collect();
    assert_eq!(counts, [0, 0, 4, 0, 0, 0].map(Some));
    let samples = lines(&folder.path().join("run/samples.jsonl"));
    let failed: Vec<_> = samples.iter().filter(|s| s["outcome"] == "unverifiable").collect();
    assert_eq!(failed.len(), 4);
    assert!(failed.iter().all(|sample| sample["advantage"].is_null() && sample["step"] == 2));
}

/// Settings under which every step has an update: an entropy bonus alone does not make one.
const ALWAYS: [&str; 4] = ["--set", "train.prompts=16", "--set", "train.group_size=8"];

#[test]
fn an_update_that_is_not_finite_is_skipped_and_many_stop_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(train(folder.path(), "one", &ALWAYS).env("E2H_FAULT", "update@2=nan"));
    let metrics = lines(&folder.path().join("one/metrics.jsonl"));
    assert_eq!(metrics[2]["optim/skipped_updates"], 1, "{}", metrics[2]);
    assert_eq!(metrics[3]["optim/skipped_updates"], 0);
    let extra = [&ALWAYS[..], &["--set", "train.max_bad_updates=2"]].concat();
    let plan = "update@2=nan;update@3=nan";
    let (code, stderr) = end(train(folder.path(), "two", &extra).env("E2H_FAULT", plan));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("2 updates in a row had a gradient that is not finite"), "{stderr}");
    assert!(folder.path().join("two/checkpoints/step-2/SHA256SUMS").exists());
}

#[test]
fn a_micro_batch_that_does_not_fit_is_halved_once_per_size() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(train(folder.path(), "run", &ALWAYS).env("E2H_FAULT", "update@2=oom*2"));
    let metrics = lines(&folder.path().join("run/metrics.jsonl"));
    let budgets: Vec<_> = metrics.iter().map(|line| line["optim/token_budget"].as_u64()).collect();
    assert_eq!(budgets, [1024, 1024, 256, 256, 256, 256].map(Some));
}

#[test]
fn a_clock_that_jumps_changes_nothing_but_times() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    succeeds(&mut train(folder.path(), "whole", &[]));
    let plan = "step@1=clock:-4000000000;step@3=clock:400000000000";
    succeeds(train(folder.path(), "run", &[]).env("E2H_FAULT", plan));
    same_run(&folder.path().join("run"), &folder.path().join("whole"), "clock");
    let log = fs::read_to_string(folder.path().join("run/events.log")).expect("a log");
    assert!(log.lines().any(|line| line.starts_with("@-")), "{log}");
    for line in lines(&folder.path().join("run/metrics.jsonl")) {
        let time = line.get("time/step_s").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        assert!((0.0..1000.0).contains(&time), "{line}");
    }
}
