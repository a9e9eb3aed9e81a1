//! Means with 95% intervals.

use std::fmt;

/// A mean and the half width of its 95% interval.
///
/// ```
/// use e2h_sched::simulate::Interval;
/// // The sample variance of 1 and 3 is 2, so the standard error of their mean is sqrt(2 / 2).
/// let interval = Interval::of(&[1.0, 3.0]);
/// assert_eq!((interval.mean, interval.half_width), (2.0, 1.96));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// 1.96 standard errors of the mean; 0 for fewer than two values.
    pub half_width: f64,
}

impl Interval {
    /// The interval of the mean of `values` under the normal approximation; mean 0 for no values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        if values.is_empty() {
            return Self { mean: 0.0, half_width: 0.0 };
        }
        let mean = values.iter().sum::<f64>() / n;
        let half_width = if values.len() < 2 {
            0.0
        } else {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            1.96 * (squares / (n - 1.0) / n).sqrt()
        };
        Self { mean, half_width }
    }

    /// Lower end.
    pub fn low(&self) -> f64 {
        self.mean - self.half_width
    }

    /// Upper end.
    pub fn high(&self) -> f64 {
        self.mean + self.half_width
    }
}

impl fmt::Display for Interval {
    /// In percent: `41.0 ±1.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, half_width) = (100.0 * self.mean, 100.0 * self.half_width);
        f.pad(&format!("{mean:.1} \u{b1}{half_width:.1}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_by_hand() {
        let interval = Interval::of(&[0.0, 1.0]);
        assert_eq!(interval.mean, 0.5);
        // Sample standard deviation sqrt(1/2), over sqrt(2).
        assert!((interval.half_width - 0.98).abs() < 1e-12);
        assert_eq!(Interval::of(&[3.0]).half_width, 0.0);
    }

    #[test]
    fn an_interval_is_shown_in_percent() {
        let interval = Interval { mean: 0.41, half_width: 0.0123 };
        assert_eq!(interval.to_string(), "41.0 \u{b1}1.2");
    }
}
