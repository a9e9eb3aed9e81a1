//! Tasks with levels: generators, prompts, solvers and verifiers; readers of data sets; labels of difficulty.

pub mod format;

pub mod blocksworld;
pub mod countdown;
pub mod mathgen;

pub mod data;
pub mod label;
pub mod math;
pub mod score_stream;

pub mod gallery;
pub mod registry;
mod settings;
pub mod solve;
