//! Algebra: equations, systems and inequalities.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_traits::Zero;

use super::draw::{Draw, clean, distinct, rationals};
use super::latex::{fraction, whole_polynomial, whole_sum};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::{End, Surd, Value};

const S: Subject = Subject::Algebra;

pub(super) const TEMPLATES: [Template; 4] = [
    Template::new("linear_equation", S, (0, 2), linear_equation),
    Template::new("linear_system", S, (1, 4), linear_system),
    Template::new("quadratic_equation", S, (1, 3), quadratic_equation),
    Template::new("inequality", S, (1, 4), inequality),
];

fn linear_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = [3, 4, 7][level];
    let g: Vec<Z> = (0..n).map(|_| d.nonzero([20, 12, 9][level])).collect();
    let mut words = p.given(u16::try_from(level).ok()?, &g);
    let x = words.word(&["x", "y", "t", "n"]);
    let (left, right, a, b) = match level {
        0 => (whole_sum(&[(g[0], x), (g[1], "")]), g[2].to_string(), g[0], p.sub(g[2], g[1])),
        1 => {
            let (left, right) =
                (whole_sum(&[(g[0], x), (g[1], "")]), whole_sum(&[(g[2], x), (g[3], "")]));
            (left, right, p.sub(g[0], g[2]), p.sub(g[3], g[1]))
        }
        _ => {
            let bracket = |b, c| format!("({})", whole_sum(&[(b, x), (c, "")]));
            let (one, two) = (bracket(g[1], g[2]), bracket(g[4], g[5]));
            let left = whole_sum(&[(g[0], one.as_str()), (g[3], two.as_str())]);
            let a = p.dot(&[g[0], g[3]], &[g[1], g[4]]);
            let c = p.dot(&[g[0], g[3]], &[g[2], g[5]]);
            (left, g[6].to_string(), a, p.sub(g[6], c))
        }
    };
    if a == 0 || level == 0 && a.abs() == 1 {
        return None;
    }
    let value = clean(p.div(b, a), [1, 9, 12][level])?;
    p.step(format!("Collect the terms: ${} = {b}$.", whole_sum(&[(a, x)])));
    let text = one_of!(
        words,
        "Solve for ${x}$: ${left} = {right}$.",
        "What value of ${x}$ satisfies ${left} = {right}$?",
        "Find ${x}$ if ${left} = {right}$.",
    );
    Some((text, Value::Number(value)))
}

fn linear_system(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = if level < 3 { 2 } else { 3 };
    let size = [3, 9, 4, 9][level - 1];
    let solution: Vec<Z> = (0..n).map(|_| d.nonzero(9)).collect();
    let rows: Vec<Vec<Z>> = (0..n).map(|_| (0..n).map(|_| d.nonzero(size)).collect()).collect();
    let full = |row: &Vec<Z>| {
        let right: Z = row.iter().zip(&solution).map(|(a, x)| a * x).sum();
        [&row[..], &[right]].concat()
    };
    let rows: Vec<Vec<Z>> = rows.iter().map(full).collect();
    let mut words = p.given(u16::try_from(n).ok()?, &rows.concat());
    let solved = p.solve(rows.iter().map(|row| rationals(row)).collect())?;
    p.step(format!(
        "Eliminate one unknown after the other; the last equation gives ${}$, and going back gives \
         the others.",
        fraction(*solved.last()?)
    ));
    let names = ["x", "y", "z"];
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let terms: Vec<(Z, &str)> = row.iter().copied().zip(names).take(n).collect();
            format!("{} &= {}", whole_sum(&terms), row[n])
        })
        .collect();
    let system = format!("\\begin{{align*}} {} \\end{{align*}}", lines.join(" \\\\ "));
    let unknowns = format!("({})", names[..n].join(", "));
    let text = one_of!(
        words,
        "Solve the system {system} and give the answer as ${unknowns}$.",
        "Find the point ${unknowns}$ that satisfies {system}",
    );
    Some((text, Value::point(solved)))
}

fn quadratic_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let coefficients = match level {
        1 => {
            let (r, s) = (d.nonzero(9), d.nonzero(9));
            vec![r * s, -r - s, 1]
        }
        2 => {
            let (a, b, c, e) = (d.int(1, 4), d.nonzero(8), d.int(2, 4), d.nonzero(8));
            vec![b * e, a * e + b * c, a * c]
        }
        _ => vec![d.nonzero(40), d.nonzero(40), d.int(2, 12)],
    };
    let [c, b, a] = [coefficients[0], coefficients[1], coefficients[2]];
    let common = num_integer::gcd(num_integer::gcd(a, b), c);
    let discriminant = p.sub(p.mul(b, b), p.product(&[4, a, c]));
    if common != 1 || discriminant <= 0 {
        return None;
    }
    let root = p.sqrt(discriminant);
    if (level == 3) == root.coefficient.is_zero() {
        return None;
    }
    let mut words = p.given(0, &[a, b, c]);
    p.recall(FORMULA);
    p.step(format!("The discriminant is ${discriminant}$; apply the quadratic formula."));
    if level == 3 {
        p.recall(FORMULA);
        p.step(format!("Its root is ${}$.", Value::surd(root).latex()));
    }
    let half = p.div(Q::from(1), p.mul(2, a).into());
    let middle = p.mul(Q::from(-b), half);
    let value = if root.coefficient.is_zero() {
        let size = p.mul(root.rational, half);
        Value::list(vec![p.sub(middle, size), p.add(middle, size)])
    } else {
        let size = p.mul(root.coefficient, half);
        let solution = |size| Surd::new(middle, size, root.radicand);
        Value::List(vec![solution(-size), solution(size)])
    };
    let equation = whole_polynomial(&coefficients, "x");
    let text = one_of!(
        words,
        "Find all solutions of ${equation} = 0$. List them, separated by commas.",
        "Solve ${equation} = 0$ for $x$. Give all solutions, separated by commas.",
        "What are the roots of ${equation}$? Separate them by commas.",
    );
    Some((text, value))
}

