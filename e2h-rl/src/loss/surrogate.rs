//! The losses, one function each: what a token's surrogate is, and what weight the tokens of a sequence have.
//!
//! `A` is the advantage, `r` the importance ratio, `l` the log-prob, T the sequence's tokens, N the minibatch's
//! sequences, `sg` stops the gradient.
//!
//! # Source
//! Each function names its paper. Where papers leave a choice, it is TRL's.

use super::{BatchSize, Sequence};
use crate::config::{GrpoConfig, LossKind};

/// The side on which a token's ratio was clipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clip {
    /// It was not.
    Inside,
    /// Under the range, with a negative advantage.
    Low,
    /// Over the range, with a positive advantage.
    High,
}

/// One token's surrogate, before weighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surrogate {
    /// Its value.
    pub loss: f64,
    /// Derivative with respect to the log of the importance ratio.
    pub d_log_ratio: f64,
    /// Derivative with respect to the log-prob itself.
    pub d_logprob: f64,
    /// Whether the ratio was clipped.
    pub clip: Clip,
}

/// The surrogates of a sequence's tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// One entry a token. `[T]`
    pub tokens: Vec<Surrogate>,
    /// The weight of each token in the minibatch's loss.
    pub weight: f64,
}

/// A loss: settings, a sequence, its importance ratios `[T]`, and the batch that it is part of.
pub type Loss = fn(&GrpoConfig, &Sequence<'_>, &[f64], &BatchSize) -> Policy;

/// The function of a kind.
///
/// ```
/// use e2h_rl::LossKind;
/// use e2h_rl::loss::surrogate::of_kind;
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// // The losses with the clip differ in the mean that they take.
/// use LossKind::{Bnpo, Dapo, DrGrpo, Grpo, Luspo};
/// let weights = [Grpo, Bnpo, DrGrpo, Dapo, Luspo].map(|kind| of_kind(kind)(&config, &s, &[1.0, 1.0], &size).weight);
/// assert_eq!(weights, [2.0 * 2.0, 6.0, 2.0 * 16.0, 8.0, 2.0].map(f64::recip));
/// ```
pub fn of_kind(kind: LossKind) -> Loss {
    match kind {
        LossKind::Grpo => grpo,
        LossKind::Bnpo => bnpo,
        LossKind::DrGrpo => dr_grpo,
        LossKind::Dapo => dapo,
        LossKind::Gspo => gspo,
        LossKind::Cispo => cispo,
        LossKind::Sapo => sapo,
        LossKind::Vespo => vespo,
        LossKind::Luspo => luspo,
        LossKind::Ppo => ppo,
    }
}

/// `1/N sum_i 1/T_i sum_t -min(r A, clip(r, 1 - eps_low, 1 + eps_high) A)`.
///
/// ```
/// use e2h_rl::loss::surrogate::{Clip, grpo};
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// // The second token's ratio is over the range of 0.8 to 1.2: it has no gradient.
/// let policy = grpo(&config, &s, &[1.0, 1.5], &size);
/// assert_eq!(policy.tokens.iter().map(|token| token.loss).collect::<Vec<_>>(), [-1.0, -1.2]);
/// assert_eq!(policy.tokens.iter().map(|token| token.d_log_ratio).collect::<Vec<_>>(), [-1.0, 0.0]);
/// assert_eq!(policy.tokens[1].clip, Clip::High);
/// ```
///
/// # Source
/// Shao et al. 2024 (DeepSeekMath), equation 3; the clip is PPO's (Schulman et al. 2017, equation 7).
pub fn grpo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    Policy { tokens: clipped(config, s, ratios), weight: share(size.sequences * s.len() as f64) }
}

/// `1/(sum_i T_i) sum_it -min(r A, clip(r) A)` over the minibatch.
///
/// # Source
/// The token mean of TRL's `bnpo`, after BNPO (Xiao et al. 2025).
pub fn bnpo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    Policy { tokens: clipped(config, s, ratios), weight: share(size.tokens) }
}

/// `1/(N L) sum_it -min(r A, clip(r) A)`, L the longest completion allowed.
///
/// # Source
/// Liu et al. 2025 (Dr. GRPO), section 3.2. Its advantages are not scaled: set `advantage_scale = "none"`.
pub fn dr_grpo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    Policy { tokens: clipped(config, s, ratios), weight: share(size.sequences * size.max_tokens) }
}

/// As [`bnpo`], with the tokens of the whole step, shared evenly by its minibatches.
///
/// # Source
/// Yu et al. 2025 (DAPO), equation 8. Its `eps_high` is 0.28.
pub fn dapo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    Policy { tokens: clipped(config, s, ratios), weight: share(size.mean_tokens) }
}

