//! Number theory: bases, remainders of powers, congruences.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_integer::Integer;

use super::draw::{Draw, distinct};
use super::latex::{numeral, whole_sum};
use super::pad::{DEFINITION, FORMULA, Pad, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::NumberTheory;

pub(super) const TEMPLATES: [Template; 3] = [
    Template::new("base_conversion", S, (0, 3), base_conversion),
    Template::new("power_remainder", S, (1, 4), power_remainder),
    Template::new("congruence", S, (1, 4), congruence),
];

/// The digits of a number in a base, by repeated division.
fn digits(p: &Pad, mut number: Z, base: Z) -> Vec<u8> {
    let mut digits = Vec::new();
    while number > 0 {
        let quotient = p.quotient(number, base);
        digits.push(u8::try_from(p.sub(number, quotient * base)).unwrap_or_default());
        number = quotient;
    }
    digits.reverse();
    digits
}

/// The number of a numeral, by Horner's rule.
fn read(p: &Pad, digits: &[u8], base: Z) -> Z {
    let ascending: Vec<Z> = digits.iter().rev().map(|&digit| digit.into()).collect();
    p.horner(&ascending, base)
}

/// A numeral as the plain number that its digits spell.
fn spelled(digits: &[u8]) -> Z {
    digits.iter().fold(0, |number, &digit| 10 * number + Z::from(digit))
}

fn base_conversion(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (b, c) = (d.int(2, 9), d.int(2, 9));
    let (base, other) = (u8::try_from(b).ok()?, u8::try_from(c).ok()?);
    let free = Pad::default();
    let (x, y) = (d.int(20, 700), d.int(20, 700));
    let (dx, dy) = (digits(&free, x, b), digits(&free, y, b));
    let (nx, ny) = (numeral(&dx, base), numeral(&dy, base));
    p.recall(DEFINITION);
    match level {
        0 => {
            let mut words = p.given(0, &[spelled(&dx), b]);
            let value = read(p, &dx, b);
            p.step("Each digit counts a power of the base.".to_owned());
            let text = one_of!(
                words,
                "Write ${nx}$ in base $10$.",
                "What number, in base ten, is ${nx}$?"
            );
            Some((text, Value::whole(value)))
        }
        1 => {
            let mut words = p.given(1, &[x, b]);
            let digits = digits(p, x, b);
            p.step(format!(
                "Divide by ${b}$ again and again; the remainders, last first, are the digits."
            ));
            let text = one_of!(
                words,
                "Write the base ten number ${x}$ in base ${b}$.",
                "What is ${x}$ in base ${b}$?"
            );
            Some((text, Value::Numeral { digits, base }))
        }
        2 => {
            if b == c {
                return None;
            }
            let mut words = p.given(2, &[spelled(&dx), b, c]);
            let number = read(p, &dx, b);
            p.step(format!("In base ten it is ${number}$; divide by ${c}$ again and again."));
            let value = Value::Numeral { digits: digits(p, number, c), base: other };
            let text = one_of!(
                words,
                "Convert ${nx}$ to base ${c}$.",
                "Write ${nx}$ as a numeral in base ${c}$."
            );
            Some((text, value))
        }
        _ => {
            let mut words = p.given(3, &[spelled(&dx), b, spelled(&dy), b, b]);
            let product = p.mul(read(p, &dx, b), read(p, &dy, b));
            p.step(format!("In base ten the product is ${product}$."));
            let value = Value::Numeral { digits: digits(p, product, b), base };
            let text = one_of!(
                words,
                "Compute ${nx} \\cdot {ny}$ and write the answer in base ${b}$.",
                "What is the product of ${nx}$ and ${ny}$, in base ${b}$?",
            );
            Some((text, value))
        }
    }
}

/// `a^n` modulo `m` by squaring and multiplying.
fn power(p: &Pad, a: Z, mut n: Z, m: Z) -> Z {
    let (mut square, mut value) = (p.rem(a, m), 1);
    while n > 0 {
        if n % 2 == 1 {
            value = if value == 1 { square } else { p.rem(p.mul(value, square), m) };
        }
        n /= 2;
        if n > 0 {
            square = p.rem(p.mul(square, square), m);
        }
    }
    value % m
}

/// The number of integers from 1 to `n` that are coprime to `n`.
fn totient(p: &Pad, n: Z) -> Z {
    let step = |value, (prime, _): &(Z, usize)| p.mul(p.quotient(value, *prime), prime - 1);
    p.factor(n).iter().fold(n, step)
}

fn power_remainder(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (d.int(2, 60), d.int(2, 60));
    let (n, k) = (d.int(10, 99), d.int(10, 99));
    let m = d.int(7, [30, 50, 199][level.clamp(2, 4) - 2]);
    match level {
        1 => {
            let mut words = p.given(1, &[a, n]);
            p.recall(DEFINITION);
            let value = power(p, a, n, 10);
            p.step("Only the last digit matters; square and multiply.".to_owned());
            let text = one_of!(
                words,
                "What is the units digit of ${a}^{{{n}}}$?",
                "Find the last digit of ${a}^{{{n}}}$."
            );
            Some((text, Value::whole(value)))
        }
        2 => {
            let mut words = p.given(2, &[a, n, m]);
            let value = power(p, a, n, m);
            p.step(format!("Square and multiply, and reduce modulo ${m}$ each time."));
            let text = one_of!(
                words,
                "What is the remainder when ${a}^{{{n}}}$ is divided by ${m}$?",
                "Find the integer $r$ with $0 \\le r < {m}$ and ${a}^{{{n}}} \\equiv r \
                 \\pmod{{{m}}}$.",
            );
            Some((text, Value::whole(value)))
        }
        3 => {
            let mut words = p.given(3, &[a, n, b, k, m]);
            let (x, y) = (power(p, a, n, m), power(p, b, k, m));
            p.step(format!("The powers leave ${x}$ and ${y}$ modulo ${m}$."));
            let value = p.rem(p.add(x, y), m);
            let text = one_of!(
                words,
                "What is the remainder when ${a}^{{{n}}} + {b}^{{{k}}}$ is divided by ${m}$?",
                "Compute ${a}^{{{n}}} + {b}^{{{k}}}$ modulo ${m}$, as an integer from $0$ to ${m} \
                 - 1$.",
            );
            Some((text, Value::whole(value)))
        }
        _ => {
            if p.gcd(a, m) != 1 || a == 1 {
                return None;
            }
            let mut words = p.given(4, &[a, b, n, m]);
            p.recall(THEOREM);
            let order = totient(p, m);
            let exponent = power(p, b, n, order);
            p.step(format!(
                "By Euler's theorem the exponent counts modulo $\\varphi({m}) = \
                 {order}$, where it is ${exponent}$."
            ));
            let value = power(p, a, exponent, m);
            let text = one_of!(
                words,
                "What is the remainder when ${a}^{{{b}^{{{n}}}}}$ is divided by ${m}$?",
                "Find the remainder of ${a}^{{\\left( {b}^{{{n}}} \\right)}}$ upon division by \
                 ${m}$.",
            );
            Some((text, Value::whole(value)))
        }
    }
}

/// The inverse of `a` modulo `m` by Euclid's divisions, for coprime numbers.
fn inverse(p: &Pad, a: Z, m: Z) -> Z {
    let (mut r, mut s) = ((m, p.rem(a, m)), (0, 1));
    while r.1 > 1 {
        let quotient = p.quotient(r.0, r.1);
        r = (r.1, r.0 - quotient * r.1);
        s = (s.1, p.sub(s.0, p.mul(quotient, s.1)));
    }
    if m == 1 { 0 } else { s.1.mod_floor(&m) }
}

fn congruence(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    if level < 3 {
        let m = d.int(11, [40, 150][level - 1]);
        let (a, b) = (d.int(2, 400).mod_floor(&m), d.int(1, 400).mod_floor(&m));
        if a < 2 || b == 0 || a.gcd(&m) != 1 {
            return None;
        }
        let mut words = p.given(0, &[a, b, m]);
        p.recall(FORMULA);
        let value = p.rem(p.mul(b, inverse(p, a, m)), m);
        p.step(format!("Multiply by the inverse of ${a}$ modulo ${m}$."));
        let left = whole_sum(&[(a, "x")]);
        let text = one_of!(
            words,
            "What is the smallest nonnegative integer $x$ with ${left} \\equiv {b} \\pmod{{{m}}}$?",
            "Solve ${left} \\equiv {b} \\pmod{{{m}}}$ for $x$ with $0 \\le x < {m}$.",
        );
        return Some((text, Value::whole(value)));
    }
    let moduli = d.ints(level - 1, 11, 40);
    let remainders: Vec<Z> = moduli.iter().map(|&m| d.int(1, m as i64 - 1)).collect();
    let coprime = (0..moduli.len()).all(|i| moduli[..i].iter().all(|m| m.gcd(&moduli[i]) == 1));
    if !coprime || !distinct(&remainders) {
        return None;
    }
    let given: Vec<Z> = remainders.iter().zip(&moduli).flat_map(|(&r, &m)| [r, m]).collect();
    let mut words = p.given(1, &given);
    p.recall(THEOREM);
    let (mut x, mut step) = (remainders[0], moduli[0]);
    for (&r, &m) in remainders.iter().zip(&moduli).skip(1) {
        let k = p.rem(p.mul(p.sub(r, x), inverse(p, step, m)), m);
        x = p.add(x, p.mul(step, k));
        step = p.mul(step, m);
        p.step(format!("The conditions so far hold for ${x}$ modulo ${step}$."));
    }
    let parts: Vec<String> =
        given.chunks(2).map(|c| format!("${}$ when divided by ${}$", c[0], c[1])).collect();
    let (last, first) = parts.split_last()?;
    let parts = format!("{} and {last}", first.join(", "));
    let text = one_of!(
        words,
        "What is the smallest positive integer that leaves remainder {parts}?",
        "A number of coins leaves a remainder of {parts}. What is the least possible number of \
         coins?",
    );
    Some((text, Value::whole(x)))
}
