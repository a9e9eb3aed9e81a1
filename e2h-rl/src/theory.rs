//! The paper's theory as programs: its two bounds with every term shown, its condition for a curriculum to win,
//! and approximate policy iteration on tabular tasks small enough that every quantity in them is exact.
//!
//! - [`bounds`]: the convergence bound, the sample bound, the win condition and its boundary.
//! - [`mdp`]: finite decision processes, solved exactly.
//! - [`lock`]: a chain of tasks of growing horizon.
//! - [`api`]: approximate policy iteration with sampled evaluation, directly and through stages.
//! - [`experiment`]: measured error against the bound, and samples against the number of stages.
//! - [`plot`]: the three figures as SVG text.
//!
//! `docs/theory.md` says what is measured and what came out.
//!
//! # Source
//! Theorems 3.1 and 3.2 of arXiv 2506.06632. What the paper leaves open (the norm, the reading of `E_K`) is said
//! where it is used.
//!
//! # Invariants
//! - Nothing here depends on a tensor library or on a language model.
//! - All randomness comes from [`e2h_core::RootSeed`], so a result is the same on every platform up to rounding
//!   of the standard mathematical functions.

pub mod api;
pub mod bounds;
pub mod experiment;
pub mod lock;
pub mod mdp;
pub mod plot;

use std::fmt::Display;

use e2h_core::{Error, Result};

/// An error unless `ok`: the parameter `name` has the value `got` and must be `expected`.
fn require(ok: bool, name: &str, got: impl Display, expected: &str) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(Error::OutOfRange {
        name: name.to_owned(),
        got: got.to_string(),
        expected: expected.to_owned(),
    })
}
