//! The example of a curriculum of one's own, run as its reader would.

#[path = "../../examples/custom_curriculum.rs"]
mod custom_curriculum;

#[test]
fn a_curriculum_of_ones_own_is_under_forty_lines_and_runs() {
    custom_curriculum::main();
    assert!(include_str!("../../examples/custom_curriculum.rs").lines().count() < 40);
}
