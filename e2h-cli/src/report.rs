//! `report.html`: what a run has learned and how, or several runs side by side, on one page.
//!
//! The page is made from the files of the run folders alone. It is one file without links to others: the style,
//! the plots and a short script stand in it. It follows the light or dark setting of its reader.
//!
//! # Deviations
//! A plot holds at most a few hundred points a line. Longer runs are shown in means over a few steps, and the
//! caption says of how many; `metrics.jsonl` has them all.
//!
//! # Invariants
//! - Text from a run is escaped wherever it stands.
//! - Behind every plot stands a table of its values as measured.
//! - What a run has not written yet leaves its part of the page out, or says so.

mod chart;
mod compare;
mod curves;
mod data;
mod format;
mod frame;
mod lift;
mod samples;
mod seeds;
mod svg;
#[cfg(test)]
mod tests;
mod turned;

pub(crate) use data::RunData;
pub(crate) use svg::plots;

use format::{duration, escape};

const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/script.js");

/// The page about `runs`: one run in detail, or several compared.
pub(crate) fn html(runs: &[RunData]) -> String {
    let names = names(runs);
    let title = match &names[..] {
        [] => "No runs".to_owned(),
        [name] => name.clone(),
        _ => format!("{} runs", runs.len()),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{0} · E2H</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header class=\"top\">\n\
         <p class=\"eyebrow\">E2H · from easy to hard</p>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    match runs {
        [run] => {
            page += &format!("<p class=\"facts\">{}</p>\n", facts(run));
            page += &lift::headline(run);
        }
        _ => page += &compare::headline(runs, &names),
    }
    page += "</header>\n";
    page += &seeds::section(runs, &names);
    page += &lift::section(runs, &names);
    page += &compare::configs(runs, &names);
    page += &curves::learning(runs, &names);
    let alone = runs.len() == 1;
    let of = |what: &str, name: &str| {
        if alone { what.to_owned() } else { format!("{what}: {name}") }
    };
    let mut has_turned = false;
    for (run, name) in runs.iter().zip(&names) {
        let turned = turned::section(run, &of("From wrong to right", name), alone);
        has_turned |= !turned.is_empty();
        page += &turned;
    }
    page += &curves::health(runs, &names);
    page += &curves::time(runs, &names);
    for (run, name) in runs.iter().zip(&names) {
        page += &samples::section(run, &of("Samples of training", name), alone && !has_turned);
    }
    if let [run] = runs {
        page += &format!(
            "<section><details class=\"config\"><summary><h2>Configuration</h2></summary>\n\
             <pre>{}</pre></details></section>\n",
            escape(&run.config)
        );
    }
    page + "</main>\n<div id=\"tip\" hidden></div>\n<script>\n"
        + SCRIPT
        + "</script>\n</body>\n</html>\n"
}

/// A name for each run; a number stands behind those that are not alone in theirs.
fn names(runs: &[RunData]) -> Vec<String> {
    let name = |(i, run): (usize, &RunData)| {
        let same = |other: &&RunData| other.name == run.name;
        match runs.iter().filter(same).count() {
            1 => run.name.clone(),
            _ => format!("{} ({})", run.name, 1 + runs[..i].iter().filter(same).count()),
        }
    };
    runs.iter().enumerate().map(name).collect()
}

/// Task, schedule, seed and size of a run in a line of HTML.
fn facts(run: &RunData) -> String {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.push(format!("<span>{name} <b>{}</b></span>", escape(&value)));
        }
    };
    fact("task", run.setting("task.kind"));
    fact("schedule", run.setting("schedule.kind"));
    fact("base", run.setting("model.base"));
    fact("seed", run.setting("seed"));
    let steps = match run.setting("train.steps").filter(|_| run.summary.is_none()) {
        Some(all) => format!("{} of {all}, not finished", run.steps()),
        None => run.steps().to_string(),
    };
    fact("steps", Some(steps));
    let summary = |key: &str| run.summary.as_ref().map(|summary| summary[key].clone());
    let rollouts = summary("rollouts").and_then(|n| n.as_u64());
    fact("rollouts", rollouts.map(|n| n.to_string()));
    fact("time", summary("wall_s").and_then(|s| s.as_f64()).map(duration));
    facts.join(" ")
}
