//! Comparison of two answers: the gold answer says what kind of thing is expected.
//!
//! # Source
//! Own work; the cases follow the kinds of answers of MATH and of Math-Verify's own tests.
//! # Deviations
//! 1. A bare list may stand for a gold tuple in the same order; brackets of another kind may not.
//! 2. An item of a list may be repeated, but not left out.
//! # Invariants
//! - Equal is only said when each part of the gold answer found its equal in the other.

use num_rational::BigRational;

use super::Options;
use super::ast::Node;
use super::equal::{Equality, same};
use super::limits::{Fuel, Res, Stop};
use super::quantity::quantity;
use super::units::Unit;
use super::{matrix, relation, sets, text};

/// Whether two answers are equal, and why.
pub(crate) type Judgement = Equality;

/// What a comparison needs besides the answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) fuel: &'a Fuel,
    pub(crate) options: Options,
}

pub(crate) fn differ(how: &'static str) -> Judgement {
    Judgement { equal: false, how }
}

pub(crate) fn agree(how: &'static str) -> Judgement {
    Judgement { equal: true, how }
}

/// Compares `pred` with `gold`.
///
/// # Errors
/// [`Stop::Limit`] when the work allowed does not suffice, [`Stop::Unsupported`] when no rule applies.
pub(crate) fn compare(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    ctx.fuel.spend(50)?;
    if gold == pred {
        return Ok(agree("the same expression"));
    }
    match gold {
        Node::List(..) | Node::Set(_) => collection(gold, pred, ctx),
        Node::Rel(..) => relation::compare(gold, pred, ctx),
        Node::Tuple(items, open, close) => tuple(gold, (items, *open, *close), pred, ctx),
        Node::Union(_) | Node::Intersection(_) | Node::Without(..) | Node::Empty | Node::Reals => {
            set(gold, pred, ctx)
        }
        Node::Matrix(_) => matrix::compare(gold, &relation::value(pred), ctx),
        Node::Ratio(parts) => ratio(parts, &relation::value(pred), ctx),
        Node::Text(words) => Ok(words_against(words, pred)),
        Node::Unit(inner, unit) if !inner.is_expression() => {
            let (pred, theirs) = without_unit(pred);
            match theirs.map(|u| unit.factor_from(u)) {
                Some(None) => Ok(differ("the units differ")),
                _ => compare(inner, pred, ctx),
            }
        }
        _ => single(gold, pred, ctx),
    }
}

fn without_unit(node: &Node) -> (&Node, Option<&Unit>) {
    match node {
        Node::Unit(inner, unit) => (inner, Some(unit)),
        other => (other, None),
    }
}

/// Gold is one value.
fn single(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    if let Some(matrix) = matrix::folded(gold, ctx.fuel)? {
        return matrix::compare(&matrix, &relation::value(pred), ctx);
    }
    let value = relation::value(pred);
    match &value {
        Node::Rel(..) => Ok(differ("a relation stands where a value should be")),
        Node::List(items, _) | Node::Set(items) if items.len() == 1 => single(gold, &items[0], ctx),
        Node::List(..) => Ok(differ("the answer lists several values")),
        Node::Text(words) => match words.split(' ').next().and_then(text::number_word) {
            Some(n) => quantity(gold, &Node::int(n), ctx),
            None => Ok(words_against(words, gold)),
        },
        Node::Ratio(parts) if parts.len() == 2 => {
            let quotient = Node::Div(Box::new(parts[0].clone()), Box::new(parts[1].clone()));
            quantity(gold, &quotient, ctx)
        }
        Node::Unit(inner, _) if !inner.is_expression() => {
            Ok(differ("the answer is no single value"))
        }
        other if other.is_expression() || matches!(other, Node::Unit(..)) => {
            quantity(gold, other, ctx)
        }
        _ => Ok(differ("the answer is no single value")),
    }
}

