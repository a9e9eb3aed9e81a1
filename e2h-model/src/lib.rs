//! The model engine: a decoder-only transformer of the Llama and Qwen families.
mod batch;
mod burn_engine;
mod checkpoint;
mod config;
mod cpu;
mod engine;
mod error;
mod generate;
mod language_model;
mod model;
mod optim;
mod params;
mod sampler;
mod template;

pub use batch::Group;
pub use burn_engine::{BurnDecoder, DeviceChoice, Precision, device};
pub use checkpoint::WeightFormat;
pub use config::{Family, ModelConfig, RopeScaling};
pub use engine::Engine;
pub use error::{Error, Result};
pub use generate::StopRule;
pub use language_model::{LanguageModel, STOP_STRING, TextCodec};
pub use model::{Model, TokenGrads, TokenStats};
pub use optim::{AdamW, AdamWConfig, clip_global_norm, global_norm};
pub use params::{Layout, TensorSpec};
pub use template::{ChatTemplate, PLAIN_TEMPLATE};
