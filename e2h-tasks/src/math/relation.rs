//! Equations, inequalities and the values that they give names to.
//!
//! # Source
//! Own work. Two equations are the same when the numerators of `left - right` are multiples of each other.
//! # Deviations
//! 1. A value for a named gold value need not repeat the name; another name for it is wrong.
//! # Invariants
//! - `x = 5` is a name and a value; `x + z = 5` is an equation and never equals 5.

use super::ast::{Func, Node, Sign};
use super::compare::{Context, Judgement, agree, compare as compare_nodes, differ, set};
use super::equal::same;
use super::limits::{Fuel, Res, Stop};
use super::poly::Atoms;
use super::sets;

/// True when a node can only be the name of a value: `x`, `f(x)`, `AB`, `\angle A`, `(p,q)`, `|AB|`.
fn is_name(node: &Node) -> bool {
    match node {
        Node::Var(_) | Node::Apply(..) | Node::Text(_) => true,
        Node::Prod(factors) => factors.iter().all(|f| matches!(f, Node::Var(n) if is_point(n))),
        Node::Call(Func::Abs, args) => args.iter().all(is_name),
        Node::Tuple(items, ..) | Node::Ratio(items) => items.iter().all(is_name),
        Node::Div(a, b) => is_name(a) && is_name(b),
        _ => false,
    }
}

/// A capital letter as points have, or a sign such as `\angle`.
fn is_point(name: &str) -> bool {
    name.starts_with(|c: char| c == '\\' || c.is_uppercase())
}

/// Name and value of `x = 5`, `5 = x`, `x = 2 + 3 = 5`, `x \approx 5`.
fn named_value(node: &Node) -> Option<(Option<Node>, Node)> {
    let Node::Rel(terms, signs) = node else {
        return None;
    };
    if !signs.iter().all(|s| matches!(s, Sign::Equal | Sign::About)) {
        return None;
    }
    let exact = signs.iter().position(|s| *s == Sign::About).map_or(terms.len(), |i| i + 1);
    let first = terms.first()?;
    if exact == 1 {
        // `x \approx 5` gives x; `\sqrt2 \approx 1.41` is the root.
        return if is_name(first) {
            Some((Some(first.clone()), terms.get(1)?.clone()))
        } else {
            Some((None, first.clone()))
        };
    }
    let last = terms.get(exact - 1)?;
    if is_name(first) {
        return Some((Some(first.clone()), last.clone()));
    }
    if is_name(last) && terms[..exact - 1].iter().all(|t| !t.has_names()) {
        return Some((Some(last.clone()), terms.get(exact - 2)?.clone()));
    }
    let named = terms.iter().any(is_name);
    let constant = terms[..exact].iter().all(|t| !t.has_names());
    (constant || named && !last.has_names()).then(|| (None, last.clone()))
}

/// The value that a relation gives, or the node itself.
pub(crate) fn value(node: &Node) -> Node {
    if let Node::Rel(terms, signs) = node
        && let ([left, right], [Sign::In]) = (terms.as_slice(), signs.as_slice())
        && is_name(left)
    {
        return right.clone();
    }
    match named_value(node) {
        Some((_, value)) => value,
        None => coordinates(node).unwrap_or(node).clone(),
    }
}

/// The tuple of a point with its name: `A(1, 2)`.
fn coordinates(node: &Node) -> Option<&Node> {
    let Node::Prod(factors) = node else {
        return None;
    };
    match factors.as_slice() {
        [Node::Var(name), tuple @ Node::Tuple(..)] if is_point(name) => Some(tuple),
        _ => None,
    }
}

/// True when each item is a name with a value.
pub(crate) fn are_named(items: &[Node]) -> bool {
    items.iter().all(|item| matches!(named_value(item), Some((Some(_), _))))
}

/// True when the names of the items are not all the same.
pub(crate) fn names_differ(items: &[Node]) -> bool {
    let names: Vec<Option<Node>> =
        items.iter().map(|item| named_value(item).and_then(|(name, _)| name)).collect();
    names.windows(2).any(|pair| pair[0] != pair[1])
}

