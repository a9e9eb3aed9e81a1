//! Drawing the next token.
//!
//! The truncations apply in the usual order: temperature, then top-k, top-p and min-p, each on what the one
//! before has left. The log-prob that is returned is the full softmax's at temperature 1, in nats: the
//! number that the trainer computes for the same token.

use e2h_core::{Sampling, Stream, TokenId};
use rand::RngExt;

use crate::cpu::head::softmax_in_place;
use crate::cpu::simd::{exp, vectorized};

/// Buffers of a sampling worker.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    probs: Vec<f32>,
    order: Vec<u32>,
}

impl Sampler {
    /// Draws a token from `logits`; returns it with its log-prob. `[V]`
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        sampling: &Sampling,
        rng: &mut Stream,
    ) -> (TokenId, f32) {
        self.probs.clear();
        self.probs.extend_from_slice(logits);
        let (log_sum, _) = vectorized!(softmax_in_place(&mut self.probs));
        let token = if sampling.temperature == 0.0 {
            argmax(logits)
        } else {
            self.temper(logits, sampling.temperature as f32);
            if self.truncates(sampling) {
                self.draw_truncated(sampling, rng)
            } else {
                self.draw_any(rng)
            }
        };
        (token as TokenId, logits[token] - log_sum)
    }

    /// Sets `probs` to unnormalised probabilities at `temperature`.
    fn temper(&mut self, logits: &[f32], temperature: f32) {
        if temperature == 1.0 {
            return;
        }
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let inverse = temperature.recip();
        vectorized!({
            for (prob, logit) in self.probs.iter_mut().zip(logits) {
                *prob = exp((logit - top) * inverse);
            }
        });
    }

    fn truncates(&self, sampling: &Sampling) -> bool {
        (sampling.top_k > 0 && sampling.top_k < self.probs.len())
            || sampling.top_p < 1.0
            || sampling.min_p > 0.0
    }

    fn draw_any(&self, rng: &mut Stream) -> usize {
        let total: f64 = self.probs.iter().map(|&p| f64::from(p)).sum();
        let mut left = rng.random::<f64>() * total;
        let mut last = 0;
        for (token, &prob) in self.probs.iter().enumerate() {
            if prob > 0.0 {
                last = token;
                left -= f64::from(prob);
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    fn draw_truncated(&mut self, sampling: &Sampling, rng: &mut Stream) -> usize {
        let probs = &self.probs;
        self.order.clear();
        self.order.extend(0..probs.len() as u32);
        // Ties go to the lower token id, so the cut is the same everywhere.
        let descending =
            |a: &u32, b: &u32| probs[*b as usize].total_cmp(&probs[*a as usize]).then(a.cmp(b));
        let keep = match sampling.top_k {
            0 => probs.len(),
            k => k.min(probs.len()),
        };
        if keep < probs.len() {
            self.order.select_nth_unstable_by(keep - 1, descending);
            self.order.truncate(keep);
        }
        self.order.sort_unstable_by(descending);
        let prob = |token: &u32| f64::from(probs[*token as usize]);
        if sampling.top_p < 1.0 {
            let total: f64 = self.order.iter().map(prob).sum();
            let mut reached = 0.0;
            let n = self.order.iter().take_while(|token| {
                let before = reached;
                reached += prob(token) / total;
                before < sampling.top_p
            });
            let n = n.count().max(1);
            self.order.truncate(n);
        }
        if sampling.min_p > 0.0 {
            let least = prob(&self.order[0]) * sampling.min_p;
            self.order.retain(|token| prob(token) >= least);
        }
        let total: f64 = self.order.iter().map(prob).sum();
        let mut left = rng.random::<f64>() * total;
        for token in &self.order {
            left -= prob(token);
            if left < 0.0 {
                return *token as usize;
            }
        }
        self.order[self.order.len() - 1] as usize
    }
}

/// The most probable token; the lowest id among equals.
fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;

    /// How often each of five tokens is drawn in 20,000 draws.
    fn frequencies(sampling: &Sampling) -> Vec<f64> {
        let logits = [0.1_f32, 0.4, 0.2, 0.25, 0.05].map(f32::ln);
        let mut rng = RootSeed(5).stream("draws", &[]);
        let mut sampler = Sampler::default();
        let mut counts = vec![0.0; 5];
        for _ in 0..20_000 {
            let (token, logprob) = sampler.draw(&logits, sampling, &mut rng);
            assert!((logprob - logits[token as usize]).abs() < 1e-6);
            counts[token as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn check(sampling: Sampling, expect: [f64; 5]) {
        for (token, (got, want)) in frequencies(&sampling).iter().zip(expect).enumerate() {
            assert!((got - want).abs() < 0.015, "{sampling:?}: token {token} {got} not {want}");
            assert!(want > 0.0 || *got == 0.0, "{sampling:?}: token {token} was cut off");
        }
    }

    #[test]
    fn draws_follow_the_truncated_distribution() {
        let plain = Sampling::default();
        check(plain.clone(), [0.1, 0.4, 0.2, 0.25, 0.05]);
        check(plain.greedy(), [0.0, 1.0, 0.0, 0.0, 0.0]);
        let top_k = Sampling { top_k: 2, ..plain.clone() };
        check(top_k, [0.0, 0.4 / 0.65, 0.0, 0.25 / 0.65, 0.0]);
        let top_p = Sampling { top_p: 0.6, ..plain.clone() };
        check(top_p, [0.0, 0.4 / 0.65, 0.0, 0.25 / 0.65, 0.0]);
        let min_p = Sampling { min_p: 0.45, ..plain.clone() };
        check(min_p, [0.0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0.0]);
        let cold = Sampling { temperature: 0.5, ..plain };
        let squares = [0.01, 0.16, 0.04, 0.0625, 0.0025].map(|p| p / 0.275);
        check(cold, squares);
    }
}
