//! The convergence bound, the sample bound and the condition under which a curriculum needs fewer samples.
//!
//! Convergence, with g the discount, T_k the policy updates of stage k, eta_k its initial gap, delta_k its
//! evaluation error and beta_k its policy-update step:
//!
//! ```text
//! E_K <= sum_k [ g^T_k eta_k + 2 g (1 - g^T_k) / (1 - g)^2 delta_k + 2 g / (beta_k (1 - g)^2) ]
//!        + sum_{k<K} || Q*_K - Q*_k ||_{d_K}
//! ```
//!
//! Samples, up to a constant and further logarithms:
//!
//! ```text
//! sum_k log^3(1/eps_k) / eps_k^2 * L_k^2 n / ((1 - g)^7 (1 - g_c)^3 lambda_min^3)
//! ```
//!
//! Win: with e = eps_k / eps_{k+1}, l = L_{k+1} / L_k and m the cost of learning the last task directly over the
//! cost of the last stage, the curriculum needs fewer samples if and only if
//!
//! ```text
//! ((e l)^(2 (1 - K)) - 1) / (1 - (e l)^2) < m - 1
//! ```
//!
//! # Source
//! Theorems 3.1 and 3.2 of arXiv 2506.06632.
//!
//! # Deviations
//! 1. The left side of the win condition is computed as what it is, the geometric sum
//!    `sum_{j=1}^{K-1} (e l)^(-2 j)`: the cost of all earlier stages over that of the last. So `e l = 1` is no
//!    special case to the caller; the limit there is K - 1.
//! 2. T and beta may differ from stage to stage; the paper has one of each.
//!
//! # Invariants
//! - Every bound is the sum of the terms that its struct shows.

use e2h_core::Result;
use serde::{Deserialize, Serialize};

use super::require;

/// What one stage brings into the convergence bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInput {
    /// T_k, the number of policy updates.
    pub updates: u32,
    /// eta_k = || Q*_k - Q^pi_k ||_inf of the policy that enters the stage.
    pub initial_gap: f64,
    /// delta_k, the largest || Q_t - Q^pi_t ||_inf over the stage's evaluations.
    pub evaluation_error: f64,
    /// beta_k, the step of the policy update: an inverse temperature, in units of 1 / Q.
    pub beta: f64,
}

/// The three terms of one stage, in units of Q.
///
/// ```
/// use e2h_rl::theory::bounds::{StageBound, StageInput};
/// let input = StageInput { updates: 1, initial_gap: 1.0, evaluation_error: 0.25, beta: 2.0 };
/// let bound = StageBound::new(0.5, &input)?;
/// // 0.5 * 1, then 2 * 0.5 * (1 - 0.5) / 0.25 * 0.25, then 2 * 0.5 / (2 * 0.25).
/// assert_eq!([bound.initial_gap, bound.evaluation_error, bound.policy_update], [0.5, 0.5, 2.0]);
/// assert_eq!(bound.total(), 3.0);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageBound {
    /// `g^T eta`.
    pub initial_gap: f64,
    /// `2 g (1 - g^T) / (1 - g)^2 delta`.
    pub evaluation_error: f64,
    /// `2 g / (beta (1 - g)^2)`.
    pub policy_update: f64,
}

impl StageBound {
    /// The three terms under discount `gamma`.
    ///
    /// # Errors
    /// `OutOfRange` unless 0 < gamma < 1, the gap and the error are finite and not negative, and beta > 0.
    pub fn new(gamma: f64, input: &StageInput) -> Result<Self> {
        check_open_unit("gamma", gamma)?;
        check_not_negative("initial_gap", input.initial_gap)?;
        check_not_negative("evaluation_error", input.evaluation_error)?;
        check_positive("beta", input.beta)?;
        let left = gamma.powf(f64::from(input.updates));
        let horizon_sq = (1.0 - gamma).powi(-2);
        Ok(Self {
            initial_gap: left * input.initial_gap,
            evaluation_error: 2.0 * gamma * (1.0 - left) * horizon_sq * input.evaluation_error,
            policy_update: 2.0 * gamma * horizon_sq / input.beta,
        })
    }

    /// The sum of the three terms: the bound on the stage's own error.
    pub fn total(&self) -> f64 {
        self.initial_gap + self.evaluation_error + self.policy_update
    }
}

