//! `cargo xtask golden`: comparisons with numbers that other programs computed.
//!
//! The verbs run programs of the other crates, so this crate depends on none of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use xshell::cmd;

use crate::{cargo, shell};

/// `cargo xtask golden`
#[derive(Subcommand)]
pub(crate) enum Golden {
    /// Compare logits, log-probs, entropies, gradients and greedy continuations with a folder's
    /// `expected.safetensors`, and print the largest differences; DIR is such a folder, or holds several
    Models {
        /// The folder
        dir: PathBuf,
        /// Where to compute: cpu, cuda, cuda:1; with `cuda` the program is built for it
        #[arg(long, default_value = "cpu")]
        device: String,
        /// Number format: f32 or bf16
        #[arg(long, default_value = "f32")]
        dtype: String,
    },
    /// Compare chat templates, tokens and greedy answers of a model with transformers
    Greedy {
        /// The model folder
        model: PathBuf,
        /// A Python with torch and transformers
        #[arg(long, default_value = "python3")]
        python: String,
    },
    /// Compare values and gradients of losses with a file in the layout of e2h-rl/fixtures/grpo_losses.json, and
    /// print the largest differences
    Losses {
        /// The file of cases
        file: PathBuf,
    },
}

/// Runs the verb.
pub(crate) fn run(root: &Path, golden: &Golden) -> Result<()> {
    let shell = shell(root)?;
    let cargo = cargo();
    let whole = |dir: &Path| {
        dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))
    };
    match golden {
        Golden::Models { dir, device, dtype } => {
            let dir = whole(dir)?;
            let features: &[&str] =
                if device.starts_with("cuda") { &["--features", "cuda"] } else { &[] };
            cmd!(
                shell,
                "{cargo} run -q -p e2h-cli {features...} -- golden {dir} --device {device} --dtype {dtype}"
            )
            .run()?;
        }
        Golden::Greedy { model, python } => {
            let model = whole(model)?;
            ensure!(model.join("config.json").is_file(), "{} has no config.json", model.display());
            cmd!(shell, "{cargo} test -p e2h-cli --test it golden")
                .env("E2H_GOLDEN_MODEL", model)
                .env("E2H_GOLDEN_PYTHON", python)
                .run()?;
        }
        Golden::Losses { file } => {
            let file = std::path::absolute(file).context("cannot find the current folder")?;
            cmd!(shell, "{cargo} run --quiet --package e2h-rl --example golden_losses -- {file}")
                .quiet()
                .run()
                .context("the losses differ from the file, or it cannot be read")?;
        }
    }
    Ok(())
}
