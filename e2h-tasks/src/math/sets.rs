//! Sets of real numbers: intervals, points, unions, intersections, solutions of inequalities.
//!
//! Two sets are compared cell by cell: the finite end points of both, in order, cut the line into open
//! cells and points, and a set is the list of cells that it holds.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. The name of the variable of an inequality does not matter.
//! # Invariants
//! - A set expression is supported only when each of its end points is a real constant or infinite.

use std::cmp::Ordering;

use super::ast::{Const, Func, Joint, Node, Sign};
use super::cells::{End, Shape, collect, has_mirror, holds, insert};
use super::equal::{order, same};
use super::limits::{Fuel, Res, Stop};
use super::poly::Atoms;

/// True when `node` is written as a set of reals other than a plain list or pair.
pub(crate) fn is_set_like(node: &Node) -> bool {
    match node {
        Node::Union(_) | Node::Intersection(_) | Node::Without(..) | Node::Empty | Node::Reals => {
            true
        }
        Node::Tuple(items, open, close) => {
            items.len() == 2 && (*open || *close || has_infinity(items))
        }
        Node::Rel(_, signs) => {
            signs.contains(&Sign::In) || signs.iter().any(|sign| sign.is_inequality())
        }
        Node::List(items, Joint::Or | Joint::And) => items.iter().all(is_set_like),
        _ => false,
    }
}

fn has_infinity(items: &[Node]) -> bool {
    items.iter().any(|item| end(item).is_ok_and(|end| !matches!(end, End::At(_))))
}