/// Gold is an ordered tuple or an interval.
fn tuple(
    gold: &Node,
    (items, open, close): (&[Node], bool, bool),
    pred: &Node,
    ctx: Context<'_>,
) -> Res<Judgement> {
    let value = relation::value(pred);
    match &value {
        Node::Tuple(theirs, a, b) => {
            if (open, close) != (*a, *b) {
                return Ok(differ("the brackets differ"));
            }
            in_order(items, theirs, ctx)
        }
        Node::List(theirs, _) if !open && !close && theirs.len() == items.len() => {
            let values: Vec<Node> = theirs.iter().map(relation::value).collect();
            if values.iter().all(|v| v.is_expression() || matches!(v, Node::Unit(..))) {
                in_order(items, &values, ctx)
            } else if items.len() == 2 && sets::is_set_like(&value) {
                set(gold, &value, ctx)
            } else {
                Ok(differ("the answer is a list of other things"))
            }
        }
        Node::Matrix(rows) if !open && !close && rows.len() == 1 => in_order(items, &rows[0], ctx),
        _ if sets::is_set_like(gold) || items.len() == 2 && sets::is_set_like(&value) => {
            set(gold, &value, ctx)
        }
        _ => Ok(differ("an ordered tuple is expected")),
    }
}

/// Compares item by item.
pub(crate) fn in_order(gold: &[Node], pred: &[Node], ctx: Context<'_>) -> Res<Judgement> {
    if gold.len() != pred.len() {
        return Ok(differ("the numbers of parts differ"));
    }
    let mut how = "all parts are equal";
    for (a, b) in gold.iter().zip(pred) {
        let part = compare(a, b, ctx)?;
        if !part.equal {
            return Ok(differ(part.how));
        }
        how = part.how;
    }
    Ok(agree(if gold.len() == 1 { how } else { "all parts are equal" }))
}

/// Gold is a set of reals.
pub(crate) fn set(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    let inequality = |node: &Node| matches!(node, Node::Rel(_, signs) if signs.iter().any(|s| s.is_inequality()));
    if inequality(pred) && !inequality(gold) && !ctx.options.relation_for_set {
        return Ok(differ("an inequality stands for a set"));
    }
    if !sets::is_set_like(pred) && !matches!(pred, Node::Set(_) | Node::Tuple(..)) {
        return Ok(differ("the answer is no set of numbers"));
    }
    if let (Node::Union(a), Node::Union(b)) = (gold, pred)
        && unordered(a, b, ctx).is_ok_and(|found| found.equal)
    {
        return Ok(agree("the same intervals"));
    }
    match sets::same_set(gold, pred, ctx.fuel) {
        Ok(true) => Ok(agree("the same set of numbers")),
        Ok(false) => Ok(differ("the sets differ")),
        Err(Stop::Unsupported | Stop::Undefined) => by_parts(gold, pred, ctx),
        Err(stop) => Err(stop),
    }
}

/// Sets that cannot be evaluated are compared part by part.
fn by_parts(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    match (gold, pred) {
        (Node::Union(a), Node::Union(b)) | (Node::Intersection(a), Node::Intersection(b)) => {
            unordered(a, b, ctx)
        }
        (Node::Tuple(a, ..), Node::Tuple(b, ..)) => in_order(a, b, ctx),
        (Node::Rel(a, x), Node::Rel(b, y)) => Ok(if sets::same_chain((a, x), (b, y), ctx.fuel)? {
            agree("the same relation")
        } else {
            differ("the relations differ")
        }),
        _ => Ok(differ("the answers are not alike")),
    }
}

/// Gold is a list or a set of things.
fn collection(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    let (items, braced) = match gold {
        Node::Set(items) => (items, true),
        Node::List(items, _) => (items, false),
        _ => return Err(Stop::Unsupported),
    };
    let pred = relation::value(pred);
    if items.iter().all(sets::is_set_like) && sets::is_set_like(&pred) && !braced {
        return set(gold, &pred, ctx);
    }
    let theirs: &[Node] = match &pred {
        Node::List(items, _) => items,
        Node::Set(items) => items,
        Node::Tuple(theirs, false, false) if relation::are_named(items) => {
            let values: Vec<Node> = items.iter().map(relation::value).collect();
            return in_order(&values, theirs, ctx);
        }
        Node::Tuple(..) if items.len() != 1 => {
            return Ok(differ("an ordered tuple stands for a list"));
        }
        Node::Union(_) if braced => return set(gold, &pred, ctx),
        other => std::slice::from_ref(other),
    };
    if relation::are_named(items) && !relation::are_named(theirs) {
        let values: Vec<Node> = items.iter().map(relation::value).collect();
        let others: Vec<Node> = theirs.iter().map(relation::value).collect();
        if relation::names_differ(items) {
            return in_order(&values, &others, ctx);
        }
        return unordered(&values, &others, ctx);
    }
    let items = relation::without_label(items);
    let theirs = relation::without_label(theirs);
    if items.iter().all(|i| matches!(i, Node::Text(w) if w.chars().count() > 1)) {
        return in_order(&items, &theirs, ctx);
    }
    unordered(&items, &theirs, ctx)
}

