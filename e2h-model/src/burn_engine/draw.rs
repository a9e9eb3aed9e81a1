//! Drawing tokens on the device, so that decoding need not wait for the host at every token.
//!
//! A row's uniform number `u` comes from its sample's own random stream. Its token is the first one at which the
//! running sum of the weights `exp((z - max z) / temperature)` passes `u` times their total, as in
//! [`Sampler`](crate::sampler::Sampler). The sum runs in three levels, over spans of blocks, the blocks of one span,
//! and the tokens of one block: a running sum over a whole vocabulary costs a device its square.
//!
//! # Deviations
//! - Uniform numbers and sums are f32, those of the host's sampler f64: where `u` falls within rounding of a border the
//!   two draw neighbouring tokens.
//! - Top-k, top-p and min-p are left to the host, whose sampler sums what they leave in order of probability.
//!
//! # Invariants
//! - A token of weight 0 is never drawn, and an index is always within the vocabulary, whatever the logits are.

use burn::tensor::{FloatDType, Int, Tensor};
use e2h_core::Sampling;

/// Most tokens of a block.
const BLOCK: usize = 128;
/// Fewest tokens of a block; a vocabulary without such a divisor is padded.
const LEAST_BLOCK: usize = 16;
/// Blocks of a span.
const SPAN: usize = 64;

/// A rule by which a device can draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DeviceRule {
    /// The most probable token.
    Greedy,
    /// From all tokens, at a temperature above 0.
    Tempered {
        /// What logits are divided by.
        temperature: f32,
    },
}

impl DeviceRule {
    /// The rule of `sampling`, or `None` where only the host can draw.
    pub(crate) fn of(sampling: &Sampling, vocab_size: usize) -> Option<Self> {
        if sampling.temperature == 0.0 {
            return Some(Self::Greedy);
        }
        let truncates = (sampling.top_k > 0 && sampling.top_k < vocab_size)
            || sampling.top_p < 1.0
            || sampling.min_p > 0.0;
        (!truncates).then_some(Self::Tempered { temperature: sampling.temperature as f32 })
    }

    /// True when each token takes a uniform number.
    pub(crate) fn takes_uniforms(self) -> bool {
        self != Self::Greedy
    }

    /// Draws one token a row.
    ///
    /// # Shapes
    /// - `logits`: `[N, V]`
    /// - `uniforms`: `[N, 1]`, in `[0, 1)`; greedy draws take none
    /// - result: tokens and their log-probs at temperature 1, in nats. `[N, 1]` both
    pub(crate) fn draw(
        self,
        logits: Tensor<2>,
        uniforms: Option<Tensor<2>>,
    ) -> (Tensor<2, Int>, Tensor<2>) {
        let logits = logits.cast(FloatDType::F32);
        let shifted = logits.clone() - logits.max_dim(1); // [N, V]
        let log_total = shifted.clone().exp().sum_dim(1).log(); // [N, 1]
        let tokens = match (self, uniforms) {
            (Self::Tempered { temperature }, Some(uniforms)) => {
                at_share(shifted.clone().mul_scalar(temperature.recip()).exp(), uniforms)
            }
            _ => shifted.clone().argmax(1),
        };
        let logprobs = shifted.gather(1, tokens.clone()) - log_total;
        (tokens, logprobs)
    }
}

/// The place of each row at which the running sum of `weights` passes the share `uniforms` of its total.
///
/// # Shapes
/// - `weights`: `[N, V]`; `uniforms`, result: `[N, 1]`
fn at_share(weights: Tensor<2>, uniforms: Tensor<2>) -> Tensor<2, Int> {
    let [_, v] = weights.dims();
    let block = (LEAST_BLOCK.min(v)..=BLOCK.min(v)).rev().find(|b| v.is_multiple_of(*b));
    let (weights, block) = match block {
        Some(block) => (weights, block),
        None => (pad(weights, v.next_multiple_of(SPAN)), SPAN),
    };
    let [n, v] = weights.dims();
    let (m, spans) = (v / block, (v / block).div_ceil(SPAN));
    let blocks: Tensor<3> = weights.reshape([n, m, block]);
    let sums = blocks.clone().sum_dim(2).reshape([n, m]);
    let sums: Tensor<3> = pad(sums, spans * SPAN).reshape([n, spans, SPAN]);
    let outer = sums.clone().sum_dim(2).reshape([n, spans]);
    let target = outer.clone().sum_dim(1) * uniforms;

    let (span, target) = pass(outer, target);
    let (inner, target) = pass(row(sums, span.clone()), target);
    let chosen = span.mul_scalar(SPAN as i64) + inner;
    let (place, _) = pass(row(blocks, chosen.clone()), target);
    chosen.mul_scalar(block as i64) + place
}

/// `weights` with zeros up to `size` columns.
fn pad(weights: Tensor<2>, size: usize) -> Tensor<2> {
    let [n, v] = weights.dims();
    if v == size {
        return weights;
    }
    let zeros = Tensor::zeros([n, size - v], (&weights.device(), weights.dtype()));
    Tensor::cat(vec![weights, zeros], 1)
}

