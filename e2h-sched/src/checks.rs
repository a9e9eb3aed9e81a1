//! Range checks that collect every problem instead of stopping at the first.

use std::fmt::Display;

use e2h_core::{Error, Result};

/// How far the sum of a row of probabilities may be from 1 before it is refused.
const SUM_TOLERANCE: f64 = 1e-6;

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Checks {
    problems: Vec<Error>,
}

impl Checks {
    /// Notes that `name` is `got` although it must be `expected`, unless `ok`.
    pub(crate) fn require(
        &mut self,
        ok: bool,
        name: &str,
        got: impl Display,
        expected: impl Into<String>,
    ) {
        if !ok {
            self.problems.push(Error::OutOfRange {
                name: name.to_owned(),
                got: got.to_string(),
                expected: expected.into(),
            });
        }
    }

    /// Requires a finite number greater than 0.
    pub(crate) fn positive(&mut self, name: &str, value: f64) {
        let ok = value.is_finite() && value > 0.0;
        self.require(ok, name, value, "a finite number greater than 0");
    }

    /// Requires a finite number of at least 0.
    pub(crate) fn not_negative(&mut self, name: &str, value: f64) {
        let ok = value.is_finite() && value >= 0.0;
        self.require(ok, name, value, "a finite number of at least 0");
    }

    /// Requires a number in (0, 1].
    pub(crate) fn rate(&mut self, name: &str, value: f64) {
        self.require(value > 0.0 && value <= 1.0, name, value, "greater than 0 and at most 1");
    }

    /// Requires a number in `[low, high]`.
    pub(crate) fn within(&mut self, name: &str, value: f64, low: f64, high: f64) {
        let ok = value >= low && value <= high;
        self.require(ok, name, value, format!("at least {low} and at most {high}"));
    }

    /// Requires a whole number of at least 1.
    pub(crate) fn at_least_one(&mut self, name: &str, value: u64) {
        self.require(value > 0, name, value, "at least 1");
    }

    /// Requires a probability that `n_levels` levels can have at once: in `[0, 1 / n_levels]`.
    pub(crate) fn floor(&mut self, name: &str, value: f64, n_levels: usize) {
        // The product is compared, as in the formula, so that 0.1 fits ten levels whatever 1 / 10 rounds to.
        let ok = value >= 0.0 && value * n_levels as f64 <= 1.0;
        let bound = 1.0 / n_levels as f64;
        self.require(
            ok,
            name,
            value,
            format!("at least 0 and at most 1 / {n_levels} = {bound} ({n_levels} levels)"),
        );
    }

    /// Requires one probability a level, with sum 1.
    pub(crate) fn distribution(&mut self, name: &str, row: &[f64], n_levels: usize) {
        let shown = format!("{row:?}");
        if row.len() != n_levels {
            let expected = format!("a list of {n_levels} probabilities, one a level");
            self.require(false, name, shown, expected);
            return;
        }
        let sum: f64 = row.iter().sum();
        let ok = row.iter().all(|&prob| prob >= 0.0) && (sum - 1.0).abs() <= SUM_TOLERANCE;
        self.require(
            ok,
            name,
            shown,
            format!("probabilities of at least 0 that sum to 1 (the sum is {sum})"),
        );
    }

    /// Takes over the problems of another part.
    pub(crate) fn extend(&mut self, problems: Vec<Error>) {
        self.problems.extend(problems);
    }

    /// Every problem found.
    pub(crate) fn into_problems(self) -> Vec<Error> {
        self.problems
    }

    /// `Ok` when no problem was found, else the first one.
    pub(crate) fn into_result(self) -> Result<()> {
        self.problems.into_iter().next().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_passes_no_check() {
        let mut checks = Checks::default();
        checks.positive("a", f64::NAN);
        checks.within("b", f64::NAN, 0.0, 1.0);
        checks.floor("c", f64::NAN, 4);
        checks.distribution("d", &[f64::NAN, 1.0], 2);
        checks.not_negative("e", f64::NAN);
        checks.rate("f", f64::NAN);
        assert_eq!(checks.into_problems().len(), 6);
    }

    #[test]
    fn a_floor_problem_names_the_bound() {
        let mut checks = Checks::default();
        checks.floor("min_prob", 0.3, 4);
        let error = checks.into_result().expect_err("0.3 is over 1 / 4");
        assert_eq!(
            error.to_string(),
            "`min_prob` is 0.3, but must be at least 0 and at most 1 / 4 = 0.25 (4 levels)"
        );
    }
}
