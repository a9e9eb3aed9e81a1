//! Exact answers, and how they are written in LaTeX.
//!
//! # Source
//! None; the kinds are those that school competitions ask for.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! - Values are exact; no floating point anywhere.
//! - A [`Surd`] is reduced: its radicand is square-free, and 1 when the root part is zero.
//!   So two surds are equal exactly when their fields are.

use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{One, Signed, Zero};

use super::latex;

/// An exact rational number.
pub type Rational = Ratio<i128>;

/// The number `rational + coefficient * sqrt(radicand)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surd {
    /// The rational part.
    pub rational: Rational,
    /// The factor of the root.
    pub coefficient: Rational,
    /// What is under the root: square-free and positive; 1 when the coefficient is 0.
    pub radicand: i128,
}

impl Surd {
    /// `rational + coefficient * sqrt(radicand)`, reduced, for a radicand of at least 0.
    pub fn new(rational: Rational, coefficient: Rational, radicand: i128) -> Self {
        let (outside, inside) = latex::square_part(radicand);
        let coefficient = coefficient * outside;
        let (rational, coefficient) = match inside {
            1 => (rational + coefficient, Rational::zero()),
            _ => (rational, coefficient),
        };
        let radicand = if coefficient.is_zero() { 1 } else { inside };
        Self { rational, coefficient, radicand }
    }

    /// The square root of a rational number of at least 0.
    pub fn root(square: Rational) -> Self {
        let (numer, denom) = (*square.numer(), *square.denom());
        Self::new(Rational::zero(), Ratio::new(1, denom), numer * denom)
    }

    /// The number times a rational factor.
    pub fn scaled(self, factor: Rational) -> Self {
        Self::new(self.rational * factor, self.coefficient * factor, self.radicand)
    }

    fn latex(&self) -> String {
        if self.coefficient.is_zero() {
            return latex::fraction(self.rational);
        }
        let denom = self.rational.denom().lcm(self.coefficient.denom());
        let root = format!("\\sqrt{{{}}}", self.radicand);
        let terms = [(self.rational * denom, ""), (self.coefficient * denom, root.as_str())];
        over(&terms, denom)
    }
}

impl From<Rational> for Surd {
    fn from(rational: Rational) -> Self {
        Self { rational, coefficient: Rational::zero(), radicand: 1 }
    }
}

/// A sum with whole coefficients over a denominator; a minus sign of a single term stands before the fraction.
fn over(terms: &[(Rational, &str)], denom: i128) -> String {
    if denom == 1 {
        return latex::sum(terms);
    }
    let shown: Vec<_> = terms.iter().filter(|(factor, _)| !factor.is_zero()).collect();
    if let [(factor, word)] = shown[..] {
        let sign = if factor.is_negative() { "-" } else { "" };
        let numerator = latex::sum(&[(factor.abs(), word)]);
        return format!("{sign}\\frac{{{numerator}}}{{{denom}}}");
    }
    format!("\\frac{{{}}}{{{denom}}}", latex::sum(terms))
}

/// One end of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The interval has no bound on this side.
    Infinite,
    /// The bound belongs to the interval.
    Closed(Rational),
    /// The bound does not belong to the interval.
    Open(Rational),
}

/// The exact value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number or fraction.
    Number(Rational),
    /// A number with one square root.
    Surd(Surd),
    /// A rational multiple of pi.
    Pi(Rational),
    /// A point: the order matters.
    Point(Vec<Surd>),
    /// All numbers asked for, ascending: the order does not matter.
    List(Vec<Surd>),
    /// A union of intervals, ascending, each given by its ends.
    Intervals(Vec<(End, End)>),
    /// A polynomial in x, constant term first.
    Polynomial(Vec<Rational>),
    /// A complex number: real and imaginary part.
    Complex(Surd, Surd),
    /// A matrix by rows; a vector has one column.
    Matrix(Vec<Vec<Rational>>),
    /// A numeral: digits of 0 to `base - 1`, most significant first.
    Numeral {
        /// The digits.
        digits: Vec<u8>,
        /// The base, 2 to 10.
        base: u8,
    },
}

impl Value {
    /// A whole number.
    pub fn whole(number: i128) -> Self {
        Self::Number(number.into())
    }

    /// A surd, or a number when the root vanishes.
    pub fn surd(surd: Surd) -> Self {
        if surd.coefficient.is_zero() { Self::Number(surd.rational) } else { Self::Surd(surd) }
    }

    /// A point with rational coordinates.
    pub fn point(coordinates: impl IntoIterator<Item = Rational>) -> Self {
        Self::Point(coordinates.into_iter().map(Surd::from).collect())
    }

    /// A list of rational numbers, sorted and without repetition.
    pub fn list(mut numbers: Vec<Rational>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self::List(numbers.into_iter().map(Surd::from).collect())
    }

