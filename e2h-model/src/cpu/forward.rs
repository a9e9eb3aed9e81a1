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
use super::side::{Columns, Grads, SideBuffers, Weights};
use super::simd::vectorized;
use crate::adapter::Projection;
use crate::batch::Slice;
use crate::params::{DecoderLayout, LayerRanges};
use crate::{ModelConfig, batch::Segment};

/// What is fixed about a decoder: shape, places of its tensors, rotary table.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub config: ModelConfig,
    pub layout: DecoderLayout,
    pub rope: RopeTable,
}

impl Shape {
    pub(crate) fn new(config: ModelConfig) -> Self {
        let rope = RopeTable::new(&config, config.max_positions);
        Self { layout: DecoderLayout::new(&config), rope, config }
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
    side: SideBuffers,
}

/// The columns of q, k and v in a row of the three side by side.
pub(crate) fn qkv_columns(config: &ModelConfig) -> [(Projection, Columns); 3] {
    let (q, kv) = (config.q_size(), config.kv_size());
    let columns = |start, len| Columns { width: q + 2 * kv, start, len };
    [
        (Projection::QProj, columns(0, q)),
        (Projection::KProj, columns(q, kv)),
        (Projection::VProj, columns(q + kv, kv)),
    ]
}

/// The columns of gate and up in a row of the two side by side.
pub(crate) fn gate_up_columns(config: &ModelConfig) -> [(Projection, Columns); 2] {
    let f = config.intermediate_size;
    let columns = |start| Columns { width: 2 * f, start, len: f };
    [(Projection::GateProj, columns(0)), (Projection::UpProj, columns(f))]
}

/// A whole row of the residual stream, which attention and the feed-forward layer write to.
pub(crate) fn residual_columns(config: &ModelConfig) -> Columns {
    Columns { width: config.hidden_size, start: 0, len: config.hidden_size }
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

/// Backward of [`linear`]: `d_x = d_y W` and, unless the weight is frozen, `d_weight += d_y^T x`.
fn linear_backward(
    d_x: &mut [f32],
    d_weight: Option<&mut [f32]>,
    d_y: &[f32],
    x: &[f32],
    weight: &[f32],
    rows: usize,
) {
    let (n_in, n_out) = (x.len() / rows, d_y.len() / rows);
    let d_y = Mat::new(d_y, rows, n_out);
    matmul(MatMut::new(d_x, rows, n_in), d_y, Mat::new(weight, n_out, n_in), false);
    if let Some(d_weight) = d_weight {
        matmul(MatMut::new(d_weight, n_out, n_in), d_y.t(), Mat::new(x, rows, n_in), true);
    }
}

/// Rotates the query and key heads of every row of every segment to the row's position, or back again.
fn rotate_rows(
    qkv: &mut [f32],
    segments: &[Segment],
    heads: HeadShape,
    rope: &RopeTable,
    inverse: bool,
) {
    let row = heads.row();
    let rotated = row - heads.n_kv_heads * heads.head_dim;
    vectorized!({
        for segment in segments {
            let rows = &mut qkv[segment.start * row..(segment.start + segment.len) * row];
            for (i, row) in rows.chunks_exact_mut(row).enumerate() {
                rope.rotate(&mut row[..rotated], segment.position + i, inverse);
            }
        }
    });
}

impl Workspace {
    /// Runs the decoder over `slice`; leaves the normed output in `self.hidden`.
    pub(crate) fn forward(&mut self, shape: &Shape, weights: Weights<'_>, slice: &Slice) {
        let params = weights.base;
        let (c, rows) = (shape.config.hidden_size, slice.tokens.len());
        self.layers.resize_with(shape.config.n_layers, LayerActivations::default);
        let embed = &params[shape.layout.embed.clone()];
        let x = sized(&mut self.x, rows * c);
        for (row, &token) in x.chunks_exact_mut(c).zip(&slice.tokens) {
            row.copy_from_slice(&embed[token as usize * c..(token as usize + 1) * c]);
        }
        for (layer, (ranges, kept)) in shape.layout.layers.iter().zip(&mut self.layers).enumerate()
        {
            sized(&mut kept.x, rows * c).copy_from_slice(&self.x);
            let normed = sized(&mut self.normed, rows * c);
            let mut pass =
                LayerForward { shape, weights, ranges, layer, slice, side: &mut self.side };
            pass.attend(kept, normed);
            pass.feed_forward(kept, normed, &mut self.wide, &mut self.x);
        }
        let hidden = sized(&mut self.hidden, rows * c);
        let weight = &params[shape.layout.norm.clone()];
        rms_norm(hidden, &self.x, weight, shape.config.rms_norm_eps);
    }

    /// Takes `self.d_hidden` back through the decoder and adds the gradient of every parameter that is trained
    /// to `grads`.
    ///
    /// Must follow [`Self::forward`] on the same slice; the kept activations are used up.
    pub(crate) fn backward(
        &mut self,
        shape: &Shape,
        weights: Weights<'_>,
        grads: &mut Grads<'_>,
        slice: &Slice,
    ) {
        let (config, params) = (&shape.config, weights.base);
        let (c, rows, eps) = (config.hidden_size, slice.tokens.len(), config.rms_norm_eps);
        let norm = shape.layout.norm.clone();
        let d_x = reset(&mut self.d_x, rows * c);
        let d_norm = grads.base(&norm);
        rms_norm_backward(d_x, d_norm, &self.d_hidden, &self.x, &params[norm], eps);
        let layers = shape.layout.layers.iter().zip(&mut self.layers).enumerate();
        for (layer, (ranges, kept)) in layers.rev() {
            self.normed.resize(rows * c, 0.0);
            self.d_normed.resize(rows * c, 0.0);
            let mut pass = LayerBackward {
                shape,
                weights,
                grads: &mut *grads,
                ranges,
                layer,
                rows,
                keys: &slice.keys,
                side: &mut self.side,
                d_x: &mut self.d_x,
                normed: &mut self.normed,
                d_normed: &mut self.d_normed,
            };
            pass.feed_forward(kept, &mut self.wide);
            pass.attend(kept, slice, &mut self.wide, &mut self.d_qkv);
        }
        let Some(d_embed) = grads.base(&shape.layout.embed) else { return };
        for (row, &token) in self.d_x.chunks_exact(c).zip(&slice.tokens) {
            let target = &mut d_embed[token as usize * c..(token as usize + 1) * c];
            for (t, d) in target.iter_mut().zip(row) {
                *t += d;
            }
        }
    }
}

/// One layer's forward pass: what its two halves share.
struct LayerForward<'a> {
    shape: &'a Shape,
    weights: Weights<'a>,
    ranges: &'a LayerRanges,
    layer: usize,
    slice: &'a Slice,
    side: &'a mut SideBuffers,
}

impl LayerForward<'_> {
    /// `y = x W^T` or `y += x W^T`, with the side paths of the projections that lie in `range`.
    fn linear(
        &mut self,
        y: &mut [f32],
        x: &[f32],
        range: &std::ops::Range<usize>,
        parts: &[(Projection, Columns)],
        accumulate: bool,
    ) {
        let keys = &self.slice.keys;
        linear(y, x, &self.weights.base[range.clone()], keys.len(), accumulate);
        for (projection, columns) in parts {
            if let Some(side) = self.weights.side(self.layer, *projection) {
                side.add(y, *columns, x, keys, self.side);
            }
        }
    }

