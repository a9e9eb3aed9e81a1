//! Exact numbers: reading them, and the integer functions that answers use.
//!
//! # Source
//! A repetend of `k` digits after `m` others: `(all - head) / (10^m (10^k - 1))`.
//! # Deviations
//! 1. `0.333...` stands for the repeating decimal when its last digits repeat.
//! # Invariants
//! - No exact number is longer than [`MAX_BITS`](super::limits::MAX_BITS).

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::ast::Node;
use super::limits::{Fuel, MAX_BITS, Res, Stop};

/// The longest literal, in digits.
const MAX_DIGITS: usize = 6_000;

fn too_large() -> Stop {
    Stop::Limit("a number is too large")
}

/// Ten to the power `n`, for small `n`.
fn ten(n: usize) -> BigInt {
    BigInt::from(10).pow(n as u32)
}

fn integer(digits: &str) -> Res<BigInt> {
    if digits.len() > MAX_DIGITS {
        return Err(too_large());
    }
    if digits.is_empty() {
        return Ok(BigInt::zero());
    }
    digits.parse().map_err(|_| Stop::Syntax("a number cannot be read"))
}

/// A rational with both parts checked for size.
pub(crate) fn checked(value: BigRational) -> Res<BigRational> {
    if value.numer().bits().max(value.denom().bits()) > MAX_BITS {
        return Err(too_large());
    }
    Ok(value)
}

/// `a / b`, without looking for a common factor where one of them is an integer of size one.
pub(crate) fn ratio(num: BigInt, den: BigInt) -> BigRational {
    if den.is_one() { BigRational::new_raw(num, den) } else { BigRational::new(num, den) }
}

/// Reads a literal: digits, at most one point, an exponent.
pub(crate) fn literal(text: &str, fuel: &Fuel) -> Res<Node> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| too_large())?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    fuel.spend((text.len() as u64).pow(2) / 256 + 4)?;
    let digits = integer(&format!("{whole}{part}"))?;
    if exponent.unsigned_abs() > 4000 {
        return Err(too_large());
    }
    let shift = exponent - part.len() as i32;
    let value = if shift >= 0 {
        ratio(digits * ten(shift as usize), BigInt::one())
    } else {
        ratio(digits, ten(shift.unsigned_abs() as usize))
    };
    let places = if exponent == 0 { part.len() as u32 } else { 0 };
    Ok(Node::Num(checked(value)?, places))
}

/// `text` followed by `repetend` without end.
pub(crate) fn repeating(text: &str, repetend: &str) -> Res<Node> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if repetend.len() > 500 {
        return Err(too_large());
    }
    let head = integer(&format!("{whole}{part}"))?;
    let all = integer(&format!("{whole}{part}{repetend}"))?;
    let den = ten(part.len()) * (ten(repetend.len()) - 1);
    Ok(Node::Num(checked(ratio(all - head, den))?, 0))
}

/// `text` followed by dots: the shortest repetend that its digits show at least twice, three times for one
/// digit.
pub(crate) fn continued(text: &str) -> Res<Node> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    for period in 1..=part.len() / 2 {
        let times = if period == 1 { 3 } else { 2 };
        let Some(start) = part.len().checked_sub(period * times) else {
            continue;
        };
        let tail = part.as_bytes().get(start..).unwrap_or_default();
        let repeats = tail.chunks(period).all(|chunk| chunk == &tail[..period]);
        if repeats && part.is_ascii() {
            let repetend = &part[part.len() - period..];
            return repeating(&format!("{whole}.{}", &part[..start]), repetend);
        }
    }
    Err(Stop::Syntax("dots after digits that do not repeat"))
}

/// The number that `digits` write in `base`.
pub(crate) fn based(digits: &str, base: u32) -> Res<Node> {
    if !(2..=36).contains(&base) || digits.len() > 200 {
        return Err(Stop::Syntax("a base is out of range"));
    }
    let mut value = BigInt::zero();
    for c in digits.chars() {
        let digit = c.to_digit(36).filter(|d| *d < base);
        let digit = digit.ok_or(Stop::Syntax("a digit is too large for its base"))?;
        value = value * base + digit;
    }
    Ok(Node::Based(digits.to_uppercase(), base, ratio(value, BigInt::one())))
}

/// Greatest common divisor of positive numbers; the longer one is reduced first.
fn gcd(a: &BigInt, b: &BigInt, fuel: &Fuel) -> Res<BigInt> {
    if a.is_one() || b.is_one() {
        return Ok(BigInt::one());
    }
    let words = |x: &BigInt| x.bits() / 64 + 1;
    fuel.spend(words(a) * words(b) / 4 + 4)?;
    let (long, short) = if a.bits() >= b.bits() { (a, b) } else { (b, a) };
    let rest = if long.bits() > short.bits() + 64 { long % short } else { long.clone() };
    fuel.spend(words(short).pow(2) * 16)?;
    Ok(rest.gcd(short))
}

/// `num / den` in lowest terms, for a positive `den`.
fn reduced(num: BigInt, den: BigInt, fuel: &Fuel) -> Res<BigRational> {
    let divisor = gcd(&num.abs(), &den, fuel)?;
    if divisor.is_one() || num.is_zero() {
        let den = if num.is_zero() { BigInt::one() } else { den };
        return checked(BigRational::new_raw(num, den));
    }
    checked(BigRational::new_raw(num / &divisor, den / &divisor))
}

/// `a + b`.
pub(crate) fn add(a: &BigRational, b: &BigRational, fuel: &Fuel) -> Res<BigRational> {
    fuel.spend(cost(a, b))?;
    if a.denom() == b.denom() {
        return reduced(a.numer() + b.numer(), a.denom().clone(), fuel);
    }
    reduced(a.numer() * b.denom() + b.numer() * a.denom(), a.denom() * b.denom(), fuel)
}

