//! The element-wise operators of the decoder, forward and backward: RMSNorm, rotary embedding, SwiGLU.

use std::array::from_mut;

use super::simd::{LANES, dot, sigmoid, vectorized};
use crate::ModelConfig;

/// RMSNorm of each row: `y = x w / sqrt(mean(x^2) + eps)`.
///
/// # Shapes
/// - `x`, `y`: `[M, width]`
/// - `weight`: `[width]`
pub(crate) fn rms_norm(y: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    vectorized!({
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let scale = (dot(x, x) / width as f32 + eps).sqrt().recip();
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * scale * w;
            }
        }
    });
}

/// Backward of [`rms_norm`]: adds to `dx` and, where given, to `d_weight`.
pub(crate) fn rms_norm_backward(
    dx: &mut [f32],
    mut d_weight: Option<&mut [f32]>,
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    eps: f32,
) {
    let width = weight.len();
    vectorized!({
        let mut weighted = vec![0.0; width];
        for ((dx, dy), x) in
            dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(x.chunks_exact(width))
        {
            let scale = (dot(x, x) / width as f32 + eps).sqrt().recip();
            for ((v, dy), w) in weighted.iter_mut().zip(dy).zip(weight) {
                *v = dy * w;
            }
            let pull = dot(&weighted, x) * scale * scale / width as f32;
            for ((dx, v), x) in dx.iter_mut().zip(&weighted).zip(x) {
                *dx += scale * (v - x * pull);
            }
            if let Some(d_weight) = d_weight.as_deref_mut() {
                for ((dw, dy), x) in d_weight.iter_mut().zip(dy).zip(x) {
                    *dw += dy * x * scale;
                }
            }
        }
    });
}

/// Cosines and sines of the rotary embedding, by position.
#[derive(Clone, Debug)]
pub(crate) struct RopeTable {
    half: usize,
    /// `[positions, D / 2]`
    cos: Vec<f32>,
    /// `[positions, D / 2]`
    sin: Vec<f32>,
}

impl RopeTable {
    /// The table for `positions` tokens; angles are computed in f64.
    pub(crate) fn new(config: &ModelConfig, positions: usize) -> Self {
        let frequencies = config.rope_frequencies();
        let angles = (0..positions).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f));
        let (cos, sin) = angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        Self { half: frequencies.len(), cos, sin }
    }

    /// Rotates the heads of one row at `position` in place; with `inverse` the other way round, which is the
    /// backward pass.
    ///
    /// Channel `i` pairs with channel `i + D/2`, as in the published checkpoints.
    #[inline(always)]
    pub(crate) fn rotate(&self, heads: &mut [f32], position: usize, inverse: bool) {
        let half = self.half;
        let cos = &self.cos[position * half..(position + 1) * half];
        let sin = &self.sin[position * half..(position + 1) * half];
        let sign = if inverse { -1.0 } else { 1.0 };
        for head in heads.chunks_exact_mut(2 * half) {
            let (low, high) = head.split_at_mut(half);
            for (((x, y), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                let s = sign * s;
                (*x, *y) = (*x * c - *y * s, *y * c + *x * s);
            }
        }
    }
}

/// `out = silu(gate) up`, with `gate` and `up` side by side in each row of `gate_up`.
///
/// # Shapes
/// - `gate_up`: `[M, 2 F]`
/// - `out`: `[M, F]`
pub(crate) fn swiglu(out: &mut [f32], gate_up: &[f32], width: usize) {
    vectorized!({
        for (out, row) in out.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
            let (gate, up) = row.split_at(width);
            for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                *o = g * sigmoid(*g) * u;
            }
        }
    });
}

/// Backward of [`swiglu`]: replaces `gate_up` by its gradient and `d_out` by the forward value `out`, which
/// the product behind it needs for its own weight gradient.
pub(crate) fn swiglu_backward(d_out: &mut [f32], gate_up: &mut [f32], width: usize) {
    vectorized!({
        for (d_out, row) in d_out.chunks_exact_mut(width).zip(gate_up.chunks_exact_mut(2 * width)) {
            let (gate, up) = row.split_at_mut(width);
            let (d_parts, d_rest) = d_out.as_chunks_mut::<LANES>();
            let (g_parts, g_rest) = gate.as_chunks_mut::<LANES>();
            let (u_parts, u_rest) = up.as_chunks_mut::<LANES>();
            for ((d, g), u) in d_parts.iter_mut().zip(g_parts).zip(u_parts) {
                swiglu_backward_part(d, g, u);
            }
            for ((d, g), u) in d_rest.iter_mut().zip(g_rest).zip(u_rest) {
                swiglu_backward_part(from_mut(d), from_mut(g), from_mut(u));
            }
        }
    });
}

/// Some neighbouring elements of [`swiglu_backward`]. On arrays, whose length and distinctness the compiler knows, it
/// finds vector code that it does not find on slices.
#[inline(always)]
fn swiglu_backward_part<const N: usize>(d: &mut [f32; N], g: &mut [f32; N], u: &mut [f32; N]) {
    let (d_out, gate, up) = (*d, *g, *u);
    for i in 0..N {
        let s = sigmoid(gate[i]);
        let silu = gate[i] * s;
        d[i] = silu * up[i];
        g[i] = d_out[i] * up[i] * (s + silu * (1.0 - s));
        u[i] = d_out[i] * silu;
    }
}

/// Adds `bias` to every row of `rows`.
pub(crate) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    vectorized!({
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
    });
}

/// Adds the sum of `rows` over its rows to `total`.
pub(crate) fn sum_rows(total: &mut [f32], rows: &[f32]) {
    vectorized!({
        for row in rows.chunks_exact(total.len()) {
            for (t, x) in total.iter_mut().zip(row) {
                *t += x;
            }
        }
    });
}

/// `y += x`.
pub(crate) fn add(y: &mut [f32], x: &[f32]) {
    vectorized!({
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    });
}
