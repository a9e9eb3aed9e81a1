//! Intermediate algebra: complex numbers, logarithms, roots, recurrences, series, circles.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_rational::Ratio;
use num_traits::Signed;

use super::draw::{Draw, clean, whole};
use super::latex::{self, fraction, operand, whole_polynomial, whole_sum};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Intermediate;

pub(super) const TEMPLATES: [Template; 7] = [
    Template::new("complex_arithmetic", S, (0, 3), complex_arithmetic),
    Template::new("logarithm_equation", S, (0, 2), logarithm_equation),
    Template::new("radical_equation", S, (1, 3), radical_equation),
    Template::new("recurrence", S, (1, 3), recurrence),
    Template::new("telescoping", S, (2, 4), telescoping),
    Template::new("circle_equation", S, (1, 3), circle_equation),
    Template::new("infinite_series", S, (0, 2), infinite_series),
];

/// The product of two complex numbers.
fn times(p: &Pad, x: [Z; 2], y: [Z; 2]) -> [Z; 2] {
    [p.sub(p.mul(x[0], y[0]), p.mul(x[1], y[1])), p.add(p.mul(x[0], y[1]), p.mul(x[1], y[0]))]
}

fn complex_arithmetic(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let g: Vec<Z> = (0..4).map(|_| d.nonzero([12, 9, 7, 5][level])).collect();
    let (x, y) = ([g[0], g[1]], [g[2], g[3]]);
    let show = |z: [Z; 2]| whole_sum(&[(z[0], ""), (z[1], "i")]);
    let (a, b) = (show(x), show(y));
    p.recall(DEFINITION);
    let power = |n: usize| (1..n).fold(x, |z, _| times(p, z, x));
    let n = d.pick(&[3, 4]);
    let (formula, given, top, over) = match level {
        0 => (format!("({a})({b})"), g, times(p, x, y), None),
        1 => (format!("\\frac{{{a}}}{{{b}}}"), g, x, Some(y)),
        2 => (format!("({a})^{n}"), vec![x[0], x[1], n as Z], power(n), None),
        _ => (
            format!("\\frac{{({a})^{n}}}{{{b}}}"),
            vec![x[0], x[1], n as Z, y[0], y[1]],
            power(n),
            Some(y),
        ),
    };
    let value = match over {
        None => [top[0].into(), top[1].into()],
        Some(y) => {
            p.recall(FORMULA);
            let ([re, im], norm) = (times(p, top, [y[0], -y[1]]), p.dot(&y, &y));
            p.step(format!(
                "Multiply above and below by the conjugate; the denominator is ${norm}$."
            ));
            [p.div(re, norm), p.div(im, norm)]
        }
    };
    p.step("Use $i^2 = -1$.".to_owned());
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let text = one_of!(
        words,
        "Compute ${formula}$ and write it as $a + bi$ with real numbers $a$ and $b$.",
        "Write ${formula}$ in the form $a + bi$, where $i^2 = -1$.",
        "Simplify ${formula}$, where $i$ is the imaginary unit.",
    );
    Some((text, Value::Complex(value[0].into(), value[1].into())))
}

