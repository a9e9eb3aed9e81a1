//! One cell of a grid: how far it is, and running it to its end.
//!
//! Beside the run folder `seed-S` stand `seed-S.args.json`, the arguments that the run was begun with, and
//! `seed-S.log`, what it printed. Of a finished run the small files are kept elsewhere ([`keep`]), so that a grid
//! can go on on another machine, where the run folders are not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::keep::{self, ARGS_FILE};
use super::plan::{Base, Cell};

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
    let (state, folder, args) = if cell.kept.join(keep::SUMMARY_FILE).exists() {
        (State::Done, &cell.kept, cell.kept.join(ARGS_FILE))
    } else if has_checkpoint(&cell.folder) {
        (State::Begun, &cell.folder, beside(&cell.folder, "args.json"))
    } else {
        return Ok(State::Fresh);
    };
    let made_with: Vec<String> = fs::read_to_string(&args)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .with_context(|| format!("cannot tell what made {}", folder.display()))?;
    if made_with != cell.args {
        bail!(
            "{} was made with other settings than the experiment now has: move it away, or give the \
             experiment another name",
            folder.display()
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

/// `FOLDER.EXTENSION`.
fn beside(folder: &Path, extension: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    folder.with_file_name(name)
}

/// Runs `cell` to its end: begins it, or goes on from its last checkpoint; then keeps its small files.
///
/// What an earlier run left without a checkpoint is removed first.
pub(super) fn run(root: &Path, bin: &Path, cell: &Cell) -> Result<End> {
    let mut args: Vec<OsString> = match state(cell)? {
        State::Done => return Ok(End::Done),
        State::Begun => vec!["train".into(), "--resume".into(), cell.folder.clone().into()],
        State::Fresh => begin(cell)?,
    };
    args.push("--quiet".into());
    let end = call(root, bin, &args, &cell.folder)?;
    if end == End::Done {
        if !cell.folder.join(keep::SUMMARY_FILE).exists() {
            let log = beside(&cell.folder, "log");
            return Ok(End::Failed(format!("it left no summary.json, see {}", log.display())));
        }
        keep::keep(cell)?;
    }
    Ok(end)
}

/// Trains `base`, unless it is there already. It appears whole or not at all.
pub(super) fn train_base(root: &Path, bin: &Path, base: &Base) -> Result<End> {
    if base.folder.exists() {
        return Ok(End::Done);
    }
    let partial = beside(&base.folder, "partial");
    make_room(&partial)?;
    let mut args: Vec<OsString> = base.args.iter().map(OsString::from).collect();
    args.extend(["--out".into(), partial.clone().into()]);
    let end = call(root, bin, &args, &base.folder)?;
    if end == End::Done {
        fs::rename(&partial, &base.folder)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
    }
    Ok(end)
}

/// Runs `bin`, with what it prints in the log beside `folder`.
fn call(root: &Path, bin: &Path, args: &[OsString], folder: &Path) -> Result<End> {
    let log = beside(folder, "log");
    let out = File::options().create(true).append(true).open(&log)?;
    let status = Command::new(bin)
        .args(args)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .with_context(|| format!("cannot run {}", bin.display()))?;
    Ok(match status.code() {
        Some(0) => End::Done,
        Some(INTERRUPTED) => End::Interrupted,
        Some(code) => End::Failed(format!("exit code {code}, see {}", log.display())),
        None => End::Failed(format!("killed by a signal, see {}", log.display())),
    })
}

/// Makes room for the cell and gives the arguments that begin it.
fn begin(cell: &Cell) -> Result<Vec<OsString>> {
    make_room(&cell.folder)?;
    let args = serde_json::to_string(&cell.args)?;
    super::write(&beside(&cell.folder, "args.json"), &args)?;
    let mut args: Vec<OsString> = cell.args.iter().map(OsString::from).collect();
    args.extend(["--run-dir".into(), cell.folder.clone().into()]);
    Ok(args)
}

/// Removes `folder`, if it is there, and makes the folder around it.
fn make_room(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    Ok(())
}
