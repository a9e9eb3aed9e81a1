//! Equality of two expressions: exact where a normal form exists, otherwise by ball arithmetic.
//!
//! 1. Both sides are brought to normal form; equal forms are equal, and for the kinds of atoms named in
//!    [`super::poly`] other forms are different.
//! 2. Otherwise both sides are evaluated as balls at several points. Disjoint balls prove a difference.
//!    Balls that overlap with a radius below `2^-96` of the value at every point are called equal.
//!
//! # Source
//! Own work; random evaluation as in J. T. Schwartz (1980).
//! # Deviations
//! 1. The second kind of equality is not a proof; two expressions of answer length that agree to
//!    28 digits at several hashed points and are not equal are not known to us.
//! # Invariants
//! - A difference is always proven, by exact arithmetic or by disjoint balls.

use std::cmp::Ordering;

use num_rational::BigRational;
use num_traits::{One, Signed};

use super::ast::{Func, Node};
use super::ball::Ball;
use super::complex::Complex;
use super::eval::{INTEGER_POINTS, POINTS, Place, rational};
use super::limits::{Fuel, Res, Stop};
use super::poly::Atoms;

/// Whether two expressions are equal, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Equality {
    pub(crate) equal: bool,
    pub(crate) how: &'static str,
}

const EXACT: Equality = Equality { equal: true, how: "equal in exact arithmetic" };
const APART: Equality = Equality { equal: false, how: "the values differ" };
const CLOSE: Equality = Equality { equal: true, how: "equal to more than 28 digits" };

/// The agreement, in bits, that counts as equality.
const AGREEMENT: i64 = 96;

/// Decides whether `gold` and `pred` have the same value wherever `gold` has one.
///
/// # Errors
/// [`Stop::Unsupported`] when a side is no expression, [`Stop::Limit`] when the work allowed does not suffice.
pub(crate) fn same(gold: &Node, pred: &Node, fuel: &Fuel) -> Res<Equality> {
    if gold == pred {
        return Ok(EXACT);
    }
    match exact(gold, pred, fuel) {
        Ok(Some(equality)) => return Ok(equality),
        Err(Stop::Limit(limit)) => {
            if differs_in_size(gold, pred, fuel) {
                return Ok(Equality { equal: false, how: "the sizes are far apart" });
            }
            if fuel.spend(1000).is_err() {
                return Err(Stop::Limit(limit));
            }
        }
        _ => {}
    }
    let first = numeric(gold, pred, fuel, false)?;
    let bare = |node: &Node| node.any(&|n| matches!(n, Node::Call(Func::Log, _)));
    let natural = |node: &Node| node.any(&|n| matches!(n, Node::Call(Func::Ln, _)));
    if !first.equal && (bare(gold) && natural(pred) || bare(pred) && natural(gold)) {
        return numeric(gold, pred, fuel, true);
    }
    Ok(first)
}

fn exact(gold: &Node, pred: &Node, fuel: &Fuel) -> Res<Option<Equality>> {
    let mut atoms = Atoms { list: Vec::new(), fuel };
    let a = atoms.normal(gold)?;
    let b = match atoms.normal(pred) {
        Err(Stop::Undefined) => {
            return Ok(Some(Equality { equal: false, how: "the value is not defined" }));
        }
        other => other?,
    };
    let left = atoms.mul(&a.num, &b.den)?;
    let right = atoms.mul(&b.num, &a.den)?;
    if left == right {
        return Ok(Some(EXACT));
    }
    Ok(atoms.is_decisive(&[&left, &right]).then_some(APART))
}

/// True when one side is a modest number and the other too large to be written down.
fn differs_in_size(gold: &Node, pred: &Node, fuel: &Fuel) -> bool {
    let modest =
        |node: &Node| matches!(rational(node, fuel), Ok(Some(q)) if q.numer().bits() < 10_000);
    modest(gold) && is_huge(pred) || modest(pred) && is_huge(gold)
}

/// True when the absolute value is surely above `2^20000`.
fn is_huge(node: &Node) -> bool {
    let natural = |node: &Node, least: i64| matches!(node, Node::Num(q, _) if q.is_integer() && *q >= BigRational::from_integer(least.into()));
    match node {
        Node::Neg(a) => is_huge(a),
        Node::Pow(base, exponent) => {
            natural(base, 2) && (is_huge(exponent) || natural(exponent, 20_000) || tower(exponent))
                || is_huge(base) && (natural(exponent, 1) || is_huge(exponent))
        }
        Node::Call(Func::Factorial, args) => {
            args.iter().all(|a| is_huge(a) || natural(a, 2_100) || tower(a))
        }
        _ => false,
    }
}

/// A power of integers that is at least 20,000.
fn tower(node: &Node) -> bool {
    let Node::Pow(base, exponent) = node else {
        return is_huge(node);
    };
    match (&**base, &**exponent) {
        (Node::Num(b, _), Node::Num(e, _)) => {
            b.is_integer() && e.is_integer() && b.numer().bits() > 1 && {
                let bits = BigRational::from_integer((b.numer().bits() - 1).into());
                bits * e >= BigRational::from_integer(15.into())
            }
        }
        (Node::Num(b, _), e) => b.is_integer() && *b > BigRational::one() && tower(e),
        (Node::Call(..), _) => false,
        _ => false,
    }
}

enum At {
    Apart,
    Overlap { tight: bool },
    Skip,
}

