//! What can be set about a training run.

use e2h_core::Sampling;
use e2h_model::AdamWConfig;
use serde::{Deserialize, Serialize};

/// How a batch's token losses are weighted; see [`loss`](crate::loss).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean over sequences of the mean over tokens.
    #[default]
    Grpo,
    /// Mean over all tokens of the batch.
    Bnpo,
    /// Sum over tokens, divided by sequences times the longest completion allowed.
    DrGrpo,
}

/// What a group's rewards are divided by after centring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageScale {
    /// The group's own standard deviation.
    #[default]
    Group,
    /// The batch's standard deviation.
    Batch,
    /// Nothing.
    None,
}

/// The shape of the learning rate over the run, after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Half a cosine down to the final share.
    #[default]
    Cosine,
    /// A line down to the final share.
    Linear,
    /// No decay.
    Constant,
}

/// Group relative policy optimisation.
///
/// The defaults are those of the E2H reference where it sets one, else TRL's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpoConfig {
    /// T: updates in all.
    pub steps: u64,
    /// B: prompts a step.
    pub prompts: usize,
    /// G: rollouts a prompt.
    pub group_size: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Steps over which the learning rate rises from 0.
    pub warmup_steps: u64,
    /// Shape of the learning rate after warm-up.
    pub lr_schedule: LrSchedule,
    /// Share of the peak that is left at the last step.
    pub lr_final_frac: f64,
    /// Bound on the gradient's 2-norm.
    pub max_grad_norm: f64,
    /// Weighting of token losses.
    pub loss: LossKind,
    /// Scale of advantages.
    pub advantage_scale: AdvantageScale,
    /// Ratios under `1 - clip_eps_low` are clipped.
    pub clip_eps_low: f64,
    /// Ratios over `1 + clip_eps_high` are clipped.
    pub clip_eps_high: f64,
    /// Weight of the KL divergence from the starting policy; 0 = no reference policy is kept.
    pub kl_beta: f64,
    /// Weight of the entropy bonus.
    pub entropy_coef: f64,
    /// Passes over each batch of rollouts.
    pub num_iterations: usize,
    /// Completions cut at the token limit get no gradient.
    pub mask_truncated: bool,
    /// Rows that a worker thread holds at a time, in tokens. Changes memory and speed only.
    pub token_budget: usize,
    /// How rollouts are drawn.
    pub sampling: Sampling,
    /// The optimiser's constants.
    pub adamw: AdamWConfig,
}

impl Default for GrpoConfig {
    fn default() -> Self {
        Self {
            steps: 1600,
            prompts: 8,
            group_size: 8,
            lr: 1e-6,
            warmup_steps: 0,
            lr_schedule: LrSchedule::Cosine,
            lr_final_frac: 0.0,
            max_grad_norm: 1.0,
            loss: LossKind::Grpo,
            advantage_scale: AdvantageScale::Group,
            clip_eps_low: 0.2,
            clip_eps_high: 0.2,
            kl_beta: 0.001,
            entropy_coef: 0.0,
            num_iterations: 1,
            mask_truncated: false,
            token_budget: 1024,
            sampling: Sampling::default(),
            adamw: AdamWConfig::default(),
        }
    }
}

impl GrpoConfig {
    /// Every setting that is out of range, with its bound; empty when all is well.
    pub fn validate(&self) -> Vec<e2h_core::Error> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, name: &str, got: String, expected: &str| {
            if !ok {
                problems.push(e2h_core::Error::OutOfRange {
                    name: name.to_owned(),
                    got,
                    expected: expected.to_owned(),
                });
            }
        };
        let mut whole = |name: &str, value: u64, least: u64| {
            check(value >= least, name, value.to_string(), &format!("at least {least}"));
        };
        whole("steps", self.steps, 1);
        whole("prompts", self.prompts as u64, 1);
        whole("group_size", self.group_size as u64, 2);
        whole("num_iterations", self.num_iterations as u64, 1);
        whole("token_budget", self.token_budget as u64, 1);
        whole("sampling.max_tokens", self.sampling.max_tokens as u64, 1);
        let mut real = |name: &str, value: f64, least: f64, most: f64| {
            let expected = if most.is_finite() {
                format!("from {least} to {most}")
            } else {
                format!("at least {least}")
            };
            check((least..=most).contains(&value), name, value.to_string(), &expected);
        };
        real("lr", self.lr, 0.0, 1.0);
        real("lr_final_frac", self.lr_final_frac, 0.0, 1.0);
        real("clip_eps_low", self.clip_eps_low, 0.0, 1.0);
        real("clip_eps_high", self.clip_eps_high, 0.0, f64::INFINITY);
        real("kl_beta", self.kl_beta, 0.0, f64::INFINITY);
        real("entropy_coef", self.entropy_coef, 0.0, f64::INFINITY);
        real("adamw.beta1", self.adamw.beta1, 0.0, 1.0 - 1e-9);
        real("adamw.beta2", self.adamw.beta2, 0.0, 1.0 - 1e-9);
        real("adamw.weight_decay", self.adamw.weight_decay, 0.0, 1.0);
        real("sampling.top_p", self.sampling.top_p, 1e-6, 1.0);
        real("sampling.min_p", self.sampling.min_p, 0.0, 1.0);
        let positive = |value: f64| value > 0.0 && !value.is_nan();
        let (norm, temperature) = (self.max_grad_norm, self.sampling.temperature);
        check(positive(norm), "max_grad_norm", norm.to_string(), "over 0");
        check(
            positive(temperature) && temperature.is_finite(),
            "sampling.temperature",
            temperature.to_string(),
            "over 0: a group of greedy rollouts is all alike",
        );
        problems
    }

    /// The learning rate of `step` (0-based).
    pub fn lr_at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.lr * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let progress = ((step - self.warmup_steps) as f64 / span).min(1.0);
        let left = match self.lr_schedule {
            LrSchedule::Constant => 1.0,
            LrSchedule::Linear => 1.0 - progress,
            LrSchedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        };
        self.lr * (self.lr_final_frac + (1.0 - self.lr_final_frac) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_bad_values_are_all_reported() {
        assert!(GrpoConfig::default().validate().is_empty());
        let bad =
            GrpoConfig { group_size: 1, lr: f64::NAN, kl_beta: -1.0, ..GrpoConfig::default() };
        let problems: Vec<_> = bad.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "`group_size` is 1, but must be at least 2",
                "`lr` is NaN, but must be from 0 to 1",
                "`kl_beta` is -1, but must be at least 0",
            ]
        );
    }

    #[test]
    fn the_learning_rate_warms_up_and_decays() {
        let config = GrpoConfig {
            steps: 110,
            warmup_steps: 10,
            lr: 1.0,
            lr_final_frac: 0.1,
            ..GrpoConfig::default()
        };
        assert!((config.lr_at(0) - 0.1).abs() < 1e-12);
        assert!((config.lr_at(9) - 1.0).abs() < 1e-12);
        assert!((config.lr_at(60) - 0.55).abs() < 1e-12);
        assert!((config.lr_at(110) - 0.1).abs() < 1e-12);
    }
}
