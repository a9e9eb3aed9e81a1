//! Interim comparison of answers: the one place where a verdict on an answer text is made.
//!
//! TO BE REPLACED AT MERGE by `crate::math::grade(gold, answer)`. Until then an answer is right when its text is that
//! of the gold answer, spacing and sizing commands aside, or when both are the same whole number or fraction.
//!
//! # Source
//! none
//!
//! # Deviations
//! 1. It is strict: an equal answer in another form (a reordered list, an unsimplified root, `x = 3`) is refused.
//!
//! # Invariants
//! - Linear in the length of the texts; no panic on any UTF-8.

use std::str::FromStr;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

/// Longest answer that is read, in bytes.
const MAX_BYTES: usize = 4_096;

/// True when `answer` is the answer `gold`.
pub(super) fn grade(gold: &str, answer: &str) -> bool {
    if answer.len() > MAX_BYTES {
        return false;
    }
    let (gold, answer) = (plain(gold), plain(answer));
    gold == answer || number(&gold).is_some_and(|gold| number(&answer) == Some(gold))
}

/// The text without white space, dollar signs, sizing and spacing commands.
fn plain(text: &str) -> String {
    let mut text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '$')
        .collect();
    for (from, to) in [
        ("\\dfrac", "\\frac"),
        ("\\tfrac", "\\frac"),
        ("\\left", ""),
        ("\\right", ""),
        ("\\,", ""),
        ("\\!", ""),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// A whole number, `a/b` or `\frac{a}{b}`.
fn number(text: &str) -> Option<BigRational> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let fraction = text
        .strip_prefix("\\frac{")
        .and_then(|rest| rest.strip_suffix('}'));
    let split = match fraction {
        Some(parts) => parts.split_once("}{"),
        None => text.split_once('/'),
    };
    let (numer, denom) = split.unwrap_or((text, "1"));
    let whole = |text: &str| BigInt::from_str(text).ok();
    let (numer, denom) = (whole(numer)?, whole(denom)?);
    if denom.is_zero() {
        return None;
    }
    let number = BigRational::new(numer, denom);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_and_equal_texts_are_right_and_others_are_not() {
        for (gold, answer, right) in [
            ("\\frac{3}{4}", "6/8", true),
            ("-\\frac{3}{4}", "$-\\dfrac{3}{4}$", true),
            ("12", "12/1", true),
            ("2\\sqrt{3}", "2 \\sqrt{3}", true),
            ("\\left( 1, 2 \\right)", "(1,2)", true),
            ("12", "13", false),
            ("12", "1/0", false),
            ("2, 3", "2", false),
            ("5", "", false),
        ] {
            assert_eq!(grade(gold, answer), right, "{gold} and {answer}");
        }
    }
}
