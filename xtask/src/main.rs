//! The project's own chores, as `cargo xtask VERB`: `check`, `tidy`, `gen`, `experiments`, `bench`, `golden`, `gpu`.
//!
//! `check` is all that continuous integration runs. `experiments` drives the built `e2h` binary and knows it
//! only by its command line and its files, so this crate depends on no other crate of the workspace.
//! Keep its list of dependencies as short as it is.

#![expect(clippy::print_stderr, reason = "a chore talks to the person who runs it")]

mod bench;
mod check;
mod experiments;
mod generate;
mod golden;
mod gpu;
mod stats;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run every check, the cheapest first: formatting, tidy, clippy, docs, tests
    Check {
        /// Leave out the docs
        #[arg(long)]
        fast: bool,
    },
    /// Check the house rules that no compiler knows
    Tidy,
    /// Write the documents that are made from code
    Gen {
        /// Only compare them with the files, and fail if they differ
        #[arg(long)]
        check: bool,
    },
    /// Run the grid of configs/experiments/NAME.toml and make its tables; goes on where it was stopped
    Experiments(experiments::Args),
    /// Measure speed: of tasks, and of a training step
    Bench(bench::Args),
    /// Compare models and losses with numbers of other programs
    #[command(subcommand)]
    Golden(golden::Golden),
    /// Pack what a machine with a GPU needs to check and measure, and report what it has found
    #[command(subcommand)]
    Gpu(gpu::Gpu),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Cli::parse().verb {
        Verb::Check { fast } => check::run(&root, fast),
        Verb::Tidy => tidy::run(&root),
        Verb::Gen { check } => generate::run(&root, check),
        Verb::Golden(verb) => golden::run(&root, &verb),
        Verb::Gpu(verb) => gpu::run(&root, &verb),
        Verb::Experiments(args) => experiments::run(&root, &args),
        Verb::Bench(args) => bench::run(&root, &args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The cargo that runs us, or the one on the path.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// A shell that stands in `folder`.
fn shell(folder: &Path) -> Result<xshell::Shell> {
    let shell = xshell::Shell::new().context("cannot open a shell")?;
    shell.change_dir(folder);
    Ok(shell)
}

/// The folder in which cargo builds.
fn target_folder(shell: &xshell::Shell) -> Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let cargo = cargo();
    let json = xshell::cmd!(shell, "{cargo} metadata --no-deps --format-version 1");
    let json = json.quiet().read()?;
    let metadata: Metadata = serde_json::from_str(&json).context("the answer of cargo metadata")?;
    Ok(metadata.target_directory)
}
