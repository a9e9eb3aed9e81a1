//! Tests of the tasks from outside: against published rows and oracle verdicts, and the contract of all tasks.

mod contract;
mod oracle;
mod simulators;
