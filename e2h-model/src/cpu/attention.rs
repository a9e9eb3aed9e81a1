//! Causal grouped-query attention over packed segments, forward and backward.
//!
//! A segment is a run of rows of the packed batch. It attends to itself, causally, and to the whole of its
//! parent segment, if it has one: so the G completions of a group share one copy of their prompt.
//!
//! # Deviations
//! - No padding: segments lie end to end.
//! - The `[n, T]` scores of one head of one segment are the only ones in memory at a time.

use super::linalg::{Mat, MatMut, matmul};
use super::simd::{dot, exp, max, sum_map, vectorized};
use crate::{ModelConfig, batch::Segment};

/// The widths that attention needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadShape {
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
}

impl HeadShape {
    pub(crate) fn of(config: &ModelConfig) -> Self {
        Self { n_heads: config.n_heads, n_kv_heads: config.n_kv_heads, head_dim: config.head_dim }
    }

    /// Width of a row of q, k and v side by side.
    pub(crate) fn row(self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// Width of a row of all query heads.
    pub(crate) fn q_size(self) -> usize {
        self.n_heads * self.head_dim
    }

    fn scale(self) -> f32 {
        (self.head_dim as f32).sqrt().recip()
    }

    /// Columns at which q, k and v of query head `head` start.
    fn columns(self, head: usize) -> [usize; 3] {
        let kv_head = head / (self.n_heads / self.n_kv_heads);
        let k = (self.n_heads + kv_head) * self.head_dim;
        [head * self.head_dim, k, k + self.n_kv_heads * self.head_dim]
    }
}

/// Rows of keys that a segment attends to, in order: the parent's, then its own.
fn key_runs(segment: &Segment, segments: &[Segment]) -> ([(usize, usize); 2], usize) {
    let own = (segment.start, segment.len);
    match segment.parent {
        Some(parent) => {
            let parent = &segments[parent];
            ([(parent.start, parent.len), own], parent.len)
        }
        None => ([(0, 0), own], 0),
    }
}

/// Softmax probabilities of one head of one segment, into `probs`. `[n, prefix + n]`
fn probabilities(
    probs: &mut Vec<f32>,
    qkv: &[f32],
    segment: &Segment,
    segments: &[Segment],
    shape: HeadShape,
    head: usize,
) {
    let (row, d) = (shape.row(), shape.head_dim);
    let [q_col, k_col, _] = shape.columns(head);
    let (runs, prefix) = key_runs(segment, segments);
    let (n, width) = (segment.len, prefix + segment.len);
    probs.resize(n * width, 0.0);
    let q = Mat::strided(&qkv[segment.start * row + q_col..], n, d, row);
    let mut column = 0;
    for (start, len) in runs.into_iter().filter(|run| run.1 > 0) {
        let k = Mat::strided(&qkv[start * row + k_col..], len, d, row);
        matmul(MatMut::strided(&mut probs[column..], n, len, width), q, k.t(), false);
        column += len;
    }
    let scale = shape.scale();
    vectorized!({
        for (i, scores) in probs.chunks_exact_mut(width).enumerate() {
            let (seen, hidden) = scores.split_at_mut(prefix + i + 1);
            let top = max(seen);
            for score in seen.iter_mut() {
                *score = exp((*score - top) * scale);
            }
            let total = sum_map(seen, |p| p).recip();
            for prob in seen {
                *prob *= total;
            }
            hidden.fill(0.0);
        }
    });
}

/// Attention of every segment.
///
/// # Shapes
/// - `out`: `[M, H D]`
/// - `qkv`: `[M, (H + 2K) D]`, rotary embedding applied
pub(crate) fn attention(out: &mut [f32], qkv: &[f32], segments: &[Segment], shape: HeadShape) {
    let (row, d, q_size) = (shape.row(), shape.head_dim, shape.q_size());
    let mut probs = Vec::new();
    for segment in segments {
        let (runs, prefix) = key_runs(segment, segments);
        let (n, width) = (segment.len, prefix + segment.len);
        for head in 0..shape.n_heads {
            probabilities(&mut probs, qkv, segment, segments, shape, head);
            let [q_col, _, v_col] = shape.columns(head);
            let mut column = 0;
            for (start, len) in runs.into_iter().filter(|run| run.1 > 0) {
                let v = Mat::strided(&qkv[start * row + v_col..], len, d, row);
                let o = &mut out[segment.start * q_size + q_col..];
                let p = Mat::strided(&probs[column..], n, len, width);
                matmul(MatMut::strided(o, n, d, q_size), p, v, column > 0);
                column += len;
            }
        }
    }
}

/// Backward of [`attention`]: adds to `d_qkv`, whose rows have the layout of `qkv`.
///
/// The probabilities are computed again from `qkv`.
pub(crate) fn attention_backward(
    d_qkv: &mut [f32],
    d_out: &[f32],
    qkv: &[f32],
    segments: &[Segment],
    shape: HeadShape,
) {
    let (row, d, q_size, scale) = (shape.row(), shape.head_dim, shape.q_size(), shape.scale());
    let (mut probs, mut d_scores) = (Vec::new(), Vec::new());
    for segment in segments {
        let (runs, prefix) = key_runs(segment, segments);
        let (n, width) = (segment.len, prefix + segment.len);
        for head in 0..shape.n_heads {
            probabilities(&mut probs, qkv, segment, segments, shape, head);
            let [q_col, k_col, v_col] = shape.columns(head);
            let d_o = Mat::strided(&d_out[segment.start * q_size + q_col..], n, d, q_size);
            d_scores.resize(n * width, 0.0);
            let mut column = 0;
            for (start, len) in runs.into_iter().filter(|run| run.1 > 0) {
                let v = Mat::strided(&qkv[start * row + v_col..], len, d, row);
                let d_p = MatMut::strided(&mut d_scores[column..], n, len, width);
                matmul(d_p, d_o, v.t(), false);
                let d_v = MatMut::strided(&mut d_qkv[start * row + v_col..], len, d, row);
                matmul(d_v, Mat::strided(&probs[column..], n, len, width).t(), d_o, true);
                column += len;
            }
            softmax_backward(&mut d_scores, &probs, width, scale);
            let q = Mat::strided(&qkv[segment.start * row + q_col..], n, d, row);
            let mut column = 0;
            for (start, len) in runs.into_iter().filter(|run| run.1 > 0) {
                let d_s = Mat::strided(&d_scores[column..], n, len, width);
                let k = Mat::strided(&qkv[start * row + k_col..], len, d, row);
                let d_q = MatMut::strided(&mut d_qkv[segment.start * row + q_col..], n, d, row);
                matmul(d_q, d_s, k, true);
                let d_k = MatMut::strided(&mut d_qkv[start * row + k_col..], len, d, row);
                matmul(d_k, d_s.t(), q, true);
                column += len;
            }
        }
    }
}

/// Replaces gradients of probabilities by gradients of unscaled scores: `p (dp - sum(p dp)) scale`.
fn softmax_backward(d_probs: &mut [f32], probs: &[f32], width: usize, scale: f32) {
    vectorized!({
        for (d, p) in d_probs.chunks_exact_mut(width).zip(probs.chunks_exact(width)) {
            let mean = dot(d, p);
            for (d, p) in d.iter_mut().zip(p) {
                *d = p * (*d - mean) * scale;
            }
        }
    });
}
