//! The decoder on burn tensors: the same contracts as [`Model`](crate::Model), on any burn device.
//!
//! Use it on a GPU, and for models whose products are large. On a CPU the fused kernels of `Model` are faster
//! for small models: they share a group's prompt instead of repeating it, compute no padding, keep their
//! buffers, and run one thread a slice instead of forking within every operation.
//! `cargo run -p e2h-model --example engines` measures both.
//!
//! The flat f32 weights on the host are the truth. The device holds a copy in the engine's precision, and
//! [`BurnDecoder::update_params`] refreshes it, so optimiser, clipping and checkpoints are the same code for
//! both engines.
//!
//! # Source
//! Checkpoint formats and shapes as for [`Model`](crate::Model). That a chunked head takes its own gradient
//! is the way of Liger Kernel's fused linear cross-entropy (Hsu et al. 2024).
//!
//! # Deviations
//! - Tokens are drawn on the host, from one read of the logits a token: the same sampler and random streams
//!   as `Model`. Drawing on the device is left for later.
//! - Training attention holds the `[B, H, T, T]` scores of every layer; gradient checkpointing does not
//!   change that for the products, only for what lies between them.
//! - A prompt is computed once for its group in generation, but once a completion in training.
//! - A completion depends on its neighbours in rounding: a matrix product's summation order may change with
//!   the number of rows. `Model` is exact here.
//!
//! # Invariants
//! - How a batch is cut changes no result beyond rounding.
//! - No `[N, T, V]` tensor exists: see [`head`].

use burn::tensor::{Device, FloatDType, Int, Tensor};

use crate::batch::{Group, check_groups};
use crate::params::Layout;
use crate::{Error, ModelConfig, Result, TokenGrads, TokenStats};

mod cache;
mod device;
mod forward;
mod generate;
mod head;
mod padded;
mod tensors;
mod weights;

pub use device::{DeviceChoice, device};

use forward::{Causal, Rotary, forward};
use head::Head;
use padded::{MicroBatch, micro_batches};
use tensors::ints;
use weights::{GradSum, Source, Weights};

/// Number format of weights and activations on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes.
    #[default]
    F32,
    /// 2 bytes. Norms, softmax, log-probs and the flat weights on the host stay f32.
    Bf16,
}

impl Precision {
    fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
        }
    }
}

/// A decoder whose weights are burn tensors.
pub struct BurnDecoder {
    config: ModelConfig,
    layout: Layout,
    /// The flat weights, in f32 on the host.
    params: Vec<f32>,
    /// Without autodiff.
    device: Device,
    precision: Precision,
    checkpointing: bool,
    /// Tracked by autodiff.
    tracked: Weights,
    /// The same tensors, untracked.
    plain: Weights,
    rotary: Rotary,
}

impl BurnDecoder {
    /// A decoder with the given flat weights, in the order of [`Layout`].
    ///
    /// ```
    /// use e2h_core::RootSeed;
    /// use e2h_model::{BurnDecoder, Group, Model, ModelConfig, Precision, device};
    ///
    /// let model = Model::new(ModelConfig::nano(50), &mut RootSeed(1).stream("init", &[]));
    /// let choice = device("cpu")?;
    /// let params = model.params().to_vec();
    /// let decoder = BurnDecoder::new(model.config().clone(), params, &choice.device, Precision::F32)?;
    /// let group = Group { prompt: &[1, 2], completions: vec![&[3, 4, 5]] };
    /// let (logprobs, entropies) = &decoder.token_stats(&[group], 1000)?[0];
    /// assert_eq!((logprobs.len(), entropies.len()), (3, 3));
    /// # Ok::<(), e2h_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Device`] when the device cannot compute in `precision`.
    ///
    /// # Panics
    /// When `params` has not the length of the layout.
    pub fn new(
        config: ModelConfig,
        params: Vec<f32>,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let device = device.clone().without_autodiff();
        let dtype = precision.dtype();
        if !device.supports_dtype(dtype) {
            let problem = format!("cannot compute in {dtype:?}");
            return Err(Error::device(format!("{device:?}"), problem));
        }
        let layout = Layout::new(&config);
        let tracked = tracked_weights(&config, &layout, &params, &device, precision, false);
        Ok(Self {
            rotary: Rotary::new(&config, &device, dtype),
            plain: plain(&tracked),
            tracked,
            config,
            layout,
            params,
            device,
            precision,
            checkpointing: false,
        })
    }

    /// Sets gradient checkpointing: the backward pass computes element-wise results again instead of keeping
    /// them. Less memory, more time, the same gradients.
    #[must_use]
    pub fn with_gradient_checkpointing(mut self, on: bool) -> Self {
        self.checkpointing = on;
        self.refresh();
        self
    }

    /// The decoder's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Names and places of the weights.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The flat weights.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// Replaces the weights, here and on the device.
    ///
    /// # Panics
    /// When `params` has not the length of the layout.
    pub fn load_params(&mut self, params: &[f32]) {
        self.params.copy_from_slice(params);
        self.refresh();
    }

    /// Lets an optimiser change the flat weights, then copies them to the device.
    pub fn update_params(&mut self, update: impl FnOnce(&Layout, &mut [f32])) {
        update(&self.layout, &mut self.params);
        self.refresh();
    }

    fn refresh(&mut self) {
        self.tracked = tracked_weights(
            &self.config,
            &self.layout,
            &self.params,
            &self.device,
            self.precision,
            self.checkpointing,
        );
        self.plain = plain(&self.tracked);
    }

