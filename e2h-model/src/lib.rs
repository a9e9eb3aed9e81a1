//! The model engine: a decoder-only transformer of the Llama and Qwen families.
//!
//! A [`LanguageModel`] is a decoder behind the trait [`Engine`] with its [`TextCodec`]; [`LanguageModel::load`] opens a
//! folder in the Hugging Face layout, and [`LanguageModel::save`] writes one.
//!
//! ```
//! use e2h_core::{GenerateRequest, Policy, Prompt, RootSeed, Sampling};
//! use e2h_model::{LanguageModel, Model, ModelConfig, TextCodec};
//!
//! // A small decoder with random weights, over a vocabulary of words.
//! let words = ["say", "</answer>", "1", "2"].map(str::to_owned);
//! let text = TextCodec::word_level(&words)?;
//! let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
//!     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
//! let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
//! let mut policy = LanguageModel::new(model, text)?;
//!
//! // Two samples of the same prompt, each from a random stream of its own.
//! let prompt = Prompt { system: None, user: "say 1".into(), assistant_prefix: String::new() };
//! let streams = (0..2).map(|sample| RootSeed(0).stream("doc", &[sample])).collect();
//! let request = GenerateRequest { prompt: policy.encode(&prompt)?, streams };
//! let sampling = Sampling { max_tokens: 4, ..Sampling::default() };
//! let samples = policy.generate(vec![request], &sampling)?;
//! assert_eq!(samples[0].len(), 2);
//! assert!(samples[0].iter().all(|sample| sample.tokens.len() <= 4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod adapter;
mod batch;
mod burn_engine;
mod checkpoint;
mod config;
mod cpu;
mod engine;
mod error;
mod files;
mod generate;
#[cfg(feature = "hub")]
mod hub;
mod language_model;
mod memory;
mod model;
mod optim;
mod params;
mod peft;
mod sampler;
mod template;
mod text;
mod value_head;
mod workload;

pub use adapter::{Adapter, LoraConfig, Projection};
pub use batch::Group;
pub use burn_engine::{
    BurnDecoder, DeviceChoice, LimitSizes, Limits, Pace, Precision, device, limits,
};
pub use checkpoint::WeightFormat;
pub use config::{Family, ModelConfig, RopeScaling};
pub use engine::Engine;
pub use error::{Error, Result};
pub use files::{EmbeddedModel, FileBytes, ModelFiles};
pub use generate::StopRule;
#[cfg(feature = "hub")]
pub use hub::hub_folder;
pub use language_model::LanguageModel;
pub use model::{Model, TokenGrads, TokenStats};
pub use optim::{AdamW, AdamWConfig, clip_global_norm, global_norm};
pub use params::{Layout, TensorSpec};
pub use peft::{ADAPTER_CONFIG_FILE, ADAPTER_FILE, PeftConfig};
pub use template::{ChatTemplate, Message, PLAIN_TEMPLATE};
pub use text::{STOP_STRING, TextCodec, TextStream};
pub use value_head::{ValueHead, ValuedGrads};
pub use workload::Workload;