    /// `middle = x + attention(norm(x)) W_o`.
    fn attend(&mut self, kept: &mut LayerActivations, normed: &mut [f32]) {
        let (config, ranges, params) = (&self.shape.config, self.ranges, self.weights.base);
        let (heads, segments) = (HeadShape::of(config), &self.slice.segments);
        let (rows, eps) = (self.slice.tokens.len(), config.rms_norm_eps);
        rms_norm(normed, &kept.x, &params[ranges.input_norm.clone()], eps);
        let qkv = sized(&mut kept.qkv, rows * heads.row());
        self.linear(qkv, normed, &ranges.qkv, &qkv_columns(config), false);
        if let Some(bias) = &ranges.qkv_bias {
            add_bias(qkv, &params[bias.clone()]);
        }
        if let Some(range) = &ranges.qk_norm {
            sized(&mut kept.raw_qkv, qkv.len()).copy_from_slice(qkv);
            norm_heads(qkv, &kept.raw_qkv, &params[range.clone()], heads, eps);
        }
        rotate_rows(qkv, segments, heads, &self.shape.rope, false);
        let out = sized(&mut kept.attention, rows * heads.q_size());
        attention(out, qkv, segments, heads);
        let middle = sized(&mut kept.middle, kept.x.len());
        middle.copy_from_slice(&kept.x);
        let parts = [(Projection::OProj, residual_columns(config))];
        self.linear(middle, out, &ranges.o_proj, &parts, true);
    }

    /// `x = middle + swiglu(norm(middle) W_gate_up) W_down`, into `x`.
    fn feed_forward(
        &mut self,
        kept: &mut LayerActivations,
        normed: &mut [f32],
        active: &mut Vec<f32>,
        x: &mut [f32],
    ) {
        let (config, ranges) = (&self.shape.config, self.ranges);
        let (f, rows) = (config.intermediate_size, self.slice.tokens.len());
        let norm = &self.weights.base[ranges.post_norm.clone()];
        rms_norm(normed, &kept.middle, norm, config.rms_norm_eps);
        let gate_up = sized(&mut kept.gate_up, rows * 2 * f);
        self.linear(gate_up, normed, &ranges.gate_up, &gate_up_columns(config), false);
        let active = sized(active, rows * f);
        swiglu(active, gate_up, f);
        x.copy_from_slice(&kept.middle);
        let parts = [(Projection::DownProj, residual_columns(config))];
        self.linear(x, active, &ranges.down, &parts, true);
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
struct LayerBackward<'a, 'g> {
    shape: &'a Shape,
    weights: Weights<'a>,
    grads: &'a mut Grads<'g>,
    ranges: &'a LayerRanges,
    layer: usize,
    rows: usize,
    keys: &'a [u64],
    side: &'a mut SideBuffers,
    /// In: gradient of the half's output. Out: gradient of its input. `[M, C]`
    d_x: &'a mut [f32],
    normed: &'a mut [f32],
    d_normed: &'a mut [f32],
}

impl<'a> LayerBackward<'a, '_> {
    fn weight(&self, range: &std::ops::Range<usize>) -> &'a [f32] {
        &self.weights.base[range.clone()]
    }

