//! The example that shows this crate alone runs, and learns.

#[path = "../../examples/train_own.rs"]
mod train_own;

#[test]
fn a_task_and_a_curriculum_of_ones_own_are_learned() {
    train_own::main().expect("it runs, and ends with its own check");
}
