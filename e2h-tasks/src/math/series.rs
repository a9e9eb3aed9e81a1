//! Exponential, logarithm, sine, cosine and arctangent of balls.
//!
//! Each function reduces its argument, sums a Taylor series in fixed point with [`GUARD`] spare bits, and
//! adds a bound on all roundings to the radius.
//!
//! # Source
//! Taylor series; `pi = 16 atan(1/5) - 4 atan(1/239)` (Machin);
//! `ln 2 = 18 atanh(1/26) - 2 atanh(1/4801) + 8 atanh(1/8749)`.
//! # Deviations
//! None.
//! # Invariants
//! - The result covers the function's values on the whole argument ball.

use std::sync::OnceLock;

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::ball::Ball;
use super::limits::{Fuel, Res, Stop};

/// Spare bits of the inner computations.
const GUARD: u64 = 48;
/// Bits of the stored constants.
const STORED: u64 = 4608;
/// The largest argument of `exp`, `sin` and `cos`, as a power of two.
const MAX_TOP: i64 = 40;

fn atan_inverse(n: i64, scale: u64, alternate: bool) -> BigInt {
    let square = n * n;
    let mut power = (BigInt::one() << scale) / n;
    let mut sum = power.clone();
    let mut k = 1;
    while !power.is_zero() {
        power /= square;
        k += 2;
        if alternate && k % 4 == 3 {
            sum -= &power / k;
        } else {
            sum += &power / k;
        }
    }
    sum
}

fn stored_pi() -> &'static BigInt {
    static PI: OnceLock<BigInt> = OnceLock::new();
    PI.get_or_init(|| {
        let scale = STORED + GUARD;
        let sum = atan_inverse(5, scale, true) * 16 - atan_inverse(239, scale, true) * 4;
        sum >> GUARD
    })
}

fn stored_ln2() -> &'static BigInt {
    static LN2: OnceLock<BigInt> = OnceLock::new();
    LN2.get_or_init(|| {
        let scale = STORED + GUARD;
        let sum = atan_inverse(26, scale, false) * 18 - atan_inverse(4801, scale, false) * 2
            + atan_inverse(8749, scale, false) * 8;
        sum >> GUARD
    })
}

fn at_scale(stored: &BigInt, scale: u64) -> Res<BigInt> {
    let down = STORED.checked_sub(scale).ok_or(Stop::Limit("too many digits are needed"))?;
    Ok(stored >> down)
}

/// The circle number.
pub(crate) fn pi(prec: u64) -> Res<Ball> {
    let scale = prec + 4;
    Ball::fixed(at_scale(stored_pi(), scale)?, 2.into(), scale, prec)
}

fn spend(fuel: &Fuel, scale: u64) -> Res<()> {
    let words = scale / 64 + 1;
    fuel.spend(words * words * 40 + 400)
}

/// `e^x` for a fixed-point `x` of magnitude below 1; the error is below one unit.
fn exp_fixed(x: &BigInt, scale: u64) -> BigInt {
    const HALVINGS: u64 = 10;
    let inner = scale + GUARD / 2;
    let small: BigInt = (x << (GUARD / 2)) >> HALVINGS;
    let mut term = BigInt::one() << inner;
    let mut sum = term.clone();
    let mut k = 1u32;
    loop {
        term = ((term * &small) >> inner) / k;
        if term.is_zero() || term == BigInt::from(-1) {
            break;
        }
        sum += &term;
        k += 1;
    }
    for _ in 0..HALVINGS {
        sum = (&sum * &sum) >> inner;
    }
    sum >> (GUARD / 2)
}

