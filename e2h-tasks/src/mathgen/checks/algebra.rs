//! Second computations for algebra.

use num_traits::{Signed, Zero};

use super::expression::evaluate;
use super::{Check, Item, R, big, dot, formulas, over, polynomial, r};
use crate::mathgen::value::{End, Surd, Value};

pub(super) const CHECKS: [(&str, Check); 8] = [
    ("linear_equation", linear_equation),
    ("linear_system", linear_system),
    ("quadratic_equation", quadratic_equation),
    ("points_and_lines", points_and_lines),
    ("composition", composition),
    ("series", series),
    ("inequality", inequality),
    ("expand", expand),
];

/// Inserts the answer in the equation as it is written.
fn linear_equation(item: &Item) -> bool {
    let equation = formulas(item).into_iter().find(|text| text.contains('=')).expect("an equation");
    let (left, right) = equation.split_once('=').expect("two sides");
    let values = ['x', 'y', 't', 'n'].map(|letter| (letter, item.number()));
    evaluate(left, &values).expect("a formula") == evaluate(right, &values).expect("a formula")
}

fn linear_system(item: &Item) -> bool {
    let (solution, given) = (item.rationals(), item.big());
    given.chunks(solution.len() + 1).all(|row| dot(row, &solution) == row[solution.len()])
}

/// The value of a polynomial, constant term first, at a surd: rational part and factor of the root.
pub(super) fn at_surd(coefficients: &[R], x: &Surd) -> (R, R) {
    let (a, b, c) = (big(x.rational), big(x.coefficient), r(x.radicand));
    let step = |(p, q): (R, R), k: &R| (&p * &a + &q * &b * &c + k, &p * &b + &q * &a);
    coefficients.iter().rev().fold((R::zero(), R::zero()), step)
}

fn quadratic_equation(item: &Item) -> bool {
    let mut coefficients = item.big();
    coefficients.reverse();
    let roots = item.surds();
    let solves = |root: &Surd| at_surd(&coefficients, root) == (R::zero(), R::zero());
    roots.len() == 2 && roots[0] != roots[1] && roots.iter().all(solves)
}

fn points_and_lines(item: &Item) -> bool {
    let g = item.big();
    let (from, to) = ([&g[0], &g[1]], [&g[2], &g[3]]);
    let distance = |a: [&R; 2], b: [&R; 2]| (a[0] - b[0]).pow(2) + (a[1] - b[1]).pow(2);
    match item.variant {
        0 => {
            let at = item.rationals();
            let at = [&at[0], &at[1]];
            let whole = distance(from, to);
            distance(at, from) == distance(at, to) && distance(at, from) * r(4) == whole
        }
        1 => item.number() * (to[0] - from[0]) == to[1] - from[1],
        2 => item.is_positive() && item.square() == distance(from, to),
        3 => {
            let (x, y) = (R::zero(), item.number());
            (&x - from[0]) * (to[1] - from[1]) == (&y - from[1]) * (to[0] - from[0])
        }
        _ => {
            let (x, y) = (R::zero(), item.number());
            distance([&x, &y], from) == distance([&x, &y], to)
        }
    }
}

fn composition(item: &Item) -> bool {
    let mut g = item.big();
    let at = if item.variant == 1 { g.pop() } else { None };
    g.reverse();
    let (outer, inner) = g.split_at(3);
    let (f, g) = (|x: &R| polynomial(inner, x), |x: &R| polynomial(outer, x));
    match item.variant {
        1 => item.number() == f(&g(&at.expect("a number"))),
        variant => (-4..=4).map(r).all(|x| {
            let expected = if variant == 2 { g(&f(&x)) } else { g(&g(&x)) };
            polynomial(&item.rationals(), &x) == expected
        }),
    }
}

/// Writes the terms down one after the other.
fn series(item: &Item) -> bool {
    let g = &item.given;
    let total: i128 = match item.variant {
        0 => {
            let step = g[2] - g[1];
            (1..g[3]).fold(g[0], |term, _| term + step)
        }
        1 => {
            let (step, mut term, mut sum) = (g[1] - g[0], g[0], g[0]);
            while term != g[2] {
                term += step;
                sum += term;
            }
            sum
        }
        2 => (0..g[2])
            .scan(g[0], |term, _| {
                let now = *term;
                *term *= g[1];
                Some(now)
            })
            .sum(),
        _ => {
            let step = (g[3] - g[1]) / (g[2] - g[0]);
            (1..=g[4]).map(|k| g[1] + (k - g[0]) * step).sum()
        }
    };
    item.number() == r(total)
}

/// Tests numbers around each end of the answer, and many others, in the inequality as it is written.
fn inequality(item: &Item) -> bool {
    let Value::Intervals(parts) = &item.value else {
        return false;
    };
    let text =
        formulas(item).into_iter().find(|t| t.contains(['<', '>', 'e'])).expect("an inequality");
    let signs = ["<", ">", "\\le", "\\ge"];
    let sign =
        signs.into_iter().rev().find(|sign| text.contains(&format!(" {sign} "))).expect("a sign");
    let (left, right) = text.split_once(&format!(" {sign} ")).expect("two sides");
    let holds = |x: &R| {
        let value = |text| evaluate(text, &[('x', x.clone())]);
        let (Some(left), Some(right)) = (value(left), value(right)) else {
            return false;
        };
        match sign {
            "<" => left < right,
            ">" => left > right,
            "\\le" => left <= right,
            _ => left >= right,
        }
    };
    let above = |x: &R, end: &End, low: bool| match end {
        End::Infinite => true,
        End::Closed(bound) if *x == big(*bound) => true,
        End::Closed(bound) | End::Open(bound) => (*x > big(*bound)) == low && *x != big(*bound),
    };
    let member =
        |x: &R| parts.iter().any(|(low, high)| above(x, low, true) && above(x, high, false));
    let mut points: Vec<R> = (-30..=30).map(|k| over(5 * k, 3)).collect();
    points.extend((-33..=33).map(|k| over(k, 2)));
    for end in parts.iter().flat_map(|(low, high)| [low, high]) {
        if let End::Closed(bound) | End::Open(bound) = end {
            points.extend([-1, 0, 1].map(|shift| big(*bound) + over(shift, 9_973)));
        }
    }
    points.iter().all(|x| holds(x) == member(x))
}

fn expand(item: &Item) -> bool {
    let text = &formulas(item)[0];
    let degree = item.rationals().len() as i128;
    (-degree..=degree).map(r).all(|x| {
        let value = polynomial(&item.rationals(), &x);
        evaluate(text, &[('x', x)]).expect("a formula") == value
    }) && item.rationals().last().is_some_and(|lead| lead.is_positive() || lead.is_negative())
}
