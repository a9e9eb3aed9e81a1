//! Low-rank adapters: `y = x W^T + s (drop(x) A^T) B^T` beside a frozen linear layer.
//!
//! The scale is `s = alpha / rank`, or `alpha / sqrt(rank)` with rank-stabilised scaling. A fresh adapter has
//! `B = 0`, so it changes nothing before its first update: the decoder with its adapter off is the policy that
//! training began from.
//!
//! # Source
//! LoRA (Hu et al. 2021); rank-stabilised scaling of Kalajdzievski 2023. Names, initial values and the place of
//! dropout are those of PEFT 0.21 (`LoraLayer`): A is Kaiming-uniform with `a = sqrt(5)`, that is uniform within
//! `1 / sqrt(in)`.
//!
//! # Deviations
//! - Dropout masks come from a counter-based hash (SplitMix64) of a key that the caller draws from a keyed stream,
//!   the sequence, position, layer, projection and channel. So a mask is never stored, and is the same however a
//!   batch is cut.
//!
//! # Invariants
//! - An adapter covers the same projections in every layer.

use std::ops::Range;

use e2h_core::Stream;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::ModelConfig;
use crate::cpu::linalg::{Mat, MatMut, matmul};
use crate::params::{Layout, LayoutBuilder};

/// A linear layer that can have an adapter.
///
/// ```
/// use e2h_model::Projection;
/// let names = Projection::ALL.map(Projection::name);
/// assert_eq!(names, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]);
/// // A configuration has the same words.
/// assert_eq!(serde_json::to_value(Projection::QProj)?, "q_proj");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Queries.
    QProj,
    /// Keys.
    KProj,
    /// Values.
    VProj,
    /// Attention's output.
    OProj,
    /// The gate of SwiGLU.
    GateProj,
    /// What the gate multiplies.
    UpProj,
    /// The output of the feed-forward layer.
    DownProj,
}

impl Projection {
    /// All of them, in the order of a layer.
    pub const ALL: [Self; 7] = [
        Self::QProj,
        Self::KProj,
        Self::VProj,
        Self::OProj,
        Self::GateProj,
        Self::UpProj,
        Self::DownProj,
    ];

    /// The module's name in checkpoints and in PEFT's `target_modules`.
    pub fn name(self) -> &'static str {
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"][self as usize]
    }

    /// The module's path within a layer.
    pub(crate) fn path(self) -> String {
        let part = if self <= Self::OProj { "self_attn" } else { "mlp" };
        format!("{part}.{}", self.name())
    }

    /// Widths of input and output.
    fn widths(self, config: &ModelConfig) -> (usize, usize) {
        let (c, f) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::QProj => (c, config.q_size()),
            Self::KProj | Self::VProj => (c, config.kv_size()),
            Self::OProj => (config.q_size(), c),
            Self::GateProj | Self::UpProj => (c, f),
            Self::DownProj => (f, c),
        }
    }
}

/// The shape of an adapter.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Adapter, LoraConfig, Model, ModelConfig};
///
/// let shape = ModelConfig::nano(16);
/// let config = LoraConfig { rank: 2, alpha: 4.0, ..LoraConfig::default() };
/// assert!(config.validate().is_empty());
/// let mut model = Model::new(shape.clone(), &mut RootSeed(0).stream("init", &[]));
/// let n_weights = model.weights().len();
/// model.set_adapter(Some(Adapter::new(config, &shape, &mut RootSeed(0).stream("lora", &[]))));
/// // What is trained is the adapter alone.
/// assert!(model.params().len() < n_weights);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Width of the side path.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Share of the side path's inputs that training sets to 0.
    pub dropout: f64,
    /// The linear layers that get a side path.
    pub targets: Vec<Projection>,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub rslora: bool,
}

impl Default for LoraConfig {
    /// The E2H reference: rank 32, alpha 64, dropout 0.1 on queries and values.
    fn default() -> Self {
        Self {
            rank: 32,
            alpha: 64.0,
            dropout: 0.1,
            targets: vec![Projection::QProj, Projection::VProj],
            rslora: false,
        }
    }
}

