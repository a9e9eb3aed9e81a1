//! Number theory: divisors, factorials, coprime numbers, coins.
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

use super::draw::Draw;
use super::latex;
use super::pad::{DEFINITION, FORMULA, Pad, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::NumberTheory;

pub(super) const TEMPLATES: [Template; 5] = [
    Template::new("gcd_lcm", S, (0, 2), gcd_lcm),
    Template::new("divisors", S, (0, 2), divisors),
    Template::new("factorial_exponent", S, (1, 4), factorial_exponent),
    Template::new("coprime_count", S, (2, 4), coprime_count),
    Template::new("two_coins", S, (2, 3), two_coins),
];

/// The factorisation as LaTeX.
fn shown(factors: &[(Z, usize)]) -> String {
    let powers: Vec<String> = factors.iter().map(|(prime, e)| format!("{prime}^{{{e}}}")).collect();
    powers.join(" \\cdot ")
}

fn gcd_lcm(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (g, low, high) = (d.int(2, [9, 12, 99][level]), [2, 2, 40][level], [12, 15, 99][level]);
    let (a, b) = (g * d.int(low, high), g * d.int(low, high));
    if a == b {
        return None;
    }
    let least = level == 1;
    let mut words = p.given(u16::from(least), &[a, b]);
    p.recall(DEFINITION);
    p.step(format!("Euclid's divisions of ${a}$ and ${b}$ end at ${}$.", a.gcd(&b)));
    if least {
        let text = one_of!(
            words,
            "What is the least common multiple of ${a}$ and ${b}$?",
            "Find the smallest positive integer that is a multiple of both ${a}$ and ${b}$.",
            "Two lights flash together now, one every ${a}$ seconds, the other every ${b}$ \
             seconds. After how many seconds do they next flash together?",
        );
        return Some((text, Value::whole(p.lcm(a, b))));
    }
    let text = one_of!(
        words,
        "What is the greatest common divisor of ${a}$ and ${b}$?",
        "Find the largest integer that divides both ${a}$ and ${b}$.",
        "A floor of ${a}$ by ${b}$ centimeters is covered by equal square tiles, as large as \
         possible and none cut. How many centimeters long is the side of a tile?",
    );
    Some((text, Value::whole(p.gcd(a, b))))
}

fn divisors(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int([20, 100, 1_000][level], [999, 2_000, 9_999][level]);
    let factors = p.factor(n);
    if factors.iter().map(|(_, e)| e).sum::<usize>() < [2, 3, 5][level] || factors.last()?.0 > 50 {
        return None;
    }
    p.recall(FORMULA);
    p.step(format!("${n} = {}$.", shown(&factors)));
    let exponents =
        |extra: usize| -> Vec<Z> { factors.iter().map(|&(_, e)| (e + extra) as Z).collect() };
    match level {
        0 => {
            let mut words = p.given(0, &[n]);
            let text = one_of!(
                words,
                "How many positive divisors does ${n}$ have?",
                "Find the number of positive integers that divide ${n}$."
            );
            Some((text, Value::whole(p.product(&exponents(1)))))
        }
        1 => {
            let mut words = p.given(1, &[n]);
            let sums: Vec<Z> = factors
                .iter()
                .map(|&(prime, e)| p.sum(&(0..=e).map(|k| p.pow(prime, k)).collect::<Vec<Z>>()))
                .collect();
            p.step(format!(
                "Sum the powers of each prime: ${}$; multiply these.",
                latex::join(&sums, ", ")
            ));
            let text = one_of!(
                words,
                "What is the sum of all positive divisors of ${n}$?",
                "Add up all positive integers that divide ${n}$. What is the result?"
            );
            Some((text, Value::whole(p.product(&sums))))
        }
        _ => {
            let mut words = p.given(2, &[n]);
            p.recall(THEOREM);
            let squares: Vec<Z> =
                exponents(0).iter().map(|&e| p.add(p.quotient(p.mul(2, e), 2), 1)).collect();
            p.step(
                "A divisor of the square whose root is whole takes each prime an even number of \
                 times."
                    .to_owned(),
            );
            let text = one_of!(
                words,
                "How many positive divisors of ${n}^2$ are perfect squares?",
                "Find the number of perfect squares that divide ${n}^2$.",
            );
            Some((text, Value::whole(p.product(&squares))))
        }
    }
}

/// The exponent of a prime in `n!` by Legendre's sum.
fn legendre(p: &Pad, mut n: Z, prime: Z) -> Z {
    let mut parts = Vec::new();
    while n >= prime {
        n = p.quotient(n, prime);
        parts.push(n);
    }
    p.sum(&parts)
}

fn factorial_exponent(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int(30, [2_500, 900, 600, 2_500][level - 1]);
    p.recall([FORMULA, FORMULA, THEOREM, THEOREM][level - 1]);
    match level {
        1 => {
            let mut words = p.given(1, &[n]);
            let value = legendre(p, n, 5);
            p.step("Count the factors $5$: multiples of $5$, of $25$, and so on.".to_owned());
            let text = one_of!(
                words,
                "How many zeros are at the end of ${n}!$?",
                "In how many zeros does the decimal form of ${n}!$ end?"
            );
            Some((text, Value::whole(value)))
        }
        2 => {
            let prime = d.pick(&[2, 3, 5, 7]);
            let mut words = p.given(2, &[prime, n]);
            let value = legendre(p, n, prime);
            p.step(format!("Count the multiples of ${prime}$ and of its powers up to ${n}$."));
            let text = one_of!(
                words,
                "What is the largest integer $k$ such that ${prime}^k$ divides ${n}!$?",
                "Find the exponent of ${prime}$ in the prime factorization of ${n}!$.",
            );
            Some((text, Value::whole(value)))
        }
        3 => {
            let base = d.pick(&[6, 12, 18, 20, 24, 36, 40, 45, 48, 50, 60, 72, 80, 90]);
            let mut words = p.given(3, &[base, n]);
            let limits: Vec<Z> = p
                .factor(base)
                .iter()
                .map(|&(prime, e)| p.quotient(legendre(p, n, prime), e as Z))
                .collect();
            let value = *limits.iter().min()?;
            p.step(format!(
                "The primes of ${base}$ allow the exponents ${}$; the least one counts.",
                latex::join(&limits, ", ")
            ));
            let text = one_of!(
                words,
                "What is the largest integer $k$ such that ${base}^k$ divides ${n}!$?",
                "Find the greatest integer $k$ for which ${n}!$ is a multiple of ${base}^k$.",
            );
            Some((text, Value::whole(value)))
        }
        _ => {
            let (k, prime) = (d.int(10, n as i64 - 10), d.pick(&[2, 3]));
            let mut words = p.given(4, &[prime, n, k]);
            let [top, one, two] = [n, k, n - k].map(|n| legendre(p, n, prime));
            p.step(format!(
                "The factorials hold ${prime}$ with exponents ${top}$, ${one}$ and ${two}$."
            ));
            let value = p.sub(top, p.add(one, two));
            let text = one_of!(
                words,
                "What is the exponent of ${prime}$ in the prime factorization of \
                 $\\binom{{{n}}}{{{k}}}$?",
                "Find the largest integer $m$ such that ${prime}^m$ divides \
                 $\\binom{{{n}}}{{{k}}}$.",
            );
            Some((text, Value::whole(value)))
        }
    }
}

/// Sums `term(d)` over the square-free divisors of a number, with the sign of inclusion and exclusion.
fn sieve(primes: &[(Z, usize)], p: &Pad, term: impl Fn(Z) -> Z) -> Z {
    (0..1_usize << primes.len()).fold(0, |sum, subset| {
        let chosen: Vec<Z> =
            (0..primes.len()).filter(|i| subset >> i & 1 == 1).map(|i| primes[i].0).collect();
        let value = term(p.product(&chosen));
        if chosen.len().is_multiple_of(2) { p.add(sum, value) } else { p.sub(sum, value) }
    })
}

fn coprime_count(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int([30, 12, 12][level - 2], [1_500, 300, 300][level - 2]);
    let limit = d.int(50, 999);
    let primes = p.factor(n);
    if !(2..=3).contains(&primes.len()) {
        return None;
    }
    p.recall(FORMULA);
    p.step(format!("${n} = {}$.", shown(&primes)));
    match level {
        2 => {
            let mut words = p.given(2, &[n]);
            let value = primes
                .iter()
                .fold(n, |value, &(prime, _)| p.mul(p.quotient(value, prime), prime - 1));
            let text = one_of!(
                words,
                "How many positive integers less than ${n}$ are relatively prime to ${n}$?",
                "How many of the fractions $\\frac{{k}}{{{n}}}$ with $1 \\le k < {n}$ are in \
                 lowest terms?",
            );
            Some((text, Value::whole(value)))
        }
        3 => {
            let mut words = p.given(3, &[limit, n]);
            p.recall(THEOREM);
            let value = sieve(&primes, p, |d| p.quotient(limit, d));
            p.step("Count by inclusion and exclusion over these primes.".to_owned());
            let text = one_of!(
                words,
                "How many integers from $1$ to ${limit}$ are relatively prime to ${n}$?",
                "How many positive integers not greater than ${limit}$ share no prime factor with \
                 ${n}$?",
            );
            Some((text, Value::whole(value)))
        }
        _ => {
            let mut words = p.given(4, &[limit, n]);
            p.recall(THEOREM);
            let sum = |d| {
                let k = p.quotient(limit, d);
                p.mul(d, p.quotient(p.mul(k, p.add(k, 1)), 2))
            };
            let value = sieve(&primes, p, sum);
            p.step("Sum the multiples by inclusion and exclusion over these primes.".to_owned());
            let text = one_of!(
                words,
                "What is the sum of all integers from $1$ to ${limit}$ that are relatively prime \
                 to ${n}$?",
                "Find the sum of the positive integers up to ${limit}$ that have no prime factor \
                 in common with ${n}$.",
            );
            Some((text, Value::whole(value)))
        }
    }
}

fn two_coins(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (d.int(5, 60), d.int(5, 60));
    if a >= b || a.gcd(&b) != 1 {
        return None;
    }
    p.recall(THEOREM);
    let largest = p.sub(p.sub(p.mul(a, b), a), b);
    p.step(format!(
        "The largest amount that cannot be paid is ${a} \\cdot {b} - {a} - {b} = {largest}$."
    ));
    if level == 2 {
        let mut words = p.given(2, &[a, b]);
        let text = one_of!(
            words,
            "Stamps are worth ${a}$ and ${b}$ cents. What is the largest number of cents that no \
             set of these stamps is worth?",
            "What is the greatest integer that cannot be written as ${a}m + {b}n$ with nonnegative \
             integers $m$ and $n$?",
        );
        return Some((text, Value::whole(largest)));
    }
    let g = d.int(2, 6);
    let limit = g * (largest + d.int(1, 200));
    let mut words = p.given(3, &[g * a, g * b, limit]);
    p.recall(THEOREM);
    let common = p.gcd(g * a, g * b);
    let gaps = p.quotient(p.mul(p.sub(a, 1), p.sub(b, 1)), 2);
    p.step(format!(
        "Amounts are multiples of ${common}$, and ${gaps}$ of these multiples cannot be paid."
    ));
    let value = p.sub(p.quotient(limit, common), gaps);
    let (a, b) = (g * a, g * b);
    let text = one_of!(
        words,
        "Coins are worth ${a}$ and ${b}$ units. How many of the amounts from $1$ to ${limit}$ \
         units can be paid exactly with such coins?",
        "How many integers from $1$ to ${limit}$ are of the form ${a}m + {b}n$ with nonnegative \
         integers $m$ and $n$?",
    );
    Some((text, Value::whole(value)))
}
