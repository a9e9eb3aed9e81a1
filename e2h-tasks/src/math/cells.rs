//! Membership of cells: the finite ends of sets cut the line into points and open cells.
//!
//! # Source
//! Own work.
//! # Deviations
//! None.
//! # Invariants
//! - Cell `2i + 1` is the point `ends[i]`, cell `2i` the open cell below it.

use std::cmp::Ordering;

use super::ast::Node;
use super::equal::{order, same};
use super::limits::{Fuel, Res, Stop};

/// The most end points that a comparison looks at.
const MAX_ENDS: usize = 64;

/// An end of an interval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Below,
    Above,
    At(Node),
}

/// A set as a tree over intervals.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a handful of shapes live at a time")]
pub(crate) enum Shape {
    Interval(End, bool, End, bool),
    Points(Vec<Node>),
    Any(Vec<Shape>),
    All(Vec<Shape>),
    Not(Box<Shape>),
    /// Those `x` with `|x|` in the set.
    Mirror(Box<Shape>),
}

pub(crate) fn has_mirror(shape: &Shape) -> bool {
    match shape {
        Shape::Mirror(_) => true,
        Shape::Any(parts) | Shape::All(parts) => parts.iter().any(has_mirror),
        Shape::Not(part) => has_mirror(part),
        Shape::Interval(..) | Shape::Points(_) => false,
    }
}

/// Adds the finite ends of `shape` to the ordered list `ends`.
pub(crate) fn collect(shape: &Shape, ends: &mut Vec<Node>, fuel: &Fuel) -> Res<()> {
    match shape {
        Shape::Interval(low, _, high, _) => {
            for end in [low, high] {
                if let End::At(value) = end {
                    insert(value, ends, fuel)?;
                }
            }
            Ok(())
        }
        Shape::Points(points) => points.iter().try_for_each(|p| insert(p, ends, fuel)),
        Shape::Any(parts) | Shape::All(parts) => {
            parts.iter().try_for_each(|part| collect(part, ends, fuel))
        }
        Shape::Not(part) => collect(part, ends, fuel),
        Shape::Mirror(part) => {
            let mut inner = Vec::new();
            collect(part, &mut inner, fuel)?;
            insert(&Node::int(0), ends, fuel)?;
            for value in inner {
                insert(&Node::neg(value.clone()), ends, fuel)?;
                insert(&value, ends, fuel)?;
            }
            Ok(())
        }
    }
}

pub(crate) fn insert(value: &Node, ends: &mut Vec<Node>, fuel: &Fuel) -> Res<()> {
    if ends.len() >= MAX_ENDS {
        return Err(Stop::Limit("a set has too many ends"));
    }
    for (i, have) in ends.iter().enumerate() {
        match order(value, have, fuel)? {
            Ordering::Less => {
                ends.insert(i, value.clone());
                return Ok(());
            }
            Ordering::Equal => return Ok(()),
            Ordering::Greater => {}
        }
    }
    ends.push(value.clone());
    Ok(())
}

/// True when the cell is in the set; cell `2i + 1` is the point `ends[i]`.
pub(crate) fn holds(shape: &Shape, cell: usize, ends: &[Node], fuel: &Fuel) -> Res<bool> {
    let place = |value: &Node| -> Res<usize> {
        for (i, have) in ends.iter().enumerate() {
            fuel.spend(2)?;
            if have == value || same(have, value, fuel)?.equal {
                return Ok(2 * i + 1);
            }
        }
        Err(Stop::Unsupported)
    };
    match shape {
        Shape::Interval(low, low_closed, high, high_closed) => {
            let above = match low {
                End::Below => true,
                End::Above => false,
                End::At(value) => {
                    let at = place(value)?;
                    cell > at || cell == at && *low_closed
                }
            };
            let below = match high {
                End::Above => true,
                End::Below => false,
                End::At(value) => {
                    let at = place(value)?;
                    cell < at || cell == at && *high_closed
                }
            };
            Ok(above && below)
        }
        Shape::Points(points) => {
            for point in points {
                if place(point)? == cell {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Shape::Any(parts) => {
            for part in parts {
                if holds(part, cell, ends, fuel)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Shape::All(parts) => {
            for part in parts {
                if !holds(part, cell, ends, fuel)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Shape::Not(part) => Ok(!holds(part, cell, ends, fuel)?),
        Shape::Mirror(part) => {
            let zero = place(&Node::int(0))?;
            // The ends of a mirrored set are symmetric only among themselves, so the mirror cell is found
            // through the values.
            if cell >= zero {
                return holds(part, cell, ends, fuel);
            }
            let mirrored = mirror_cell(cell, ends, fuel)?;
            holds(part, mirrored, ends, fuel)
        }
    }
}

/// The cell that holds minus the values of a cell below zero, where the ends allow it.
fn mirror_cell(cell: usize, ends: &[Node], fuel: &Fuel) -> Res<usize> {
    let of = |i: usize| -> Res<usize> {
        let value = Node::neg(ends[i].clone());
        for (j, have) in ends.iter().enumerate() {
            if same(have, &value, fuel)?.equal {
                return Ok(2 * j + 1);
            }
        }
        Err(Stop::Unsupported)
    };
    if cell % 2 == 1 {
        return of(cell / 2);
    }
    // An open cell: just above the mirror of its upper end.
    if cell / 2 < ends.len() { Ok(of(cell / 2)? + 1) } else { Ok(0) }
}
