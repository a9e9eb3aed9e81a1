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
    use e2h_core::RootSeed;

    use super::*;
    use crate::params::Layout;
    use crate::{Model, ModelConfig};

    /// Log-prob and entropy of `target`, and the gradient of their weighted sum by the logits, in one piece and f64.
    fn plainly(logits: &[f64], target: usize, given: (f64, f64)) -> (f64, f64, Vec<f64>) {
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = top + logits.iter().map(|z| (z - top).exp()).sum::<f64>().ln();
        let probs: Vec<f64> = logits.iter().map(|z| (z - log_sum).exp()).collect();
        let entropy: f64 = log_sum - probs.iter().zip(logits).map(|(p, z)| p * z).sum::<f64>();
        let pull = |z: f64| given.0 + given.1 * (z - log_sum + entropy);
        let mut grads: Vec<f64> = probs.iter().zip(logits).map(|(p, z)| -p * pull(*z)).collect();
        grads[target] += given.0;
        (logits[target] - log_sum, entropy, grads)
    }

    #[test]
    fn a_vocabulary_of_several_chunks_has_the_numbers_of_the_plain_computation() {
        const V: usize = 2 * CHUNK_COLUMNS + 777;
        let config = ModelConfig {
            hidden_size: 8,
            intermediate_size: 8,
            n_layers: 1,
            n_heads: 2,
            n_kv_heads: 1,
            head_dim: 4,
            initializer_range: 0.9,
            ..ModelConfig::nano(V)
        };
        let model = Model::new(config, &mut RootSeed(1).stream("init", &[]));
        let (shape, params) = (&model.shape, model.weights());
        let (c, n) = (8, chunk_rows(V) + 5);
        // The first and the last entry of each chunk are asked for, and others.
        let edges = [0, CHUNK_COLUMNS - 1, CHUNK_COLUMNS, 2 * CHUNK_COLUMNS, V - 1];
        let target = |i: usize| edges.get(i).copied().unwrap_or(i * 97 % V) as u32;
        let queries: Vec<Query> =
            (0..n).map(|i| Query { row: n - 1 - i, target: target(i) }).collect();
        let hidden: Vec<f32> = (0..n * c).map(|i| ((i * 29 % 83) as f32 - 41.0) / 30.0).collect();
        let given = TokenGrads {
            d_logprobs: (0..n).map(|i| ((i * 5 % 7) as f32 - 3.0) / 4.0).collect(),
            d_entropies: (0..n).map(|i| ((i * 3 % 5) as f32 - 2.0) / 8.0).collect(),
        };
        let mut buffers = HeadBuffers::default();
        let output = buffers.forward(shape, params, &hidden, &queries);
        let mut workspace = Workspace::default();
        workspace.hidden.clone_from(&hidden);
        let mut own = vec![0.0; Layout::new(&shape.config).n_params()];
        let mut grads = Grads::Base(&mut own);
        buffers.backward(shape, params, &mut grads, &mut workspace, &queries, &given);

        let head: Vec<f64> =
            params[shape.layout.head.clone()].iter().map(|w| f64::from(*w)).collect();
        let mut d_head = vec![0.0; V * c];
        for (i, query) in queries.iter().enumerate() {
            let x: Vec<f64> = hidden[query.row * c..][..c].iter().map(|x| f64::from(*x)).collect();
            let dot = |w: &[f64]| w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
            let logits: Vec<f64> = head.chunks_exact(c).map(dot).collect();
            let pulls = (f64::from(given.d_logprobs[i]), f64::from(given.d_entropies[i]));
            let (logprob, entropy, d_logits) = plainly(&logits, query.target as usize, pulls);
            assert!((f64::from(output.logprobs[i]) - logprob).abs() < 1e-4, "log-prob {i}");
            assert!((f64::from(output.entropies[i]) - entropy).abs() < 1e-4, "entropy {i}");
            let mut d_x = vec![0.0; c];
            let rows = head.chunks_exact(c).zip(d_head.chunks_exact_mut(c)).zip(&d_logits);
            for ((w, d_w), d) in rows {
                for (d_x, w) in d_x.iter_mut().zip(w) {
                    *d_x += d * w;
                }
                for (d_w, x) in d_w.iter_mut().zip(&x) {
                    *d_w += d * x;
                }
            }
            for (got, want) in workspace.d_hidden[query.row * c..][..c].iter().zip(&d_x) {
                assert!((f64::from(*got) - want).abs() < 3e-4, "row {i}: {got}, not {want}");
            }
        }
        for (got, want) in own[shape.layout.head.clone()].iter().zip(&d_head) {
            assert!((f64::from(*got) - want).abs() < 3e-4, "head: {got}, not {want}");
        }
    }

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