/// Decides whether two sets have the same elements.
///
/// # Errors
/// [`Stop::Unsupported`] when a side is no set of reals with constant ends.
pub(crate) fn same_set(gold: &Node, pred: &Node, fuel: &Fuel) -> Res<bool> {
    let a = shape(gold, fuel)?;
    let b = shape(pred, fuel)?;
    let mut ends = Vec::new();
    collect(&a, &mut ends, fuel)?;
    collect(&b, &mut ends, fuel)?;
    if has_mirror(&a) || has_mirror(&b) {
        for value in ends.clone() {
            insert(&Node::neg(value), &mut ends, fuel)?;
        }
    }
    let cells = 2 * ends.len() + 1;
    fuel.spend((cells * cells) as u64 * 4)?;
    for cell in 0..cells {
        if holds(&a, cell, &ends, fuel)? != holds(&b, cell, &ends, fuel)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn end(node: &Node) -> Res<End> {
    match node {
        Node::Const(Const::Infinity) => Ok(End::Above),
        Node::Neg(a) if **a == Node::Const(Const::Infinity) => Ok(End::Below),
        Node::Unit(a, _) => end(a),
        other if other.is_expression() && !other.has_names() => Ok(End::At(other.clone())),
        _ => Err(Stop::Unsupported),
    }
}

fn shape(node: &Node, fuel: &Fuel) -> Res<Shape> {
    fuel.spend(16)?;
    let all = |parts: &[Node]| parts.iter().map(|p| shape(p, fuel)).collect::<Res<Vec<_>>>();
    match node {
        Node::Reals => Ok(Shape::Interval(End::Below, false, End::Above, false)),
        Node::Empty => Ok(Shape::Points(Vec::new())),
        Node::Tuple(items, open, close) => match items.as_slice() {
            [low, high] => Ok(Shape::Interval(end(low)?, *open, end(high)?, *close)),
            _ => Err(Stop::Unsupported),
        },
        Node::Set(items) => {
            let plain = items.iter().all(|i| i.is_expression() && !i.has_names());
            if plain { Ok(Shape::Points(items.clone())) } else { Err(Stop::Unsupported) }
        }
        Node::Union(parts) | Node::List(parts, Joint::Or | Joint::Comma) => {
            Ok(Shape::Any(all(parts)?))
        }
        Node::Intersection(parts) | Node::List(parts, Joint::And) => Ok(Shape::All(all(parts)?)),
        Node::Without(a, b) => {
            Ok(Shape::All(vec![shape(a, fuel)?, Shape::Not(Box::new(shape(b, fuel)?))]))
        }
        Node::Rel(terms, signs) => relation(terms, signs, fuel),
        _ => Err(Stop::Unsupported),
    }
}

/// The solutions of a chain such as `2 < x \le 5`.
fn relation(terms: &[Node], signs: &[Sign], fuel: &Fuel) -> Res<Shape> {
    let mut parts = Vec::new();
    for (i, sign) in signs.iter().enumerate() {
        let (Some(left), Some(right)) = (terms.get(i), terms.get(i + 1)) else {
            return Err(Stop::Unsupported);
        };
        parts.push(match sign {
            Sign::In if !right.has_names() || is_set_like(right) => shape(right, fuel)?,
            Sign::About | Sign::In | Sign::Other => return Err(Stop::Unsupported),
            _ => pair(left, *sign, right, fuel)?,
        });
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Shape::All(parts) })
}

/// The solutions of one relation in one unknown.
fn pair(left: &Node, sign: Sign, right: &Node, fuel: &Fuel) -> Res<Shape> {
    match (left.has_names(), right.has_names()) {
        (true, false) if is_subject(left) => Ok(subject(left, sign, right)?),
        (false, true) if is_subject(right) => Ok(subject(right, sign.flipped(), left)?),
        _ => linear(left, sign, right, fuel),
    }
}

/// A variable, a value `f(x)`, or the absolute value of one.
fn is_subject(node: &Node) -> bool {
    match node {
        Node::Var(_) | Node::Apply(..) => true,
        Node::Call(Func::Abs, args) => args.iter().all(|a| matches!(a, Node::Var(_))),
        _ => false,
    }
}

fn subject(node: &Node, sign: Sign, value: &Node) -> Res<Shape> {
    let half = half_line(sign, value.clone())?;
    Ok(if matches!(node, Node::Call(..)) { Shape::Mirror(Box::new(half)) } else { half })
}

fn half_line(sign: Sign, value: Node) -> Res<Shape> {
    let End::At(value) = end(&value)? else {
        return Ok(Shape::Interval(End::Below, false, End::Above, false));
    };
    Ok(match sign {
        Sign::Less => Shape::Interval(End::Below, false, End::At(value), false),
        Sign::LessEqual => Shape::Interval(End::Below, false, End::At(value), true),
        Sign::Greater => Shape::Interval(End::At(value), false, End::Above, false),
        Sign::GreaterEqual => Shape::Interval(End::At(value), true, End::Above, false),
        Sign::Equal => Shape::Points(vec![value]),
        Sign::NotEqual => Shape::Not(Box::new(Shape::Points(vec![value]))),
        _ => return Err(Stop::Unsupported),
    })
}

/// The solutions of `left sign right`, linear in its only variable.
fn linear(left: &Node, sign: Sign, right: &Node, fuel: &Fuel) -> Res<Shape> {
    let difference = left.minus(right);
    let Some(name) = only_variable(&difference) else {
        return Err(Stop::Unsupported);
    };
    let mut atoms = Atoms { list: Vec::new(), fuel };
    let form = atoms.normal(&difference)?;
    let id = atoms.id(super::poly::Atom::Var(name.clone()))?;
    let degree_one = form.den.as_constant().is_some()
        && form.num.0.keys().flatten().all(|(atom, e)| *atom != id || *e == 1.into());
    if !degree_one {
        return Err(Stop::Unsupported);
    }
    let variable = Node::Var(name);
    let at_zero = difference.with(&variable, &Node::int(0));
    let slope = difference.with(&variable, &Node::int(1)).minus(&at_zero);
    let value = Node::Div(Box::new(Node::neg(at_zero)), Box::new(slope.clone()));
    match order(&slope, &Node::int(0), fuel)? {
        Ordering::Greater => half_line(sign, value),
        Ordering::Less => half_line(sign.flipped(), value),
        Ordering::Equal => Err(Stop::Unsupported),
    }
}

/// The name of the variable, when there is exactly one.
pub(crate) fn only_variable(node: &Node) -> Option<String> {
    let mut names = Vec::new();
    names_of(node, &mut names);
    names.sort();
    names.dedup();
    if names.len() == 1 { names.pop() } else { None }
}

fn names_of(node: &Node, names: &mut Vec<String>) {
    if let Node::Var(name) = node {
        names.push(name.clone());
    }
    for child in node.children() {
        names_of(child, names);
    }
}

/// True when both sides are chains of the same relations up to reading direction, term by term.
pub(crate) fn same_chain(
    gold: (&[Node], &[Sign]),
    pred: (&[Node], &[Sign]),
    fuel: &Fuel,
) -> Res<bool> {
    if gold.0.len() != pred.0.len() {
        return Ok(false);
    }
    let forward = gold.1 == pred.1 && all_same(gold.0.iter().zip(pred.0), fuel)?;
    let flipped = gold.1.iter().zip(pred.1.iter().rev()).all(|(a, b)| *a == b.flipped());
    Ok(forward || flipped && all_same(gold.0.iter().zip(pred.0.iter().rev()), fuel)?)
}

fn all_same<'n>(pairs: impl Iterator<Item = (&'n Node, &'n Node)>, fuel: &Fuel) -> Res<bool> {
    for (a, b) in pairs {
        if !(a == b || a.is_expression() && b.is_expression() && same(a, b, fuel)?.equal) {
            return Ok(false);
        }
    }
    Ok(true)
}
