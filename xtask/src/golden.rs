//! `cargo xtask golden losses FILE`: compares what the project computes with numbers of an independent program.
//!
//! The comparison itself is an example of `e2h-rl`, so that this crate depends on none of ours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use xshell::cmd;

use crate::{cargo, shell};

/// What is compared.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Values and gradients of losses, in the layout of e2h-rl/fixtures/grpo_losses.json
    Losses {
        /// The file of cases
        file: PathBuf,
    },
}

/// Runs the comparison; it prints the largest differences.
pub(crate) fn run(root: &Path, what: &What) -> Result<()> {
    let What::Losses { file } = what;
    let file = std::path::absolute(file).context("cannot find the current folder")?;
    let (shell, cargo) = (shell(root)?, cargo());
    cmd!(shell, "{cargo} run --quiet --package e2h-rl --example golden_losses -- {file}")
        .quiet()
        .run()
        .context("the losses differ from the file, or it cannot be read")
}
