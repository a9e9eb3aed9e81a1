//! The example of this crate runs.

#[path = "../../examples/rows.rs"]
mod rows;

#[test]
fn the_example_of_rows_runs() {
    rows::main().expect("it runs");
}
