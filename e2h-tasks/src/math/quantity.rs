//! Comparison of two single values with what stands around them: units, percent and degree signs, bases.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. A percentage is compared by the number before the sign: `20\%` is `20`, not `1/5`.
//! 2. A missing unit or degree sign does not matter; a wrong one does.
//! 3. A decimal of ten or more significant digits may be the gold value rounded or cut off.
//! 4. A number of another base is known by its digits; its value in base ten is another answer.
//! # Invariants
//! - A unit that both sides have is never passed over.

use num_rational::BigRational;
use num_traits::Signed;

use super::ast::Node;
use super::compare::{Context, Judgement, agree, differ};
use super::equal::{rounds_to, same};
use super::limits::{Res, Stop};
use super::units::Unit;

/// Decimals of at least so many significant digits may be rounded values.
const ROUNDED_DIGITS: u64 = 10;

/// The layers around a value.
struct Layers<'n> {
    core: &'n Node,
    unit: Option<&'n Unit>,
    percent: bool,
    degree: bool,
}

fn layers(node: &Node) -> Layers<'_> {
    match node {
        Node::Unit(inner, unit) => Layers { unit: Some(unit), ..layers(inner) },
        Node::Percent(inner) => Layers { percent: true, ..layers(inner) },
        Node::Degree(inner) => Layers { degree: true, ..layers(inner) },
        Node::Neg(inner) if matches!(**inner, Node::Percent(_) | Node::Degree(_)) => {
            Layers { core: node, ..layers(inner) }
        }
        core => Layers { core, unit: None, percent: false, degree: false },
    }
}

/// Moves a minus sign under percent and degree signs, so that layers lie outside.
fn sign_inside(node: &Node) -> Node {
    match node {
        Node::Neg(inner) => match &**inner {
            Node::Percent(a) => Node::Percent(Box::new(Node::neg((**a).clone()))),
            Node::Degree(a) => Node::Degree(Box::new(Node::neg((**a).clone()))),
            _ => node.clone(),
        },
        Node::Unit(inner, unit) => Node::Unit(Box::new(sign_inside(inner)), unit.clone()),
        other => other.clone(),
    }
}

/// Compares two values with their units.
pub(crate) fn quantity(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    let (gold, pred) = (sign_inside(gold), sign_inside(pred));
    let pred = if gold.has_names() { pred } else { letter_unit(pred) };
    let (g, p) = (layers(&gold), layers(&pred));
    if let (Node::Based(..), _) | (_, Node::Based(..)) = (g.core, p.core) {
        return based(g.core, p.core);
    }
    let mut factor: Option<BigRational> = None;
    if let (Some(ours), Some(theirs)) = (g.unit, p.unit) {
        match ours.factor_from(theirs) {
            None => return Ok(differ("the units differ")),
            Some(scale) => factor = Some(scale),
        }
    }
    let money = |l: &Layers<'_>| l.unit.is_some_and(Unit::is_money);
    if p.percent && money(&g) || g.percent && money(&p) {
        return Ok(differ("an amount of money is no percentage"));
    }
    let value = match factor {
        Some(scale) if scale != BigRational::from_integer(1.into()) => {
            Node::Prod(vec![Node::Num(scale, 0), p.core.clone()])
        }
        _ => p.core.clone(),
    };
    let first = number(g.core, &value, ctx)?;
    if first.equal {
        return Ok(first);
    }
    if p.percent && !g.percent {
        return number(g.core, &Node::Percent(Box::new(value)), ctx);
    }
    if p.degree && !g.degree {
        return number(g.core, &Node::Degree(Box::new(value)), ctx);
    }
    Ok(first)
}

/// Compares two bare values.
fn number(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    let found = match same(gold, pred, ctx.fuel) {
        Err(Stop::Unsupported | Stop::Undefined) => return Ok(differ("the answers are not alike")),
        other => other?,
    };
    if found.equal {
        return Ok(found);
    }
    let (literal, negative) = match pred {
        Node::Neg(inner) => (&**inner, true),
        other => (other, false),
    };
    if let Node::Num(value, places @ 1..) = literal {
        let significant = value.numer().bits().max(value.denom().bits()) * 3 / 10;
        let value = if negative { -value.abs() } else { value.clone() };
        let places = ctx.options.decimals.unwrap_or(*places);
        let long = ctx.options.decimals.is_some()
            || significant >= ROUNDED_DIGITS && !matches!(gold, Node::Num(_, 1..));
        if long && !gold.has_names() && rounds_to(gold, &value, places, ctx.fuel)? {
            return Ok(agree("equal to the digits given"));
        }
    }
    Ok(found)
}

/// Numbers of other bases: the digits count, and a base, where it is given, must be the same.
fn based(gold: &Node, pred: &Node) -> Res<Judgement> {
    Ok(match (gold, pred) {
        (Node::Based(d, b, _), Node::Based(e, c, _)) => {
            if d == e && b == c {
                agree("the same digits and base")
            } else {
                differ("other digits or base")
            }
        }
        (Node::Based(d, ..), Node::Num(value, 0)) if value.to_string() == *d => {
            agree("the same digits")
        }
        (Node::Num(value, _), Node::Based(_, _, other)) if value == other => {
            agree("the same value")
        }
        _ => differ("other digits or base"),
    })
}

/// `10 m`: a letter that stands for a unit after a number.
fn letter_unit(node: Node) -> Node {
    if let Node::Prod(factors) = &node
        && let [value, Node::Var(letter)] = factors.as_slice()
        && matches!(letter.as_str(), "m" | "g" | "s" | "h" | "L")
        && !value.has_names()
    {
        let unit = Unit::from_words(&[(letter.clone(), 1)]);
        return Node::Unit(Box::new(value.clone()), unit);
    }
    node
}
