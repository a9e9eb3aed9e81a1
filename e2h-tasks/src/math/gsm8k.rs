//! Grading of answers that are one number, as in GSM8K: the final number decides.
//!
//! An answer that is a number, in any usual dress, is read as it stands. Of a sentence the last number
//! counts, or the one in its box. A calculation or a list is no number.
//!
//! # Source
//! Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems".
//! # Deviations
//! 1. The reference code takes the first number of the text, cuts fractions and exponents off and drops any
//!    comma; here `1/2`, `1e3` and `1,5` are read as a whole.
//! 2. A percent or currency sign is passed over: `18%` is 18.
//! # Invariants
//! - Equality is exact.

use num_rational::BigRational;

use super::ast::Node;
use super::limits::{Fuel, MAX_RAW_BYTES, Stop};
use super::numerals::Comma;
use super::{Outcome, Verdict, extract, number, read_answer, relation, strip};

/// Grades `text` against a gold number.
///
/// ```
/// use e2h_tasks::math::gsm8k::grade;
/// assert!(grade("1800", "She earns $1,800 a week.").is_equal());
/// assert!(!grade("3", "3 apples and 4 pears make 7").is_equal());
/// ```
pub fn grade(gold: &str, text: &str) -> Verdict {
    let n_bytes = gold.len().max(text.len());
    if n_bytes > MAX_RAW_BYTES {
        return Verdict::new(Outcome::Unverifiable, "an answer is too long to be read");
    }
    let fuel = Fuel::standard(n_bytes);
    let (golds, preds) = match (numbers(gold, &fuel), numbers(text, &fuel)) {
        (Ok(golds), Ok(preds)) => (golds, preds),
        (Err(why), _) | (_, Err(why)) => return Verdict::new(Outcome::Unverifiable, why),
    };
    let Some(gold) = golds.first() else {
        return Verdict::new(Outcome::Unverifiable, "the gold answer is no number");
    };
    if preds.is_empty() {
        Verdict::new(Outcome::Different, "the answer is no single number")
    } else if preds.contains(gold) {
        Verdict::new(Outcome::Equal, "the same number")
    } else {
        Verdict::new(Outcome::Different, "another number")
    }
}

/// The readings of the final number; empty when there is none.
fn numbers(text: &str, fuel: &Fuel) -> Result<Vec<BigRational>, &'static str> {
    let text = strip(text).trim_end_matches('-');
    let mut from_sentence = None;
    match readings(text, fuel)? {
        Some(values) => return Ok(values),
        None => from_sentence.clone_from(&extract(text)),
    }
    match from_sentence {
        Some(inner) => Ok(readings(strip(&inner), fuel)?.unwrap_or_default()),
        None => Ok(Vec::new()),
    }
}

/// The values of a text that is an answer by itself; `None` for a sentence.
fn readings(text: &str, fuel: &Fuel) -> Result<Option<Vec<BigRational>>, &'static str> {
    let mut values = Vec::new();
    for comma in [Comma::Group, Comma::Point] {
        match read_answer(text, comma, fuel) {
            Ok(Node::Text(_)) => return Ok(None),
            Ok(node) => values.extend(literal(&relation::value(&node), fuel)),
            Err(Stop::Limit(why)) => return Err(why),
            Err(_) => return Ok(None),
        }
    }
    values.dedup();
    Ok(Some(values))
}

/// The value of a node that is written as one number.
fn literal(node: &Node, fuel: &Fuel) -> Option<BigRational> {
    match node {
        Node::Num(value, _) => Some(value.clone()),
        Node::Neg(inner) => literal(inner, fuel).map(|value| -value),
        Node::Percent(inner) | Node::Unit(inner, _) => literal(inner, fuel),
        Node::Div(a, b) => {
            let (Node::Num(a, _), Node::Num(b, _)) = (&**a, &**b) else {
                return None;
            };
            let inverse = number::reciprocal(b).ok()?;
            number::mul(a, &inverse, fuel).ok()
        }
        Node::Sum(terms) => match terms.as_slice() {
            [Node::Num(whole, 0), part @ Node::Div(..)] => {
                number::add(whole, &literal(part, fuel)?, fuel).ok()
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_whole() {
        for (gold, text) in [
            ("8000", "8,000"),
            ("5", "- 5 + 10 = 5"),
            ("2.5", "2 1/2"),
            ("0.5", ".5"),
            ("18", "18%"),
            ("1000", "1e3"),
            ("18", "The answer is 18 dollars."),
            ("7", "3 apples and 4 pears make 7"),
            ("-5", "− 5"),
            ("20", "#### 20"),
            ("4", "so there are \\boxed{4} of them in 3 rooms"),
        ] {
            assert!(grade(gold, text).is_equal(), "{gold} {text}");
        }
        for (gold, text) in [
            ("1", "1/2"),
            ("10", "10-5"),
            ("45", "45e3"),
            ("12", "1,2"),
            ("5", "5, 6"),
            ("18", ""),
            ("18", "none"),
            ("2024", "2024-01-05"),
        ] {
            assert_eq!(grade(gold, text).outcome, Outcome::Different, "{gold} {text}");
        }
    }
}