/// `a * b`.
pub(crate) fn mul(a: &BigRational, b: &BigRational, fuel: &Fuel) -> Res<BigRational> {
    if a.is_one() || b.is_one() {
        return Ok(if a.is_one() { b.clone() } else { a.clone() });
    }
    fuel.spend(cost(a, b))?;
    reduced(a.numer() * b.numer(), a.denom() * b.denom(), fuel)
}

/// `1 / a`.
pub(crate) fn reciprocal(a: &BigRational) -> Res<BigRational> {
    if a.is_zero() { Err(Stop::Undefined) } else { Ok(a.recip()) }
}

/// The words of work of one product.
fn cost(a: &BigRational, b: &BigRational) -> u64 {
    let size = |r: &BigRational| (r.numer().bits() + r.denom().bits()) / 64 + 1;
    size(a) * size(b) / 4 + 2
}

/// `a^n`.
pub(crate) fn pow(a: &BigRational, n: i64, fuel: &Fuel) -> Res<BigRational> {
    if a.is_zero() && n <= 0 {
        return Err(Stop::Undefined);
    }
    let bits = a.numer().bits().max(a.denom().bits());
    let unit = a.numer().abs().is_one() && a.denom().is_one();
    if n.unsigned_abs() == 1 {
        return Ok(if n < 0 { a.recip() } else { a.clone() });
    }
    if unit {
        return Ok(if n % 2 == 0 { BigRational::one() } else { a.clone() });
    }
    let size = bits.saturating_mul(n.unsigned_abs());
    if size > MAX_BITS + 64 {
        return Err(too_large());
    }
    fuel.spend(size / 16 + (size / 64).pow(2) + 4)?;
    let n32 = u32::try_from(n.unsigned_abs()).map_err(|_| too_large())?;
    let power = BigRational::new_raw(a.numer().pow(n32), a.denom().pow(n32));
    checked(if n < 0 { power.recip() } else { power })
}

/// The product `n (n - step) (n - 2 step) ...`.
pub(crate) fn factorial(n: &BigRational, step: u32, fuel: &Fuel) -> Res<BigRational> {
    if !n.is_integer() || n.is_negative() {
        return Err(Stop::Unsupported);
    }
    let n = n.numer().to_u32().filter(|n| *n <= 2100 * step).ok_or_else(too_large)?;
    let mut product = BigInt::one();
    let mut k = n;
    while k > 1 {
        fuel.spend(product.bits() / 1024 + 2)?;
        product *= k;
        k = k.saturating_sub(step);
    }
    checked(BigRational::new_raw(product, BigInt::one()))
}

/// `n` choose `k`.
pub(crate) fn binomial(n: &BigRational, k: &BigRational, fuel: &Fuel) -> Res<BigRational> {
    let n = n.is_integer().then(|| n.numer().to_u64()).flatten().ok_or(Stop::Unsupported)?;
    let k = k.is_integer().then(|| k.numer().to_u64()).flatten().ok_or(Stop::Unsupported)?;
    if k > n {
        return Ok(BigRational::zero());
    }
    let k = k.min(n - k);
    let mut product = BigInt::one();
    for i in 0..k {
        fuel.spend(product.bits() / 16 + 4)?;
        if product.bits() > MAX_BITS {
            return Err(too_large());
        }
        product = product * (n - i) / (i + 1);
    }
    Ok(BigRational::new_raw(product, BigInt::one()))
}

/// The exact `n`-th root of a non-negative rational, if it is rational.
pub(crate) fn exact_root(a: &BigRational, n: u32, fuel: &Fuel) -> Res<Option<BigRational>> {
    let bits = a.numer().bits().max(a.denom().bits());
    fuel.spend((bits / 64 + 1).pow(2) * 8)?;
    let root = |x: &BigInt| {
        let r = x.nth_root(n);
        (r.pow(n) == *x).then_some(r)
    };
    if a.is_negative() || n == 0 || n > 4096 {
        return Ok(None);
    }
    Ok(root(a.numer()).zip(root(a.denom())).map(|(p, q)| BigRational::new_raw(p, q)))
}

/// Greatest common divisor or least common multiple of integers.
pub(crate) fn common(values: &[BigRational], least: bool, fuel: &Fuel) -> Res<BigRational> {
    let mut result: Option<BigInt> = None;
    for value in values {
        if !value.is_integer() {
            return Err(Stop::Unsupported);
        }
        fuel.spend(value.numer().bits() / 4 + 4)?;
        result = Some(match result {
            None => value.numer().abs(),
            Some(r) if least => r.lcm(value.numer()),
            Some(r) => r.gcd(value.numer()),
        });
    }
    checked(BigRational::new_raw(result.ok_or(Stop::Unsupported)?, BigInt::one()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(node: Node) -> String {
        match node {
            Node::Num(value, _) | Node::Based(_, _, value) => value.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn repetends_are_exact() {
        assert_eq!(value(repeating("0.1", "6").expect("reads")), "1/6");
        assert_eq!(value(continued("0.333").expect("reads")), "1/3");
        assert_eq!(value(continued("2.1454545").expect("reads")), "118/55");
        assert!(continued("3.1415").is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        let fuel = Fuel::standard(0);
        assert!(pow(&BigRational::from_integer(9.into()), 387_420_489, &fuel).is_err());
        assert!(factorial(&BigRational::from_integer(100_000.into()), 1, &fuel).is_err());
        assert_eq!(value(based("A5", 11).expect("reads")), "115");
    }
}
