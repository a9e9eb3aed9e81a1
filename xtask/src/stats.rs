//! Means and differences with Student-t intervals.
//!
//! `mean +- t(0.975, n - 1) * s / sqrt(n)`, with `s` the sample standard deviation (divisor `n - 1`); a paired
//! difference is the same on the differences, and its p-value is two-sided.
//!
//! # Source
//! The t distribution by the regularised incomplete beta function, as a continued fraction after Lentz
//! (Numerical Recipes, 3rd edition, section 6.4); ln gamma after Lanczos with g = 7 and nine terms.
//!
//! # Deviations
//! None. The quantile is found by bisection, which is slow and cannot fail.
//!
//! # Invariants
//! - An interval needs two values or more; with fewer there is a mean and no width.

use serde::Serialize;

/// A mean over seeds and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Interval {
    /// The number of values.
    pub(crate) n: usize,
    /// Their mean.
    pub(crate) mean: f64,
    /// Their sample standard deviation; none for a single value.
    pub(crate) sd: Option<f64>,
    /// Half the width of the 95% t-interval of the mean; none for a single value.
    pub(crate) half_width: Option<f64>,
}

impl Interval {
    /// The mean of `values` with its 95% interval; none without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let sd = (n > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        let half_width = sd.map(|sd| t_quantile(0.975, (n - 1) as f64) * sd / (n as f64).sqrt());
        Some(Self { n, mean, sd, half_width })
    }

    /// The two-sided p-value of a mean of 0; none for a single value and for values without spread.
    pub(crate) fn p_of_zero(&self) -> Option<f64> {
        let sd = self.sd.filter(|&sd| sd > 0.0)?;
        let t = self.mean / (sd / (self.n as f64).sqrt());
        Some(2.0 * t_cdf(-t.abs(), (self.n - 1) as f64))
    }
}

/// The `prob` quantile of Student's t with `df` degrees of freedom, to about 1e-12 relative.
///
/// `prob` lies strictly between 0 and 1; `df` is positive.
pub(crate) fn t_quantile(prob: f64, df: f64) -> f64 {
    if prob < 0.5 {
        return -t_quantile(1.0 - prob, df);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while t_cdf(high, df) < prob && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if t_cdf(middle, df) < prob {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The probability that Student's t with `df` degrees of freedom is at most `t`.
pub(crate) fn t_cdf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(df / (df + t * t), 0.5 * df, 0.5);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The regularised incomplete beta function `I_x(a, b)`.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below this point; above it the symmetry I_x(a, b) = 1 - I_{1-x}(b, a) helps.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let ln_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    ln_front.exp() / a * beta_fraction(x, a, b)
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..=500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0_f64).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

/// The natural logarithm of the gamma function for `x` of 0.5 and more.
fn ln_gamma(x: f64) -> f64 {
    const LANCZOS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (index, term) in (1_u32..).zip(LANCZOS) {
        sum += term / (x + f64::from(index));
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance, "got {got}, expected {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_printed_table() {
        for (df, expected) in [
            (1.0, 12.706_204_736),
            (2.0, 4.302_652_730),
            (3.0, 3.182_446_305),
            (4.0, 2.776_445_105),
            (9.0, 2.262_157_163),
            (30.0, 2.042_272_456),
            (1000.0, 1.962_339_081),
        ] {
            near(t_quantile(0.975, df), expected, 2e-9);
            near(t_quantile(0.025, df), -expected, 2e-9);
        }
        near(t_quantile(0.95, 4.0), 2.131_846_786, 2e-9);
    }

    #[test]
    fn one_and_two_degrees_of_freedom_have_their_closed_forms() {
        for t in [-30.0, -2.0, -0.1, 0.0, 0.7, 5.0_f64] {
            near(t_cdf(t, 1.0), 0.5 + t.atan() / std::f64::consts::PI, 1e-13);
            near(t_cdf(t, 2.0), 0.5 + t / (2.0 * (2.0 + t * t).sqrt()), 1e-13);
        }
    }

    #[test]
    fn the_interval_of_three_values_is_the_one_worked_by_hand() {
        // Mean 4, squares 4 + 0 + 4, s = sqrt(8 / 2) = 2, half width 4.302652730 * 2 / sqrt(3).
        let interval = Interval::of(&[2.0, 4.0, 6.0]).expect("three values");
        assert_eq!((interval.n, interval.mean), (3, 4.0));
        near(interval.sd.expect("spread"), 2.0, 1e-15);
        near(interval.half_width.expect("a width"), 4.968_275_423, 1e-8);
        // t = 4 / (2 / sqrt(3)) = 2 sqrt(3); with two degrees of freedom p = 1 - t / sqrt(2 + t^2).
        let p = 1.0 - 12_f64.sqrt() / 14_f64.sqrt();
        near(interval.p_of_zero().expect("a p-value"), p, 1e-12);
    }

    #[test]
    fn a_single_value_has_a_mean_and_no_width() {
        let interval = Interval::of(&[0.5]).expect("one value");
        assert_eq!((interval.mean, interval.half_width), (0.5, None));
        assert_eq!(interval.p_of_zero(), None);
        assert_eq!(Interval::of(&[]), None);
    }

    #[test]
    fn values_without_spread_have_no_p_value() {
        let interval = Interval::of(&[0.1, 0.1]).expect("two values");
        assert_eq!(interval.half_width, Some(0.0));
        assert_eq!(interval.p_of_zero(), None);
    }
}
