//! Tests of the whole program, as a user runs it.

mod evaluate;
mod faults;
mod golden;
mod guide;
mod models;
mod options;
mod resume;
mod run;
mod tiny;
mod train;
mod usage;
