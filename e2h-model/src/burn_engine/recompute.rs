//! The backward pass that keeps nothing of a layer but its input, and computes the layer again when its turn comes.
//!
//! Autodiff then holds one layer's activations at a time, the attention scores among them, instead of all layers'; the
//! price is a second forward pass. Dropout masks are a function of their keys, so the second pass has those of the first.
//!
//! # Source
//! Chen et al. 2016 (arXiv 1604.06174), with every layer as a segment.
//!
//! # Deviations
//! - burn's own gradient checkpointing computes only element-wise results again and keeps all products.

use burn::tensor::Tensor;

use super::forward::{Attention, Pass, embed};
use super::weights::{GradSum, Weights};
use crate::params::Layout;

/// The inputs of all layers, and the output of the last. `[B * T, C]` each, without autodiff
pub(crate) struct Kept {
    inputs: Vec<Tensor<2>>,
    /// What the last norm takes.
    pub output: Tensor<2>,
}

impl Kept {
    /// Runs the layers without autodiff.
    pub(crate) fn forward(
        weights: &Weights,
        pass: &Pass<'_>,
        attention: &mut impl Attention,
    ) -> Self {
        let mut x = embed(weights, pass.tokens.clone());
        let mut inputs = Vec::with_capacity(weights.model.layers.len());
        for (index, layer) in weights.model.layers.iter().enumerate() {
            inputs.push(x.clone());
            x = pass.layer(layer, index, x, attention);
        }
        Self { inputs, output: x }
    }

    /// Goes back through the layers, and adds the gradients of their weights to `sum`. `d_output: [B * T, C]`
    pub(crate) fn backward(
        mut self,
        weights: &Weights,
        pass: &Pass<'_>,
        attention: &mut impl Attention,
        d_output: Tensor<2>,
        (sum, layout): (&mut GradSum, &Layout),
    ) {
        let mut d_output = d_output;
        for (index, layer) in weights.model.layers.iter().enumerate().rev() {
            let Some(input) = self.inputs.pop() else { return };
            let input = input.autodiff().require_grad();
            let output = pass.layer(layer, index, input.clone(), attention);
            // The gradient of this sum with respect to `output` is `d_output`.
            let mut grads = (output * d_output).sum().backward();
            sum.add_part(layout, &format!("model.layers.{index}"), layer, &mut grads);
            let Some(d_input) = input.grad_remove(&mut grads) else { return };
            d_output = d_input;
        }
        let embedded = embed(weights, pass.tokens.clone());
        if embedded.is_tracked() {
            let mut grads = (embedded * d_output).sum().backward();
            let table = &weights.model.embed_tokens;
            sum.add_part(layout, "model.embed_tokens", table, &mut grads);
        }
    }
}
