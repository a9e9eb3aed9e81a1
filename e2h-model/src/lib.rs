//! The model engine: a decoder-only transformer of the Llama and Qwen families.
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
