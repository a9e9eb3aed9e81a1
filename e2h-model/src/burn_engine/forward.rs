//! The decoder's forward pass on burn tensors.
//!
//! One function serves training, prefill and decoding; they differ in their [`Attention`] alone.
//!
//! # Source
//! As [`cpu::forward`](crate::cpu::forward): pre-norm residual blocks of grouped-query attention with rotary
//! positions and a SwiGLU feed-forward layer.
//!
//! # Invariants
//! - Norms and attention probabilities are computed in f32, whatever the precision of the weights.

use burn::tensor::activation::{silu, softmax};
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::weights::{Layer, Norm, SelfAttention, Weights};
use crate::adapter::Dropout;
use crate::{ModelConfig, Projection};

/// What a masked score is: as good as minus infinity, and no source of NaN.
pub(crate) const MASKED: f32 = -1e30;

/// How tokens look at each other and at what came before them.
pub(crate) trait Attention {
    /// Attention of one layer.
    ///
    /// # Shapes
    /// - `queries`, result: `[B, H, T, D]`
    /// - `keys`, `values`: `[B, K, T, D]`, those of the same tokens
    fn attend(
        &mut self,
        layer: usize,
        queries: Tensor<4>,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> Tensor<4>;
}

/// Cosines and sines of every position, on the device.
pub(crate) struct Rotary {
    /// `[positions, D]`: the cosines twice.
    cos: Tensor<2>,
    /// `[positions, D]`: the sines negated, then as they are.
    sin: Tensor<2>,
}

/// Cosines and sines of the tokens of a batch; `[1, 1, T, D]` or `[B, 1, 1, D]`.
pub(crate) struct Angles {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotary {
    /// The table of a decoder; angles are computed in f64.
    pub(crate) fn new(config: &ModelConfig, device: &Device, dtype: FloatDType) -> Self {
        let frequencies = config.rope_frequencies();
        let table = |f: fn(f64) -> f64, sign: f32| {
            let values = (0..config.max_positions).flat_map(|position| {
                let angles = frequencies.iter().map(move |w| f(position as f64 * w) as f32);
                angles.clone().map(move |x| sign * x).chain(angles)
            });
            let shape = [config.max_positions, config.head_dim];
            let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
            Tensor::from_data(data, (device, DType::from(dtype)))
        };
        Self { cos: table(f64::cos, 1.0), sin: table(f64::sin, -1.0) }
    }

    /// The angles of positions `0..n`, the same for every sequence.
    pub(crate) fn first(&self, n: usize) -> Angles {
        let part = |table: &Tensor<2>| table.clone().slice(0..n).unsqueeze();
        Angles { cos: part(&self.cos), sin: part(&self.sin) }
    }

    /// The angles of one token a sequence. `positions: [B]`
    pub(crate) fn at(&self, positions: Tensor<1, Int>) -> Angles {
        let [b] = positions.dims();
        let part = |table: &Tensor<2>| {
            let rows = table.clone().select(0, positions.clone()); // [B, D]
            let [_, d] = rows.dims();
            rows.reshape([b, 1, 1, d])
        };
        Angles { cos: part(&self.cos), sin: part(&self.sin) }
    }
}

impl Angles {
    /// Rotates heads; channel `i` pairs with channel `i + D/2`. `x: [B, H, T, D]`
    fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, t, d] = x.dims();
        let halves: Tensor<5> = x.clone().reshape([b, h, t, 2, d / 2]);
        let swapped = halves.flip([3]).reshape([b, h, t, d]);
        x * self.cos.clone() + swapped * self.sin.clone()
    }
}

impl Norm {
    /// RMSNorm over the last axis, in f32; the result has the precision of `x`.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>, eps: f32) -> Tensor<D> {
        let dtype = x.dtype();
        let x = x.cast(FloatDType::F32);
        let mean_square = x.clone().square().mean_dim(D - 1);
        let normed = x / (mean_square + eps).sqrt();
        (normed * self.weight.val().unsqueeze()).cast(dtype)
    }
}

/// What an adapter drops in one training pass.
#[derive(Clone, Copy)]
pub(crate) struct Masks<'a> {
    pub dropout: Dropout,
    /// Name of each token. `[B * T]`
    pub keys: &'a [u64],
}

/// A layer in a pass.
#[derive(Clone, Copy)]
struct Site<'a> {
    masks: Option<Masks<'a>>,
    layer: usize,
}

impl<'a> Site<'a> {
    /// Makes the mask of one projection. `[B * T, in]`
    fn mask(
        self,
        projection: Projection,
    ) -> impl FnOnce(usize, &Device) -> Option<Tensor<2>> + use<'a> {
        move |width, device| {
            let Masks { dropout, keys } = self.masks?;
            Some(super::dropout::mask(dropout, keys, (self.layer, projection), width, device))
        }
    }
}

/// What all layers of one pass share.
pub(crate) struct Pass<'a> {
    pub config: &'a ModelConfig,
    /// `[B, T]`
    pub tokens: Tensor<2, Int>,
    pub angles: &'a Angles,
    /// Dropout, in training passes.
    pub masks: Option<Masks<'a>>,
}

/// Runs the decoder and returns the normed output of its last layer. `[B * T, C]`
pub(crate) fn forward(
    weights: &Weights,
    pass: &Pass<'_>,
    attention: &mut impl Attention,
) -> Tensor<2> {
    let mut x = embed(weights, pass.tokens.clone());
    for (index, layer) in weights.model.layers.iter().enumerate() {
        x = pass.layer(layer, index, x, attention);
    }
    weights.model.norm.forward(x, pass.config.rms_norm_eps)
}

