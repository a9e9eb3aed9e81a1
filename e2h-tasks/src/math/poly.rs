//! Polynomials over the rationals in named atoms, with rational exponents.
//!
//! A monomial is a product of atoms with exponents; a polynomial maps monomials to coefficients that are
//! not zero. Reductions are applied when monomials meet: `i^2 = -1`, and the whole part of the exponent of
//! a prime moves into the coefficient.
//!
//! # Source
//! Square-free radicals of different primes are linearly independent over the rationals (Besicovitch
//! 1940), so a polynomial in them is zero only when it has no term.
//! # Deviations
//! None.
//! # Invariants
//! - No coefficient is zero; atoms of a monomial are in ascending order with exponents other than 0.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::{BigRational, Ratio};
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::limits::{Fuel, Res, Stop};
use super::number;

/// An exponent.
pub(crate) type Exponent = Ratio<i64>;
/// Atoms with their exponents.
pub(crate) type Mono = Vec<(u32, Exponent)>;

/// What an atom stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Atom {
    /// A variable.
    Var(String),
    /// The circle number.
    Pi,
    /// Euler's number.
    E,
    /// The imaginary unit.
    I,
    /// A prime under a root.
    Prime(BigInt),
    /// A factor under a root that was not split further.
    Cofactor(BigInt),
    /// Anything else, by its canonical text.
    Opaque(String),
}

/// The atoms of one comparison.
#[derive(Debug)]
pub(crate) struct Atoms<'a> {
    pub(crate) list: Vec<Atom>,
    pub(crate) fuel: &'a Fuel,
}

/// A polynomial.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Poly(pub(crate) BTreeMap<Mono, BigRational>);

fn exponent_sum(a: Exponent, b: Exponent) -> Res<Exponent> {
    let limit = 1 << 24;
    let small = |x: &Exponent| x.numer().abs() < limit && *x.denom() < 4096;
    if small(&a) && small(&b) {
        let sum = a + b;
        if small(&sum) {
            return Ok(sum);
        }
    }
    Err(Stop::Limit("an exponent is too large"))
}

