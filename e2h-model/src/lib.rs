//! The model engine: a decoder-only transformer of the Llama and Qwen families.
mod batch;
mod checkpoint;
mod config;
mod cpu;
mod error;
mod generate;
mod model;
mod params;
mod sampler;

pub use batch::Group;
pub use checkpoint::WeightFormat;
pub use config::{Family, ModelConfig, RopeScaling};
pub use error::{Error, Result};
pub use generate::StopRule;
pub use model::{Model, TokenGrads, TokenStats};
pub use params::{Layout, TensorSpec};
