//! The examples that show this crate alone run.

#[path = "../../examples/custom_task.rs"]
mod custom_task;

#[test]
fn a_task_of_ones_own_takes_under_60_lines_and_runs() {
    let n_lines = include_str!("../../examples/custom_task.rs").lines().count();
    assert!(n_lines < 60, "{n_lines} lines");
    custom_task::main().expect("it runs");
}
