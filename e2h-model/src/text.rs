//! Text and tokens of a model: its tokenizer, chat template, end tokens and stop strings.
//!
//! # Source
//! The files of transformers: `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja` and
//! `generation_config.json`. As there, no special token is added to a rendered prompt: the template has written them.

use std::path::Path;

use e2h_core::{FinishReason, Prompt, TokenId, write_atomic};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::files::{ModelFiles, read_text, require_text};
use crate::template::{ChatTemplate, PLAIN_TEMPLATE};
use crate::{Error, Result};

/// The text that ends every completion of a task; it is kept.
pub const STOP_STRING: &str = "</answer>";

/// How many tokens at the end of a completion are decoded at least to look for a stop string; special tokens have no
/// text, all others at least a byte.
const STOP_WINDOW: usize = 16;

/// Tokens that a stream decodes anew at most.
const STREAM_WINDOW: usize = 64;

const EOS: &str = "<eos>";
const UNKNOWN: &str = "<unk>";

const TOKENIZER_FILE: &str = "tokenizer.json";
const CONFIG_FILE: &str = "tokenizer_config.json";
const TEMPLATE_FILE: &str = "chat_template.jinja";
const GENERATION_FILE: &str = "generation_config.json";

/// Everything about a model that is not weights: tokenizer, template, end tokens.
#[derive(Debug)]
pub struct TextCodec {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    eos: Vec<TokenId>,
    pad: Option<TokenId>,
    stops: Vec<String>,
    /// How many tokens at the end of a completion can hold a stop string.
    stop_window: usize,
    /// By token: the token can hold the last character of a stop string.
    may_stop: Vec<bool>,
    /// The files that it was loaded from, name and text; they are saved as they were.
    files: Vec<(&'static str, String)>,
}

impl TextCodec {
    /// A word-level tokenizer over `words`, which are separated by white space.
    ///
    /// ```
    /// use e2h_model::TextCodec;
    /// let text = TextCodec::word_level(&["left".to_owned(), "right".to_owned()])?;
    /// let ids = text.encode("left right left")?;
    /// assert_eq!(ids.len(), 3);
    /// assert_eq!(text.decode(&ids)?, "left right left");
    /// # Ok::<(), e2h_model::Error>(())
    /// ```
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
        let n_tokens = id_space(&tokenizer);
        let mut codec = Self {
            tokenizer,
            template,
            eos,
            pad: None,
            stops: Vec::new(),
            stop_window: STOP_WINDOW,
            may_stop: vec![false; n_tokens],
            files: Vec::new(),
        };
        codec.set_stops(vec![STOP_STRING.to_owned()]);
        Ok(codec)
    }

    /// Sets the texts that end a completion; each is kept at its end. `</answer>` at first.
    ///
    /// ```
    /// use e2h_core::FinishReason;
    /// use e2h_model::TextCodec;
    /// let mut text = TextCodec::word_level(&["one", "two", "three"].map(str::to_owned))?;
    /// text.set_stops(vec!["two".to_owned()]);
    /// let tokens = text.encode("one two three")?;
    /// assert_eq!((text.stop(&tokens[..1]), text.stop(&tokens[..2])), (None, Some(FinishReason::Stop)));
    /// assert_eq!(text.decode_completion(&tokens)?, "one two");
    /// # Ok::<(), e2h_model::Error>(())
    /// ```
    pub fn set_stops(&mut self, stops: Vec<String>) {
        let last: Vec<char> = stops.iter().filter_map(|stop| stop.chars().next_back()).collect();
        // A token is stored in a form that leaves letters, digits and ASCII signs alone only.
        let plain = last.iter().all(char::is_ascii_graphic);
        let n_tokens = self.may_stop.len() as TokenId;
        self.may_stop = (0..n_tokens)
            .map(|id| match self.tokenizer.id_to_token(id) {
                Some(token) if plain => {
                    // `<0x41>` stands for a byte.
                    token.starts_with("<0x") || token.chars().any(|c| last.contains(&c))
                }
                token => token.is_some() && !last.is_empty(),
            })
            .collect();
        let longest = stops.iter().map(String::len).max().unwrap_or(0);
        self.stop_window = STOP_WINDOW.max(2 * longest);
        self.stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
    }

