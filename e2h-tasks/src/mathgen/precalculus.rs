//! Precalculus: trigonometry, polar coordinates, complex powers.
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
use num_traits::{One, Zero};

use super::draw::Draw;
use super::latex::{fraction, whole_sum};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::{Surd, Value};

const S: Subject = Subject::Precalculus;

pub(super) const TEMPLATES: [Template; 6] = [
    Template::new("exact_trigonometry", S, (0, 1), exact_trigonometry),
    Template::new("polar", S, (1, 2), polar),
    Template::new("law_of_cosines", S, (1, 2), law_of_cosines),
    Template::new("tangent_sum", S, (1, 3), tangent_sum),
    Template::new("multiple_angle", S, (1, 4), multiple_angle),
    Template::new("complex_power", S, (3, 4), complex_power),
];

/// The sine of a multiple of 30 or 45 degrees.
fn sine(degrees: Z) -> Surd {
    let half = |square: Z| Surd::root(Ratio::new(square, 4));
    let folded = degrees.rem_euclid(360);
    let size = match folded % 180 {
        0 => half(0),
        30 | 150 => half(1),
        45 | 135 => half(2),
        60 | 120 => half(3),
        _ => half(4),
    };
    if folded > 180 { size.scaled(-Q::one()) } else { size }
}

fn cosine(degrees: Z) -> Surd {
    sine(degrees + 90)
}

/// The tangent; `None` where it is not defined.
fn tangent(degrees: Z) -> Option<Surd> {
    let size = match degrees.rem_euclid(180) {
        0 => Q::zero(),
        30 | 150 => Ratio::new(1, 3),
        45 | 135 => Q::one(),
        60 | 120 => Q::from(3),
        _ => return None,
    };
    let sign = if degrees.rem_euclid(180) > 90 { -1 } else { 1 };
    Some(Surd::root(size).scaled(Q::from(sign)))
}

const ANGLES: [Z; 16] = [0, 30, 45, 60, 90, 120, 135, 150, 180, 210, 225, 240, 270, 300, 315, 330];

fn exact_trigonometry(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let mut terms = Vec::new();
    for _ in 0..=level {
        let (k, angle, function) =
            (d.nonzero(20), d.pick(&ANGLES) + 360 * d.int(-1, 2), d.int(0, 2));
        let (name, value) = match function {
            0 => ("\\sin", sine(angle)),
            1 => ("\\cos", cosine(angle)),
            _ => ("\\tan", tangent(angle)?),
        };
        p.rem(angle, 360);
        p.recall(DEFINITION);
        p.step(format!("${name} ({angle}^\\circ) = {}$.", Value::surd(value).latex()));
        terms.push((k, name, angle, function, value));
    }
    let variant = terms.iter().fold(level as Z, |v, term| 3 * v + term.3);
    let given: Vec<Z> = terms.iter().flat_map(|term| [term.0, term.2]).collect();
    let mut words = p.given(u16::try_from(variant).ok()?, &given);
    let (formula, value) = if level == 0 {
        let (k, name, angle, _, value) = terms[0];
        p.recall(1);
        (whole_sum(&[(k, format!("{name} ({angle}^\\circ)").as_str())]), value.scaled(k.into()))
    } else {
        let squares: Vec<Q> = terms
            .iter()
            .map(|(k, _, _, _, value)| {
                let square = value.rational * value.rational
                    + value.coefficient * value.coefficient * value.radicand;
                p.mul(Q::from(*k), square)
            })
            .collect();
        let shown: Vec<String> = terms
            .iter()
            .map(|(_, name, angle, _, _)| format!("{name}^2 ({angle}^\\circ)"))
            .collect();
        let formula =
            whole_sum(&[(terms[0].0, shown[0].as_str()), (terms[1].0, shown[1].as_str())]);
        (formula, Surd::from(p.sum(&squares)))
    };
    let text = one_of!(
        words,
        "What is the exact value of ${formula}$?",
        "Compute ${formula}$ exactly.",
        "Evaluate ${formula}$. Do not use decimals.",
    );
    Some((text, Value::surd(value)))
}

/// An angle in radians.
fn radians(degrees: Z) -> String {
    Value::Pi(Ratio::new(degrees, 180)).latex()
}

