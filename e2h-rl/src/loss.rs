//! The clipped surrogate loss of the GRPO family and its gradient with respect to log-probs.
//!
//! For a token with log-prob `l`, behaviour log-prob `b`, reference log-prob `q` and advantage `A`, with
//! `r = exp(l - b)`:
//!
//! `loss = w (-min(r A, clip(r, 1 - eps_low, 1 + eps_high) A) + beta (exp(q - l) - (q - l) - 1) - c h)`
//!
//! where `h` is the entropy of the token's distribution, and the weight `w` makes the sum over tokens the
//! average that the loss kind asks for.
//!
//! # Source
//! PPO's clip (Schulman et al. 2017), GRPO (Shao et al. 2024, equation 3), KL estimator k3 (Schulman 2020),
//! Dr. GRPO (Liu et al. 2025, section 3.1), BNPO as in TRL. The weights agree with TRL's `GRPOTrainer`.
//!
//! # Deviations
//! - The gradient is written out instead of recorded; a test compares it with finite differences.

use crate::config::{GrpoConfig, LossKind};

/// What turns token log-probs into a loss.
#[derive(Clone, Copy, Debug)]
pub struct TokenLoss {
    /// Lower clip range.
    pub eps_low: f64,
    /// Upper clip range.
    pub eps_high: f64,
    /// Weight of the KL term.
    pub kl_beta: f64,
    /// Weight of the entropy bonus.
    pub entropy_coef: f64,
}

/// One token's inputs.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Log-prob under the policy that is being updated.
    pub logprob: f64,
    /// Log-prob under the policy that drew the token.
    pub behaviour: f64,
    /// Log-prob under the reference policy; only used with a KL term.
    pub reference: f64,
    /// Entropy of the token's distribution, in nats.
    pub entropy: f64,
    /// Advantage of the sequence.
    pub advantage: f64,
}

/// One token's loss and its derivatives, before weighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenTerms {
    /// Surrogate, KL and entropy terms together.
    pub loss: f64,
    /// Derivative with respect to the log-prob.
    pub d_logprob: f64,
    /// Derivative with respect to the entropy.
    pub d_entropy: f64,
    /// The ratio was clipped, so the surrogate's gradient is 0.
    pub clipped: bool,
    /// The k3 estimate, in nats.
    pub kl_k3: f64,
}

impl TokenLoss {
    /// The loss that `config` asks for.
    pub fn new(config: &GrpoConfig) -> Self {
        Self {
            eps_low: config.clip_eps_low,
            eps_high: config.clip_eps_high,
            kl_beta: config.kl_beta,
            entropy_coef: config.entropy_coef,
        }
    }

    /// Loss and derivatives of one token.
    pub fn terms(&self, token: Token) -> TokenTerms {
        let Token { logprob, behaviour, reference, entropy, advantage } = token;
        let ratio = (logprob - behaviour).exp();
        let bounded = ratio.clamp(1.0 - self.eps_low, 1.0 + self.eps_high);
        let (free, bound) = (ratio * advantage, bounded * advantage);
        let clipped = bound < free;
        let (kl_k3, d_kl) = if self.kl_beta > 0.0 {
            let gap = reference - logprob;
            (gap.exp() - gap - 1.0, 1.0 - gap.exp())
        } else {
            (0.0, 0.0)
        };
        let surrogate = -free.min(bound);
        TokenTerms {
            loss: surrogate + self.kl_beta * kl_k3 - self.entropy_coef * entropy,
            d_logprob: self.kl_beta * d_kl - if clipped { 0.0 } else { free },
            d_entropy: -self.entropy_coef,
            clipped,
            kl_k3,
        }
    }
}

/// The weight of each token of a sequence of `n_tokens`, in a batch of `n_sequences` with `batch_tokens`.
///
/// # Shapes
/// The weights of all tokens of a batch whose sequences are all full sum to 1 for every kind.
pub fn token_weight(
    kind: LossKind,
    n_tokens: usize,
    n_sequences: usize,
    batch_tokens: usize,
    max_tokens: usize,
) -> f64 {
    let divisor = match kind {
        LossKind::Grpo => n_sequences * n_tokens,
        LossKind::Bnpo => batch_tokens,
        LossKind::DrGrpo => n_sequences * max_tokens,
    };
    (divisor.max(1) as f64).recip()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOSS: TokenLoss =
        TokenLoss { eps_low: 0.2, eps_high: 0.28, kl_beta: 0.05, entropy_coef: 0.01 };

    #[test]
    fn a_ratio_of_one_gives_the_plain_policy_gradient() {
        let token =
            Token { logprob: -1.0, behaviour: -1.0, reference: -1.0, entropy: 0.0, advantage: 0.7 };
        let terms = LOSS.terms(token);
        assert!((terms.loss + 0.7).abs() < 1e-12);
        assert!((terms.d_logprob + 0.7).abs() < 1e-12);
        assert!(!terms.clipped);
    }

    #[test]
    fn clipping_acts_on_the_side_that_would_overshoot() {
        let token = |logprob: f64, advantage: f64| Token {
            logprob,
            behaviour: 0.0,
            reference: logprob,
            entropy: 0.0,
            advantage,
        };
        let check = |logprob: f64, advantage: f64, clipped: bool| {
            assert_eq!(
                LOSS.terms(token(logprob, advantage)).clipped,
                clipped,
                "{logprob} {advantage}"
            );
        };
        check(0.5, 1.0, true);
        check(0.5, -1.0, false);
        check(-0.5, 1.0, false);
        check(-0.5, -1.0, true);
    }

    proptest! {
        #[test]
        fn the_gradient_equals_finite_differences(
            logprob in -3.0..0.0_f64,
            behaviour in -3.0..0.0_f64,
            reference in -3.0..0.0_f64,
            advantage in -2.0..2.0_f64,
        ) {
            let at = |logprob: f64| {
                LOSS.terms(Token { logprob, behaviour, reference, entropy: 0.5, advantage })
            };
            let ratio = (logprob - behaviour).exp();
            prop_assume!((ratio - 0.8).abs() > 1e-3 && (ratio - 1.28).abs() > 1e-3);
            let h = 1e-6;
            let numeric = (at(logprob + h).loss - at(logprob - h).loss) / (2.0 * h);
            let exact = at(logprob).d_logprob;
            prop_assert!((numeric - exact).abs() < 1e-5 * (1.0 + exact.abs()), "{numeric} {exact}");
        }

        #[test]
        fn kl_k3_is_never_negative(logprob in -9.0..0.0_f64, reference in -9.0..0.0_f64) {
            let token =
                Token { logprob, behaviour: logprob, reference, entropy: 0.0, advantage: 0.0 };
            prop_assert!(LOSS.terms(token).kl_k3 >= 0.0);
        }
    }

    #[test]
    fn weights_of_full_sequences_sum_to_one() {
        for kind in [LossKind::Grpo, LossKind::Bnpo, LossKind::DrGrpo] {
            let total: f64 = (0..3 * 8).map(|_| token_weight(kind, 8, 3, 24, 8)).sum();
            assert!((total - 1.0).abs() < 1e-12, "{kind:?}");
        }
    }
}
