//! `cargo xtask gpu`: what a machine with a GPU, without Rust and without a network, needs to check and measure E2H.
//!
//! `pack` makes a folder with the program, the goldens and `run.sh`; `run.sh` leaves `gpu.json`; `report` turns that into
//! the figures of docs/GPU.md.

mod pack;
mod report;

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

/// `cargo xtask gpu`
#[derive(Subcommand)]
pub(crate) enum Gpu {
    /// Build the program for CUDA, and make the folder that `run.sh` runs from
    Pack(pack::Args),
    /// Write the figures of a gpu.json into docs/GPU.md
    Report(report::Args),
}

/// Runs the verb.
pub(crate) fn run(root: &Path, gpu: &Gpu) -> Result<()> {
    match gpu {
        Gpu::Pack(args) => pack::run(root, args),
        Gpu::Report(args) => report::run(root, args),
    }
}
