//! Real numbers as balls: a middle and a radius that surely covers the true value.
//!
//! A ball `(m, r, e)` is the set of all `x` with `|x - m 2^e| <= r 2^e`. Every operation returns a ball
//! that covers all results of the points of its arguments, so disjoint balls prove that two values differ.
//!
//! # Source
//! Midpoint-radius arithmetic as in F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius
//! interval arithmetic" (2017); own code on `num-bigint`.
//! # Deviations
//! None.
//! # Invariants
//! - `r >= 0`; rounding the middle by less than one unit adds at least one unit to the radius.

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::limits::{Res, Stop};

/// A real number with its error bound.
#[derive(Clone, Debug)]
pub(crate) struct Ball {
    pub(crate) m: BigInt,
    pub(crate) r: BigInt,
    pub(crate) e: i64,
}

/// Exponents beyond this are over the limits.
const MAX_EXPONENT: i64 = 1 << 40;

impl Ball {
    /// The ball with these parts, rounded to `prec` bits.
    pub(crate) fn new(m: BigInt, r: BigInt, e: i64, prec: u64) -> Res<Self> {
        let bits = m.bits().max(r.bits());
        if e.abs() > MAX_EXPONENT {
            return Err(Stop::Limit("a number is too large"));
        }
        if bits <= prec {
            return Ok(Self { m, r, e });
        }
        let shift = bits - prec;
        let exact = r.is_zero() && m.trailing_zeros().is_some_and(|z| z >= shift);
        let r = if exact { BigInt::zero() } else { (r >> shift) + 2 };
        Ok(Self { m: m >> shift, r, e: e + shift as i64 })
    }

    /// An exact integer.
    pub(crate) fn int(value: i64) -> Self {
        Self { m: value.into(), r: BigInt::zero(), e: 0 }
    }

    /// A rational.
    pub(crate) fn rational(value: &BigRational, prec: u64) -> Res<Self> {
        if value.is_integer() {
            return Self::new(value.numer().clone(), BigInt::zero(), 0, prec);
        }
        let have = value.numer().bits() as i64 - value.denom().bits() as i64;
        let shift = prec as i64 + 2 - have;
        let (quotient, e) = if shift >= 0 {
            ((value.numer() << shift) / value.denom(), -shift)
        } else {
            (value.numer() / (value.denom() << -shift), -shift)
        };
        Self::new(quotient, BigInt::one(), e, prec)
    }

    /// A value of the fixed-point scale `2^-scale` with an error of at most `error` units.
    pub(crate) fn fixed(m: BigInt, error: BigInt, scale: u64, prec: u64) -> Res<Self> {
        Self::new(m, error, -(scale as i64), prec)
    }

