//! Tests of the whole program, as a user runs it.

mod chat_models;
mod evaluate;
mod faults;
mod golden;
mod gpu;
mod guide;
mod models;
mod options;
mod resume;
mod run;
mod schedules;
mod tasks;
mod tiny;
mod train;
mod usage;
