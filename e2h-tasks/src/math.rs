//! Grading of final mathematical answers: is `pred` the same answer as `gold`?
//!
//! ```text
//! text -> lex -> parse -> tree -> compare(gold, pred) -> Equal | Different | Unverifiable
//! ```
//! The gold answer says what kind of thing is expected: a number, an expression, a tuple, a set, an
//! interval, a matrix, an equation, words. Values are compared in exact arithmetic where a normal form
//! exists, otherwise in ball arithmetic to more than 28 digits.
//!
//! ```
//! use e2h_tasks::math::{Outcome, grade};
//! assert_eq!(grade("\\frac{\\sqrt{3}}{2}", "sqrt(3/4)").outcome, Outcome::Equal);
//! assert_eq!(grade("[0, 1)", "0 \\le x < 1").outcome, Outcome::Equal);
//! assert_eq!(grade("(1, 2)", "(2, 1)").outcome, Outcome::Different);
//! ```
//!
//! # Source
//! Own work. The kinds of answers are those of MATH (Hendrycks et al. 2021) and of Math-Verify's tests.
//! # Deviations
//! The conventions are listed in the `Deviations` of `compare.rs`, `quantity.rs`, `relation.rs`, `sets.rs` and
//! `numerals.rs`; [`Options`] holds those on which users differ.
//! # Invariants
//! - Total: no text panics, and work is bounded by counting.
//! - A verdict depends on the two texts and the options alone.

pub mod aqua;
mod ast;
mod atom;
mod ball;
mod bracket;
mod call;
mod cells;
mod command;
mod compare;
mod complex;
mod equal;
mod eval;
mod explain;
mod extract;
pub mod gsm8k;
mod item;
mod lex;
mod limits;
mod matrix;
mod normal;
mod number;
mod numerals;
mod parse;
mod poly;
mod quantity;
mod relation;
mod series;
mod sets;
mod sign_list;
mod tables;
mod task;
mod text;
mod units;
mod word;

use std::borrow::Cow;

pub use explain::explain;
pub(crate) use explain::shown;
pub use extract::extract;
pub use task::{AquaTask, Gsm8kTask, MathTask, RowsConfig};

use ast::Node;
use compare::Context;
use limits::{Fuel, MAX_BYTES, MAX_RAW_BYTES, Res, Stop};
use numerals::Comma;

/// Whether two answers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The same answer.
    Equal,
    /// Another answer, or no answer at all.
    Different,
    /// The verifier met one of its limits before it could decide.
    Unverifiable,
}

/// The result of grading one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the answers are the same.
    pub outcome: Outcome,
    /// Why, in a few words, for a person.
    pub reason: Cow<'static, str>,
}

impl Verdict {
    fn new(outcome: Outcome, reason: &'static str) -> Self {
        Self { outcome, reason: Cow::Borrowed(reason) }
    }

    /// True when the answers are the same.
    pub fn is_equal(&self) -> bool {
        self.outcome == Outcome::Equal
    }
}

/// Conventions on which users differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// An inequality may stand for a gold interval or set: `0 < x < 1` for `(0, 1)`.
    pub relation_for_set: bool,
    /// Another name for a named value is wrong: `y = 5` for `x = 5`.
    pub strict_names: bool,
    /// Decimals that agree to so many places are equal; without it only ten or more significant digits of
    /// the gold value are.
    pub decimals: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { relation_for_set: true, strict_names: true, decimals: None }
    }
}

/// Grades the answer text `pred` against the answer text `gold` with the default conventions.
///
/// ```
/// use e2h_tasks::math::{Outcome, grade};
/// assert!(grade(r"\frac{1}{2}", "0.5").is_equal());
/// assert_eq!(grade(r"\frac{1}{2}", "0.6").outcome, Outcome::Different);
/// ```
pub fn grade(gold: &str, pred: &str) -> Verdict {
    grade_with(gold, pred, Options::default())
}

