//! A value head: what return the decoder expects from a token on, read off its final hidden state.
//!
//! `v = w . h + b`, with `h` the hidden state after the final norm, the one that the token's log-prob comes from. A
//! fresh head is zero, so every value is 0 and the first backward pass moves the head alone.
//!
//! # Source
//! The value model of RLHF (Ouyang et al. 2022, section 3.5) as a head on the policy's own decoder. The file and its
//! tensor names, `v_head.summary.weight` and `.bias`, are those that TRL's value-head models and LLaMA-Factory use.
//!
//! # Invariants
//! - The head is no part of the model's own files: other tools open a checkpoint without knowing it.

use std::path::Path;

use e2h_core::write_atomic;
use safetensors::tensor::SafeTensors;

use crate::checkpoint::{decode, to_safetensors};
use crate::params::{Layout, LayoutBuilder};
use crate::{Error, Result, TokenGrads, WeightFormat};

/// A linear head with one output. The weights and the bias lie end to end in one flat buffer.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Group, Model, ModelConfig, ValueHead};
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(5) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
///
/// let groups = [Group { prompt: &[1], completions: vec![&[2, 3][..], &[4]] }];
/// let mut head = ValueHead::new(16);
/// assert_eq!(model.values(&groups, 1000, &head)?, [vec![0.0, 0.0], vec![0.0]]);
/// // The bias is the last parameter.
/// head.update_params(|_, params| params[16] = 0.5);
/// assert_eq!(model.values(&groups, 1000, &head)?, [vec![0.5, 0.5], vec![0.5]]);
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ValueHead {
    layout: Layout,
    params: Vec<f32>,
}

/// Gradient of a loss with respect to the log-probs, entropies and values of some tokens.
#[derive(Clone, Debug)]
pub struct ValuedGrads {
    /// Of log-probs and entropies.
    pub tokens: TokenGrads,
    /// Of values, one entry a token. `[T]`
    pub d_values: Vec<f32>,
}

/// Of a loss that knows no values.
impl From<TokenGrads> for ValuedGrads {
    fn from(tokens: TokenGrads) -> Self {
        Self { tokens, d_values: Vec::new() }
    }
}

impl ValueHead {
    /// A head of zeros for a decoder of width `hidden_size`.
    pub fn new(hidden_size: usize) -> Self {
        let mut builder = LayoutBuilder::default();
        builder.add("v_head.summary.weight".to_owned(), &[1, hidden_size]);
        builder.add("v_head.summary.bias".to_owned(), &[1]);
        let layout = builder.finish();
        Self { params: vec![0.0; layout.n_params()], layout }
    }

    /// C, the width of the decoder.
    pub fn width(&self) -> usize {
        self.params.len() - 1
    }

    /// Names and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The parameters: C weights, then the bias.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// Lets `update`, for example an optimiser, change the parameters.
    pub fn update_params(&mut self, update: impl FnOnce(&Layout, &mut [f32])) {
        update(&self.layout, &mut self.params);
    }

    /// w
    pub(crate) fn weight(&self) -> &[f32] {
        &self.params[..self.width()]
    }

    /// b
    pub(crate) fn bias(&self) -> f32 {
        self.params[self.width()]
    }

    /// Saves the head alone, in f32.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Core`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = to_safetensors(&self.layout, &self.params, WeightFormat::F32, "")
            .map_err(|error| Error::config(path, error.to_string()))?;
        Ok(write_atomic(path, &bytes)?)
    }

    /// Loads a head for a decoder of width `hidden_size`.
    ///
    /// # Errors
    /// [`Error::Io`] for a missing file, [`Error::Config`] or [`Error::Tensor`] for one that does not fit.
    pub fn load(path: &Path, hidden_size: usize) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::config(path, format!("is not a safetensors file: {e}")))?;
        let mut head = Self::new(hidden_size);
        for spec in &head.layout.tensors {
            let Ok(view) = file.tensor(&spec.name) else {
                return Err(Error::tensor(path, &spec.name, "is missing"));
            };
            if view.shape() != spec.shape {
                let problem = format!("has shape {:?}, not {:?}", view.shape(), spec.shape);
                return Err(Error::tensor(path, &spec.name, problem));
            }
            decode(&mut head.params[spec.range.clone()], &view)
                .map_err(|problem| Error::tensor(path, &spec.name, problem))?;
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_head_comes_back_and_one_of_another_width_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("value_head.safetensors");
        let mut head = ValueHead::new(3);
        assert_eq!(head.params(), [0.0; 4]);
        head.update_params(|_, params| params.copy_from_slice(&[1.0, 2.0, 3.0, 0.5]));
        assert_eq!((head.weight(), head.bias()), (&[1.0, 2.0, 3.0][..], 0.5));
        head.save(&path).expect("saved");
        assert_eq!(ValueHead::load(&path, 3).expect("loaded").params(), head.params());
        let error = ValueHead::load(&path, 4).expect_err("another width").to_string();
        assert!(error.contains("v_head.summary.weight` has shape [1, 3], not [1, 4]"), "{error}");
    }
}
