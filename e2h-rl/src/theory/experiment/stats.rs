//! Means with Student-t intervals.
//!
//! `mean +- t(0.975, n - 1) s / sqrt(n)`, with `s` the sample standard deviation.
//!
//! # Source
//! The quantile is the expansion of Cornish and Fisher in 1 / df (Abramowitz and Stegun, 26.7.5), to four terms.
//!
//! # Deviations
//! 1. The expansion is good to 1e-3 from 5 degrees of freedom on, and is not meant for fewer.
//!
//! # Invariants
//! - A single value has an interval of infinite width, not of none.

use serde::{Deserialize, Serialize};

/// A mean over seeds and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95% interval.
    pub half_width: f64,
}

impl Interval {
    /// The mean of `values` with its 95% interval.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let half_width = match values.len() {
            0 | 1 => f64::INFINITY,
            _ => t_975(n - 1.0) * (squares / (n - 1.0) / n).sqrt(),
        };
        Self { mean, half_width }
    }

    /// The lower end.
    pub fn low(&self) -> f64 {
        self.mean - self.half_width
    }

    /// The upper end.
    pub fn high(&self) -> f64 {
        self.mean + self.half_width
    }
}

/// The middle value, or the mean of the two middle ones; NaN without values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// The 97.5% quantile of Student's t with `df` degrees of freedom.
fn t_975(df: f64) -> f64 {
    let z: f64 = 1.959_963_984_540_054;
    let power = |exponent| z.powi(exponent);
    z + (power(3) + z) / (4.0 * df)
        + (5.0 * power(5) + 16.0 * power(3) + 3.0 * z) / (96.0 * df.powi(2))
        + (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * z) / (384.0 * df.powi(3))
        + (79.0 * power(9) + 776.0 * power(7) + 1482.0 * power(5) - 1920.0 * power(3) - 945.0 * z)
            / (92_160.0 * df.powi(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (df, expect) in [(5.0, 2.5706), (10.0, 2.2281), (19.0, 2.0930), (63.0, 1.9983)] {
            assert!((t_975(df) - expect).abs() < 1e-3, "{df}: {}", t_975(df));
        }
    }

    #[test]
    fn the_median_does_not_follow_an_outlier() {
        assert_eq!(median(&[3.0, 1.0, 1e9]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 1e9]), 3.0);
    }

    #[test]
    fn the_interval_is_the_one_worked_by_hand() {
        // 1..=6: mean 3.5, s^2 = 3.5, t(5) = 2.5706.
        let interval = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!((interval.mean - 3.5).abs() < 1e-12);
        assert!((interval.half_width - 2.5706 * (3.5f64 / 6.0).sqrt()).abs() < 1e-3);
        assert_eq!(Interval::of(&[2.0]).half_width, f64::INFINITY);
    }
}
