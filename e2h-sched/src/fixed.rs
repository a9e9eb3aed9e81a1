//! Schedules that are functions of the step alone.
//!
//! `K` levels, step `t` of `T`, progress `u = t / T`:
//! - balanced: `1 / K`. Only: one level.
//! - classic: level `min(floor(t K / T), K - 1)` with probability 1.
//! - cosine: `a = (1 + cos(pi u)) / 2`; code form `p_i = (a (K - i) + (1 - a)(i + 1)) / (K (K + 1) / 2)`,
//!   paper form `p_i = (a (K - 1 - i) + (1 - a) i) / (K (K - 1) / 2)`.
//! - gaussian: `mu = u^mu_exp (K - 1)`, `q_i ~ exp(-(i - mu)^2 / (2 sigma^2))` with sum 1,
//!   `p_i = m + (1 - K m) q_i` with `m = min_prob`.
//! - linear: `mu = u (K - 1)`, `p_i = max(0, 1 - |i - mu|)`: from all-easy to all-hard weights, through each
//!   level between, so that the mean level is exactly `mu`.
//! - table: row `min(floor(t R / T), R - 1)` of R given rows, so one row is a constant mixture and T rows
//!   are one a step.
//! - piecewise: the row of the last point that is not after `t`, or the straight line between two points.
//!
//! # Source
//! arXiv 2506.06632 and its reference code: balanced (the paper's "GRPO" baseline), classic ("CL"), cosine
//! (E2H-C), gaussian (E2H-G). The others are ours.
//!
//! # Deviations
//! 1. The gaussian weights are shifted by their largest exponent, so a narrow `sigma` gives the nearest
//!    level instead of 0 / 0.
//! 2. Steps after `T` count as `T`; the reference extrapolates, and its cosine swings back.
//! 3. The reference's formulas accept a negative `sigma` or `min_prob` and `mu_exp = 0`; here they are errors.
//! 4. The paper form of the cosine with one level is that level (its formula is 0 / 0).
//!
//! # Invariants
//! - Each row has K entries of at least 0 with sum 1.
//! - The mean level of classic, cosine, gaussian and linear never falls.

use e2h_core::{Curriculum, Error, Level, Result};
use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::floor::lift;

/// Which of the two published cosine formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CosineForm {
    /// The reference code: end levels keep `2 / (K (K + 1))`.
    #[default]
    Code,
    /// The paper: the hardest level starts at 0 and the easiest ends at 0.
    Paper,
}

/// The probabilities that hold from a step on.
///
/// ```
/// use e2h_core::Curriculum;
/// use e2h_sched::{Fixed, Point, Shape};
///
/// let points = [(0, [1.0, 0.0]), (10, [0.0, 1.0])];
/// let points = points.map(|(step, probs)| Point { step, probs: probs.to_vec() }).to_vec();
/// let rule = Fixed::new(Shape::Piecewise { points, interpolate: true }, 2, 20)?;
/// assert_eq!(rule.probs(5), [0.5, 0.5]);
/// assert_eq!(rule.probs(15), [0.0, 1.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// First step, 0-based.
    pub step: u64,
    /// One probability a level, with sum 1.
    pub probs: Vec<f64>,
}

/// The formula of a fixed schedule.
///
/// ```
/// use e2h_core::Curriculum;
/// use e2h_sched::{CosineForm, Fixed, Shape};
///
/// // At its start E2H-G is about the easiest level: the next is exp(-1 / (2 sigma^2)) times as likely.
/// let shape = Shape::Gaussian { mu_exp: 0.5, sigma: 0.5, min_prob: Some(0.0) };
/// let probs = Fixed::new(shape, 2, 1600)?.probs(0);
/// assert!((probs[1] / probs[0] - (-2f64).exp()).abs() < 1e-12);
/// // E2H-C in the paper's form begins as K - 1 - i over K (K - 1) / 2, so without the hardest level.
/// let probs = Fixed::new(Shape::Cosine(CosineForm::Paper), 3, 1600)?.probs(0);
/// assert_eq!(probs, [2.0 / 3.0, 1.0 / 3.0, 0.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Every level alike.
    Balanced,
    /// One level.
    Only(Level),
    /// One level after the other, for equal shares of the steps.
    Classic,
    /// E2H-C.
    Cosine(CosineForm),
    /// E2H-G.
    Gaussian {
        /// Exponent of the progress: under 1 leaves easy levels sooner.
        mu_exp: f64,
        /// Width in levels.
        sigma: f64,
        /// Least probability of a level; `None` is the reference's `2 / (K (K + 1))`, 0 is the paper.
        min_prob: Option<f64>,
    },
    /// A hat of width 1 level that moves from the easiest level to the hardest.
    Linear,
    /// Rows of probabilities for equal shares of the steps.
    Table(Vec<Vec<f64>>),
    /// Rows of probabilities from given steps on.
    Piecewise {
        /// In rising order of step, the first at step 0.
        points: Vec<Point>,
        /// True for straight lines between the points instead of jumps.
        interpolate: bool,
    },
}