impl Atoms<'_> {
    /// The number of an atom.
    pub(crate) fn id(&mut self, atom: Atom) -> Res<u32> {
        self.fuel.spend(self.list.len() as u64 + 1)?;
        if let Some(i) = self.list.iter().position(|a| *a == atom) {
            return Ok(i as u32);
        }
        self.list.push(atom);
        Ok(self.list.len() as u32 - 1)
    }

    /// The product of two monomials, and the factor that reductions put into the coefficient.
    pub(crate) fn mono_mul(&self, a: &Mono, b: &Mono) -> Res<(BigRational, Mono)> {
        self.fuel.spend((a.len() + b.len()) as u64 * 4 + 2)?;
        let mut out: Mono = Vec::with_capacity(a.len() + b.len());
        let mut factor = BigRational::one();
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let (atom, exponent) = match (a.get(i), b.get(j)) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    i += 1;
                    j += 1;
                    (x.0, exponent_sum(x.1, y.1)?)
                }
                (Some(x), Some(y)) if x.0 < y.0 => {
                    i += 1;
                    *x
                }
                (Some(x), None) => {
                    i += 1;
                    *x
                }
                (_, Some(y)) => {
                    j += 1;
                    *y
                }
                (None, None) => break,
            };
            let left = self.reduce(atom, exponent, &mut factor)?;
            if !left.is_zero() {
                out.push((atom, left));
            }
        }
        Ok((factor, out))
    }

    /// The exponent that stays after reduction.
    fn reduce(&self, atom: u32, exponent: Exponent, factor: &mut BigRational) -> Res<Exponent> {
        match self.list.get(atom as usize) {
            Some(Atom::I) => {
                if !exponent.is_integer() {
                    return Err(Stop::Unsupported);
                }
                let turns = exponent.numer().rem_euclid(4);
                if turns >= 2 {
                    *factor = -factor.clone();
                }
                Ok(Exponent::from_integer(turns % 2))
            }
            Some(Atom::Prime(p) | Atom::Cofactor(p)) => {
                let whole = exponent.floor();
                if !whole.is_zero() {
                    let base = BigRational::from_integer(p.clone());
                    let power = number::pow(&base, *whole.numer(), self.fuel)?;
                    *factor = number::mul(factor, &power, self.fuel)?;
                }
                Ok(exponent - whole)
            }
            _ => Ok(exponent),
        }
    }

    /// `a + b`.
    pub(crate) fn add(&self, mut a: Poly, b: &Poly) -> Res<Poly> {
        for (mono, coefficient) in &b.0 {
            self.add_term(&mut a, mono.clone(), coefficient)?;
        }
        Ok(a)
    }

    fn add_term(&self, a: &mut Poly, mono: Mono, coefficient: &BigRational) -> Res<()> {
        self.fuel.spend(16)?;
        let sum = match a.0.get(&mono) {
            Some(have) => number::add(have, coefficient, self.fuel)?,
            None => coefficient.clone(),
        };
        if sum.is_zero() {
            a.0.remove(&mono);
        } else {
            a.0.insert(mono, sum);
        }
        Ok(())
    }

    /// `a * b`.
    pub(crate) fn mul(&self, a: &Poly, b: &Poly) -> Res<Poly> {
        let mut out = Poly::default();
        for (x, p) in &a.0 {
            for (y, q) in &b.0 {
                let (factor, mono) = self.mono_mul(x, y)?;
                let mut coefficient = number::mul(p, q, self.fuel)?;
                if !factor.is_one() {
                    coefficient = number::mul(&coefficient, &factor, self.fuel)?;
                }
                self.add_term(&mut out, mono, &coefficient)?;
            }
        }
        Ok(out)
    }

    /// `a^n` for a natural number.
    pub(crate) fn pow(&self, a: &Poly, n: u64) -> Res<Poly> {
        if let Some((mono, coefficient)) = a.single() {
            return self.mono_pow(mono, coefficient, n as i64);
        }
        if n > 64 {
            return Err(Stop::Unsupported);
        }
        let mut out = Poly::constant(BigRational::one());
        for _ in 0..n {
            out = self.mul(&out, a)?;
        }
        Ok(out)
    }

    /// A single term to an integer power.
    pub(crate) fn mono_pow(&self, mono: &Mono, coefficient: &BigRational, n: i64) -> Res<Poly> {
        if n.abs() > 1 << 20 {
            return Err(Stop::Limit("an exponent is too large"));
        }
        let mut raised: Mono = Vec::with_capacity(mono.len());
        for (atom, exponent) in mono {
            let product = exponent.numer().checked_mul(n).ok_or(Stop::Unsupported)?;
            raised.push((*atom, Exponent::new(product, *exponent.denom())));
        }
        raised.retain(|(_, e)| !e.is_zero());
        let power = number::pow(coefficient, n, self.fuel)?;
        let (factor, mono) = self.mono_mul(&raised, &Vec::new())?;
        let coefficient = number::mul(&power, &factor, self.fuel)?;
        Ok(Poly(BTreeMap::from([(mono, coefficient)])))
    }

    /// `n^(1/q)` of a positive integer to the power `times`, as primes under roots.
    pub(crate) fn integer_root(&mut self, n: &BigInt, exponent: Exponent) -> Res<Poly> {
        let mut rest = n.clone();
        let mut mono: Vec<(u32, Exponent)> = Vec::new();
        let mut p = 2u32;
        while p < 1000 && !rest.is_one() {
            let small = rest.to_u64();
            self.fuel.spend(rest.bits() / 64 + 1)?;
            if small.is_some_and(|r| u64::from(p) * u64::from(p) > r) {
                break;
            }
            let mut count = 0;
            while (&rest % p).is_zero() {
                rest /= p;
                count += 1;
                self.fuel.spend(rest.bits() / 64 + 2)?;
            }
            if count > 0 {
                mono.push((self.id(Atom::Prime(p.into()))?, exponent * count));
            }
            p += if p == 2 { 1 } else { 2 };
        }
        if !rest.is_one() {
            self.cofactor(&rest, exponent, &mut mono)?;
        }
        mono.sort();
        let (factor, mono) = self.mono_mul(&mono, &Vec::new())?;
        Ok(Poly(BTreeMap::from([(mono, factor)])))
    }

    /// What is left after the small primes: a prime, a perfect power, or a factor kept whole.
    fn cofactor(&mut self, rest: &BigInt, exponent: Exponent, mono: &mut Mono) -> Res<()> {
        let prime = rest.to_u64().is_some_and(|r| r < 1_000_000);
        if !prime && rest.bits() > 2048 {
            return Err(Stop::Unsupported);
        }
        if !prime {
            for n in [2u32, 3, 5, 7] {
                let value = BigRational::from_integer(rest.clone());
                if let Some(root) = number::exact_root(&value, n, self.fuel)? {
                    let scaled = exponent * i64::from(n);
                    return self.cofactor(root.numer(), scaled, mono);
                }
            }
        }
        let atom = if prime { Atom::Prime(rest.clone()) } else { Atom::Cofactor(rest.clone()) };
        let id = self.id(atom)?;
        mono.push((id, exponent));
        Ok(())
    }

    /// True when a polynomial that is not empty is surely not zero.
    pub(crate) fn is_decisive(&self, polys: &[&Poly]) -> bool {
        let used = |test: fn(&Atom) -> bool| {
            polys.iter().any(|poly| {
                poly.0.keys().flatten().any(|(id, _)| self.list.get(*id as usize).is_some_and(test))
            })
        };
        let pi = used(|a| *a == Atom::Pi);
        let e = used(|a| *a == Atom::E);
        !(used(|a| matches!(a, Atom::Opaque(_) | Atom::Cofactor(_))) || pi && e)
    }
}

impl Poly {
    /// A number.
    pub(crate) fn constant(value: BigRational) -> Self {
        if value.is_zero() { Self::default() } else { Self(BTreeMap::from([(Vec::new(), value)])) }
    }

    /// One atom.
    pub(crate) fn atom(id: u32) -> Self {
        Self(BTreeMap::from([(vec![(id, Exponent::one())], BigRational::one())]))
    }

    /// True for zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// The only term, when there is one.
    pub(crate) fn single(&self) -> Option<(&Mono, &BigRational)> {
        if self.0.len() == 1 { self.0.first_key_value() } else { None }
    }

    /// The value, when there are no atoms.
    pub(crate) fn as_constant(&self) -> Option<BigRational> {
        match self.single() {
            None if self.is_zero() => Some(BigRational::zero()),
            Some((mono, value)) if mono.is_empty() => Some(value.clone()),
            _ => None,
        }
    }

    /// The sign of the first term's coefficient.
    pub(crate) fn leads_negative(&self) -> bool {
        self.0.last_key_value().is_some_and(|(_, c)| c.is_negative())
    }

    /// Minus the polynomial.
    pub(crate) fn negated(mut self) -> Self {
        for coefficient in self.0.values_mut() {
            *coefficient = -std::mem::take(coefficient);
        }
        self
    }
}