    /// The texts that end a completion.
    pub fn stops(&self) -> &[String] {
        &self.stops
    }

    /// Loads `tokenizer.json` and `tokenizer_config.json` of a model.
    ///
    /// The template is that of `chat_template.jinja` where it is there. End tokens are those of
    /// `generation_config.json` and the tokenizer's own.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Config`] or [`Error::Tokenizer`], naming the file.
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let json = require_text(files, TOKENIZER_FILE)?;
        let mut tokenizer = Tokenizer::from_bytes(&json).map_err(|e| {
            Error::config(&files.path(TOKENIZER_FILE), format!("is not a tokenizer: {e}"))
        })?;
        // What a file says of batches is not meant for prompts of a trainer.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(tokenizer_failure)?;
        let text = require_text(files, CONFIG_FILE)?;
        let path = files.path(CONFIG_FILE);
        let config: Value = serde_json::from_str(&text)
            .map_err(|e| Error::config(&path, format!("is not JSON: {e}")))?;
        // A special token stands as text or as an object with its content.
        let token = |key: &str| {
            let value = &config[key];
            value.as_str().or_else(|| value["content"].as_str()).unwrap_or_default().to_owned()
        };
        let jinja = read_text(files, TEMPLATE_FILE)?;
        let source = jinja.clone().or_else(|| template_of(&config["chat_template"]));
        let source = source.unwrap_or_else(|| PLAIN_TEMPLATE.to_owned());
        let (bos, eos) = (token("bos_token"), token("eos_token"));
        let template = ChatTemplate::new(&source, &bos, &eos)?;
        let generation = GenerationConfig::load(files)?;
        let mut codec = Self::new(tokenizer, template, &[])?;
        codec.eos = generation.eos;
        if let Some(own) = codec.tokenizer.token_to_id(&eos)
            && !codec.eos.contains(&own)
        {
            codec.eos.push(own);
        }
        if codec.eos.is_empty() {
            return Err(Error::config(&path, "names no `eos_token` of the vocabulary"));
        }
        codec.pad = generation.pad.or_else(|| codec.tokenizer.token_to_id(&token("pad_token")));
        codec.files = vec![(TOKENIZER_FILE, json), (CONFIG_FILE, text)];
        codec.files.extend(jinja.map(|text| (TEMPLATE_FILE, text)));
        codec.files.extend(generation.text.map(|text| (GENERATION_FILE, text)));
        Ok(codec)
    }

    /// Saves what [`Self::load`] reads; files that it was loaded from are written as they were.
    ///
    /// # Errors
    /// [`Error::Core`] when a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        for (name, text) in &self.files {
            write_atomic(&folder.join(name), text.as_bytes())?;
        }
        if !self.files.is_empty() {
            return Ok(());
        }
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

    /// Every end-of-sequence token.
    pub fn all_eos(&self) -> &[TokenId] {
        &self.eos
    }

    /// The token that fills up batches; the end token where the model names none.
    pub fn pad(&self) -> TokenId {
        self.pad.unwrap_or(self.eos[0])
    }

    /// The text form of a token.
    pub fn token(&self, id: TokenId) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The chat template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
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

    /// The text of a completion: as [`Self::decode`], but nothing behind a stop string. A token that ends a stop string
    /// can hold more.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails.
    pub fn decode_completion(&self, tokens: &[TokenId]) -> Result<String> {
        let mut text = self.decode(tokens)?;
        let ends = self.stops.iter().filter_map(|stop| Some(text.find(stop)? + stop.len()));
        if let Some(end) = ends.min() {
            text.truncate(end);
        }
        Ok(text)
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
        let window = &tokens[tokens.len().saturating_sub(self.stop_window)..];
        let text = self.decode(window).ok()?;
        let ended = self.stops.iter().any(|stop| text.contains(stop.as_str()));
        ended.then_some(FinishReason::Stop)
    }

    /// A reader of a completion that grows token by token.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream { codec: self, tokens: Vec::new(), start: 0, shown: 0 }
    }
}

