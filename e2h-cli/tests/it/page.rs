//! What comes of a run's files: the page in a real browser, plots, CSV, TensorBoard.
//!
//! The browser is named by the variable `E2H_CHROMIUM`, or found on PATH as `chromium`, `chromium-browser` or
//! `google-chrome`. The Python with the package `tensorboard` is named by `E2H_PYTHON`. What is not there is
//! said, and its test has nothing to do. The screenshots stay in the folder of test outputs under `target`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fake;
use crate::run::{command, e2h, ok, skipped};

/// Moves the pointer over each plot, saves each, and leaves what came of it in the page.
const PROBE: &str = include_str!("page/probe.js");

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

/// A browser with a profile of its own.
struct Browser {
    program: PathBuf,
    profile: tempfile::TempDir,
}

impl Browser {
    fn new() -> Option<Self> {
        let program = chromium()?;
        Some(Self { program, profile: tempfile::tempdir().expect("a temporary folder") })
    }

    /// Runs it on a page; returns the page as it became, and what the browser said.
    fn open(&self, page: &Path, dark: bool, width: u32, extra: &[&str]) -> (String, String) {
        let mut command = Command::new(&self.program);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000"])
            .arg(format!("--window-size={width},2400"))
            .arg(format!("--user-data-dir={}", self.profile.path().display()));
        if dark {
            command.arg("--force-dark-mode");
        }
        command.args(extra).arg(format!("file://{}", page.display()));
        let output = command.output().expect("the browser starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// What the probe found on a page; fails when the console got a line.
    fn probe(&self, page: &Path, dark: bool, width: u32) -> Value {
        let text = fs::read_to_string(page).expect("a page");
        let probed = page.with_extension("probed.html");
        let script = format!("<script>\n{PROBE}</script>\n</body>");
        fs::write(&probed, text.replace("</body>", &script)).expect("a page");
        let (dom, log) = self.open(&probed, dark, width, &["--dump-dom"]);
        assert!(!log.contains("CONSOLE"), "{log}");
        assert!(dom.contains("data-ready="), "the page's script did not come to its end");
        assert!(!dom.contains("<script>alert"), "text of a model became part of the page");
        let found = dom.split("data-probe=\"").nth(1).and_then(|rest| rest.split('"').next());
        let found = found.unwrap_or_else(|| panic!("the probe did not come to its end: {log}"));
        let found = found.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<");
        serde_json::from_str(&found.replace("&amp;", "&")).expect("JSON")
    }
}

/// The plot with this title.
fn plot<'a>(found: &'a Value, title: &str) -> &'a Value {
    let plots = found["plots"].as_array().expect("plots");
    plots.iter().find(|plot| plot["title"] == title).unwrap_or_else(|| panic!("{title} in {found}"))
}

/// Every plot over steps has a row a step, tells values under the pointer, and is saved as a file of each kind.
fn check_plots(found: &Value) {
    for plot in found["plots"].as_array().expect("plots") {
        let tip = plot["tip"].as_str().expect("a text");
        if plot["rows"] != 0 {
            assert!(tip.starts_with("step "), "{plot}");
            assert!(plot["rows"].as_u64() >= Some(3), "{plot}");
        }
        for (kind, mime) in [("SVG", "image/svg+xml "), ("PNG", "image/png ")] {
            let file = plot["files"][kind].as_str().expect("a file");
            let size = file.strip_prefix(mime).and_then(|size| size.parse::<u64>().ok());
            assert!(size.is_some_and(|size| size > 1000), "{kind}: {plot}");
        }
    }
}

/// `one.html` about one run, and `many.html` about two settings, one of them with two seeds.
fn write_pages(folder: &Path) {
    for (name, kind, seed) in
        [("cosine-0", "cosine", 0), ("cosine-1", "cosine", 1), ("balanced-0", "balanced", 0)]
    {
        fake::run(folder, name, kind, seed);
    }
    ok(folder, &["report", "cosine-0", "-o", "one.html"]);
    ok(folder, &["report", "cosine-0", "cosine-1", "balanced-0", "-o", "many.html"]);
}

#[test]
fn the_page_loads_in_a_browser_without_errors_and_with_all_its_series() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_pages(folder.path());
    let Some(browser) = Browser::new() else {
        skipped("no browser: set E2H_CHROMIUM to test the page in one");
        return;
    };
    // What the test takes for silence is not deafness.
    let noisy = folder.path().join("noisy.html");
    fs::write(&noisy, "<script>console.error('heard')</script>").expect("a page");
    assert!(browser.open(&noisy, false, 800, &["--dump-dom"]).1.contains("CONSOLE"));

    let one = browser.probe(&folder.path().join("one.html"), false, 1280);
    check_plots(&one);
    // A line or an area a level; held-out accuracy also at the level that was not trained on.
    for (title, series, areas) in [
        ("Accuracy in training", 2, 0),
        ("Schedule", 2, 2),
        ("Held-out accuracy", 3, 0),
        ("Reward", 1, 0),
        ("Entropy", 1, 0),
        ("Time a step", 4, 4),
    ] {
        let plot = plot(&one, title);
        assert_eq!((&plot["series"], &plot["areas"]), (&series.into(), &areas.into()), "{plot}");
        assert_eq!(plot["bands"], 0, "{plot}");
    }
    let many = browser.probe(&folder.path().join("many.html"), false, 1280);
    check_plots(&many);
    // Two settings in each plot, the one with two seeds in a band.
    for title in [
        "Accuracy in training",
        "Held-out accuracy",
        "Accuracy in training, level 0: 2 numbers",
        "Accuracy in training, level 1: 3 numbers",
        "Reward",
        "Time a step",
    ] {
        let plot = plot(&many, title);
        assert_eq!((&plot["series"], &plot["bands"]), (&2.into(), &1.into()), "{plot}");
    }
    assert_eq!(plot(&many, "Schedule of cosine, 2 seeds")["areas"], 2);
}

