//! Tests of the whole program, as a user runs it.

mod run;
mod train;
mod usage;