/// Text of a completion while it grows: what later tokens could still change is held back.
///
/// Characters can spread over tokens, so a text that ends within one waits for the rest of it.
///
/// ```
/// use e2h_model::TextCodec;
/// let text = TextCodec::word_level(&["one", "two"].map(str::to_owned))?;
/// let mut stream = text.stream();
/// let parts = text.encode("one two")?.into_iter().map(|token| stream.push(token));
/// assert_eq!(parts.collect::<Result<Vec<_>, _>>()?, ["one", " two"]);
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Debug)]
pub struct TextStream<'a> {
    codec: &'a TextCodec,
    tokens: Vec<TokenId>,
    /// The first token that is decoded anew; all text of those before it has been given out.
    start: usize,
    /// Bytes of the text since `start` that have been given out.
    shown: usize,
}

impl TextStream<'_> {
    /// Takes the next token and returns the text that is certain now.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails.
    pub fn push(&mut self, token: TokenId) -> Result<String> {
        self.tokens.push(token);
        let text = self.codec.decode(&self.tokens[self.start..])?;
        if text.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let new = text.get(self.shown..).unwrap_or_default().to_owned();
        self.shown = text.len();
        // From time to time the window is cut, so that a long text costs no more than its length. One token stays
        // for the tokenizers that treat the first token of a text in their own way; it must be whole characters.
        let last = self.tokens.len() - 1;
        if last - self.start >= STREAM_WINDOW {
            let alone = self.codec.decode(&self.tokens[last..])?;
            if !alone.contains('\u{fffd}') {
                (self.start, self.shown) = (last, alone.len());
            }
        }
        Ok(new)
    }

    /// The text that was held back, when no token comes any more.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer fails.
    pub fn finish(self) -> Result<String> {
        let text = self.codec.decode(&self.tokens[self.start..])?;
        Ok(text.get(self.shown..).unwrap_or_default().to_owned())
    }
}

/// One more than the largest token id.
fn id_space(tokenizer: &Tokenizer) -> usize {
    let ids = tokenizer.get_vocab(true).into_values();
    ids.max().map_or(0, |id| id as usize + 1)
}

/// A chat template in `tokenizer_config.json`: a text, or a list of named ones of which `default` is taken.
fn template_of(field: &Value) -> Option<String> {
    let named = || {
        let all = field.as_array()?;
        let default = all.iter().find(|entry| entry["name"] == "default");
        default.or_else(|| all.first())?["template"].as_str()
    };
    field.as_str().or_else(named).map(str::to_owned)
}

/// What `generation_config.json` says; nothing when the file is absent.
#[derive(Default)]
struct GenerationConfig {
    eos: Vec<TokenId>,
    pad: Option<TokenId>,
    text: Option<String>,
}