fn logarithm_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (b, k) = (d.int(2, 7), d.int(2, 4));
    let power = p.pow(b, usize::try_from(k).ok()?);
    p.recall(DEFINITION);
    let log = |inside: &str| format!("\\log_{{{b}}} ({inside})");
    match level {
        0 => {
            let (a, c) = (d.int(1, 9), d.nonzero(30));
            let mut words = p.given(0, &[b, a, c, k]);
            let value = clean(p.div(p.sub(power, c), a), 9)?;
            let left = log(&whole_sum(&[(a, "x"), (c, "")]));
            p.step(format!("The argument is ${b}^{k} = {power}$."));
            let text = one_of!(
                words,
                "Solve ${left} = {k}$ for $x$.",
                "What value of $x$ satisfies ${left} = {k}$?"
            );
            Some((text, Value::Number(value)))
        }
        1 => {
            let (u, v) = (d.int(-20, 20), d.int(-20, 20));
            if u == v || u == 0 || v == 0 {
                return None;
            }
            let mut words = p.given(1, &[b, u, v, k]);
            p.recall(FORMULA);
            let value = clean(p.div(p.sub(p.mul(power, v), u), p.sub(1, power)), 99)?;
            if !(value + v).is_positive() {
                return None;
            }
            let [one, two] = [u, v].map(|shift| log(&whole_sum(&[(1, "x"), (shift, "")])));
            p.step(format!(
                "The quotient of the arguments is ${b}^{k} = {power}$, a linear equation."
            ));
            let text = one_of!(
                words,
                "Solve ${one} - {two} = {k}$ for $x$.",
                "Find the real number $x$ with ${one} - {two} = {k}$."
            );
            Some((text, Value::Number(value)))
        }
        _ => {
            // x + u and x + v are powers whose product is b^k.
            let (i, x) = (d.int(0, k as i64), d.int(-15, 40));
            let low = b.pow(u32::try_from(i).ok()?);
            let (u, v) = (low - x, power / low - x);
            if u == v || u == 0 || v == 0 {
                return None;
            }
            let mut words = p.given(2, &[b, u, v, k]);
            p.recall(FORMULA);
            // x^2 + (u + v) x + uv - b^k = 0
            let (sum, rest) = (p.add(u, v), p.sub(p.mul(u, v), power));
            let root = p.sqrt(p.sub(p.mul(sum, sum), p.mul(4, rest)));
            let value = p.div(p.add(Q::from(-sum), root.rational), 2.into());
            p.recall(FORMULA + THEOREM);
            p.step(format!(
                "The product of the arguments is ${power}$: ${} = 0$; the smaller \
                 solution makes the arguments negative.",
                whole_polynomial(&[rest, sum, 1], "x")
            ));
            let [one, two] = [u, v].map(|shift| log(&whole_sum(&[(1, "x"), (shift, "")])));
            let text = one_of!(
                words,
                "Solve ${one} + {two} = {k}$ for $x$.",
                "Find the real number $x$ with ${one} + {two} = {k}$."
            );
            Some((text, Value::Number(value)))
        }
    }
}

fn radical_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall([DEFINITION, FORMULA, THEOREM][level - 1]);
    let mut words;
    let (formula, value) = match level {
        1 => {
            let (a, b, c) = (d.nonzero(9), d.nonzero(40), d.int(2, 15));
            words = p.given(1, &[a, b, c]);
            let value = clean(p.div(p.sub(p.mul(c, c), b), a), 9)?;
            p.step(format!("Square both sides: the inside is ${}$.", c * c));
            (format!("\\sqrt{{{}}} = {c}", whole_sum(&[(a, "x"), (b, "")])), vec![value])
        }
        3 => {
            let (a, b, c) = (d.nonzero(20), d.nonzero(150), d.nonzero(15));
            words = p.given(2, &[a, b, c]);
            // (x + c)^2 = ax + b
            let (linear, rest) = (p.sub(p.mul(2, c), a), p.sub(p.mul(c, c), b));
            let discriminant = p.sub(p.mul(linear, linear), p.mul(4, rest));
            if discriminant < 0 {
                return None;
            }
            let root =
                whole(p.sqrt(discriminant).rational).filter(|root| root * root == discriminant)?;
            p.recall(FORMULA);
            let candidates = [p.div(p.sub(-linear, root), 2), p.div(p.add(-linear, root), 2)];
            let kept: Vec<Q> =
                candidates.into_iter().filter(|&x| !p.add(x, c.into()).is_negative()).collect();
            p.step(format!(
                "Squaring gives ${} = 0$; only solutions with a right side of at least $0$ count.",
                whole_polynomial(&[rest, linear, 1], "x")
            ));
            let right = whole_sum(&[(1, "x"), (c, "")]);
            (format!("\\sqrt{{{}}} = {right}", whole_sum(&[(a, "x"), (b, "")])), kept)
        }
        _ => {
            let (m, n, x) = (d.int(5, 40), d.int(5, 40), d.int(-99, 99));
            let (a, b, c) = (m * m - x, n * n - x, m + n);
            if m == n || a == 0 || b == 0 {
                return None;
            }
            words = p.given(3, &[a, b, c]);
            // The difference of the roots is (a - b) / c, so the first root is half of c plus this.
            let difference = p.div(p.sub(a, b), c);
            let first = p.div(p.add(Q::from(c), difference), 2.into());
            p.recall(THEOREM);
            p.step(format!(
                "The squares of the roots differ by ${}$, so the roots differ by ${}$, \
                 and the first is ${}$.",
                a - b,
                fraction(difference),
                fraction(first)
            ));
            let value = p.sub(p.mul(first, first), a.into());
            let [one, two] =
                [a, b].map(|shift| format!("\\sqrt{{{}}}", whole_sum(&[(1, "x"), (shift, "")])));
            (format!("{one} + {two} = {c}"), vec![value])
        }
    };
    if value.is_empty() {
        return None;
    }
    let text = one_of!(
        words,
        "Find all real solutions of ${formula}$, separated by commas if there are several.",
        "Solve ${formula}$ over the real numbers. If there is more than one solution, separate \
         them by commas.",
    );
    Some((text, Value::list(value)))
}