/// `e^x`.
pub(crate) fn exp(x: &Ball, prec: u64, fuel: &Fuel) -> Res<Ball> {
    if x.is_zero() {
        return Ok(Ball::int(1));
    }
    if x.top() > MAX_TOP {
        return Err(Stop::Limit("an exponent is too large"));
    }
    let scale = prec + GUARD + x.top().max(0) as u64;
    spend(fuel, scale)?;
    let (m, r) = x.to_fixed(scale);
    let ln2 = at_scale(stored_ln2(), scale)?;
    let k = &m / &ln2;
    let rest = m - &k * ln2;
    let value = exp_fixed(&rest, scale);
    let k = k.to_i64().ok_or(Stop::Limit("an exponent is too large"))?;
    // A change of d in the argument changes the value by less than 2 d times the value while d < 1/2.
    let change: BigInt = r + BigInt::from(k.abs()) + 4;
    if change.bits() + 2 > scale {
        return Err(Stop::Limit("an exponent is not known well enough"));
    }
    let error = ((&value * change) >> (scale - 1)) + 4;
    Ball::new(value, error, k - scale as i64, prec)
}

/// The natural logarithm of a value that is surely positive.
pub(crate) fn ln(x: &Ball, prec: u64, fuel: &Fuel) -> Res<Ball> {
    if !x.is_positive() {
        return Err(if x.is_zero() {
            Stop::Undefined
        } else {
            Stop::Limit("a logarithm near zero")
        });
    }
    if x.r.is_zero() && x.exact_int() == Some(1) {
        return Ok(Ball::int(0));
    }
    let scale = prec + GUARD;
    spend(fuel, scale * 2)?;
    // x = f 2^n with f in [1/2, 1).
    let bits = x.m.bits();
    let n = x.e + bits as i64;
    let f: BigInt = if bits <= scale { &x.m << (scale - bits) } else { &x.m >> (bits - scale) };
    let start = (&f >> (scale - 52)).to_f64().unwrap_or(1.0) / (1u64 << 52) as f64;
    let mut y = BigInt::from((start.ln() * (1u64 << 52) as f64) as i64) << (scale - 52);
    // y + 2 (f - e^y) / (f + e^y) triples the number of right bits.
    let mut right = 40;
    while right < scale + 8 {
        let e = exp_fixed(&y, scale);
        y += (((&f - &e) << 1u32) << scale) / (&f + &e);
        right *= 3;
    }
    let top = n.unsigned_abs().checked_ilog2().unwrap_or(0) as u64 + 1;
    let ln2 = at_scale(stored_ln2(), scale + top)?;
    let whole: BigInt = (ln2 * n) >> top;
    // The relative error of x is an absolute one of its logarithm.
    let error =
        if x.r.is_zero() { BigInt::zero() } else { ((&x.r << (scale + 1)) / (&x.m - &x.r)) + 1 };
    Ball::fixed(whole + y, error + 64, scale, prec)
}

/// Sine and cosine.
pub(crate) fn sin_cos(x: &Ball, prec: u64, fuel: &Fuel) -> Res<(Ball, Ball)> {
    if x.is_zero() {
        return Ok((Ball::int(0), Ball::int(1)));
    }
    if x.top() > MAX_TOP {
        return Err(Stop::Limit("an angle is too large"));
    }
    let scale = prec + GUARD + x.top().max(0) as u64;
    spend(fuel, scale)?;
    let (m, r) = x.to_fixed(scale);
    let half_pi: BigInt = at_scale(stored_pi(), scale)? >> 1u32;
    // The nearest multiple of pi/2.
    let doubled: BigInt = (&m << 1u32) + &half_pi;
    let quarter = num_integer::Integer::div_floor(&doubled, &(&half_pi << 1u32));
    let rest = m - &quarter * half_pi;
    let square: BigInt = (&rest * &rest) >> scale;
    let series = |mut term: BigInt, mut k: u32| {
        let mut sum = term.clone();
        loop {
            term = -((term * &square) >> scale) / (k * (k + 1));
            if term.is_zero() || term == BigInt::from(-1) {
                return sum;
            }
            sum += &term;
            k += 2;
        }
    };
    let sin = series(rest.clone(), 2);
    let cos = series(BigInt::one() << scale, 1);
    let error: BigInt = r + quarter.abs() + 256u32;
    let turn = num_integer::Integer::mod_floor(&quarter, &BigInt::from(4)).to_i64().unwrap_or(0);
    let (sin, cos) = match turn {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    };
    Ok((Ball::fixed(sin, error.clone(), scale, prec)?, Ball::fixed(cos, error, scale, prec)?))
}