/// As [`grpo`], with `r = exp(1/T sum_t (l_t - b_t))` for all tokens of a sequence.
///
/// ```
/// use e2h_rl::{LossKind, loss::sequence_loss};
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// let gspo = GrpoConfig { loss: LossKind::Gspo, ..config };
/// // Log-ratios of 0 and ln 4 make one of ln 2 for both tokens.
/// let behaviour = [-1.0, -1.0 - 4f64.ln()];
/// let found = sequence_loss(&gspo, &Sequence { behaviour: &behaviour, ..s }, &size);
/// assert!((found.ratio - (2.0 + 2.0)).abs() < 1e-12);
/// assert_eq!(found.clipped, [0, 2]);
/// ```
///
/// # Source
/// Zheng et al. 2025 (GSPO), equations 5 and 7. Its clip range is 3e-4 to 4e-4.
pub fn gspo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    grpo(config, s, ratios, size)
}

/// `1/(sum_i T_i) sum_it -sg(min(r, cap)) A l`, over the tokens of the step.
///
/// ```
/// use e2h_rl::loss::surrogate::cispo;
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// // The ratio of 8 counts as the cap of 5, and still weighs the log-prob of -1.
/// let token = cispo(&config, &s, &[1.0, 8.0], &size).tokens[1];
/// assert_eq!((token.loss, token.d_logprob), (5.0, -5.0));
/// ```
///
/// # Source
/// CISPO of MiniMax-M1 (arXiv 2506.13585), without a lower bound, as ScaleRL (arXiv 2510.13786) uses it.
pub fn cispo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    let cap = config.cispo_cap;
    let token = |(t, &ratio): (usize, &f64)| {
        let (weight, advantage) = (ratio.min(cap), s.advantages[t]);
        let is_clipped = ratio > cap && advantage > 0.0;
        Surrogate {
            loss: -weight * advantage * s.logprobs[t],
            d_log_ratio: 0.0,
            d_logprob: -weight * advantage,
            clip: if is_clipped { Clip::High } else { Clip::Inside },
        }
    };
    let tokens = ratios.iter().enumerate().map(token).collect();
    Policy { tokens, weight: share(size.mean_tokens) }
}

/// `1/N sum_i 1/T_i sum_t -4/tau sigmoid(tau (r - 1)) A`, with one `tau` for positive advantages and one for the
/// others.
///
/// ```
/// use e2h_rl::loss::surrogate::sapo;
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// // At a ratio of 1 the gate is 1/2 and the gradient that of the plain surrogate.
/// let token = sapo(&config, &s, &[1.0, 1.0], &size).tokens[0];
/// assert_eq!((token.loss, token.d_log_ratio), (-4.0 * 0.5, -1.0));
/// ```
///
/// # Source
/// Soft Adaptive Policy Optimization (arXiv 2511.20347).
pub fn sapo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    let token = |(&ratio, &advantage): (&f64, &f64)| {
        let tau = match advantage > 0.0 {
            true => config.sapo_temperature_pos,
            false => config.sapo_temperature_neg,
        };
        let gate = (1.0 + (-tau * (ratio - 1.0)).exp()).recip();
        Surrogate {
            loss: -4.0 / tau * gate * advantage,
            d_log_ratio: -4.0 * gate * (1.0 - gate) * ratio * advantage,
            d_logprob: 0.0,
            clip: Clip::Inside,
        }
    };
    let tokens = ratios.iter().zip(s.advantages).map(token).collect();
    Policy { tokens, weight: share(size.sequences * s.len() as f64) }
}

/// `1/(sum_i T_i) sum_it -sg(phi(W)) A l`, over the tokens of the step, with `phi(W) = exp(lambda) W^k exp(-lambda W)`
/// of the whole sequence's ratio `W = exp(sum_t (l_t - b_t))`; k and lambda depend on the sign of A.
///
/// ```
/// use e2h_rl::loss::surrogate::vespo;
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// // On policy W is 1, and so is phi: the plain log-prob of -1.
/// let token = vespo(&config, &s, &[1.0, 1.0], &size).tokens[0];
/// assert_eq!((token.loss, token.d_logprob), (1.0, -1.0));
/// ```
///
/// # Source
/// VESPO (arXiv 2602.10693), with the bounds on log-ratios that TRL has.
pub fn vespo(config: &GrpoConfig, s: &Sequence<'_>, _: &[f64], size: &BatchSize) -> Policy {
    let bounded = s.log_ratios(false).into_iter().map(|log_ratio| log_ratio.clamp(-20.0, 20.0));
    let log_ratio = bounded.sum::<f64>().clamp(1e-8_f64.ln(), 20.0);
    let token = |(&logprob, &advantage): (&f64, &f64)| {
        let (k, lambda) = match advantage >= 0.0 {
            true => (config.vespo_k_pos, config.vespo_lambda_pos.max(1e-4)),
            false => (config.vespo_k_neg, config.vespo_lambda_neg.max(1e-4)),
        };
        let phi = (lambda + k * log_ratio - lambda * log_ratio.exp()).exp();
        let phi = if phi.is_finite() { phi } else { 0.0 };
        Surrogate {
            loss: -phi * advantage * logprob,
            d_log_ratio: 0.0,
            d_logprob: -phi * advantage,
            clip: Clip::Inside,
        }
    };
    let tokens = s.logprobs.iter().zip(s.advantages).map(token).collect();
    Policy { tokens, weight: share(size.mean_tokens) }
}