impl Shape {
    /// Every problem of this shape with `n_levels` levels.
    pub(crate) fn problems(&self, n_levels: usize) -> Vec<Error> {
        let mut checks = Checks::default();
        match self {
            Self::Balanced | Self::Classic | Self::Cosine(_) | Self::Linear => {}
            Self::Only(level) => {
                let last = n_levels.saturating_sub(1);
                let expected = format!("at most {last} ({n_levels} levels, counted from 0)");
                checks.require(level.index() < n_levels, "level", level.0, expected);
            }
            Self::Gaussian { mu_exp, sigma, min_prob } => {
                checks.positive("mu_exp", *mu_exp);
                checks.positive("sigma", *sigma);
                if let Some(min_prob) = min_prob {
                    checks.floor("min_prob", *min_prob, n_levels);
                }
            }
            Self::Table(rows) => {
                checks.require(!rows.is_empty(), "rows", "[]", "at least one row");
                for (index, row) in rows.iter().enumerate() {
                    checks.distribution(&format!("rows[{index}]"), row, n_levels);
                }
            }
            Self::Piecewise { points, .. } => piecewise_problems(points, n_levels, &mut checks),
        }
        checks.into_problems()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Only(_) => "only",
            Self::Classic => "classic",
            Self::Cosine(_) => "cosine",
            Self::Gaussian { .. } => "gaussian",
            Self::Linear => "linear",
            Self::Table(_) => "table",
            Self::Piecewise { .. } => "piecewise",
        }
    }

    /// Rows that may be off by rounding get the sum 1 that the trait promises.
    fn normalised(mut self) -> Self {
        match &mut self {
            Self::Table(rows) => rows.iter_mut().for_each(|row| normalise(row)),
            Self::Piecewise { points, .. } => {
                points.iter_mut().for_each(|p| normalise(&mut p.probs));
            }
            _ => {}
        }
        self
    }
}

fn piecewise_problems(points: &[Point], n_levels: usize, checks: &mut Checks) {
    match points.first() {
        Some(first) => checks.require(first.step == 0, "points[0].step", first.step, "0"),
        None => checks.require(false, "points", "[]", "at least one point"),
    }
    for (index, pair) in points.windows(2).enumerate() {
        let name = format!("points[{}].step", index + 1);
        let expected = format!("greater than the step before it, {}", pair[0].step);
        checks.require(pair[1].step > pair[0].step, &name, pair[1].step, expected);
    }
    for (index, point) in points.iter().enumerate() {
        checks.distribution(&format!("points[{index}].probs"), &point.probs, n_levels);
    }
}

/// A schedule that is a function of the step alone.
///
/// ```
/// use e2h_core::Curriculum;
/// use e2h_sched::{Fixed, Shape};
///
/// // The mean level goes from 0 to 2 in a straight line: after a quarter of the steps it is 0.5.
/// let rule = Fixed::new(Shape::Linear, 3, 8)?;
/// assert_eq!(rule.probs(0), [1.0, 0.0, 0.0]);
/// assert_eq!(rule.probs(2), [0.5, 0.5, 0.0]);
/// assert_eq!(rule.probs(8), [0.0, 0.0, 1.0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    shape: Shape,
    n_levels: usize,
    total_steps: u64,
}

