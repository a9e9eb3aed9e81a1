//! The decoder over a packed slice: forward with the activations that the backward pass needs, and backward.
//!
//! # Source
//! Llama (Touvron et al. 2023) and Qwen2/Qwen3 as in the published checkpoints: pre-norm residual blocks of
//! grouped-query attention with rotary positions and a SwiGLU feed-forward layer.
//!
//! # Deviations
//! - Norms, SwiGLU and attention probabilities are computed again in the backward pass: element-wise work is
//!   cheaper than the memory traffic of keeping it.
//! - One product computes q, k and v, another gate and up: their weights are adjacent in the flat buffer.

use super::attention::{HeadShape, attention, attention_backward};
use super::linalg::{Mat, MatMut, matmul, matmul_by_row};
use super::ops::{
    RopeTable, add_bias, rms_norm, rms_norm_backward, sum_rows, swiglu, swiglu_backward,
};
use super::simd::vectorized;
use crate::batch::Slice;
use crate::params::{LayerRanges, Layout};
use crate::{ModelConfig, batch::Segment};

/// What is fixed about a decoder: shape, places of its tensors, rotary table.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub config: ModelConfig,
    pub layout: Layout,
    pub rope: RopeTable,
}

impl Shape {
    pub(crate) fn new(config: ModelConfig) -> Self {
        let rope = RopeTable::new(&config, config.max_positions);
        Self { layout: Layout::new(&config), rope, config }
    }
}

/// One layer's kept activations.
#[derive(Debug, Default)]
pub(crate) struct LayerActivations {
    /// Input of the layer. `[M, C]`
    pub x: Vec<f32>,
    /// Queries, keys and values, normed and rotated. `[M, (H + 2K) D]`
    pub qkv: Vec<f32>,
    /// Queries and keys before their norms, where the family has them. `[M, (H + 2K) D]`
    raw_qkv: Vec<f32>,
    /// `[M, H D]`
    attention: Vec<f32>,
    /// Input of the feed-forward layer. `[M, C]`
    middle: Vec<f32>,
    /// `[M, 2 F]`
    gate_up: Vec<f32>,
}

/// Buffers of one worker, reused from slice to slice.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub layers: Vec<LayerActivations>,
    /// Output of the last layer. `[M, C]`
    x: Vec<f32>,
    /// The same after the final norm. `[M, C]`
    pub hidden: Vec<f32>,
    /// Gradient of `hidden`, filled by the head's backward pass. `[M, C]`
    pub d_hidden: Vec<f32>,
    normed: Vec<f32>,
    d_x: Vec<f32>,
    d_normed: Vec<f32>,
    wide: Vec<f32>,
    d_qkv: Vec<f32>,
}

fn reset(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.clear();
    buffer.resize(len, 0.0);
    buffer
}

/// Resizes without clearing: for buffers that are written whole.
pub(crate) fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    buffer
}

/// `y = x W^T`, or `y += x W^T`. `x: [M, in]`, `weight: [out, in]`, `y: [M, out]`
pub(crate) fn linear(y: &mut [f32], x: &[f32], weight: &[f32], rows: usize, accumulate: bool) {
    let (n_in, n_out) = (x.len() / rows, y.len() / rows);
    matmul_by_row(y, x, Mat::new(weight, n_out, n_in).t(), rows, accumulate);
}

/// Backward of [`linear`]: `d_x = d_y W` and `d_weight += d_y^T x`.
fn linear_backward(
    d_x: &mut [f32],
    d_weight: &mut [f32],
    d_y: &[f32],
    x: &[f32],
    weight: &[f32],
    rows: usize,
) {
    let (n_in, n_out) = (x.len() / rows, d_y.len() / rows);
    let d_y = Mat::new(d_y, rows, n_out);
    matmul(MatMut::new(d_x, rows, n_in), d_y, Mat::new(weight, n_out, n_in), false);
    matmul(MatMut::new(d_weight, n_out, n_in), d_y.t(), Mat::new(x, rows, n_in), true);
}

