//! `cargo xtask bench`: how fast the parts are, measured by programs of the crates.

mod tasks;

use std::path::Path;

use anyhow::Result;

/// Measures speed.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Time the verifiers and the generator of Countdown, with Math-Verify beside them
    Tasks(tasks::Args),
}

/// Runs one measurement.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Tasks(args) => tasks::run(root, args),
    }
}
