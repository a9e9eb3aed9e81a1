//! The loss of the GRPO family and its gradient with respect to log-probs and entropies.
//!
//! For token t of sequence i, with log-prob `l`, behaviour log-prob `b` and reference log-prob `q`:
//!
//! `loss = sum_it w_i (m_it s_it + beta k_it) - c sum_it m_it h_it / M`
//!
//! `s` and `w` are what the loss kind says: see [`surrogate`], one short function a kind.
//! `k = exp(q - l) - (q - l) - 1` is the KL estimate k3, times the importance ratio where the bias correction is
//! on; in PPO it is measured alone, and [`value`] adds the loss of the value head. `h` is the entropy of the token's distribution; `m` picks the tokens of highest entropy, M of them.
//! The ratio is `r_t = exp(l_t - b_t)`, or `r = exp(mean_t(l_t - b_t))` for a whole sequence.
//!
//! # Source
//! KL estimator k3 (Schulman 2020) and its correction (DeepSeek-V3.2, arXiv 2512.02556), tokens of highest entropy
//! ("Beyond the 80/20 Rule", arXiv 2506.01939), the sequence's ratio (GSPO, Zheng et al. 2025, equation 7). Values
//! and gradients agree with TRL's `GRPOTrainer`: see [`golden`].
//!
//! # Deviations
//! - The gradient is written out instead of recorded; tests compare it with TRL's and with finite differences.
//! - What TRL averages over a micro-batch is averaged over the minibatch of the optimiser step here, so a result
//!   does not depend on how sequences are cut into micro-batches.

use crate::config::GrpoConfig;

pub mod golden;
pub mod surrogate;
pub mod value;

use surrogate::Clip;

/// One sequence's completion tokens. Every list has one entry a token. `[T]`
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// Log-probs under the policy that is being updated.
    pub logprobs: &'a [f64],
    /// Log-probs under the policy that drew the tokens.
    pub behaviour: &'a [f64],
    /// Log-probs under the reference policy; without them there is no KL term.
    pub reference: Option<&'a [f64]>,
    /// Entropies of the tokens' distributions, in nats.
    pub entropies: &'a [f64],
    /// Advantages; the same for all tokens unless there is a value head.
    pub advantages: &'a [f64],
    /// Tokens that get the policy's gradient; `None` = all.
    pub active: Option<&'a [bool]>,
}

/// What the means of a loss are over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchSize {
    /// Sequences of the minibatch, masked ones included.
    pub sequences: f64,
    /// Tokens of the minibatch.
    pub tokens: f64,
    /// Tokens of the minibatches of the step, on average.
    pub mean_tokens: f64,
    /// Tokens of the minibatch that get the policy's gradient.
    pub active_tokens: f64,
    /// The longest completion allowed, in tokens.
    pub max_tokens: f64,
}

/// What a sequence adds to the loss, with the gradient and sums for the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceLoss {
    /// The sequence's share of the loss.
    pub loss: f64,
    /// Derivative of the loss with respect to each log-prob. `[T]`
    pub d_logprobs: Vec<f64>,
    /// Derivative of the loss with respect to each entropy. `[T]`
    pub d_entropies: Vec<f64>,
    /// Sum over tokens of the KL estimate, in nats.
    pub kl: f64,
    /// Sum over tokens of the importance ratio.
    pub ratio: f64,
    /// Tokens clipped from below and from above.
    pub clipped: [u64; 2],
}

impl Sequence<'_> {
    /// Number of tokens, T.
    pub fn len(&self) -> usize {
        self.logprobs.len()
    }

    /// True for a completion without tokens.
    pub fn is_empty(&self) -> bool {
        self.logprobs.is_empty()
    }

    fn is_active(&self, t: usize) -> bool {
        self.active.is_none_or(|active| active[t])
    }

    /// The log of each token's importance ratio.
    fn log_ratios(&self, sequence_level: bool) -> Vec<f64> {
        let each = self.logprobs.iter().zip(self.behaviour).map(|(logprob, old)| logprob - old);
        if sequence_level {
            let mean = each.sum::<f64>() / self.len().max(1) as f64;
            vec![mean; self.len()]
        } else {
            each.collect()
        }
    }
}

