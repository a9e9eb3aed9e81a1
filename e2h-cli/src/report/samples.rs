//! What the model wrote: for each level a completion from early on beside one from the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::data::RunData;
use super::format::{escape, number};
use crate::problems::in_words;

/// Characters of a text at most; the page says when more are left out.
const MAX_CHARS: usize = 3000;

/// Samples of one run; nothing when it has none.
pub(super) fn section(run: &RunData, title: &str, is_open: bool) -> String {
    let mut by_level: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for sample in &run.samples {
        if let Some(level) = sample["level"].as_u64() {
            by_level.entry(level).or_default().push(sample);
        }
    }
    if by_level.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section><details class=\"samples\"{}><summary><h2>{}</h2></summary>\n\
         <p>From training, not held out. For each level the first completion that failed and the last that was right, the same problem \
         where there is one; else the first and the last. These are chosen to show the change, so they are \
         not typical: the shares are above.</p>\n",
        if is_open { " open" } else { "" },
        escape(title)
    );
    for (level, samples) in by_level {
        let level = usize::try_from(level).unwrap_or(usize::MAX);
        let _ = write!(html, "<h3>{}</h3>\n<div class=\"pair\">\n", escape(&run.level_name(level)));
        let (early, late) = pair(&samples);
        html += &early.map_or(String::new(), card);
        html += &late.map_or(String::new(), card);
        html += "</div>\n";
    }
    html + "</details></section>\n"
}

/// The first failure and the last success after it, of one problem if possible; else the first and the last.
fn pair<'a>(samples: &[&'a Value]) -> (Option<&'a Value>, Option<&'a Value>) {
    let is_correct = |sample: &&Value| sample["outcome"] == "correct";
    let late = samples.iter().copied().rev().filter(is_correct);
    for right in late.clone() {
        let earlier = samples.iter().copied().filter(|sample| step(sample) < step(right));
        let mut same = earlier.filter(|sample| sample["question"] == right["question"]);
        if let Some(wrong) = same.find(|sample| !is_correct(sample)) {
            return (Some(wrong), Some(right));
        }
    }
    let wrong = samples.iter().copied().find(|sample| !is_correct(sample));
    let right = late.clone().next();
    if let (Some(wrong), Some(right)) = (wrong, right)
        && step(wrong) < step(right)
    {
        return (Some(wrong), Some(right));
    }
    let first = samples.first().copied();
    let last = samples.last().copied().filter(|_| samples.len() > 1);
    (first, last)
}

fn step(sample: &Value) -> u64 {
    sample["step"].as_u64().unwrap_or(0)
}

/// One completion, with its verdict.
pub(super) fn card(sample: &Value) -> String {
    let text = |key: &str| sample[key].as_str().unwrap_or_default();
    let (class, verdict) = match text("outcome") {
        "correct" => ("right", "✓ correct"),
        "wrong" => ("wrong", "✗ wrong"),
        "bad_format" => ("wrong", "✗ bad format"),
        _ => ("open", "? unverifiable"),
    };
    let mut html = format!(
        "<article class=\"{class}\"><header><b>step {}</b> <span class=\"verdict\">{verdict}</span></header>\n\
         <p class=\"question\">{}</p>\n<pre>{}</pre>\n<p class=\"parts\">",
        step(sample),
        body(&cut(&in_words(&sample["question"], &sample["answer"]))),
        body(&cut(text("completion")))
    );
    if let Some(reward) = sample["reward"].as_f64() {
        let _ = write!(html, "<span><b>reward {}</b></span> ", number(reward));
    }
    for part in sample["parts"].as_array().into_iter().flatten() {
        let value = |key: &str| number(part[key].as_f64().unwrap_or(0.0));
        let name = escape(part["name"].as_str().unwrap_or("part"));
        let _ = write!(html, "<span>{name} {} × {}</span> ", value("value"), value("weight"));
    }
    if let Some(advantage) = sample["advantage"].as_f64() {
        let _ = write!(html, "<span>advantage {}</span> ", number(advantage));
    }
    if let Some(n) = sample["n_tokens"].as_u64() {
        let _ = write!(html, "<span>{n} tokens</span> ");
    }
    if !text("reason").is_empty() {
        let _ = write!(html, "<span>{}</span>", escape(&cut(text("reason"))));
    }
    html + "</p></article>\n"
}

/// The text, cut to a bearable length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!("{} … ({more} more characters)", &text[..end])
        }
        None => text.to_owned(),
    }
}

/// Escaped text whose tags of the answer format stand back.
fn body(text: &str) -> String {
    let mut html = escape(text);
    for tag in ["think", "answer"] {
        for tag in [format!("&lt;{tag}&gt;"), format!("&lt;/{tag}&gt;")] {
            html = html.replace(&tag, &format!("<span class=\"tag\">{tag}</span>"));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(step: u64, question: &str, outcome: &str) -> Value {
        json!({"step": step, "level": 0, "question": question, "outcome": outcome})
    }

    fn steps(samples: &[Value]) -> (Option<u64>, Option<u64>) {
        let (early, late) = pair(&samples.iter().collect::<Vec<_>>());
        (early.map(step), late.map(step))
    }

    #[test]
    fn the_same_problem_is_preferred_to_the_first_and_the_last() {
        let samples = [
            sample(0, "a", "wrong"),
            sample(1, "b", "bad_format"),
            sample(2, "b", "correct"),
            sample(3, "c", "correct"),
        ];
        assert_eq!(steps(&samples), (Some(1), Some(2)));
    }

    #[test]
    fn without_a_change_the_first_and_the_last_are_shown() {
        let wrong: Vec<Value> = (0..3).map(|i| sample(i, "a", "wrong")).collect();
        assert_eq!(steps(&wrong), (Some(0), Some(2)));
        assert_eq!(steps(&wrong[..1]), (Some(0), None));
        let worse = [sample(0, "a", "correct"), sample(1, "b", "wrong")];
        assert_eq!(steps(&worse), (Some(0), Some(1)));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "é".repeat(MAX_CHARS + 5);
        assert!(cut(&text).ends_with("é … (5 more characters)"));
        assert_eq!(cut("short"), "short");
    }
}
