//! What can be set about a training run.

use e2h_core::Sampling;
use e2h_model::AdamWConfig;
use serde::{Deserialize, Serialize};

mod ppo;
mod validate;

pub use ppo::PpoConfig;

/// The loss; each is one function of [`loss`](crate::loss), with its formula and source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean over sequences of the mean over tokens.
    #[default]
    Grpo,
    /// Mean over all tokens of the minibatch.
    Bnpo,
    /// Sum over tokens, divided by sequences times the longest completion allowed.
    DrGrpo,
    /// Mean over all tokens of the step's batch.
    Dapo,
    /// As `grpo`, with one ratio a sequence.
    Gspo,
    /// The bounded ratio weights the log-prob instead of being clipped.
    Cispo,
    /// A smooth gate in place of the clip.
    Sapo,
    /// A gamma-shaped weight of the whole sequence's ratio.
    Vespo,
    /// As `gspo`, with each sequence weighted by its length.
    Luspo,
    /// Mean over all tokens of the minibatch, with advantages from a value head: see `ppo`.
    Ppo,
}

/// What an importance ratio is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioLevel {
    /// `sequence` for `gspo` and `luspo`, else `token`.
    #[default]
    Auto,
    /// Each token has its own.
    Token,
    /// The geometric mean over the sequence.
    Sequence,
}

/// How rewards become advantages; each is one function of [`advantages`](crate::advantages).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageKind {
    /// Less the group's mean, divided by what `advantage_scale` says (GRPO).
    #[default]
    Group,
    /// Less the mean of the group's other rewards, not divided (RLOO).
    Rloo,
    /// Centred and scaled over the batch (REINFORCE++).
    ReinforcePp,
    /// Less the group's mean, then centred and scaled over the batch (REINFORCE++-baseline).
    ReinforcePpBaseline,
}

/// In which order several rewards are summed and normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardAggregation {
    /// The weighted sum is normalised.
    #[default]
    SumThenNormalize,
    /// Each part is normalised within its group, the weighted sum over the batch (GDPO).
    NormalizeThenSum,
}

