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
//! - Training attention holds the `[B, H, T, T]` scores of every layer, with gradient checkpointing of one layer at a
//!   time: see [`recompute`].
//! - A prompt is computed once for its group in generation, but once a completion in training.
//! - A completion depends on its neighbours in rounding: a matrix product's summation order may change with
//!   the number of rows. `Model` is exact here.
//!
//! # Invariants
//! - How a batch is cut changes no result beyond rounding.
//! - No `[N, T, V]` tensor exists: see [`head`].

use burn::tensor::{Device, FloatDType, Gradients, Tensor};
use e2h_core::Stream;
use rand::Rng;

use crate::adapter::Dropout;
use crate::batch::{Group, check_groups};
use crate::params::Layout;
use crate::{Adapter, Error, ModelConfig, Result, TokenGrads, TokenStats, ValueHead, ValuedGrads};

mod cache;
#[cfg(any(test, feature = "cuda"))]
mod card;
mod device;
mod draw;
#[cfg(feature = "cuda")]
mod driver;
mod dropout;
mod forward;
mod generate;
mod head;
#[cfg(feature = "cuda")]
mod kernels;
mod limits;
mod padded;
mod recompute;
mod tensors;
mod value;
mod weights;

pub use device::{DeviceChoice, device};
pub use generate::Pace;
pub use limits::{LimitSizes, Limits, limits};