    /// Log-probs and entropies of every completion token, sequence after sequence in batch order; as
    /// [`Model::token_stats`](crate::Model::token_stats).
    ///
    /// `token_budget` bounds the tokens of a micro-batch with its padding; it changes no result.
    ///
    /// # Errors
    /// [`Error::UnknownToken`], [`Error::ContextOverflow`], or [`Error::Device`] when the device fails.
    pub fn token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        check_groups(&self.config, groups)?;
        let n = groups.iter().map(|group| group.completions.len()).sum();
        let mut results = vec![(Vec::new(), Vec::new()); n];
        for batch in micro_batches(groups, token_budget) {
            if batch.targets.is_empty() {
                continue;
            }
            let hidden = self.hidden(&self.plain, &batch);
            let (logprobs, entropies) = self.head(hidden, &batch.targets).stats()?;
            for (sequence, range) in batch.sequences.iter().zip(batch.offsets.windows(2)) {
                let range = range[0]..range[1];
                results[*sequence] = (logprobs[range.clone()].to_vec(), entropies[range].to_vec());
            }
        }
        Ok(results)
    }

    /// Computes log-probs and entropies, asks `loss` for their gradient, and adds the gradient of every
    /// weight to `grads`; as [`Model::backward`](crate::Model::backward).
    ///
    /// `loss` is called once a micro-batch, with whole sequences. Gradients are summed on the device and read
    /// once.
    ///
    /// # Errors
    /// [`Error::UnknownToken`], [`Error::ContextOverflow`], or [`Error::Device`] when the device fails;
    /// `grads` may then hold a part of the sum.
    ///
    /// # Panics
    /// When `grads` has not the length of the weights, or `loss` returns another number of gradients than it
    /// was given log-probs.
    pub fn backward(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>) -> TokenGrads,
    ) -> Result<()> {
        assert_eq!(grads.len(), self.params.len(), "a gradient of another shape");
        check_groups(&self.config, groups)?;
        let mut sum = GradSum::default();
        for batch in micro_batches(groups, token_budget) {
            self.backward_one(&batch, &mut sum, &loss)?;
        }
        sum.add_to(&self.layout, grads)
    }

    fn backward_one(
        &self,
        batch: &MicroBatch,
        sum: &mut GradSum,
        loss: &impl Fn(&TokenStats<'_>) -> TokenGrads,
    ) -> Result<()> {
        if batch.targets.is_empty() {
            loss(&batch.stats(&[], &[]));
            return Ok(());
        }
        let hidden = self.hidden(&self.tracked, batch);
        let head = self.head(hidden.clone().without_autodiff(), &batch.targets);
        let (logprobs, entropies) = head.stats()?;
        let given = loss(&batch.stats(&logprobs, &entropies));
        let n = batch.targets.len();
        assert_eq!(
            (given.d_logprobs.len(), given.d_entropies.len()),
            (n, n),
            "one gradient a log-prob and one an entropy"
        );
        let (d_hidden, d_weight) = head.backward(&given);
        sum.add_one(&self.layout, self.head_name(), d_weight);
        // The gradient of this sum with respect to `hidden` is `d_hidden`.
        let mut grads = (hidden * d_hidden).sum().backward();
        sum.add(&self.layout, &self.tracked, &mut grads);
        Ok(())
    }

    /// The hidden states that predict a micro-batch's targets. `[Q, C]`
    fn hidden(&self, weights: &Weights, batch: &MicroBatch) -> Tensor<2> {
        let n_sequences = batch.sequences.len();
        let tokens: Tensor<2, Int> =
            ints(&batch.tokens, &self.device).reshape([n_sequences, batch.len]);
        let angles = self.rotary.first(batch.len);
        let mut attention = Causal::new(batch.len, &self.device);
        let hidden = forward(weights, &self.config, tokens, &angles, &mut attention);
        hidden.select(0, ints(&batch.rows, &self.device))
    }

    fn head<'a>(&self, hidden: Tensor<2>, targets: &'a [i32]) -> Head<'a> {
        Head::new(self.head_weight(), hidden, targets)
    }

    /// The head's matrix, untracked. `[V, C]`
    fn head_weight(&self) -> Tensor<2> {
        let head = self.plain.lm_head.as_ref();
        head.unwrap_or(&self.plain.model.embed_tokens).weight.val()
    }

    fn head_name(&self) -> &'static str {
        if self.config.tied_head { "model.embed_tokens.weight" } else { "lm_head.weight" }
    }
}

impl MicroBatch {
    fn stats<'a>(&'a self, logprobs: &'a [f32], entropies: &'a [f32]) -> TokenStats<'a> {
        TokenStats { sequences: &self.sequences, offsets: &self.offsets, logprobs, entropies }
    }
}

/// Copies flat weights to the device, tracked by autodiff.
fn tracked_weights(
    config: &ModelConfig,
    layout: &Layout,
    params: &[f32],
    device: &Device,
    precision: Precision,
    checkpointing: bool,
) -> Weights {
    assert_eq!(params.len(), layout.n_params(), "flat weights of another shape");
    let device = device.clone().autodiff();
    let device = if checkpointing { device.gradient_checkpointing() } else { device };
    Source { config, layout, params, device: &device, dtype: precision.dtype() }.weights()
}

/// The same tensors without autodiff.
fn plain(tracked: &Weights) -> Weights {
    burn::module::Module::valid(tracked)
}
