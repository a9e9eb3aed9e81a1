//! Tests of the whole program, as a user runs it.

mod golden;
mod run;
mod train;
mod usage;