/// Calls `f(row of q and k heads, position)` for every row of every segment.
fn for_each_row(
    qkv: &mut [f32],
    segments: &[Segment],
    row: usize,
    rotated: usize,
    f: impl Fn(&mut [f32], usize),
) {
    vectorized(|| {
        for segment in segments {
            let rows = &mut qkv[segment.start * row..(segment.start + segment.len) * row];
            for (i, heads) in rows.chunks_exact_mut(row).enumerate() {
                f(&mut heads[..rotated], segment.position + i);
            }
        }
    });
}

impl Workspace {
    /// Runs the decoder over `slice`; leaves the normed output in `self.hidden`.
    pub(crate) fn forward(&mut self, shape: &Shape, params: &[f32], slice: &Slice) {
        let (c, rows) = (shape.config.hidden_size, slice.tokens.len());
        self.layers.resize_with(shape.config.n_layers, LayerActivations::default);
        let embed = &params[shape.layout.embed.clone()];
        let x = sized(&mut self.x, rows * c);
        for (row, &token) in x.chunks_exact_mut(c).zip(&slice.tokens) {
            row.copy_from_slice(&embed[token as usize * c..(token as usize + 1) * c]);
        }
        for (ranges, kept) in shape.layout.layers.iter().zip(&mut self.layers) {
            sized(&mut kept.x, rows * c).copy_from_slice(&self.x);
            let normed = sized(&mut self.normed, rows * c);
            kept.attend(shape, params, ranges, slice, normed);
            kept.feed_forward(shape, params, ranges, normed, &mut self.wide, &mut self.x);
        }
        let hidden = sized(&mut self.hidden, rows * c);
        let weight = &params[shape.layout.norm.clone()];
        rms_norm(hidden, &self.x, weight, shape.config.rms_norm_eps);
    }

    /// Takes `self.d_hidden` back through the decoder and adds the gradient of every parameter to `grads`.
    ///
    /// Must follow [`Self::forward`] on the same slice; the kept activations are used up.
    pub(crate) fn backward(
        &mut self,
        shape: &Shape,
        params: &[f32],
        grads: &mut [f32],
        slice: &Slice,
    ) {
        let config = &shape.config;
        let (c, rows, eps) = (config.hidden_size, slice.tokens.len(), config.rms_norm_eps);
        let norm = shape.layout.norm.clone();
        let d_x = reset(&mut self.d_x, rows * c);
        let d_norm = Some(&mut grads[norm.clone()]);
        rms_norm_backward(d_x, d_norm, &self.d_hidden, &self.x, &params[norm], eps);
        for (ranges, kept) in shape.layout.layers.iter().zip(&mut self.layers).rev() {
            self.normed.resize(rows * c, 0.0);
            self.d_normed.resize(rows * c, 0.0);
            let mut pass = LayerBackward {
                shape,
                params,
                grads,
                ranges,
                rows,
                d_x: &mut self.d_x,
                normed: &mut self.normed,
                d_normed: &mut self.d_normed,
            };
            pass.feed_forward(kept, &mut self.wide);
            pass.attend(kept, slice, &mut self.wide, &mut self.d_qkv);
        }
        let d_embed = &mut grads[shape.layout.embed.clone()];
        for (row, &token) in self.d_x.chunks_exact(c).zip(&slice.tokens) {
            let target = &mut d_embed[token as usize * c..(token as usize + 1) * c];
            for (t, d) in target.iter_mut().zip(row) {
                *t += d;
            }
        }
    }
}

