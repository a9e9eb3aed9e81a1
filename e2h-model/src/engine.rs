//! What trainers and samplers need of a decoder, whichever engine computes it.

use e2h_core::{GenerateRequest, Generation, Sampling, Stream, TokenId};

use crate::batch::Group;
use crate::generate::StopRule;
use crate::params::Layout;
use crate::{
    Adapter, BurnDecoder, Model, ModelConfig, Result, TokenGrads, TokenStats, ValueHead,
    ValuedGrads,
};

/// A decoder that can be trained and sampled: [`Model`], the fused CPU engine, or [`BurnDecoder`].
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{BurnDecoder, Engine, Model, ModelConfig, Precision, device};
///
/// let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
///     head_dim: 8, ..ModelConfig::nano(5) };
/// let fused = Model::new(shape.clone(), &mut RootSeed(0).stream("init", &[]));
/// let weights = fused.weights().to_vec();
/// let burn = BurnDecoder::new(shape, weights, &device("cpu")?.device, Precision::F32)?;
/// let [a, b] = [&fused as &dyn Engine, &burn].map(|engine| engine.logits(&[1, 2, 3]));
/// assert!(a?.iter().zip(b?).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), e2h_model::Error>(())
/// ```
///
/// # Invariants
/// - Engines with the same weights give the same numbers, up to rounding.
/// - The flat f32 parameters on the host are the truth.
/// - What is trained is either all weights or an adapter's factors: [`Self::params`] in both cases, so optimiser,
///   clipping and checkpoints do not ask which.
pub trait Engine {
    /// `fused` or `burn`.
    fn name(&self) -> &'static str;

    /// The decoder's shape.
    fn config(&self) -> &ModelConfig;

    /// The flat weights, without what an adapter adds; in the order of [`Layout::new`].
    fn weights(&self) -> &[f32];

    /// The adapter that stands beside the weights, if there is one.
    fn adapter(&self) -> Option<&Adapter>;

    /// Puts an adapter beside the weights, which are frozen from now on, or takes it off.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    fn set_adapter(&mut self, adapter: Option<Adapter>);

    /// Adds the adapter to the weights, and takes it off.
    fn merge_adapter(&mut self) -> Option<Adapter>;

    /// Undoes [`Self::merge_adapter`], up to rounding.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    fn unmerge_adapter(&mut self, adapter: Adapter);

    /// Sets the random stream from which coming backward passes draw dropout: anew for each update.
    fn set_dropout_stream(&mut self, stream: Stream);

    /// Names and places of the parameters that are trained.
    fn layout(&self) -> &Layout;

    /// The parameters that are trained: the adapter's where there is one, else the flat weights.
    fn params(&self) -> &[f32];

    /// Lets `update`, for example an optimiser, change the parameters that are trained.
    fn update_params(&mut self, update: &mut dyn FnMut(&Layout, &mut [f32]));

    /// Takes the decoder apart: shape, flat weights and adapter. No weight is copied.
    fn into_parts(self: Box<Self>) -> (ModelConfig, Vec<f32>, Option<Adapter>);

    /// Logits of the token after each token of a sequence, with the adapter where there is one. `[T, V]`
    ///
    /// For comparisons and tools: training and sampling never hold them all.
    ///
    /// # Errors
    /// See [`Model::logits`].
    fn logits(&self, tokens: &[TokenId]) -> Result<Vec<f32>>;

    /// Log-probs and entropies of every completion token, sequence after sequence in batch order.
    ///
    /// # Errors
    /// See [`Model::token_stats`].
    fn token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>>;

    /// [`Self::token_stats`] with the adapter off: the policy that training an adapter began from, at no extra
    /// memory.
    ///
    /// # Errors
    /// See [`Model::token_stats`].
    fn base_token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>>;

