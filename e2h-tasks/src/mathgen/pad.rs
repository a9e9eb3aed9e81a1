//! The scratch pad: exact arithmetic that counts its work and keeps the worked solution.
//!
//! A template computes its answer on a pad, by the path that it shows as its solution, so the work is that of the
//! path. The measure is
//!
//! ```text
//! work = sum of digit operations + sum of recalls
//! add, subtract        the digits of the longer number
//! multiply             the product of the numbers of digits
//! divide, with or without remainder   digits of the divisor times digits of the quotient
//! fractions            the whole-number operations of the school method
//! recall               2 a definition, 4 a formula, 8 a theorem or a change of view
//! ```
//!
//! # Source
//! None.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! - Each operation costs at least 1.
//! - The wording depends on the given numbers alone ([`Words`]): two items that ask the same thing read the same.

use std::cell::{Cell, RefCell};

use e2h_core::stable_hash;
use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{Num, Zero};

use super::draw::Words;
use super::latex;
use super::value::{Rational, Surd};

/// A whole number.
pub(super) type Z = i128;
/// A rational number.
pub(super) type Q = Rational;

/// The cost of recalling a definition.
pub(super) const DEFINITION: u64 = 2;
/// The cost of recalling a formula.
pub(super) const FORMULA: u64 = 4;
/// The cost of recalling a theorem or of changing the point of view.
pub(super) const THEOREM: u64 = 8;

/// A number that the pad can work with.
pub(super) trait Exact: Num + Copy {
    /// Numerator and denominator.
    fn parts(self) -> (Z, Z);
}

impl Exact for Z {
    fn parts(self) -> (Z, Z) {
        (self, 1)
    }
}

impl Exact for Q {
    fn parts(self) -> (Z, Z) {
        (*self.numer(), *self.denom())
    }
}

/// The number of decimal digits; 1 for 0.
fn digits(number: Z) -> u64 {
    let mut rest = number.unsigned_abs();
    let mut n = 1;
    while rest >= 10 {
        rest /= 10;
        n += 1;
    }
    n
}

/// The scratch pad of one item.
#[derive(Debug, Default)]
pub(super) struct Pad {
    work: Cell<u64>,
    steps: RefCell<Vec<String>>,
    given: RefCell<(u16, Vec<Z>)>,
}

impl Pad {
    /// Notes the numbers of the statement and which of the template's questions it asks.
    pub(super) fn given(&self, variant: u16, numbers: &[Z]) -> Words {
        *self.given.borrow_mut() = (variant, numbers.to_vec());
        let text = format!("{variant} {}", latex::join(numbers, " "));
        Words::new(stable_hash("e2h/mathgen/words", text.as_bytes()))
    }

    /// Adds a sentence to the worked solution.
    pub(super) fn step(&self, text: String) {
        self.steps.borrow_mut().push(text);
    }

    /// Takes the pad apart: work, sentences, variant, given numbers.
    pub(super) fn finish(self) -> (u64, Vec<String>, u16, Vec<Z>) {
        let (variant, given) = self.given.into_inner();
        (self.work.get(), self.steps.into_inner(), variant, given)
    }

    /// Counts a recall or another piece of work.
    pub(super) fn recall(&self, cost: u64) {
        self.work.set(self.work.get() + cost);
    }

    fn mul_cost(a: Z, b: Z) -> u64 {
        digits(a) * digits(b)
    }

    /// `a + b`.
    pub(super) fn add<N: Exact>(&self, a: N, b: N) -> N {
        let ((na, da), (nb, db)) = (a.parts(), b.parts());
        let scale = |to: Z, n: Z, d: Z| {
            if to == d { 0 } else { Self::mul_cost(n, to / d) }
        };
        let common = da.lcm(&db);
        let longer = digits(na * (common / da)).max(digits(nb * (common / db)));
        let find = if da == db { 0 } else { Self::mul_cost(da, db) };
        self.recall(longer + find + scale(common, na, da) + scale(common, nb, db));
        a + b
    }

    /// `a - b`, at the cost of the sum.
    pub(super) fn sub<N: Exact>(&self, a: N, b: N) -> N {
        self.add(a, N::zero() - b)
    }

