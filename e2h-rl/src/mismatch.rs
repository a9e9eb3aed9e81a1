//! What a sampler's log-probs differ from the trainer's by, and the correction for it: truncated importance weights.
//!
//! A server computes the same policy in other kernels and another precision, so the policy that drew a token is not
//! quite the one that is trained. For a token with log-prob `s` under the sampler and `o` under the trainer's policy
//! before the update, the surrogate is weighted by
//!
//! `w = min(exp(o - s), cap)`
//!
//! and the importance ratio of the loss is taken against `o`.
//!
//! # Source
//! Truncated importance sampling (Ionides 2008) between sampler and trainer: Yao et al. 2025, "Your efficient RL
//! framework secretly brings you off-policy RL training"; TRL's `vllm_importance_sampling_mode = "token_truncate"`,
//! whose cap and names of metrics are taken over.
//!
//! # Deviations
//! - The weight multiplies the token's advantage. Every surrogate of [`loss`](crate::loss) is linear in the size of
//!   the advantage, so this is the same as weighting the surrogate. KL and entropy terms are not weighted, as in TRL.
//! - TRL puts the weight into the power of `vespo` instead of beside it; here all losses are treated alike.

use crate::minibatch::Minibatch;

/// How far sampler and trainer are apart, over the tokens of a step's update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mismatch {
    /// Mean of `|o - s|`, in nats.
    pub logp_difference_mean: f64,
    /// Largest `|o - s|`, in nats.
    pub logp_difference_max: f64,
    /// Smallest weight.
    pub ratio_min: f64,
    /// Mean weight.
    pub ratio_mean: f64,
    /// Largest weight.
    pub ratio_max: f64,
}

/// A mismatch that is being measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    n: u64,
    difference: f64,
    largest: f64,
    ratio: f64,
    ratio_min: f64,
    ratio_max: f64,
}

impl Default for Measured {
    fn default() -> Self {
        let (ratio_min, ratio_max) = (f64::INFINITY, 0.0);
        Self { n: 0, difference: 0.0, largest: 0.0, ratio: 0.0, ratio_min, ratio_max }
    }
}

impl Measured {
    /// The weight of a token, which is counted.
    fn weight(&mut self, trainer: f64, sampler: f64, cap: f64) -> f64 {
        let weight = (trainer - sampler).exp().min(cap);
        let apart = (trainer - sampler).abs();
        self.n += 1;
        self.difference += apart;
        self.largest = self.largest.max(apart);
        self.ratio += weight;
        self.ratio_min = self.ratio_min.min(weight);
        self.ratio_max = self.ratio_max.max(weight);
        weight
    }

    /// The figures; `None` when no token was counted.
    pub(crate) fn figures(&self) -> Option<Mismatch> {
        let n = self.n as f64;
        (self.n > 0).then(|| Mismatch {
            logp_difference_mean: self.difference / n,
            logp_difference_max: self.largest,
            ratio_min: self.ratio_min,
            ratio_mean: self.ratio / n,
            ratio_max: self.ratio_max,
        })
    }
}

impl Minibatch<'_> {
    /// Weights every token, and takes the trainer's log-probs for those that the ratio is against.
    ///
    /// `stats` are log-probs and entropies of the policy before the update, sequence after sequence.
    pub(crate) fn correct(
        &mut self,
        stats: &[(Vec<f32>, Vec<f32>)],
        cap: f64,
        measured: &mut Measured,
    ) {
        for (row, (logprobs, _)) in self.groups.iter_mut().flatten().zip(stats) {
            let Some(sampler) = &mut row.behaviour else { continue };
            let tokens = sampler.iter_mut().zip(&mut row.advantages).zip(logprobs);
            for ((behaviour, advantage), trainer) in tokens {
                let trainer = f64::from(*trainer);
                *advantage *= measured.weight(trainer, *behaviour, cap);
                *behaviour = trainer;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GrpoConfig;
    use crate::loss::tests::KINDS;
    use crate::loss::{BatchSize, Sequence, sequence_loss};
    use crate::minibatch::Row;

    const SIZE: BatchSize = BatchSize {
        sequences: 1.0,
        tokens: 3.0,
        mean_tokens: 3.0,
        active_tokens: 3.0,
        max_tokens: 8.0,
    };

    #[test]
    fn weights_are_truncated_and_the_ratio_is_against_the_trainers_logprobs() {
        let row = Row {
            prompt: &[1],
            completion: &[2, 3, 4],
            behaviour: Some(vec![-1.0, -3.0, -0.5]),
            advantages: vec![2.0; 3],
            ..Row::default()
        };
        let mut minibatch = Minibatch { groups: vec![vec![row]], size: SIZE };
        let mut measured = Measured::default();
        let trainer = vec![(vec![-1.0, -1.0, -1.0], vec![0.0; 3])];
        minibatch.correct(&trainer, 3.0, &mut measured);
        let row = &minibatch.groups[0][0];
        assert_eq!(row.behaviour.as_deref(), Some(&[-1.0; 3][..]));
        let expected = [2.0, 6.0, 2.0 * (-0.5_f64).exp()];
        for (got, want) in row.advantages.iter().zip(expected) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        let figures = measured.figures().expect("tokens were counted");
        assert!((figures.logp_difference_mean - 2.5 / 3.0).abs() < 1e-12);
        assert_eq!((figures.logp_difference_max, figures.ratio_max), (2.0, 3.0));
        assert!((figures.ratio_min - (-0.5_f64).exp()).abs() < 1e-12);
        assert_eq!(Measured::default().figures(), None);
    }

    #[test]
    fn a_weighted_advantage_is_a_weighted_surrogate_in_every_loss() {
        let (logprobs, behaviour, weight) = ([-1.0, -0.4, -2.0], [-1.1, -0.7, -1.6], 1.7);
        for kind in KINDS {
            for advantage in [0.8, -0.8] {
                let config = GrpoConfig { loss: kind, kl_beta: 0.0, ..GrpoConfig::default() };
                let of = |advantage: f64| {
                    let advantages = [advantage; 3];
                    let sequence = Sequence {
                        logprobs: &logprobs,
                        behaviour: &behaviour,
                        reference: None,
                        entropies: &[0.0; 3],
                        advantages: &advantages,
                        active: None,
                    };
                    sequence_loss(&config, &sequence, &SIZE)
                };
                let (plain, weighted) = (of(advantage), of(weight * advantage));
                assert!((weighted.loss - weight * plain.loss).abs() < 1e-12, "{kind:?}");
                for (a, b) in weighted.d_logprobs.iter().zip(&plain.d_logprobs) {
                    assert!((a - weight * b).abs() < 1e-12, "{kind:?}");
                }
            }
        }
    }
}
