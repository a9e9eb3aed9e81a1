//! What trainers and samplers need of a decoder, whichever engine computes it.

use e2h_core::{GenerateRequest, Generation, Sampling};

use crate::batch::Group;
use crate::generate::StopRule;
use crate::params::Layout;
use crate::{BurnDecoder, Model, ModelConfig, Result, TokenGrads, TokenStats};

/// A decoder that can be trained and sampled: [`Model`], the fused CPU engine, or [`BurnDecoder`].
///
/// # Invariants
/// - Engines with the same weights give the same numbers, up to rounding.
/// - The flat f32 weights are the truth; [`Self::update_params`] is the only way to change them here.
pub trait Engine {
    /// `fused` or `burn`.
    fn name(&self) -> &'static str;

    /// The decoder's shape.
    fn config(&self) -> &ModelConfig;

    /// Names and places of the weights.
    fn layout(&self) -> &Layout;

    /// The flat weights.
    fn params(&self) -> &[f32];

    /// Lets `update`, for example an optimiser, change the flat weights.
    fn update_params(&mut self, update: &mut dyn FnMut(&Layout, &mut [f32]));

    /// Log-probs and entropies of every completion token, sequence after sequence in batch order.
    ///
    /// # Errors
    /// See [`Model::token_stats`].
    fn token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>>;

    /// Asks `loss` for the gradient of log-probs and entropies, part by part, and adds the gradient of every
    /// weight to `grads`.
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

    fn update_params(&mut self, update: &mut dyn FnMut(&Layout, &mut [f32])) {
        update(&self.shape.layout, &mut self.params);
    }

    forward_to_inherent!(Model);
}

impl Engine for BurnDecoder {
    fn name(&self) -> &'static str {
        "burn"
    }

    fn update_params(&mut self, update: &mut dyn FnMut(&Layout, &mut [f32])) {
        Self::update_params(self, update);
    }

    forward_to_inherent!(BurnDecoder);
}
