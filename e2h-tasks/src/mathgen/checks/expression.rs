//! A reader of LaTeX formulas, so that a check can start from the text of the statement.

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::R;

/// The value of a formula at values of its one-letter variables; `None` for a text that is no such formula, or for
/// a division by zero.
pub(super) fn evaluate(text: &str, variables: &[(char, R)]) -> Option<R> {
    let text = text.replace("\\left", "").replace("\\right", "");
    let mut reader = Reader { rest: &text, variables };
    let value = reader.sum()?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a [(char, R)],
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.rest.trim_start().strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<R> {
        let mut value = if self.take("-") { -self.product()? } else { self.product()? };
        loop {
            if self.take("+") {
                value += self.product()?;
            } else if self.take("-") {
                value -= self.product()?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<R> {
        let mut value = self.power()?;
        loop {
            if self.take("\\times") || self.take("\\cdot") {
                value *= self.power()?;
            } else if self.take("\\div") {
                let divisor = self.power().filter(|d| !d.is_zero())?;
                value /= divisor;
            } else {
                // A factor that follows without a sign.
                let next = self.rest.trim_start().chars().next();
                let starts = next.is_some_and(|c| c == '(' || c == '[' || c.is_alphanumeric());
                if !starts && !self.rest.trim_start().starts_with("\\frac") {
                    return Some(value);
                }
                value *= self.power()?;
            }
        }
    }

    fn power(&mut self) -> Option<R> {
        let base = self.atom()?;
        if !self.take("^") {
            return Some(base);
        }
        let digits = if self.take("{") { self.until('}')? } else { self.one()? };
        Some(base.pow(digits.parse().ok()?))
    }

    fn atom(&mut self) -> Option<R> {
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}")] {
            if self.take(open) {
                let value = self.sum()?;
                return self.take(close).then_some(value);
            }
        }
        if self.take("|") {
            let value = self.sum()?;
            return self.take("|").then(|| value.abs());
        }
        if self.take("\\cfrac") || self.take("\\frac") {
            let (top, bottom) = (self.atom()?, self.atom()?);
            return (!bottom.is_zero()).then(|| top / bottom);
        }
        let rest = self.rest.trim_start();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !digits.is_empty() {
            self.rest = &rest[digits.len()..];
            return digits.parse::<BigInt>().ok().map(R::from);
        }
        let name = rest.chars().next()?;
        self.rest = &rest[name.len_utf8()..];
        self.variables.iter().find(|(letter, _)| *letter == name).map(|(_, value)| value.clone())
    }

    fn until(&mut self, end: char) -> Option<String> {
        let (text, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(text.to_owned())
    }

    fn one(&mut self) -> Option<String> {
        let digit = self.rest.chars().next()?;
        self.rest = &self.rest[digit.len_utf8()..];
        Some(digit.to_string())
    }
}

#[test]
fn formulas_are_read_by_the_rules_of_arithmetic() {
    let x = [('x', R::from(BigInt::from(3)))];
    for (text, value) in [
        ("2 + 3 \\times 4", Some(14)),
        ("-x^2 + 2x(x - 1)", Some(3)),
        ("\\frac{9}{x} \\div \\left[ 4 - (1 - 2)^3 \\right] \\cdot 5", Some(3)),
        ("|2 - 5x|", Some(13)),
        ("7 - \\cfrac{4}{1 + \\cfrac{x}{3}}", Some(5)),
        ("\\frac{1}{x - 3}", None),
        ("2 +", None),
    ] {
        assert_eq!(evaluate(text, &x), value.map(|v| R::from(BigInt::from(v))), "{text}");
    }
}
