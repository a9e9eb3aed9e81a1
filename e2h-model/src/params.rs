//! The parameters of a decoder: one flat buffer, and a table of the tensors within it.
//!
//! One buffer makes the optimiser, gradient clipping, reduction over workers and checkpoints a single loop
//! each. The table carries the checkpoint's tensor names, so no other mapping of names exists.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use e2h_core::Stream;
use rand_distr::{Distribution, Normal};

use crate::ModelConfig;

/// Where a tensor lies in the flat buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The checkpoint's name, for example `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Row-major shape; matrices are `[out, in]`.
    pub shape: Vec<usize>,
    /// Elements of the flat buffer.
    pub range: Range<usize>,
}

impl TensorSpec {
    /// Norm weights and biases: what weight decay leaves alone.
    pub fn is_vector(&self) -> bool {
        self.shape.len() == 1
    }
}

/// The ranges of one layer's tensors.
#[derive(Clone, Debug)]
pub(crate) struct LayerRanges {
    pub input_norm: Range<usize>,
    /// q, k and v projections, adjacent, so that one product computes all three. `[(H + 2K) D, C]`
    pub qkv: Range<usize>,
    /// Biases of the same, adjacent. `[(H + 2K) D]`
    pub qkv_bias: Option<Range<usize>>,
    /// Norm weights of q and k, adjacent. `[2 D]`
    pub qk_norm: Option<Range<usize>>,
    pub o_proj: Range<usize>,
    pub post_norm: Range<usize>,
    /// Gate and up projections, adjacent. `[2 F, C]`
    pub gate_up: Range<usize>,
    pub down: Range<usize>,
}

/// Names, shapes and places of the tensors of a flat buffer: a decoder's weights, or an adapter's.
///
/// ```
/// use e2h_model::{Layout, ModelConfig};
/// let layout = Layout::new(&ModelConfig::nano(100));
/// let query = layout.get("model.layers.0.self_attn.q_proj.weight").expect("a layer has queries");
/// // It stands behind 100 embeddings and the layer's first norm.
/// assert_eq!((&query.shape[..], query.range.start), (&[128, 128][..], 100 * 128 + 128));
/// // The head is the embedding matrix, so it has no place of its own.
/// assert!(layout.get("lm_head.weight").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Layout {
    /// Every tensor, in the order of the flat buffer.
    pub tensors: Vec<TensorSpec>,
    by_name: BTreeMap<String, usize>,
}

/// The layout of a decoder, with the ranges that its kernels ask for.
#[derive(Clone, Debug)]
pub(crate) struct DecoderLayout {
    table: Layout,
    pub embed: Range<usize>,
    pub layers: Vec<LayerRanges>,
    pub norm: Range<usize>,
    pub head: Range<usize>,
}

impl Deref for DecoderLayout {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.table
    }
}

/// Puts tensors end to end.
#[derive(Default)]
pub(crate) struct LayoutBuilder {
    tensors: Vec<TensorSpec>,
    next: usize,
}

impl LayoutBuilder {
    /// Adds a tensor and returns its range.
    pub(crate) fn add(&mut self, name: String, shape: &[usize]) -> Range<usize> {
        let range = self.next..self.next + shape.iter().product::<usize>();
        self.next = range.end;
        self.tensors.push(TensorSpec { name, shape: shape.to_vec(), range: range.clone() });
        range
    }

    /// Adds tensors that lie side by side and returns the range that covers them all.
    fn add_adjacent(&mut self, parts: &[(String, Vec<usize>)]) -> Range<usize> {
        let start = self.next;
        for (name, shape) in parts {
            self.add(name.clone(), shape);
        }
        start..self.next
    }

    pub(crate) fn finish(self) -> Layout {
        let names = self.tensors.iter().enumerate();
        let by_name = names.map(|(i, spec)| (spec.name.clone(), i)).collect();
        Layout { tensors: self.tensors, by_name }
    }
}

