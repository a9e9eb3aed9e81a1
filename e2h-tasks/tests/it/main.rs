//! Tests of the tasks from outside: against published rows and oracle verdicts, and the contract of all tasks.

#[path = "../../../fuzz/bodies.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets take these functions from a library")]
mod bodies;
mod bombs;
mod contract;
mod data;
mod examples;
mod fuzz;
mod math;
mod math_safety;
mod oracle;
mod properties;
mod safety;
mod score_stream;
mod shared;
mod simulators;
mod watch;