impl Fixed {
    /// The schedule `shape` over `n_levels` levels and `total_steps` steps.
    ///
    /// # Errors
    /// [`OutOfRange`](e2h_core::Error::OutOfRange) for the first parameter outside its range.
    pub fn new(shape: Shape, n_levels: usize, total_steps: u64) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.at_least_one("total_steps", total_steps);
        checks.extend(shape.problems(n_levels));
        checks.into_result()?;
        Ok(Self { shape: shape.normalised(), n_levels, total_steps })
    }

    /// `floor(step * parts / T)`, at most `parts - 1`: which of `parts` equal spans the step lies in.
    fn span(&self, step: u64, parts: usize) -> usize {
        let span = u128::from(step) * parts as u128 / u128::from(self.total_steps);
        usize::try_from(span).map_or(parts - 1, |span| span.min(parts - 1))
    }
}

impl Curriculum for Fixed {
    fn name(&self) -> &str {
        self.shape.name()
    }

    fn n_levels(&self) -> usize {
        self.n_levels
    }

    fn probs(&self, step: u64) -> Vec<f64> {
        let k = self.n_levels;
        let step = step.min(self.total_steps);
        let progress = step as f64 / self.total_steps as f64;
        match &self.shape {
            Shape::Balanced => vec![1.0 / k as f64; k],
            Shape::Only(level) => one_hot(k, level.index()),
            Shape::Classic => one_hot(k, self.span(step, k)),
            Shape::Cosine(form) => cosine(k, progress, *form),
            Shape::Gaussian { mu_exp, sigma, min_prob } => {
                let mut probs = gaussian(k, progress.powf(*mu_exp), *sigma);
                lift(&mut probs, min_prob.unwrap_or(default_min_prob(k)));
                probs
            }
            Shape::Linear => hat(k, progress * (k - 1) as f64),
            Shape::Table(rows) => rows[self.span(step, rows.len())].clone(),
            Shape::Piecewise { points, interpolate } => piecewise(points, *interpolate, step),
        }
    }
}

/// The reference's least probability of a level under the gaussian schedule, `2 / (K (K + 1))`.
pub(crate) fn default_min_prob(n_levels: usize) -> f64 {
    2.0 / (n_levels * (n_levels + 1)) as f64
}

/// All the probability on one of `k` levels.
pub(crate) fn one_hot(k: usize, level: usize) -> Vec<f64> {
    let mut probs = vec![0.0; k];
    probs[level] = 1.0;
    probs
}

/// `q_i ~ exp(-(i - mu)^2 / (2 sigma^2))` with `mu = at (k - 1)`, `at` in [0, 1], `sigma` in levels.
pub(crate) fn gaussian(k: usize, at: f64, sigma: f64) -> Vec<f64> {
    let mu = at * (k - 1) as f64;
    let log_weights: Vec<f64> =
        (0..k).map(|i| -(i as f64 - mu).powi(2) / (2.0 * sigma * sigma)).collect();
    softmax(&log_weights)
}

/// `max(0, 1 - |i - mu|)`: the two levels around `mu`, so that the mean level is `mu`.
pub(crate) fn hat(k: usize, mu: f64) -> Vec<f64> {
    (0..k).map(|i| (1.0 - (i as f64 - mu).abs()).max(0.0)).collect()
}

/// `exp(x_i)` with sum 1, safe for any finite or `-inf` entries as long as one is finite.
pub(crate) fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut probs: Vec<f64> = logits.iter().map(|logit| (logit - top).exp()).collect();
    normalise(&mut probs);
    probs
}

/// Divides by the sum, which must be positive.
pub(crate) fn normalise(probs: &mut [f64]) {
    let sum: f64 = probs.iter().sum();
    for prob in probs {
        *prob /= sum;
    }
}

fn cosine(k: usize, progress: f64, form: CosineForm) -> Vec<f64> {
    let easy = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
    let (offset, total) = match form {
        CosineForm::Code => (1, k * (k + 1) / 2),
        CosineForm::Paper if k == 1 => return vec![1.0],
        CosineForm::Paper => (0, k * (k - 1) / 2),
    };
    let total = total as f64;
    (0..k)
        .map(|i| {
            let (down, up) = ((k - 1 - i + offset) as f64, (i + offset) as f64);
            easy * down / total + (1.0 - easy) * up / total
        })
        .collect()
}