/// The convergence bound of a whole curriculum, term by term.
///
/// ```
/// use e2h_rl::theory::bounds::{ConvergenceBound, StageInput};
/// // Two stages of 0.5 * 1 + 0 + 2, and what training on the first costs the second.
/// let stage = StageInput { updates: 1, initial_gap: 1.0, evaluation_error: 0.0, beta: 2.0 };
/// let bound = ConvergenceBound::new(0.5, &[stage, stage], &[0.25])?;
/// assert_eq!((bound.learning(), bound.curriculum_price(), bound.total()), (5.0, 0.25, 5.25));
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvergenceBound {
    /// One entry a stage, the easiest first.
    pub stages: Vec<StageBound>,
    /// `|| Q*_K - Q*_k ||_{d_K}` of each stage but the last.
    pub prices: Vec<f64>,
}

impl ConvergenceBound {
    /// The bound from what was measured: one input a stage, and the price of each stage but the last.
    ///
    /// # Errors
    /// `OutOfRange` without stages, with a number of prices other than that of stages less one, with a negative
    /// price, and as [`StageBound::new`].
    pub fn new(gamma: f64, stages: &[StageInput], prices: &[f64]) -> Result<Self> {
        require(!stages.is_empty(), "stages", 0, "1 or more")?;
        let expected = format!("{}, one for each stage but the last", stages.len() - 1);
        require(prices.len() + 1 == stages.len(), "number of prices", prices.len(), &expected)?;
        for &price in prices {
            check_not_negative("price", price)?;
        }
        let stages =
            stages.iter().map(|stage| StageBound::new(gamma, stage)).collect::<Result<_>>()?;
        Ok(Self { stages, prices: prices.to_vec() })
    }

    /// What all stages together add.
    pub fn learning(&self) -> f64 {
        self.stages.iter().map(StageBound::total).sum()
    }

    /// What the curriculum costs for training on other tasks than the last: the sum of the prices.
    pub fn curriculum_price(&self) -> f64 {
        self.prices.iter().sum()
    }

    /// The bound on E_K.
    pub fn total(&self) -> f64 {
        self.learning() + self.curriculum_price()
    }
}

/// The constants that all stages share in the sample bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleConstants {
    /// g, the discount.
    pub gamma: f64,
    /// g_c, the contraction factor of the evaluation's operator.
    pub contraction: f64,
    /// The smallest eigenvalue of the features' second moment under the sampling distribution. In a table it is
    /// the probability of the state-action pair that is sampled least.
    pub lambda_min: f64,
    /// n, the number of steps that the evaluation bootstraps over (our reading of the paper's n).
    pub n: u32,
}

/// The accuracy and the scale of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleStage {
    /// eps_k, the error budget, in (0, 1).
    pub accuracy: f64,
    /// L_k, the scale of the evaluation's updates.
    pub scale: f64,
}

/// The sample bound, term by term, with the unknown constant taken as 1.
///
/// ```
/// use e2h_rl::theory::bounds::{SampleBound, SampleConstants, SampleStage};
/// let constants = SampleConstants { gamma: 0.5, contraction: 0.5, lambda_min: 1.0, n: 1 };
/// // With eps = L = 1/e a stage costs what all have in common: 1 / (0.5^7 0.5^3).
/// let e = (-1f64).exp();
/// let bound = SampleBound::new(&constants, &[SampleStage { accuracy: e, scale: e }; 2])?;
/// assert!((bound.total() - 2.0 * 1024.0).abs() < 1e-6);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleBound {
    /// `n / ((1 - g)^7 (1 - g_c)^3 lambda_min^3)`, common to all stages.
    pub common: f64,
    /// `log^3(1/eps_k)` of each stage.
    pub logs: Vec<f64>,
    /// `L_k^2 / eps_k^2` of each stage.
    pub costs: Vec<f64>,
}