/// `x = 1, 2, 3`: a name before the first value only.
pub(crate) fn without_label(items: &[Node]) -> Vec<Node> {
    let mut items = items.to_vec();
    let rest_plain = items.iter().skip(1).all(|item| !matches!(item, Node::Rel(..)));
    if let (true, Some(first)) = (rest_plain, items.first_mut())
        && let Some((Some(_), value)) = named_value(first)
    {
        *first = value;
    }
    items
}

/// The letters of a product of variables, as a word: `AB`.
pub(crate) fn plain_name(node: &Node) -> Option<String> {
    match node {
        Node::Var(name) => Some(name.clone()),
        Node::Const(super::ast::Const::E) => Some("e".to_owned()),
        Node::Const(super::ast::Const::I) => Some("i".to_owned()),
        Node::Prod(factors) => factors.iter().map(plain_name).collect(),
        _ => None,
    }
}

/// Compares `pred` with a gold relation.
pub(crate) fn compare(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    let Node::Rel(terms, signs) = gold else {
        return Err(Stop::Unsupported);
    };
    if signs.contains(&Sign::In) && signs.len() == 1 {
        return compare_nodes(&value(gold), &value(pred), ctx);
    }
    if signs.iter().any(|s| s.is_inequality()) {
        return inequality((terms, signs), gold, pred, ctx);
    }
    if let Some((name, gold_value)) = named_value(gold) {
        return against_value(gold, name, &gold_value, pred, ctx);
    }
    if signs.as_slice() == [Sign::Equal] {
        return match pred {
            Node::Rel(theirs, s) if s.as_slice() == [Sign::Equal] => {
                equation(terms, theirs, ctx.fuel)
            }
            Node::Rel(..) => Ok(differ("another relation")),
            _ => Ok(differ("an equation is expected")),
        };
    }
    match pred {
        Node::Rel(theirs, s) if sets::same_chain((terms, signs), (theirs, s), ctx.fuel)? => {
            Ok(agree("the same relation"))
        }
        _ => Ok(differ("the relations differ")),
    }
}

/// Gold gives a value to a name.
fn against_value(
    gold: &Node,
    name: Option<Node>,
    gold_value: &Node,
    pred: &Node,
    ctx: Context<'_>,
) -> Res<Judgement> {
    let Some((their_name, their_value)) = named_value(pred) else {
        if let (Node::Rel(a, x), Node::Rel(b, y)) = (gold, pred) {
            let equations = x.as_slice() == [Sign::Equal] && y.as_slice() == [Sign::Equal];
            return if equations {
                equation(a, b, ctx.fuel)
            } else {
                Ok(differ("another relation"))
            };
        }
        return compare_nodes(gold_value, pred, ctx);
    };
    let clash = match (&name, &their_name) {
        (Some(a), Some(b)) => !same_name(a, b, ctx),
        _ => false,
    };
    if !clash {
        let found = compare_nodes(gold_value, &their_value, ctx)?;
        if found.equal {
            return Ok(found);
        }
    }
    if let (Node::Rel(a, x), Node::Rel(b, y)) = (gold, pred) {
        let equations = x.as_slice() == [Sign::Equal] && y.as_slice() == [Sign::Equal];
        if equations && gold_value.has_names() {
            return equation(a, b, ctx.fuel);
        }
    }
    Ok(differ(if clash { "another name" } else { "the values differ" }))
}

/// The same name; for functions the letter counts, unless names are compared strictly.
fn same_name(a: &Node, b: &Node, ctx: Context<'_>) -> bool {
    match (a, b) {
        (Node::Apply(f, x), Node::Apply(g, y)) => f == g && (x == y || x.len() == y.len()),
        (Node::Text(a), Node::Text(b)) => a.eq_ignore_ascii_case(b),
        (Node::Var(a), Node::Var(b)) => a == b || !ctx.options.strict_names,
        (Node::Var(_), Node::Apply(..)) | (Node::Apply(..), Node::Var(_)) => true,
        _ => a == b || !(matches!(a, Node::Var(_)) && matches!(b, Node::Var(_))),
    }
}