/// Row `index` of each matrix. `table: [N, M, K]`, `index: [N, 1]`, result: `[N, K]`
fn row(table: Tensor<3>, index: Tensor<2, Int>) -> Tensor<2> {
    let [n, _, k] = table.dims();
    let index: Tensor<3, Int> = index.reshape([n, 1, 1]);
    table.gather(1, index.expand([n, 1, k])).reshape([n, k])
}

/// The first place of each row at which the running sum passes `target`, and what is left of the target before it.
///
/// # Shapes
/// - `weights`: `[N, K]`; `target`, results: `[N, 1]`
fn pass(weights: Tensor<2>, target: Tensor<2>) -> (Tensor<2, Int>, Tensor<2>) {
    let [_, k] = weights.dims();
    let sums = weights.clone().cumsum(1);
    let passed = sums.clone().lower_equal(target.clone()).int().sum_dim(1);
    // Rounding may leave the target above the whole sum: the last place that has a weight takes it.
    let positive = weights.clone().greater_elem(0.0).int();
    let places: Tensor<1, Int> = Tensor::arange(0..k as i64, &weights.device());
    let last = (positive * places.unsqueeze::<2>()).max_dim(1);
    let index = passed.min_pair(last);
    let before = sums.gather(1, index.clone()) - weights.gather(1, index.clone());
    (index, target - before)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use e2h_core::RootSeed;
    use rand::RngExt;

    use super::*;
    use crate::burn_engine::device::read;
    use crate::burn_engine::tensors::floats;
    use crate::sampler::Sampler;

    const ROWS: usize = 40;

    /// Draws a token a row on the device and on the host; returns both with their log-probs.
    fn draws(v: usize, sampling: &Sampling) -> Vec<((f32, f32), (f32, f32))> {
        let device = Device::flex();
        let mut rng = RootSeed(4).stream("logits", &[v as u64]);
        let logits: Vec<f32> = (0..ROWS * v).map(|_| (rng.random::<f32>() - 0.5) * 12.0).collect();
        let stream = |row: usize| RootSeed(5).stream("draw", &[row as u64]);
        let uniforms: Vec<f32> = (0..ROWS).map(|row| stream(row).random::<f64>() as f32).collect();
        let rule = DeviceRule::of(sampling, v).expect("a device can draw it");
        let uniforms = rule.takes_uniforms().then(|| floats(&uniforms, &device).reshape([ROWS, 1]));
        let tensor = Tensor::from_data(TensorData::new(logits.clone(), [ROWS, v]), &device);
        let (tokens, logprobs) = rule.draw(tensor, uniforms);
        let tokens = read(tokens.float()).expect("no device fails");
        let logprobs = read(logprobs).expect("no device fails");
        let mut sampler = Sampler::default();
        let host = logits.chunks_exact(v).enumerate().map(|(row, logits)| {
            let (token, logprob) = sampler.draw(logits, sampling, &mut stream(row));
            (token as f32, logprob)
        });
        tokens.into_iter().zip(logprobs).zip(host).collect()
    }

    #[test]
    fn a_device_draws_what_the_host_draws_whatever_the_size_of_the_vocabulary() {
        let plain = Sampling::default();
        let rules = [plain.clone(), plain.greedy(), Sampling { temperature: 0.6, ..plain }];
        // One block; several; a prime, which is padded; more blocks than a span has.
        for v in [3, 50, 320, 1009, 20_000] {
            for sampling in &rules {
                for (row, (device, host)) in draws(v, sampling).into_iter().enumerate() {
                    assert_eq!(device.0, host.0, "{v} tokens, row {row}, {sampling:?}");
                    assert!((device.1 - host.1).abs() < 1e-4, "{v} tokens, row {row}");
                }
            }
        }
    }

    #[test]
    fn a_share_of_one_takes_the_last_token_that_has_a_weight() {
        let device = Device::flex();
        let weights = floats(&[0.5, 0.0, 0.25, 0.0, 0.0, 0.0], &device).reshape([2, 3]);
        let tokens = at_share(weights, floats(&[1.0, 0.7], &device).reshape([2, 1]));
        assert_eq!(read(tokens.float()).expect("no device fails"), [2.0, 0.0]);
    }

    #[test]
    fn truncations_are_left_to_the_host() {
        let plain = Sampling::default();
        assert!(DeviceRule::of(&plain, 100).is_some());
        assert!(DeviceRule::of(&Sampling { top_k: 100, ..plain.clone() }, 100).is_some());
        assert!(DeviceRule::of(&Sampling { top_k: 9, ..plain.clone() }, 100).is_none());
        assert!(DeviceRule::of(&Sampling { min_p: 0.1, ..plain.clone() }, 100).is_none());
        assert!(DeviceRule::of(&Sampling { top_p: 0.9, ..plain }, 100).is_none());
    }
}
