//! Tasks with levels: generators, prompts, solvers and verifiers; readers of data sets; labels of difficulty.
//!
//! ```
//! use e2h_core::{Level, RootSeed, Split};
//!
//! let task = e2h_tasks::registry::task("countdown")?;
//! let problem = task.generate(Level(1), Split::Train, &mut RootSeed(0).stream("doc", &[]))?;
//! let solution = problem.solution.as_ref().and_then(|text| text.as_str()).expect("a solution");
//! let said = format!("I try.</think> <answer> {solution} </answer>");
//! assert!(task.score(&problem, &said).is_correct());
//! assert!(!task.score(&problem, "I give up.").is_correct());
//! # Ok::<(), e2h_core::Error>(())
//! ```

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