impl LoraConfig {
    /// Every setting that is out of range, with its bound; empty when all is well.
    pub fn validate(&self) -> Vec<e2h_core::Error> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, name: &str, got: String, expected: &str| {
            if !ok {
                let (name, expected) = (name.to_owned(), expected.to_owned());
                problems.push(e2h_core::Error::OutOfRange { name, got, expected });
            }
        };
        check(self.rank >= 1, "rank", self.rank.to_string(), "at least 1");
        let alpha_ok = self.alpha > 0.0 && self.alpha.is_finite();
        check(alpha_ok, "alpha", self.alpha.to_string(), "over 0");
        let dropout_ok = (0.0..1.0).contains(&self.dropout);
        check(dropout_ok, "dropout", self.dropout.to_string(), "from 0 to less than 1");
        let names: Vec<&str> = self.targets.iter().map(|target| target.name()).collect();
        check(!names.is_empty(), "targets", "empty".to_owned(), "at least one projection");
        problems
    }

    /// s
    pub fn scale(&self) -> f32 {
        let rank = self.rank as f64;
        (self.alpha / if self.rslora { rank.sqrt() } else { rank }) as f32
    }
}

/// The places of one side path's factors.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    /// `[rank, in]`
    pub a: Range<usize>,
    /// `[out, rank]`
    pub b: Range<usize>,
}

/// A low-rank adapter of a decoder: one flat buffer, and the table of its tensors.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Adapter, LoraConfig, Model, ModelConfig};
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(5) };
///
/// let mut model = Model::new(shape.clone(), &mut RootSeed(0).stream("init", &[]));
/// let before = model.logits(&[1, 2])?;
/// let config = LoraConfig { rank: 2, ..LoraConfig::default() };
/// model.set_adapter(Some(Adapter::new(config, &shape, &mut RootSeed(0).stream("lora", &[]))));
/// // On queries and values: 2 * 16 for A and 16 * 2 for B. As B is 0, nothing has changed yet.
/// assert_eq!(model.params().len(), 2 * (2 * 16 + 16 * 2));
/// assert_eq!(model.logits(&[1, 2])?, before);
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adapter {
    config: LoraConfig,
    layout: Layout,
    /// The flat factors, in the order of the layout.
    pub(crate) params: Vec<f32>,
    /// By layer, then by [`Projection`].
    layers: Vec<[Option<Factors>; 7]>,
}

impl Adapter {
    /// A fresh adapter for a decoder of shape `model`: A uniform, B zero.
    pub fn new(config: LoraConfig, model: &ModelConfig, rng: &mut Stream) -> Self {
        let mut adapter = Self::zeros(config, model);
        for spec in &adapter.layout.tensors {
            if spec.name.ends_with("lora_A.weight") {
                let bound = (spec.shape[1] as f32).sqrt().recip();
                for value in &mut adapter.params[spec.range.clone()] {
                    *value = rng.random_range(-bound..bound);
                }
            }
        }
        adapter
    }

    /// An adapter whose factors are all 0.
    pub(crate) fn zeros(config: LoraConfig, model: &ModelConfig) -> Self {
        let mut builder = LayoutBuilder::default();
        let mut layers = Vec::with_capacity(model.n_layers);
        for layer in 0..model.n_layers {
            layers.push(Projection::ALL.map(|projection| {
                let (n_in, n_out) = projection.widths(model);
                let name = |factor: &str| {
                    format!("model.layers.{layer}.{}.{factor}.weight", projection.path())
                };
                config.targets.contains(&projection).then(|| Factors {
                    a: builder.add(name("lora_A"), &[config.rank, n_in]),
                    b: builder.add(name("lora_B"), &[n_out, config.rank]),
                })
            }));
        }
        let layout = builder.finish();
        Self { config, params: vec![0.0; layout.n_params()], layout, layers }
    }

    /// The adapter's shape.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// Names and places of its factors, `model.layers.0.self_attn.q_proj.lora_A.weight` and so on.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The flat factors.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// Lets `update` change the factors.
    pub(crate) fn update(&mut self, update: impl FnOnce(&Layout, &mut [f32])) {
        update(&self.layout, &mut self.params);
    }

    /// The factors beside one projection.
    pub(crate) fn factors(&self, layer: usize, projection: Projection) -> Option<&Factors> {
        self.layers[layer][projection as usize].as_ref()
    }

    /// True when the adapter fits a decoder of shape `model`.
    pub(crate) fn fits(&self, model: &ModelConfig) -> bool {
        let other = Self::zeros(self.config.clone(), model);
        other.layers.len() == self.layers.len() && other.layout.tensors == self.layout.tensors
    }