/// The loss of one sequence in a minibatch of `size`.
///
/// ```
/// use e2h_rl::GrpoConfig;
/// use e2h_rl::loss::{BatchSize, Sequence, sequence_loss};
///
/// // One token of advantage 2, before the policy has moved: the ratio is 1.
/// let (logprobs, entropies) = ([-1.5], [0.7]);
/// let sequence = Sequence {
///     logprobs: &logprobs, behaviour: &logprobs, reference: None, entropies: &entropies,
///     advantages: &[2.0], active: None,
/// };
/// let size = BatchSize { sequences: 1.0, tokens: 1.0, mean_tokens: 1.0, active_tokens: 1.0, max_tokens: 8.0 };
/// let found = sequence_loss(&GrpoConfig::default(), &sequence, &size);
/// assert_eq!((found.loss, found.d_logprobs, found.ratio), (-2.0, vec![-2.0], 1.0));
/// ```
///
/// # Panics
/// When the sequence's lists differ in length.
pub fn sequence_loss(
    config: &GrpoConfig,
    sequence: &Sequence<'_>,
    size: &BatchSize,
) -> SequenceLoss {
    let n = sequence.len();
    let sequence_level = config.is_sequence_level();
    let ratios: Vec<f64> = sequence.log_ratios(sequence_level).into_iter().map(f64::exp).collect();
    let policy = surrogate::of_kind(config.loss)(config, sequence, &ratios, size);
    let entropy_weight = config.entropy_coef / size.active_tokens.max(1.0);
    let mut out = SequenceLoss {
        d_logprobs: vec![0.0; n],
        d_entropies: vec![0.0; n],
        ratio: ratios.iter().sum(),
        ..SequenceLoss::default()
    };
    let mut d_log_ratios = vec![0.0; n];
    for (t, token) in policy.tokens.iter().enumerate() {
        if sequence.is_active(t) {
            out.loss += policy.weight * token.loss - entropy_weight * sequence.entropies[t];
            out.d_logprobs[t] += policy.weight * token.d_logprob;
            out.d_entropies[t] = -entropy_weight;
            d_log_ratios[t] += policy.weight * token.d_log_ratio;
        }
        match token.clip {
            Clip::Inside => {}
            Clip::Low => out.clipped[0] += 1,
            Clip::High => out.clipped[1] += 1,
        }
        if let Some(reference) = sequence.reference.filter(|_| config.kl_beta > 0.0) {
            let (kl, slope) = kl_k3(sequence.logprobs[t], reference[t]);
            // In PPO the penalty is part of the reward; here it is only measured.
            let weight = if config.is_ppo() { 0.0 } else { policy.weight * config.kl_beta };
            let correction = if config.kl_bias_correction { ratios[t] } else { 1.0 };
            out.kl += kl * correction;
            out.loss += weight * kl * correction;
            out.d_logprobs[t] += weight * slope * correction;
            if config.kl_bias_correction {
                d_log_ratios[t] += weight * kl * correction;
            }
        }
    }
    add_through_ratio(&mut out.d_logprobs, &d_log_ratios, sequence_level);
    out
}

/// The KL estimate k3 and its derivative with respect to the log-prob.
fn kl_k3(logprob: f64, reference: f64) -> (f64, f64) {
    let gap = reference - logprob;
    (gap.exp_m1() - gap, -gap.exp_m1())
}

/// Adds the derivative through the log-ratio: each token's own, or the mean over the sequence.
fn add_through_ratio(d_logprobs: &mut [f64], d_log_ratios: &[f64], sequence_level: bool) {
    let mean = d_log_ratios.iter().sum::<f64>() / d_log_ratios.len().max(1) as f64;
    for (given, own) in d_logprobs.iter_mut().zip(d_log_ratios) {
        *given += if sequence_level { mean } else { *own };
    }
}

