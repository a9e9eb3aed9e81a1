//! Checksums of a checkpoint: how a torn or changed file is noticed.
//!
//! `SHA256SUMS` has a line for every other file of the folder, in the form that `sha256sum -c` reads.
//!
//! # Invariants
//! - The checksums are written last, before the folder gets its name. So a checkpoint without them is of a version
//!   that wrote none, or they were deleted; a write that was cut short never leaves one.

use std::fs;
use std::path::Path;

use e2h_model::ADAPTER_FILE;
use sha2::{Digest, Sha256};

use super::TrainerState;
use crate::{Error, Result};

/// The file of checksums.
pub(super) const SUMS: &str = "SHA256SUMS";

fn checksum(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files below `folder`, with `/` between the parts of their names, in order.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut open = vec![String::new()];
    while let Some(head) = open.pop() {
        let here = folder.join(&head);
        for entry in fs::read_dir(&here).map_err(Error::io("list", &here))? {
            let entry = entry.map_err(Error::io("list", &here))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if head.is_empty() { name } else { format!("{head}/{name}") };
            match entry.path().is_dir() {
                true => open.push(name),
                false => names.push(name),
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The text of `SHA256SUMS`: a line for every other file.
pub(super) fn sums(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for name in files(folder)?.iter().filter(|name| *name != SUMS) {
        text += &format!("{}  {name}\n", checksum(&folder.join(name))?);
    }
    Ok(text)
}

/// True when the checkpoint has checksums. Without them [`verify`] sees that a file is there, not that it is whole.
pub fn has_sums(path: &Path) -> bool {
    path.join(SUMS).exists()
}

/// Reads the state of a checkpoint and checks that every file is whole.
///
/// Of a checkpoint without checksums it is checked only that the files are there: see [`has_sums`].
///
/// # Errors
/// [`Error::Checkpoint`] that says what does not fit, or [`Error::Io`].
pub fn verify(path: &Path) -> Result<TrainerState> {
    let listed = match has_sums(path) {
        true => check_sums(path)?,
        false => files(path)?,
    };
    // A checkpoint of an adapter holds its weights instead of the model's.
    let is_adapter = listed.iter().any(|name| name == ADAPTER_FILE);
    let weights = if is_adapter { ADAPTER_FILE } else { "model.safetensors" };
    for needed in [weights, "trainer/optimizer.safetensors", "trainer/state.json"] {
        if !listed.iter().any(|name| name == needed) {
            let problem = match has_sums(path) {
                true => format!("{SUMS} does not list {needed}"),
                false => format!("it has no {needed}"),
            };
            return Err(Error::checkpoint(path, problem));
        }
    }
    let file = path.join("trainer/state.json");
    let text = fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    let state: TrainerState = serde_json::from_str(&text).map_err(|error| {
        let problem = format!("trainer/state.json is not one that this version reads: {error}");
        Error::checkpoint(path, problem)
    })?;
    for (name, sum) in &state.sha256 {
        check(path, name, sum)?;
    }
    Ok(state)
}

/// Checks every file that `SHA256SUMS` lists; returns their names.
fn check_sums(path: &Path) -> Result<Vec<String>> {
    let file = path.join(SUMS);
    let text = fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    let mut names = Vec::new();
    for (sum, name) in text.lines().filter_map(|line| line.split_once("  ")) {
        check(path, name, sum)?;
        names.push(name.to_owned());
    }
    Ok(names)
}

fn check(path: &Path, name: &str, sum: &str) -> Result<()> {
    if checksum(&path.join(name))? != sum {
        return Err(Error::checkpoint(path, format!("the checksum of {name} does not hold")));
    }
    Ok(())
}