    fn feed_forward(&mut self, kept: &mut LayerActivations, wide: &mut Vec<f32>) {
        let config = &self.shape.config;
        let (f, eps, ranges) = (config.intermediate_size, config.rms_norm_eps, self.ranges);
        let (c, rows, keys) = (config.hidden_size, self.rows, self.keys);
        let whole = residual_columns(config);
        rms_norm(self.normed, &kept.middle, self.weight(&ranges.post_norm), eps);
        let active = sized(wide, rows * f);
        let d_y = Mat::new(self.d_x, rows, c);
        let down = Mat::new(self.weight(&ranges.down), c, f);
        matmul(MatMut::new(active, rows, f), d_y, down, false);
        let side = self.weights.side(self.layer, Projection::DownProj);
        if let Some(side) = &side {
            side.backward_input(active, self.d_x, whole, keys, self.side);
        }
        swiglu_backward(active, &mut kept.gate_up, f);
        if let Some(side) = &side {
            side.backward_factors(self.grads, self.d_x, whole, active, keys, self.side);
        }
        if let Some(d_down) = self.grads.base(&ranges.down) {
            let d_down = MatMut::new(d_down, c, f);
            matmul(d_down, d_y.t(), Mat::new(active, rows, f), true);
        }
        self.backward_to_normed(&ranges.gate_up, &kept.gate_up, &gate_up_columns(config));
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
        rms_norm(self.normed, &kept.x, self.weight(&ranges.input_norm), eps);
        let d_attention = sized(wide, rows * heads.q_size());
        linear_backward(
            d_attention,
            self.grads.base(&ranges.o_proj),
            self.d_x,
            &kept.attention,
            &self.weights.base[ranges.o_proj.clone()],
            rows,
        );
        if let Some(side) = self.weights.side(self.layer, Projection::OProj) {
            let (keys, whole) = (self.keys, residual_columns(config));
            side.backward_input(d_attention, self.d_x, whole, keys, self.side);
            let x = &kept.attention;
            side.backward_factors(self.grads, self.d_x, whole, x, keys, self.side);
        }
        let d_qkv = reset(d_qkv, rows * heads.row());
        attention_backward(d_qkv, d_attention, &kept.qkv, &slice.segments, heads);
        rotate_rows(d_qkv, &slice.segments, heads, &self.shape.rope, true);
        if let Some(range) = &ranges.qk_norm {
            let weights = &self.weights.base[range.clone()];
            let grads = self.grads.base(range);
            norm_heads_backward(d_qkv, grads, &kept.raw_qkv, weights, heads, eps);
        }
        if let Some(grads) = ranges.qkv_bias.as_ref().and_then(|range| self.grads.base(range)) {
            sum_rows(grads, d_qkv);
        }
        self.backward_to_normed(&ranges.qkv, d_qkv, &qkv_columns(config));
        self.norm_backward(&ranges.input_norm, &kept.x);
    }

    /// Takes the gradient of projections of `normed`, side by side, back to `d_normed`.
    fn backward_to_normed(
        &mut self,
        range: &std::ops::Range<usize>,
        d_y: &[f32],
        parts: &[(Projection, Columns)],
    ) {
        let weight = &self.weights.base[range.clone()];
        let d_weight = self.grads.base(range);
        linear_backward(self.d_normed, d_weight, d_y, self.normed, weight, self.rows);
        for (projection, columns) in parts {
            let Some(side) = self.weights.side(self.layer, *projection) else { continue };
            side.backward_input(self.d_normed, d_y, *columns, self.keys, self.side);
            let (grads, keys) = (&mut *self.grads, self.keys);
            side.backward_factors(grads, d_y, *columns, self.normed, keys, self.side);
        }
    }

    /// Takes `d_normed` through the norm of `x` and adds it to the residual gradient.
    fn norm_backward(&mut self, range: &std::ops::Range<usize>, x: &[f32]) {
        let d_weight = self.grads.base(range);
        let weight = &self.weights.base[range.clone()];
        let eps = self.shape.config.rms_norm_eps;
        rms_norm_backward(self.d_x, d_weight, self.d_normed, x, weight, eps);
    }
}

/// Backward of [`norm_heads`]: replaces the gradients of normed heads by those of raw ones.
fn norm_heads_backward(
    d_qkv: &mut [f32],
    mut d_weights: Option<&mut [f32]>,
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
                d_weights.as_deref_mut().map(|d_weights| &mut d_weights[part.clone()]),
                &d_normed[range.clone()],
                &raw[range],
                &weights[part],
                eps,
            );
        }
    }
}
