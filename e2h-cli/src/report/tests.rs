//! Pages about made-up run folders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{RunData, html};

/// A folder that is removed with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("e2h-report-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        let folder = Self(path);
        folder.write(
            "config.toml",
            "seed = 1\n\n[schedule]\nkind = \"gaussian\"\n[train]\nsteps = 200\n",
        );
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("written");
    }

    fn lines(&self, name: &str, lines: impl IntoIterator<Item = Value>) {
        let text: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        self.write(name, &text);
    }

    fn page(&self) -> String {
        html(&[self.read()])
    }

    fn read(&self) -> RunData {
        RunData::read(&self.0).expect("a run")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn step(step: u64, n_levels: u64, n_steps: u64) -> Value {
    let share = step as f64 / n_steps as f64;
    let mut line = json!({
        "step": step, "reward": share, "accuracy/mean": share, "frac_reward_zero_std": 0.4,
        "rollout/bad_format_frac": 0.1, "completions/mean_length": 60.5, "loss": -0.01 * share,
        "entropy": 1.0 - share, "grad_norm": 0.7, "time/rollout_s": 3.0,
        "time/score_s": 0.01, "time/update_s": 1.5, "time/step_s": 4.6,
    });
    for k in 0..n_levels {
        line[format!("schedule/level_{k}/prob")] = json!(1.0 / n_levels as f64);
        // Level 1 is drawn in every second step only.
        let n = if k == 1 { step % 2 } else { 2 };
        line[format!("schedule/level_{k}/prompts")] = json!(n);
        if n > 0 {
            line[format!("accuracy/level_{k}/mean")] = json!(share / (k + 1) as f64);
        }
    }
    line
}

fn eval(step: u64, accuracies: &[f64]) -> Value {
    let level = |(k, accuracy): (usize, &f64)| {
        json!({
            "level": k, "label": format!("{} numbers", k + 2), "ood": k + 1 == accuracies.len(), "n": 200,
            "n_correct": 0, "n_bad_format": 0, "n_unverifiable": 0, "accuracy": accuracy,
            "interval": [(*accuracy - 0.05).max(0.0), *accuracy + 0.05], "pass_at_k": [],
        })
    };
    json!({"step": step, "levels": accuracies.iter().enumerate().map(level).collect::<Vec<_>>()})
}

fn sample(step: u64, outcome: &str) -> Value {
    json!({
        "step": step, "level": 0, "question": "Make \"24\" & <b>more</b>", "answer": "1",
        "completion": "<think>a < b</think><script>alert('x')</script>", "outcome": outcome, "reward": 1.0,
        "parts": [{"name": "correct", "value": 1.0, "weight": 0.9}], "reason": "it's right",
        "advantage": null, "n_tokens": 12, "finish": "stop",
    })
}

fn whole_run(name: &str, n_steps: u64, n_levels: u64) -> Folder {
    let folder = Folder::new(name);
    folder.lines("metrics.jsonl", (0..n_steps).map(|i| step(i, n_levels, n_steps)));
    let before: Vec<f64> = (0..=n_levels).map(|k| 0.1 / (k + 1) as f64).collect();
    let after: Vec<f64> = (0..=n_levels).map(|k| 0.9 / (k + 1) as f64).collect();
    folder
        .lines("eval.jsonl", [eval(0, &before), eval(n_steps / 2, &after), eval(n_steps, &after)]);
    folder.lines("samples.jsonl", [sample(0, "wrong"), sample(n_steps - 1, "correct")]);
    folder.write("summary.json", &json!({"rollouts": 51_200, "wall_s": 245.0}).to_string());
    folder
}

/// The plot with this title.
fn figure<'a>(page: &'a str, title: &str) -> &'a str {
    let start = page.find(&format!("<figcaption><b>{title}</b>")).expect(title);
    let length = page[start..].find("</figure>").expect("the end of the plot");
    &page[start..start + length]
}

fn n_series(page: &str, title: &str) -> usize {
    figure(page, title).matches("<path class=\"series").count()
}

