//! The model engine: a decoder-only transformer of the Llama and Qwen families.
mod batch;
mod checkpoint;
mod config;
mod cpu;
mod error;
mod model;
mod params;

pub use batch::Group;
pub use checkpoint::WeightFormat;
pub use config::{Family, ModelConfig, RopeScaling};
pub use error::{Error, Result};
pub use model::{Model, TokenGrads, TokenStats};
pub use params::{Layout, TensorSpec};
