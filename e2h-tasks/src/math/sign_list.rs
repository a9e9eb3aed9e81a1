//! Writing out `\pm`: an answer with one becomes the list of its two readings.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. All signs of one item go together: `\pm a \pm b` is `a + b` or `-a - b`.
//! # Invariants
//! - An answer without `\pm` stays as it is.

use super::ast::{Joint, Node};

/// Writes out `\pm`: an answer with one becomes the list of its two readings.
pub(crate) fn expand(node: &Node) -> Node {
    let either = |n: &Node| n.any(&|n| matches!(n, Node::PlusMinus(..)));
    if !either(node) {
        return node.clone();
    }
    let split = |items: &[Node]| {
        let mut out = Vec::new();
        for item in items {
            if either(item) && out.len() < 64 {
                out.push(signed(item, false));
                out.push(signed(item, true));
            } else {
                out.push(item.clone());
            }
        }
        out
    };
    match node {
        Node::Set(items) => Node::Set(split(items)),
        Node::List(items, joint) => Node::List(split(items), *joint),
        Node::Unit(inner, _) => expand(inner),
        other => Node::List(split(std::slice::from_ref(other)), Joint::Comma),
    }
}

fn signed(node: &Node, minus: bool) -> Node {
    match node {
        Node::PlusMinus(inner, other) => {
            let inner = signed(inner, minus);
            if minus != *other { Node::neg(inner) } else { inner }
        }
        other => other.map(&mut |child| signed(child, minus)),
    }
}
