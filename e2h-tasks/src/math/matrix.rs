//! Matrices and columns: arithmetic on them, and comparison entry by entry.
//!
//! # Source
//! Elementary.
//! # Deviations
//! 1. The shape of the brackets does not matter; rows and columns are different things.
//! # Invariants
//! - A matrix has rows of one length.

use super::ast::Node;
use super::compare::{Context, Judgement, differ, in_order};
use super::eval::rational;
use super::limits::{Fuel, Res, Stop};

type Rows = Vec<Vec<Node>>;

/// Compares `pred` with a gold matrix.
pub(crate) fn compare(gold: &Node, pred: &Node, ctx: Context<'_>) -> Res<Judgement> {
    if let (Node::Matrix(rows), Node::Tuple(items, true, true)) = (gold, pred)
        && let [row] = rows.as_slice()
    {
        return in_order(row, items, ctx);
    }
    let (Some(Node::Matrix(a)), Some(Node::Matrix(b))) =
        (folded(gold, ctx.fuel)?, folded(pred, ctx.fuel)?)
    else {
        return Ok(differ("a matrix is expected"));
    };
    let width = |rows: &Rows| rows.first().map_or(0, Vec::len);
    if a.len() != b.len() || width(&a) != width(&b) {
        return Ok(differ("the shapes of the matrices differ"));
    }
    in_order(&a.concat(), &b.concat(), ctx)
}

/// The matrix that sums, products and multiples of matrices come to; `None` for what has no matrix in it.
pub(crate) fn folded(node: &Node, fuel: &Fuel) -> Res<Option<Node>> {
    let has = node.any(&|n| matches!(n, Node::Matrix(_)));
    if !has {
        return Ok(None);
    }
    Ok(rows(node, fuel)?.map(Node::Matrix))
}

fn rows(node: &Node, fuel: &Fuel) -> Res<Option<Rows>> {
    fuel.spend(16)?;
    match node {
        Node::Matrix(rows) => Ok(Some(rows.clone())),
        Node::Neg(inner) => Ok(rows(inner, fuel)?.map(|r| scaled(&Node::int(-1), &r))),
        Node::Div(a, b) => Ok(rows(a, fuel)?.map(|r| {
            let inverse = Node::Div(Box::new(Node::int(1)), b.clone());
            scaled(&inverse, &r)
        })),
        Node::Sum(terms) => {
            let mut total: Option<Rows> = None;
            for term in terms {
                let Some(term) = rows(term, fuel)? else {
                    return Err(Stop::Unsupported);
                };
                total = Some(match total {
                    None => term,
                    Some(have) => {
                        fuel.spend(have.iter().flatten().map(Node::size).sum::<u64>() * 4)?;
                        added(&have, &term)?
                    }
                });
            }
            Ok(total)
        }
        Node::Prod(factors) => {
            let mut total: Option<Rows> = None;
            let mut scalars: Vec<Node> = Vec::new();
            for factor in factors {
                match rows(factor, fuel)? {
                    Some(matrix) => {
                        total = Some(match total {
                            None => matrix,
                            Some(have) => multiplied(&have, &matrix, fuel)?,
                        });
                    }
                    None => scalars.push(factor.clone()),
                }
            }
            Ok(if scalars.is_empty() {
                total
            } else {
                total.map(|rows| scaled(&Node::Prod(scalars), &rows))
            })
        }
        _ => Ok(None),
    }
}

fn scaled(by: &Node, rows: &Rows) -> Rows {
    let entry = |e: &Node| Node::Prod(vec![by.clone(), e.clone()]);
    rows.iter().map(|row| row.iter().map(entry).collect()).collect()
}

fn added(a: &Rows, b: &Rows) -> Res<Rows> {
    if a.len() != b.len() || a.iter().zip(b).any(|(x, y)| x.len() != y.len()) {
        return Err(Stop::Undefined);
    }
    // One flat sum, however many matrices are added.
    let sum = |(x, y): (&Node, &Node)| {
        let mut terms = match x {
            Node::Sum(terms) => terms.clone(),
            other => vec![other.clone()],
        };
        terms.push(y.clone());
        Node::Sum(terms)
    };
    Ok(a.iter().zip(b).map(|(x, y)| x.iter().zip(y).map(sum).collect()).collect())
}

fn multiplied(a: &Rows, b: &Rows, fuel: &Fuel) -> Res<Rows> {
    let inner = b.len();
    let width = b.first().map_or(0, Vec::len);
    if a.iter().any(|row| row.len() != inner) {
        return Err(Stop::Undefined);
    }
    fuel.spend((a.len() * inner * width) as u64 * 16)?;
    let entry = |row: &Vec<Node>, j: usize| {
        let term = |k: usize| Node::Prod(vec![row[k].clone(), b[k][j].clone()]);
        simplified(Node::Sum((0..inner).map(term).collect()), fuel)
    };
    a.iter().map(|row| (0..width).map(|j| entry(row, j)).collect()).collect()
}

/// A number for an entry of numbers; another entry pays for its size, which doubles with each product.
fn simplified(entry: Node, fuel: &Fuel) -> Res<Node> {
    if let Some(value) = rational(&entry, fuel)? {
        return Ok(Node::Num(value, 0));
    }
    fuel.spend(entry.size() * 40)?;
    Ok(entry)
}
