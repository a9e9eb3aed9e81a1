//! Exact tools of the second computations.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive};

use super::R;
use crate::mathgen::Item;
use crate::mathgen::value::{Rational, Surd, Value};

pub(super) fn r(number: i128) -> R {
    R::from(BigInt::from(number))
}

pub(super) fn over(numer: i128, denom: i128) -> R {
    R::new(BigInt::from(numer), BigInt::from(denom))
}

pub(super) fn big(number: Rational) -> R {
    over(*number.numer(), *number.denom())
}

/// The parts of a statement between dollar signs.
pub(super) fn formulas(item: &Item) -> Vec<String> {
    let text = item.statement.replace("$$", "$");
    let parts = text.split('$').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

impl Item {
    /// The answer as a rational number.
    pub(super) fn number(&self) -> R {
        match self.value {
            Value::Number(number) | Value::Pi(number) => big(number),
            _ => panic!("no number: {self:?}"),
        }
    }

    /// The answer's numbers.
    pub(super) fn surds(&self) -> Vec<Surd> {
        match &self.value {
            Value::Number(number) => vec![(*number).into()],
            Value::Surd(surd) => vec![*surd],
            Value::Point(surds) | Value::List(surds) => surds.clone(),
            Value::Complex(re, im) => vec![*re, *im],
            _ => panic!("no surds: {self:?}"),
        }
    }

    /// The answer's numbers, all rational.
    pub(super) fn rationals(&self) -> Vec<R> {
        match &self.value {
            Value::Polynomial(numbers) => numbers.iter().map(|&n| big(n)).collect(),
            Value::Matrix(rows) => rows.concat().into_iter().map(big).collect(),
            _ => {
                let surds = self.surds();
                assert!(surds.iter().all(|s| s.radicand == 1), "{self:?}");
                surds.iter().map(|s| big(s.rational)).collect()
            }
        }
    }

    /// The square of an answer that is one number without both a rational part and a root.
    pub(super) fn square(&self) -> R {
        let surd = self.surds()[0];
        let (a, b) = (big(surd.rational), big(surd.coefficient));
        assert!(!(a.is_positive() && b.is_positive()), "{self:?}");
        &a * &a + &b * &b * r(surd.radicand)
    }

    /// True when the answer is positive.
    pub(super) fn is_positive(&self) -> bool {
        float(&self.surds()[0]) > 0.0
    }

    /// The given numbers without bounds.
    pub(super) fn big(&self) -> Vec<R> {
        self.given.iter().map(|&number| r(number)).collect()
    }
}

pub(super) fn float(surd: &Surd) -> f64 {
    let f = |q: Rational| big(q).to_f64().expect("in range");
    f(surd.rational) + f(surd.coefficient) * (surd.radicand as f64).sqrt()
}

pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// The value of a polynomial, constant term first, as a sum of powers.
pub(super) fn polynomial(coefficients: &[R], x: &R) -> R {
    (0..).zip(coefficients).map(|(degree, c)| c * x.pow(degree)).sum()
}

/// The determinant as a sum over all permutations.
pub(super) fn leibniz(m: &[Vec<R>]) -> R {
    let n = m.len();
    if n == 1 {
        return m[0][0].clone();
    }
    (0..n)
        .map(|column| {
            let rest: Vec<Vec<R>> = m[1..]
                .iter()
                .map(|row| (0..n).filter(|&j| j != column).map(|j| row[j].clone()).collect())
                .collect();
            let term = &m[0][column] * leibniz(&rest);
            if column % 2 == 0 { term } else { -term }
        })
        .sum()
}

pub(super) fn dot(a: &[R], b: &[R]) -> R {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn minus(a: &[R], b: &[R]) -> Vec<R> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

pub(super) fn product(a: &[Vec<R>], b: &[Vec<R>]) -> Vec<Vec<R>> {
    let column = |j: usize| b.iter().map(|row| row[j].clone()).collect::<Vec<R>>();
    let row = |row: &Vec<R>| (0..b[0].len()).map(|j| dot(row, &column(j))).collect();
    a.iter().map(row).collect()
}
