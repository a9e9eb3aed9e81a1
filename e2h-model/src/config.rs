//! The shape of a decoder, read from and written to the published `config.json`.
//!
//! # Source
//! The `config.json` of Hugging Face `LlamaForCausalLM`, `Qwen2ForCausalLM` and `Qwen3ForCausalLM`, in both
//! of today's forms: `rope_theta` and `rope_scaling` at the top level, or inside `rope_parameters`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{ModelFiles, require_text};
use crate::{Error, Result};

const CONFIG_FILE: &str = "config.json";

/// The architectures that the decoder implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Llama 2/3.x, SmolLM2 and whatever shares their layout.
    Llama,
    /// Qwen2 and Qwen2.5: biases on q, k and v.
    Qwen2,
    /// Qwen3: RMS norms on q and k, explicit head size.
    Qwen3,
}

impl Family {
    fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }
}

/// Rotary frequencies beyond the plain `theta^(-2i/D)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// No scaling.
    Default,
    /// Every frequency is divided by the factor.
    Linear {
        /// How much longer the context becomes.
        factor: f64,
    },
    /// Llama 3.1: low frequencies are divided by the factor, high ones kept, the band between blended.
    Llama3 {
        /// How much longer the context becomes.
        factor: f64,
        /// Wavelengths over `original_context / low_freq_factor` are scaled.
        low_freq_factor: f64,
        /// Wavelengths under `original_context / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context length before scaling, in tokens.
        original_context_tokens: f64,
    },
}

/// The shape of a decoder.
///
/// ```
/// use e2h_model::{Family, ModelConfig};
/// use serde_json::json;
///
/// let published = json!({
///     "model_type": "qwen2", "vocab_size": 1000, "hidden_size": 896, "intermediate_size": 4864,
///     "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
/// });
/// let config = ModelConfig::from_json(published.as_object().cloned().unwrap_or_default())?;
/// // What the file leaves out follows from the rest: 896 / 14, and the biases of the family.
/// assert_eq!((config.family, config.head_dim, config.qkv_bias), (Family::Qwen2, 64, true));
/// assert_eq!(config.to_json()["head_dim"], 64);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Architecture.
    pub family: Family,
    /// V: entries of the vocabulary.
    pub vocab_size: usize,
    /// C: width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// L: number of layers.
    pub n_layers: usize,
    /// H: query heads.
    pub n_heads: usize,
    /// K: key/value heads; divides H.
    pub n_kv_heads: usize,
    /// D: size of a head; even.
    pub head_dim: usize,
    /// Longest sequence, in tokens.
    pub max_positions: usize,
    /// Added to the mean square under the root of RMSNorm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// The head is the embedding matrix.
    pub tied_head: bool,
    /// q, k and v have a bias.
    pub qkv_bias: bool,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// Fields of `config.json` that the decoder does not use; kept when the model is saved.
    pub extra: Map<String, Value>,
}

impl ModelConfig {
    /// About 0.9M parameters: 4 layers of width 128, what a laptop trains in minutes.
    ///
    /// ```
    /// use e2h_model::{Layout, ModelConfig};
    /// // Embeddings and the last norm; in each layer two norms, four square matrices and three of another width.
    /// let (vocab, width, inner) = (100, 128, 384);
    /// let layer = 2 * width + 4 * width * width + 3 * width * inner;
    /// assert_eq!(Layout::new(&ModelConfig::nano(vocab)).n_params(), vocab * width + width + 4 * layer);
    /// ```
    pub fn nano(vocab_size: usize) -> Self {
        Self::small(vocab_size, 128, 4, 4, 4, 384)
    }

    /// About 5M parameters: 6 layers of width 256.
    pub fn micro(vocab_size: usize) -> Self {
        Self::small(vocab_size, 256, 6, 8, 4, 768)
    }

    fn small(
        vocab_size: usize,
        hidden_size: usize,
        n_layers: usize,
        n_heads: usize,
        n_kv_heads: usize,
        intermediate_size: usize,
    ) -> Self {
        Self {
            family: Family::Llama,
            vocab_size,
            hidden_size,
            intermediate_size,
            n_layers,
            n_heads,
            n_kv_heads,
            head_dim: hidden_size / n_heads,
            max_positions: 512,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            rope_scaling: RopeScaling::Default,
            tied_head: true,
            qkv_bias: false,
            initializer_range: 0.02,
            extra: Map::new(),
        }
    }

    /// True for Qwen3, whose q and k pass an RMSNorm a head.
    pub fn qk_norm(&self) -> bool {
        self.family == Family::Qwen3
    }