/// What the first layer takes. `tokens: [B, T]`, result: `[B * T, C]`
pub(crate) fn embed(weights: &Weights, tokens: Tensor<2, Int>) -> Tensor<2> {
    let [b, t] = tokens.dims();
    weights.model.embed_tokens.weight.val().select(0, tokens.reshape([b * t]))
}

impl Pass<'_> {
    /// One layer. `x`, result: `[B * T, C]`
    pub(crate) fn layer(
        &self,
        layer: &Layer,
        index: usize,
        x: Tensor<2>,
        attention: &mut impl Attention,
    ) -> Tensor<2> {
        let normed = layer.input_layernorm.forward(x.clone(), self.config.rms_norm_eps);
        let site = Site { masks: self.masks, layer: index };
        let attend = |q, k, v| attention.attend(index, q, k, v);
        let shape = self.tokens.dims();
        let mixed = layer.self_attn.forward(self.config, normed, shape, self.angles, site, attend);
        layer.feed_forward(self.config, x + mixed, site)
    }
}

impl Layer {
    /// `x + swiglu(norm(x) W_gate, norm(x) W_up) W_down`. `x: [M, C]`
    fn feed_forward(&self, config: &ModelConfig, x: Tensor<2>, site: Site<'_>) -> Tensor<2> {
        let normed = self.post_attention_layernorm.forward(x.clone(), config.rms_norm_eps);
        let mlp = &self.mlp;
        let gate = mlp.gate_proj.forward(normed.clone(), site.mask(Projection::GateProj));
        let up = mlp.up_proj.forward(normed, site.mask(Projection::UpProj));
        x + mlp.down_proj.forward(silu(gate) * up, site.mask(Projection::DownProj))
    }
}

impl SelfAttention {
    /// Projects, norms and rotates, attends, and projects back. `x: [B * T, C]`
    fn forward(
        &self,
        config: &ModelConfig,
        x: Tensor<2>,
        [b, t]: [usize; 2],
        angles: &Angles,
        site: Site<'_>,
        attend: impl FnOnce(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<2> {
        let d = config.head_dim;
        let heads = |y: Tensor<2>, n: usize| y.reshape([b, t, n, d]);
        let norm = |norm: &Option<Norm>, y: Tensor<4>| match norm {
            Some(norm) => norm.forward(y, config.rms_norm_eps),
            None => y,
        };
        let q = heads(self.q_proj.forward(x.clone(), site.mask(Projection::QProj)), config.n_heads);
        let k =
            heads(self.k_proj.forward(x.clone(), site.mask(Projection::KProj)), config.n_kv_heads);
        let v = self.v_proj.forward(x, site.mask(Projection::VProj));
        let v = heads(v, config.n_kv_heads).swap_dims(1, 2);
        let q = angles.rotate(norm(&self.q_norm, q).swap_dims(1, 2));
        let k = angles.rotate(norm(&self.k_norm, k).swap_dims(1, 2));
        let mixed = attend(q, k, v).swap_dims(1, 2); // [B, T, H, D]
        let mixed = mixed.reshape([b * t, config.q_size()]);
        self.o_proj.forward(mixed, site.mask(Projection::OProj))
    }
}

/// Softmax attention in which H / K query heads share a key head, without copies of the keys.
///
/// # Shapes
/// - `queries`, result: `[B, H, T, D]`
/// - `keys`, `values`: `[B, K, S, D]`
/// - `mask`: `[B or 1, 1, T, S]`, f32, added to the scores
pub(crate) fn grouped_attention(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    mask: Tensor<4>,
) -> Tensor<4> {
    let ([b, h, t, d], [_, k, s, _]) = (queries.dims(), keys.dims());
    let dtype = queries.dtype();
    let rows = h / k * t;
    let scale = (d as f32).sqrt().recip();
    let queries = queries.mul_scalar(scale).reshape([b, k, rows, d]);
    let scores = queries.matmul(keys.swap_dims(2, 3)); // [B, K, H / K * T, S]
    let scores = scores.cast(FloatDType::F32).reshape([b, h, t, s]) + mask;
    let probs = softmax(scores, 3).cast(dtype).reshape([b, k, rows, s]);
    probs.matmul(values).reshape([b, h, t, d])
}

/// Every token sees itself and those before it in its sequence.
///
/// Sequences are padded on the right, so no token that counts ever sees padding.
pub(crate) struct Causal {
    mask: Tensor<4>,
    /// Keys and values of each layer, when they are asked for. `[B, K, T, D]`
    pub kept: Option<Vec<(Tensor<4>, Tensor<4>)>>,
}

impl Causal {
    /// Attention within sequences of `n` tokens.
    pub(crate) fn new(n: usize, device: &Device) -> Self {
        let seen = |row: usize| (0..n).map(move |column| if column > row { MASKED } else { 0.0 });
        let values = (0..n).flat_map(seen).collect::<Vec<f32>>();
        let data = TensorData::new(values, [1, 1, n, n]);
        Self { mask: Tensor::from_data(data, (device, DType::F32)), kept: None }
    }

    /// The same, with the keys and values of each layer kept.
    pub(crate) fn keeping(n: usize, device: &Device) -> Self {
        Self { kept: Some(Vec::new()), ..Self::new(n, device) }
    }
}

impl Attention for Causal {
    fn attend(
        &mut self,
        _layer: usize,
        queries: Tensor<4>,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> Tensor<4> {
        if let Some(kept) = &mut self.kept {
            kept.push((keys.clone(), values.clone()));
        }
        grouped_attention(queries, keys, values, self.mask.clone())
    }
}
