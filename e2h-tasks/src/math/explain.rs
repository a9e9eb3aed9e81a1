//! How a verdict came about: what each of the two texts was read as, and which rule decided.

use super::ast::{Joint, Node};
use super::compare::Context;
use super::limits::{Fuel, MAX_BYTES, MAX_RAW_BYTES, Stop};
use super::numerals::Comma;
use super::{Options, Outcome, grade, read, strip};

/// The longest text that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// How [`grade`] comes to its verdict, line by line: the gold answer and the answer as they were read, and the rule.
///
/// ```
/// use e2h_tasks::math::explain;
/// let lines = explain("[0, 1)", "0 \\le x < 1");
/// assert_eq!(lines[0], "gold answer: [0, 1), read as an interval or a pair");
/// assert_eq!(lines[1], "answer: 0 \\le x < 1, read as a relation");
/// ```
pub fn explain(gold: &str, pred: &str) -> Vec<String> {
    let verdict = grade(gold, pred);
    let decided = match verdict.outcome {
        Outcome::Equal => "equal",
        Outcome::Different => "different",
        Outcome::Unverifiable => "not decided",
    };
    vec![
        format!("gold answer: {}, {}", shown(gold), reading(gold)),
        format!("answer: {}, {}", shown(pred), reading(pred)),
        format!("{decided}: {}", verdict.reason),
    ]
}

/// A text on one line, shortened.
pub(crate) fn shown(text: &str) -> String {
    let mut line: String = text.chars().take(MAX_SHOWN).collect();
    if line.len() < text.len() {
        line.push_str("...");
    }
    line.replace(char::is_control, " ")
}

/// What a text is read as.
fn reading(text: &str) -> String {
    // A text of any length is refused at once; see `grade`.
    let text = if text.len() > MAX_RAW_BYTES { text } else { strip(text) };
    if text.len() > MAX_BYTES {
        return format!("not read: longer than {MAX_BYTES} bytes");
    }
    let fuel = Fuel::standard(text.len());
    let context = Context { fuel: &fuel, options: Options::default() };
    match read(text, Comma::Group, context) {
        Ok((node, false)) => format!("read as {}", kind(&node)),
        Ok((node, true)) => {
            format!("read as {}; its commas can be read in several ways", kind(&node))
        }
        Err(Stop::Syntax(why) | Stop::Limit(why)) => format!("not read as mathematics: {why}"),
        Err(Stop::Undefined | Stop::Unsupported) => "not read as mathematics".to_owned(),
    }
}

/// The kind of answer in words.
fn kind(node: &Node) -> &'static str {
    match node {
        Node::Num(..) => "a number",
        Node::Const(_) => "a constant",
        Node::Var(_) => "a variable",
        Node::Neg(inner) => match **inner {
            Node::Num(..) => "a number",
            _ => "an expression",
        },
        Node::Sum(_)
        | Node::Prod(_)
        | Node::Div(..)
        | Node::Pow(..)
        | Node::Root(..)
        | Node::Call(..)
        | Node::Apply(..) => "an expression",
        Node::PlusMinus(..) => "a value of either sign",
        Node::Percent(_) => "a percentage",
        Node::Degree(_) => "an angle in degrees",
        Node::Based(..) => "a number in another base",
        Node::Tuple(items, ..) if items.len() == 2 => "an interval or a pair",
        Node::Tuple(..) => "a tuple",
        Node::Set(_) => "a set",
        Node::List(_, Joint::Or) => "alternatives",
        Node::List(..) => "a list",
        Node::Union(_) | Node::Intersection(_) | Node::Without(..) => "a set made of sets",
        Node::Empty => "the empty set",
        Node::Reals => "the real numbers",
        Node::Matrix(_) => "a matrix",
        Node::Rel(..) => "a relation",
        Node::Ratio(_) => "a ratio",
        Node::Unit(..) => "a value with a unit",
        Node::Text(_) => "words",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unreadable_texts_are_explained_on_one_line() {
        let long = "1+\n".repeat(20_000);
        let lines = explain("5", &long);
        assert!(lines.iter().all(|line| line.len() < 400 && !line.contains('\n')), "{lines:?}");
        assert!(lines[1].contains("not read"), "{lines:?}");
        assert!(lines[2].starts_with("not decided: "), "{lines:?}");
    }
}