    /// `a * b`.
    pub(super) fn mul<N: Exact>(&self, a: N, b: N) -> N {
        let ((na, da), (nb, db)) = (a.parts(), b.parts());
        let lower = if da == 1 && db == 1 { 0 } else { Self::mul_cost(da, db) };
        self.recall(Self::mul_cost(na, nb) + lower);
        a * b
    }

    /// `a / b` as a fraction, for `b` other than 0.
    pub(super) fn div<N: Exact>(&self, a: N, b: N) -> Q {
        let ((na, da), (nb, db)) = (a.parts(), b.parts());
        let quotient = Ratio::new(na, da) / Ratio::new(nb, db);
        let lower = if da == 1 && db == 1 { 0 } else { Self::mul_cost(da, nb) };
        let upper = if quotient.is_integer() { *quotient.numer() } else { na };
        self.recall(Self::mul_cost(upper, if lower == 0 { nb } else { db }) + lower);
        quotient
    }

    /// The whole quotient, rounded down, for `b` of at least 1.
    pub(super) fn quotient(&self, a: Z, b: Z) -> Z {
        let quotient = Integer::div_floor(&a, &b);
        self.recall(Self::mul_cost(quotient, b));
        quotient
    }

    /// The remainder from 0 to `m - 1`; free when there is nothing to divide.
    pub(super) fn rem(&self, a: Z, m: Z) -> Z {
        if !(0..m).contains(&a) {
            self.quotient(a, m);
        }
        a.mod_floor(&m)
    }

    /// The sum of the numbers, 0 for none.
    pub(super) fn sum<N: Exact>(&self, numbers: &[N]) -> N {
        let add = |sum, &n| self.add(sum, n);
        numbers.split_first().map_or(N::zero(), |(first, rest)| rest.iter().fold(*first, add))
    }

    /// The product of the numbers, 1 for none.
    pub(super) fn product<N: Exact>(&self, numbers: &[N]) -> N {
        let mul = |product, &n| self.mul(product, n);
        numbers.split_first().map_or(N::one(), |(first, rest)| rest.iter().fold(*first, mul))
    }

    /// `a^n` by repeated multiplication.
    pub(super) fn pow<N: Exact>(&self, a: N, n: usize) -> N {
        self.product(&vec![a; n])
    }

    /// The sum of the products of pairs.
    pub(super) fn dot<N: Exact>(&self, a: &[N], b: &[N]) -> N {
        let products: Vec<N> = a.iter().zip(b).map(|(&a, &b)| self.mul(a, b)).collect();
        self.sum(&products)
    }

    /// The greatest common divisor by Euclid's divisions.
    pub(super) fn gcd(&self, a: Z, b: Z) -> Z {
        let (mut a, mut b) = (a.abs(), b.abs());
        while b != 0 {
            (a, b) = (b, self.rem(a, b));
        }
        a
    }

    /// The least common multiple of two numbers of at least 1.
    pub(super) fn lcm(&self, a: Z, b: Z) -> Z {
        let part = self.quotient(a, self.gcd(a, b));
        self.mul(part, b)
    }

    /// The prime factors of a number of at least 1, ascending, with exponents, by trial division.
    pub(super) fn factor(&self, number: Z) -> Vec<(Z, usize)> {
        let (mut rest, mut prime, mut factors) = (number, 2, Vec::new());
        while prime * prime <= rest {
            let mut exponent = 0;
            while rest % prime == 0 {
                rest = self.quotient(rest, prime);
                exponent += 1;
            }
            if exponent > 0 {
                factors.push((prime, exponent));
            }
            prime += 1;
        }
        if rest > 1 {
            factors.push((rest, 1));
        }
        self.recall(1);
        factors
    }

    /// The square root of a number of at least 0, reduced.
    pub(super) fn sqrt<N: Exact>(&self, square: N) -> Surd {
        let (numer, denom) = square.parts();
        self.recall(digits(numer).pow(2) + if denom == 1 { 0 } else { digits(denom).pow(2) });
        Surd::root(Ratio::new(numer, denom))
    }

    /// The binomial coefficient; 0 outside `0 <= k <= n`.
    pub(super) fn binomial(&self, n: Z, k: Z) -> Z {
        if k < 0 || k > n {
            return 0;
        }
        let k = k.min(n - k);
        (1..=k).fold(1, |value, i| {
            let product = self.mul(value, n - k + i);
            if i == 1 { product } else { self.quotient(product, i) }
        })
    }

