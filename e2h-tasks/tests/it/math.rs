//! The grader of mathematical answers from outside: hand-written pairs, shared rows, golds and their rewrites.

use std::collections::BTreeMap;

use e2h_tasks::math::{Options, Outcome, aqua, grade, grade_texts, grade_with, gsm8k};
use serde_json::Value;

use crate::oracle::rows;

/// Lines of sign, gold and answer, separated by tabs; `=` equal, `!` different, `?` unverifiable.
const PAIRS: &str = include_str!("fixtures/math_pairs.tsv");

fn pairs() -> Vec<(Outcome, &'static str, &'static str)> {
    let lines = PAIRS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default();
            let outcome = match next() {
                "=" => Outcome::Equal,
                "!" => Outcome::Different,
                _ => Outcome::Unverifiable,
            };
            (outcome, next(), next())
        })
        .collect()
}

#[test]
fn hand_written_pairs_get_their_verdict() {
    let pairs = pairs();
    assert!(pairs.len() >= 200, "{} pairs", pairs.len());
    let mut wrong = Vec::new();
    for (expect, gold, pred) in &pairs {
        let verdict = grade(gold, pred);
        if verdict.outcome != *expect {
            wrong.push(format!("{gold} | {pred}: {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_gold_of_the_pairs_equals_itself() {
    for (_, gold, _) in pairs() {
        assert!(grade(gold, gold).is_equal(), "{gold}");
        let spaced = format!("  \\boxed{{ {gold} }} ");
        assert!(grade(gold, &spaced).is_equal(), "{spaced}");
    }
}

/// Right, all, wrong accepts.
type Counts = [usize; 3];

fn count(counts: &mut Counts, outcome: Outcome, truth: bool) {
    let right = match outcome {
        Outcome::Equal => truth,
        Outcome::Different => !truth,
        Outcome::Unverifiable => false,
    };
    counts[0] += usize::from(right);
    counts[1] += 1;
    counts[2] += usize::from(outcome == Outcome::Equal && !truth);
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

#[test]
#[expect(clippy::print_stdout, reason = "the table by family is the point")]
fn shared_rows_are_graded_right_by_family() {
    let Some(rows) = rows::<Value>("oracle/math_shared.jsonl") else {
        return;
    };
    let mut families: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["doubtful"] != true) {
        let verdict = grade(text(row, "gold"), text(row, "pred"));
        let counts = families.entry(text(row, "family")).or_default();
        count(counts, verdict.outcome, row["truth"] == true);
    }
    let mut total = Counts::default();
    for (family, counts) in &families {
        println!(
            "{family:24} {:4} of {:4} right, {} wrong accepts",
            counts[0], counts[1], counts[2]
        );
        total.iter_mut().zip(counts).for_each(|(t, c)| *t += c);
    }
    let [right, all, accepts] = total;
    println!("all {right} of {all} right, {accepts} wrong accepts");
    assert!(right * 1000 >= all * 990, "{right} of {all} right");
    assert!(accepts * 1000 <= all * 3, "{accepts} of {all} accepted wrongly");
}

#[test]
fn the_published_suite_of_math_verify_passes() {
    let Some(rows) = rows::<Value>("oracle/math_verify_suite.jsonl") else {
        return;
    };
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    for row in &rows {
        let options = Options {
            relation_for_set: row["allow_set_relation_comp"].as_bool().unwrap_or(true),
            strict_names: row["strict"].as_bool().unwrap_or(true),
            decimals: row["precision"].as_u64().map(|places| places as u32),
        };
        let verdict = grade_texts(text(row, "gold"), text(row, "pred"), options);
        let before = counts[0];
        count(&mut counts, verdict.outcome, row["expected"] == true);
        if counts[0] == before {
            wrong.push(text(row, "id"));
        }
    }
    assert!(counts[0] >= 256, "{} of {} right; wrong: {wrong:?}", counts[0], counts[1]);
}

fn short_answers(file: &str, judge: impl Fn(&str, &str) -> Outcome) {
    let Some(rows) = rows::<Value>(file) else {
        return;
    };
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row["doubtful"] != true) {
        let gold = match &row["gold"] {
            Value::String(gold) => gold.clone(),
            other => other.to_string(),
        };
        let equal = judge(&gold, text(row, "text")) == Outcome::Equal;
        if equal != (row["expected"] == true) {
            wrong.push(format!("{gold} | {:?}", text(row, "text")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn shared_rows_of_gsm8k_and_aqua_are_graded_right() {
    short_answers("oracle/gsm8k_shared.jsonl", |gold, text| gsm8k::grade(gold, text).outcome);
    short_answers("oracle/aqua_shared.jsonl", |gold, text| aqua::grade(gold, text).outcome);
}

/// Rewrites that do not change an answer.
fn rewrites(gold: &str) -> Vec<String> {
    let mut out = vec![
        format!("\\boxed{{{gold}}}"),
        format!("\\({gold}\\)"),
        format!("{gold} ."),
        gold.replace("\\dfrac", "\\frac").replace("\\frac", "\\tfrac"),
        gold.replace("\\left", "").replace("\\right", ""),
        gold.replace("\\sqrt", "\\, \\sqrt ").replace("\\pi", " \\pi "),
        gold.replace("pmatrix", "bmatrix"),
        gold.replace("\\cup", "\\cup\\,").replace("^\\circ", "^{\\circ}"),
    ];
    if let Some((whole, part)) = gold.split_once('.') {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if digits(whole) && digits(part) && part.len() < 9 {
            out.push(format!("\\frac{{{whole}{part}}}{{1{}}}", "0".repeat(part.len())));
        }
    }
    out
}

/// Changes that make another answer.
fn misses(gold: &str) -> Vec<String> {
    let words = ["text", "mbox", "begin", "_", "\\approx", "= 56"];
    if words.iter().any(|word| gold.contains(word)) || gold.trim().is_empty() {
        return Vec::new();
    }
    let mut out = vec![format!("{gold}, 977")];
    let digits: Vec<usize> =
        gold.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(i, _)| i).collect();
    for &i in &digits {
        let digit = gold.as_bytes()[i] - b'0';
        out.push(format!("{}{}{}", &gold[..i], (digit + 4) % 10, &gold[i + 1..]));
    }
    if let Some(rest) = gold.strip_prefix('[') {
        out.push(format!("({rest}"));
    }
    out
}

#[test]
fn golds_of_math_survive_rewrites_and_refuse_near_misses() {
    let mut golds = Vec::new();
    for split in ["train", "test"] {
        let Some(rows) = rows::<Value>(&format!("data/math/{split}.jsonl")) else {
            return;
        };
        golds.extend(rows.iter().map(|row| text(row, "answer").to_owned()));
    }
    golds.sort();
    golds.dedup();
    golds.retain(|gold| !gold.trim().is_empty());
    let (mut same, mut other) = (Counts::default(), Counts::default());
    for gold in &golds {
        assert!(grade(gold, gold).is_equal(), "{gold}");
        for pred in rewrites(gold) {
            let outcome = grade(gold, &pred).outcome;
            count(&mut same, outcome, true);
        }
        for pred in misses(gold) {
            count(&mut other, grade(gold, &pred).outcome, false);
        }
    }
    assert!(same[0] * 1000 >= same[1] * 999, "rewrites: {same:?}");
    assert!(other[2] * 1000 <= other[1], "near misses: {other:?}");
    assert!(other[0] * 1000 >= other[1] * 999, "near misses: {other:?}");
}

#[test]
fn options_change_what_is_accepted() {
    let strict = Options { relation_for_set: false, ..Options::default() };
    assert!(!grade_with("[0,1]", "0 \\le x \\le 1", strict).is_equal());
    let loose = Options { strict_names: false, ..Options::default() };
    assert!(grade_with("x^2 + 1", "t^2 + 1", loose).is_equal());
    let rounded = Options { decimals: Some(2), ..Options::default() };
    assert!(grade_with("\\frac{1}{3}", "0.33", rounded).is_equal());
    assert!(!grade_with("\\frac{1}{3}", "0.35", rounded).is_equal());
}