fn piecewise(points: &[Point], interpolate: bool, step: u64) -> Vec<f64> {
    let next = points.partition_point(|point| point.step <= step);
    let from = &points[next - 1];
    match points.get(next) {
        Some(to) if interpolate => {
            let share = (step - from.step) as f64 / (to.step - from.step) as f64;
            let line = from.probs.iter().zip(&to.probs);
            line.map(|(a, b)| (1.0 - share) * a + share * b).collect()
        }
        _ => from.probs.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixed(shape: Shape, n_levels: usize, total_steps: u64) -> Fixed {
        Fixed::new(shape, n_levels, total_steps).expect("a valid schedule")
    }

    fn check(shape: Shape, step: u64, expected: &[f64]) {
        let probs = fixed(shape, expected.len(), 10).probs(step);
        for (prob, expected) in probs.iter().zip(expected) {
            assert!((prob - expected).abs() < 1e-12, "{probs:?}");
        }
    }

    #[test]
    fn only_stays_on_its_level() {
        check(Shape::Only(Level(1)), 9, &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_paper_cosine_ends_without_the_easiest_level() {
        let paper = Shape::Cosine(CosineForm::Paper);
        check(paper.clone(), 0, &[2.0 / 3.0, 1.0 / 3.0, 0.0]);
        check(paper.clone(), 10, &[0.0, 1.0 / 3.0, 2.0 / 3.0]);
        check(paper, 5, &[1.0]);
    }

    #[test]
    fn linear_splits_its_weight_between_the_two_levels_around_the_mean() {
        check(Shape::Linear, 0, &[1.0, 0.0, 0.0]);
        check(Shape::Linear, 2, &[0.6, 0.4, 0.0]);
        check(Shape::Linear, 10, &[0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_table_gives_each_row_an_equal_share_of_the_steps() {
        let table = Shape::Table(vec![vec![0.9, 0.1], vec![0.2, 0.8]]);
        check(table.clone(), 4, &[0.9, 0.1]);
        check(table, 5, &[0.2, 0.8]);
    }

    #[test]
    fn piecewise_holds_or_interpolates() {
        let points = vec![
            Point { step: 0, probs: vec![1.0, 0.0] },
            Point { step: 4, probs: vec![0.0, 1.0] },
        ];
        let piecewise = |interpolate| Shape::Piecewise { points: points.clone(), interpolate };
        check(piecewise(false), 3, &[1.0, 0.0]);
        check(piecewise(true), 3, &[0.25, 0.75]);
        check(piecewise(true), 9, &[0.0, 1.0]);
    }

    #[test]
    fn a_narrow_gaussian_is_the_nearest_level_and_never_nan() {
        let narrow = Shape::Gaussian { mu_exp: 0.5, sigma: 1e-9, min_prob: None };
        check(narrow, 7, &[0.1, 0.1, 0.1, 0.7]);
    }

    #[test]
    fn steps_after_the_end_count_as_the_end() {
        let cosine = fixed(Shape::Cosine(CosineForm::Code), 4, 10);
        assert_eq!(cosine.probs(15), cosine.probs(10));
    }

    #[test]
    fn all_problems_of_a_shape_are_reported_at_once() {
        let bad = Shape::Gaussian { mu_exp: 0.0, sigma: -0.5, min_prob: Some(0.3) };
        let problems = bad.problems(4);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    fn any_rising_shape() -> impl Strategy<Value = Shape> {
        prop_oneof![
            Just(Shape::Classic),
            Just(Shape::Linear),
            Just(Shape::Cosine(CosineForm::Code)),
            Just(Shape::Cosine(CosineForm::Paper)),
            (0.05..4.0f64, 0.001..10.0f64, 0.0..0.1f64).prop_map(|(mu_exp, sigma, min_prob)| {
                Shape::Gaussian { mu_exp, sigma, min_prob: Some(min_prob) }
            }),
        ]
    }

    proptest! {
        #[test]
        fn rows_are_distributions_whose_mean_level_never_falls(
            shape in any_rising_shape(), k in 1usize..10, total in 1u64..500,
        ) {
            let schedule = fixed(shape, k, total);
            let mut before = -1.0;
            for step in 0..=total {
                let probs = schedule.probs(step);
                prop_assert_eq!(probs.len(), k);
                prop_assert!(probs.iter().all(|&prob| (0.0..=1.0 + 1e-12).contains(&prob)));
                prop_assert!((probs.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let mean: f64 = probs.iter().enumerate().map(|(i, prob)| i as f64 * prob).sum();
                prop_assert!(mean >= before - 1e-9, "step {} falls to {}", step, mean);
                before = mean;
            }
        }
    }
}
