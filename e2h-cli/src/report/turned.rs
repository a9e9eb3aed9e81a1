//! What became of each held-out problem: right before and after training, or only on one side.
//!
//! The two evaluations are of the same problems, so they are compared pair by pair; the p-value is that of
//! McNemar's exact test ([`e2h_rl::compare`]).
//!
//! # Invariants
//! - The completions that are shown are the first of their kind in the order of the problems, not chosen.

use std::fmt::Write as _;

use e2h_rl::{PairedRow, ProblemResult, compare};
use serde_json::json;

use super::data::RunData;
use super::format::escape;
use super::samples::card;

/// Levels of which completions are shown at most.
const MAX_LEVELS: usize = 8;

/// The table and the completions of one run; nothing where its evaluations did not keep each problem.
/// `is_alone` leaves it open.
pub(super) fn section(run: &RunData, title: &str, is_alone: bool) -> String {
    let (Some((_, before)), Some((step, after))) = (&run.rows_before, &run.rows_after) else {
        return String::new();
    };
    let found = compare(before, after);
    if found.rows.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section><details class=\"samples\"{}><summary><h2>{}</h2></summary>\n\
         <p>The same held-out problems before training and after {step} steps, greedy decoding. \
         p: McNemar's exact test of the two numbers that differ; small where chance is an unlikely \
         reason.</p>\n{}",
        if is_alone { " open" } else { "" },
        escape(title),
        table(run, &found.rows)
    );
    let mut n_levels = 0;
    for row in &found.rows {
        let Some(level) = row.level else { continue };
        let pairs = pairs(before, after, level);
        if pairs.is_empty() || n_levels == MAX_LEVELS {
            continue;
        }
        n_levels += 1;
        let name = run.level_name(usize::from(level));
        let _ = writeln!(html, "<h3>{}</h3>", escape(&name));
        for (kind, was, is) in pairs {
            let _ = writeln!(
                html,
                "<p class=\"sub\">The first that went {kind}:</p>\n<div class=\"pair\">\n{}{}</div>",
                shown(was, 0),
                shown(is, *step)
            );
        }
    }
    html + "</details></section>\n"
}

fn table(run: &RunData, rows: &[PairedRow]) -> String {
    let mut html =
        "<div class=\"scroll\"><table class=\"turned\">\n<thead><tr><th class=\"left\">level\
                    <th>problems<th>wrong → right<th>right → wrong<th>right both times\
                    <th>wrong both times<th>p</thead>\n<tbody>\n"
            .to_owned();
    for row in rows {
        let (class, name) = match row.level {
            Some(level) => ("", run.level_name(usize::from(level))),
            None => (" class=\"mean\"", "all levels".to_owned()),
        };
        let neither = row.n - row.both - row.only_a - row.only_b;
        let p = match row.p_value {
            p if p < 1e-4 => format!("{p:.0e}"),
            p => format!("{p:.4}"),
        };
        let _ = writeln!(
            html,
            "<tr{class}><td class=\"left\">{}<td>{}<td><b class=\"gain\">{}</b><td>{}<td>{}<td>{neither}<td>{p}",
            escape(&name),
            row.n,
            row.only_b,
            row.only_a,
            row.both
        );
    }
    html + "</tbody></table></div>\n"
}

/// A kind of change with the first problem of it, as it was and as it is.
type Turn<'a> = (&'static str, &'a ProblemResult, &'a ProblemResult);

/// The first problem of a level that went from wrong to right, and the first that went the other way.
fn pairs<'a>(before: &'a [ProblemResult], after: &'a [ProblemResult], level: u16) -> Vec<Turn<'a>> {
    let same = |was: &&ProblemResult| {
        after.iter().find(|is| is.level == level && is.key == was.key && is.task == was.task)
    };
    let of_level = before.iter().filter(|was| was.level == level);
    let paired: Vec<_> = of_level.filter_map(|was| Some((was, same(&was)?))).collect();
    let first = |kind, right: bool| {
        let turned = |(was, is): &&(&ProblemResult, &ProblemResult)| {
            was.is_correct() != right && is.is_correct() == right
        };
        paired.iter().find(turned).map(|(was, is)| (kind, *was, *is))
    };
    let turns = [first("from wrong to right", true), first("from right to wrong", false)];
    turns.into_iter().flatten().collect()
}

fn shown(row: &ProblemResult, step: u64) -> String {
    card(&json!({
        "step": step,
        "question": row.question,
        "answer": row.answer,
        "completion": row.completion,
        "outcome": row.outcome,
        "n_tokens": row.n_tokens,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, level: u16, outcome: &str) -> ProblemResult {
        ProblemResult {
            task: "t".to_owned(),
            level,
            key: key.to_owned(),
            question: json!(key),
            answer: json!(1),
            completion: format!("{key} is {outcome}"),
            outcome: outcome.to_owned(),
            n_tokens: 3,
            n_samples: 0,
            n_correct: 0,
            majority_correct: None,
        }
    }

    #[test]
    fn the_first_problem_of_each_change_is_shown_and_others_are_not() {
        let before = [
            row("a", 0, "wrong"),
            row("b", 0, "bad_format"),
            row("c", 0, "correct"),
            row("d", 1, "wrong"),
        ];
        let after = [
            row("a", 0, "wrong"),
            row("b", 0, "correct"),
            row("c", 0, "wrong"),
            row("d", 1, "wrong"),
        ];
        let found = pairs(&before, &after, 0);
        let keys: Vec<(&str, &str)> =
            found.iter().map(|(kind, was, _)| (*kind, was.key.as_str())).collect();
        assert_eq!(keys, [("from wrong to right", "b"), ("from right to wrong", "c")]);
        assert!(pairs(&before, &after, 1).is_empty());
    }
}
