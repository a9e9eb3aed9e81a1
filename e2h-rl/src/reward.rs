//! The reward that advantages are made of: the verifier's parts, weighted and shaped as the settings say.
//!
//! Logged rewards and accuracies are the verifier's own; what is computed here shapes gradients only.
//!
//! The overlong penalty of a completion of `n` tokens, with limit L and buffer c, is
//! `-clamp((n - (L - c)) / c, 0, 1)` times its weight.
//!
//! # Source
//! Soft overlong punishment: DAPO (arXiv 2503.14476), equation 13.

use std::borrow::Cow;

use e2h_core::{RewardPart, Rollout};

use crate::config::GrpoConfig;

/// The reward of one completion.
///
/// ```
/// use e2h_core::Sampling;
/// use e2h_rl::{GrpoConfig, Reward};
/// # use e2h_core::{FinishReason, Generation, Level, Outcome, RewardPart, Rollout, Score};
/// # let parts = vec![RewardPart::new("format", 1.0, 0.1), RewardPart::new("correct", 1.0, 0.9)];
/// # let score = Score::new(parts, Outcome::Correct, "");
/// # let generation = Generation { tokens: vec![1; 6], logprobs: vec![0.0; 6], finish: FinishReason::Eos };
/// # let rollout = Rollout { group: 0, level: Level(0), prompt: vec![1], generation, text: String::new(), score };
///
/// // A right completion of six tokens. Of at most eight the last four cost up to 1: here (6 - 4) / 4.
/// let sampling = Sampling { max_tokens: 8, ..Sampling::default() };
/// let config = GrpoConfig { overlong_buffer: 4, sampling, ..GrpoConfig::default() };
/// let reward = Reward::of(&rollout, &config);
/// assert_eq!((rollout.score.reward, reward.total), (1.0, 0.5));
/// assert_eq!((reward.parts[2].name.as_ref(), reward.parts[2].value), ("overlong", -0.5));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reward {
    /// The weighted sum of the parts.
    pub total: f64,
    /// The parts, with the weights that the settings give them.
    pub parts: Vec<RewardPart>,
}

impl Reward {
    /// A reward of one part.
    pub fn single(value: f64) -> Self {
        Self { total: value, parts: vec![RewardPart::new("reward", value, 1.0)] }
    }

    /// The reward that a verified rollout learns from.
    pub fn of(rollout: &Rollout, config: &GrpoConfig) -> Self {
        let mut parts = rollout.score.parts.clone();
        let mut is_changed = false;
        for part in &mut parts {
            let named = config.reward_weights.iter().find(|weight| weight.name == part.name);
            if let Some(weight) = named {
                part.weight = weight.weight;
                is_changed = true;
            }
        }
        if config.overlong_buffer > 0 {
            let value = overlong(rollout.generation.tokens.len(), config);
            let (name, weight) = (Cow::Borrowed("overlong"), config.overlong_penalty);
            parts.push(RewardPart { name, value, weight });
            is_changed = true;
        }
        let total = match is_changed {
            true => parts.iter().map(|part| part.weight * part.value).sum(),
            false => rollout.score.reward,
        };
        Self { total, parts }
    }

    /// Value and weight of a part; 0 and 0 where it is absent.
    pub(crate) fn part(&self, name: &str) -> (f64, f64) {
        let part = self.parts.iter().find(|part| part.name == name);
        part.map_or((0.0, 0.0), |part| (part.value, part.weight))
    }
}

/// From 0 at the buffer's beginning to -1 at the limit.
fn overlong(n_tokens: usize, config: &GrpoConfig) -> f64 {
    let (limit, buffer) = (config.sampling.max_tokens, config.overlong_buffer);
    let over = n_tokens.saturating_sub(limit.saturating_sub(buffer));
    -(over as f64 / buffer as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use e2h_core::{FinishReason, Generation, Level, Outcome, Sampling, Score};

    use super::*;
    use crate::config::PartWeight;

    fn rollout(n_tokens: usize) -> Rollout {
        let parts = vec![RewardPart::new("format", 1.0, 0.1), RewardPart::new("correct", 1.0, 0.9)];
        Rollout {
            group: 0,
            level: Level(0),
            prompt: vec![1],
            generation: Generation {
                tokens: vec![1; n_tokens],
                logprobs: vec![-1.0; n_tokens],
                finish: FinishReason::Stop,
            },
            text: String::new(),
            score: Score::new(parts, Outcome::Correct, "right"),
        }
    }

    #[test]
    fn without_settings_the_reward_is_the_verifiers() {
        assert_eq!(Reward::of(&rollout(3), &GrpoConfig::default()).total, 1.0);
    }

    #[test]
    fn named_parts_take_the_weights_of_the_settings() {
        let reward_weights = vec![PartWeight { name: "format".to_owned(), weight: 0.5 }];
        let config = GrpoConfig { reward_weights, ..GrpoConfig::default() };
        assert!((Reward::of(&rollout(3), &config).total - 1.4).abs() < 1e-12);
    }

    #[test]
    fn length_costs_nothing_before_the_buffer_and_all_at_the_limit() {
        let sampling = Sampling { max_tokens: 20, ..Sampling::default() };
        let config = GrpoConfig {
            overlong_buffer: 8,
            overlong_penalty: 0.5,
            sampling,
            ..GrpoConfig::default()
        };
        for (n_tokens, expected) in [(12, 1.0), (16, 0.75), (20, 0.5)] {
            assert!((Reward::of(&rollout(n_tokens), &config).total - expected).abs() < 1e-12);
        }
    }
}
