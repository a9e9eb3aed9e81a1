//! Tasks with levels: generators, prompts, solvers and verifiers.

pub mod format;

pub mod blocksworld;
pub mod countdown;
pub mod mathgen;

pub mod gallery;
pub mod registry;
