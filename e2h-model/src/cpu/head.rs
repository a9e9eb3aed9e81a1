//! Log-probs and entropies of next tokens, forward and backward, without ever holding `[M, V]`.
//!
//! With logits `z`, `logp_t = z_t - logsumexp(z)` and entropy `h = logsumexp(z) - sum_j p_j z_j`. Their
//! gradients are `d logp_t / d z_j = [j = t] - p_j` and `d h / d z_j = -p_j (log p_j + h)`.
//!
//! # Invariants
//! - Memory is bounded by [`CHUNK_ELEMENTS`] logits, whatever the number of tokens; the backward pass computes
//!   each chunk's logits again.

use super::forward::{Shape, Workspace, sized};
use super::linalg::{Mat, MatMut, matmul};
use super::side::Grads;
use super::simd::{dot, exp, max, sum_map, vectorized};
use crate::TokenGrads;
use crate::batch::Query;

/// Most logits in memory at a time: 4 MiB of f32.
const CHUNK_ELEMENTS: usize = 1 << 20;

/// Buffers of the head, reused from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct HeadBuffers {
    rows: Vec<f32>,
    logits: Vec<f32>,
    d_rows: Vec<f32>,
}

/// Log-prob and entropy of each query, in nats.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadOutput {
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
}

fn chunk_rows(vocab_size: usize) -> usize {
    (CHUNK_ELEMENTS / vocab_size).clamp(8, 512)
}

impl HeadBuffers {
    /// Gathers the hidden rows of `queries` and computes their logits. `[Q, V]`
    fn logits(&mut self, shape: &Shape, params: &[f32], hidden: &[f32], queries: &[Query]) {
        let (c, v) = (shape.config.hidden_size, shape.config.vocab_size);
        let rows = sized(&mut self.rows, queries.len() * c);
        for (row, query) in rows.chunks_exact_mut(c).zip(queries) {
            row.copy_from_slice(&hidden[query.row * c..(query.row + 1) * c]);
        }
        let weight = Mat::new(&params[shape.layout.head.clone()], v, c);
        let logits = MatMut::new(sized(&mut self.logits, queries.len() * v), queries.len(), v);
        matmul(logits, Mat::new(rows, queries.len(), c), weight.t(), false);
    }

    /// Log-probs and entropies of `queries` over the output of a forward pass.
    pub(crate) fn forward(
        &mut self,
        shape: &Shape,
        params: &[f32],
        hidden: &[f32],
        queries: &[Query],
    ) -> HeadOutput {
        let v = shape.config.vocab_size;
        let mut output = HeadOutput::default();
        for chunk in queries.chunks(chunk_rows(v)) {
            self.logits(shape, params, hidden, chunk);
            for (logits, query) in self.logits.chunks_exact_mut(v).zip(chunk) {
                let chosen = logits[query.target as usize];
                let (log_sum, entropy) = vectorized(|| softmax_in_place(logits));
                output.logprobs.push(chosen - log_sum);
                output.entropies.push(entropy);
            }
        }
        output
    }

    /// Backward of [`Self::forward`]: fills `workspace.d_hidden` and, unless it is frozen, adds to the
    /// head's gradient.
    pub(crate) fn backward(
        &mut self,
        shape: &Shape,
        params: &[f32],
        grads: &mut Grads<'_>,
        workspace: &mut Workspace,
        queries: &[Query],
        given: &TokenGrads,
    ) {
        let (c, v) = (shape.config.hidden_size, shape.config.vocab_size);
        workspace.d_hidden.clear();
        workspace.d_hidden.resize(workspace.hidden.len(), 0.0);
        let step = chunk_rows(v);
        for (i, chunk) in queries.chunks(step).enumerate() {
            let n = chunk.len();
            self.logits(shape, params, &workspace.hidden, chunk);
            for (j, (logits, query)) in self.logits.chunks_exact_mut(v).zip(chunk).enumerate() {
                let place = i * step + j;
                let (d_logprob, d_entropy) = (given.d_logprobs[place], given.d_entropies[place]);
                vectorized(|| logit_gradient(logits, d_logprob, d_entropy));
                logits[query.target as usize] += d_logprob;
            }
            let d_logits = Mat::new(&self.logits, n, v);
            if let Some(d_weight) = grads.base(&shape.layout.head) {
                let d_weight = MatMut::new(d_weight, v, c);
                matmul(d_weight, d_logits.t(), Mat::new(&self.rows, n, c), true);
            }
            let weight = Mat::new(&params[shape.layout.head.clone()], v, c);
            let d_rows = sized(&mut self.d_rows, n * c);
            matmul(MatMut::new(d_rows, n, c), d_logits, weight, false);
            for (d_row, query) in d_rows.chunks_exact(c).zip(chunk) {
                let target = &mut workspace.d_hidden[query.row * c..(query.row + 1) * c];
                for (t, d) in target.iter_mut().zip(d_row) {
                    *t += d;
                }
            }
        }
    }
}

/// Replaces logits by probabilities; returns logsumexp and entropy.
#[inline(always)]
pub(crate) fn softmax_in_place(logits: &mut [f32]) -> (f32, f32) {
    let top = max(logits);
    let mut weighted = 0.0;
    let mut total = 0.0;
    for part in logits.chunks_mut(64) {
        let mut shifted = [0.0; 64];
        for (s, z) in shifted.iter_mut().zip(part.iter()) {
            *s = z - top;
        }
        for (z, s) in part.iter_mut().zip(&shifted) {
            *z = exp(*s);
        }
        // A logit of minus infinity has probability 0 and adds nothing to the entropy.
        for s in &mut shifted {
            *s = s.max(-1e30);
        }
        weighted += dot(part, &shifted[..part.len()]);
        total += sum_map(part, |p| p);
    }
    let inverse = total.recip();
    for p in logits.iter_mut() {
        *p *= inverse;
    }
    let log_total = total.ln();
    (top + log_total, log_total - weighted * inverse)
}

/// Replaces logits by `-p_j (d_logprob + d_entropy (log p_j + h))`; the chosen token's term is the caller's.
#[inline(always)]
fn logit_gradient(logits: &mut [f32], d_logprob: f32, d_entropy: f32) {
    if d_entropy == 0.0 {
        softmax_in_place(logits);
        for p in logits {
            *p *= -d_logprob;
        }
        return;
    }
    let raw = logits.to_vec();
    let (log_sum, entropy) = softmax_in_place(logits);
    for (p, z) in logits.iter_mut().zip(&raw) {
        *p *= -(d_logprob + d_entropy * (z - log_sum + entropy));
    }
}
