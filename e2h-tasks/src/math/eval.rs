//! Evaluation of expressions in ball arithmetic, at points chosen by a hash of each variable's name.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. Odd roots of negative reals are real.
//! # Invariants
//! - The points depend on names and point numbers alone, so both sides of a comparison see the same ones.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::ast::{Const, Func, Node, Sign};
use super::ball::Ball;
use super::complex::{Complex, Work};
use super::limits::{Fuel, Res, Stop};
use super::{number, series};

/// The number of points: positive, then of either sign.
pub(crate) const POINTS: u32 = 6;
/// As many points of small integers follow, for functions that have no other values.
pub(crate) const INTEGER_POINTS: u32 = 10;

/// Where and how an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) point: u32,
    pub(crate) prec: u64,
    pub(crate) fuel: &'a Fuel,
    /// `\log` without a base is natural.
    pub(crate) natural: bool,
}

/// FNV-1a.
fn hash(text: &str, point: u32) -> u64 {
    let bytes = text.bytes().chain(point.to_le_bytes());
    let mixed = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    mixed ^ (mixed >> 29)
}

impl<'a> Place<'a> {
    fn work(&self) -> Work<'a> {
        Work { prec: self.prec, fuel: self.fuel }
    }

    /// The value that `name` has at this point: dyadic, or a small integer at the last points.
    fn variable(&self, name: &str) -> Complex {
        let bits = hash(name, self.point);
        let positive = 1 + (bits >> 8) % 190_000;
        let ball = match self.point {
            6.. => Ball::int(2 + ((bits >> 8) % 7) as i64),
            _ => {
                let m = BigInt::from(20_000 + positive);
                // All negative, then half of them, then the other half.
                let sign = hash(name, 3) & 1 == 1;
                let negative = match self.point {
                    ..3 => false,
                    3 => true,
                    4 => sign,
                    _ => !sign,
                };
                Ball { m: if negative { -m } else { m }, r: BigInt::zero(), e: -16 }
            }
        };
        Complex::real(ball)
    }

    /// The value of `node` at this point.
    ///
    /// # Errors
    /// [`Stop::Undefined`] where it has none, [`Stop::Unsupported`] for what is no expression.
    pub(crate) fn eval(&self, node: &Node) -> Res<Complex> {
        let work = self.work();
        self.fuel.spend(8)?;
        match node {
            Node::Num(value, _) | Node::Based(_, 2.., value) => {
                self.fuel.spend(value.denom().bits() / 32 + 4)?;
                Ok(Complex::real(Ball::rational(value, self.prec)?))
            }
            Node::Const(Const::Pi) => Ok(Complex::real(series::pi(self.prec)?)),
            Node::Const(Const::E) => {
                Ok(Complex::real(series::exp(&Ball::int(1), self.prec, self.fuel)?))
            }
            Node::Const(Const::I) => Ok(Complex { re: Ball::int(0), im: Ball::int(1) }),
            Node::Var(name) => Ok(self.variable(name)),
            Node::Neg(a) => Ok(self.eval(a)?.neg()),
            Node::Sum(terms) => {
                let mut sum = Complex::real(Ball::int(0));
                for term in terms {
                    sum = sum.add(&self.eval(term)?, work)?;
                }
                Ok(sum)
            }
            Node::Prod(factors) => {
                let mut product = Complex::real(Ball::int(1));
                for factor in factors {
                    product = product.mul(&self.eval(factor)?, work)?;
                }
                Ok(product)
            }
            Node::Div(a, b) => self.eval(a)?.mul(&self.eval(b)?.inv(work)?, work),
            Node::Pow(base, exponent) => self.power(base, exponent),
            Node::Root(radicand, index) => {
                let exponent = Node::Div(Box::new(Node::int(1)), index.clone());
                self.power(radicand, &exponent)
            }
            Node::Percent(a) => {
                let hundredth = BigRational::new(1.into(), 100.into());
                let factor = Complex::real(Ball::rational(&hundredth, self.prec)?);
                self.eval(a)?.mul(&factor, work)
            }
            Node::Degree(a) => {
                let part = BigRational::new(1.into(), 180.into());
                let factor =
                    Ball::rational(&part, self.prec)?.mul(&series::pi(self.prec)?, self.prec)?;
                self.eval(a)?.mul(&Complex::real(factor), work)
            }
            Node::Call(func, args) => self.call(*func, args),
            Node::Apply(name, args) => Ok(self.variable(&format!("{name}{args:?}"))),
            _ => Err(Stop::Unsupported),
        }
    }

    fn power(&self, base: &Node, exponent: &Node) -> Res<Complex> {
        let work = self.work();
        if *base == Node::Const(Const::E) {
            return self.eval(exponent)?.exp(work);
        }
        let value = self.eval(base)?;
        let Some(q) = rational(exponent, self.fuel)? else {
            return value.pow(&self.eval(exponent)?, work);
        };
        let (num, den) = (q.numer().to_i64(), q.denom().to_i64());
        let (Some(num), Some(den)) = (num, den) else {
            return Err(Stop::Limit("an exponent is too large"));
        };
        if den == 1 {
            return value.powi(num, work);
        }
        if den == 2 {
            return value.sqrt(work)?.powi(num, work);
        }
        let odd = den % 2 == 1 && value.is_real() && value.re.is_negative();
        let size = if odd { value.neg() } else { value };
        let exponent = Complex::real(Ball::rational(&q, self.prec)?);
        let power = size.pow(&exponent, work)?;
        Ok(if odd && num % 2 != 0 { power.neg() } else { power })
    }

    fn real(&self, node: &Node) -> Res<Ball> {
        let value = self.eval(node)?;
        if value.is_real() { Ok(value.re) } else { Err(Stop::Unsupported) }
    }

    fn call(&self, func: Func, args: &[Node]) -> Res<Complex> {
        let (p, work) = (self.prec, self.work());
        if matches!(func, Func::Series | Func::Product) {
            return self.series(func == Func::Product, args);
        }
        if matches!(func, Func::Integral | Func::Limit) {
            return Ok(self.variable(&format!("{func:?}{args:?}")));
        }
        let first = args.first().ok_or(Stop::Unsupported)?;
        let x = self.eval(first)?;
        let trig = || -> Res<(Ball, Ball)> {
            if !x.is_real() {
                return Err(Stop::Unsupported);
            }
            series::sin_cos(&x.re, p, self.fuel)
        };
        let real = match func {
            Func::Sin => trig()?.0,
            Func::Cos => trig()?.1,
            Func::Tan => trig().and_then(|(s, c)| s.div(&c, p))?,
            Func::Cot => trig().and_then(|(s, c)| c.div(&s, p))?,
            Func::Sec => trig().and_then(|(_, c)| c.inv(p))?,
            Func::Csc => trig().and_then(|(s, _)| s.inv(p))?,
            Func::Cis => {
                let (im, re) = trig()?;
                return Ok(Complex { re, im });
            }
            Func::Asin | Func::Acos | Func::Atan => return self.arc(func, &x),
            Func::Sinh | Func::Cosh | Func::Tanh => return self.hyperbolic(func, &x),
            Func::Exp => return x.exp(work),
            Func::Ln => return x.ln(work),
            Func::Log if self.natural => return x.ln(work),
            Func::Log => {
                let ten = Complex::real(series::ln(&Ball::int(10), p, self.fuel)?);
                return x.ln(work)?.mul(&ten.inv(work)?, work);
            }
            Func::LogBase => {
                let of = self.eval(args.get(1).ok_or(Stop::Unsupported)?)?;
                return of.ln(work)?.mul(&x.ln(work)?.inv(work)?, work);
            }
            Func::Abs => x.abs(work)?,
            Func::Floor | Func::Ceil => {
                let up = func == Func::Ceil;
                let ball = self.real(first)?;
                let ball = if up { ball.neg() } else { ball };
                let floor = ball.floor().ok_or(Stop::Limit("a value lies on an integer"))?;
                Ball::new(if up { -floor } else { floor }, BigInt::zero(), 0, u64::MAX)?
            }
            _ => return self.discrete(func, args),
        };
        Ok(Complex::real(real))
    }

    /// Functions of integers.
    fn discrete(&self, func: Func, args: &[Node]) -> Res<Complex> {
        let mut values = Vec::new();
        for arg in args {
            let n = self.real(arg)?.exact_int().ok_or(Stop::Unsupported)?;
            values.push(BigRational::from_integer(n.into()));
        }
        let value = match (func, values.as_slice()) {
            (Func::Factorial, [n]) => number::factorial(n, 1, self.fuel)?,
            (Func::DoubleFactorial, [n]) => number::factorial(n, 2, self.fuel)?,
            (Func::Binomial, [n, k]) => number::binomial(n, k, self.fuel)?,
            (Func::Gcd, _) => number::common(&values, false, self.fuel)?,
            (Func::Lcm, _) => number::common(&values, true, self.fuel)?,
            (Func::Min, _) => values.iter().min().cloned().ok_or(Stop::Unsupported)?,
            (Func::Max, _) => values.iter().max().cloned().ok_or(Stop::Unsupported)?,
            _ => return Err(Stop::Unsupported),
        };
        Ok(Complex::real(Ball::rational(&value, self.prec)?))
    }

    fn arc(&self, func: Func, x: &Complex) -> Res<Complex> {
        let p = self.prec;
        if !x.is_real() {
            return Err(Stop::Unsupported);
        }
        let x = &x.re;
        if func == Func::Atan {
            return Ok(Complex::real(series::atan(x, p, self.fuel)?));
        }
        let one = Ball::int(1);
        let quarter = series::pi(p)?.shift(-1);
        let asin = match x.exact_int() {
            Some(1) => quarter.clone(),
            Some(-1) => quarter.neg(),
            _ => {
                let square = one.sub(&x.mul(x, p)?, p)?;
                if square.is_negative() {
                    return Err(Stop::Undefined);
                }
                series::atan(&x.div(&square.sqrt(p)?, p)?, p, self.fuel)?
            }
        };
        Ok(Complex::real(if func == Func::Asin { asin } else { quarter.sub(&asin, p)? }))
    }

    fn hyperbolic(&self, func: Func, x: &Complex) -> Res<Complex> {
        let work = self.work();
        let up = x.exp(work)?;
        let down = x.neg().exp(work)?;
        let half = Complex::real(Ball::int(1).shift(-1));
        let sinh = up.add(&down.neg(), work)?.mul(&half, work)?;
        let cosh = up.add(&down, work)?.mul(&half, work)?;
        match func {
            Func::Sinh => Ok(sinh),
            Func::Cosh => Ok(cosh),
            _ => sinh.mul(&cosh.inv(work)?, work),
        }
    }

    /// A finite sum or product over integers; one whose bounds are not numbers is only a name.
    fn series(&self, product: bool, args: &[Node]) -> Res<Complex> {
        let [Node::Rel(lower, signs), upper, body] = args else {
            return Ok(self.variable(&format!("series{args:?}")));
        };
        let ([index, from], [Sign::Equal]) = (lower.as_slice(), signs.as_slice()) else {
            return Ok(self.variable(&format!("series{args:?}")));
        };
        let bound = |node: &Node| -> Res<Option<i64>> {
            Ok(rational(node, self.fuel)?
                .filter(BigRational::is_integer)
                .and_then(|q| q.numer().to_i64()))
        };
        let (Some(from), Some(to)) = (bound(from)?, bound(upper)?) else {
            // Factors commute, so the name is made of the body's value.
            let value = self.eval(body)?;
            let name = format!("{product}{lower:?}{upper:?}{}", &value.re.m >> 32u32);
            return Ok(self.variable(&name));
        };
        let start = if product { 1 } else { 0 };
        let mut total = Complex::real(Ball::int(start));
        for k in from..=to {
            self.fuel.spend(20 + 10 * body.size())?;
            let value = self.eval(&body.with(index, &Node::int(k)))?;
            total = if product {
                total.mul(&value, self.work())?
            } else {
                total.add(&value, self.work())?
            };
        }
        Ok(total)
    }
}

