//! Algebra: lines, functions, series, products.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use super::draw::{Draw, rationals, whole};
use super::latex::{self, fraction, point, whole_polynomial};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Algebra;

pub(super) const TEMPLATES: [Template; 4] = [
    Template::new("points_and_lines", S, (0, 2), points_and_lines),
    Template::new("composition", S, (1, 3), composition),
    Template::new("series", S, (0, 3), series),
    Template::new("expand", S, (0, 3), expand),
];

fn points_and_lines(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let g: Vec<Z> = (0..4).map(|_| d.int(-15, 15)).collect();
    if g[0] == g[2] || g[1] == g[3] {
        return None;
    }
    let variant = d.pick(&[[0, 1], [2, 3], [4, 4]][level]);
    let mut words = p.given(variant, &g);
    let (from, to) = (point(&g[..2]), point(&g[2..]));
    let middle = |p: &Pad| [p.div(p.add(g[0], g[2]), 2), p.div(p.add(g[1], g[3]), 2)];
    let slope = |p: &Pad| p.div(p.sub(g[3], g[1]), p.sub(g[2], g[0]));
    p.recall(FORMULA);
    let segment = format!("the segment from ${from}$ to ${to}$");
    let line = format!("the line through ${from}$ and ${to}$");
    let (what, value) = match variant {
        0 => (format!("the midpoint of {segment}"), Value::point(middle(p))),
        1 => (format!("the slope of {line}"), Value::Number(slope(p))),
        2 => {
            let (x, y) = (p.sub(g[2], g[0]), p.sub(g[3], g[1]));
            let square = p.dot(&[x, y], &[x, y]);
            p.step(format!("The square of the distance is ${square}$."));
            (format!("the length of {segment}"), Value::surd(p.sqrt(square)))
        }
        3 => {
            let m = slope(p);
            p.step(format!("The slope is ${}$.", fraction(m)));
            let value = p.sub(g[1].into(), p.mul(m, g[0].into()));
            (format!("the $y$-intercept of {line}"), Value::Number(value))
        }
        _ => {
            let (m, [x, y]) = (p.div(Q::from(-1), slope(p)), middle(p));
            p.recall(THEOREM);
            p.step(format!(
                "The bisector has slope ${}$ and goes through the midpoint $({}, {})$.",
                fraction(m),
                fraction(x),
                fraction(y)
            ));
            let value = p.sub(y, p.mul(m, x));
            (
                format!("the $y$-intercept of the perpendicular bisector of {segment}"),
                Value::Number(value),
            )
        }
    };
    p.step("Insert the coordinates.".to_owned());
    let text = one_of!(words, "What is {what}?", "Find {what}.", "Determine {what}.");
    Some((text, value))
}

fn composition(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let f = vec![d.nonzero(9), d.nonzero(6)];
    let g = vec![d.nonzero(9), d.nonzero(6), d.nonzero(4)];
    let (shown_f, shown_g) = (whole_polynomial(&f, "x"), whole_polynomial(&g, "x"));
    let mut given = vec![f[1], f[0], g[2], g[1], g[0]];
    p.recall(DEFINITION);
    let (ask, value) = if level == 1 {
        let k = d.nonzero(5);
        given.push(k);
        let inner = p.horner(&g, k);
        p.step(format!("$g({k}) = {inner}$."));
        (format!("f(g({k}))"), Value::whole(p.horner(&f, inner)))
    } else {
        let (ask, outer, inner) = match level {
            2 => ("g(f(x))", g.clone(), f.clone()),
            _ => ("g(g(x))", g.clone(), g.clone()),
        };
        let square = p.times(&inner, &inner);
        p.step(format!(
            "The square of the inner function is ${}$.",
            whole_polynomial(&square, "x")
        ));
        let result: Vec<Z> = (0..square.len())
            .map(|i| {
                let linear = inner.get(i).copied().unwrap_or(0);
                let sum = p.dot(&[outer[2], outer[1]], &[square[i], linear]);
                if i == 0 { p.add(sum, outer[0]) } else { sum }
            })
            .collect();
        (ask.to_owned(), Value::Polynomial(rationals(&result)))
    };
    if level == 3 {
        given.drain(..2);
    }
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let functions = match level {
        3 => format!("$g(x) = {shown_g}$"),
        _ => format!("$f(x) = {shown_f}$ and $g(x) = {shown_g}$"),
    };
    let text = one_of!(
        words,
        "Let {functions}. What is ${ask}$?",
        "If {functions}, find ${ask}$.",
        "Given {functions}, compute ${ask}$.",
    );
    let text = if level == 1 {
        text
    } else {
        format!("{text} Write the answer as an expanded polynomial.")
    };
    Some((text, value))
}

