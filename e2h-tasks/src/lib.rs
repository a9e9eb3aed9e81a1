//! Tasks with levels: generators, prompts, solvers and verifiers.

pub mod blocksworld;
pub mod countdown;
pub mod format;
