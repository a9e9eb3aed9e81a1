//! A decoder with its tokenizer: what continues prompts.

use std::path::Path;

use e2h_core::{
    FinishReason, GenerateRequest, Generation, Policy, Prompt, Sampling, TokenId, write_atomic,
};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::checkpoint::save_weights;
use crate::files::{ModelFiles, read_text, require_text};
use crate::params::Layout;
use crate::peft::ADAPTER_CONFIG_FILE;
use crate::template::{ChatTemplate, PLAIN_TEMPLATE};
use crate::{
    Adapter, BurnDecoder, DeviceChoice, Engine, Error, Model, Precision, Result, WeightFormat,
};

/// The text that ends every completion; it is kept.
pub const STOP_STRING: &str = "</answer>";

/// How many tokens at the end of a completion are decoded to look for the stop string.
const STOP_WINDOW: usize = 16;

const EOS: &str = "<eos>";
const UNKNOWN: &str = "<unk>";

const TOKENIZER_FILE: &str = "tokenizer.json";
const CONFIG_FILE: &str = "tokenizer_config.json";
const GENERATION_FILE: &str = "generation_config.json";

/// A decoder with its tokenizer and chat template.
pub struct LanguageModel {
    engine: Box<dyn Engine>,
    text: TextCodec,
    /// What an adapter is for, as the user names it.
    base: Option<String>,
}

/// Everything about a model that is not weights: tokenizer, template, end tokens.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    eos: Vec<TokenId>,
    /// By token: the token can hold the last character of the stop string.
    may_stop: Vec<bool>,
}

impl TextCodec {
    /// A word-level tokenizer over `words`, which are separated by white space.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the words do not make a tokenizer.
    pub fn word_level(words: &[String]) -> Result<Self> {
        let special = [UNKNOWN.to_owned(), EOS.to_owned()];
        let vocab: serde_json::Map<String, Value> = special
            .iter()
            .chain(words)
            .enumerate()
            .map(|(id, word)| (word.clone(), json!(id)))
            .collect();
        if vocab.len() != words.len() + special.len() {
            return Err(Error::Tokenizer("the vocabulary holds a word twice".to_owned()));
        }
        let added: Vec<Value> = special
            .iter()
            .enumerate()
            .map(|(id, word)| {
                json!({"id": id, "content": word, "single_word": false, "lstrip": false,
                       "rstrip": false, "normalized": false, "special": true})
            })
            .collect();
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN},
        });
        let tokenizer = Tokenizer::from_bytes(file.to_string()).map_err(tokenizer_failure)?;
        let template = ChatTemplate::new(PLAIN_TEMPLATE, "", EOS)?;
        Self::new(tokenizer, template, &[EOS])
    }

    fn new(tokenizer: Tokenizer, template: ChatTemplate, eos: &[&str]) -> Result<Self> {
        let ids = eos.iter().map(|token| {
            tokenizer.token_to_id(token).ok_or_else(|| {
                Error::Tokenizer(format!("end token `{token}` is not in the vocabulary"))
            })
        });
        let eos = ids.collect::<Result<Vec<_>>>()?;
        let last = STOP_STRING.chars().next_back();
        let may_stop = (0..tokenizer.get_vocab_size(true) as TokenId)
            .map(|id| {
                tokenizer
                    .id_to_token(id)
                    .is_some_and(|token| token.chars().any(|c| Some(c) == last))
            })
            .collect();
        Ok(Self { tokenizer, template, eos, may_stop })
    }

    /// Loads `tokenizer.json` and `tokenizer_config.json` of a model.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Config`] or [`Error::Tokenizer`], naming the file.
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let tokenizer =
            Tokenizer::from_bytes(require_text(files, TOKENIZER_FILE)?).map_err(|e| {
                Error::config(&files.path(TOKENIZER_FILE), format!("is not a tokenizer: {e}"))
            })?;
        let text = require_text(files, CONFIG_FILE)?;
        let path = files.path(CONFIG_FILE);
        let config: Value = serde_json::from_str(&text)
            .map_err(|e| Error::config(&path, format!("is not JSON: {e}")))?;
        // A special token stands as text or as an object with its content.
        let token = |key: &str| {
            let value = &config[key];
            value.as_str().or_else(|| value["content"].as_str()).unwrap_or_default().to_owned()
        };
        let source = match read_text(files, "chat_template.jinja")? {
            Some(text) => text,
            None => config["chat_template"].as_str().unwrap_or(PLAIN_TEMPLATE).to_owned(),
        };
        let (bos, eos) = (token("bos_token"), token("eos_token"));
        let template = ChatTemplate::new(&source, &bos, &eos)?;
        let codec = Self::new(tokenizer, template, &[])?;
        let mut ends = generation_eos(files)?;
        ends.extend(codec.tokenizer.token_to_id(&eos));
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return Err(Error::config(&path, "names no `eos_token` of the vocabulary"));
        }
        Ok(Self { eos: ends, ..codec })
    }

    /// Saves what [`Self::load`] reads.
    ///
    /// # Errors
    /// [`Error::Core`] when a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let text = self.tokenizer.to_string(true).map_err(tokenizer_failure)? + "\n";
        write_atomic(&folder.join(TOKENIZER_FILE), text.as_bytes())?;
        let eos = self.eos.first().and_then(|id| self.tokenizer.id_to_token(*id));
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": eos,
            "clean_up_tokenization_spaces": false,
            "chat_template": self.template.source(),
        });
        write_atomic(&folder.join(CONFIG_FILE), pretty(&config).as_bytes())?;
        let generation = json!({"eos_token_id": self.eos});
        write_atomic(&folder.join(GENERATION_FILE), pretty(&generation).as_bytes())?;
        Ok(())
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.may_stop.len()
    }

    /// The first end-of-sequence token.
    pub fn eos(&self) -> TokenId {
        self.eos[0]
    }

    /// The token that stands for words outside the vocabulary, where the tokenizer has one.
    pub fn unknown(&self) -> Option<TokenId> {
        self.tokenizer.token_to_id(UNKNOWN)
    }

    /// Tokens of a rendered prompt.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the template or the tokenizer fails.
    pub fn encode_prompt(&self, prompt: &Prompt) -> Result<Vec<TokenId>> {
        self.encode(&self.template.render(prompt)?)
    }

    /// Tokens of a text; no special token is added.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(tokenizer_failure)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, without special ones.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails.
    pub fn decode(&self, tokens: &[TokenId]) -> Result<String> {
        self.tokenizer.decode(tokens, true).map_err(tokenizer_failure)
    }

    /// Whether a completion has ended: an end token, or the stop string at the end of its text.
    pub fn stop(&self, tokens: &[TokenId]) -> Option<FinishReason> {
        let last = *tokens.last()?;
        if self.eos.contains(&last) {
            return Some(FinishReason::Eos);
        }
        if !self.may_stop.get(last as usize).copied().unwrap_or(false) {
            return None;
        }
        let window = &tokens[tokens.len().saturating_sub(STOP_WINDOW)..];
        let text = self.decode(window).ok()?;
        text.contains(STOP_STRING).then_some(FinishReason::Stop)
    }
}