/// The arctangent.
pub(crate) fn atan(x: &Ball, prec: u64, fuel: &Fuel) -> Res<Ball> {
    if x.is_zero() {
        return Ok(x.clone());
    }
    if x.top() > 2 {
        if x.may_be_zero() {
            return Err(Stop::Limit("an angle is not known well enough"));
        }
        let quarter = pi(prec)?.shift(-1);
        let inner = atan(&x.inv(prec)?, prec, fuel)?;
        let quarter = if x.m.is_negative() { quarter.neg() } else { quarter };
        return quarter.sub(&inner, prec);
    }
    const HALVINGS: u32 = 6;
    let scale = prec + GUARD;
    spend(fuel, scale)?;
    let (mut m, r) = x.to_fixed(scale);
    let one: BigInt = BigInt::one() << scale;
    // atan x = 2 atan(x / (1 + sqrt(1 + x^2))).
    for _ in 0..HALVINGS {
        let hypotenuse = ((&one << scale) + &m * &m).sqrt();
        m = (m << scale) / (&one + hypotenuse);
    }
    let square: BigInt = (&m * &m) >> scale;
    let mut power = m.clone();
    let mut sum = m;
    let mut k = 1;
    loop {
        power = -((power * &square) >> scale);
        if power.is_zero() || power == BigInt::from(-1) || power == BigInt::one() {
            break;
        }
        k += 2;
        sum += &power / k;
    }
    Ball::fixed(sum << HALVINGS, r + (1u32 << 16), scale, prec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &Ball, b: &Ball) {
        let gap = a.sub(b, 200).expect("finite");
        assert!(gap.may_be_zero() && gap.top() < -180, "{gap:?}");
    }

    #[test]
    fn functions_satisfy_their_laws() {
        let fuel = Fuel::standard(0);
        let x = Ball { m: 12345.into(), r: BigInt::zero(), e: -12 };
        let e = exp(&x, 200, &fuel).expect("finite");
        close(&ln(&e, 200, &fuel).expect("positive"), &x);
        let (s, c) = sin_cos(&x, 200, &fuel).expect("finite");
        let one = s.mul(&s, 200).and_then(|a| a.add(&c.mul(&c, 200)?, 200)).expect("finite");
        close(&one, &Ball::int(1));
        let t = Ball { m: 700.into(), r: BigInt::zero(), e: -10 };
        let (s, c) = sin_cos(&t, 200, &fuel).expect("finite");
        close(&atan(&s.div(&c, 200).expect("finite"), 200, &fuel).expect("finite"), &t);
        let quarter = atan(&Ball::int(1), 200, &fuel).expect("finite");
        close(&quarter.shift(2), &pi(200).expect("stored"));
    }

    #[test]
    fn balls_cover_the_double_precision_values() {
        let fuel = Fuel::standard(0);
        for (num, expect) in [(3, 3f64.exp()), (-5, (-5f64).exp()), (40, 40f64.exp())] {
            let value = exp(&Ball::int(num), 100, &fuel).expect("finite");
            let shown = value.m.to_f64().expect("finite") * 2f64.powi(value.e as i32);
            assert!((shown / expect - 1.0).abs() < 1e-14);
        }
        let value = ln(&Ball::int(10), 100, &fuel).expect("positive");
        let shown = value.m.to_f64().expect("finite") * 2f64.powi(value.e as i32);
        assert!((shown - std::f64::consts::LN_10).abs() < 1e-14);
    }
}