fn series(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, step, n) = (d.nonzero(30), d.nonzero(12), d.int(8, 40));
    if a + step == 0 {
        return None;
    }
    p.recall(FORMULA);
    match level {
        0 => {
            let mut words = p.given(0, &[a, a + step, a + 2 * step, n]);
            let shown = latex::join(&[a, a + step, a + 2 * step], ", ");
            let value = p.add(a, p.mul(p.sub(n, 1), p.sub(a + step, a)));
            p.step(format!("The common difference is ${step}$, added ${}$ times.", n - 1));
            let text = one_of!(
                words,
                "What is term number ${n}$ of the arithmetic sequence ${shown}, \\ldots$?",
                "In the arithmetic sequence ${shown}, \\ldots$ the first term has number $1$. Find \
                 the term with number ${n}$.",
            );
            Some((text, Value::whole(value)))
        }
        1 => {
            let last = a + (n - 1) * step;
            if last == 0 {
                return None;
            }
            let mut words = p.given(1, &[a, a + step, last]);
            let (difference, span) = (p.sub(a + step, a), p.sub(last, a));
            let count = p.add(p.quotient(span.abs(), difference.abs()), 1);
            let value = p.div(p.mul(count, p.add(a, last)), 2);
            p.step(format!(
                "There are ${count}$ terms with mean $\\frac{{{a} + {}}}{{2}}$.",
                latex::operand(last)
            ));
            let (second, last) = (latex::operand(a + step), latex::operand(last));
            let text = one_of!(
                words,
                "Compute the sum of the arithmetic series ${a} + {second} + \\cdots + {last}$.",
                "What is ${a} + {second} + \\cdots + {last}$, where the terms form an arithmetic \
                 sequence?",
            );
            Some((text, Value::Number(value)))
        }
        2 => geometric_series(d, p),
        _ => series_of_two_terms(a, step, n, d, p),
    }
}

/// The sum of an arithmetic series of which two terms are known.
fn series_of_two_terms(a: Z, step: Z, n: Z, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (i, j) = (d.int(2, 9), d.int(10, 25));
    let (x, y) = (a + (i - 1) * step, a + (j - 1) * step);
    let mut words = p.given(3, &[i, x, j, y, n]);
    let difference = whole(p.div(p.sub(y, x), p.sub(j, i)))?;
    let first = p.sub(x, p.mul(p.sub(i, 1), difference));
    let last = p.add(first, p.mul(p.sub(n, 1), difference));
    p.step(format!(
        "The difference is ${difference}$, the first term ${first}$, term ${n}$ \
         is ${last}$."
    ));
    let value = p.div(p.mul(n, p.add(first, last)), 2);
    let text = one_of!(
        words,
        "In an arithmetic sequence term number ${i}$ is ${x}$ and term number ${j}$ is \
         ${y}$. What is the sum of the first ${n}$ terms?",
        "An arithmetic sequence $a_1, a_2, \\ldots$ has $a_{{{i}}} = {x}$ and $a_{{{j}}} = \
         {y}$. Find $a_1 + a_2 + \\cdots + a_{{{n}}}$.",
    );
    Some((text, Value::Number(value)))
}

fn geometric_series(d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, r, n) = (d.int(1, 20), d.pick(&[-3, -2, 2, 3, 4, 5]), d.int(5, 8));
    let mut words = p.given(2, &[a, r, n]);
    let power = p.pow(r, usize::try_from(n).ok()?);
    let value = whole(p.mul(Q::from(a), p.div(p.sub(power, 1), p.sub(r, 1))))?;
    p.step(format!("The sum is $\\frac{{a (r^n - 1)}}{{r - 1}}$ with $r^n = {power}$."));
    let text = one_of!(
        words,
        "A geometric series has first term ${a}$ and common ratio ${r}$. What is the sum \
         of its first ${n}$ terms?",
        "Find the sum of the first ${n}$ terms of the geometric sequence with first term \
         ${a}$ and ratio ${r}$.",
    );
    Some((text, Value::whole(value)))
}

fn expand(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let sizes: &[usize] = [&[2, 2][..], &[2, 3], &[3, 3], &[2, 3, 3]][level];
    let factors: Vec<Vec<Z>> =
        sizes.iter().map(|&n| (0..n).map(|_| d.nonzero(9)).collect()).collect();
    let given: Vec<Z> = factors.iter().flat_map(|f| f.iter().rev().copied()).collect();
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let mut product = factors[0].clone();
    for factor in &factors[1..] {
        product = p.times(&product, factor);
        p.step(format!("Each term times each term gives ${}$.", whole_polynomial(&product, "x")));
    }
    let shown: String = factors.iter().map(|f| format!("({})", whole_polynomial(f, "x"))).collect();
    let text = one_of!(
        words,
        "Expand ${shown}$.",
        "Multiply out ${shown}$ and collect like terms.",
        "Write ${shown}$ as a polynomial in standard form.",
    );
    Some((text, Value::Polynomial(rationals(&product))))
}