fn check_sound(page: &str) {
    for bad in ["NaN", "inf ", "inf<", "inf\"", "null", "http:", "https:", "src="] {
        assert!(!page.contains(bad), "the page has `{bad}`");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<section>").count(), page.matches("</section>").count());
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
    let charts = page.matches("<figure class=\"chart").count();
    assert_eq!(charts, page.matches("<summary>table").count(), "a table for every plot");
}

#[test]
fn every_plot_has_its_series() {
    let page = whole_run("series", 50, 4).page();
    check_sound(&page);
    let expected = [
        ("Accuracy in training", 4),
        ("Schedule", 4),
        ("Held-out accuracy", 5),
        ("Reward", 1),
        ("Entropy", 1),
        ("Groups without signal", 1),
        ("Completion length", 1),
        ("Broken format", 1),
        ("Loss", 1),
        ("Gradient norm", 1),
        ("Time a step", 4),
    ];
    for (title, n) in expected {
        assert_eq!(n_series(&page, title), n, "{title}");
    }
    assert_eq!(figure(&page, "Accuracy in training").matches("<path class=\"raw").count(), 4);
}

#[test]
fn the_headline_is_the_mean_over_train_levels() {
    let page = whole_run("headline", 50, 2).page();
    // (10 + 5) / 2 and (90 + 45) / 2 percent; the unseen level does not count.
    assert!(page.contains("<span class=\"was\">7.5 %</span> → 67.5 %"));
    assert!(page.contains("+60.0 points"));
    assert!(page.contains("level 2: 4 numbers (unseen)"));
    assert!(page.contains("4 min 5 s"));
}

#[test]
fn text_of_the_run_is_escaped() {
    let page = whole_run("escape", 5, 1).page();
    check_sound(&page);
    assert!(page.contains("<span class=\"tag\">&lt;think&gt;</span>a &lt; b"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert!(page.contains("Make &quot;24&quot; &amp; &lt;b&gt;more&lt;/b&gt;"));
    assert!(page.contains("kind = &quot;gaussian&quot;"));
    assert_eq!(page.matches("<script").count(), 1);
}

#[test]
fn a_long_run_makes_a_page_under_3_mb() {
    let page = whole_run("long", 2000, 4).page();
    check_sound(&page);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("Each point is the mean of 9 steps."));
}

#[test]
fn a_run_that_has_only_begun_makes_a_page() {
    let folder = Folder::new("begun");
    let page = folder.page();
    check_sound(&page);
    assert!(page.contains("No evaluation yet."));
    assert!(page.contains("0 of 200, not finished"));

    folder.lines("metrics.jsonl", [step(0, 3, 1)]);
    let page = folder.page();
    check_sound(&page);
    assert_eq!(n_series(&page, "Schedule"), 3);
    assert_eq!(n_series(&page, "Accuracy in training"), 2, "level 1 was not drawn");

    folder.lines("eval.jsonl", [eval(0, &[0.2, 0.1])]);
    folder.lines("samples.jsonl", [sample(0, "wrong")]);
    let page = folder.page();
    check_sound(&page);
    assert!(page.contains("20.0 % <span class=\"change\">before training"));
    assert!(page.contains("✗ wrong"));
}

#[test]
fn numbers_that_are_missing_leave_gaps() {
    let folder = Folder::new("gaps");
    let bare = json!({"step": 1, "loss": null, "entropy": "nonsense"});
    folder.lines("metrics.jsonl", [step(0, 1, 9), bare, step(2, 1, 9)]);
    let page = folder.page();
    check_sound(&page);
    assert_eq!(n_series(&page, "Loss"), 1);
}

#[test]
fn a_torn_last_line_is_passed_over_and_another_is_an_error() {
    let folder = Folder::new("torn");
    let whole = step(0, 1, 9).to_string();
    folder.write("metrics.jsonl", &format!("{whole}\n{{\"step\": 1, \"rew"));
    assert_eq!(folder.read().steps(), 1);
    folder.write("metrics.jsonl", &format!("{{\"step\n{whole}\n"));
    let error = RunData::read(&folder.0).expect_err("a bad first line");
    assert!(matches!(error, e2h_core::Error::Row { line: 1, .. }), "{error}");
}

#[test]
fn a_folder_without_a_configuration_is_no_run() {
    let error = RunData::read(Path::new("/nowhere/at/all")).expect_err("no such run");
    assert!(error.to_string().ends_with("config.toml"), "{error}");
}

#[test]
fn several_runs_are_overlaid_and_their_settings_compared() {
    let folders = [whole_run("a", 50, 3), whole_run("b", 40, 3), whole_run("c", 30, 3)];
    folders[1]
        .write("config.toml", "seed = 1\n[schedule]\nkind = \"balanced\"\n[train]\nsteps = 200\n");
    folders[2]
        .write("config.toml", "seed = 1\n[schedule]\nkind = \"cosine\"\n[train]\nsteps = 200\n");
    let runs: Vec<RunData> = folders.iter().map(Folder::read).collect();
    let page = html(&runs);
    check_sound(&page);
    for title in ["Reward", "Held-out accuracy", "Accuracy in training, level 2: 4 numbers"] {
        assert_eq!(n_series(&page, title), 3, "{title}");
    }
    assert!(page.contains("<code>schedule.kind</code><td><code>&quot;gaussian&quot;</code>"));
    assert!(!page.contains("<code>seed</code>"));
    let schedules = page.matches("<figcaption><b>Schedule of").count();
    assert_eq!(schedules, 3);
    check_sound(&html(&[]));
    let twice = html(&[runs[0].clone(), runs[0].clone()]);
    assert!(twice.contains("(1)</b>") && twice.contains("the same in every line"));
}

#[test]
fn runs_that_differ_in_their_seed_alone_become_one_line_with_a_band() {
    let folders = [whole_run("s-0", 50, 3), whole_run("s-1", 50, 3), whole_run("other", 50, 3)];
    let config = |kind: &str, seed: u64| {
        format!("seed = {seed}\n[schedule]\nkind = \"{kind}\"\n[train]\nsteps = 200\n")
    };
    folders[0].write("config.toml", &config("gaussian", 0));
    folders[1].write("config.toml", &config("gaussian", 1));
    folders[2].write("config.toml", &config("balanced", 0));
    let page = html(&folders.iter().map(Folder::read).collect::<Vec<_>>());
    check_sound(&page);
    assert_eq!(n_series(&page, "Reward"), 2);
    assert_eq!(figure(&page, "Reward").matches("class=\"band ").count(), 1);
    assert!(page.contains("<h2>Over seeds</h2>") && page.contains("one seed"));
    assert_eq!(page.matches("<figcaption><b>Schedule of").count(), 2);
}