    /// The kind in one word: `number`, `surd`, `pi`, ...
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Number(number) if number.is_integer() => "integer",
            Self::Number(_) => "fraction",
            Self::Surd(_) => "surd",
            Self::Pi(_) => "pi",
            Self::Point(_) => "point",
            Self::List(_) => "list",
            Self::Intervals(_) => "intervals",
            Self::Polynomial(_) => "polynomial",
            Self::Complex(..) => "complex",
            Self::Matrix(_) => "matrix",
            Self::Numeral { .. } => "numeral",
        }
    }

    /// The answer in LaTeX, without dollar signs.
    pub fn latex(&self) -> String {
        match self {
            Self::Number(number) => latex::fraction(*number),
            Self::Surd(surd) => surd.latex(),
            Self::Pi(factor) => over(&[((*factor.numer()).into(), "\\pi")], *factor.denom()),
            Self::Point(surds) => format!("\\left( {} \\right)", commas(surds)),
            Self::List(surds) => commas(surds),
            Self::Intervals(parts) => {
                let parts: Vec<String> = parts.iter().map(interval).collect();
                parts.join(" \\cup ")
            }
            Self::Polynomial(coefficients) => latex::polynomial(coefficients, "x"),
            Self::Complex(re, im) => complex(re, im),
            Self::Matrix(rows) => latex::matrix(rows),
            Self::Numeral { digits, base } => latex::numeral(digits, *base),
        }
    }
}

fn commas(surds: &[Surd]) -> String {
    let texts: Vec<String> = surds.iter().map(Surd::latex).collect();
    texts.join(", ")
}

fn interval((low, high): &(End, End)) -> String {
    let low = match low {
        End::Infinite => "\\left( -\\infty".to_owned(),
        End::Closed(bound) => format!("\\left[ {}", latex::fraction(*bound)),
        End::Open(bound) => format!("\\left( {}", latex::fraction(*bound)),
    };
    let high = match high {
        End::Infinite => "\\infty \\right)".to_owned(),
        End::Closed(bound) => format!("{} \\right]", latex::fraction(*bound)),
        End::Open(bound) => format!("{} \\right)", latex::fraction(*bound)),
    };
    format!("{low}, {high}")
}

/// Both parts of a complex number as these templates make them: rational, or one root without a rational part.
fn complex(re: &Surd, im: &Surd) -> String {
    let zero = Surd::from(Rational::zero());
    if *im == zero {
        return re.latex();
    }
    let one = Surd::from(Rational::one());
    let negative = im.rational.is_negative() || im.coefficient.is_negative();
    let size = if negative { im.scaled(-Rational::one()) } else { *im };
    let size = if size == one { String::new() } else { size.latex() };
    match (*re == zero, negative) {
        (true, false) => format!("{size}i"),
        (true, true) => format!("-{size}i"),
        (false, false) => format!("{} + {size}i", re.latex()),
        (false, true) => format!("{} - {size}i", re.latex()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(numer: i128, denom: i128) -> Rational {
        Ratio::new(numer, denom)
    }

    #[test]
    fn values_are_written_as_a_textbook_does() {
        let surd = |a, b, c| Value::surd(Surd::new(a, b, c));
        for (value, latex) in [
            (Value::Number(q(-3, 4)), "-\\frac{3}{4}"),
            (surd(q(0, 1), q(1, 1), 12), "2\\sqrt{3}"),
            (surd(q(0, 1), q(-1, 2), 3), "-\\frac{\\sqrt{3}}{2}"),
            (surd(q(3, 2), q(-1, 4), 5), "\\frac{6 - \\sqrt{5}}{4}"),
            (surd(q(1, 2), q(1, 1), 9), "\\frac{7}{2}"),
            (Value::Pi(q(3, 2)), "\\frac{3\\pi}{2}"),
            (Value::Pi(q(1, 1)), "\\pi"),
            (Value::point([q(1, 1), q(-2, 3)]), "\\left( 1, -\\frac{2}{3} \\right)"),
            (Value::list(vec![q(4, 1), q(-1, 1), q(4, 1)]), "-1, 4"),
            (
                Value::Intervals(vec![
                    (End::Infinite, End::Open(q(1, 1))),
                    (End::Closed(q(2, 1)), End::Infinite),
                ]),
                "\\left( -\\infty, 1 \\right) \\cup \\left[ 2, \\infty \\right)",
            ),
            (
                Value::Polynomial(vec![q(-5, 1), q(1, 1), q(0, 1), q(-1, 2)]),
                "-\\frac{1}{2}x^3 + x - 5",
            ),
            (Value::Complex(q(0, 1).into(), q(-1, 1).into()), "-i"),
            (Value::Complex(q(2, 1).into(), Surd::root(q(12, 1))), "2 + 2\\sqrt{3}i"),
            (
                Value::Matrix(vec![vec![q(1, 1)], vec![q(1, 2)]]),
                "\\begin{pmatrix} 1 \\\\ \\frac{1}{2} \\end{pmatrix}",
            ),
            (Value::Numeral { digits: vec![1, 0, 2], base: 3 }, "102_{3}"),
        ] {
            assert_eq!(value.latex(), latex);
        }
    }

    #[test]
    fn the_root_of_a_fraction_is_reduced() {
        let root = Surd::root(q(8, 9));
        assert_eq!((root.coefficient, root.radicand), (q(2, 3), 2));
        assert_eq!(Surd::root(q(9, 4)), Surd::from(q(3, 2)));
    }
}
