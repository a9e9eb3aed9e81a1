//! Exact normal forms: every expression of sums, products, powers and simple radicals as a quotient of two
//! polynomials in atoms.
//!
//! `a/b = c/d` exactly when `a d - c b` has no term.
//!
//! # Source
//! Own work; see [`super::poly`] for why the test decides.
//! # Deviations
//! 1. `\sqrt{x y}` is `\sqrt{x}\sqrt{y}`, as for the positive values that such answers mean.
//! # Invariants
//! - `\sqrt{x^2}` is not `x`: an even power under an even root is left to the numeric test.

use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::ast::{Const, Func, Node};
use super::limits::{Res, Stop};
use super::number;
use super::poly::{Atom, Atoms, Exponent, Mono, Poly};

/// A quotient.
#[derive(Clone, Debug)]
pub(crate) struct Quotient {
    pub(crate) num: Poly,
    pub(crate) den: Poly,
}

impl Quotient {
    fn whole(num: Poly) -> Self {
        Self { num, den: Poly::constant(BigRational::one()) }
    }

    /// The value, when there are no atoms.
    pub(crate) fn as_constant(&self) -> Option<BigRational> {
        let den = self.den.as_constant()?;
        Some(self.num.as_constant()? / den)
    }
}

impl Atoms<'_> {
    /// The normal form of an expression.
    ///
    /// # Errors
    /// [`Stop::Unsupported`] for what has no such form, [`Stop::Undefined`] for a division by zero.
    pub(crate) fn normal(&mut self, node: &Node) -> Res<Quotient> {
        self.fuel.spend(8)?;
        match node {
            Node::Num(value, _) | Node::Based(_, 2.., value) => {
                Ok(Quotient::whole(Poly::constant(value.clone())))
            }
            Node::Const(Const::Pi) => self.atom(Atom::Pi),
            Node::Const(Const::E) => self.atom(Atom::E),
            Node::Const(Const::I) => self.atom(Atom::I),
            Node::Const(Const::Infinity) => Err(Stop::Unsupported),
            Node::Var(name) => self.atom(Atom::Var(name.clone())),
            Node::Neg(a) => {
                let a = self.normal(a)?;
                Ok(Quotient { num: a.num.negated(), den: a.den })
            }
            Node::Sum(terms) => {
                let mut sum = Quotient::whole(Poly::default());
                for term in terms {
                    let term = self.normal(term)?;
                    sum = self.plus(sum, &term)?;
                }
                Ok(sum)
            }
            Node::Prod(factors) => {
                let mut product = Quotient::whole(Poly::constant(BigRational::one()));
                for factor in factors {
                    let factor = self.normal(factor)?;
                    product = self.times(&product, &factor)?;
                }
                Ok(product)
            }
            Node::Div(a, b) => {
                let a = self.normal(a)?;
                let b = self.normal(b)?;
                let inverse = self.inverse(b)?;
                self.times(&a, &inverse)
            }
            Node::Pow(base, exponent) => self.power(base, exponent),
            Node::Root(radicand, index) => {
                let index = self.normal(index)?.as_constant().ok_or(Stop::Unsupported)?;
                let exponent = self.exponent(&number::reciprocal(&index)?)?;
                let radicand = self.normal(radicand)?;
                self.fractional(&radicand, exponent)
            }
            Node::Percent(a) => {
                let a = self.normal(a)?;
                let hundredth = BigRational::new(1.into(), 100.into());
                self.times(&a, &Quotient::whole(Poly::constant(hundredth)))
            }
            Node::Call(func, args) => self.call(*func, args),
            Node::Apply(name, args) => {
                let mut key = format!("{name}(");
                for arg in args {
                    let arg = self.normal(arg)?;
                    key.push_str(&format!("{:?};", (&arg.num, &arg.den)));
                }
                self.atom(Atom::Opaque(key))
            }
            _ => Err(Stop::Unsupported),
        }
    }

    fn atom(&mut self, atom: Atom) -> Res<Quotient> {
        Ok(Quotient::whole(Poly::atom(self.id(atom)?)))
    }

    fn plus(&mut self, a: Quotient, b: &Quotient) -> Res<Quotient> {
        if a.den == b.den {
            return Ok(Quotient { num: self.add(a.num, &b.num)?, den: a.den });
        }
        let left = self.mul(&a.num, &b.den)?;
        let right = self.mul(&b.num, &a.den)?;
        Ok(Quotient { num: self.add(left, &right)?, den: self.mul(&a.den, &b.den)? })
    }

    fn times(&mut self, a: &Quotient, b: &Quotient) -> Res<Quotient> {
        let product = Quotient { num: self.mul(&a.num, &b.num)?, den: self.mul(&a.den, &b.den)? };
        self.fold(product)
    }

    /// Moves a denominator of one term into the numerator.
    fn fold(&mut self, q: Quotient) -> Res<Quotient> {
        if q.den.as_constant().is_some_and(|c| c.is_one()) {
            return Ok(q);
        }
        let Some((mono, coefficient)) = q.den.single() else {
            return Ok(q);
        };
        let inverse = self.mono_pow(mono, coefficient, -1)?;
        Ok(Quotient::whole(self.mul(&q.num, &inverse)?))
    }

    fn inverse(&mut self, q: Quotient) -> Res<Quotient> {
        if q.num.is_zero() {
            return Err(Stop::Undefined);
        }
        self.fold(Quotient { num: q.den, den: q.num })
    }

    fn exponent(&self, value: &BigRational) -> Res<Exponent> {
        let num = value.numer().to_i64().filter(|n| n.abs() < 1 << 20);
        let den = value.denom().to_i64().filter(|d| *d < 4096);
        num.zip(den).map(|(n, d)| Exponent::new(n, d)).ok_or(Stop::Unsupported)
    }

    fn power(&mut self, base: &Node, exponent: &Node) -> Res<Quotient> {
        let exponent = self.normal(exponent)?.as_constant().ok_or(Stop::Unsupported)?;
        let base = self.normal(base)?;
        if exponent.is_integer() {
            let n = exponent.numer().to_i64().filter(|n| n.abs() < 1 << 20);
            let n = n.ok_or(Stop::Limit("an exponent is too large"))?;
            if n == 0 && base.num.is_zero() {
                return Err(Stop::Undefined);
            }
            let base = if n < 0 { self.inverse(base)? } else { base };
            let num = Atoms::pow(self, &base.num, n.unsigned_abs())?;
            let den = Atoms::pow(self, &base.den, n.unsigned_abs())?;
            return Ok(Quotient { num, den });
        }
        let exponent = self.exponent(&exponent)?;
        self.fractional(&base, exponent)
    }

    /// A quotient of single terms to a fractional power.
    fn fractional(&mut self, base: &Quotient, exponent: Exponent) -> Res<Quotient> {
        if exponent.is_integer() {
            return Err(Stop::Unsupported);
        }
        if base.num.is_zero() {
            return if exponent.is_positive() { Ok(base.clone()) } else { Err(Stop::Undefined) };
        }
        if base.den.as_constant().is_none_or(|c| !c.is_one()) {
            return Err(Stop::Unsupported);
        }
        let (mono, coefficient) = base.num.single().ok_or(Stop::Unsupported)?;
        let (mono, coefficient) = (mono.clone(), coefficient.clone());
        let mut result = self.integer_root(&coefficient.numer().abs(), exponent)?;
        let den = self.integer_root(coefficient.denom(), -exponent)?;
        result = self.mul(&result, &den)?;
        if coefficient.is_negative() {
            result = self.root_of_minus_one(result, exponent)?;
        }
        let raised = self.raise(&mono, exponent)?;
        Ok(Quotient::whole(self.mul(&result, &raised)?))
    }

    /// `(-1)^exponent` times `poly`: real for odd roots, `i` for square roots.
    fn root_of_minus_one(&mut self, poly: Poly, exponent: Exponent) -> Res<Poly> {
        if exponent.denom() % 2 == 1 {
            return Ok(if exponent.numer() % 2 == 0 { poly } else { poly.negated() });
        }
        if *exponent.denom() != 2 {
            return Err(Stop::Unsupported);
        }
        let id = self.id(Atom::I)?;
        let power =
            self.mono_pow(&vec![(id, Exponent::one())], &BigRational::one(), *exponent.numer())?;
        self.mul(&poly, &power)
    }

    fn raise(&mut self, mono: &Mono, by: Exponent) -> Res<Poly> {
        let mut raised = Mono::new();
        for (id, exponent) in mono {
            let product = exponent
                .numer()
                .checked_mul(*by.numer())
                .zip(exponent.denom().checked_mul(*by.denom()))
                .map(|(n, d)| Exponent::new(n, d))
                .ok_or(Stop::Unsupported)?;
            let even = exponent.is_integer() && exponent.numer() % 2 == 0 && by.denom() % 2 == 0;
            let safe = match self.list.get(*id as usize) {
                Some(Atom::Pi | Atom::E | Atom::Prime(_) | Atom::Cofactor(_)) => true,
                Some(Atom::Var(_)) => !even,
                _ => false,
            };
            if !safe {
                return Err(Stop::Unsupported);
            }
            raised.push((*id, product));
        }
        let (factor, mono) = self.mono_mul(&raised, &Mono::new())?;
        Ok(Poly([(mono, factor)].into_iter().collect()))
    }

    fn call(&mut self, func: Func, args: &[Node]) -> Res<Quotient> {
        let mut forms = Vec::new();
        for arg in args {
            forms.push(self.normal(arg)?);
        }
        let constants: Option<Vec<BigRational>> = forms.iter().map(Quotient::as_constant).collect();
        if let Some(values) = constants
            && let Some(value) = self.exact_call(func, &values)?
        {
            return Ok(Quotient::whole(Poly::constant(value)));
        }
        if !matches!(
            func,
            Func::Sin | Func::Cos | Func::Tan | Func::Ln | Func::Log | Func::Abs | Func::Factorial
        ) {
            return Err(Stop::Unsupported);
        }
        let key =
            format!("{func:?}{:?}", forms.iter().map(|f| (&f.num, &f.den)).collect::<Vec<_>>());
        self.atom(Atom::Opaque(key))
    }

    /// Functions of rational numbers with rational values.
    fn exact_call(&self, func: Func, values: &[BigRational]) -> Res<Option<BigRational>> {
        let value = match (func, values) {
            (Func::Abs, [a]) => a.abs(),
            (Func::Floor, [a]) => a.floor(),
            (Func::Ceil, [a]) => a.ceil(),
            (Func::Factorial, [a]) => number::factorial(a, 1, self.fuel)?,
            (Func::DoubleFactorial, [a]) => number::factorial(a, 2, self.fuel)?,
            (Func::Binomial, [n, k]) => number::binomial(n, k, self.fuel)?,
            (Func::Gcd, _) => number::common(values, false, self.fuel)?,
            (Func::Lcm, _) => number::common(values, true, self.fuel)?,
            (Func::Min, [a, rest @ ..]) => rest.iter().fold(a.clone(), |m, x| m.min(x.clone())),
            (Func::Max, [a, rest @ ..]) => rest.iter().fold(a.clone(), |m, x| m.max(x.clone())),
            (Func::Ln | Func::Log, [a]) if a.is_one() => BigRational::zero(),
            (Func::Sin | Func::Tan, [a]) if a.is_zero() => BigRational::zero(),
            (Func::Cos | Func::Exp, [a]) if a.is_zero() => BigRational::one(),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}