fn numeric(gold: &Node, pred: &Node, fuel: &Fuel, natural: bool) -> Res<Equality> {
    let names = gold.has_names() || pred.has_names();
    let points = if names { POINTS + INTEGER_POINTS } else { 1 };
    let digits = written_digits(gold).max(written_digits(pred));
    let mut last = Stop::Limit("the values cannot be told apart");
    for prec in [128, 256 + 4 * digits, 1024 + 4 * digits] {
        if prec > 4096 {
            return Err(Stop::Limit("too many digits"));
        }
        let (mut tight, mut loose, mut whole) = (0, 0, 0);
        for point in 0..points {
            if point >= POINTS && tight > 0 {
                break;
            }
            let place = Place { point, prec, fuel, natural };
            match at(gold, pred, place) {
                Ok(At::Apart) => return Ok(APART),
                Ok(At::Overlap { tight: true }) if point < POINTS => tight += 1,
                Ok(At::Overlap { tight: true }) => whole += 1,
                Ok(At::Overlap { tight: false }) => loose += 1,
                Ok(At::Skip) => {}
                Err(stop @ Stop::Limit(_)) => {
                    fuel.spend(1)?;
                    last = stop;
                    loose += 1;
                }
                Err(stop) => last = stop,
            }
        }
        let enough = if names { tight >= 3 || tight == 0 && whole >= 2 } else { tight == 1 };
        if enough && loose == 0 && prec > 128 {
            return Ok(CLOSE);
        }
        if last == Stop::Unsupported && tight + loose + whole == 0 {
            return Err(last);
        }
    }
    Err(last)
}

/// Compares the values at one place.
fn at(gold: &Node, pred: &Node, place: Place<'_>) -> Res<At> {
    let a = match place.eval(gold) {
        Err(Stop::Undefined) => return Ok(At::Skip),
        other => other?,
    };
    // Away from the positive points only real values count: roots of negative numbers depend on branches.
    let branches = (3..6).contains(&place.point) && gold.has_names();
    if branches && !a.is_real() {
        return Ok(At::Skip);
    }
    let b = match place.eval(pred) {
        Err(Stop::Undefined) => {
            return Ok(if branches { At::Skip } else { At::Apart });
        }
        other => other?,
    };
    if branches && !b.is_real() {
        return Ok(At::Skip);
    }
    compare(&a, &b, place.prec)
}

fn compare(a: &Complex, b: &Complex, prec: u64) -> Res<At> {
    let re = a.re.sub(&b.re, prec)?;
    let im = a.im.sub(&b.im, prec)?;
    if !re.may_be_zero() || !im.may_be_zero() {
        return Ok(At::Apart);
    }
    let size = [&a.re, &a.im, &b.re, &b.im]
        .iter()
        .filter(|ball| !ball.may_be_zero())
        .map(|ball| ball.top())
        .max()
        .unwrap_or(0);
    let error = re.error_top().max(im.error_top());
    Ok(At::Overlap { tight: error == i64::MIN || error < size - AGREEMENT })
}

/// The longest run of decimal places, in digits: the precision must go beyond it.
fn written_digits(node: &Node) -> u64 {
    let own = match node {
        Node::Num(value, _) => (value.numer().bits().max(value.denom().bits()) * 3 / 10) + 1,
        _ => 0,
    };
    node.children().into_iter().map(written_digits).fold(own, u64::max)
}

/// The order of two real values without variables.
///
/// # Errors
/// As [`same`]; also when a value is not real.
pub(crate) fn order(a: &Node, b: &Node, fuel: &Fuel) -> Res<Ordering> {
    if a == b {
        return Ok(Ordering::Equal);
    }
    if let (Some(a), Some(b)) = (rational(a, fuel)?, rational(b, fuel)?) {
        return Ok(a.cmp(&b));
    }
    if same(a, b, fuel)?.equal {
        return Ok(Ordering::Equal);
    }
    for prec in [128, 512, 2048] {
        let place = Place { point: 0, prec, fuel, natural: false };
        let (x, y) = (place.eval(a)?, place.eval(b)?);
        if !x.is_real() || !y.is_real() {
            return Err(Stop::Unsupported);
        }
        let gap = x.re.sub(&y.re, prec)?;
        if gap.is_positive() {
            return Ok(Ordering::Greater);
        }
        if gap.is_negative() {
            return Ok(Ordering::Less);
        }
    }
    Err(Stop::Limit("two values cannot be ordered"))
}

/// True when `decimal`, written with `places` places, is `value` rounded or cut off there.
pub(crate) fn rounds_to(
    value: &Node,
    decimal: &BigRational,
    places: u32,
    fuel: &Fuel,
) -> Res<bool> {
    let prec = 128 + 4 * u64::from(places);
    let place = Place { point: 0, prec, fuel, natural: false };
    let value = place.eval(value)?;
    if !value.is_real() {
        return Ok(false);
    }
    let unit = BigRational::new(1.into(), num_bigint::BigInt::from(10).pow(places));
    let near = |shown: &Ball| -> Res<bool> {
        let gap = value.re.sub(shown, prec)?.abs();
        let room = Ball::rational(&unit, prec)?.sub(&gap, prec)?;
        Ok(room.is_positive())
    };
    near(&Ball::rational(&decimal.abs(), prec)?)
        .and_then(|hit| Ok(hit || near(&Ball::rational(&-decimal.abs(), prec)?)?))
        .map(|hit| hit && value.re.is_negative() == decimal.is_negative())
}
