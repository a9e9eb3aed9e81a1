//! One decoding step for many sequences at once, over preallocated key/value caches.
//!
//! # Invariants
//! - A sequence's numbers depend on its own tokens alone: see [`matmul_by_row`](super::linalg::matmul_by_row).
//! - Nothing is allocated a token, and no cache is ever copied.

use super::attention::HeadShape;
use super::forward::{
    Shape, Workspace, gate_up_columns, linear, norm_heads, qkv_columns, residual_columns, sized,
};
use super::ops::{add_bias, rms_norm, swiglu};
use super::side::{Columns, SideBuffers, Weights};
use super::simd::{axpy, exp, max, sum_map, vectorized};
use crate::adapter::Projection;
use crate::batch::Segment;

/// Keys and values of one sequence, or of a prompt that several sequences share.
///
/// Keys are stored channel by channel, so that the scores of all positions are one vector operation a
/// channel; values position by position, so that their weighted sum is one a position.
#[derive(Debug, Default)]
pub(crate) struct KvCache {
    capacity: usize,
    pub len: usize,
    /// `[L, K, D, capacity]`
    keys: Vec<f32>,
    /// `[L, K, capacity, D]`
    values: Vec<f32>,
}

impl KvCache {
    /// Empties the cache and makes room for `capacity` tokens.
    pub(crate) fn reset(&mut self, shape: &Shape, capacity: usize) {
        let config = &shape.config;
        let elements = config.n_layers * config.kv_size() * capacity;
        self.capacity = capacity;
        self.len = 0;
        if self.keys.len() < elements {
            self.keys.resize(elements, 0.0);
            self.values.resize(elements, 0.0);
        }
    }

    /// Stores the keys and values of one token of one layer at `position`; `row` is q, k and v side by side.
    fn store(&mut self, heads: HeadShape, layer: usize, position: usize, row: &[f32]) {
        let (d, n) = (heads.head_dim, heads.n_kv_heads);
        let (keys, values) = row[heads.q_size()..].split_at(n * d);
        for head in 0..n {
            let base = (layer * n + head) * d * self.capacity;
            for (channel, key) in keys[head * d..(head + 1) * d].iter().enumerate() {
                self.keys[base + channel * self.capacity + position] = *key;
            }
            let start = base + position * d;
            self.values[start..start + d].copy_from_slice(&values[head * d..(head + 1) * d]);
        }
    }

    /// Stores a whole segment of a finished forward pass.
    pub(crate) fn store_segment(&mut self, shape: &Shape, pass: &Workspace, segment: &Segment) {
        let heads = HeadShape::of(&shape.config);
        for (layer, kept) in pass.layers.iter().enumerate() {
            let start = segment.start * heads.row();
            let rows = &kept.qkv[start..start + segment.len * heads.row()];
            for (position, row) in rows.chunks_exact(heads.row()).enumerate() {
                self.store(heads, layer, position, row);
            }
        }
        self.len = segment.len;
    }

    /// Unscaled scores of `query` against every position of one head, into `scores`.
    #[inline(always)]
    fn scores(&self, scores: &mut [f32], query: &[f32], base: usize, len: usize) {
        scores[..len].fill(0.0);
        for (channel, q) in query.iter().enumerate() {
            let start = base + channel * self.capacity;
            axpy(&mut scores[..len], *q, &self.keys[start..start + len]);
        }
    }

    #[inline(always)]
    fn add_values(&self, out: &mut [f32], probs: &[f32], base: usize, len: usize) {
        let d = out.len();
        for (position, prob) in probs[..len].iter().enumerate() {
            let start = base + position * d;
            axpy(out, *prob, &self.values[start..start + d]);
        }
    }
}

/// One active sequence in a decoding step.
pub(crate) struct Row<'a> {
    /// The token to take in.
    pub token: u32,
    /// The shared prompt.
    pub prompt: &'a KvCache,
    /// The sequence's own tokens; the step appends to it.
    pub own: &'a mut KvCache,
}

/// Buffers of a decoding worker.
#[derive(Debug, Default)]
pub(crate) struct DecodeBuffers {
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    raw: Vec<f32>,
    attention: Vec<f32>,
    gate_up: Vec<f32>,
    active: Vec<f32>,
    scores: Vec<f32>,
    side: SideBuffers,
    /// `[B, V]`
    pub logits: Vec<f32>,
}