/// End tokens of `generation_config.json`, a number or a list; none when the file is absent.
fn generation_eos(files: &(impl ModelFiles + ?Sized)) -> Result<Vec<TokenId>> {
    let Some(text) = read_text(files, GENERATION_FILE)? else { return Ok(Vec::new()) };
    let path = files.path(GENERATION_FILE);
    let config: Value = serde_json::from_str(&text)
        .map_err(|e| Error::config(&path, format!("is not JSON: {e}")))?;
    let ids = match &config["eos_token_id"] {
        Value::Array(ids) => ids.clone(),
        Value::Null => Vec::new(),
        id => vec![id.clone()],
    };
    ids.iter()
        .map(|id| {
            id.as_u64()
                .and_then(|id| TokenId::try_from(id).ok())
                .ok_or_else(|| Error::config(&path, format!("`eos_token_id` holds {id}")))
        })
        .collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn tokenizer_failure(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
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

    /// Moves the decoder to the burn engine on `device`.
    ///
    /// # Errors
    /// [`Error::Device`] when the device cannot take it.
    pub fn on_burn(self, device: &DeviceChoice, precision: Precision) -> Result<Self> {
        let (config, weights) = (self.engine.config().clone(), self.engine.weights().to_vec());
        let mut engine = BurnDecoder::new(config, weights, &device.device, precision)?;
        if let Some(adapter) = self.engine.adapter() {
            engine.set_adapter(Some(adapter.clone()));
        }
        Ok(Self { engine: Box::new(engine), ..self })
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
        Ok(self.text.decode(tokens)?)
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
    fn words_survive_the_round_trip_and_unknown_ones_become_unk() {
        let codec = TextCodec::word_level(&words()).expect("a tokenizer");
        let text = "<think> 1 + 2 </think> <answer> 1 + 2 </answer>";
        let ids = codec.encode(text).expect("encoded");
        assert_eq!(ids.len(), 10);
        assert_eq!(codec.decode(&ids).expect("decoded"), text);
        assert_eq!(codec.encode("7").expect("encoded"), [0]);
    }

    #[test]
    fn completions_stop_at_the_answers_end_or_at_eos() {
        let codec = TextCodec::word_level(&words()).expect("a tokenizer");
        let stop = |text: &str| codec.stop(&codec.encode(text).expect("encoded"));
        assert_eq!(stop("1 + 2 </think>"), None);
        assert_eq!(stop("1 </answer>"), Some(FinishReason::Stop));
        assert_eq!(codec.stop(&[5, codec.eos()]), Some(FinishReason::Eos));
    }

    #[test]
    fn a_stop_string_is_found_across_the_borders_of_tokens() {
        let pieces = ["</s>", "</", "answer", ">", ">.", "<", "/ans", "wer", " 7", "an", "swer>\n"];
        let vocab: serde_json::Map<String, Value> =
            pieces.iter().enumerate().map(|(id, piece)| ((*piece).to_owned(), json!(id))).collect();
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "</s>"},
        });
        let tokenizer = Tokenizer::from_bytes(file.to_string()).expect("a tokenizer");
        let template = ChatTemplate::new(PLAIN_TEMPLATE, "", "</s>").expect("a template");
        let codec = TextCodec::new(tokenizer, template, &["</s>"]).expect("a codec");
        for split in [&[1, 2, 3][..], &[1, 2, 4], &[5, 6, 7, 3], &[1, 9, 10]] {
            let tokens: Vec<TokenId> = [&[8; 20], split].concat();
            for n in 1..tokens.len() {
                assert_eq!(codec.stop(&tokens[..n]), None, "{split:?} after {n} tokens");
            }
            assert_eq!(codec.stop(&tokens), Some(FinishReason::Stop), "{split:?}");
        }
        assert_eq!(codec.stop(&[2, 3]), None);
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