    /// Width of all query heads together.
    pub fn q_size(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key heads together; the same for values.
    pub fn kv_size(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Rotary frequencies in radians a token, one a pair of channels. `[D / 2]`
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let half = self.head_dim / 2;
        (0..half)
            .map(|i| {
                let plain = self.rope_theta.powf(-((2 * i) as f64) / self.head_dim as f64);
                scaled_frequency(plain, self.rope_scaling)
            })
            .collect()
    }

    /// Reads the `config.json` of a model.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] that names the field at fault.
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let text = require_text(files, CONFIG_FILE)?;
        let path = files.path(CONFIG_FILE);
        let fields = serde_json::from_str::<Map<String, Value>>(&text)
            .map_err(|source| Error::config(&path, format!("is not a JSON object: {source}")))?;
        Self::from_json(fields).map_err(|problem| Error::config(&path, problem))
    }

    /// Reads the fields of a `config.json`; the error says which field is at fault and why.
    ///
    /// # Errors
    /// A sentence for a person.
    pub fn from_json(mut fields: Map<String, Value>) -> std::result::Result<Self, String> {
        let family = match fields.remove("model_type").as_ref().and_then(Value::as_str) {
            Some("llama") => Family::Llama,
            Some("qwen2") => Family::Qwen2,
            Some("qwen3") => Family::Qwen3,
            Some(other) => {
                return Err(format!(
                    "model_type `{other}` is not supported (supported: llama, qwen2, qwen3)"
                ));
            }
            None => return Err("has no `model_type`".to_owned()),
        };
        let mut size = |name: &str| take_size(&mut fields, name);
        let vocab_size = require(size("vocab_size")?, "vocab_size")?;
        let hidden_size = require(size("hidden_size")?, "hidden_size")?;
        let intermediate_size = require(size("intermediate_size")?, "intermediate_size")?;
        let n_layers = require(size("num_hidden_layers")?, "num_hidden_layers")?;
        let n_heads = require(size("num_attention_heads")?, "num_attention_heads")?;
        let n_kv_heads = size("num_key_value_heads")?.unwrap_or(n_heads);
        let head_dim = size("head_dim")?.unwrap_or(hidden_size / n_heads);
        let max_positions = size("max_position_embeddings")?.unwrap_or(2048);
        let rms_norm_eps = fields.remove("rms_norm_eps").and_then(|v| v.as_f64()).unwrap_or(1e-6);
        let (rope_theta, rope_scaling) = take_rope(&mut fields)?;
        let flag = |fields: &mut Map<String, Value>, name: &str| {
            fields.remove(name).and_then(|v| v.as_bool())
        };
        if flag(&mut fields, "mlp_bias") == Some(true) {
            return Err("`mlp_bias` true is not supported".to_owned());
        }
        let attention_bias = flag(&mut fields, "attention_bias");
        if attention_bias == Some(true) && family != Family::Qwen2 {
            return Err("`attention_bias` true is supported for qwen2 only".to_owned());
        }
        if flag(&mut fields, "use_sliding_window") == Some(true) {
            return Err("`use_sliding_window` true is not supported".to_owned());
        }
        let kinds = fields.get("layer_types").and_then(Value::as_array).into_iter().flatten();
        if let Some(kind) = kinds.filter_map(Value::as_str).find(|kind| *kind != "full_attention") {
            return Err(format!(
                "layer type `{kind}` is not supported (supported: full_attention)"
            ));
        }
        let config = Self {
            family,
            vocab_size,
            hidden_size,
            intermediate_size,
            n_layers,
            n_heads,
            n_kv_heads,
            head_dim,
            max_positions,
            rms_norm_eps: rms_norm_eps as f32,
            rope_theta,
            rope_scaling,
            tied_head: flag(&mut fields, "tie_word_embeddings").unwrap_or(false),
            qkv_bias: family == Family::Qwen2,
            initializer_range: fields
                .get("initializer_range")
                .and_then(Value::as_f64)
                .unwrap_or(0.02),
            extra: fields,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if let Some(activation) = self.extra.get("hidden_act").and_then(Value::as_str)
            && activation != "silu"
        {
            return Err(format!("hidden_act `{activation}` is not supported (supported: silu)"));
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(format!(
                "num_attention_heads {} is not a multiple of num_key_value_heads {}",
                self.n_heads, self.n_kv_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!("head_dim {} is odd", self.head_dim));
        }
        Ok(())
    }

    /// The `config.json` of this shape, as transformers and vLLM read it.
    pub fn to_json(&self) -> Value {
        let mut fields = self.extra.clone();
        let mut set = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        set("architectures", Value::from(vec![self.family.architecture()]));
        set("model_type", serde_json::to_value(self.family).unwrap_or_default());
        set("vocab_size", self.vocab_size.into());
        set("hidden_size", self.hidden_size.into());
        set("intermediate_size", self.intermediate_size.into());
        set("num_hidden_layers", self.n_layers.into());
        set("num_attention_heads", self.n_heads.into());
        set("num_key_value_heads", self.n_kv_heads.into());
        set("head_dim", self.head_dim.into());
        set("max_position_embeddings", self.max_positions.into());
        set("hidden_act", "silu".into());
        // Through the decimal form of the f32, so that 1e-5 is written as 1e-5.
        set("rms_norm_eps", self.rms_norm_eps.to_string().parse::<f64>().unwrap_or(1e-6).into());
        set("rope_theta", self.rope_theta.into());
        set("rope_scaling", rope_scaling_json(self.rope_scaling));
        set("tie_word_embeddings", self.tied_head.into());
        set("initializer_range", self.initializer_range.into());
        Value::Object(fields)
    }
}

fn require(value: Option<usize>, name: &str) -> std::result::Result<usize, String> {
    value.ok_or_else(|| format!("has no `{name}`"))
}

fn take_size(
    fields: &mut Map<String, Value>,
    name: &str,
) -> std::result::Result<Option<usize>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n > 0 => Ok(Some(n)),
            _ => Err(format!("`{name}` is {value}, not a positive whole number")),
        },
    }
}

