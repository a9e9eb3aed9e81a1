//! Complex balls: pairs of real balls, with principal values of roots and logarithms.
//!
//! # Source
//! Elementary formulas.
//! # Deviations
//! None.
//! # Invariants
//! - A value that is real by construction keeps an imaginary part that is exactly zero.

use num_bigint::BigInt;
use num_traits::Zero;

use super::ball::Ball;
use super::limits::{Fuel, Res, Stop};
use super::series;

/// A complex number with error bounds.
#[derive(Clone, Debug)]
pub(crate) struct Complex {
    pub(crate) re: Ball,
    pub(crate) im: Ball,
}

/// Precision and fuel of a computation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    pub(crate) prec: u64,
    pub(crate) fuel: &'a Fuel,
}

impl Work<'_> {
    fn spend(&self, times: u64) -> Res<()> {
        let words = self.prec / 64 + 1;
        self.fuel.spend(words * words * times + 8)
    }
}

impl Complex {
    /// A real number.
    pub(crate) fn real(re: Ball) -> Self {
        Self { re, im: Ball::int(0) }
    }

    /// True when the value is real by construction.
    pub(crate) fn is_real(&self) -> bool {
        self.im.is_zero()
    }

    /// Minus the value.
    pub(crate) fn neg(&self) -> Self {
        Self { re: self.re.neg(), im: self.im.neg() }
    }

    /// `self + other`.
    pub(crate) fn add(&self, other: &Self, work: Work<'_>) -> Res<Self> {
        work.spend(1)?;
        Ok(Self { re: self.re.add(&other.re, work.prec)?, im: self.im.add(&other.im, work.prec)? })
    }

    /// `self * other`.
    pub(crate) fn mul(&self, other: &Self, work: Work<'_>) -> Res<Self> {
        let p = work.prec;
        work.spend(3)?;
        if self.is_real() && other.is_real() {
            return Ok(Self::real(self.re.mul(&other.re, p)?));
        }
        let re = self.re.mul(&other.re, p)?.sub(&self.im.mul(&other.im, p)?, p)?;
        let im = self.re.mul(&other.im, p)?.add(&self.im.mul(&other.re, p)?, p)?;
        Ok(Self { re, im })
    }

    /// `1 / self`.
    pub(crate) fn inv(&self, work: Work<'_>) -> Res<Self> {
        let p = work.prec;
        work.spend(6)?;
        if self.is_real() {
            return Ok(Self::real(self.re.inv(p)?));
        }
        let square = self.re.mul(&self.re, p)?.add(&self.im.mul(&self.im, p)?, p)?;
        let inverse = square.inv(p)?;
        Ok(Self { re: self.re.mul(&inverse, p)?, im: self.im.neg().mul(&inverse, p)? })
    }

    /// The absolute value.
    pub(crate) fn abs(&self, work: Work<'_>) -> Res<Ball> {
        let p = work.prec;
        work.spend(8)?;
        if self.is_real() {
            return Ok(self.re.abs());
        }
        self.re.mul(&self.re, p)?.add(&self.im.mul(&self.im, p)?, p)?.sqrt(p)
    }

    /// The principal square root.
    pub(crate) fn sqrt(&self, work: Work<'_>) -> Res<Self> {
        let p = work.prec;
        work.spend(16)?;
        if self.is_real() {
            if self.re.is_zero() || self.re.is_positive() {
                return Ok(Self::real(self.re.sqrt(p)?));
            }
            if self.re.is_negative() {
                return Ok(Self { re: Ball::int(0), im: self.re.neg().sqrt(p)? });
            }
            // The sign is not known: the root is small in both directions.
            let bound = self.re.abs().add(&Ball { m: BigInt::zero(), ..self.re.clone() }, p)?;
            let root = bound.sqrt(p)?;
            return Ok(Self { re: root.clone(), im: spread(&root) });
        }
        let size = self.abs(work)?;
        if self.re.is_negative() {
            let im = size.sub(&self.re, p)?.shift(-1).sqrt(p)?;
            let im = if self.im.is_negative() { im.neg() } else { im };
            if self.im.may_be_zero() {
                return Err(Stop::Limit("a root lies on its cut"));
            }
            return Ok(Self { re: self.im.div(&im.shift(1), p)?, im });
        }
        let re = size.add(&self.re, p)?.shift(-1).sqrt(p)?;
        Ok(Self { im: self.im.div(&re.shift(1), p)?, re })
    }

    /// The exponential.
    pub(crate) fn exp(&self, work: Work<'_>) -> Res<Self> {
        let size = series::exp(&self.re, work.prec, work.fuel)?;
        if self.is_real() {
            return Ok(Self::real(size));
        }
        let (sin, cos) = series::sin_cos(&self.im, work.prec, work.fuel)?;
        Ok(Self { re: size.mul(&cos, work.prec)?, im: size.mul(&sin, work.prec)? })
    }

    /// The argument, in `(-pi, pi]`.
    pub(crate) fn arg(&self, work: Work<'_>) -> Res<Ball> {
        let p = work.prec;
        if self.is_real() {
            if self.re.is_positive() {
                return Ok(Ball::int(0));
            }
            if self.re.is_negative() {
                return series::pi(p);
            }
            return Err(if self.re.is_zero() {
                Stop::Undefined
            } else {
                Stop::Limit("the sign of a value is not known")
            });
        }
        if self.re.is_positive() {
            return series::atan(&self.im.div(&self.re, p)?, p, work.fuel);
        }
        if self.im.may_be_zero() {
            return Err(Stop::Limit("a logarithm lies on its cut"));
        }
        let quarter = series::pi(p)?.shift(-1);
        let rest = series::atan(&self.re.div(&self.im, p)?, p, work.fuel)?;
        let quarter = if self.im.is_negative() { quarter.neg() } else { quarter };
        quarter.sub(&rest, p)
    }

    /// The principal logarithm.
    pub(crate) fn ln(&self, work: Work<'_>) -> Res<Self> {
        let size = self.abs(work)?;
        let re = series::ln(&size, work.prec, work.fuel)?;
        Ok(Self { re, im: self.arg(work)? })
    }

    /// A power with an integer exponent.
    pub(crate) fn powi(&self, n: i64, work: Work<'_>) -> Res<Self> {
        if self.re.is_zero() && self.im.is_zero() && n <= 0 {
            return Err(Stop::Undefined);
        }
        let mut result = Self::real(Ball::int(1));
        let mut square = self.clone();
        let mut left = n.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                result = result.mul(&square, work)?;
            }
            left >>= 1;
            if left > 0 {
                square = square.mul(&square, work)?;
            }
        }
        if n < 0 { result.inv(work) } else { Ok(result) }
    }

    /// The principal power.
    pub(crate) fn pow(&self, exponent: &Self, work: Work<'_>) -> Res<Self> {
        if exponent.is_real()
            && let Some(n) = exponent.re.exact_int()
        {
            return self.powi(n, work);
        }
        if self.re.is_zero() && self.im.is_zero() {
            let zero = exponent.is_real() && exponent.re.is_positive();
            return if zero { Ok(self.clone()) } else { Err(Stop::Undefined) };
        }
        self.ln(work)?.mul(exponent, work)?.exp(work)
    }
}

/// A ball around zero that reaches as far as `ball`.
fn spread(ball: &Ball) -> Ball {
    let reach: BigInt = BigInt::from(ball.m.magnitude().clone()) + &ball.r;
    Ball { m: BigInt::zero(), r: reach, e: ball.e }
}
