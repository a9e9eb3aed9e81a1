//! Tests of the whole program, as a user runs it.

mod golden;
mod models;
mod run;
mod train;
mod usage;