    /// Adds `sign * s B A` to each weight that the adapter stands beside: 1 merges, -1 takes it off again, up to
    /// rounding.
    pub(crate) fn add_to(&self, layout: &Layout, weights: &mut [f32], sign: f32) {
        let scale = sign * self.config.scale();
        for (index, layer) in self.layers.iter().enumerate() {
            for (projection, factors) in Projection::ALL.iter().zip(layer) {
                let name = format!("model.layers.{index}.{}.weight", projection.path());
                let (Some(factors), Some(spec)) = (factors, layout.get(&name)) else { continue };
                let (n_out, n_in, rank) = (spec.shape[0], spec.shape[1], self.config.rank);
                let b: Vec<f32> =
                    self.params[factors.b.clone()].iter().map(|value| value * scale).collect();
                let a = Mat::new(&self.params[factors.a.clone()], rank, n_in);
                let weight = MatMut::new(&mut weights[spec.range.clone()], n_out, n_in);
                matmul(weight, Mat::new(&b, n_out, rank), a, true);
            }
        }
    }
}

/// Which inputs of side paths a training pass drops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropout {
    /// Drawn anew for each update.
    key: u64,
    prob: f64,
}

impl Dropout {
    /// `None` when nothing is dropped.
    pub(crate) fn new(key: u64, prob: f64) -> Option<Self> {
        (prob > 0.0).then_some(Self { key, prob })
    }

    /// Multiplies one row of a side path's input by its mask: 0, or `1 / (1 - prob)`.
    ///
    /// `row` names the token: see [`row_key`].
    pub(crate) fn apply(self, row: u64, layer: usize, projection: Projection, x: &mut [f32]) {
        let start = self.start(row, layer, projection);
        let (bound, keep) = (self.bound(), self.keep());
        for (channel, x) in x.iter_mut().enumerate() {
            let draw = mix(start.wrapping_add(channel as u64)) >> 32;
            *x *= if draw < bound { 0.0 } else { keep };
        }
    }

    /// The number that a token's channels are counted from in one projection.
    pub(crate) fn start(self, row: u64, layer: usize, projection: Projection) -> u64 {
        let place = (layer as u64) << 8 | projection as u64;
        mix(mix(self.key ^ row).wrapping_add(place))
    }

    /// Draws of 32 bits below this are dropped.
    pub(crate) fn bound(self) -> u64 {
        (self.prob * 4_294_967_296.0) as u64
    }

    /// What a channel that is kept is multiplied by.
    pub(crate) fn keep(self) -> f32 {
        (1.0 - self.prob).recip() as f32
    }
}

/// The constants of [`mix`]: the counter's step and two multipliers.
pub(crate) const MIX: [u64; 3] =
    [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB];

/// Names a token of a batch, however it is cut: a prompt's token by its group, a completion's by its sequence.
pub(crate) fn row_key(is_prompt: bool, index: usize, position: usize) -> u64 {
    mix(((index as u64) << 1 | u64::from(is_prompt)) << 24 ^ position as u64)
}

/// The finaliser of SplitMix64, after one step of its counter.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(MIX[0]);
    z = (z ^ (z >> 30)).wrapping_mul(MIX[1]);
    z = (z ^ (z >> 27)).wrapping_mul(MIX[2]);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;

    #[test]
    fn a_fresh_adapter_is_uniform_in_a_and_zero_in_b() {
        let model = ModelConfig::nano(20);
        let config = LoraConfig { rank: 8, ..LoraConfig::default() };
        let adapter = Adapter::new(config, &model, &mut RootSeed(1).stream("lora", &[]));
        assert_eq!(adapter.layout.tensors.len(), 4 * 2 * 2);
        for spec in &adapter.layout.tensors {
            let values = &adapter.params[spec.range.clone()];
            let largest = values.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            let bound = 1.0 / 128.0_f32.sqrt();
            match spec.name.ends_with("lora_A.weight") {
                true => assert!(largest <= bound && largest > 0.95 * bound, "{largest}"),
                false => assert_eq!(largest, 0.0),
            }
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_drops_its_share() {
        let dropout = Dropout::new(7, 0.25).expect("something is dropped");
        let mut x = vec![1.0; 40_000];
        for (row, part) in x.chunks_exact_mut(100).enumerate() {
            dropout.apply(row_key(false, row, 3), 1, Projection::UpProj, part);
        }
        let dropped = x.iter().filter(|x| **x == 0.0).count() as f64 / 40_000.0;
        assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
        assert!((x.iter().sum::<f32>() / 40_000.0 - 1.0).abs() < 0.02);
        assert_eq!(Dropout::new(7, 0.0), None);
    }

    #[test]
    fn settings_out_of_range_are_all_reported() {
        assert!(LoraConfig::default().validate().is_empty());
        let bad = LoraConfig { rank: 0, dropout: 1.0, targets: vec![], ..LoraConfig::default() };
        assert_eq!(bad.validate().len(), 3);
    }
}
