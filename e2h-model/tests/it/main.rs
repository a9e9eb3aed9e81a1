//! Integration tests of the model engine.

mod burn_engine;
mod goldens;
mod lora;
