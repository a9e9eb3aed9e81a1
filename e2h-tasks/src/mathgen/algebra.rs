//! Algebra: equations, systems, inequalities, functions, lines, series.
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

use super::latex::{self, fraction, point, whole_polynomial, whole_sum};
use super::pad::{
    DEFINITION, Draw, FORMULA, Pad, Q, THEOREM, Z, clean, distinct, rationals, whole,
};
use super::template::{Made, Subject, Template};
use super::value::{End, Surd, Value};

const S: Subject = Subject::Algebra;

pub(super) const TEMPLATES: [Template; 8] = [
    Template::new("linear_equation", S, (0, 2), linear_equation),
    Template::new("linear_system", S, (1, 4), linear_system),
    Template::new("quadratic_equation", S, (1, 3), quadratic_equation),
    Template::new("points_and_lines", S, (0, 2), points_and_lines),
    Template::new("composition", S, (1, 3), composition),
    Template::new("series", S, (0, 3), series),
    Template::new("inequality", S, (1, 4), inequality),
    Template::new("expand", S, (0, 3), expand),
];

fn linear_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = [3, 4, 7][level];
    let g: Vec<Z> = (0..n).map(|_| d.nonzero([20, 12, 9][level])).collect();
    let mut words = p.given(u16::try_from(level).ok()?, &g);
    let x = words.word(&["x", "y", "t", "n"]);
    let (left, right, a, b) = match level {
        0 => (
            whole_sum(&[(g[0], x), (g[1], "")]),
            g[2].to_string(),
            g[0],
            p.sub(g[2], g[1]),
        ),
        1 => {
            let (left, right) = (
                whole_sum(&[(g[0], x), (g[1], "")]),
                whole_sum(&[(g[2], x), (g[3], "")]),
            );
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
    p.step(format!(
        "Collect the terms: ${} = {b}$.",
        whole_sum(&[(a, x)])
    ));
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
    let rows: Vec<Vec<Z>> = (0..n)
        .map(|_| (0..n).map(|_| d.nonzero(size)).collect())
        .collect();
    let full = |row: &Vec<Z>| {
        let right: Z = row.iter().zip(&solution).map(|(a, x)| a * x).sum();
        [&row[..], &[right]].concat()
    };
    let rows: Vec<Vec<Z>> = rows.iter().map(full).collect();
    let mut words = p.given(u16::try_from(n).ok()?, &rows.concat());
    let solved = p.solve(rows.iter().map(|row| rationals(row)).collect())?;
    p.step(format!(
        "Eliminate one unknown after the other; the last equation gives ${}$, and going back gives the others.",
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
            let (r, s) = (d.nonzero(12), d.nonzero(12));
            vec![r * s, -r - s, 1]
        }
        2 => {
            let (a, b, c, e) = (d.int(1, 6), d.nonzero(9), d.int(2, 6), d.nonzero(9));
            vec![b * e, a * e + b * c, a * c]
        }
        _ => vec![d.nonzero(20), d.nonzero(16), d.int(1, 9)],
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
    p.step(format!(
        "The discriminant is ${discriminant}$; apply the quadratic formula."
    ));
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
        0 => (
            format!("the midpoint of {segment}"),
            Value::point(middle(p)),
        ),
        1 => (format!("the slope of {line}"), Value::Number(slope(p))),
        2 => {
            let (x, y) = (p.sub(g[2], g[0]), p.sub(g[3], g[1]));
            let square = p.dot(&[x, y], &[x, y]);
            p.step(format!("The square of the distance is ${square}$."));
            (
                format!("the length of {segment}"),
                Value::surd(p.sqrt(square)),
            )
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
    let text = one_of!(
        words,
        "What is {what}?",
        "Find {what}.",
        "Determine {what}."
    );
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
    p.recall(FORMULA);
    match level {
        0 => {
            let mut words = p.given(0, &[a, a + step, a + 2 * step, n]);
            let shown = latex::join(&[a, a + step, a + 2 * step], ", ");
            let value = p.add(a, p.mul(p.sub(n, 1), p.sub(a + step, a)));
            p.step(format!(
                "The common difference is ${step}$, added ${}$ times.",
                n - 1
            ));
            let text = one_of!(
                words,
                "What is term number ${n}$ of the arithmetic sequence ${shown}, \\ldots$?",
                "In the arithmetic sequence ${shown}, \\ldots$ the first term has number $1$. Find the term with number ${n}$.",
            );
            Some((text, Value::whole(value)))
        }
        1 => {
            let last = a + (n - 1) * step;
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
                "What is ${a} + {second} + \\cdots + {last}$, where the terms form an arithmetic sequence?",
            );
            Some((text, Value::Number(value)))
        }
        2 => {
            let (a, r, n) = (d.int(1, 20), d.pick(&[-3, -2, 2, 3, 4, 5]), d.int(5, 8));
            let mut words = p.given(2, &[a, r, n]);
            let power = p.pow(r, usize::try_from(n).ok()?);
            let value = whole(p.mul(Q::from(a), p.div(p.sub(power, 1), p.sub(r, 1))))?;
            p.step(format!(
                "The sum is $\\frac{{a (r^n - 1)}}{{r - 1}}$ with $r^n = {power}$."
            ));
            let text = one_of!(
                words,
                "A geometric series has first term ${a}$ and common ratio ${r}$. What is the sum of its first ${n}$ terms?",
                "Find the sum of the first ${n}$ terms of the geometric sequence with first term ${a}$ and ratio ${r}$.",
            );
            Some((text, Value::whole(value)))
        }
        _ => {
            let (i, j) = (d.int(2, 9), d.int(10, 25));
            let (x, y) = (a + (i - 1) * step, a + (j - 1) * step);
            let mut words = p.given(3, &[i, x, j, y, n]);
            let difference = whole(p.div(p.sub(y, x), p.sub(j, i)))?;
            let first = p.sub(x, p.mul(p.sub(i, 1), difference));
            let last = p.add(first, p.mul(p.sub(n, 1), difference));
            p.step(format!("The difference is ${difference}$, the first term ${first}$, term ${n}$ is ${last}$."));
            let value = p.div(p.mul(n, p.add(first, last)), 2);
            let text = one_of!(
                words,
                "In an arithmetic sequence term number ${i}$ is ${x}$ and term number ${j}$ is ${y}$. What is the sum of the first ${n}$ terms?",
                "An arithmetic sequence $a_1, a_2, \\ldots$ has $a_{{{i}}} = {x}$ and $a_{{{j}}} = {y}$. Find $a_1 + a_2 + \\cdots + a_{{{n}}}$.",
            );
            Some((text, Value::Number(value)))
        }
    }
}

fn inequality(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let strict = d.coin();
    let end = |bound| {
        if strict {
            End::Open(bound)
        } else {
            End::Closed(bound)
        }
    };
    let (below, above) = if strict { ("<", ">") } else { ("\\le", "\\ge") };
    p.recall([DEFINITION, FORMULA, THEOREM, THEOREM][level - 1]);
    let (formula, given, parts) = match level {
        1 => {
            let (a, b, c) = (d.nonzero(9), d.nonzero(20), d.nonzero(30));
            let bound = clean(p.div(p.sub(c, b), a), 9)?;
            p.step(format!("The two sides are equal at ${}$.", fraction(bound)));
            let parts = if a > 0 {
                (End::Infinite, end(bound))
            } else {
                (end(bound), End::Infinite)
            };
            (
                format!("{} {below} {c}", whole_sum(&[(a, "x"), (b, "")])),
                vec![a, b, c],
                vec![parts],
            )
        }
        2 => {
            let (a, b, c) = (d.int(1, 9), d.nonzero(20), d.int(1, 30));
            let (low, high) = (p.div(p.sub(-c, b), a), p.div(p.sub(c, b), a));
            p.step(format!(
                "The inside lies between $-{c}$ and ${c}$, so the ends are ${}$ and ${}$.",
                fraction(low),
                fraction(high)
            ));
            (
                format!("|{}| {below} {c}", whole_sum(&[(a, "x"), (b, "")])),
                vec![a, b, c],
                vec![(end(low), end(high))],
            )
        }
        3 => {
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
            let outside = vec![
                (End::Infinite, end(roots[0])),
                (end(roots[1]), End::Infinite),
            ];
            let given = vec![product[2], product[1], product[0]];
            (
                format!("{} {above} 0", whole_polynomial(&product, "x")),
                given,
                outside,
            )
        }
        _ => {
            let roots = [d.nonzero(15), d.nonzero(15), d.nonzero(15)];
            let (r, s, pole) = (roots[0], roots[1], roots[2]);
            if !distinct(&roots) || r + s == 0 {
                return None;
            }
            let numerator = p.times(&[-r, 1], &[-s, 1]);
            let discriminant = p.sub(p.mul(numerator[1], numerator[1]), p.mul(4, numerator[0]));
            p.sqrt(discriminant);
            p.step(format!("The numerator is zero at ${r}$ and ${s}$, the denominator at ${pole}$; test one number of each part."));
            let mut marks = [
                (r, end(r.into())),
                (s, end(s.into())),
                (pole, End::Open(pole.into())),
            ];
            marks.sort_unstable_by_key(|mark| mark.0);
            for test in [
                marks[0].0 - 1,
                marks[0].0 + 1,
                marks[1].0 + 1,
                marks[2].0 + 1,
            ] {
                p.product(&[p.sub(test, r), p.sub(test, s), p.sub(test, pole)]);
            }
            let formula = format!(
                "\\frac{{{}}}{{{}}} {above} 0",
                whole_polynomial(&numerator, "x"),
                whole_polynomial(&[-pole, 1], "x")
            );
            let given = vec![numerator[1], numerator[0], -pole];
            (
                formula,
                given,
                vec![(marks[0].1, marks[1].1), (marks[2].1, End::Infinite)],
            )
        }
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

fn expand(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let sizes: &[usize] = [&[2, 2][..], &[2, 3], &[3, 3], &[2, 3, 3]][level];
    let factors: Vec<Vec<Z>> = sizes
        .iter()
        .map(|&n| (0..n).map(|_| d.nonzero(9)).collect())
        .collect();
    let given: Vec<Z> = factors
        .iter()
        .flat_map(|f| f.iter().rev().copied())
        .collect();
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let mut product = factors[0].clone();
    for factor in &factors[1..] {
        product = p.times(&product, factor);
        p.step(format!(
            "Each term times each term gives ${}$.",
            whole_polynomial(&product, "x")
        ));
    }
    let shown: String = factors
        .iter()
        .map(|f| format!("({})", whole_polynomial(f, "x")))
        .collect();
    let text = one_of!(
        words,
        "Expand ${shown}$.",
        "Multiply out ${shown}$ and collect like terms.",
        "Write ${shown}$ as a polynomial in standard form.",
    );
    Some((text, Value::Polynomial(rationals(&product))))
}