/// Grades the answer text `pred` against the answer text `gold`.
///
/// ```
/// use e2h_tasks::math::{Options, grade_with};
/// let rounded = Options { decimals: Some(2), ..Options::default() };
/// assert!(grade_with(r"\frac{2}{3}", "0.67", rounded).is_equal());
/// assert!(!grade_with(r"\frac{2}{3}", "0.67", Options::default()).is_equal());
/// ```
pub fn grade_with(gold: &str, pred: &str, options: Options) -> Verdict {
    // A text of any length is refused at once; one of white space alone would be scanned to its end.
    if gold.len().max(pred.len()) > MAX_RAW_BYTES {
        return too_long(gold, pred);
    }
    let (gold, pred) = (strip(gold), strip(pred));
    if gold.is_empty() {
        return Verdict::new(Outcome::Unverifiable, "there is no gold answer");
    }
    if pred.is_empty() {
        return Verdict::new(Outcome::Different, "there is no answer");
    }
    if gold.len() > MAX_BYTES || pred.len() > MAX_BYTES {
        return too_long(gold, pred);
    }
    if text::form_key(gold) == text::form_key(pred) {
        return Verdict::new(Outcome::Equal, "the same form");
    }
    let context = |fuel| Context { fuel, options };
    let fuel = Fuel::standard(gold.len().max(pred.len()));
    let result = judge(gold, pred, context(&fuel));
    let unread = matches!(result, Err(Stop::Syntax(_)));
    let first = judged(result);
    if unread
        && is_prose(pred)
        && let Some(inner) = extract(pred).filter(|inner| inner != pred)
    {
        let second = judged(judge(gold, strip(&inner), context(&fuel)));
        if second.is_equal() {
            return second;
        }
    }
    first
}

/// The verdict on texts that are not read.
fn too_long(gold: &str, pred: &str) -> Verdict {
    match gold == pred {
        true => Verdict::new(Outcome::Equal, "the same text"),
        false => Verdict::new(Outcome::Unverifiable, "an answer is too long to be read"),
    }
}

/// Grades whole texts: the final answer is looked for in both.
///
/// ```
/// use e2h_tasks::math::{Options, grade_texts};
/// let verdict = grade_texts(r"So it is $\boxed{12}$.", r"Six and six make \boxed{12}.", Options::default());
/// assert!(verdict.is_equal());
/// ```
pub fn grade_texts(gold: &str, pred: &str, options: Options) -> Verdict {
    let gold = extract(gold).unwrap_or_else(|| gold.to_owned());
    match extract(pred) {
        Some(pred) => grade_with(&gold, &pred, options),
        None => Verdict::new(Outcome::Different, "no answer was found"),
    }
}

fn judged(result: Res<compare::Judgement>) -> Verdict {
    match result {
        Ok(found) if found.equal => Verdict::new(Outcome::Equal, found.how),
        Ok(found) => Verdict::new(Outcome::Different, found.how),
        Err(Stop::Syntax(why)) => Verdict::new(Outcome::Different, why),
        Err(Stop::Limit(why)) => Verdict::new(Outcome::Unverifiable, why),
        Err(Stop::Undefined) => Verdict::new(Outcome::Different, "the answer has no value"),
        Err(Stop::Unsupported) => Verdict::new(Outcome::Different, "the answers are not alike"),
    }
}

/// Trims white space, markdown emphasis and a trailing point.
fn strip(text: &str) -> &str {
    let mut text =
        text.trim_matches(|c: char| c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}');
    for mark in ["**", "__", "`", "*"] {
        let inner = text.strip_prefix(mark).and_then(|t| t.strip_suffix(mark));
        text = inner.map_or(text, str::trim);
    }
    text.trim_end_matches(['.', ',', ';']).trim()
}

/// True for a text with more around the answer than the answer.
fn is_prose(text: &str) -> bool {
    let word = |w: &&str| w.len() > 1 && w.chars().all(char::is_alphabetic);
    text.contains("\\boxed")
        || text.contains('$')
        || text.split_whitespace().filter(word).nth(2).is_some()
}

