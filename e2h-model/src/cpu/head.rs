//! Log-probs and entropies of next tokens, forward and backward, without ever holding `[M, V]`.
//!
//! With logits `z`, `logp_t = z_t - logsumexp(z)` and entropy `h = logsumexp(z) - sum_j p_j z_j`. Their
//! gradients are `d logp_t / d z_j = [j = t] - p_j` and `d h / d z_j = -p_j (log p_j + h)`.
//!
//! The head is cut in rows and in columns: each row keeps a running maximum, sum and weighted sum over the parts
//! of the vocabulary, which is the whole softmax in the end.
//!
//! # Source
//! The running softmax is that of Milakov and Gimelshein 2018 (online softmax), with a third sum for the entropy.
//!
//! # Invariants
//! - Memory is bounded by [`CHUNK_ELEMENTS`] logits, whatever the number of tokens and the size of the vocabulary;
//!   the backward pass computes each chunk's logits again.

use std::ops::Range;

use super::forward::{Shape, Workspace, sized};
use super::linalg::{Mat, MatMut, matmul};
use super::side::Grads;
use super::simd::{dot, exp, max, sum_map, vectorized};
use crate::TokenGrads;
use crate::batch::Query;

/// Most logits in memory at a time: 4 MiB of f32.
const CHUNK_ELEMENTS: usize = 1 << 20;

/// Entries of the vocabulary that are computed at a time.
const CHUNK_COLUMNS: usize = 4096;

/// Buffers of the head, reused from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct HeadBuffers {
    rows: Vec<f32>,
    logits: Vec<f32>,
    d_rows: Vec<f32>,
    /// The softmax of each query of the last forward pass.
    softmax: Vec<Running>,
}

/// A softmax over the part of the vocabulary that has been seen.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// Largest logit.
    top: f32,
    /// `sum exp(z - top)`
    total: f32,
    /// `sum exp(z - top) (z - top)`
    weighted: f32,
}

impl Running {
    const EMPTY: Self = Self { top: f32::NEG_INFINITY, total: 0.0, weighted: 0.0 };

    fn log_sum(self) -> f32 {
        self.top + self.total.ln()
    }

    fn entropy(self) -> f32 {
        self.total.ln() - self.weighted / self.total
    }

    /// The same sums with respect to a larger `top`.
    #[inline(always)]
    fn lowered(self, top: f32) -> Self {
        if self.total == 0.0 {
            return Self { top, ..Self::EMPTY };
        }
        let (shift, factor) = (self.top - top, exp(self.top - top));
        let weighted = factor * (self.weighted + shift * self.total);
        Self { top, total: factor * self.total, weighted }
    }

    #[inline(always)]
    fn join(self, other: Self) -> Self {
        let top = self.top.max(other.top);
        let (a, b) = (self.lowered(top), other.lowered(top));
        Self { top, total: a.total + b.total, weighted: a.weighted + b.weighted }
    }
}

/// Log-prob and entropy of each query, in nats.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadOutput {
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
}

fn chunk_rows(vocab_size: usize) -> usize {
    (CHUNK_ELEMENTS / vocab_size.min(CHUNK_COLUMNS)).clamp(8, 512)
}

/// The parts of the vocabulary that are computed at a time.
fn chunk_columns(vocab_size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..vocab_size)
        .step_by(CHUNK_COLUMNS)
        .map(move |start| start..vocab_size.min(start + CHUNK_COLUMNS))
}

/// The place of a query's target within a part of the vocabulary.
fn place_of(query: &Query, part: &Range<usize>) -> Option<usize> {
    let target = query.target as usize;
    part.contains(&target).then(|| target - part.start)
}

impl HeadBuffers {
    /// Gathers the hidden rows of `queries`. `[Q, C]`
    fn gather(&mut self, width: usize, hidden: &[f32], queries: &[Query]) {
        let rows = sized(&mut self.rows, queries.len() * width);
        for (row, query) in rows.chunks_exact_mut(width).zip(queries) {
            row.copy_from_slice(&hidden[query.row * width..(query.row + 1) * width]);
        }
    }

    /// Computes the logits of the gathered rows in one part of the vocabulary. `[Q, part]`
    fn logits(&mut self, weight: Mat<'_>, n: usize, width: usize, part: &Range<usize>) {
        let logits = sized(&mut self.logits, n * part.len());
        let logits = MatMut::new(logits, n, part.len());
        matmul(logits, Mat::new(&self.rows, n, width), weight.t(), false);
    }

