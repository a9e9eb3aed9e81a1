//! Numbers, sums, polynomials and matrices as LaTeX.

use num_rational::Ratio;
use num_traits::{One, Signed, Zero};

use super::value::Rational;

/// `(a, b)` with `number = a^2 b` and `b` square-free; `(0, 1)` for 0. The number is at least 0.
pub(super) fn square_part(number: i128) -> (i128, i128) {
    if number == 0 {
        return (0, 1);
    }
    let (mut outside, mut inside, mut rest, mut factor) = (1, 1, number, 2);
    while factor * factor <= rest {
        while rest % (factor * factor) == 0 {
            outside *= factor;
            rest /= factor * factor;
        }
        if rest % factor == 0 {
            inside *= factor;
            rest /= factor;
        }
        factor += 1;
    }
    (outside, inside * rest)
}

/// `3`, `-\frac{3}{4}`.
pub(super) fn fraction(number: Rational) -> String {
    if number.is_integer() {
        return number.numer().to_string();
    }
    let sign = if number.is_negative() { "-" } else { "" };
    format!("{sign}\\frac{{{}}}{{{}}}", number.numer().abs(), number.denom())
}

/// A sum of terms `factor * word`: `3x - y + 2`. Terms with factor 0 are left out; an empty word is a constant.
pub(super) fn sum<W: AsRef<str>>(terms: &[(Rational, W)]) -> String {
    let mut text = String::new();
    for (factor, word) in terms.iter().filter(|(factor, _)| !factor.is_zero()) {
        text.push_str(match (text.is_empty(), factor.is_negative()) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        });
        let word = word.as_ref();
        if !factor.abs().is_one() || word.is_empty() {
            text.push_str(&fraction(factor.abs()));
        }
        text.push_str(word);
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// [`sum`] with whole factors.
pub(super) fn whole_sum<W: AsRef<str> + Copy>(terms: &[(i128, W)]) -> String {
    let terms: Vec<(Rational, W)> = terms.iter().map(|&(f, w)| (Ratio::from(f), w)).collect();
    sum(&terms)
}

/// A polynomial in `variable`, coefficients constant term first: `x^2 - 3x + 1`.
pub(super) fn polynomial(coefficients: &[Rational], variable: &str) -> String {
    let power = |degree: usize| match degree {
        0 => String::new(),
        1 => variable.to_owned(),
        2..=9 => format!("{variable}^{degree}"),
        _ => format!("{variable}^{{{degree}}}"),
    };
    let terms: Vec<(Rational, String)> = coefficients
        .iter()
        .enumerate()
        .rev()
        .map(|(degree, factor)| (*factor, power(degree)))
        .collect();
    sum(&terms)
}

/// [`polynomial`] with whole coefficients.
pub(super) fn whole_polynomial(coefficients: &[i128], variable: &str) -> String {
    let coefficients: Vec<Rational> = coefficients.iter().map(|&c| c.into()).collect();
    polynomial(&coefficients, variable)
}

/// A matrix by rows.
pub(super) fn matrix(rows: &[Vec<Rational>]) -> String {
    let row = |row: &Vec<Rational>| {
        let cells: Vec<String> = row.iter().map(|&cell| fraction(cell)).collect();
        cells.join(" & ")
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!("\\begin{{pmatrix}} {} \\end{{pmatrix}}", rows.join(" \\\\ "))
}

/// A column vector with whole entries.
pub(super) fn column(entries: &[i128]) -> String {
    let rows: Vec<Vec<Rational>> = entries.iter().map(|&entry| vec![entry.into()]).collect();
    matrix(&rows)
}

/// A point with whole coordinates: `(1, -2)`.
pub(super) fn point(coordinates: &[i128]) -> String {
    format!("({})", join(coordinates, ", "))
}

/// Numbers with a separator between them.
pub(super) fn join(numbers: &[i128], separator: &str) -> String {
    let texts: Vec<String> = numbers.iter().map(i128::to_string).collect();
    texts.join(separator)
}

/// A number in parentheses when it is negative.
pub(super) fn operand(number: i128) -> String {
    if number < 0 { format!("({number})") } else { number.to_string() }
}

/// `1011_{2}`.
pub(super) fn numeral(digits: &[u8], base: u8) -> String {
    let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    format!("{digits}_{{{base}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_square_part_times_a_square_free_rest() {
        for number in 0..3_000 {
            let (outside, inside) = square_part(number);
            assert_eq!(outside * outside * inside, number);
            assert!((2..=60).all(|f| inside % (f * f) != 0), "{number}");
        }
    }

    #[test]
    fn sums_leave_out_zeros_and_ones() {
        assert_eq!(whole_sum(&[(1, "x"), (-1, "y"), (0, "z"), (-7, "")]), "x - y - 7");
        assert_eq!(whole_sum(&[(0, "x")]), "0");
        assert_eq!(whole_polynomial(&[1, 0, -2, 1], "t"), "t^3 - 2t^2 + 1");
    }
}