/// The value of an expression of numbers alone, when it is small and rational.
pub(crate) fn rational(node: &Node, fuel: &Fuel) -> Res<Option<BigRational>> {
    fuel.spend(4)?;
    Ok(match node {
        Node::Num(value, _) | Node::Based(_, 2.., value) => Some(value.clone()),
        Node::Neg(a) => rational(a, fuel)?.map(|v| -v),
        Node::Div(a, b) => match (rational(a, fuel)?, rational(b, fuel)?) {
            (Some(_), Some(b)) if b.is_zero() => return Err(Stop::Undefined),
            (Some(a), Some(b)) => Some(number::mul(&a, &b.recip(), fuel)?),
            _ => None,
        },
        Node::Sum(terms) => {
            let mut sum = BigRational::zero();
            for term in terms {
                let Some(value) = rational(term, fuel)? else {
                    return Ok(None);
                };
                sum = number::add(&sum, &value, fuel)?;
            }
            Some(sum)
        }
        Node::Prod(factors) => {
            let mut product = BigRational::one();
            for factor in factors {
                let Some(value) = rational(factor, fuel)? else {
                    return Ok(None);
                };
                product = number::mul(&product, &value, fuel)?;
            }
            Some(product)
        }
        Node::Pow(base, exponent) => {
            let (Some(base), Some(n)) = (rational(base, fuel)?, rational(exponent, fuel)?) else {
                return Ok(None);
            };
            if !n.is_integer() {
                return Ok(None);
            }
            let n = n.numer().to_i64().ok_or(Stop::Limit("an exponent is too large"))?;
            let small = base.numer().abs().bits().max(base.denom().bits());
            if small.saturating_mul(n.unsigned_abs()) > 4096 {
                return Ok(None);
            }
            Some(number::pow(&base, n, fuel)?)
        }
        _ => None,
    })
}
