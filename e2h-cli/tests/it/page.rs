//! What comes of a run's files: the page in a real browser, plots, CSV, TensorBoard.
//!
//! The browser is named by the variable `E2H_CHROMIUM`, or found on PATH as `chromium`, `chromium-browser` or
//! `google-chrome`. The Python with the package `tensorboard` is named by `E2H_PYTHON`. What is not there is
//! said, and its test has nothing to do.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{command, e2h, ok, skipped};

/// Lines of `metrics.jsonl` like those of a run of two levels.
fn metrics(steps: u64, shift: f64) -> String {
    (0..steps)
        .map(|step| {
            let late = step as f64 / steps as f64;
            format!(
                "{{\"step\":{step},\"reward/mean\":{},\"accuracy/mean\":{},\"policy/entropy\":0.4,\
                 \"schedule/level_0/prob\":{},\"schedule/level_0/prompts\":4,\
                 \"schedule/level_1/prob\":{late},\"schedule/level_1/prompts\":4,\
                 \"accuracy/level_0/mean\":{},\"accuracy/level_1/mean\":{},\
                 \"time/rollout_s\":0.2,\"time/score_s\":0.01,\"time/update_s\":0.1,\"time/step_s\":0.32}}\n",
                0.3 + 0.4 * late,
                0.2 + 0.4 * late + shift,
                1.0 - late,
                0.4 + 0.4 * late + shift,
                0.1 + 0.3 * late + shift
            )
        })
        .collect()
}

/// A run folder as `e2h train` leaves it, without having trained.
fn fake_run(folder: &Path, name: &str, kind: &str, seed: u64) -> PathBuf {
    let run = folder.join(name);
    fs::create_dir_all(&run).expect("a folder");
    let config = format!(
        "seed = {seed}\n[task]\nkind = \"countdown\"\n[schedule]\nkind = \"{kind}\"\n[train]\nsteps = 60\n"
    );
    let level = |level: u64, accuracy: f64, ood: bool| {
        format!(
            "{{\"level\":{level},\"label\":\"{} numbers\",\"ood\":{ood},\"n\":100,\"accuracy\":{accuracy},\
             \"interval\":[{},{}]}}",
            level + 2,
            accuracy - 0.08,
            accuracy + 0.08
        )
    };
    let eval = |step: u64, gain: f64| {
        let levels =
            [level(0, 0.3 + gain, false), level(1, 0.1 + gain, false), level(2, 0.1, true)];
        format!("{{\"step\":{step},\"levels\":[{}]}}\n", levels.join(","))
    };
    let sample = |step: u64, outcome: &str| {
        format!(
            "{{\"step\":{step},\"level\":0,\"question\":\"<script>alert(1)</script> 2 3\",\"completion\":\"x\",\
             \"outcome\":\"{outcome}\",\"reward\":0.1,\"parts\":[]}}\n"
        )
    };
    let shift = seed as f64 / 50.0;
    for (file, text) in [
        ("config.toml", config),
        ("metrics.jsonl", metrics(60, shift)),
        ("eval.jsonl", eval(0, 0.0) + &eval(30, 0.1 + shift) + &eval(60, 0.2 + shift)),
        ("samples.jsonl", sample(0, "wrong") + &sample(50, "correct")),
    ] {
        fs::write(run.join(file), text).expect("a file");
    }
    run
}

/// The browser, if there is one.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("E2H_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// Runs the browser on a page; returns what it printed on stdout and stderr.
fn browse(browser: &Path, profile: &Path, page: &Path, extra: &[String]) -> (String, String) {
    let mut command = Command::new(browser);
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--v=0", "--window-size=1200,4000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(extra)
        .arg(format!("file://{}", page.display()));
    let output = command.output().expect("the browser starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_page_loads_in_a_browser_without_errors_and_with_all_its_series() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, kind, seed) in
        [("cosine-0", "cosine", 0), ("cosine-1", "cosine", 1), ("balanced-0", "balanced", 0)]
    {
        fake_run(folder.path(), name, kind, seed);
    }
    ok(folder.path(), &["report", "cosine-0", "-o", "one.html"]);
    ok(folder.path(), &["report", "cosine-0", "cosine-1", "balanced-0", "-o", "many.html"]);
    let Some(browser) = chromium() else {
        skipped("no browser: set E2H_CHROMIUM to test the page in one");
        return;
    };
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // One run: accuracy and schedule with two levels each, held-out accuracy with three.
    // Several: two groups in each plot, one of them in a band.
    for (name, series, bands) in [("one", 2 + 2 + 3, 0), ("many", 2 + 2 + 2 * 2 + 2 * 2, 4)] {
        let page = folder.path().join(format!("{name}.html"));
        let size = fs::metadata(&page).expect("a page").len();
        assert!(size < 3_000_000, "{name} has {size} bytes");
        let profile = folder.path().join("profile");
        let (dom, log) = browse(&browser, &profile, &page, &["--dump-dom".to_owned()]);
        assert!(!log.contains("CONSOLE"), "{log}");
        assert!(dom.contains("data-ready="), "the script of {name} did not come to its end");
        assert!(!dom.contains("<script>alert"), "text of a model became part of the page");
        let learning = dom.split("<h2>Learning</h2>").nth(1).expect("a section");
        let learning = learning.split("<h2>Health</h2>").next().expect("its end");
        assert_eq!(learning.matches("class=\"series ").count(), series, "{name}");
        assert_eq!(learning.matches("class=\"band ").count(), bands, "{name}");
        for theme in ["light", "dark"] {
            let shot = shots.join(format!("report-{name}-{theme}.png"));
            let dark = if theme == "dark" { "--force-dark-mode" } else { "--disable-logging" };
            let save = format!("--screenshot={}", shot.display());
            browse(&browser, &profile, &page, &[save, dark.to_owned()]);
            assert!(fs::metadata(&shot).expect("a screenshot").len() > 20_000, "{theme}");
        }
    }
}

#[test]
fn each_plot_is_written_as_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake_run(folder.path(), "a", "cosine", 0);
    ok(folder.path(), &["report", "a", "--svg", "plots"]);
    let text = fs::read_to_string(folder.path().join("plots/schedule.svg")).expect("a plot");
    assert!(text.starts_with("<svg xmlns=") && text.matches("class=\"series").count() == 2);
    assert!(fs::read_dir(folder.path().join("plots")).expect("a folder").count() >= 5);
}

