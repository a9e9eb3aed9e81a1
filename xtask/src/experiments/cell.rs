//! One cell of a grid: how far it is, and running it to its end.
//!
//! Beside the run folder `seed-S` stand `seed-S.args.json`, the arguments that the run was begun with, and
//! `seed-S.log`, what it printed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::plan::Cell;

/// The exit code of an interrupted `e2h`.
const INTERRUPTED: i32 = 130;

/// How far a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is there that a run could go on from.
    Fresh,
    /// The run has a checkpoint and no summary.
    Begun,
    /// The run has its summary.
    Done,
}

/// How a cell's run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It wrote its summary.
    Done,
    /// The user stopped it.
    Interrupted,
    /// It failed; the reason, and the log to read.
    Failed(String),
}

/// How far `cell` is.
///
/// # Errors
/// When the folder holds a run that was begun with other arguments.
pub(super) fn state(cell: &Cell) -> Result<State> {
    let state = if cell.folder.join("summary.json").exists() {
        State::Done
    } else if has_checkpoint(&cell.folder) {
        State::Begun
    } else {
        return Ok(State::Fresh);
    };
    let path = beside(cell, "args.json");
    let made_with: Vec<String> = fs::read_to_string(&path)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .with_context(|| format!("cannot tell what made {}", cell.folder.display()))?;
    if made_with != cell.args {
        bail!(
            "{} was made with other settings than the experiment now has: move it away, or give the \
             experiment another name",
            cell.folder.display()
        );
    }
    Ok(state)
}

fn has_checkpoint(folder: &Path) -> bool {
    let entries = fs::read_dir(folder.join("checkpoints"));
    entries.into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("step-")
    })
}

fn beside(cell: &Cell, extension: &str) -> PathBuf {
    cell.folder.with_file_name(format!("seed-{}.{extension}", cell.seed))
}

/// Runs `cell` to its end: begins it, or goes on from its last checkpoint.
///
/// What an earlier run left without a checkpoint is removed first.
pub(super) fn run(root: &Path, bin: &Path, cell: &Cell) -> Result<End> {
    let args = match state(cell)? {
        State::Done => return Ok(End::Done),
        State::Begun => vec!["train".into(), "--resume".into(), cell.folder.clone().into()],
        State::Fresh => begin(cell)?,
    };
    let log = beside(cell, "log");
    let out = File::options().create(true).append(true).open(&log)?;
    let status = Command::new(bin)
        .args(args)
        .arg("--quiet")
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .with_context(|| format!("cannot run {}", bin.display()))?;
    let see = format!("see {}", log.display());
    Ok(match status.code() {
        Some(0) if state(cell)? == State::Done => End::Done,
        Some(0) => End::Failed(format!("it left no summary.json, {see}")),
        Some(INTERRUPTED) => End::Interrupted,
        Some(code) => End::Failed(format!("exit code {code}, {see}")),
        None => End::Failed(format!("killed by a signal, {see}")),
    })
}

/// Makes room for the cell and gives the arguments that begin it.
fn begin(cell: &Cell) -> Result<Vec<OsString>> {
    if cell.folder.exists() {
        fs::remove_dir_all(&cell.folder)
            .with_context(|| format!("cannot remove {}", cell.folder.display()))?;
    }
    if let Some(parent) = cell.folder.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    super::write(&beside(cell, "args.json"), &serde_json::to_string(&cell.args)?)?;
    let mut args: Vec<OsString> = cell.args.iter().map(OsString::from).collect();
    args.extend(["--run-dir".into(), cell.folder.clone().into()]);
    Ok(args)
}