fn recurrence(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (s, t) = (d.nonzero(6), d.nonzero(6));
    let (a, b) = (d.nonzero(4), d.nonzero(4));
    p.recall(DEFINITION);
    if level == 1 {
        let n = d.int(4, 6);
        let mut words = p.given(1, &[s, a, b, n]);
        let value = (1..n).fold(s, |x, _| p.add(p.mul(a, x), b));
        p.step("Apply the rule again and again.".to_owned());
        let rule = whole_sum(&[(a, "a_{n}"), (b, "")]);
        let text = one_of!(
            words,
            "A sequence has $a_1 = {s}$ and $a_{{n+1}} = {rule}$ for $n \\ge 1$. What is \
             $a_{{{n}}}$?",
            "Let $a_1 = {s}$ and, for all $n \\ge 1$, $a_{{n+1}} = {rule}$. Find $a_{{{n}}}$.",
        );
        return Some((text, Value::whole(value)));
    }
    let n = d.int([5, 8][level - 2], [7, 11][level - 2]);
    let mut words = p.given(2, &[s, t, a, b, n]);
    let mut terms = vec![s, t];
    for i in 2..usize::try_from(n).ok()? {
        terms.push(p.dot(&[a, b], &[terms[i - 1], terms[i - 2]]));
    }
    p.step(format!("The terms are ${}$.", latex::join(&terms, ", ")));
    let rule = whole_sum(&[(a, "a_{n+1}"), (b, "a_{n}")]);
    let text = one_of!(
        words,
        "A sequence has $a_1 = {s}$, $a_2 = {t}$ and $a_{{n+2}} = {rule}$ for $n \\ge 1$. What is \
         $a_{{{n}}}$?",
        "Let $a_1 = {s}$, $a_2 = {t}$ and, for all $n \\ge 1$, $a_{{n+2}} = {rule}$. Find \
         $a_{{{n}}}$.",
    );
    Some((text, Value::whole(*terms.last()?)))
}

fn telescoping(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (m, n) = (d.int(1, 12), d.int(15, 99));
    p.recall(THEOREM);
    let inverse = |k: Z| Ratio::new(1, k);
    let (term, given, value) = match level {
        2 => {
            let value = p.sub(inverse(m), inverse(n + 1));
            p.step(format!(
                "Each term is $\\frac{{1}}{{k}} - \\frac{{1}}{{k + 1}}$, so \
                 $\\frac{{1}}{{{m}}} - \\frac{{1}}{{{}}}$ is left.",
                n + 1
            ));
            ("\\frac{1}{k(k + 1)}".to_owned(), vec![m, n], value)
        }
        3 => {
            let gap = d.int(2, 3);
            let kept: Vec<Q> =
                (0..gap).map(|i| p.sub(inverse(m + i), inverse(n + 1 + i))).collect();
            p.step(format!(
                "${gap}$ terms stay at each end of the sum of $\\frac{{1}}{{k}} - \
                 \\frac{{1}}{{k + {gap}}}$; divide by ${gap}$."
            ));
            (
                format!("\\frac{{1}}{{k(k + {gap})}}"),
                vec![m, n, gap],
                p.div(p.sum(&kept), gap.into()),
            )
        }
        _ => {
            let (a, b, gap) = (d.int(2, 5), d.int(1, 9), 2);
            let at = |k: Z| p.add(p.mul(a, k), b);
            let kept: Vec<Q> =
                (0..gap).map(|i| p.sub(inverse(at(m + i)), inverse(at(n + 1 + i)))).collect();
            p.recall(THEOREM);
            let (one, two) =
                (whole_sum(&[(a, "k"), (b, "")]), whole_sum(&[(a, "k"), (b + gap * a, "")]));
            p.step(format!(
                "Each term is $\\frac{{1}}{{{}}}$ of $\\frac{{1}}{{{one}}} - \
                 \\frac{{1}}{{{two}}}$, and two terms stay at each end.",
                a * gap
            ));
            (
                format!("\\frac{{1}}{{({one})({two})}}"),
                vec![m, n, a, b, a, b + gap * a],
                p.div(p.sum(&kept), (a * gap).into()),
            )
        }
    };
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let sum = format!("\\sum_{{k={m}}}^{{{n}}} {term}");
    let text = one_of!(
        words,
        "Compute $${sum}$$ as a common fraction in lowest terms.",
        "What is the exact value of $${sum}?$$",
    );
    Some((text, Value::Number(value)))
}