/// The weight of one named part of the reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartWeight {
    /// The part's name, for example `format`.
    pub name: String,
    /// Its weight in place of the task's.
    pub weight: f64,
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
///
/// ```
/// use e2h_rl::{GrpoConfig, LrSchedule};
///
/// let linear = LrSchedule::Linear;
/// let config = GrpoConfig { steps: 10, lr: 0.5, warmup_steps: 2, lr_schedule: linear, ..GrpoConfig::default() };
/// assert!(config.validate().is_empty());
/// // Up in two steps, then down to nothing in eight.
/// assert_eq!([0, 1, 2, 6].map(|step| config.lr_at(step)), [0.25, 0.5, 0.5, 0.25]);
///
/// let alone = GrpoConfig { group_size: 1, ..config };
/// assert_eq!(alone.validate()[0].to_string(), "`group_size` is 1, but must be at least 2");
/// ```
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
    /// What the importance ratio is of (TRL `importance_sampling_level`).
    pub ratio_level: RatioLevel,
    /// How rewards become advantages.
    pub advantage: AdvantageKind,
    /// Scale of `group` advantages; the other kinds fix theirs.
    pub advantage_scale: AdvantageScale,
    /// Ratios under `1 - clip_eps_low` are clipped.
    pub clip_eps_low: f64,
    /// Ratios over `1 + clip_eps_high` are clipped.
    pub clip_eps_high: f64,
    /// Ratios are bounded by this in the unclipped branch too (INTELLECT-2, arXiv
    /// 2505.07291); 0 = no bound.
    pub clip_delta: f64,
    /// Only this share of the tokens, those of highest entropy, get the policy's gradient ("Beyond the 80/20
    /// Rule", arXiv 2506.01939); 1 = all. Costs a forward pass when under 1.
    pub top_entropy_quantile: f64,
    /// Bound of the ratio in `cispo` (5 in ScaleRL, arXiv 2510.13786).
    pub cispo_cap: f64,
    /// Sharpness of `sapo`'s gate for positive advantages.
    pub sapo_temperature_pos: f64,
    /// The same for the others.
    pub sapo_temperature_neg: f64,
    /// Power of the ratio in `vespo` for advantages of at least 0.
    pub vespo_k_pos: f64,
    /// Decay of the ratio in `vespo` for advantages of at least 0.
    pub vespo_lambda_pos: f64,
    /// Power of the ratio in `vespo` for negative advantages.
    pub vespo_k_neg: f64,
    /// Decay of the ratio in `vespo` for negative advantages.
    pub vespo_lambda_neg: f64,
    /// Weight of the KL divergence from the starting policy; 0 = no reference policy is kept. In `ppo` the divergence
    /// is taken off the reward of each token (TRL `kl_coef`), else it is a term of the loss.
    pub kl_beta: f64,
    /// The KL estimate is weighted by the importance ratio, which makes it unbiased off policy (DeepSeek-V3.2, arXiv
    /// 2512.02556).
    pub kl_bias_correction: bool,
    /// Weight of the entropy bonus: the mean entropy over the tokens that get a gradient.
    pub entropy_coef: f64,
    /// Passes over each batch of rollouts.
    pub num_iterations: usize,
    /// Optimiser steps a pass: the step's groups are dealt out to so many minibatches of about equal tokens.
    pub minibatches: usize,
    /// Updates in a row whose gradient is not finite before the run gives up; each is skipped.
    pub max_bad_updates: u32,
    /// Completions cut at the token limit get no gradient and count in no mean over tokens.
    pub mask_truncated: bool,
    /// Tokens before the limit from which on length costs reward (DAPO, arXiv
    /// 2503.14476, equation 13); 0 = off.
    /// The penalty shapes advantages only; logged rewards are the verifier's.
    pub overlong_buffer: usize,
    /// Penalty at the limit.
    pub overlong_penalty: f64,
    /// Weights of named parts of the reward in place of the task's; parts not named keep theirs.
    pub reward_weights: Vec<PartWeight>,
    /// In which order parts of the reward are summed and normalised (TRL `multi_objective_aggregation`).
    pub reward_aggregation: RewardAggregation,
    /// Groups without variance are drawn again at the same step, as DAPO's dynamic sampling does.
    pub dynamic_sampling: bool,
    /// How often a step may draw again in place of groups that the schedule's filter or dynamic sampling dropped;
    /// 0 = they are only left out of the update.
    pub max_refills: usize,
    /// Informative groups kept in memory, to stand in for groups that teach nothing; 0 = none.
    pub replay_groups: usize,
    /// Steps after which a group in memory is too old.
    pub replay_max_age: u64,
    /// Steps between moves of the reference toward the policy (TRL `sync_ref_model`, every 512); 0 = frozen.
    pub reference_sync_steps: u64,
    /// Share of the policy in such a move (TRL `ref_model_mixup_alpha`).
    pub reference_mixup: f64,
    /// Parts of a minibatch whose gradients are added up as a tree. Runs with the same number, a power of two, make
    /// the same weights on 1, 2, 4, ... ranks, to the bit; 0 = one part a rank.
    pub shards: usize,
    /// Rows that a worker thread holds at a time, in tokens. Changes memory and speed only.
    pub token_budget: usize,
    /// Largest weight of a token in the correction for a rollout source whose log-probs are not the trainer's (TRL
    /// `vllm_importance_sampling_clip_max`, in the mode `token_truncate`); 0 = no correction. Rollouts of the policy's
    /// own engine need none.
    pub importance_sampling_cap: f64,
    /// How rollouts are drawn.
    pub sampling: Sampling,
    /// The optimiser's constants.
    pub adamw: AdamWConfig,
    /// The value head of `loss = "ppo"`.
    pub ppo: PpoConfig,
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
            ratio_level: RatioLevel::Auto,
            advantage: AdvantageKind::Group,
            advantage_scale: AdvantageScale::Group,
            clip_eps_low: 0.2,
            clip_eps_high: 0.2,
            clip_delta: 0.0,
            top_entropy_quantile: 1.0,
            cispo_cap: 5.0,
            sapo_temperature_pos: 1.0,
            sapo_temperature_neg: 1.05,
            vespo_k_pos: 2.0,
            vespo_lambda_pos: 3.0,
            vespo_k_neg: 3.0,
            vespo_lambda_neg: 2.0,
            kl_beta: 0.001,
            kl_bias_correction: false,
            entropy_coef: 0.0,
            num_iterations: 1,
            minibatches: 1,
            max_bad_updates: 5,
            mask_truncated: false,
            overlong_buffer: 0,
            overlong_penalty: 1.0,
            reward_weights: Vec::new(),
            reward_aggregation: RewardAggregation::SumThenNormalize,
            dynamic_sampling: false,
            max_refills: 3,
            replay_groups: 0,
            replay_max_age: 10,
            reference_sync_steps: 0,
            reference_mixup: 0.6,
            shards: 0,
            token_budget: 1024,
            importance_sampling_cap: 3.0,
            sampling: Sampling::default(),
            adamw: AdamWConfig::default(),
            ppo: PpoConfig::default(),
        }
    }
}

impl GrpoConfig {
    /// True when a sequence has one importance ratio.
    pub fn is_sequence_level(&self) -> bool {
        match self.ratio_level {
            RatioLevel::Auto => matches!(self.loss, LossKind::Gspo | LossKind::Luspo),
            RatioLevel::Token => false,
            RatioLevel::Sequence => true,
        }
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
        let linear = GrpoConfig { lr_schedule: LrSchedule::Linear, ..config.clone() };
        assert!((linear.lr_at(4) - 0.5).abs() < 1e-12);
        assert!((linear.lr_at(35) - 0.775).abs() < 1e-12);
        assert!((linear.lr_at(110) - 0.1).abs() < 1e-12);
        let constant = GrpoConfig { lr_schedule: LrSchedule::Constant, ..config };
        assert!((constant.lr_at(4) - 0.5).abs() < 1e-12);
        assert!([10, 60, 110].iter().all(|step| (constant.lr_at(*step) - 1.0).abs() < 1e-12));
    }
}
