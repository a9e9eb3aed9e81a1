//! One decoding step for many sequences at once, over packed weights and preallocated key/value caches.
//!
//! # Invariants
//! - A sequence's numbers depend on its own tokens alone: see [`Packed`] and [`kv`].
//! - Nothing is allocated a token, and no cache is ever copied.

use rayon::prelude::*;

use super::attention::HeadShape;
use super::forward::{
    Shape, Workspace, gate_up_columns, norm_heads, qkv_columns, residual_columns, sized,
};
use super::kv::{self, BLOCK};
use super::ops::{add_bias, rms_norm, swiglu};
use super::packed::Packed;
use super::side::{Columns, SideBuffers, Weights};
use super::simd::{exp, max, sum_map, vectorized};
use crate::adapter::Projection;
use crate::batch::Segment;

/// A decoder's matrices, packed for [`DecodeBuffers::step`]. They take as much memory as the weights.
#[derive(Debug)]
pub(crate) struct PackedDecoder {
    layers: Vec<PackedLayer>,
    pub head: Packed,
}

#[derive(Debug)]
struct PackedLayer {
    qkv: Packed,
    o_proj: Packed,
    gate_up: Packed,
    down: Packed,
}

impl PackedDecoder {
    /// Packs flat weights.
    pub(crate) fn new(shape: &Shape, params: &[f32]) -> Self {
        let config = &shape.config;
        let c = config.hidden_size;
        let layers = shape.layout.layers.par_iter().map(|ranges| PackedLayer {
            qkv: Packed::new(&params[ranges.qkv.clone()], c),
            o_proj: Packed::new(&params[ranges.o_proj.clone()], config.q_size()),
            gate_up: Packed::new(&params[ranges.gate_up.clone()], c),
            down: Packed::new(&params[ranges.down.clone()], config.intermediate_size),
        });
        let layers = layers.collect();
        Self { layers, head: Packed::new(&params[shape.layout.head.clone()], c) }
    }
}

/// Keys and values of one sequence, or of a prompt that several sequences share, as [`kv`] reads them.
#[derive(Debug, Default)]
pub(crate) struct KvCache {
    /// A multiple of [`BLOCK`].
    capacity: usize,
    pub len: usize,
    /// `[L, K, capacity / BLOCK, D, BLOCK]`
    keys: Vec<f32>,
    /// `[L, K, capacity, D]`
    values: Vec<f32>,
}

impl KvCache {
    /// Empties the cache and makes room for `capacity` tokens.
    pub(crate) fn reset(&mut self, shape: &Shape, capacity: usize) {
        let config = &shape.config;
        let capacity = capacity.next_multiple_of(BLOCK);
        let elements = config.n_layers * config.kv_size() * capacity;
        self.capacity = capacity;
        self.len = 0;
        if self.keys.len() < elements {
            self.keys.resize(elements, 0.0);
            self.values.resize(elements, 0.0);
        }
    }

    /// Stores the keys and values of one token of one layer at `position`; `row` is q, k and v side by side.
    #[inline(always)]
    fn store(&mut self, heads: HeadShape, layer: usize, position: usize, row: &[f32]) {
        let (d, n) = (heads.head_dim, heads.n_kv_heads);
        let (keys, values) = row[heads.q_size()..].split_at(n * d);
        for head in 0..n {
            let base = (layer * n + head) * d * self.capacity;
            let (block, place) = (position / BLOCK, position % BLOCK);
            let block = &mut self.keys[base + block * d * BLOCK..][..d * BLOCK];
            let keys = &keys[head * d..(head + 1) * d];
            for (channel, key) in block.chunks_exact_mut(BLOCK).zip(keys) {
                channel[place] = *key;
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

    /// Unscaled scores of `query` against every position of one head, into `scores`; what fills up the last block
    /// becomes minus infinity. `[blocks, BLOCK]`
    #[inline(always)]
    fn scores(&self, scores: &mut [f32], query: &[f32], base: usize, len: usize) {
        kv::scores(scores, query, &self.keys[base..base + scores.len() * query.len()]);
        scores[len..].fill(f32::NEG_INFINITY);
    }

    #[inline(always)]
    fn add_values(&self, out: &mut [f32], probs: &[f32], base: usize) {
        kv::add_values(out, probs, &self.values[base..base + probs.len() * out.len()]);
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
    pub(crate) fn step(
        &mut self,
        shape: &Shape,
        weights: Weights<'_>,
        packed: &PackedDecoder,
        rows: &mut [Row<'_>],
    ) {
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
        let layers = shape.layout.layers.iter().zip(&packed.layers);
        for (layer, (ranges, packed)) in layers.enumerate() {
            rms_norm(normed, &self.x, &params[ranges.input_norm.clone()], eps);
            let heads = HeadShape::of(config);
            let qkv = sized(&mut self.qkv, n * heads.row());
            packed.qkv.product(qkv, normed, n, false);
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
            packed.o_proj.product(&mut self.x, out, n, true);
            add_sides(layer, &mut self.x, out, &[(Projection::OProj, whole)]);
            rms_norm(normed, &self.x, &params[ranges.post_norm.clone()], eps);
            let gate_up = sized(&mut self.gate_up, n * 2 * f);
            packed.gate_up.product(gate_up, normed, n, false);
            add_sides(layer, gate_up, normed, &gate_up_columns(config));
            let active = sized(&mut self.active, n * f);
            swiglu(active, gate_up, f);
            packed.down.product(&mut self.x, active, n, true);
            add_sides(layer, &mut self.x, active, &[(Projection::DownProj, whole)]);
        }
        for row in rows.iter_mut() {
            row.own.len += 1;
        }
        rms_norm(normed, &self.x, &params[shape.layout.norm.clone()], eps);
        let logits = sized(&mut self.logits, n * config.vocab_size);
        packed.head.product(logits, normed, n, false);
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
    let own_start = n_prompt.next_multiple_of(BLOCK);
    let scores = sized(scores, own_start + n_own.next_multiple_of(BLOCK));
    let scale = (d as f32).sqrt().recip();
    let group = heads.n_heads / heads.n_kv_heads;
    let rotated = heads.row() - shape.config.kv_size();
    vectorized!({
        shape.rope.rotate(&mut qkv[..rotated], n_prompt + row.own.len, false);
        row.own.store(heads, layer, row.own.len, qkv);
        for (head, (query, out)) in
            qkv.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate().take(heads.n_heads)
        {
            let index = layer * heads.n_kv_heads + head / group;
            let prompt_base = index * d * row.prompt.capacity;
            let own_base = index * d * row.own.capacity;
            let (prompt_scores, own_scores) = scores.split_at_mut(own_start);
            row.prompt.scores(prompt_scores, query, prompt_base, n_prompt);
            row.own.scores(own_scores, query, own_base, n_own);
            let top = max(scores);
            for score in scores.iter_mut() {
                *score = exp((*score - top) * scale);
            }
            let total = sum_map(scores, |p| p).recip();
            out.fill(0.0);
            row.prompt.add_values(out, &scores[..n_prompt], prompt_base);
            row.own.add_values(out, &scores[own_start..own_start + n_own], own_base);
            for o in out {
                *o *= total;
            }
        }
    });
}