fn circle_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b, c) = (d.nonzero(15), d.nonzero(15), d.nonzero(60));
    let (x, y) = (p.div(-a, 2), p.div(-b, 2));
    p.recall(FORMULA);
    p.step(format!(
        "Completing the squares gives the center $({}, {})$.",
        fraction(x),
        fraction(y)
    ));
    let mut words = p.given(u16::try_from(level).ok()?, &[a, b, c]);
    let norm = || p.dot(&[x, y], &[x, y]);
    let (ask, value) = match level {
        1 => ("the center of the circle", Value::point([x, y])),
        2 => {
            p.recall(FORMULA);
            ("the area of the circle", Value::Pi(p.sub(norm(), c.into())))
        }
        _ => {
            p.recall(THEOREM);
            let half = p.sub(p.mul(x, x), c.into());
            if !half.is_positive() {
                return None;
            }
            let size = p.sqrt(half);
            p.step(format!("On the $x$-axis $(x - h)^2 = {}$.", fraction(half)));
            (
                "the exact length of the chord that the $x$-axis cuts from the circle",
                Value::surd(size.scaled(2.into())),
            )
        }
    };
    if (x * x + y * y) <= c.into() {
        return None;
    }
    let left = whole_sum(&[(1, "x^2"), (1, "y^2"), (a, "x"), (b, "y"), (c, "")]);
    let text = one_of!(
        words,
        "What is {ask} with equation ${left} = 0$?",
        "Find {ask} given by ${left} = 0$.",
    );
    Some((text, value))
}

fn infinite_series(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(FORMULA);
    let (n, m) = (d.nonzero(11), d.int(2, 12));
    if num_integer::gcd(n, m) != 1 || n.abs() >= m {
        return None;
    }
    let ratio = Ratio::new(n, m);
    let (text, value) = match level {
        0 => {
            let a = d.int(1, 40);
            let mut words = p.given(0, &[a, n, m]);
            let value = p.div(Q::from(a), p.sub(Q::from(1), ratio));
            let r = fraction(ratio);
            let text = one_of!(
                words,
                "An infinite geometric series has first term ${a}$ and common ratio ${r}$. What is \
                 its sum?",
                "Find the sum of the infinite geometric series that starts with ${a}$ and has \
                 ratio ${r}$.",
            );
            (text, value)
        }
        1 => {
            let other = d.int(1, m as i64 - 1);
            if n < 1 || other == n {
                return None;
            }
            let mut words = p.given(2, &[n, other, m]);
            let part = |x: Z| p.div(x, p.sub(m, x));
            let parts = [part(n), part(other)];
            p.step(format!(
                "Split the sum into two geometric series: ${}$ and ${}$.",
                fraction(parts[0]),
                fraction(parts[1])
            ));
            let value = p.add(parts[0], parts[1]);
            let sum = format!("\\sum_{{k=1}}^{{\\infty}} \\frac{{{n}^k + {other}^k}}{{{m}^k}}");
            let text = one_of!(words, "Compute $${sum}.$$", "What is the value of $${sum}?$$");
            (text, value)
        }
        _ => {
            let a = d.int(1, 12) * m * m;
            let terms = [a, a * n / m, a * n * n / (m * m)];
            let mut words = p.given(1, &terms);
            let found = p.div(terms[1], terms[0]);
            p.step(format!("The ratio is ${}$.", fraction(found)));
            let value = p.div(Q::from(a), p.sub(Q::from(1), found));
            let shown: Vec<String> = terms.iter().map(|&t| operand(t)).collect();
            let shown = shown.join(" + ");
            let text = one_of!(
                words,
                "What is the sum of the infinite geometric series ${shown} + \\cdots$?",
                "Evaluate the infinite geometric series ${shown} + \\cdots$.",
            );
            (text, value)
        }
    };
    p.step("The sum is the first term over one minus the ratio.".to_owned());
    Some((text, Value::Number(value)))
}