    /// True for an exact zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.m.is_zero() && self.r.is_zero()
    }

    /// True when zero may be the value.
    pub(crate) fn may_be_zero(&self) -> bool {
        self.m.magnitude() <= self.r.magnitude()
    }

    /// True when the value is surely positive.
    pub(crate) fn is_positive(&self) -> bool {
        !self.may_be_zero() && self.m.is_positive()
    }

    /// True when the value is surely negative.
    pub(crate) fn is_negative(&self) -> bool {
        !self.may_be_zero() && self.m.is_negative()
    }

    /// The binary order of magnitude of the largest value of the ball: `|x| < 2^top`; `i64::MIN` for 0.
    pub(crate) fn top(&self) -> i64 {
        if self.is_zero() {
            return i64::MIN;
        }
        self.m.bits().max(self.r.bits()) as i64 + 1 + self.e
    }

    /// The order of magnitude of the radius; `i64::MIN` for an exact value.
    pub(crate) fn error_top(&self) -> i64 {
        if self.r.is_zero() { i64::MIN } else { self.r.bits() as i64 + self.e }
    }

    /// Minus the value.
    pub(crate) fn neg(&self) -> Self {
        Self { m: -&self.m, r: self.r.clone(), e: self.e }
    }

    /// The absolute value.
    pub(crate) fn abs(&self) -> Self {
        Self { m: self.m.abs(), r: self.r.clone(), e: self.e }
    }

    /// The value times `2^k`.
    pub(crate) fn shift(&self, k: i64) -> Self {
        Self { m: self.m.clone(), r: self.r.clone(), e: self.e + k }
    }

    /// `self + other`.
    pub(crate) fn add(&self, other: &Self, prec: u64) -> Res<Self> {
        if self.is_zero() {
            return Ok(other.clone());
        }
        if other.is_zero() {
            return Ok(self.clone());
        }
        let (high, low) = if self.e >= other.e { (self, other) } else { (other, self) };
        let gap = (high.e - low.e) as u64;
        let reach = 4 * prec + high.m.bits() + low.m.bits() + low.r.bits();
        if gap <= reach {
            let m = (&high.m << gap) + &low.m;
            let r = (&high.r << gap) + &low.r;
            return Self::new(m, r, low.e, prec);
        }
        // The lower one is smaller than one unit of the higher one shifted by twice the precision.
        let shift = 2 * prec;
        let (m, r) = (&high.m << shift, (&high.r << shift) + 1);
        Self::new(m, r, high.e - shift as i64, prec)
    }

    /// `self - other`.
    pub(crate) fn sub(&self, other: &Self, prec: u64) -> Res<Self> {
        self.add(&other.neg(), prec)
    }

    /// `self * other`.
    pub(crate) fn mul(&self, other: &Self, prec: u64) -> Res<Self> {
        let m = &self.m * &other.m;
        let r = if self.r.is_zero() && other.r.is_zero() {
            BigInt::zero()
        } else {
            self.m.abs() * &other.r + other.m.abs() * &self.r + &self.r * &other.r
        };
        Self::new(m, r, self.e.saturating_add(other.e), prec)
    }

    /// `1 / self`.
    ///
    /// # Errors
    /// [`Stop::Undefined`] for an exact zero, [`Stop::Limit`] when zero cannot be told apart.
    pub(crate) fn inv(&self, prec: u64) -> Res<Self> {
        if self.is_zero() {
            return Err(Stop::Undefined);
        }
        if self.may_be_zero() {
            return Err(Stop::Limit("a divisor cannot be told from zero"));
        }
        // 1/(m ± r) = 1/m ± r/(|m| (|m| - r)).
        let shift = prec + self.m.bits() + 2;
        let scale = BigInt::one() << shift;
        let q = &scale / &self.m;
        let low = self.m.abs() - &self.r;
        let r = if self.r.is_zero() {
            BigInt::one()
        } else {
            (&scale * &self.r) / (self.m.abs() * low) + 2
        };
        Self::new(q, r, -self.e - shift as i64, prec)
    }

    /// `self / other`.
    pub(crate) fn div(&self, other: &Self, prec: u64) -> Res<Self> {
        self.mul(&other.inv(prec)?, prec)
    }

    /// The square root of a value that is not surely negative; below zero it is taken as zero.
    pub(crate) fn sqrt(&self, prec: u64) -> Res<Self> {
        if self.is_zero() {
            return Ok(self.clone());
        }
        let want = 2 * prec + 4;
        let mut shift = want.saturating_sub(self.m.bits()) as i64;
        if (self.e - shift) % 2 != 0 {
            shift += 1;
        }
        let m = &self.m << shift;
        let r = &self.r << shift;
        let e = (self.e - shift) / 2;
        let low = &m - &r;
        if low.sign() != Sign::Plus {
            let high = m + r;
            if high.is_negative() {
                return Err(Stop::Undefined);
            }
            return Self::new(BigInt::zero(), high.sqrt() + 1, e, prec);
        }
        let error = &r / low.sqrt() + 2;
        Self::new(m.sqrt(), error, e, prec)
    }

    /// The integer part of the value as a fixed-point number with `scale` fractional bits, and the error
    /// in the same units.
    pub(crate) fn to_fixed(&self, scale: u64) -> (BigInt, BigInt) {
        let shift = self.e + scale as i64;
        if shift >= 0 {
            (&self.m << shift, &self.r << shift)
        } else {
            let down = shift.unsigned_abs();
            (&self.m >> down, (&self.r >> down) + 2)
        }
    }

    /// The only integer of the ball's middle, when the ball is exact and an integer of moderate size.
    pub(crate) fn exact_int(&self) -> Option<i64> {
        if !self.r.is_zero() || self.e > 62 {
            return None;
        }
        if self.e >= 0 {
            return (&self.m << self.e).to_i64();
        }
        let down = self.e.unsigned_abs();
        let whole = self.m.is_zero() || self.m.trailing_zeros().is_some_and(|z| z >= down);
        whole.then(|| (&self.m >> down).to_i64()).flatten()
    }

    /// The floor, when all values of the ball share it.
    pub(crate) fn floor(&self) -> Option<BigInt> {
        if self.e > 4096 {
            return None;
        }
        let at = |m: BigInt| {
            if self.e >= 0 { m << self.e } else { m >> self.e.unsigned_abs() }
        };
        let (low, high) = (at(&self.m - &self.r), at(&self.m + &self.r));
        (low == high).then_some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ball_covers_the_value_it_stands_for() {
        let third = Ball::rational(&BigRational::new(1.into(), 3.into()), 100).expect("finite");
        let one = third.mul(&Ball::int(3), 100).expect("finite");
        assert!(one.sub(&Ball::int(1), 100).expect("finite").may_be_zero());
        let root = Ball::int(2).sqrt(100).expect("defined");
        let two = root.mul(&root, 100).expect("finite");
        let gap = two.sub(&Ball::int(2), 100).expect("finite");
        assert!(gap.may_be_zero() && gap.top() < -90, "{gap:?}");
    }

    #[test]
    fn values_that_differ_get_disjoint_balls() {
        let a = Ball::int(2).sqrt(128).expect("defined");
        let b =
            Ball::rational(&BigRational::new(665_857.into(), 470_832.into()), 128).expect("finite");
        assert!(!a.sub(&b, 128).expect("finite").may_be_zero());
    }
}