impl DecoderLayout {
    /// The layout of a decoder of shape `config`.
    pub(crate) fn new(config: &ModelConfig) -> Self {
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let (q, kv, d) = (config.q_size(), config.kv_size(), config.head_dim);
        let mut b = LayoutBuilder::default();
        let embed = b.add("model.embed_tokens.weight".to_owned(), &[config.vocab_size, c]);
        let mut layers = Vec::with_capacity(config.n_layers);
        for layer in 0..config.n_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let sizes = [("q_proj", q), ("k_proj", kv), ("v_proj", kv)];
            let attention = |suffix: &str, columns: Option<usize>| {
                sizes.map(|(part, rows)| {
                    let shape = std::iter::once(rows).chain(columns).collect::<Vec<_>>();
                    (name(&format!("self_attn.{part}.{suffix}")), shape)
                })
            };
            layers.push(LayerRanges {
                input_norm: b.add(name("input_layernorm.weight"), &[c]),
                qkv: b.add_adjacent(&attention("weight", Some(c))),
                qkv_bias: config.qkv_bias.then(|| b.add_adjacent(&attention("bias", None))),
                qk_norm: config.qk_norm().then(|| {
                    b.add_adjacent(&[
                        (name("self_attn.q_norm.weight"), vec![d]),
                        (name("self_attn.k_norm.weight"), vec![d]),
                    ])
                }),
                o_proj: b.add(name("self_attn.o_proj.weight"), &[c, q]),
                post_norm: b.add(name("post_attention_layernorm.weight"), &[c]),
                gate_up: b.add_adjacent(&[
                    (name("mlp.gate_proj.weight"), vec![f, c]),
                    (name("mlp.up_proj.weight"), vec![f, c]),
                ]),
                down: b.add(name("mlp.down_proj.weight"), &[c, f]),
            });
        }
        let norm = b.add("model.norm.weight".to_owned(), &[c]);
        let head = if config.tied_head {
            embed.clone()
        } else {
            b.add("lm_head.weight".to_owned(), &[config.vocab_size, c])
        };
        Self { table: b.finish(), embed, layers, norm, head }
    }
}

impl Layout {
    /// The layout of the weights of a decoder of shape `config`.
    pub fn new(config: &ModelConfig) -> Self {
        DecoderLayout::new(config).table
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        self.tensors.last().map_or(0, |spec| spec.range.end)
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&TensorSpec> {
        self.by_name.get(name).map(|&index| &self.tensors[index])
    }

    /// Index in [`Self::tensors`] of the tensor called `name`.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Fresh weights: norms 1, biases 0, matrices normal with the configuration's standard deviation; those
    /// that write to the residual stream are scaled by `1/sqrt(2 L)`.
    ///
    /// # Source
    /// The scaling is GPT-2's (Radford et al. 2019, section 2.3).
    pub fn init(&self, config: &ModelConfig, rng: &mut Stream) -> Vec<f32> {
        let mut data = vec![0.0; self.n_params()];
        for spec in &self.tensors {
            let values = &mut data[spec.range.clone()];
            if spec.is_vector() {
                values.fill(if spec.name.ends_with("bias") { 0.0 } else { 1.0 });
                continue;
            }
            let writes_to_residual =
                spec.name.ends_with("o_proj.weight") || spec.name.ends_with("down_proj.weight");
            let scale = if writes_to_residual {
                (2.0 * config.n_layers as f64).sqrt().recip()
            } else {
                1.0
            };
            let Ok(normal) = Normal::new(0.0, config.initializer_range * scale) else {
                panic!("initializer_range {} is not a deviation", config.initializer_range);
            };
            for value in values {
                *value = normal.sample(rng) as f32;
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2h_core::RootSeed;

    #[test]
    fn tensors_cover_the_buffer_without_gap_or_overlap() {
        let layout = Layout::new(&ModelConfig::nano(130));
        let mut next = 0;
        for spec in &layout.tensors {
            assert_eq!(spec.range.start, next, "{}", spec.name);
            assert_eq!(spec.range.len(), spec.shape.iter().product::<usize>());
            next = spec.range.end;
        }
        assert_eq!(next, layout.n_params());
    }

    #[test]
    fn presets_have_the_sizes_they_promise() {
        let millions = |config| Layout::new(&config).n_params() as f64 / 1e6;
        assert!((0.8..1.2).contains(&millions(ModelConfig::nano(130))));
        assert!((4.5..6.0).contains(&millions(ModelConfig::micro(300))));
    }

    #[test]
    fn fresh_norms_are_one_and_matrices_have_the_deviation_asked_for() {
        let config = ModelConfig::nano(130);
        let layout = DecoderLayout::new(&config);
        let data = layout.init(&config, &mut RootSeed(1).stream("init", &[]));
        assert!(data[layout.norm.clone()].iter().all(|&w| w == 1.0));
        let gate = &data[layout.layers[0].gate_up.clone()];
        let var = gate.iter().map(|w| w * w).sum::<f32>() / gate.len() as f32;
        assert!((var.sqrt() - 0.02).abs() < 1e-3, "{}", var.sqrt());
    }
}