    /// Evaluates a polynomial, constant term first, by Horner's rule.
    pub(super) fn horner<N: Exact>(&self, coefficients: &[N], x: N) -> N {
        let mut rest = coefficients.iter().rev();
        let Some(&leading) = rest.next() else {
            return N::zero();
        };
        rest.fold(leading, |value, &c| self.add(self.mul(value, x), c))
    }

    /// Multiplies two polynomials.
    pub(super) fn times<N: Exact>(&self, a: &[N], b: &[N]) -> Vec<N> {
        let mut product: Vec<Option<N>> = vec![None; a.len() + b.len() - 1];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate().filter(|(_, y)| !y.is_zero() && !x.is_zero()) {
                let term = self.mul(x, y);
                product[i + j] = Some(product[i + j].map_or(term, |sum| self.add(sum, term)));
            }
        }
        product.into_iter().map(|c| c.unwrap_or(N::zero())).collect()
    }

    /// Solves linear equations, each row `[a_1, .., a_n, b]`, by elimination; `None` for a singular system.
    pub(super) fn solve(&self, mut rows: Vec<Vec<Q>>) -> Option<Vec<Q>> {
        let n = rows.len();
        for column in 0..n {
            let pivot = (column..n).find(|&row| !rows[row][column].is_zero())?;
            rows.swap(column, pivot);
            let lead = rows[column].clone();
            for row in rows.iter_mut().skip(column + 1).filter(|row| !row[column].is_zero()) {
                let factor = self.div(row[column], lead[column]);
                for (cell, &above) in row.iter_mut().zip(&lead).skip(column + 1) {
                    *cell = self.sub(*cell, self.mul(factor, above));
                }
                row[column] = Q::zero();
            }
        }
        let mut solution = vec![Q::zero(); n];
        for row in (0..n).rev() {
            let known = self.dot(&rows[row][row + 1..n], &solution[row + 1..]);
            let rest = if row + 1 == n { rows[row][n] } else { self.sub(rows[row][n], known) };
            solution[row] = self.div(rest, rows[row][row]);
        }
        Some(solution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mathgen::draw::rationals;

    #[test]
    fn operations_cost_what_the_school_method_takes() {
        let cost = |work: &dyn Fn(&Pad)| {
            let pad = Pad::default();
            work(&pad);
            pad.work.get()
        };
        let q = |a, b| Q::new(a, b);
        assert_eq!(
            cost(&|p| {
                p.add(7, 5);
            }),
            1
        );
        assert_eq!(
            cost(&|p| {
                p.add(123, 9);
            }),
            3
        );
        assert_eq!(
            cost(&|p| {
                p.mul(123, 45);
            }),
            6
        );
        assert_eq!(
            cost(&|p| {
                p.quotient(144, 12);
            }),
            4
        );
        assert_eq!(
            cost(&|p| {
                p.add(q(1, 7), q(2, 7));
            }),
            1
        );
        assert_eq!(
            cost(&|p| {
                p.add(q(1, 2), q(1, 3));
            }),
            4
        );
        assert_eq!(
            cost(&|p| {
                p.mul(q(2, 3), q(4, 5));
            }),
            2
        );
        assert_eq!(
            cost(&|p| {
                p.rem(3, 7);
            }),
            0
        );
    }

    #[test]
    fn the_wording_follows_from_the_numbers() {
        let choices: Vec<usize> = (0..1_000).collect();
        let word = |numbers: &[Z]| Pad::default().given(0, numbers).word(&choices);
        assert_eq!(word(&[1, 2]), word(&[1, 2]));
        assert_ne!(word(&[1, 2]), word(&[12]));
    }

    #[test]
    fn elimination_solves_and_knows_singular_systems() {
        let rows = |rows: &[[Z; 3]]| rows.iter().map(|row| rationals(row)).collect::<Vec<_>>();
        let pad = Pad::default();
        let solution = pad.solve(rows(&[[0, 2, 6], [3, 1, 9]]));
        assert_eq!(solution, Some(rationals(&[2, 3])));
        assert_eq!(pad.solve(rows(&[[1, 2, 3], [2, 4, 6]])), None);
    }
}
