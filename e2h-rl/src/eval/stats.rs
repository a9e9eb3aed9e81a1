//! Intervals, pass@k and the exact paired test.
//!
//! # Source
//! Wilson 1927; pass@k of Chen et al. 2021 (Codex), equation 1; the percentile bootstrap of Efron 1979; the exact
//! test of McNemar 1947, which asks how probable a split of the discordant pairs as uneven as this one is when
//! either side is equally likely.

use e2h_core::RootSeed;
use rand::RngExt;

/// Resamples of a bootstrap interval.
const RESAMPLES: usize = 1000;

/// 95% Wilson score interval of `successes` in `n` trials.
///
/// ```
/// let [low, high] = e2h_rl::wilson(61, 100);
/// assert!((low - 0.512).abs() < 1e-3 && (high - 0.700).abs() < 1e-3);
/// ```
pub fn wilson(successes: usize, n: usize) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (n as f64, successes as f64 / n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)]
}

/// Unbiased estimate of the chance that at least one of `k` samples is correct, from `n` samples of which
/// `correct` are.
///
/// ```
/// // Of 8 samples 2 are right: the chance that 4 of them hold one is 1 - C(6, 4) / C(8, 4).
/// assert!((e2h_rl::pass_at_k(8, 2, 4) - (1.0 - 15.0 / 70.0)).abs() < 1e-12);
/// ```
pub fn pass_at_k(n: usize, correct: usize, k: usize) -> f64 {
    if n - correct < k {
        return 1.0;
    }
    1.0 - (n - correct + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>()
}

/// 95% percentile bootstrap interval of the mean of `values`, which are resampled by problem.
///
/// The same seed and values give the same interval.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_rl::bootstrap;
/// // Half of 100 right: the standard error is 0.05, so the interval is about 0.5 +- 0.098.
/// let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
/// let [low, high] = bootstrap(&values, RootSeed(0));
/// assert!((low - 0.402).abs() < 0.03 && (high - 0.598).abs() < 0.03);
/// assert_eq!(bootstrap(&[1.0; 20], RootSeed(0)), [1.0, 1.0]);
/// ```
pub fn bootstrap(values: &[f64], seed: RootSeed) -> [f64; 2] {
    if values.is_empty() {
        return [0.0, 1.0];
    }
    let mut rng = seed.stream("eval/bootstrap", &[values.len() as u64]);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 =
                (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    [at(0.025), at(0.975)]
}

/// Two-sided p-value of McNemar's exact test, from the numbers of pairs that only one side has right.
///
/// It is 1 when there are no such pairs.
///
/// ```
/// assert!(e2h_rl::mcnemar(9, 1) < 0.05);
/// assert_eq!(e2h_rl::mcnemar(0, 0), 1.0);
/// ```
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    let n = only_a + only_b;
    // P(X = i) of a fair binomial, in logarithms, so that large n do not underflow.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for i in 0..=only_a.min(only_b) {
        tail += log_term.exp();
        log_term += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_equals_published_values() {
        // Newcombe 1998, table I: 81/263 and 0/20.
        let check = |successes, n, low: f64, high: f64| {
            let [a, b] = wilson(successes, n);
            assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
        };
        check(81, 263, 0.2553, 0.3662);
        check(0, 20, 0.0, 0.1611);
    }

    #[test]
    fn pass_at_k_equals_counting() {
        assert!((pass_at_k(4, 1, 1) - 0.25).abs() < 1e-12);
        assert!((pass_at_k(4, 1, 2) - 0.5).abs() < 1e-12);
        // 1 - C(3, 2) / C(5, 2)
        assert!((pass_at_k(5, 2, 2) - 0.7).abs() < 1e-12);
        assert_eq!(pass_at_k(5, 0, 3), 0.0);
        assert_eq!(pass_at_k(5, 3, 3), 1.0);
    }

    #[test]
    fn mcnemar_equals_the_binomial_test() {
        // 2 * (1 + 10 + 45) / 2^10, and 2 * 1 / 2^5.
        assert!((mcnemar(2, 8) - 0.109_375).abs() < 1e-12);
        assert!((mcnemar(5, 0) - 0.0625).abs() < 1e-12);
        assert!((mcnemar(8, 2) - mcnemar(2, 8)).abs() < 1e-15);
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(3, 3), 1.0);
        let far = mcnemar(400, 1600);
        assert!(far > 0.0 && far < 1e-100, "{far}");
    }

    #[test]
    fn a_bootstrap_interval_is_near_wilsons_and_repeats_itself() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let interval = bootstrap(&values, RootSeed(1));
        let expected = wilson(50, 200);
        assert!((interval[0] - expected[0]).abs() < 0.02, "{interval:?} {expected:?}");
        assert!((interval[1] - expected[1]).abs() < 0.02, "{interval:?} {expected:?}");
        assert_eq!(interval, bootstrap(&values, RootSeed(1)));
        assert_eq!(bootstrap(&[1.0; 8], RootSeed(1)), [1.0, 1.0]);
    }
}
