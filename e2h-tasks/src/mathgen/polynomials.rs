//! Intermediate algebra: polynomials and their roots.
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
use num_traits::Zero;

use super::draw::{Draw, clean, distinct, rationals, whole};
use super::latex::{fraction, whole_polynomial, whole_sum};
use super::pad::{FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::{Surd, Value};

const S: Subject = Subject::Intermediate;

pub(super) const TEMPLATES: [Template; 5] = [
    Template::new("vertex", S, (0, 1), vertex),
    Template::new("root_sums", S, (1, 4), root_sums),
    Template::new("polynomial_remainder", S, (0, 3), polynomial_remainder),
    Template::new("partial_fractions", S, (2, 3), partial_fractions),
    Template::new("cubic_equation", S, (2, 4), cubic_equation),
];

fn vertex(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let a = if level == 0 { 1 } else { d.nonzero(9) };
    let (b, c) = (d.nonzero([12, 30][level]) * if level == 0 { 2 } else { 1 }, d.nonzero(40));
    let mut words = p.given(u16::from(level == 1), &[a, b, c]);
    p.recall(FORMULA);
    let value = p.sub(Q::from(c), p.div(p.mul(b, b), p.mul(4, a)));
    p.step("Completing the square leaves $c - \\frac{b^2}{4a}$ at the vertex.".to_owned());
    let what = if a > 0 { "minimum" } else { "maximum" };
    let formula = whole_polynomial(&[c, b, a], "x");
    let text = one_of!(
        words,
        "What is the {what} value of ${formula}$ over all real numbers $x$?",
        "Find the {what} of the function $f(x) = {formula}$.",
        "The parabola $y = {formula}$ has its vertex at $(h, k)$. What is $k$?",
    );
    Some((text, Value::Number(value)))
}

fn root_sums(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let size = [12, 12, 20, 20][level - 1];
    let (a, b, c) = (d.nonzero(size), d.nonzero(size), d.nonzero(size));
    p.recall(THEOREM);
    if level < 3 {
        let variant = [d.pick(&[0, 1]), 2][level - 1];
        let mut words = p.given(variant, &[a, b]);
        let (sum, product) = (-a, b);
        p.step(format!("The roots have sum ${sum}$ and product ${product}$."));
        let squares = || p.sub(p.mul(sum, sum), p.mul(2, product));
        let (ask, value) = match variant {
            0 => ("r^2 + s^2", squares().into()),
            1 => ("\\frac{1}{r} + \\frac{1}{s}", p.div(sum, product)),
            _ => {
                p.step("Use $r^3 + s^3 = (r + s)(r^2 - rs + s^2)$.".to_owned());
                ("r^3 + s^3", p.mul(sum, p.sub(squares(), product)).into())
            }
        };
        let equation = whole_polynomial(&[b, a, 1], "x");
        let text = one_of!(
            words,
            "Let $r$ and $s$ be the solutions of ${equation} = 0$. What is ${ask}$?",
            "The equation ${equation} = 0$ has the complex solutions $r$ and $s$, counted with \
             multiplicity. Compute ${ask}$.",
        );
        return Some((text, Value::Number(value)));
    }
    let variant = [d.pick(&[3, 4]), d.pick(&[5, 6])][level - 3];
    let mut words = p.given(variant, &[a, b, c]);
    let (e1, e2, e3) = (-a, b, -c);
    p.recall(FORMULA);
    p.step(format!("The elementary symmetric sums of the roots are ${e1}$, ${e2}$ and ${e3}$."));
    let squares = || p.sub(p.mul(e1, e1), p.mul(2, e2));
    let cubes = |squares: Z| p.add(p.sub(p.mul(e1, squares), p.mul(e2, e1)), p.mul(3, e3));
    let (ask, value) = match variant {
        3 => ("r^2 + s^2 + t^2", squares().into()),
        4 => {
            // The reciprocals have sum e2 / e3 and pairwise sum e1 / e3.
            let (sum, pairs) = (p.div(e2, e3), p.div(e1, e3));
            (
                "\\frac{1}{r^2} + \\frac{1}{s^2} + \\frac{1}{t^2}",
                p.sub(p.mul(sum, sum), p.mul(2.into(), pairs)),
            )
        }
        5 => ("r^3 + s^3 + t^3", cubes(squares()).into()),
        _ => {
            let (two, three) = (squares(), cubes(squares()));
            let four = p.add(p.sub(p.mul(e1, three), p.mul(e2, two)), p.mul(e3, e1));
            ("r^4 + s^4 + t^4", four.into())
        }
    };
    p.step("Newton's identities give the power sums one after the other.".to_owned());
    let equation = whole_polynomial(&[c, b, a, 1], "x");
    let text = one_of!(
        words,
        "Let $r$, $s$ and $t$ be the solutions of ${equation} = 0$. What is ${ask}$?",
        "The equation ${equation} = 0$ has the complex solutions $r$, $s$ and $t$, counted with \
         multiplicity. Compute ${ask}$.",
    );
    Some((text, Value::Number(value)))
}

fn polynomial_remainder(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    match level {
        0 | 1 => remainder_by_linear(level + 2, d, p),
        2 => remainder_by_quadratic(d, p),
        _ => remainder_of_power(d, p),
    }
}

fn remainder_by_linear(degree: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let coefficients: Vec<Z> = (0..=degree).map(|_| d.nonzero(9)).collect();
    let at = d.nonzero(4);
    let given: Vec<Z> = coefficients.iter().rev().copied().chain([-at]).collect();
    let mut words = p.given(0, &given);
    p.recall(FORMULA);
    let value = p.horner(&coefficients, at);
    p.step(format!("By the remainder theorem it is the value at $x = {at}$."));
    let (top, bottom) = (whole_polynomial(&coefficients, "x"), whole_polynomial(&[-at, 1], "x"));
    let text = one_of!(
        words,
        "What is the remainder when ${top}$ is divided by ${bottom}$?",
        "Find the remainder of the division $({top}) \\div ({bottom})$.",
    );
    Some((text, Value::whole(value)))
}

/// Long division of a cubic.
fn remainder_by_quadratic(d: &mut Draw<'_>, p: &Pad) -> Made {
    let mut rest: Vec<Z> = (0..4).map(|_| d.nonzero(9)).collect();
    let divisor = [d.nonzero(9), d.nonzero(5), 1];
    let given: Vec<Z> = rest.iter().rev().copied().chain([divisor[1], divisor[0]]).collect();
    let mut words = p.given(1, &given);
    p.recall(FORMULA);
    let top = whole_polynomial(&rest, "x");
    while rest.len() > 2 {
        let lead = rest.pop()?;
        let at = rest.len() - 2;
        for (i, &c) in divisor.iter().take(2).enumerate() {
            rest[at + i] = p.sub(rest[at + i], p.mul(lead, c));
        }
        p.step(format!(
            "Take away ${}$ times the divisor; ${}$ is left.",
            whole_polynomial(&[&vec![0; at][..], &[lead]].concat(), "x"),
            whole_polynomial(&rest, "x")
        ));
    }
    let bottom = whole_polynomial(&divisor, "x");
    let text = one_of!(
        words,
        "What is the remainder when ${top}$ is divided by ${bottom}$?",
        "Find the polynomial remainder of the division $({top}) \\div ({bottom})$.",
    );
    Some((text, Value::Polynomial(rationals(&rest))))
}

/// The remainder of `lead x^n + shift` by a product of two linear factors.
fn remainder_of_power(d: &mut Draw<'_>, p: &Pad) -> Made {
    let (n, a, b) = (d.int(5, 10), d.nonzero(4), d.nonzero(4));
    let (lead, shift) = (d.int(1, 5), d.nonzero(9));
    if a >= b {
        return None;
    }
    let divisor = p.times(&[-a, 1], &[-b, 1]);
    if divisor[1] == 0 {
        return None;
    }
    let mut words = p.given(2, &[lead, n, shift, divisor[1], divisor[0]]);
    p.recall(THEOREM);
    let size = usize::try_from(n).ok()?;
    let value = |x: Z| p.add(p.mul(lead, p.pow(x, size)), shift);
    let (fa, fb) = (value(a), value(b));
    let slope = whole(p.div(p.sub(fb, fa), p.sub(b, a)))?;
    p.step(format!(
        "The divisor is zero at ${a}$ and ${b}$, where the dividend is ${fa}$ and \
         ${fb}$; the remainder is the line through these."
    ));
    let constant = p.sub(fa, p.mul(slope, a));
    let top = whole_sum(&[(lead, format!("x^{{{n}}}").as_str()), (shift, "")]);
    let bottom = whole_polynomial(&divisor, "x");
    let text = one_of!(
        words,
        "What is the remainder when ${top}$ is divided by ${bottom}$?",
        "Find the polynomial remainder of ${top}$ upon division by ${bottom}$.",
    );
    Some((text, Value::Polynomial(rationals(&[constant, slope]))))
}

fn partial_fractions(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let poles: Vec<Z> = (0..level).map(|_| d.nonzero(9)).collect();
    let top: Vec<Z> = (0..level).map(|_| d.nonzero(12)).collect();
    if !distinct(&poles) {
        return None;
    }
    let factor = |&pole: &Z| whole_polynomial(&[-pole, 1], "x");
    let given: Vec<Z> = top.iter().rev().copied().chain(poles.iter().map(|pole| -pole)).collect();
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    p.recall(THEOREM);
    let values: Option<Vec<Q>> = poles
        .iter()
        .map(|&pole| {
            let others: Vec<Z> =
                poles.iter().filter(|&&o| o != pole).map(|&o| p.sub(pole, o)).collect();
            let value = p.div(p.horner(&top, pole), p.product(&others));
            p.step(format!("At $x = {pole}$ the other factors give ${}$.", fraction(value)));
            clean(value, 60)
        })
        .collect();
    let values = values?;
    let names = ["A", "B", "C"];
    let bottom: String = poles.iter().map(|pole| format!("({})", factor(pole))).collect();
    let parts: Vec<String> = poles
        .iter()
        .zip(names)
        .map(|(pole, name)| format!("\\frac{{{name}}}{{{}}}", factor(pole)))
        .collect();
    let identity =
        format!("\\frac{{{}}}{{{bottom}}} = {}", whole_polynomial(&top, "x"), parts.join(" + "));
    let unknowns = names[..level].join(", ");
    let text = one_of!(
        words,
        "The identity $${identity}$$ holds for all $x$ where both sides are defined. Find \
         $({unknowns})$.",
        "Find the constants $({unknowns})$ for which $${identity}$$ holds whenever no denominator \
         is zero.",
    );
    Some((text, Value::point(values)))
}

fn cubic_equation(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let r = if level == 4 { d.pick(&[-6, -5, -4, -3, 3, 4, 5, 6]) } else { d.nonzero(5) };
    let quadratic = match level {
        2 => {
            let (s, t) = (d.nonzero(6), d.nonzero(6));
            vec![s * t, -s - t, 1]
        }
        3 => {
            let (a, b, c, e) = (d.int(2, 4), d.nonzero(5), d.int(1, 3), d.nonzero(5));
            vec![b * e, a * e + b * c, a * c]
        }
        _ => vec![d.nonzero(20), d.nonzero(20), d.int(2, 6)],
    };
    let free = Pad::default();
    let cubic = free.times(&quadratic, &[-r, 1]);
    let [c, b, a] = [quadratic[0], quadratic[1], quadratic[2]];
    if num_integer::gcd(num_integer::gcd(a, b), c) != 1 || cubic[1] == 0 || cubic[2] == 0 {
        return None;
    }
    // Small whole numbers that divide the constant term are tried until one is a root.
    let mut found = None;
    for candidate in (1..=6).flat_map(|n| [n, -n]).filter(|n| cubic[0] % n == 0) {
        if p.horner(&cubic, candidate) == 0 {
            found = Some(candidate);
            break;
        }
    }
    let root = found?;
    let lead = cubic[3];
    let middle = p.add(cubic[2], p.mul(lead, root));
    let last = p.add(cubic[1], p.mul(middle, root));
    p.step(format!(
        "One root is ${root}$, and the rest is ${}$.",
        whole_polynomial(&[last, middle, lead], "x")
    ));
    let discriminant = p.sub(p.mul(middle, middle), p.product(&[4, lead, last]));
    if discriminant <= 0 {
        return None;
    }
    let size = p.sqrt(discriminant);
    if (level == 4) == size.coefficient.is_zero() {
        return None;
    }
    p.recall(THEOREM + FORMULA);
    let (half, minus) =
        (p.div(1, p.mul(2, lead)), p.mul(Q::from(-middle), Ratio::new(1, 2 * lead)));
    let value = if level == 4 {
        let factor = p.mul(size.coefficient, half);
        let solution = |factor| Surd::new(minus, factor, size.radicand);
        Value::List(vec![root_value(root), solution(-factor), solution(factor)])
    } else {
        let width = p.mul(size.rational, half);
        Value::list(vec![root.into(), p.sub(minus, width), p.add(minus, width)])
    };
    let mut words = p.given(0, &[cubic[3], cubic[2], cubic[1], cubic[0]]);
    let equation = whole_polynomial(&cubic, "x");
    let text = one_of!(
        words,
        "Find all real solutions of ${equation} = 0$. List them, separated by commas.",
        "Solve ${equation} = 0$ over the real numbers. Give all solutions, separated by commas.",
    );
    Some((text, value))
}

fn root_value(root: Z) -> Surd {
    Surd::from(Q::from(root))
}