/// Formula, given numbers, solution set.
type Inequality = (String, Vec<Z>, Vec<(End, End)>);

fn end(strict: bool, bound: Q) -> End {
    if strict { End::Open(bound) } else { End::Closed(bound) }
}

fn below(strict: bool) -> &'static str {
    if strict { "<" } else { "\\le" }
}

fn above(strict: bool) -> &'static str {
    if strict { ">" } else { "\\ge" }
}

fn inequality(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let strict = d.coin();
    p.recall([DEFINITION, FORMULA, THEOREM, THEOREM][level - 1]);
    let (formula, given, parts) = match level {
        1 => linear_inequality(strict, d, p)?,
        2 => absolute_inequality(strict, d, p)?,
        3 => quadratic_inequality(strict, d, p)?,
        _ => rational_inequality(strict, d, p)?,
    };
    let variant = u16::try_from(2 * level).ok()? + u16::from(strict);
    let mut words = p.given(variant, &given);
    let text = one_of!(
        words,
        "Solve the inequality ${formula}$. Write the solution set in interval notation.",
        "For which real numbers $x$ is ${formula}$? Answer in interval notation.",
    );
    Some((text, Value::Intervals(parts)))
}

/// `a x + b` below `c`.
fn linear_inequality(strict: bool, d: &mut Draw<'_>, p: &Pad) -> Option<Inequality> {
    let (a, b, c) = (d.nonzero(9), d.nonzero(20), d.nonzero(30));
    let bound = clean(p.div(p.sub(c, b), a), 9)?;
    p.step(format!("The two sides are equal at ${}$.", fraction(bound)));
    let parts = if a > 0 {
        (End::Infinite, end(strict, bound))
    } else {
        (end(strict, bound), End::Infinite)
    };
    Some((
        format!("{} {} {c}", whole_sum(&[(a, "x"), (b, "")]), below(strict)),
        vec![a, b, c],
        vec![parts],
    ))
}

/// `|a x + b|` below `c`.
fn absolute_inequality(strict: bool, d: &mut Draw<'_>, p: &Pad) -> Option<Inequality> {
    let (a, b, c) = (d.int(1, 9), d.nonzero(20), d.int(1, 30));
    let (low, high) = (p.div(p.sub(-c, b), a), p.div(p.sub(c, b), a));
    p.step(format!(
        "The inside lies between $-{c}$ and ${c}$, so the ends are ${}$ and ${}$.",
        fraction(low),
        fraction(high)
    ));
    Some((
        format!("|{}| {} {c}", whole_sum(&[(a, "x"), (b, "")]), below(strict)),
        vec![a, b, c],
        vec![(end(strict, low), end(strict, high))],
    ))
}

/// A quadratic above 0.
fn quadratic_inequality(strict: bool, d: &mut Draw<'_>, p: &Pad) -> Option<Inequality> {
    let (a, b, c, e) = (d.int(1, 5), d.nonzero(9), d.int(1, 5), d.nonzero(9));
    let product = p.times(&[b, a], &[e, c]);
    let mut roots = [p.div(-b, a), p.div(-e, c)];
    roots.sort_unstable();
    if roots[0] == roots[1] || product[1] == 0 {
        return None;
    }
    p.step(format!(
        "The left side is $({})({})$, zero at ${}$ and ${}$.",
        whole_sum(&[(a, "x"), (b, "")]),
        whole_sum(&[(c, "x"), (e, "")]),
        fraction(roots[0]),
        fraction(roots[1])
    ));
    let outside =
        vec![(End::Infinite, end(strict, roots[0])), (end(strict, roots[1]), End::Infinite)];
    let given = vec![product[2], product[1], product[0]];
    Some((format!("{} {} 0", whole_polynomial(&product, "x"), above(strict)), given, outside))
}

/// A quadratic over a linear factor above 0.
fn rational_inequality(strict: bool, d: &mut Draw<'_>, p: &Pad) -> Option<Inequality> {
    let roots = [d.nonzero(15), d.nonzero(15), d.nonzero(15)];
    let (r, s, pole) = (roots[0], roots[1], roots[2]);
    if !distinct(&roots) || r + s == 0 {
        return None;
    }
    let numerator = p.times(&[-r, 1], &[-s, 1]);
    let discriminant = p.sub(p.mul(numerator[1], numerator[1]), p.mul(4, numerator[0]));
    p.sqrt(discriminant);
    p.step(format!(
        "The numerator is zero at ${r}$ and ${s}$, the denominator at ${pole}$; \
         test one number of each part."
    ));
    let mut marks =
        [(r, end(strict, r.into())), (s, end(strict, s.into())), (pole, End::Open(pole.into()))];
    marks.sort_unstable_by_key(|mark| mark.0);
    for test in [marks[0].0 - 1, marks[0].0 + 1, marks[1].0 + 1, marks[2].0 + 1] {
        p.product(&[p.sub(test, r), p.sub(test, s), p.sub(test, pole)]);
    }
    let formula = format!(
        "\\frac{{{}}}{{{}}} {} 0",
        whole_polynomial(&numerator, "x"),
        whole_polynomial(&[-pole, 1], "x"),
        above(strict)
    );
    let given = vec![numerator[1], numerator[0], -pole];
    Some((formula, given, vec![(marks[0].1, marks[1].1), (marks[2].1, End::Infinite)]))
}