impl LayerActivations {
    /// `middle = x + attention(norm(x)) W_o`.
    fn attend(
        &mut self,
        shape: &Shape,
        params: &[f32],
        ranges: &LayerRanges,
        slice: &Slice,
        normed: &mut [f32],
    ) {
        let config = &shape.config;
        let (heads, rows) = (HeadShape::of(config), slice.tokens.len());
        let eps = config.rms_norm_eps;
        rms_norm(normed, &self.x, &params[ranges.input_norm.clone()], eps);
        let qkv = sized(&mut self.qkv, rows * heads.row());
        linear(qkv, normed, &params[ranges.qkv.clone()], rows, false);
        if let Some(bias) = &ranges.qkv_bias {
            add_bias(qkv, &params[bias.clone()]);
        }
        if let Some(range) = &ranges.qk_norm {
            sized(&mut self.raw_qkv, qkv.len()).copy_from_slice(qkv);
            norm_heads(qkv, &self.raw_qkv, &params[range.clone()], heads, eps);
        }
        let rotated = heads.row() - config.kv_size();
        for_each_row(qkv, &slice.segments, heads.row(), rotated, |row, position| {
            shape.rope.rotate(row, position, false);
        });
        let out = sized(&mut self.attention, rows * heads.q_size());
        attention(out, qkv, &slice.segments, heads);
        let middle = sized(&mut self.middle, self.x.len());
        middle.copy_from_slice(&self.x);
        linear(middle, out, &params[ranges.o_proj.clone()], rows, true);
    }

    /// `x = middle + swiglu(norm(middle) W_gate_up) W_down`, into `x`.
    fn feed_forward(
        &mut self,
        shape: &Shape,
        params: &[f32],
        ranges: &LayerRanges,
        normed: &mut [f32],
        active: &mut Vec<f32>,
        x: &mut [f32],
    ) {
        let (f, eps) = (shape.config.intermediate_size, shape.config.rms_norm_eps);
        let rows = x.len() / shape.config.hidden_size;
        rms_norm(normed, &self.middle, &params[ranges.post_norm.clone()], eps);
        let gate_up = sized(&mut self.gate_up, rows * 2 * f);
        linear(gate_up, normed, &params[ranges.gate_up.clone()], rows, false);
        let active = sized(active, rows * f);
        swiglu(active, gate_up, f);
        x.copy_from_slice(&self.middle);
        linear(x, active, &params[ranges.down.clone()], rows, true);
    }
}

/// Norms the query and key heads of every row of `raw` into `qkv`; values are left alone.
pub(crate) fn norm_heads(
    qkv: &mut [f32],
    raw: &[f32],
    weights: &[f32],
    heads: HeadShape,
    eps: f32,
) {
    let (q_weight, k_weight) = weights.split_at(heads.head_dim);
    let (q_end, k_end) = (heads.q_size(), heads.q_size() + heads.n_kv_heads * heads.head_dim);
    for (row, raw) in qkv.chunks_exact_mut(heads.row()).zip(raw.chunks_exact(heads.row())) {
        rms_norm(&mut row[..q_end], &raw[..q_end], q_weight, eps);
        rms_norm(&mut row[q_end..k_end], &raw[q_end..k_end], k_weight, eps);
    }
}

/// One layer's backward pass: what its two halves share.
struct LayerBackward<'a> {
    shape: &'a Shape,
    params: &'a [f32],
    grads: &'a mut [f32],
    ranges: &'a LayerRanges,
    rows: usize,
    /// In: gradient of the half's output. Out: gradient of its input. `[M, C]`
    d_x: &'a mut [f32],
    normed: &'a mut [f32],
    d_normed: &'a mut [f32],
}