impl SampleBound {
    /// The bound for `stages`, the easiest first.
    ///
    /// # Errors
    /// `OutOfRange` without stages and for a constant, an accuracy or a scale outside its range.
    pub fn new(constants: &SampleConstants, stages: &[SampleStage]) -> Result<Self> {
        check_open_unit("gamma", constants.gamma)?;
        check_open_unit("contraction", constants.contraction)?;
        let lambda = constants.lambda_min;
        require(lambda > 0.0 && lambda <= 1.0, "lambda_min", lambda, "over 0 and at most 1")?;
        require(constants.n > 0, "n", constants.n, "1 or more")?;
        require(!stages.is_empty(), "stages", 0, "1 or more")?;
        for stage in stages {
            check_open_unit("accuracy", stage.accuracy)?;
            check_positive("scale", stage.scale)?;
        }
        Ok(Self {
            common: f64::from(constants.n)
                / ((1.0 - constants.gamma).powi(7)
                    * (1.0 - constants.contraction).powi(3)
                    * lambda.powi(3)),
            logs: stages.iter().map(|stage| (1.0 / stage.accuracy).ln().powi(3)).collect(),
            costs: stages.iter().map(|stage| (stage.scale / stage.accuracy).powi(2)).collect(),
        })
    }

    /// Samples of each stage.
    pub fn per_stage(&self) -> impl Iterator<Item = f64> {
        self.logs.iter().zip(&self.costs).map(|(log, cost)| self.common * log * cost)
    }

    /// Samples of all stages.
    pub fn total(&self) -> f64 {
        self.per_stage().sum()
    }
}

/// The two sides of the win condition.
///
/// ```
/// use e2h_rl::theory::bounds::WinCondition;
/// // Three stages of one cost, against learning directly at four times that cost.
/// let condition = WinCondition::new(1.0, 1.0, 4.0, 3)?;
/// assert_eq!((condition.earlier_stages, condition.saved), (2.0, 3.0));
/// assert!(condition.curriculum_wins());
/// assert_eq!(condition.speedup(), 4.0 / 3.0);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WinCondition {
    /// The cost of all earlier stages over the cost of the last.
    pub earlier_stages: f64,
    /// m - 1: what learning directly costs beyond the last stage, over the cost of the last stage.
    pub saved: f64,
}

impl WinCondition {
    /// The condition for K = `stages`, with e = `accuracy_ratio`, l = `scale_ratio` and m = `direct_cost`.
    ///
    /// # Errors
    /// `OutOfRange` for a number of stages of 0, and for a ratio that is not positive and finite.
    pub fn new(
        accuracy_ratio: f64,
        scale_ratio: f64,
        direct_cost: f64,
        stages: u32,
    ) -> Result<Self> {
        check_positive("m", direct_cost)?;
        Ok(Self {
            earlier_stages: boundary(accuracy_ratio, scale_ratio, stages)? - 1.0,
            saved: direct_cost - 1.0,
        })
    }

    /// True when the curriculum needs fewer samples than learning directly.
    pub fn curriculum_wins(&self) -> bool {
        self.earlier_stages < self.saved
    }

    /// Samples of learning directly over samples of the curriculum, as the condition has it.
    pub fn speedup(&self) -> f64 {
        (1.0 + self.saved) / (1.0 + self.earlier_stages)
    }
}

/// m*(e, l, K): the curriculum of K stages wins for every m over this and for no other.
///
/// ```
/// # use e2h_rl::theory::bounds::boundary;
/// // Stages that double in cost: a half and a quarter come before the last.
/// let m = boundary(2f64.sqrt(), 1.0, 3)?;
/// assert!((m - 1.75).abs() < 1e-12);
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// `OutOfRange` for 0 stages, for a ratio that is not positive and finite, and where the sum overflows.
pub fn boundary(accuracy_ratio: f64, scale_ratio: f64, stages: u32) -> Result<f64> {
    check_positive("e", accuracy_ratio)?;
    check_positive("l", scale_ratio)?;
    require(stages > 0, "K", stages, "1 or more")?;
    let earlier = f64::from(stages - 1);
    // log of the cost of a stage over that of the next
    let step = -2.0 * (accuracy_ratio * scale_ratio).ln();
    let sum =
        if step == 0.0 { earlier } else { step.exp() * (step * earlier).exp_m1() / step.exp_m1() };
    require(sum.is_finite(), "(e l)^(2 (1 - K))", sum, "small enough for a double")?;
    Ok(1.0 + sum)
}

fn check_open_unit(name: &str, value: f64) -> Result<()> {
    require(value > 0.0 && value < 1.0, name, value, "over 0 and under 1")
}

fn check_positive(name: &str, value: f64) -> Result<()> {
    require(value > 0.0 && value.is_finite(), name, value, "positive and finite")
}

fn check_not_negative(name: &str, value: f64) -> Result<()> {
    require(value >= 0.0 && value.is_finite(), name, value, "0 or more and finite")
}

#[cfg(test)]
mod tests;