use forward::{Angles, Causal, Masks, Pass, Rotary, forward};
use head::Head;
use padded::{MicroBatch, micro_batches};
use recompute::Kept;
use tensors::ints;
use value::DeviceHead;
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
    flat: Vec<f32>,
    adapter: Option<Adapter>,
    /// Key of the dropout of coming backward passes.
    dropout_key: u64,
    /// Without autodiff.
    device: Device,
    precision: Precision,
    checkpointing: bool,
    pace: Pace,
    /// On a device with autodiff, which tracks what is trained.
    tracked: Weights,
    /// The same tensors, without autodiff.
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
        assert_eq!(params.len(), layout.n_params(), "flat weights of another shape");
        let source = Source {
            config: &config,
            layout: &layout,
            params: &params,
            device: &device.clone().autodiff(),
            dtype,
            frozen: false,
        };
        let tracked = source.weights();
        Ok(Self {
            rotary: Rotary::new(&config, &device, dtype),
            plain: plain(&tracked),
            tracked,
            config,
            layout,
            flat: params,
            adapter: None,
            dropout_key: 0,
            pace: if device == Device::flex() { Pace::HOST } else { Pace::GPU },
            device,
            precision,
            checkpointing: false,
        })
    }

    /// Sets gradient checkpointing: the backward pass computes every layer a second time instead of keeping what it
    /// computed. Much less memory, a third more work, the same gradients.
    #[must_use]
    pub fn with_gradient_checkpointing(mut self, on: bool) -> Self {
        self.checkpointing = on;
        self
    }

    /// Sets how generation uses the device; without it, as fits a CPU or a GPU.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The decoder's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The flat weights, without what an adapter adds.
    pub fn weights(&self) -> &[f32] {
        &self.flat
    }

    /// The adapter that stands beside the weights, if there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Names and places of the parameters that are trained.
    pub fn layout(&self) -> &Layout {
        self.adapter.as_ref().map_or(&self.layout, Adapter::layout)
    }

    /// The parameters that are trained: the adapter's where there is one, else the flat weights.
    pub fn params(&self) -> &[f32] {
        self.adapter.as_ref().map_or(&self.flat, Adapter::params)
    }

    /// Replaces the parameters that are trained, here and on the device.
    ///
    /// # Panics
    /// When `params` has not their length.
    pub fn load_params(&mut self, params: &[f32]) {
        self.update_params(|_, own| own.copy_from_slice(params));
    }

    /// Lets an optimiser change the parameters that are trained, then copies them to the device.
    pub fn update_params(&mut self, update: impl FnOnce(&Layout, &mut [f32])) {
        match &mut self.adapter {
            Some(adapter) => {
                adapter.update(update);
                self.refresh_adapter();
            }
            None => {
                update(&self.layout, &mut self.flat);
                self.refresh();
            }
        }
    }

    /// Puts an adapter beside the weights, which are frozen from now on, or takes it off.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    pub fn set_adapter(&mut self, adapter: Option<Adapter>) {
        let fits = adapter.as_ref().is_none_or(|adapter| adapter.fits(&self.config));
        assert!(fits, "an adapter of another shape");
        self.adapter = adapter;
        self.refresh();
    }

    /// Adds the adapter to the weights, and takes it off.
    pub fn merge_adapter(&mut self) -> Option<Adapter> {
        let adapter = self.adapter.take()?;
        adapter.add_to(&self.layout, &mut self.flat, 1.0);
        self.refresh();
        Some(adapter)
    }

    /// Undoes [`Self::merge_adapter`], up to rounding: subtracts the adapter and puts it beside the weights.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    pub fn unmerge_adapter(&mut self, adapter: Adapter) {
        adapter.add_to(&self.layout, &mut self.flat, -1.0);
        self.set_adapter(Some(adapter));
    }

    /// Sets the random stream from which coming backward passes draw dropout, where the adapter has some.
    ///
    /// The masks of one stream are the same in every pass: set it anew for each update.
    pub fn set_dropout_stream(&mut self, mut stream: Stream) {
        self.dropout_key = stream.next_u64();
    }

    /// Takes the decoder apart: shape, flat weights and adapter; what the device holds is dropped.
    pub fn into_parts(self) -> (ModelConfig, Vec<f32>, Option<Adapter>) {
        (self.config, self.flat, self.adapter)
    }

    /// The device that training computes on.
    fn autodiff_device(&self) -> Device {
        self.device.clone().autodiff()
    }

    /// Copies everything to the device.
    fn refresh(&mut self) {
        let source = Source {
            config: &self.config,
            layout: &self.layout,
            params: &self.flat,
            device: &self.autodiff_device(),
            dtype: self.precision.dtype(),
            frozen: self.adapter.is_some(),
        };
        self.tracked = source.weights();
        self.refresh_adapter();
    }

    /// Copies the adapter to the device.
    fn refresh_adapter(&mut self) {
        if let Some(adapter) = &self.adapter {
            self.tracked.set_adapter(adapter, &self.autodiff_device());
        }
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
        self.stats_with(&self.plain, groups, token_budget)
    }

    /// [`Self::token_stats`] of the weights alone, with the adapter off: the policy that training an adapter began
    /// from.
    ///
    /// # Errors
    /// As [`Self::token_stats`].
    pub fn base_token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        self.stats_with(&self.plain.clone().without_adapter(), groups, token_budget)
    }

    fn stats_with(
        &self,
        weights: &Weights,
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
            let hidden = self.hidden(weights, &batch);
            let (logprobs, entropies) = self.head(hidden, &batch.targets).stats()?;
            for (sequence, range) in batch.sequences.iter().zip(batch.offsets.windows(2)) {
                let range = range[0]..range[1];
                results[*sequence] = (logprobs[range.clone()].to_vec(), entropies[range].to_vec());
            }
        }
        Ok(results)
    }

    /// The values that `head` reads off the completion tokens' hidden states; as
    /// [`Model::values`](crate::Model::values).
    ///
    /// # Errors
    /// As [`Self::token_stats`].
    ///
    /// # Panics
    /// When the head is of another width.
    pub fn values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
    ) -> Result<Vec<Vec<f32>>> {
        assert_eq!(head.width(), self.config.hidden_size, "a value head of another width");
        check_groups(&self.config, groups)?;
        let head = DeviceHead::new(head, &self.device);
        let n = groups.iter().map(|group| group.completions.len()).sum();
        let mut results = vec![Vec::new(); n];
        for batch in micro_batches(groups, token_budget) {
            if batch.targets.is_empty() {
                continue;
            }
            let values = head.values(self.hidden(&self.plain, &batch))?;
            for (sequence, range) in batch.sequences.iter().zip(batch.offsets.windows(2)) {
                results[*sequence] = values[range[0]..range[1]].to_vec();
            }
        }
        Ok(results)
    }

    /// Computes log-probs and entropies, asks `loss` for their gradient, and adds the gradient of every
    /// parameter that is trained to `grads`; as [`Model::backward`](crate::Model::backward).
    ///
    /// `loss` is called once a micro-batch, with whole sequences. Gradients are summed on the device and read
    /// once.
    ///
    /// # Errors
    /// [`Error::UnknownToken`], [`Error::ContextOverflow`], or [`Error::Device`] when the device fails;
    /// `grads` may then hold a part of the sum.
    ///
    /// # Panics
    /// When `grads` has not the length of [`Self::params`], or `loss` returns another number of gradients than it
    /// was given log-probs.
    pub fn backward(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>) -> TokenGrads,
    ) -> Result<()> {
        let loss = |stats: &TokenStats<'_>, _: &[f32]| loss(stats).into();
        self.backward_through(groups, token_budget, None, grads, &mut [], loss)
    }

    /// [`Self::backward`] with a value head; as
    /// [`Model::backward_with_values`](crate::Model::backward_with_values).
    ///
    /// # Errors
    /// As [`Self::backward`].
    ///
    /// # Panics
    /// As [`Self::backward`], and when the head is of another width or `head_grads` has not the length of its
    /// parameters.
    pub fn backward_with_values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
        grads: &mut [f32],
        head_grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads,
    ) -> Result<()> {
        assert_eq!(head.width(), self.config.hidden_size, "a value head of another width");
        assert_eq!(head_grads.len(), head.params().len(), "a head's gradient of another shape");
        let head = DeviceHead::new(head, &self.device);
        self.backward_through(groups, token_budget, Some(&head), grads, head_grads, loss)
    }

    fn backward_through(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        value_head: Option<&DeviceHead>,
        grads: &mut [f32],
        head_grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads,
    ) -> Result<()> {
        assert_eq!(grads.len(), self.params().len(), "a gradient of another shape");
        check_groups(&self.config, groups)?;
        let mut sum = GradSum::default();
        for batch in micro_batches(groups, token_budget) {
            self.backward_one(&batch, value_head, &mut sum, head_grads, &loss)?;
        }
        sum.add_to(self.layout(), grads)
    }

    fn backward_one(
        &self,
        batch: &MicroBatch,
        value_head: Option<&DeviceHead>,
        sum: &mut GradSum,
        head_grads: &mut [f32],
        loss: &impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads,
    ) -> Result<()> {
        if batch.targets.is_empty() {
            loss(&batch.stats(&[], &[]), &[]);
            return Ok(());
        }
        let prob = self.adapter.as_ref().map_or(0.0, |adapter| adapter.config().dropout);
        let dropout = Dropout::new(self.dropout_key, prob);
        let angles = self.rotary.first(batch.len);
        let pass = self.pass(batch, &angles, dropout);
        let mut attention = Causal::new(batch.len, &self.device);
        let rows = ints(&batch.rows, &self.device);
        if self.checkpointing {
            let kept = Kept::forward(&self.plain, &pass, &mut attention);
            let output = kept.output.clone().autodiff().require_grad();
            let hidden = self.tracked.model.norm.forward(output.clone(), self.config.rms_norm_eps);
            let hidden = hidden.select(0, rows);
            let mut grads = self.backward_head(hidden, batch, value_head, sum, head_grads, loss)?;
            sum.add_part(self.layout(), "model.norm", &self.tracked.model.norm, &mut grads);
            if let Some(d_output) = output.grad_remove(&mut grads) {
                let sum = (&mut *sum, self.layout());
                kept.backward(&self.tracked, &pass, &mut attention, d_output, sum);
            }
        } else {
            let hidden = forward(&self.tracked, &pass, &mut attention).select(0, rows);
            let mut grads = self.backward_head(hidden, batch, value_head, sum, head_grads, loss)?;
            sum.add(self.layout(), &self.tracked, &mut grads);
        }
        Ok(())
    }

    /// Asks `loss`, adds the gradients of the heads, and goes back from `hidden`. `hidden: [Q, C]`, tracked
    fn backward_head(
        &self,
        hidden: Tensor<2>,
        batch: &MicroBatch,
        value_head: Option<&DeviceHead>,
        sum: &mut GradSum,
        head_grads: &mut [f32],
        loss: &impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads,
    ) -> Result<Gradients> {
        let untracked = hidden.clone().without_autodiff();
        let head = self.head(untracked.clone(), &batch.targets);
        let (logprobs, entropies) = head.stats()?;
        let values = match value_head {
            Some(value_head) => value_head.values(untracked.clone())?,
            None => Vec::new(),
        };
        let ValuedGrads { tokens: given, d_values } =
            loss(&batch.stats(&logprobs, &entropies), &values);
        let n = batch.targets.len();
        assert_eq!(
            (given.d_logprobs.len(), given.d_entropies.len(), d_values.len()),
            (n, n, values.len()),
            "one gradient a log-prob, one an entropy and one a value"
        );
        let (mut d_hidden, d_weight) = head.backward(&given, self.adapter.is_none());
        if let Some(d_weight) = d_weight {
            sum.add_one(&self.layout, self.head_name(), d_weight);
        }
        if let Some(value_head) = value_head {
            let (through_values, d_head) = value_head.backward(untracked, &d_values)?;
            d_hidden = d_hidden + through_values;
            crate::cpu::ops::add(head_grads, &d_head);
        }
        // The gradient of this sum with respect to `hidden` is `d_hidden`.
        Ok((hidden * d_hidden).sum().backward())
    }

    /// A pass over a micro-batch.
    fn pass<'a>(
        &'a self,
        batch: &'a MicroBatch,
        angles: &'a Angles,
        dropout: Option<Dropout>,
    ) -> Pass<'a> {
        let shape = [batch.sequences.len(), batch.len];
        Pass {
            config: &self.config,
            tokens: ints(&batch.tokens, &self.device).reshape(shape),
            angles,
            masks: dropout.map(|dropout| Masks { dropout, keys: &batch.keys }),
        }
    }

    /// The hidden states that predict a micro-batch's targets, without dropout. `[Q, C]`
    fn hidden(&self, weights: &Weights, batch: &MicroBatch) -> Tensor<2> {
        let angles = self.rotary.first(batch.len);
        let mut attention = Causal::new(batch.len, &self.device);
        let hidden = forward(weights, &self.pass(batch, &angles, None), &mut attention);
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

/// The same tensors without autodiff.
fn plain(tracked: &Weights) -> Weights {
    burn::module::Module::valid(tracked)
}
