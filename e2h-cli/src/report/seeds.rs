//! Runs that differ in nothing but their seed, taken together.
//!
//! The interval of a mean over n seeds is mean ± t(n-1) s / √n, with the two-sided 95% quantile of Student's t.
//!
//! # Invariants
//! - Two runs are of one group exactly when all lines of their configurations but `seed` are the same.

use std::fmt::Write as _;

use super::chart::swatch;
use super::data::RunData;
use super::format::{escape, interval, percent};
use super::lift::{level_name, levels};

/// Student's t, two-sided 95%, for 1, 2, ... degrees of freedom; later ones are a little smaller than the last.
const T95: [f64; 15] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131,
];

/// The lines of a configuration.
type Settings = Vec<(String, String)>;

/// The groups in the order of their first run: a name, and the members' places. A group of one has its run's name.
pub(super) fn groups(runs: &[RunData], names: &[String]) -> Vec<(String, Vec<usize>)> {
    let settings = |run: &RunData| -> Settings {
        run.settings().into_iter().filter(|(key, _)| key != "seed").collect()
    };
    let mut groups: Vec<(Settings, Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let settings = settings(run);
        match groups.iter_mut().find(|(known, _)| *known == settings) {
            Some((_, members)) => members.push(i),
            None => groups.push((settings, vec![i])),
        }
    }
    let members: Vec<Vec<usize>> = groups.into_iter().map(|(_, members)| members).collect();
    let name = |members: &Vec<usize>| match members[..] {
        [only] => names[only].clone(),
        _ => together(members.iter().map(|i| names[*i].as_str()).collect(), members.len()),
    };
    members.iter().map(|members| (name(members), members.clone())).collect()
}

/// What names begin with alike, and how many they are.
fn together(names: Vec<&str>, n: usize) -> String {
    let first = names.first().copied().unwrap_or_default();
    let alike = first
        .char_indices()
        .map(|(i, c)| i + c.len_utf8())
        .take_while(|end| names.iter().all(|name| name.starts_with(&first[..*end])))
        .last()
        .unwrap_or(0);
    let stem = first[..alike].trim_end_matches(['-', '_', '.', ' ', '(']);
    match stem {
        "" => format!("{first} and {} more", n - 1),
        stem => format!("{stem}, {n} seeds"),
    }
}

/// The style of each run: that of its group.
pub(super) fn styles(runs: &[RunData]) -> Vec<usize> {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    let groups = groups(runs, &names);
    let of = |i: usize| groups.iter().position(|(_, members)| members.contains(&i)).unwrap_or(i);
    (0..runs.len()).map(of).collect()
}

/// The mean and its 95% interval; no interval for one value.
fn mean_interval(values: &[f64]) -> Option<(f64, Option<[f64; 2]>)> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    if n == 1 {
        return Some((mean, None));
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    let half = T95[(n - 2).min(T95.len() - 1)] * error;
    Some((mean, Some([(mean - half).max(0.0), (mean + half).min(1.0)])))
}

/// Accuracy by level and setting, means over seeds with intervals; nothing when no setting has several seeds.
pub(super) fn section(runs: &[RunData], names: &[String]) -> String {
    let groups = groups(runs, names);
    if groups.len() == runs.len() {
        return String::new();
    }
    let mut html = "<section><h2>Over seeds</h2>\n<p>Greedy accuracy on held-out problems after training: mean \
                    over seeds, and its 95% interval by Student's t. Levels marked unseen were not trained \
                    on.</p>\n<div class=\"scroll\"><table class=\"seeds\">\n<thead><tr><th class=\"left\">level"
        .to_owned();
    for (style, (name, _)) in groups.iter().enumerate() {
        let _ = write!(html, "<th>{}{}", swatch(style), escape(name));
    }
    html += "</thead>\n<tbody>\n";
    for level in levels(runs) {
        let _ = write!(html, "<tr><td class=\"left\">{}", escape(&level_name(runs, level)));
        for (_, members) in &groups {
            let accuracy = |i: &usize| Some(runs[*i].after()?.level(level)?.accuracy);
            html += &cell(&members.iter().filter_map(accuracy).collect::<Vec<f64>>());
        }
        html.push('\n');
    }
    html += "<tr class=\"mean\"><td class=\"left\">mean over train levels";
    for (_, members) in &groups {
        let mean = |i: &usize| runs[*i].after()?.train_mean();
        html += &cell(&members.iter().filter_map(mean).collect::<Vec<f64>>());
    }
    html + "\n</tbody></table></div></section>\n"
}

fn cell(values: &[f64]) -> String {
    match mean_interval(values) {
        None => "<td>–".to_owned(),
        Some((mean, None)) => {
            format!("<td>{} <span class=\"bounds\">one seed</span>", percent(mean))
        }
        Some((mean, Some(bounds))) => {
            format!(
                "<td><b>{}</b> <span class=\"bounds\">{}</span>",
                percent(mean),
                interval(bounds)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_students() {
        let (mean, bounds) = mean_interval(&[0.4, 0.5, 0.6]).expect("values");
        let [low, high] = bounds.expect("an interval");
        let half = 4.303 * 0.1 / 3.0_f64.sqrt();
        assert!((mean - 0.5).abs() < 1e-12);
        assert!((low - (0.5 - half)).abs() < 1e-9 && (high - (0.5 + half)).abs() < 1e-9);
        assert_eq!(mean_interval(&[0.3]), Some((0.3, None)));
        assert_eq!(mean_interval(&[]), None);
    }

    #[test]
    fn a_group_is_called_by_what_its_names_share() {
        assert_eq!(together(vec!["gaussian-0", "gaussian-1"], 2), "gaussian, 2 seeds");
        assert_eq!(together(vec!["a", "b", "c"], 3), "a and 2 more");
        assert_eq!(together(vec!["é-0", "é-1"], 2), "é, 2 seeds");
    }
}
