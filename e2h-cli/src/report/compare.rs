//! Several runs side by side: what came of each, and in which settings they differ.

use std::fmt::Write as _;

use super::chart::swatch;
use super::data::{Eval, RunData};
use super::facts;
use super::format::{escape, percent, points};
use super::seeds::styles;

/// A list of the runs, the best first.
pub(super) fn headline(runs: &[RunData], names: &[String]) -> String {
    let mean = |eval: Option<&Eval>| eval.and_then(Eval::train_mean);
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let key = |i: usize| mean(runs[i].after()).unwrap_or(-1.0);
    order.sort_by(|a, b| key(*b).total_cmp(&key(*a)));
    let mut html =
        "<p class=\"sub\">Greedy accuracy on held-out problems, mean over the levels trained on; \
                    the best first.</p>\n<ol class=\"runs\">\n"
            .to_owned();
    let styles = styles(runs);
    for i in order {
        let (before, after) = (mean(runs[i].before()), mean(runs[i].after()));
        let number = after.map_or("–".to_owned(), percent);
        let change = before.zip(after).map(|(before, after)| points(after - before));
        let _ = writeln!(
            html,
            "<li>{}<b class=\"score\">{number}</b> <span class=\"change\">{}</span> \
             <b class=\"who\">{}</b> <span class=\"facts\">{}</span>",
            swatch(styles[i]),
            change.unwrap_or_else(|| "not evaluated after training".to_owned()),
            escape(&names[i]),
            facts(&runs[i])
        );
    }
    html + "</ol>\n"
}

/// The settings that are not the same in all runs; nothing for a lone run.
pub(super) fn configs(runs: &[RunData], names: &[String]) -> String {
    if runs.len() < 2 {
        return String::new();
    }
    let settings: Vec<Vec<(String, String)>> = runs.iter().map(RunData::settings).collect();
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in settings.iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut rows = String::new();
    for key in keys {
        let value = |run: &Vec<(String, String)>| {
            run.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
        };
        let values: Vec<Option<String>> = settings.iter().map(value).collect();
        if values.iter().all(|value| *value == values[0]) {
            continue;
        }
        let _ = write!(rows, "<tr><td class=\"left\"><code>{}</code>", escape(key));
        for value in values {
            let text = value.map_or("–".to_owned(), |text| escape(&text));
            let _ = write!(rows, "<td><code>{text}</code>");
        }
        rows.push('\n');
    }
    let mut html = "<section><h2>What differs</h2>\n".to_owned();
    if rows.is_empty() {
        return html + "<p>The configurations are the same in every line.</p></section>\n";
    }
    html += "<p>Lines of <code>config.toml</code> that are not the same in all runs.</p>\n\
             <div class=\"scroll\"><table class=\"configs\">\n<thead><tr><th class=\"left\">key";
    for (style, name) in styles(runs).into_iter().zip(names) {
        let _ = write!(html, "<th>{}{}", swatch(style), escape(name));
    }
    html + "</thead>\n<tbody>\n" + &rows + "</tbody></table></div></section>\n"
}
