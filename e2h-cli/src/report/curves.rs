//! The plots over steps: what was learned, on what, how healthily, and where the time went.
//!
//! One run is drawn with a line a level, several with a line a run.

use std::fmt::Write as _;

use e2h_core::metrics::METRICS;

use super::chart::{Chart, Raw, style_class};
use super::data::{Eval, Point, RunData};
use super::format::{Unit, duration, escape, percent};
use super::seeds::groups;

/// Metrics that have one number a step, with their titles.
const HEALTH: [(&str, &str, Unit); 8] = [
    ("reward", "Reward", Unit::One),
    ("entropy", "Entropy", Unit::Of("nat a token")),
    ("frac_reward_zero_std", "Groups without signal", Unit::Share),
    ("completions/mean_length", "Completion length", Unit::Of("tokens")),
    ("rollout/bad_format_frac", "Broken format", Unit::Share),
    ("clip_ratio/region_mean", "Clipped tokens", Unit::Share),
    ("loss", "Loss", Unit::One),
    ("grad_norm", "Gradient norm", Unit::One),
];

/// The parts of a step's time.
const PHASES: [(&str, &str); 3] =
    [("time/rollout_s", "sampling"), ("time/score_s", "scoring"), ("time/update_s", "update")];

/// Accuracy and schedule: the curriculum at work.
pub(super) fn learning(runs: &[RunData], names: &[String]) -> String {
    let n_levels = runs.iter().map(RunData::train_levels).max().unwrap_or(0);
    let mut plots = String::new();
    let note = "Share of correct completions among those sampled in training.";
    match runs {
        [run] => {
            let series = |level| {
                let points = run.level_series("accuracy", level, "mean");
                (run.level_name(level), level, points)
            };
            let raw = (0..n_levels).map(series).collect();
            plots += &Chart::new("Accuracy in training", Unit::Share, note, raw).wide().html();
            plots += &schedule(run, "Schedule").wide().html();
            plots += &held_out(run);
        }
        _ => {
            let groups = groups(runs, names);
            let mean = by_run(runs, names, |run| run.series("accuracy/mean"));
            let all = format!("{note} All levels; the mix of levels differs between schedules.");
            let chart = Chart::new("Accuracy in training", Unit::Share, &all, mean);
            plots += &chart.grouped(&groups).wide().html();
            let held_out = by_run(runs, names, held_out_mean);
            let note = "Greedy decoding, mean over the levels trained on.";
            let chart = Chart::new("Held-out accuracy", Unit::Share, note, held_out);
            plots += &chart.grouped(&groups).wide().html();
            for level in 0..n_levels {
                let raw = by_run(runs, names, |run| run.level_series("accuracy", level, "mean"));
                let name = runs.iter().map(|run| run.level_name(level)).max_by_key(String::len);
                let title = format!("Accuracy in training, {}", name.unwrap_or_default());
                plots += &Chart::new(&title, Unit::Share, "", raw).grouped(&groups).html();
            }
            for (name, members) in &groups {
                let run = members.first().and_then(|i| runs.get(*i));
                let plot = run.map(|run| schedule(run, &format!("Schedule of {name}")).html());
                plots += &plot.unwrap_or_default();
            }
        }
    }
    section("Learning", &plots)
}

/// Reward, entropy and the like. A number that is 0 at every step is named and not drawn.
pub(super) fn health(runs: &[RunData], names: &[String]) -> String {
    let mut plots = String::new();
    let mut zero = Vec::new();
    for (key, title, unit) in HEALTH {
        let raw = by_run(runs, names, |run| run.series(key));
        let mut points = raw.iter().flat_map(|(_, _, points)| points).peekable();
        if points.peek().is_some() && points.all(|point| point.value == 0.0) {
            zero.push(title.to_lowercase());
            continue;
        }
        let metric = METRICS.iter().find(|metric| metric.key == key);
        let note = metric.map_or(String::new(), |metric| {
            format!("{}. Healthy: {}.", capital(metric.formula), metric.healthy)
        });
        let chart = Chart::new(title, unit, &note, raw);
        plots += &if runs.len() > 1 { chart.grouped(&groups(runs, names)) } else { chart }.html();
    }
    if !zero.is_empty() {
        plots += &format!("<p class=\"sub wide\">0 at every step: {}.</p>\n", zero.join(", "));
    }
    section("Health", &plots)
}