/// Matches each item of gold with its own item of the other side; what is left over must repeat one.
fn unordered(gold: &[Node], pred: &[Node], ctx: Context<'_>) -> Res<Judgement> {
    if pred.len() < gold.len() {
        return Ok(differ("an item is missing"));
    }
    let mut free = vec![true; pred.len()];
    for item in gold {
        let found = first_equal(pred, &free, |other| compare(item, other, ctx), ctx)?;
        match found {
            Some(i) => free[i] = false,
            None => return Ok(differ("an item is missing")),
        }
    }
    for (i, extra) in pred.iter().enumerate() {
        let all = vec![true; gold.len()];
        if free[i] && first_equal(gold, &all, |item| compare(item, extra, ctx), ctx)?.is_none() {
            return Ok(differ("an item is too many"));
        }
    }
    Ok(agree("the same items"))
}

/// The first free item for which `test` says equal.
fn first_equal(
    items: &[Node],
    free: &[bool],
    test: impl Fn(&Node) -> Res<Judgement>,
    ctx: Context<'_>,
) -> Res<Option<usize>> {
    let mut limit = None;
    for (i, item) in items.iter().enumerate().filter(|(i, _)| free[*i]) {
        match test(item) {
            Ok(found) if found.equal => return Ok(Some(i)),
            Err(stop @ Stop::Limit(_)) => {
                ctx.fuel.spend(1)?;
                limit = Some(stop);
            }
            _ => {}
        }
    }
    limit.map_or(Ok(None), Err)
}

/// Gold is a ratio or a time of day.
fn ratio(parts: &[Node], pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    match pred {
        Node::Ratio(theirs) => {
            let equal = in_order(parts, theirs, ctx)?;
            if equal.equal || parts.len() != theirs.len() || is_clock(parts) || is_clock(theirs) {
                return Ok(equal);
            }
            // a : b = c : d when a d = b c.
            for pair in parts.iter().zip(theirs).collect::<Vec<_>>().windows(2) {
                let [(a, c), (b, d)] = pair else { continue };
                let left = Node::Prod(vec![(*a).clone(), (*d).clone()]);
                let right = Node::Prod(vec![(*b).clone(), (*c).clone()]);
                if !same(&left, &right, ctx.fuel)?.equal {
                    return Ok(differ("the ratios differ"));
                }
            }
            Ok(agree("the same ratio"))
        }
        other if other.is_expression() && parts.len() == 2 && !is_clock(parts) => {
            let quotient = Node::Div(Box::new(parts[0].clone()), Box::new(parts[1].clone()));
            quantity(&quotient, other, ctx)
        }
        _ => Ok(differ("a ratio is expected")),
    }
}

/// `12:00`: hours to 24 and minutes below 60 where a ratio would be reduced.
fn is_clock(parts: &[Node]) -> bool {
    let zero = |n: &Node| matches!(n, Node::Num(v, _) if *v == BigRational::from_integer(0.into()));
    parts.iter().skip(1).any(zero)
}

/// Words against another answer.
fn words_against(words: &str, other: &Node) -> Judgement {
    let key = text::words_key(words);
    let theirs = match other {
        Node::Text(theirs) => text::words_key(theirs),
        other => relation::plain_name(other).map(|n| text::words_key(&n)).unwrap_or_default(),
    };
    let number = matches!(other, Node::Num(v, 0)
        if text::number_word(&key).is_some_and(|n| *v == BigRational::from_integer(n.into())));
    if !key.is_empty() && key == theirs || number {
        agree("the same words")
    } else {
        differ("the words differ")
    }
}