impl GenerationConfig {
    fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let Some(text) = read_text(files, GENERATION_FILE)? else { return Ok(Self::default()) };
        let path = files.path(GENERATION_FILE);
        let config: Value = serde_json::from_str(&text)
            .map_err(|e| Error::config(&path, format!("is not JSON: {e}")))?;
        let ids = |key: &str| {
            let ids = match &config[key] {
                Value::Array(ids) => ids.clone(),
                Value::Null => Vec::new(),
                id => vec![id.clone()],
            };
            let id = |id: &Value| id.as_u64().and_then(|id| TokenId::try_from(id).ok());
            ids.iter()
                .map(|value| {
                    id(value).ok_or_else(|| Error::config(&path, format!("`{key}` holds {value}")))
                })
                .collect::<Result<Vec<_>>>()
        };
        let (eos, pad) = (ids("eos_token_id")?, ids("pad_token_id")?.first().copied());
        Ok(Self { eos, pad, text: Some(text) })
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn tokenizer_failure(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let text = codec.decode_completion(&tokens).expect("decoded");
            assert!(text.ends_with("7</answer>"), "what a token adds behind it is cut: {text}");
        }
        assert_eq!(codec.stop(&[2, 3]), None);
    }

    /// A tokenizer of single bytes, in which letters outside ASCII are several tokens.
    fn bytes() -> TextCodec {
        let mut vocab: serde_json::Map<String, Value> =
            (0..=255_u32).map(|byte| (format!("<0x{byte:02X}>"), json!(byte))).collect();
        vocab.insert("<eos>".to_owned(), json!(256));
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true},
        });
        let tokenizer = Tokenizer::from_bytes(file.to_string()).expect("a tokenizer");
        let template = ChatTemplate::new(PLAIN_TEMPLATE, "", EOS).expect("a template");
        TextCodec::new(tokenizer, template, &[EOS]).expect("they fit")
    }

    #[test]
    fn a_stream_gives_out_whole_characters_and_all_of_the_text() {
        let codec = bytes();
        let text = "größe → 8 € ".repeat(20);
        let mut stream = codec.stream();
        let mut got = String::new();
        for byte in text.bytes() {
            let piece = stream.push(TokenId::from(byte)).expect("decodes");
            assert!(!piece.contains('\u{fffd}'), "{piece:?}");
            got += &piece;
        }
        got += &stream.finish().expect("decodes");
        assert_eq!(got, text);
        let mut cut = codec.stream();
        assert_eq!(cut.push(0xe2).expect("decodes"), "");
        assert_eq!(cut.finish().expect("decodes"), "\u{fffd}");
    }

    #[test]
    fn stop_strings_may_be_changed() {
        let mut codec = bytes();
        let ids = |text: &str| text.bytes().map(TokenId::from).collect::<Vec<_>>();
        assert_eq!(codec.stop(&ids("5 </answer")), None);
        assert_eq!(codec.stop(&ids("5 </answer>")), Some(FinishReason::Stop));
        let long = "a sentence that takes more tokens than are looked at for short ones.";
        codec.set_stops(vec![long.to_owned()]);
        assert_eq!(codec.stop(&ids(long)), Some(FinishReason::Stop));
        assert_eq!(codec.stop(&ids(&long[1..])), None);
        codec.set_stops(vec!["END".to_owned(), "ü".to_owned()]);
        assert_eq!(codec.stop(&ids("5 </answer>")), None);
        assert_eq!(codec.stop(&ids("the END")), Some(FinishReason::Stop));
        codec.set_stops(Vec::new());
        assert_eq!(codec.stop(&ids("the END")), None);
        assert_eq!(codec.stop(&[256]), Some(FinishReason::Eos));
    }

    #[test]
    fn the_files_of_a_model_are_saved_as_they_were() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        TextCodec::word_level(&words()).expect("a tokenizer").save(folder.path()).expect("saved");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write(TEMPLATE_FILE, "{{ bos_token }}{{ messages[0].content }}");
        write(GENERATION_FILE, r#"{"eos_token_id": [5, 4], "pad_token_id": 3}"#);
        let codec = TextCodec::load(folder.path()).expect("loaded");
        assert_eq!((codec.all_eos(), codec.pad()), (&[5, 4, 1][..], 3));
        let other = tempfile::tempdir().expect("a temporary folder");
        codec.save(other.path()).expect("saved");
        for name in [TOKENIZER_FILE, CONFIG_FILE, TEMPLATE_FILE, GENERATION_FILE] {
            let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).expect("there");
            assert_eq!(read(folder.path()), read(other.path()), "{name}");
        }
    }
}