/// Where the time of each run went.
pub(super) fn time(runs: &[RunData], names: &[String]) -> String {
    let mut html = String::new();
    for (run, name) in runs.iter().zip(names) {
        html += &time_bar(run, if runs.len() > 1 { name } else { "" });
    }
    if let [run] = runs {
        let raw = phases(run).into_iter().enumerate();
        let raw = raw.map(|(i, (name, points))| (name.to_owned(), i, points)).collect();
        let note = "Seconds of each step.";
        html += &Chart::new("Time a step", Unit::Of("s"), note, raw).stacked().wide().html();
    } else {
        let raw = by_run(runs, names, |run| run.series("time/step_s"));
        let chart = Chart::new("Time a step", Unit::Of("s"), "The whole step.", raw);
        html += &chart.grouped(&groups(runs, names)).wide().html();
    }
    section("Where the time went", &html)
}

/// One series a run; a lone run's has no need of its name.
fn by_run(runs: &[RunData], names: &[String], points: impl Fn(&RunData) -> Vec<Point>) -> Vec<Raw> {
    let raw = runs.iter().zip(names).enumerate();
    let label = |name: &String| {
        if runs.len() > 1 { name.clone() } else { "value".to_owned() }
    };
    raw.map(|(i, (run, name))| (label(name), i, points(run))).collect()
}

fn schedule(run: &RunData, title: &str) -> Chart {
    let series = |level| {
        let points = run.level_series("schedule", level, "prob");
        let points: Vec<Point> =
            points.into_iter().map(|point| Point { weight: 1.0, ..point }).collect();
        (run.level_name(level), level, points)
    };
    let raw = (0..run.train_levels()).map(series).collect();
    Chart::new(title, Unit::Share, "Probability of drawing a problem of each level.", raw).stacked()
}

/// Held-out accuracy where it was also measured on the way.
fn held_out(run: &RunData) -> String {
    if run.evals.len() < 3 {
        return String::new();
    }
    let mut levels: Vec<usize> =
        run.evals.iter().flat_map(|eval| &eval.levels).map(|level| level.level).collect();
    levels.sort_unstable();
    levels.dedup();
    let series = |level: usize| {
        let point = |eval: &Eval| {
            let value = eval.level(level)?.accuracy;
            Some(Point { step: eval.step, value, weight: 1.0 })
        };
        let points: Vec<Point> = run.evals.iter().filter_map(point).collect();
        (run.level_name(level), level, points)
    };
    let note = "Greedy decoding, after so many steps.";
    let raw = levels.into_iter().map(series).collect();
    Chart::new("Held-out accuracy", Unit::Share, note, raw).wide().html()
}

fn held_out_mean(run: &RunData) -> Vec<Point> {
    let point =
        |eval: &Eval| Some(Point { step: eval.step, value: eval.train_mean()?, weight: 1.0 });
    run.evals.iter().filter_map(point).collect()
}

/// The phases of each step, and the rest of it.
fn phases(run: &RunData) -> Vec<(&'static str, Vec<Point>)> {
    let mut rest = run.series("time/step_s");
    let mut phases = Vec::new();
    for (key, name) in PHASES {
        let points = run.series(key);
        for point in &mut rest {
            if let Ok(i) = points.binary_search_by_key(&point.step, |phase| phase.step) {
                point.value -= points[i].value;
            }
        }
        phases.push((name, points));
    }
    for point in &mut rest {
        point.value = point.value.max(0.0);
    }
    phases.push(("the rest", rest));
    phases
}

/// The shares of the phases in a run as one bar.
fn time_bar(run: &RunData, name: &str) -> String {
    let sum = |points: &[Point]| points.iter().map(|point| point.value).sum::<f64>();
    let totals: Vec<(&str, f64)> =
        phases(run).iter().map(|(name, points)| (*name, sum(points))).collect();
    let whole: f64 = totals.iter().map(|(_, total)| total).sum();
    if whole <= 0.0 {
        return String::new();
    }
    let mut bar = String::new();
    let mut words = Vec::new();
    for (i, (phase, total)) in totals.iter().enumerate() {
        let share = total / whole;
        let text = format!("{phase} {} ({})", percent(share), duration(*total));
        let _ = write!(
            bar,
            "<i class=\"{}\" style=\"flex-grow:{share:.4}\" title=\"{text}\"></i>",
            style_class(i)
        );
        words.push(format!("<span class=\"key {}\">{text}</span>", style_class(i)));
    }
    let name = if name.is_empty() { String::new() } else { format!("<b>{}</b>: ", escape(name)) };
    format!(
        "<div class=\"time\"><p>{name}{} in steps, of that {}.</p><div class=\"bar\">{bar}</div></div>\n",
        duration(whole),
        words.join(", ")
    )
}

fn section(title: &str, plots: &str) -> String {
    if plots.is_empty() {
        return String::new();
    }
    format!("<section><h2>{title}</h2>\n<div class=\"plots\">\n{plots}</div></section>\n")
}

/// The text with its first letter in upper case.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