impl DecodeBuffers {
    /// Takes in one token a row and leaves the logits of the next ones in `self.logits`.
    pub(crate) fn step(&mut self, shape: &Shape, weights: Weights<'_>, rows: &mut [Row<'_>]) {
        let (config, params) = (&shape.config, weights.base);
        let side = &mut self.side;
        // Rows have no names here: nothing is dropped while decoding.
        let mut add_sides = |layer, y: &mut [f32], x: &[f32], parts: &[(Projection, Columns)]| {
            for (projection, columns) in parts {
                if let Some(path) = weights.side(layer, *projection) {
                    path.add(y, *columns, x, &[], side);
                }
            }
        };
        let whole = residual_columns(config);
        let (c, f, n) = (config.hidden_size, config.intermediate_size, rows.len());
        let eps = config.rms_norm_eps;
        let embed = &params[shape.layout.embed.clone()];
        for (x, row) in sized(&mut self.x, n * c).chunks_exact_mut(c).zip(rows.iter()) {
            x.copy_from_slice(&embed[row.token as usize * c..(row.token as usize + 1) * c]);
        }
        let normed = sized(&mut self.normed, n * c);
        for (layer, ranges) in shape.layout.layers.iter().enumerate() {
            rms_norm(normed, &self.x, &params[ranges.input_norm.clone()], eps);
            let heads = HeadShape::of(config);
            let qkv = sized(&mut self.qkv, n * heads.row());
            linear(qkv, normed, &params[ranges.qkv.clone()], n, false);
            add_sides(layer, qkv, normed, &qkv_columns(config));
            if let Some(bias) = &ranges.qkv_bias {
                add_bias(qkv, &params[bias.clone()]);
            }
            if let Some(range) = &ranges.qk_norm {
                sized(&mut self.raw, qkv.len()).copy_from_slice(qkv);
                norm_heads(qkv, &self.raw, &params[range.clone()], heads, eps);
            }
            let out = sized(&mut self.attention, n * heads.q_size());
            for ((qkv, out), row) in qkv
                .chunks_exact_mut(heads.row())
                .zip(out.chunks_exact_mut(heads.q_size()))
                .zip(rows.iter_mut())
            {
                attend(shape, layer, qkv, out, row, &mut self.scores);
            }
            linear(&mut self.x, out, &params[ranges.o_proj.clone()], n, true);
            add_sides(layer, &mut self.x, out, &[(Projection::OProj, whole)]);
            rms_norm(normed, &self.x, &params[ranges.post_norm.clone()], eps);
            let gate_up = sized(&mut self.gate_up, n * 2 * f);
            linear(gate_up, normed, &params[ranges.gate_up.clone()], n, false);
            add_sides(layer, gate_up, normed, &gate_up_columns(config));
            let active = sized(&mut self.active, n * f);
            swiglu(active, gate_up, f);
            linear(&mut self.x, active, &params[ranges.down.clone()], n, true);
            add_sides(layer, &mut self.x, active, &[(Projection::DownProj, whole)]);
        }
        for row in rows.iter_mut() {
            row.own.len += 1;
        }
        rms_norm(normed, &self.x, &params[shape.layout.norm.clone()], eps);
        let logits = sized(&mut self.logits, n * config.vocab_size);
        linear(logits, normed, &params[shape.layout.head.clone()], n, false);
    }
}

/// Attention of one row in one layer: rotates q and k, stores k and v, writes the heads' outputs.
fn attend(
    shape: &Shape,
    layer: usize,
    qkv: &mut [f32],
    out: &mut [f32],
    row: &mut Row<'_>,
    scores: &mut Vec<f32>,
) {
    let heads = HeadShape::of(&shape.config);
    let d = heads.head_dim;
    let (n_prompt, n_own) = (row.prompt.len, row.own.len + 1);
    let scores = sized(scores, n_prompt + n_own);
    let scale = (d as f32).sqrt().recip();
    let group = heads.n_heads / heads.n_kv_heads;
    vectorized(|| {
        let rotated = heads.row() - shape.config.kv_size();
        shape.rope.rotate(&mut qkv[..rotated], n_prompt + row.own.len, false);
        row.own.store(heads, layer, row.own.len, qkv);
        for (head, (query, out)) in
            qkv.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate().take(heads.n_heads)
        {
            let index = layer * heads.n_kv_heads + head / group;
            let prompt_base = index * d * row.prompt.capacity;
            let own_base = index * d * row.own.capacity;
            let (prompt_scores, own_scores) = scores.split_at_mut(n_prompt);
            row.prompt.scores(prompt_scores, query, prompt_base, n_prompt);
            row.own.scores(own_scores, query, own_base, n_own);
            let top = max(scores);
            for score in scores.iter_mut() {
                *score = exp((*score - top) * scale);
            }
            let total = sum_map(scores, |p| p).recip();
            out.fill(0.0);
            row.prompt.add_values(out, &scores[..n_prompt], prompt_base, n_prompt);
            row.own.add_values(out, &scores[n_prompt..], own_base, n_own);
            for o in out {
                *o *= total;
            }
        }
    });
}
