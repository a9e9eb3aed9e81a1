//! A decoder with its tokenizer: what continues prompts.

use std::path::Path;

use e2h_core::{GenerateRequest, Generation, Policy, Prompt, Sampling, TokenId};

use crate::checkpoint::save_weights;
use crate::files::ModelFiles;
use crate::params::Layout;
use crate::peft::ADAPTER_CONFIG_FILE;
use crate::{
    Adapter, BurnDecoder, DeviceChoice, Engine, Error, Model, Precision, Result, TextCodec,
    WeightFormat,
};

/// A decoder with its tokenizer and chat template.
///
/// ```
/// use e2h_core::{Policy, Prompt, RootSeed};
/// use e2h_model::{LanguageModel, Model, ModelConfig, TextCodec, WeightFormat};
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path();
///
/// let text = TextCodec::word_level(&["say", "one", "two"].map(str::to_owned))?;
/// let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
///     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
/// let policy = LanguageModel::new(Model::new(shape, &mut RootSeed(0).stream("init", &[])), text)?;
/// policy.save(folder, WeightFormat::F32)?;
/// // What was saved has the same words and the same weights.
/// let loaded = LanguageModel::load(folder)?;
/// let prompt = Prompt { system: None, user: "say two".into(), assistant_prefix: String::new() };
/// let tokens = loaded.encode(&prompt)?;
/// assert_eq!(loaded.decode(&tokens)?, "say two");
/// assert_eq!(loaded.engine().logits(&tokens)?, policy.engine().logits(&tokens)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LanguageModel {
    engine: Box<dyn Engine>,
    text: TextCodec,
    /// What an adapter is for, as the user names it.
    base: Option<String>,
}

impl LanguageModel {
    /// Puts a decoder and its tokenizer together, on the fused CPU engine.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer has more tokens than the decoder.
    pub fn new(model: Model, text: TextCodec) -> Result<Self> {
        let (tokens, rows) = (text.vocab_size(), model.config().vocab_size);
        if tokens > rows {
            return Err(Error::Tokenizer(format!("has {tokens} tokens, but the model {rows}")));
        }
        Ok(Self { engine: Box::new(model), text, base: None })
    }

    /// Loads a model in the Hugging Face layout, on the fused CPU engine.
    ///
    /// # Errors
    /// As [`Model::load`] and [`TextCodec::load`].
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        Self::new(Model::load(files)?, TextCodec::load(files)?)
    }

    /// Moves the decoder to the burn engine on `device`; see [`BurnDecoder::with_gradient_checkpointing`].
    ///
    /// # Errors
    /// [`Error::Device`] when the device cannot take it.
    pub fn on_burn(
        self,
        device: &DeviceChoice,
        precision: Precision,
        gradient_checkpointing: bool,
    ) -> Result<Self> {
        let Self { engine, text, base } = self;
        let (config, weights, adapter) = engine.into_parts();
        let engine = BurnDecoder::new(config, weights, &device.device, precision)?;
        let mut engine = engine.with_gradient_checkpointing(gradient_checkpointing);
        if adapter.is_some() {
            engine.set_adapter(adapter);
        }
        Ok(Self { engine: Box::new(engine), text, base })
    }

    /// Freezes the weights and puts an adapter beside them; `base` is how the user names the model.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    #[must_use]
    pub fn with_adapter(mut self, adapter: Adapter, base: &str) -> Self {
        self.engine.set_adapter(Some(adapter));
        self.base = Some(base.to_owned());
        self
    }

    /// Saves a folder that other tools open: an adapter in PEFT's layout where there is one, else a model in the
    /// Hugging Face layout.
    ///
    /// # Errors
    /// As [`Model::save`], [`Adapter::save`] and [`TextCodec::save`].
    pub fn save(&self, folder: &Path, format: WeightFormat) -> Result<()> {
        match self.engine.adapter() {
            Some(adapter) => adapter.save(folder, self.base.as_deref(), format)?,
            None => save_weights(self.engine.config(), self.engine.weights(), folder, format)?,
        }
        self.text.save(folder)
    }

    /// Takes up what [`Self::save`] has written for the same decoder: the adapter where there is one, else the
    /// weights.
    ///
    /// # Errors
    /// As [`Model::load`] and [`Adapter::load`]; [`Error::Config`] when the shape is another.
    pub fn restore(&mut self, folder: &Path) -> Result<()> {
        let engine = self.engine.as_mut();
        let saved = match engine.adapter() {
            Some(own) => {
                let saved = Adapter::load(folder, engine.config())?;
                if saved.config() != own.config() {
                    let problem = "is of an adapter with other settings";
                    return Err(Error::config(&folder.join(ADAPTER_CONFIG_FILE), problem));
                }
                saved.params().to_vec()
            }
            None => {
                let saved = Model::load(folder)?;
                if Layout::new(saved.config()).tensors != engine.layout().tensors {
                    let problem = "is of a model of another shape";
                    return Err(Error::config(&folder.join("config.json"), problem));
                }
                saved.weights().to_vec()
            }
        };
        engine.update_params(&mut |_, params| params.copy_from_slice(&saved));
        Ok(())
    }

    /// The decoder.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// The decoder, to change its weights.
    pub fn engine_mut(&mut self) -> &mut dyn Engine {
        self.engine.as_mut()
    }

    /// The decoder alone.
    pub fn into_engine(self) -> Box<dyn Engine> {
        self.engine
    }

    /// The tokenizer and its template.
    pub fn text(&self) -> &TextCodec {
        &self.text
    }

    /// The tokenizer and its template, to change its stop strings.
    pub fn text_mut(&mut self) -> &mut TextCodec {
        &mut self.text
    }
}

impl From<Error> for e2h_core::Error {
    fn from(error: Error) -> Self {
        Self::Policy(error.to_string())
    }
}

impl Policy for LanguageModel {
    fn encode(&self, prompt: &Prompt) -> e2h_core::Result<Vec<TokenId>> {
        Ok(self.text.encode_prompt(prompt)?)
    }

    fn decode(&self, tokens: &[TokenId]) -> e2h_core::Result<String> {
        Ok(self.text.decode_completion(tokens)?)
    }

    fn generate(
        &mut self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
    ) -> e2h_core::Result<Vec<Vec<Generation>>> {
        let text = &self.text;
        Ok(self.engine.generate(requests, sampling, &|tokens: &[TokenId]| text.stop(tokens))?)
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;
    use crate::ModelConfig;

    fn words() -> Vec<String> {
        ["<think>", "</think>", "<answer>", "</answer>", "1", "+", "2"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_saved_model_folder_loads_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let codec = TextCodec::word_level(&words()).expect("a tokenizer");
        let config = ModelConfig::nano(codec.vocab_size());
        let model = Model::new(config, &mut RootSeed(1).stream("init", &[]));
        let saved = LanguageModel::new(model, codec).expect("they fit");
        saved.save(folder.path(), WeightFormat::F32).expect("saved");
        let loaded = LanguageModel::load(folder.path()).expect("loaded");
        assert_eq!(saved.engine().params(), loaded.engine().params());
        let prompt =
            Prompt { system: None, user: "1 + 2".into(), assistant_prefix: "<think>".into() };
        assert_eq!(
            saved.text().encode_prompt(&prompt).expect("encoded"),
            loaded.text().encode_prompt(&prompt).expect("encoded")
        );
        assert_eq!(loaded.text().eos(), saved.text().eos());
    }
}