/// Two equations with the same solutions up to a constant factor.
fn equation(gold: &[Node], pred: &[Node], fuel: &Fuel) -> Res<Judgement> {
    let ([a, b], [c, d]) = (gold, pred) else {
        return Ok(differ("another relation"));
    };
    let (left, right) = (a.minus(b), c.minus(d));
    let mut atoms = Atoms { list: Vec::new(), fuel };
    let forms = atoms.normal(&left).and_then(|g| Ok((g, atoms.normal(&right)?)));
    let Ok((g, p)) = forms else {
        let forward = same(a, c, fuel)?.equal && same(b, d, fuel)?.equal;
        let back = forward || same(a, d, fuel)?.equal && same(b, c, fuel)?.equal;
        return Ok(if back { agree("the same sides") } else { differ("the equations differ") });
    };
    let (Some((_, x)), Some((_, y))) = (g.num.0.last_key_value(), p.num.0.last_key_value()) else {
        return Ok(differ("the equations differ"));
    };
    let (x, y) = (x.clone(), y.clone());
    let scaled = |poly: &super::poly::Poly, by| atoms.mul(poly, &super::poly::Poly::constant(by));
    let equal = scaled(&g.num, y)? == scaled(&p.num, x)?;
    Ok(if equal { agree("the same equation") } else { differ("the equations differ") })
}

/// Gold is an inequality or a chain of them.
fn inequality(
    (terms, signs): (&[Node], &[Sign]),
    gold: &Node,
    pred: &Node,
    ctx: Context<'_>,
) -> Res<Judgement> {
    if let Node::Rel(theirs, s) = pred
        && let Ok(true) = sets::same_chain((terms, signs), (theirs, s), ctx.fuel)
    {
        return Ok(agree("the same relation"));
    }
    let found = set(gold, &value_of_set(pred), ctx)?;
    if found.equal {
        return Ok(found);
    }
    match pred {
        Node::Rel(theirs, s) if signs.len() == 1 && s.len() == 1 => {
            scaled_inequality((terms, signs[0]), (theirs, s[0]), ctx.fuel)
        }
        _ => Ok(found),
    }
}

fn value_of_set(node: &Node) -> Node {
    match node {
        Node::Rel(_, signs) if signs.contains(&Sign::In) => value(node),
        Node::Tuple(..) => node.clone(),
        other => other.clone(),
    }
}

/// `left - right` of both sides are multiples of each other by a factor of the right sign.
fn scaled_inequality(
    (gold, sign): (&[Node], Sign),
    (pred, theirs): (&[Node], Sign),
    fuel: &Fuel,
) -> Res<Judgement> {
    let ([a, b], [c, d]) = (gold, pred) else {
        return Ok(differ("the relations differ"));
    };
    if !a.has_names() && !b.has_names() {
        return Ok(differ("the relations differ"));
    }
    let mut atoms = Atoms { list: Vec::new(), fuel };
    let forms = atoms.normal(&a.minus(b)).and_then(|g| Ok((g, atoms.normal(&c.minus(d))?)));
    let Ok((g, p)) = forms else {
        return Ok(differ("the relations differ"));
    };
    if g.den.as_constant().is_none() || p.den.as_constant().is_none() {
        return Ok(differ("the relations differ"));
    }
    let (Some((_, x)), Some((_, y))) = (g.num.0.last_key_value(), p.num.0.last_key_value()) else {
        return Ok(differ("the relations differ"));
    };
    let (x, y) = (x.clone(), y.clone());
    let turned = g.num.leads_negative() != p.num.leads_negative();
    let scaled = |poly: &super::poly::Poly, by| atoms.mul(poly, &super::poly::Poly::constant(by));
    let multiple = scaled(&g.num, y)? == scaled(&p.num, x)?;
    let theirs = if turned { theirs.flipped() } else { theirs };
    Ok(if multiple && theirs == sign {
        agree("the same relation")
    } else {
        differ("the relations differ")
    })
}