    /// Log-probs and entropies of `queries` over the output of a forward pass.
    pub(crate) fn forward(
        &mut self,
        shape: &Shape,
        params: &[f32],
        hidden: &[f32],
        queries: &[Query],
    ) -> HeadOutput {
        let (c, v) = (shape.config.hidden_size, shape.config.vocab_size);
        let head = &params[shape.layout.head.clone()];
        let mut output = HeadOutput::default();
        self.softmax.clear();
        for chunk in queries.chunks(chunk_rows(v)) {
            let first = self.softmax.len();
            self.softmax.resize(first + chunk.len(), Running::EMPTY);
            let mut chosen = vec![0.0; chunk.len()];
            self.gather(c, hidden, chunk);
            for part in chunk_columns(v) {
                let weight = Mat::new(&head[part.start * c..part.end * c], part.len(), c);
                self.logits(weight, chunk.len(), c, &part);
                let rows = self.logits.chunks_exact_mut(part.len()).zip(chunk);
                let states = self.softmax[first..].iter_mut().zip(&mut chosen);
                for ((logits, query), (state, chosen)) in rows.zip(states) {
                    if let Some(place) = place_of(query, &part) {
                        *chosen = logits[place];
                    }
                    *state = vectorized!(state.join(exponentials(logits)));
                }
            }
            for (state, chosen) in self.softmax[first..].iter().zip(chosen) {
                output.logprobs.push(chosen - state.log_sum());
                output.entropies.push(state.entropy());
            }
        }
        output
    }

    /// Backward of [`Self::forward`], which it must follow: fills `workspace.d_hidden` and, unless it is frozen,
    /// adds to the head's gradient.
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
        let head = &params[shape.layout.head.clone()];
        workspace.d_hidden.clear();
        workspace.d_hidden.resize(workspace.hidden.len(), 0.0);
        let step = chunk_rows(v);
        for (i, chunk) in queries.chunks(step).enumerate() {
            let n = chunk.len();
            self.gather(c, &workspace.hidden, chunk);
            for part in chunk_columns(v) {
                let weights = part.start * c..part.end * c;
                let weight = Mat::new(&head[weights.clone()], part.len(), c);
                self.logits(weight, n, c, &part);
                let rows = self.logits.chunks_exact_mut(part.len()).zip(chunk);
                for (place, (logits, query)) in (i * step..).zip(rows) {
                    let given = (given.d_logprobs[place], given.d_entropies[place]);
                    let state = self.softmax[place];
                    vectorized!(logit_gradient(logits, state, given));
                    if let Some(target) = place_of(query, &part) {
                        logits[target] += given.0;
                    }
                }
                let d_logits = Mat::new(&self.logits, n, part.len());
                if let Some(d_head) = grads.base(&shape.layout.head) {
                    let d_weight = MatMut::new(&mut d_head[weights], part.len(), c);
                    matmul(d_weight, d_logits.t(), Mat::new(&self.rows, n, c), true);
                }
                let d_rows = MatMut::new(sized(&mut self.d_rows, n * c), n, c);
                matmul(d_rows, d_logits, weight, part.start > 0);
            }
            for (d_row, query) in self.d_rows.chunks_exact(c).zip(chunk) {
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
    let state = exponentials(logits);
    let inverse = state.total.recip();
    for p in logits.iter_mut() {
        *p *= inverse;
    }
    (state.log_sum(), state.entropy())
}

/// Replaces logits by `exp(z - top)`; returns their sums.
#[inline(always)]
fn exponentials(logits: &mut [f32]) -> Running {
    let top = max(logits);
    if top == f32::NEG_INFINITY {
        logits.fill(0.0);
        return Running::EMPTY;
    }
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
    Running { top, total, weighted }
}

/// Replaces logits by `-p_j (d_logprob + d_entropy (log p_j + h))`; the chosen token's term is the caller's.
#[inline(always)]
fn logit_gradient(logits: &mut [f32], state: Running, (d_logprob, d_entropy): (f32, f32)) {
    let (top, log_total, entropy) = (state.top, state.total.ln(), state.entropy());
    for z in logits.iter_mut() {
        let log_prob = *z - top - log_total;
        let pull = d_logprob + d_entropy * (log_prob.max(-1e30) + entropy);
        *z = -exp(log_prob) * pull;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softmax_in_parts_is_the_softmax_of_the_whole() {
        let logits: Vec<f32> = (0..500).map(|i| ((i * 37 % 101) as f32 - 50.0) / 4.0).collect();
        let whole = softmax_in_place(&mut logits.clone());
        for size in [1, 7, 64, 499] {
            let parts = logits.chunks(size).map(|part| exponentials(&mut part.to_vec()));
            let state = parts.fold(Running::EMPTY, Running::join);
            assert!((state.log_sum() - whole.0).abs() < 1e-5, "{size}");
            assert!((state.entropy() - whole.1).abs() < 1e-5, "{size}");
        }
    }
}