fn polar(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (r, angle) = (d.int(2, 60), d.pick(&ANGLES[1..]));
    let share = Ratio::new(angle, 180);
    p.recall(FORMULA);
    if level == 1 {
        let mut words = p.given(1, &[r, *share.numer(), *share.denom()]);
        let at = |unit: Surd| {
            p.recall(DEFINITION);
            p.mul(unit.rational + unit.coefficient, r.into());
            unit.scaled(r.into())
        };
        let theta = radians(angle);
        p.step(format!("The point is $\\left( {r} \\cos {theta}, {r} \\sin {theta} \\right)$."));
        let value = Value::Point(vec![at(cosine(angle)), at(sine(angle))]);
        let text = one_of!(
            words,
            "Convert the point with polar coordinates $(r, \\theta) = \\left( {r}, {theta} \
             \\right)$ to rectangular coordinates.",
            "What are the rectangular coordinates $(x, y)$ of the point with polar coordinates \
             $\\left( {r}, {theta} \\right)$?",
        );
        return Some((text, value));
    }
    let (s, turn) = (d.int(2, 40), d.pick(&[60, 90, 120, 180, 240, 270, 300]));
    let other = (angle + turn) % 360;
    let second = Ratio::new(other, 180);
    if other == 0 {
        return None;
    }
    let given = [r, *share.numer(), *share.denom(), s, *second.numer(), *second.denom()];
    let mut words = p.given(2, &given);
    p.recall(THEOREM);
    p.sub(share, second);
    let cosine = cosine(turn).rational;
    let product = p.product(&[Q::from(2), r.into(), s.into(), cosine]);
    let square = p.sub(p.add(p.mul(r, r), p.mul(s, s)).into(), product);
    p.step(format!(
        "The angle between the two has cosine ${}$; the square of the distance is ${}$.",
        fraction(cosine),
        fraction(square)
    ));
    let (one, two) = (radians(angle), radians(other));
    let text = one_of!(
        words,
        "What is the exact distance between the points with polar coordinates $\\left( {r}, {one} \
         \\right)$ and $\\left( {s}, {two} \\right)$?",
        "In polar coordinates $A = \\left( {r}, {one} \\right)$ and $B = \\left( {s}, {two} \
         \\right)$. Find the exact length of $AB$.",
    );
    Some((text, Value::surd(p.sqrt(square))))
}

fn law_of_cosines(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b, c) = (d.int(2, 30), d.int(2, 30), d.int(2, 30));
    p.recall(FORMULA);
    if level == 1 {
        if a >= b + c || b >= a + c || c >= a + b {
            return None;
        }
        let mut words = p.given(1, &[a, b, c]);
        let top = p.sub(p.add(p.mul(b, b), p.mul(c, c)), p.mul(a, a));
        let value = p.div(top, p.product(&[2, b, c]));
        p.step(format!("$\\cos A = \\frac{{b^2 + c^2 - a^2}}{{2bc}}$ with numerator ${top}$."));
        let text = one_of!(
            words,
            "Triangle $ABC$ has sides $BC = {a}$, $CA = {b}$ and $AB = {c}$. What is $\\cos A$?",
            "In triangle $ABC$ let $a = {a}$, $b = {b}$ and $c = {c}$ be the sides opposite $A$, \
             $B$ and $C$. Find the cosine of the angle at $A$.",
        );
        return Some((text, Value::Number(value)));
    }
    let angle = d.pick(&[60, 120]);
    let mut words = p.given(2, &[a, b, angle]);
    let product = p.product(&[Q::from(2), a.into(), b.into(), cosine(angle).rational]);
    let square = p.sub(p.add(p.mul(a, a), p.mul(b, b)).into(), product);
    let side = p.sqrt(square);
    p.step(format!("The square of the third side is ${}$.", fraction(square)));
    if c % 2 == 0 {
        let text = one_of!(
            words,
            "Two sides of a triangle are ${a}$ and ${b}$ and enclose an angle of ${angle}^\\circ$. \
             How long is the third side? Give an exact answer.",
            "From a point two straight roads of lengths ${a}$ and ${b}$ start at an angle of \
             ${angle}^\\circ$. Exactly how far apart are their ends?",
        );
        return Some((text, Value::surd(side)));
    }
    // The law of sines: the diameter is the side over sin 60 = sin 120, so R^2 = square / 3.
    let mut words = p.given(3, &[a, b, angle]);
    p.recall(THEOREM);
    let value = p.sqrt(p.div(square, 3.into()));
    p.step(format!("The radius is the side over $2 \\sin {angle}^\\circ = \\sqrt{{3}}$."));
    let text = one_of!(
        words,
        "Two sides of a triangle are ${a}$ and ${b}$ and enclose an angle of ${angle}^\\circ$. \
         What is the exact radius of its circumscribed circle?",
        "In triangle $ABC$ let $AB = {a}$, $AC = {b}$ and $\\angle A = {angle}^\\circ$. Find the \
         exact radius of the circle through $A$, $B$ and $C$.",
    );
    Some((text, Value::surd(value)))
}

/// The tangent of the sum of two angles, from their tangents.
fn tangent_of_sum(p: &Pad, x: Q, y: Q) -> Option<Q> {
    let below = p.sub(Q::from(1), p.mul(x, y));
    (!below.is_zero()).then(|| p.div(p.add(x, y), below))
}

