//! Tests of the whole program, as a user runs it.

mod chat_models;
mod errors;
mod evaluate;
mod fake;
mod faults;
mod golden;
mod gpu;
mod guide;
mod models;
mod options;
mod page;
mod ranks;
mod resume;
mod rollouts;
mod run;
mod schedules;
mod serve;
mod server;
mod tasks;
mod terminal;
mod tiny;
mod train;
mod usage;
