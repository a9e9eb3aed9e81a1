//! Tests of the tasks from outside: against published rows and oracle verdicts, and the contract of all tasks.

mod contract;
mod data;
mod math;
mod math_safety;
mod oracle;
mod score_stream;
mod shared;
mod simulators;