fn tangent_sum(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let mut slope = || Ratio::new(d.nonzero(9), d.int(1, 9));
    let (x, y, z) = (slope(), slope(), slope());
    p.recall(FORMULA);
    let sum = tangent_of_sum(p, x, y)?;
    p.step(format!("$\\tan(\\alpha + \\beta) = {}$.", fraction(sum)));
    let parts = |q: Q| [*q.numer(), *q.denom()];
    let mut given = [parts(x), parts(y)].concat();
    let (ask, value) = match level {
        1 => ("\\tan(\\alpha + \\beta)", sum),
        2 => ("\\tan(2\\alpha + 2\\beta)", tangent_of_sum(p, sum, sum)?),
        _ => {
            given.extend(parts(z));
            let all = tangent_of_sum(p, sum, z)?;
            p.step(format!("$\\tan(\\alpha + \\beta + \\gamma) = {}$.", fraction(all)));
            ("\\tan(2\\alpha + 2\\beta + 2\\gamma)", tangent_of_sum(p, all, all)?)
        }
    };
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let (a, b, c) = (fraction(x), fraction(y), fraction(z));
    let angles = match level {
        3 => format!("$\\tan \\alpha = {a}$, $\\tan \\beta = {b}$ and $\\tan \\gamma = {c}$"),
        _ => format!("$\\tan \\alpha = {a}$ and $\\tan \\beta = {b}$"),
    };
    let text = one_of!(
        words,
        "If {angles}, what is ${ask}$?",
        "Given {angles}, compute ${ask}$.",
        "Let {angles}. Find ${ask}$."
    );
    Some((text, Value::Number(value)))
}

fn multiple_angle(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (d.nonzero(39), d.int(2, 40));
    if a.abs() >= b || num_integer::gcd(a, b) != 1 {
        return None;
    }
    let n = [2, 3, 4, 6][level - 1];
    let x = Ratio::new(a, b);
    let mut words = p.given(n, &[a, b]);
    p.recall(FORMULA);
    let double = |x: Q| p.sub(p.mul(2.into(), p.mul(x, x)), 1.into());
    let triple = |x: Q| p.sub(p.mul(4.into(), p.pow(x, 3)), p.mul(3.into(), x));
    let value = match n {
        2 => double(x),
        3 => triple(x),
        4 => double(double(x)),
        _ => {
            p.recall(FORMULA);
            double(triple(x))
        }
    };
    p.step("Use $\\cos 2t = 2\\cos^2 t - 1$ and $\\cos 3t = 4\\cos^3 t - 3\\cos t$.".to_owned());
    let x = fraction(x);
    let text = one_of!(
        words,
        "If $\\cos \\theta = {x}$, what is $\\cos {n}\\theta$?",
        "Given that $\\cos \\theta = {x}$, compute $\\cos({n}\\theta)$.",
        "Let $\\theta$ be an angle with $\\cos \\theta = {x}$. Find $\\cos {n}\\theta$.",
    );
    Some((text, Value::Number(value)))
}

fn complex_power(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let k = d.int(1, [9, 6][level - 3]);
    let n = d.int([4, 6][level - 3], [8, 11][level - 3]);
    let (s, t) = (d.pick(&[1, -1]), d.pick(&[1, -1]));
    let shape = if level == 3 { 0 } else { d.pick(&[1, 2]) };
    // The angle in the first quadrant, then reflected by the signs.
    let first = [45, 30, 60][shape];
    let angle = match (s, t) {
        (1, 1) => first,
        (-1, 1) => 180 - first,
        (-1, -1) => 180 + first,
        _ => 360 - first,
    };
    let mut words = p.given(u16::try_from(shape).ok()?, &[s * k, t * k, n]);
    p.recall(2 * THEOREM);
    let size = if shape == 0 { p.mul(2, p.mul(k, k)) } else { p.pow(p.mul(2, k), 2) };
    let exponent = usize::try_from(n).ok()?;
    let (even, odd) = (p.pow(size, exponent / 2), exponent % 2 == 1);
    let turned = p.rem(p.mul(angle, n), 360);
    p.step(format!(
        "The number has size $\\sqrt{{{size}}}$ and angle ${angle}^\\circ$, its power \
         the angle ${turned}^\\circ$."
    ));
    let part = |unit: Surd| {
        p.recall(DEFINITION);
        if !odd {
            return unit.scaled(even.into());
        }
        // sqrt(size) times the unit is a rational number or a multiple of one root.
        let square =
            unit.rational * unit.rational + unit.coefficient * unit.coefficient * unit.radicand;
        let negative = unit.rational < Q::zero() || unit.coefficient < Q::zero();
        let factor = if negative { -even } else { even };
        let root = p.sqrt(p.mul(Q::from(size), square));
        p.mul(root.rational + root.coefficient, even.into());
        root.scaled(factor.into())
    };
    let value = Value::Complex(part(cosine(turned)), part(sine(turned)));
    let formula = match shape {
        0 => whole_sum(&[(s * k, ""), (t * k, "i")]),
        1 => whole_sum(&[(s * k, "\\sqrt{3}"), (t * k, "i")]),
        _ => whole_sum(&[(s * k, ""), (t * k, "i\\sqrt{3}")]),
    };
    let text = one_of!(
        words,
        "Compute $({formula})^{{{n}}}$ and write it in rectangular form.",
        "Write $\\left( {formula} \\right)^{{{n}}}$ in the form $a + bi$ with exact real numbers \
         $a$ and $b$.",
    );
    Some((text, value))
}
