//! Grading of multiple-choice answers, as in AQuA: one letter, in any usual dress.
//!
//! `C`, `(C)`, `C.`, `**C**`, `Option C`, `\boxed{\text{C}}`, `C) 42` and `The answer is C` all choose C.
//! A text that names two letters, or none, chooses nothing.
//!
//! # Source
//! Ling et al. 2017, "Program Induction by Rationale Generation" (the data set AQuA-RAT).
//! # Deviations
//! 1. The reference code takes the bare capital letter only.
//! 2. A small letter counts when it stands alone.
//! # Invariants
//! - `not C` chooses nothing.

use super::tables::plain_char;
use super::{Outcome, Verdict};

/// The longest text that is read, in bytes.
const MAX_BYTES: usize = 65_536;

/// Grades `text` against a gold letter.
///
/// ```
/// use e2h_tasks::math::aqua::grade;
/// assert!(grade("C", "**(C) 42**").is_equal());
/// assert!(!grade("C", "C or D").is_equal());
/// ```
pub fn grade(gold: &str, text: &str) -> Verdict {
    if text.len() > MAX_BYTES {
        return Verdict::new(Outcome::Unverifiable, "an answer is too long to be read");
    }
    let Some(gold) = choice(gold) else {
        return Verdict::new(Outcome::Unverifiable, "the gold answer is no letter");
    };
    match choice(text) {
        Some(letter) if letter == gold => Verdict::new(Outcome::Equal, "the same choice"),
        Some(_) => Verdict::new(Outcome::Different, "another choice"),
        None => Verdict::new(Outcome::Different, "the answer is no single choice"),
    }
}

/// A letter that stands alone.
#[derive(Clone, Copy)]
struct Mark {
    letter: char,
    /// A closing bracket, point or colon follows it, or an opening bracket stands before it.
    marked: bool,
    /// `option`, `answer is` or the like stands before it.
    named: bool,
}

/// The letter from A to E that a text chooses.
pub(crate) fn choice(text: &str) -> Option<char> {
    let text = plain(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.iter().any(|w| w.eq_ignore_ascii_case("not") || w.eq_ignore_ascii_case("neither")) {
        return None;
    }
    let mut marks: Vec<Mark> = Vec::new();
    let mut before = "";
    let mut previous: Option<(usize, char)> = None;
    for (i, word) in words.iter().enumerate() {
        if let Some(found) = mark(word, before, words.len() == 1) {
            // `C, D`, `C or D`: side by side, so neither is chosen.
            if previous.is_some_and(|(at, letter)| letter != found.letter && i <= at + 2) {
                return None;
            }
            previous = Some((i, found.letter));
            marks.push(found);
        }
        before = word;
    }
    let strongest =
        [|m: &Mark| m.named && m.marked, |m: &Mark| m.named, |m: &Mark| m.marked, |_: &Mark| true];
    let chosen = strongest.iter().find_map(|test| {
        let mut letters: Vec<char> = marks.iter().filter(|m| test(m)).map(|m| m.letter).collect();
        letters.dedup();
        (!letters.is_empty()).then_some(letters)
    })?;
    if chosen.len() == 1 { chosen.first().copied() } else { None }
}

/// The text without markup: commands and braces become spaces, quotes and stars vanish.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().map(|c| plain_char(c).unwrap_or(c)).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                while chars.peek().is_some_and(char::is_ascii_alphabetic) {
                    chars.next();
                }
                out.push(' ');
            }
            '*' | '"' | '`' | '$' | '\'' | '“' | '”' | '<' | '>' => {}
            '{' | '}' => out.push(' '),
            c if ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// The mark that a word is, if it is one.
fn mark(word: &str, before: &str, alone: bool) -> Option<Mark> {
    let inner = word.trim_matches(|c: char| "()[].:;,".contains(c));
    // `C)42` and `C:42`: the letter and what it stands for in one word.
    let head = word.trim_start_matches(['(', '[']);
    let glued = head.chars().nth(1).is_some_and(|c| matches!(c, ')' | ']' | ':'));
    let letter = if glued { head.chars().next()? } else { inner.chars().next()? };
    if !glued && inner.chars().count() != 1 {
        return None;
    }
    let marked = glued || inner.len() < word.trim_end_matches(',').len();
    let before = before.trim_end_matches(':').to_lowercase();
    let named = matches!(before.as_str(), "option" | "choice" | "answer" | "is" | "letter");
    let upper = letter.is_ascii_uppercase() || alone || marked && word.starts_with('(');
    let letter = letter.to_ascii_uppercase();
    (upper && ('A'..='E').contains(&letter)).then_some(Mark { letter, marked, named })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_is_found_in_any_dress() {
        for text in [
            " C ",
            "C)",
            "(C)",
            "C.",
            "c",
            "**C**",
            "\"C\"",
            "[C]",
            "\\boxed{C}",
            "\\text{(C)}",
            "Option C",
            "The answer is C",
            "C: 42",
            "C)42",
            "\u{ff23}",
            "C\u{200b}",
            "The answer is (C) 5 km",
            "Answer: C",
            "(c)",
            "A car needs longer, so the answer is C.",
        ] {
            assert_eq!(choice(text), Some('C'), "{text}");
        }
    }

    #[test]
    fn none_or_several_choose_nothing() {
        for text in ["", "F", "CC", "C, D", "C or D", "not C", "42", "C/D", "neither", "(C) (D)"] {
            assert_eq!(choice(text), None, "{text}");
        }
    }
}
