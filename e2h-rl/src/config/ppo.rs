//! What can be set about proximal policy optimisation with a value head.

use serde::{Deserialize, Serialize};

use super::{AdvantageKind, AdvantageScale, GrpoConfig, LossKind, RatioLevel, RewardAggregation};

/// PPO: generalised advantage estimation from a value head, and the head's own loss.
///
/// It is on with `loss = "ppo"`. The defaults are TRL's `PPOConfig`, but for the head's learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PpoConfig {
    /// What a reward one token later is worth.
    pub gamma: f64,
    /// Decay of the advantage estimate: 0 trusts the value head, 1 the rewards alone.
    pub lambda: f64,
    /// Weight of the value loss (TRL `vf_coef`).
    pub value_coef: f64,
    /// How far a value may move from the one at rollout before its loss stops to pull (TRL `cliprange_value`); 0 = as
    /// far as it likes.
    pub value_clip: f64,
    /// Learning rate of the value head, in multiples of the policy's. verl's default rates, 1e-5 and 1e-6, make 10.
    pub value_lr_factor: f64,
    /// Advantages are centred and scaled over the tokens of the step.
    pub whiten: bool,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            gamma: 1.0,
            lambda: 0.95,
            value_coef: 0.1,
            value_clip: 0.2,
            value_lr_factor: 10.0,
            whiten: true,
        }
    }
}

impl GrpoConfig {
    /// True when advantages come from a value head.
    pub fn is_ppo(&self) -> bool {
        self.loss == LossKind::Ppo
    }

    /// Settings that say something else than PPO does: `(name, value, what it must be)`.
    pub(super) fn against_ppo(&self) -> Vec<(&'static str, String, &'static str)> {
        if !self.is_ppo() {
            return Vec::new();
        }
        let settings = [
            (
                self.advantage == AdvantageKind::Group,
                "advantage",
                name(&self.advantage),
                "left out with loss = \"ppo\": advantages come from the value head",
            ),
            (
                self.advantage_scale == AdvantageScale::Group,
                "advantage_scale",
                name(&self.advantage_scale),
                "left out with loss = \"ppo\": ppo.whiten scales its advantages",
            ),
            (
                self.reward_aggregation == RewardAggregation::SumThenNormalize,
                "reward_aggregation",
                name(&self.reward_aggregation),
                "left out with loss = \"ppo\": the value head predicts the weighted sum",
            ),
            (
                self.ratio_level != RatioLevel::Sequence,
                "ratio_level",
                name(&self.ratio_level),
                "token or auto with loss = \"ppo\": each token has an advantage of its own",
            ),
            (
                !self.dynamic_sampling,
                "dynamic_sampling",
                "true".to_owned(),
                "false with loss = \"ppo\": groups of equal rewards teach the value head",
            ),
            (
                self.replay_groups == 0,
                "replay_groups",
                self.replay_groups.to_string(),
                "0 with loss = \"ppo\": every group of a step teaches",
            ),
            (
                !self.kl_bias_correction,
                "kl_bias_correction",
                "true".to_owned(),
                "false with loss = \"ppo\": its KL term is part of the reward",
            ),
        ];
        let wrong = settings.into_iter().filter(|(fits, ..)| !fits);
        wrong.map(|(_, name, got, expected)| (name, got, expected)).collect()
    }
}

/// A setting's value as a file has it.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_ppo_does_not_have_are_refused_with_the_reason() {
        let ppo = GrpoConfig { loss: LossKind::Ppo, group_size: 1, ..GrpoConfig::default() };
        assert!(ppo.validate().is_empty(), "one rollout a prompt is enough for PPO");
        let bad = GrpoConfig {
            advantage: AdvantageKind::Rloo,
            dynamic_sampling: true,
            replay_groups: 4,
            ratio_level: RatioLevel::Sequence,
            ..ppo.clone()
        };
        let problems: Vec<String> = bad.validate().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("`advantage` is \"rloo\", but must be left out with loss"));
        let grpo = GrpoConfig { loss: LossKind::Grpo, group_size: 8, ..bad };
        assert!(grpo.validate().is_empty());
        let lambda = PpoConfig { lambda: 1.5, ..PpoConfig::default() };
        let problems = GrpoConfig { ppo: lambda, ..ppo }.validate();
        assert_eq!(problems[0].to_string(), "`ppo.lambda` is 1.5, but must be from 0 to 1");
    }
}
