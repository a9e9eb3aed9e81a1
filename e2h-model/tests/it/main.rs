//! Integration tests of the model engine.

mod burn_engine;
mod examples;
mod generation;
mod goldens;
mod loading;
mod lora;
mod small;
mod templates;
