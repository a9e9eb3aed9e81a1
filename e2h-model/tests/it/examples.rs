//! The example that shows this crate alone runs.

#[path = "../../examples/own_model.rs"]
mod own_model;

#[test]
fn a_model_of_ones_own_speaks() {
    own_model::main().expect("it runs");
}
