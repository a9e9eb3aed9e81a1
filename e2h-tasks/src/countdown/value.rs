//! Exact rational values of the verifier.
//!
//! A value is a fraction `num / den` that is never reduced. While both fit in 128 bits the arithmetic is plain
//! checked integer arithmetic; beyond that it goes on in big integers, so a verdict is always exact.
//!
//! # Invariants
//! - `den` is not 0.
//! - Unreduced fractions cost no greatest common divisors, and the digits of a fraction are at most the digits
//!   of the numbers in it, up to one carry an operation: n literals cost at most O(n^2) word operations in all.

use std::fmt;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, Zero};

use super::Op;

/// An unreduced fraction.
#[derive(Clone, Debug)]
pub(super) enum Fraction {
    Small(i128, i128),
    Big(Box<(BigInt, BigInt)>),
}

/// In lowest terms; a value beyond 128 bits is only named as such.
impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Small(num, den) = self else { return f.write_str("beyond 128 bits") };
        let (num, den) = (BigInt::from(*num), BigInt::from(*den));
        let divisor = num.gcd(&den) * den.signum();
        match (num / &divisor, den / divisor) {
            (num, den) if den == BigInt::from(1) => write!(f, "{num}"),
            (num, den) => write!(f, "{num}/{den}"),
        }
    }
}

impl Fraction {
    pub(super) fn whole(value: i128) -> Self {
        Self::Small(value, 1)
    }

    pub(super) fn equals(&self, target: i128) -> bool {
        match self {
            Self::Small(num, den) => match target.checked_mul(*den) {
                Some(product) => product == *num,
                None => BigInt::from(target) * BigInt::from(*den) == BigInt::from(*num),
            },
            Self::Big(parts) => BigInt::from(target) * &parts.1 == parts.0,
        }
    }

    /// The value with its sign turned.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Small(num, den) => match num.checked_neg() {
                Some(num) => Self::Small(num, den),
                None => Self::big(-BigInt::from(num), BigInt::from(den)),
            },
            Self::Big(parts) => Self::big(-parts.0, parts.1),
        }
    }

    /// `self op other`; `None` for a division by zero.
    pub(super) fn apply(self, op: Op, other: Self) -> Option<Self> {
        if op == Op::Div && other.is_zero() {
            return None;
        }
        if let (&Self::Small(a, b), &Self::Small(c, d)) = (&self, &other)
            && let Some((num, den)) = small(a, b, op, c, d)
        {
            return Some(Self::Small(num, den));
        }
        let ((a, b), (c, d)) = (self.into_big(), other.into_big());
        Some(match op {
            Op::Add => Self::big(a * &d + c * &b, b * d),
            Op::Sub => Self::big(a * &d - c * &b, b * d),
            Op::Mul => Self::big(a * c, b * d),
            Op::Div => Self::big(a * d, b * c),
        })
    }

    fn big(num: BigInt, den: BigInt) -> Self {
        Self::Big(Box::new((num, den)))
    }

    fn into_big(self) -> (BigInt, BigInt) {
        match self {
            Self::Small(num, den) => (num.into(), den.into()),
            Self::Big(parts) => *parts,
        }
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Small(num, _) => *num == 0,
            Self::Big(parts) => parts.0.is_zero(),
        }
    }
}

fn small(a: i128, b: i128, op: Op, c: i128, d: i128) -> Option<(i128, i128)> {
    match op {
        Op::Add => Some((a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b.checked_mul(d)?)),
        Op::Sub => Some((a.checked_mul(d)?.checked_sub(c.checked_mul(b)?)?, b.checked_mul(d)?)),
        Op::Mul => Some((a.checked_mul(c)?, b.checked_mul(d)?)),
        Op::Div => Some((a.checked_mul(d)?, b.checked_mul(c)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_128_bits_stay_exact() {
        let huge = Fraction::whole(i128::MAX);
        let squared = huge.clone().apply(Op::Mul, huge.clone()).expect("no division");
        let back = squared.apply(Op::Div, huge).expect("not zero");
        assert!(back.equals(i128::MAX));
        assert!(!back.equals(i128::MAX - 1));
        assert!(Fraction::whole(i128::MIN).negated().negated().equals(i128::MIN));
    }

    #[test]
    fn division_by_zero_has_no_value() {
        assert!(Fraction::whole(1).apply(Op::Div, Fraction::whole(0)).is_none());
    }
}