/// The entropy from which on a token is among the `share` of highest entropy; `None` for no tokens.
///
/// Between two entropies the quantile is interpolated linearly, as `torch.quantile` does.
///
/// ```
/// use e2h_rl::loss::entropy_threshold;
/// let entropies = [0.1, 0.5, 0.2, 0.4, 0.3];
/// assert_eq!(entropy_threshold(&entropies, 0.25), Some(0.4));
/// assert_eq!(entropy_threshold(&[], 0.25), None);
/// ```
pub fn entropy_threshold(entropies: &[f64], share: f64) -> Option<f64> {
    let mut sorted = entropies.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (1.0 - share).clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{LossKind, RatioLevel};

    pub(crate) const KINDS: [LossKind; 10] = [
        LossKind::Grpo,
        LossKind::Bnpo,
        LossKind::DrGrpo,
        LossKind::Dapo,
        LossKind::Gspo,
        LossKind::Cispo,
        LossKind::Sapo,
        LossKind::Vespo,
        LossKind::Luspo,
        LossKind::Ppo,
    ];

    const SIZE: BatchSize = BatchSize {
        sequences: 2.0,
        tokens: 7.0,
        mean_tokens: 6.5,
        active_tokens: 5.0,
        max_tokens: 8.0,
    };

    #[test]
    fn a_ratio_of_one_gives_the_plain_policy_gradient() {
        let (logprobs, advantages) = ([-1.0, -0.5], [0.7; 2]);
        let sequence = Sequence {
            logprobs: &logprobs,
            behaviour: &logprobs,
            reference: None,
            entropies: &[0.0; 2],
            advantages: &advantages,
            active: None,
        };
        for kind in KINDS {
            let config = GrpoConfig { loss: kind, ..GrpoConfig::default() };
            let out = sequence_loss(&config, &sequence, &SIZE);
            let weight = surrogate::of_kind(kind)(&config, &sequence, &[1.0; 2], &SIZE).weight;
            for slope in out.d_logprobs {
                assert!((slope + 0.7 * weight).abs() < 1e-12, "{kind:?}: {slope}");
            }
        }
    }

    #[test]
    fn only_the_tokens_of_highest_entropy_are_over_the_threshold() {
        let entropies = [0.5, 0.1, 0.4, 0.2, 0.3];
        let threshold = entropy_threshold(&entropies, 0.5).expect("tokens");
        assert!((threshold - 0.3).abs() < 1e-12);
        let threshold = entropy_threshold(&entropies, 0.3).expect("tokens");
        assert!((threshold - 0.38).abs() < 1e-12);
        assert_eq!(entropy_threshold(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn the_gradient_equals_finite_differences(
            logprobs in prop::array::uniform4(-3.0..0.0_f64),
            behaviour in prop::array::uniform4(-3.0..0.0_f64),
            reference in prop::array::uniform4(-3.0..0.0_f64),
            advantage in -2.0..2.0_f64,
            kind in 0..10_usize,
            correct in any::<bool>(),
        ) {
            let kind = KINDS[kind];
            let config = GrpoConfig {
                loss: kind,
                kl_beta: 0.05,
                kl_bias_correction: correct,
                clip_delta: 2.0,
                entropy_coef: 0.01,
                ..GrpoConfig::default()
            };
            // What stands behind a stop-gradient is not a function of the log-probs here.
            prop_assume!(!matches!(kind, LossKind::Cispo | LossKind::Vespo));
            let at = |logprobs: &[f64; 4]| {
                let sequence = Sequence {
                    logprobs,
                    behaviour: &behaviour,
                    reference: Some(&reference),
                    entropies: &[0.5; 4],
                    advantages: &[advantage; 4],
                    active: Some(&[true, true, false, true]),
                };
                sequence_loss(&config, &sequence, &SIZE)
            };
            let exact = at(&logprobs).d_logprobs;
            let h = 1e-6;
            for t in 0..4 {
                let moved = |by: f64| {
                    let mut logprobs = logprobs;
                    logprobs[t] += by;
                    at(&logprobs).loss
                };
                let (left, middle, right) = (moved(-h), moved(0.0), moved(h));
                // At a kink the two one-sided slopes differ.
                prop_assume!(((right - middle) - (middle - left)).abs() < 1e-9);
                let numeric = (right - left) / (2.0 * h);
                prop_assert!(
                    (numeric - exact[t]).abs() < 1e-4 * (1.0 + exact[t].abs()),
                    "{kind:?} {numeric} {}", exact[t]
                );
            }
        }

        #[test]
        fn kl_k3_is_never_negative(logprob in -9.0..0.0_f64, reference in -9.0..0.0_f64) {
            prop_assert!(kl_k3(logprob, reference).0 >= 0.0);
        }
    }

    #[test]
    fn auto_means_one_ratio_a_sequence_for_gspo_and_luspo_alone() {
        for kind in KINDS {
            let config = GrpoConfig { loss: kind, ..GrpoConfig::default() };
            let sequence = matches!(kind, LossKind::Gspo | LossKind::Luspo);
            assert_eq!(config.is_sequence_level(), sequence);
            assert_eq!(config.ratio_level, RatioLevel::Auto);
        }
    }
}