#[test]
fn metrics_are_exported_with_a_row_a_step() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake_run(folder.path(), "a", "cosine", 0);
    let csv = ok(folder.path(), &["export", "a"]);
    assert!(csv.starts_with("step,accuracy/level_0/mean,"), "{csv:.80}");
    assert_eq!(csv.lines().count(), 61);
    ok(folder.path(), &["export", "a", "a", "-o", "both.csv"]);
    let both = fs::read_to_string(folder.path().join("both.csv")).expect("a file");
    assert!(both.starts_with("step,run,") && both.lines().count() == 121);
}

#[test]
fn a_watched_page_is_served_on_loopback() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake_run(folder.path(), "a", "cosine", 0);
    let mut server = command(folder.path(), &["report", "a", "--watch", "--port", "0"]);
    let mut server = server.stderr(Stdio::piped()).spawn().expect("e2h starts");
    let mut line = String::new();
    BufReader::new(server.stderr.take().expect("stderr")).read_line(&mut line).expect("a line");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(';').next());
    let address = address.expect("an address").trim().to_owned();
    let get = |path: &str, host: &str| {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let page = get("/", &address);
    let state = get("/state", &address);
    let foreign = get("/", "example.org");
    server.kill().expect("stopped");
    server.wait().expect("ended");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("location.reload"));
    assert!(state.starts_with("HTTP/1.1 200 OK"), "{state}");
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
}

/// Prints the last value of each tag.
const READ_EVENTS: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
for tag in sorted(events.Tags()['scalars']):
    last = events.Scalars(tag)[-1]
    print(tag, last.step, repr(last.value))
";

#[test]
fn tensorboard_itself_reads_the_event_file_of_a_run() {
    let Some(python) = std::env::var_os("E2H_PYTHON") else {
        skipped("no Python: set E2H_PYTHON to one with tensorboard to test with the real package");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let line = "train --quiet --steps 3 --run-dir run --set train.prompts=2 --set train.group_size=2 \
                --set data.problems_per_level=8 --set eval.problems_per_level=4";
    ok(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    let run = folder.path().join("run");
    let read = Command::new(python).args(["-c", READ_EVENTS]).arg(&run).output().expect("Python");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let last = metrics.lines().last().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let mut n = 0;
    for (key, value) in
        last.as_object().expect("an object").iter().filter(|(key, _)| *key != "step")
    {
        let Some(value) = value.as_f64() else { continue };
        let row = text.lines().find_map(|row| row.strip_prefix(&format!("{key} 2 ")));
        let read: f64 = row.unwrap_or_else(|| panic!("{key} in {text}")).parse().expect("a number");
        assert!((read - value).abs() <= 1e-6 * value.abs().max(1e-6), "{key}: {read}, not {value}");
        n += 1;
    }
    assert!(n > 10, "only {n} tags");
}

#[test]
fn the_doctor_completions_and_man_pages_work_anywhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json: serde_json::Value =
        serde_json::from_str(&ok(folder.path(), &["doctor", "--json"])).expect("JSON");
    assert!(json["cores"].as_u64().is_some_and(|cores| cores > 0));
    assert_eq!(json["models"].as_array().map(Vec::len), Some(7));
    assert!(ok(folder.path(), &["doctor"]).contains("GiB"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(ok(folder.path(), &["completions", shell]).contains("schedule"), "{shell}");
    }
    assert_eq!(e2h(folder.path(), &["man", "man1"]).code, Some(0));
    for page in ["e2h.1", "e2h-train.1", "e2h-doctor.1"] {
        assert!(folder.path().join("man1").join(page).is_file(), "{page}");
    }
}
