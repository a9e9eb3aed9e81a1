//! Second computations for intermediate algebra: by insertion, with matrices, term by term.

use num_traits::{One, Signed, ToPrimitive, Zero};

use super::algebra::at_surd;
use super::{Check, Item, R, close, over, polynomial, product, r};
use crate::mathgen::value::Surd;

pub(super) const CHECKS: [(&str, Check); 12] = [
    ("vertex", vertex),
    ("root_sums", root_sums),
    ("polynomial_remainder", polynomial_remainder),
    ("complex_arithmetic", complex_arithmetic),
    ("partial_fractions", partial_fractions),
    ("cubic_equation", cubic_equation),
    ("logarithm_equation", logarithm_equation),
    ("radical_equation", radical_equation),
    ("recurrence", recurrence),
    ("telescoping", telescoping),
    ("circle_equation", circle_equation),
    ("infinite_series", infinite_series),
];

/// The parabola touches the line of the answer: the difference is a square, so its discriminant is zero.
fn vertex(item: &Item) -> bool {
    let g = item.big();
    let word = if g[0].is_positive() { "minimum" } else { "maximum" };
    let other = if g[0].is_positive() { "maximum" } else { "minimum" };
    let worded = item.statement.contains(word) || item.statement.contains("vertex");
    worded
        && !item.statement.contains(other)
        && &g[1] * &g[1] == r(4) * &g[0] * (&g[2] - item.number())
}