impl LayerBackward<'_> {
    fn weight(&self, range: &std::ops::Range<usize>) -> &[f32] {
        &self.params[range.clone()]
    }

    fn feed_forward(&mut self, kept: &mut LayerActivations, wide: &mut Vec<f32>) {
        let config = &self.shape.config;
        let (f, eps, ranges) = (config.intermediate_size, config.rms_norm_eps, self.ranges);
        let (c, rows) = (config.hidden_size, self.rows);
        rms_norm(self.normed, &kept.middle, &self.params[ranges.post_norm.clone()], eps);
        let active = sized(wide, rows * f);
        let d_y = Mat::new(self.d_x, rows, c);
        let down = Mat::new(self.weight(&ranges.down), c, f);
        matmul(MatMut::new(active, rows, f), d_y, down, false);
        swiglu_backward(active, &mut kept.gate_up, f);
        let d_down = MatMut::new(&mut self.grads[ranges.down.clone()], c, f);
        matmul(d_down, d_y.t(), Mat::new(active, rows, f), true);
        linear_backward(
            self.d_normed,
            &mut self.grads[ranges.gate_up.clone()],
            &kept.gate_up,
            self.normed,
            &self.params[ranges.gate_up.clone()],
            rows,
        );
        self.norm_backward(&ranges.post_norm, &kept.middle);
    }

    fn attend(
        &mut self,
        kept: &mut LayerActivations,
        slice: &Slice,
        wide: &mut Vec<f32>,
        d_qkv: &mut Vec<f32>,
    ) {
        let config = &self.shape.config;
        let (heads, rows, ranges) = (HeadShape::of(config), self.rows, self.ranges);
        let eps = config.rms_norm_eps;
        rms_norm(self.normed, &kept.x, &self.params[ranges.input_norm.clone()], eps);
        let d_attention = sized(wide, rows * heads.q_size());
        linear_backward(
            d_attention,
            &mut self.grads[ranges.o_proj.clone()],
            self.d_x,
            &kept.attention,
            &self.params[ranges.o_proj.clone()],
            rows,
        );
        let d_qkv = reset(d_qkv, rows * heads.row());
        attention_backward(d_qkv, d_attention, &kept.qkv, &slice.segments, heads);
        let rotated = heads.row() - config.kv_size();
        for_each_row(d_qkv, &slice.segments, heads.row(), rotated, |row, position| {
            self.shape.rope.rotate(row, position, true);
        });
        if let Some(range) = &ranges.qk_norm {
            let weights = &self.params[range.clone()];
            let grads = &mut self.grads[range.clone()];
            norm_heads_backward(d_qkv, grads, &kept.raw_qkv, weights, heads, eps);
        }
        if let Some(range) = &ranges.qkv_bias {
            sum_rows(&mut self.grads[range.clone()], d_qkv);
        }
        linear_backward(
            self.d_normed,
            &mut self.grads[ranges.qkv.clone()],
            d_qkv,
            self.normed,
            &self.params[ranges.qkv.clone()],
            rows,
        );
        self.norm_backward(&ranges.input_norm, &kept.x);
    }

    /// Takes `d_normed` through the norm of `x` and adds it to the residual gradient.
    fn norm_backward(&mut self, range: &std::ops::Range<usize>, x: &[f32]) {
        let d_weight = Some(&mut self.grads[range.clone()]);
        let weight = &self.params[range.clone()];
        let eps = self.shape.config.rms_norm_eps;
        rms_norm_backward(self.d_x, d_weight, self.d_normed, x, weight, eps);
    }
}

/// Backward of [`norm_heads`]: replaces the gradients of normed heads by those of raw ones.
fn norm_heads_backward(
    d_qkv: &mut [f32],
    d_weights: &mut [f32],
    raw: &[f32],
    weights: &[f32],
    heads: HeadShape,
    eps: f32,
) {
    let d = heads.head_dim;
    let (q_end, k_end) = (heads.q_size(), heads.q_size() + heads.n_kv_heads * d);
    let mut d_normed = vec![0.0; k_end];
    for (d_row, raw) in d_qkv.chunks_exact_mut(heads.row()).zip(raw.chunks_exact(heads.row())) {
        d_normed.copy_from_slice(&d_row[..k_end]);
        d_row[..k_end].fill(0.0);
        for (range, part) in [(0..q_end, 0..d), (q_end..k_end, d..2 * d)] {
            rms_norm_backward(
                &mut d_row[range.clone()],
                Some(&mut d_weights[part.clone()]),
                &d_normed[range.clone()],
                &raw[range],
                &weights[part],
                eps,
            );
        }
    }
}
