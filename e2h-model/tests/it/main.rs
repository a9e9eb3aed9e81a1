//! Integration tests of the model engine.

mod goldens;