/// The companion matrix of a monic polynomial, constant term first, without its leading coefficient.
fn companion(low: &[R]) -> Vec<Vec<R>> {
    let n = low.len();
    let entry = |i: usize, j: usize| match (i, j) {
        (i, j) if j + 1 == n => -low[i].clone(),
        (i, j) if i == j + 1 => R::one(),
        _ => R::zero(),
    };
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

fn power(matrix: &[Vec<R>], n: usize) -> Vec<Vec<R>> {
    let size = matrix.len();
    let unit = |i: usize| (0..size).map(|j| r(i128::from(i == j))).collect();
    (0..n).fold((0..size).map(unit).collect::<Vec<_>>(), |all, _| product(&all, matrix))
}

/// A power sum of the roots is the trace of a power of the companion matrix; reversed for reciprocals.
fn root_sums(item: &Item) -> bool {
    let mut low = item.big();
    low.reverse();
    let (n, reciprocal) =
        [(2, false), (1, true), (3, false), (2, false), (2, true), (3, false), (4, false)]
            [usize::from(item.variant)];
    if reciprocal {
        let constant = low[0].clone();
        low.push(R::one());
        low.reverse();
        low.pop();
        low.iter_mut().for_each(|c| *c /= &constant);
    }
    let matrix = power(&companion(&low), n);
    item.number() == (0..low.len()).map(|i| matrix[i][i].clone()).sum::<R>()
}

/// A polynomial at a matrix.
fn at_matrix(coefficients: &[R], matrix: &[Vec<R>]) -> Vec<Vec<R>> {
    let n = matrix.len();
    let mut sum = vec![vec![R::zero(); n]; n];
    for (degree, c) in coefficients.iter().enumerate() {
        for (row, added) in sum.iter_mut().zip(power(matrix, degree)) {
            row.iter_mut().zip(added).for_each(|(cell, x)| *cell += c * x);
        }
    }
    sum
}

/// The companion matrix of the divisor is a zero of it, so dividend and remainder agree there.
fn polynomial_remainder(item: &Item) -> bool {
    let g = item.big();
    let (dividend, divisor, rest) = match item.variant {
        0 => (g[..g.len() - 1].to_vec(), vec![g[g.len() - 1].clone()], vec![item.number()]),
        1 => (g[..4].to_vec(), g[4..].to_vec(), item.rationals()),
        _ => {
            let mut dividend = vec![R::zero(); item.given[1] as usize + 1];
            dividend[0] = g[0].clone();
            *dividend.last_mut().expect("a constant") = g[2].clone();
            (dividend, g[3..].to_vec(), item.rationals())
        }
    };
    let ascending = |list: Vec<R>| list.into_iter().rev().collect::<Vec<R>>();
    let matrix = companion(&ascending(divisor));
    at_matrix(&ascending(dividend), &matrix) == at_matrix(&rest, &matrix)
}

/// Complex numbers as matrices of turns and stretches.
fn complex_arithmetic(item: &Item) -> bool {
    let turn = |a: &R, b: &R| vec![vec![a.clone(), -b.clone()], vec![b.clone(), a.clone()]];
    let (g, value) = (item.big(), item.rationals());
    let (x, value) = (turn(&g[0], &g[1]), turn(&value[0], &value[1]));
    let n = || item.given[2] as usize;
    match item.variant {
        0 => value == product(&x, &turn(&g[2], &g[3])),
        1 => product(&value, &turn(&g[2], &g[3])) == x,
        2 => value == power(&x, n()),
        _ => product(&value, &turn(&g[3], &g[4])) == power(&x, n()),
    }
}

fn partial_fractions(item: &Item) -> bool {
    let (g, values) = (item.big(), item.rationals());
    let (top, shifts) = g.split_at(values.len());
    let top: Vec<R> = top.iter().rev().cloned().collect();
    // No pole lies beyond 9.
    (10..16).map(r).all(|x| {
        let left = polynomial(&top, &x) / shifts.iter().map(|shift| &x + shift).product::<R>();
        left == shifts.iter().zip(&values).map(|(shift, value)| value / (&x + shift)).sum::<R>()
    })
}

/// Three different roots are all of them; of two, one must be double.
fn cubic_equation(item: &Item) -> bool {
    let mut coefficients = item.big();
    coefficients.reverse();
    let roots = item.surds();
    let zero = (R::zero(), R::zero());
    let derivative: Vec<R> = (1..4).map(|k| r(k) * &coefficients[k as usize]).collect();
    let is_double = |root: &Surd| at_surd(&derivative, root) == zero;
    let different = (0..roots.len()).all(|i| !roots[..i].contains(&roots[i]));
    let complete = roots.len() == 3 || roots.len() == 2 && roots.iter().any(is_double);
    different && complete && roots.iter().all(|root| at_surd(&coefficients, root) == zero)
}

fn logarithm_equation(item: &Item) -> bool {
    let (g, x) = (item.big(), item.number());
    let power = g[0].pow(item.given[3] as i32);
    match item.variant {
        0 => &g[1] * x + &g[2] == power,
        1 => (&x + &g[2]).is_positive() && &x + &g[1] == power * (&x + &g[2]),
        _ => {
            let other = -(&g[1] + &g[2]) - &x;
            let (a, b) = (&x + &g[1], &x + &g[2]);
            a.is_positive() && b.is_positive() && a * b == power && (other + &g[1]).is_negative()
        }
    }
}

/// The root of a rational square.
fn root(square: &R) -> Option<R> {
    let root = R::new(square.numer().sqrt(), square.denom().sqrt());
    (&root * &root == *square).then_some(root)
}

fn radical_equation(item: &Item) -> bool {
    let (g, found) = (item.big(), item.rationals());
    match item.variant {
        1 => found.len() == 1 && root(&(&g[0] * &found[0] + &g[1])) == Some(g[2].clone()),
        2 => {
            let solves = |x: &R| root(&(&g[0] * x + &g[1])) == Some(x + &g[2]);
            // The squared equation has the other solution a - 2c - x.
            let other = &g[0] - r(2) * &g[2] - &found[0];
            found.iter().all(|x| !(&g[0] * x + &g[1]).is_negative() && solves(x))
                && (found.contains(&other) || (&other + &g[2]).is_negative())
        }
        _ => {
            let roots = [&found[0] + &g[0], &found[0] + &g[1]]
                .map(|square| if square.is_negative() { None } else { root(&square) });
            let [Some(one), Some(two)] = roots else {
                return false;
            };
            found.len() == 1 && one + two == g[2]
        }
    }
}

/// The rule as a matrix, raised to a power.
fn recurrence(item: &Item) -> bool {
    let g = item.big();
    let (rule, start, steps) = match item.variant {
        1 => (
            vec![vec![g[1].clone(), g[2].clone()], vec![r(0), r(1)]],
            [g[0].clone(), r(1)],
            item.given[3],
        ),
        _ => (
            vec![vec![g[2].clone(), g[3].clone()], vec![r(1), r(0)]],
            [g[1].clone(), g[0].clone()],
            item.given[4] - 1,
        ),
    };
    let all = power(&rule, steps as usize - 1);
    item.number() == &all[0][0] * &start[0] + &all[0][1] * &start[1]
}

fn telescoping(item: &Item) -> bool {
    let g = &item.given;
    let term = |k: i128| match item.variant {
        2 => over(1, k * (k + 1)),
        3 => over(1, k * (k + g[2])),
        _ => over(1, (g[2] * k + g[3]) * (g[4] * k + g[5])),
    };
    item.number() == (g[0]..=g[1]).map(term).sum::<R>()
}

fn circle_equation(item: &Item) -> bool {
    let g = item.big();
    let left = |x: &R, y: &R| x * x + y * y + &g[0] * x + &g[1] * y + &g[2];
    match item.variant {
        1 => {
            let at = item.rationals();
            let one = R::one();
            left(&(&at[0] + &one), &at[1]) == left(&(&at[0] - &one), &at[1])
                && left(&at[0], &(&at[1] + &one)) == left(&at[0], &(&at[1] - &one))
                && left(&at[0], &at[1]).is_negative()
        }
        // The lowest value of the left side is minus the square of the radius.
        2 => {
            left(&(-&g[0] / r(2)), &(-&g[1] / r(2))) == -item.number()
                && item.number().is_positive()
        }
        // The ends of the chord solve x^2 + ax + c = 0.
        _ => item.is_positive() && item.square() == &g[0] * &g[0] - r(4) * &g[2],
    }
}

fn infinite_series(item: &Item) -> bool {
    let (g, value) = (item.big(), item.number());
    match item.variant {
        0 => value == &g[0] + &value * &g[1] / &g[2],
        1 => &g[1] * &g[1] == &g[0] * &g[2] && (&value - &g[0]) * &g[0] == &value * &g[1],
        _ => {
            let f: Vec<f64> = item.given.iter().map(|&n| n as f64).collect();
            let sum: f64 = (1..1_000).map(|k| (f[0] / f[2]).powi(k) + (f[1] / f[2]).powi(k)).sum();
            close(sum, value.to_f64().expect("in range"))
        }
    }
}