    /// Asks `loss` for the gradient of log-probs and entropies, part by part, and adds the gradient of every
    /// parameter that is trained to `grads`.
    ///
    /// # Errors
    /// See [`Model::backward`].
    fn backward(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        grads: &mut [f32],
        loss: &(dyn Fn(&TokenStats<'_>) -> TokenGrads + Sync),
    ) -> Result<()>;

    /// The values that `head` reads off the completion tokens' hidden states, sequence after sequence in batch order.
    ///
    /// # Errors
    /// See [`Model::values`].
    fn values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
    ) -> Result<Vec<Vec<f32>>>;

    /// [`Self::backward`] with a value head, whose gradient is added to `head_grads`.
    ///
    /// # Errors
    /// See [`Model::backward_with_values`].
    fn backward_with_values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
        grads: &mut [f32],
        head_grads: &mut [f32],
        loss: &(dyn Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads + Sync),
    ) -> Result<()>;

    /// Samples one completion per stream of each request, in the requests' order.
    ///
    /// # Errors
    /// See [`Model::generate`].
    fn generate(
        &self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
        stop: &dyn StopRule,
    ) -> Result<Vec<Vec<Generation>>>;
}

/// Forwards the methods that both engines have under the same names.
macro_rules! forward_to_inherent {
    ($engine:ty) => {
        fn config(&self) -> &ModelConfig {
            <$engine>::config(self)
        }

        fn weights(&self) -> &[f32] {
            <$engine>::weights(self)
        }

        fn adapter(&self) -> Option<&Adapter> {
            <$engine>::adapter(self)
        }

        fn set_adapter(&mut self, adapter: Option<Adapter>) {
            <$engine>::set_adapter(self, adapter);
        }

        fn merge_adapter(&mut self) -> Option<Adapter> {
            <$engine>::merge_adapter(self)
        }

        fn unmerge_adapter(&mut self, adapter: Adapter) {
            <$engine>::unmerge_adapter(self, adapter);
        }

        fn set_dropout_stream(&mut self, stream: Stream) {
            <$engine>::set_dropout_stream(self, stream);
        }

        fn into_parts(self: Box<Self>) -> (ModelConfig, Vec<f32>, Option<Adapter>) {
            <$engine>::into_parts(*self)
        }

        fn logits(&self, tokens: &[TokenId]) -> Result<Vec<f32>> {
            <$engine>::logits(self, tokens)
        }

        fn update_params(&mut self, update: &mut dyn FnMut(&Layout, &mut [f32])) {
            <$engine>::update_params(self, update);
        }

        fn base_token_stats(
            &self,
            groups: &[Group<'_>],
            token_budget: usize,
        ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
            <$engine>::base_token_stats(self, groups, token_budget)
        }

        fn layout(&self) -> &Layout {
            <$engine>::layout(self)
        }

        fn params(&self) -> &[f32] {
            <$engine>::params(self)
        }

        fn token_stats(
            &self,
            groups: &[Group<'_>],
            token_budget: usize,
        ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
            <$engine>::token_stats(self, groups, token_budget)
        }

        fn backward(
            &self,
            groups: &[Group<'_>],
            token_budget: usize,
            grads: &mut [f32],
            loss: &(dyn Fn(&TokenStats<'_>) -> TokenGrads + Sync),
        ) -> Result<()> {
            <$engine>::backward(self, groups, token_budget, grads, loss)
        }

        fn values(
            &self,
            groups: &[Group<'_>],
            token_budget: usize,
            head: &ValueHead,
        ) -> Result<Vec<Vec<f32>>> {
            <$engine>::values(self, groups, token_budget, head)
        }

        fn backward_with_values(
            &self,
            groups: &[Group<'_>],
            token_budget: usize,
            head: &ValueHead,
            grads: &mut [f32],
            head_grads: &mut [f32],
            loss: &(dyn Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads + Sync),
        ) -> Result<()> {
            <$engine>::backward_with_values(
                self,
                groups,
                token_budget,
                head,
                grads,
                head_grads,
                loss,
            )
        }

        fn generate(
            &self,
            requests: Vec<GenerateRequest>,
            sampling: &Sampling,
            stop: &dyn StopRule,
        ) -> Result<Vec<Vec<Generation>>> {
            <$engine>::generate(self, requests, sampling, stop)
        }
    };
}

impl Engine for Model {
    fn name(&self) -> &'static str {
        "fused"
    }

    forward_to_inherent!(Model);
}

impl Engine for BurnDecoder {
    fn name(&self) -> &'static str {
        "burn"
    }

    forward_to_inherent!(BurnDecoder);
}