fn judge(gold: &str, pred: &str, context: Context<'_>) -> Res<compare::Judgement> {
    if let Some(letter) = gold_choice(gold)
        && let Some(theirs) = text::choice(pred)
    {
        let how = if letter == theirs { "the same choice" } else { "another choice" };
        return Ok(compare::Judgement { equal: letter == theirs, how });
    }
    let same_words = || text::words_key(gold) == text::words_key(pred);
    let gold_node = match read(gold, Comma::Group, context) {
        Ok(node) => node,
        Err(stop) => {
            // What cannot be read is compared as words.
            return match (same_words(), stop) {
                (true, _) => Ok(compare::agree("the same words")),
                (false, Stop::Limit(_)) => Err(stop),
                (false, _) => Ok(compare::differ("the words differ")),
            };
        }
    };
    if let Node::Text(words) = &gold_node.0 {
        // `It is Monday`: the words after the last `is`.
        let (ours, theirs) = (text::words_key(words), text::words_key(pred));
        if theirs.rsplit_once(" is ").is_some_and(|(_, rest)| rest == ours) {
            return Ok(compare::agree("the same words"));
        }
    }
    if is_words(&gold_node.0) && same_words() {
        return Ok(compare::agree("the same words"));
    }
    by_readings(gold, gold_node, pred, context)
}

/// The letter of a gold answer that is a choice and nothing else.
fn gold_choice(gold: &str) -> Option<char> {
    let key = text::words_key(gold);
    let upper = gold.chars().filter(|c| c.is_ascii_uppercase()).count() == 1;
    (key.len() == 1 && upper).then(|| text::choice(gold)).flatten()
}

fn is_words(node: &Node) -> bool {
    match node {
        Node::Text(_) => true,
        Node::List(items, _) => items.iter().all(is_words),
        Node::Ratio(_) | Node::Var(_) | Node::Prod(_) | Node::Unit(..) => true,
        _ => false,
    }
}

/// An answer as a tree, and whether its commas can be read in another way.
fn read(text: &str, comma: Comma, context: Context<'_>) -> Res<(Node, bool)> {
    let lexed = lex::lex(text, comma)?;
    let node = parse::parse(&lexed, context.fuel)?;
    Ok((sign_list::expand(&node), lexed.ambiguous))
}

/// An answer as a tree.
fn read_answer(text: &str, comma: Comma, fuel: &Fuel) -> Res<Node> {
    parse::parse(&lex::lex(text, comma)?, fuel)
}

/// Tries the readings of commas between digits until one is equal.
fn by_readings(
    gold: &str,
    (first, ambiguous): (Node, bool),
    pred: &str,
    context: Context<'_>,
) -> Res<compare::Judgement> {
    let one_value = first.is_expression() || matches!(first, Node::Unit(..));
    let mut golds = vec![first];
    if ambiguous {
        golds.extend(read(gold, Comma::Separate, context).ok().map(|r| r.0));
        if has_long_part(gold) {
            golds.extend(read(gold, Comma::Point, context).ok().map(|r| r.0));
        }
    }
    let mut preds = Vec::new();
    let mut result = match read(pred, Comma::Group, context) {
        Ok((node, ambiguous)) => {
            preds.push(node);
            if ambiguous {
                preds.extend(read(pred, Comma::Separate, context).ok().map(|r| r.0));
                if one_value {
                    preds.extend(read(pred, Comma::Point, context).ok().map(|r| r.0));
                }
            }
            None
        }
        Err(stop) => Some(Err(stop)),
    };
    for gold in &golds {
        for pred in &preds {
            let found = compare::compare(gold, &renamed(gold, pred, context), context);
            let equal = matches!(found, Ok(judgement) if judgement.equal);
            let limit = matches!(found, Err(Stop::Limit(_)));
            if equal {
                return found;
            }
            if result.is_none() || limit {
                result = Some(found);
            }
        }
    }
    result.unwrap_or(Err(Stop::Unsupported))
}

/// The answer with its only variable renamed to that of gold, where names do not count.
fn renamed(gold: &Node, pred: &Node, context: Context<'_>) -> Node {
    if context.options.strict_names {
        return pred.clone();
    }
    match (sets::only_variable(gold), sets::only_variable(pred)) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            pred.with(&Node::Var(theirs), &Node::Var(ours))
        }
        _ => pred.clone(),
    }
}

/// A comma with two digits or more after it, or after a zero: it may be a decimal comma.
fn has_long_part(text: &str) -> bool {
    text.split_once(',').is_some_and(|(whole, part)| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        digits >= 2 && digits == part.len() && whole.bytes().all(|b| b.is_ascii_digit())
    })
}