/// `1/N sum_i sum_t -min(r A, clip(r) A)` with the sequence's ratio: [`gspo`] with each sequence times its length.
///
/// # Source
/// LUSPO (arXiv 2602.05261), in the form of TRL.
pub fn luspo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    Policy { tokens: clipped(config, s, ratios), weight: share(size.sequences) }
}

/// `1/(sum_i T_i) sum_it -min(r A_t, clip(r) A_t)` over the minibatch, with an advantage of its own for each token.
///
/// ```
/// use e2h_rl::loss::surrogate::ppo;
/// # use e2h_rl::{GrpoConfig, loss::{BatchSize, Sequence}};
/// # let (config, l) = (GrpoConfig::default(), [-1.0; 2]);
/// # let s = Sequence {
/// #     logprobs: &l, behaviour: &l, reference: None, entropies: &l, advantages: &[1.0; 2], active: None,
/// # };
/// # let size = BatchSize { sequences: 2.0, tokens: 6.0, mean_tokens: 8.0, active_tokens: 6.0, max_tokens: 16.0 };
/// let s = Sequence { advantages: &[1.0, -0.5], ..s };
/// let policy = ppo(&config, &s, &[1.0, 1.0], &size);
/// assert_eq!([policy.tokens[0].loss, policy.tokens[1].loss], [-1.0, 0.5]);
/// ```
///
/// # Source
/// Schulman et al. 2017, equation 7, with the token mean of TRL's `PPOTrainer` and verl. The advantages are those of
/// [`gae`](crate::gae), and [`value_loss`](super::value::value_loss) is added to it.
pub fn ppo(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64], size: &BatchSize) -> Policy {
    bnpo(config, s, ratios, size)
}

/// `-min(min(r, delta) A, clip(r, 1 - eps_low, 1 + eps_high) A)`, without `delta` where it is 0.
///
/// # Source
/// PPO's clip (Schulman et al. 2017), apart by side as in DAPO, and the bound `delta` of INTELLECT-2 (2025).
fn clipped(config: &GrpoConfig, s: &Sequence<'_>, ratios: &[f64]) -> Vec<Surrogate> {
    let (low, high) = (1.0 - config.clip_eps_low, 1.0 + config.clip_eps_high);
    let most = if config.clip_delta > 0.0 { config.clip_delta } else { f64::INFINITY };
    let token = |(&ratio, &advantage): (&f64, &f64)| {
        let (free, bound) = (ratio.min(most) * advantage, ratio.clamp(low, high) * advantage);
        let slope = ratio * advantage;
        let d_free = if ratio <= most { slope } else { 0.0 };
        let d_bound = if (low..=high).contains(&ratio) { slope } else { 0.0 };
        let clip = match (ratio < low && advantage < 0.0, ratio > high && advantage > 0.0) {
            (true, _) => Clip::Low,
            (_, true) => Clip::High,
            _ => Clip::Inside,
        };
        let d_log_ratio = if bound < free { -d_bound } else { -d_free };
        Surrogate { loss: -free.min(bound), d_log_ratio, d_logprob: 0.0, clip }
    };
    ratios.iter().zip(s.advantages).map(token).collect()
}

fn share(of: f64) -> f64 {
    of.max(1.0).recip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_acts_on_the_side_that_would_overshoot() {
        let check = |ratio: f64, advantage: f64, clip: Clip, is_flat: bool| {
            let sequence = Sequence {
                logprobs: &[-1.0],
                behaviour: &[-1.0],
                reference: None,
                entropies: &[0.0],
                advantages: &[advantage],
                active: None,
            };
            let config = GrpoConfig { clip_delta: 3.0, ..GrpoConfig::default() };
            let token = clipped(&config, &sequence, &[ratio])[0];
            assert_eq!(token.clip, clip, "{ratio} {advantage}");
            assert_eq!(token.d_log_ratio == 0.0, is_flat, "{ratio} {advantage}");
        };
        check(1.5, 1.0, Clip::High, true);
        check(1.5, -1.0, Clip::Inside, false);
        check(4.0, -1.0, Clip::Inside, true);
        check(0.5, 1.0, Clip::Inside, false);
        check(0.5, -1.0, Clip::Low, true);
    }

    #[test]
    fn weights_of_full_sequences_sum_to_one_but_for_luspo() {
        let (logprobs, config) = ([-1.0; 8], GrpoConfig::default());
        let sequence = Sequence {
            logprobs: &logprobs,
            behaviour: &logprobs,
            reference: None,
            entropies: &logprobs,
            advantages: &logprobs,
            active: None,
        };
        let size = BatchSize {
            sequences: 3.0,
            tokens: 24.0,
            mean_tokens: 24.0,
            active_tokens: 24.0,
            max_tokens: 8.0,
        };
        for kind in crate::loss::tests::KINDS {
            let total = 24.0 * of_kind(kind)(&config, &sequence, &[1.0; 8], &size).weight;
            let expected = if kind == LossKind::Luspo { 8.0 } else { 1.0 };
            assert!((total - expected).abs() < 1e-12, "{kind:?} {total}");
        }
    }
}