fn take_rope(fields: &mut Map<String, Value>) -> std::result::Result<(f64, RopeScaling), String> {
    let nested = match fields.remove("rope_parameters") {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let part = fields.get("partial_rotary_factor").or_else(|| nested.get("partial_rotary_factor"));
    if let Some(part) = part.and_then(Value::as_f64).filter(|part| *part != 1.0) {
        return Err(format!("`partial_rotary_factor` {part} is not supported (supported: 1)"));
    }
    let theta = fields
        .remove("rope_theta")
        .or_else(|| nested.get("rope_theta").cloned())
        .and_then(|v| v.as_f64())
        .unwrap_or(10_000.0);
    let scaling = match fields.remove("rope_scaling") {
        Some(Value::Object(map)) => map,
        _ => nested,
    };
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
    let number = |name: &str| {
        scaling
            .get(name)
            .and_then(Value::as_f64)
            .ok_or_else(|| format!("rope scaling has no number `{name}`"))
    };
    let scaling = match kind {
        None | Some("default") => RopeScaling::Default,
        Some("linear") => RopeScaling::Linear { factor: number("factor")? },
        Some("llama3") => RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_context_tokens: number("original_max_position_embeddings")?,
        },
        Some(other) => {
            return Err(format!(
                "rope type `{other}` is not supported (supported: default, linear, llama3)"
            ));
        }
    };
    Ok((theta, scaling))
}

fn rope_scaling_json(scaling: RopeScaling) -> Value {
    match scaling {
        RopeScaling::Default => Value::Null,
        RopeScaling::Linear { factor } => {
            serde_json::json!({ "rope_type": "linear", "factor": factor })
        }
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context_tokens,
        } => serde_json::json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_context_tokens as u64,
        }),
    }
}

fn scaled_frequency(plain: f64, scaling: RopeScaling) -> f64 {
    match scaling {
        RopeScaling::Default => plain,
        RopeScaling::Linear { factor } => plain / factor,
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context_tokens,
        } => {
            let wavelength = std::f64::consts::TAU / plain;
            if wavelength < original_context_tokens / high_freq_factor {
                plain
            } else if wavelength > original_context_tokens / low_freq_factor {
                plain / factor
            } else {
                let blend = (original_context_tokens / wavelength - low_freq_factor)
                    / (high_freq_factor - low_freq_factor);
                (1.0 - blend) * plain / factor + blend * plain
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<ModelConfig, String> {
        ModelConfig::from_json(serde_json::from_str(text).expect("a JSON object"))
    }

    #[test]
    fn presets_survive_the_round_trip_through_json() {
        for config in [ModelConfig::nano(130), ModelConfig::micro(300)] {
            let Value::Object(fields) = config.to_json() else { panic!("an object") };
            let mut again = ModelConfig::from_json(fields).expect("readable");
            again.extra.clear();
            assert_eq!(again, config);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let check = |text: &str, expect: &str| {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expect), "{error}");
        };
        check(r#"{"model_type":"mamba"}"#, "`mamba`");
        check(r#"{"model_type":"llama"}"#, "`vocab_size`");
        check(r#"{"model_type":"llama","vocab_size":-1}"#, "`vocab_size` is -1");
        let base = r#""vocab_size":8,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1"#;
        check(
            &format!(
                r#"{{"model_type":"llama",{base},"num_attention_heads":3,"num_key_value_heads":2}}"#
            ),
            "not a multiple",
        );
        check(
            &format!(
                r#"{{"model_type":"llama",{base},"num_attention_heads":2,"rope_scaling":{{"rope_type":"yarn"}}}}"#
            ),
            "`yarn`",
        );
    }

    #[test]
    fn rope_parameters_in_the_nested_form_are_read() {
        let text = r#"{"model_type":"qwen3","vocab_size":8,"hidden_size":8,"intermediate_size":8,
            "num_hidden_layers":1,"num_attention_heads":2,"head_dim":6,
            "rope_parameters":{"rope_theta":5000.0,"rope_type":"linear","factor":2.0}}"#;
        let config = parse(text).expect("readable");
        assert_eq!(config.rope_theta, 5000.0);
        assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 2.0 });
        assert_eq!(config.rope_frequencies()[0], 0.5);
        assert_eq!(config.head_dim, 6);
    }
}