#[test]
fn the_page_is_light_or_dark_and_fits_a_phone_and_screenshots_of_it_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_pages(folder.path());
    let Some(browser) = Browser::new() else {
        skipped("no browser: set E2H_CHROMIUM to look at the page in one");
        return;
    };
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for name in ["one", "many"] {
        let page = folder.path().join(format!("{name}.html"));
        let size = fs::metadata(&page).expect("a page").len();
        assert!(size < 3_000_000, "{name} has {size} bytes");
        for (theme, dark, width) in
            [("light", false, 1280), ("dark", true, 1280), ("phone", false, 400)]
        {
            let shot = shots.join(format!("report-{name}-{theme}.png"));
            let _ = fs::remove_file(&shot);
            browser.open(&page, dark, width, &[&format!("--screenshot={}", shot.display())]);
            assert!(fs::metadata(&shot).expect("a screenshot").len() > 20_000, "{theme}");
        }
        let (light, dark) = (browser.probe(&page, false, 1280), browser.probe(&page, true, 1280));
        assert_eq!((&light["dark"], &dark["dark"]), (&false.into(), &true.into()));
        assert_ne!(light["paper"], dark["paper"]);
        // The narrowest window that some browsers make is 500 wide.
        let phone = browser.probe(&page, false, 400);
        assert!(phone["widest"].as_u64() <= phone["width"].as_u64(), "{name}: {phone}");
    }
}

#[test]
fn each_plot_is_written_as_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake::run(folder.path(), "a", "cosine", 0);
    ok(folder.path(), &["report", "a", "--svg", "plots"]);
    let text = fs::read_to_string(folder.path().join("plots/schedule.svg")).expect("a plot");
    assert!(text.starts_with("<svg xmlns=") && text.matches("class=\"series").count() == 2);
    assert!(fs::read_dir(folder.path().join("plots")).expect("a folder").count() >= 8);
}

#[test]
fn metrics_are_exported_in_the_form_that_trackio_and_wandb_import() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake::run(folder.path(), "a", "cosine", 0);
    let csv = ok(folder.path(), &["export", "a"]);
    // trackio's `import_csv` wants a column `step` and numbers else; W&B logs each row at its step.
    let mut rows = csv.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let head = rows.next().expect("a head");
    assert_eq!(head[..2], ["step", "accuracy/level_0/mean"]);
    assert!(!head.contains(&"groups/outcomes"), "a list is no number");
    let mut n = 0;
    for (i, row) in rows.enumerate() {
        assert_eq!(row.len(), head.len());
        assert_eq!(row[0], i.to_string());
        assert!(row.iter().all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite)), "{row:?}");
        n += 1;
    }
    assert_eq!(n, fake::STEPS);
    ok(folder.path(), &["export", "a", "a", "-o", "both.csv"]);
    let both = fs::read_to_string(folder.path().join("both.csv")).expect("a file");
    assert!(both.starts_with("step,run,") && both.lines().count() == 121);
}

#[test]
fn a_watched_page_is_served_on_loopback() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fake::run(folder.path(), "a", "cosine", 0);
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
    let (page, state, foreign) =
        (get("/", &address), get("/state", &address), get("/", "example.org"));
    // A step more, and the state that the page asks for is another.
    let metrics = folder.path().join("a/metrics.jsonl");
    let more = fs::read_to_string(&metrics).expect("metrics") + "{\"step\":60,\"reward\":0.5}\n";
    fs::write(&metrics, more).expect("a file");
    let later = get("/state", &address);
    server.kill().expect("stopped");
    server.wait().expect("ended");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("location.reload"));
    assert!(state.starts_with("HTTP/1.1 200 OK") && state != later, "{state}");
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
    crate::tiny::succeeds(&mut crate::tiny::train(folder.path(), "run", &[]));
    let run = folder.path().join("run");
    let read = Command::new(python).args(["-c", READ_EVENTS]).arg(&run).output().expect("Python");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let last = metrics.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    let mut n = 0;
    for (key, value) in
        last.as_object().expect("an object").iter().filter(|(key, _)| *key != "step")
    {
        let Some(value) = value.as_f64() else { continue };
        let row = text.lines().find_map(|row| row.strip_prefix(&format!("{key} 5 ")));
        let read: f64 = row.unwrap_or_else(|| panic!("{key} in {text}")).parse().expect("a number");
        assert!((read - value).abs() <= 1e-6 * value.abs().max(1e-6), "{key}: {read}, not {value}");
        n += 1;
    }
    assert!(n > 10, "only {n} tags");
}

#[test]
fn the_doctor_completions_and_man_pages_work_anywhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json: Value =
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
