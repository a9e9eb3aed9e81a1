//! Checkpoints: a model folder that other tools open, plus what a run needs to go on.
//!
//! `step-N/` holds the model in the Hugging Face layout, or its adapter in PEFT's (both f32), and `trainer/` with
//! `optimizer.safetensors` (the moments), `reference.safetensors` where the reference policy moves, and `state.json`
//! (step, curriculum, sampler, groups for replay, checksums).
//!
//! # Invariants
//! - A checkpoint appears under its name only when it is whole: it is written to `.step-N.tmp`, flushed, renamed.
//! - A checkpoint is taken up only when its checksums hold; else the one before it is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2h_core::write_atomic;
use e2h_model::{ADAPTER_FILE, Engine, WeightFormat};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::replay::Replay;
use crate::trainer::{Reference, Trainer};
use crate::{Error, Result};

/// The files that a checksum is kept of, where they exist.
const SUMMED: [&str; 4] =
    ["model.safetensors", ADAPTER_FILE, "trainer/optimizer.safetensors", REFERENCE];

/// Where the weights of a reference policy lie that moves.
const REFERENCE: &str = "trainer/reference.safetensors";

/// `trainer/state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Finished steps.
    pub step: u64,
    /// Updates of the optimiser.
    pub n_updates: u64,
    /// Updates in a row whose gradient was not finite.
    pub bad_updates: u32,
    /// State of the curriculum.
    pub curriculum: Value,
    /// State of the sampler.
    pub sampler: Value,
    /// Groups kept for replay.
    #[serde(default)]
    pub replay: Replay,
    /// SHA-256 of the large files, by their path in the checkpoint.
    pub sha256: BTreeMap<String, String>,
}

/// The checkpoints of a run, newest first.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed.
pub fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(step) = name.strip_prefix("step-").and_then(|step| step.parse().ok()) {
            found.push((step, path));
        }
    }
    found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(found)
}

/// Saves a run after `step` finished steps to `folder/step-N`, and deletes all but the `keep_last` newest.
///
/// # Errors
/// [`Error::Io`], [`Error::Core`] or [`Error::Model`] when a file cannot be written; the checkpoints that were
/// there are untouched.
pub fn save(trainer: &Trainer<'_>, folder: &Path, step: u64, keep_last: usize) -> Result<PathBuf> {
    let (temporary, path) =
        (folder.join(format!(".step-{step}.tmp")), folder.join(format!("step-{step}")));
    if temporary.exists() {
        fs::remove_dir_all(&temporary).map_err(Error::io("remove", &temporary))?;
    }
    let inner = temporary.join("trainer");
    fs::create_dir_all(&inner).map_err(Error::io("create", &inner))?;
    trainer.policy.save(&temporary, WeightFormat::F32)?;
    write_atomic(&inner.join("optimizer.safetensors"), &moments(trainer, &temporary)?)?;
    let reference = moving_reference(trainer).map(|engine| flat(&[("params", engine.params())]));
    if let Some(bytes) = reference {
        let bytes = bytes.map_err(|error| Error::checkpoint(&temporary, error))?;
        write_atomic(&temporary.join(REFERENCE), &bytes)?;
    }
    let mut sha256 = BTreeMap::new();
    for name in SUMMED.into_iter().filter(|name| temporary.join(name).exists()) {
        sha256.insert(name.to_owned(), checksum(&temporary.join(name))?);
    }
    let state = TrainerState {
        step,
        n_updates: trainer.optimizer.n_updates,
        bad_updates: trainer.bad_updates,
        curriculum: trainer.curriculum.state(),
        sampler: trainer.sampler.state(),
        replay: trainer.replay.clone(),
        sha256,
    };
    let text = serde_json::to_string_pretty(&state)
        .map_err(|error| Error::checkpoint(&temporary, error))?;
    write_atomic(&inner.join("state.json"), text.as_bytes())?;
    if path.exists() {
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("flush", folder))?;
    for (_, old) in list(folder)?.into_iter().skip(keep_last.max(1)) {
        fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
    }
    Ok(path)
}

/// The reference policy, where its weights are not those of the base model.
fn moving_reference<'a>(trainer: &'a Trainer<'_>) -> Option<&'a dyn Engine> {
    match &trainer.reference {
        Reference::Model(engine) if trainer.config.reference_sync_steps > 0 => Some(&**engine),
        _ => None,
    }
}

fn moments(trainer: &Trainer<'_>, path: &Path) -> Result<Vec<u8>> {
    let tensors = [("m", trainer.optimizer.m.as_slice()), ("v", trainer.optimizer.v.as_slice())];
    flat(&tensors).map_err(|error| Error::checkpoint(path, error))
}

/// A file of flat f32 tensors.
fn flat(tensors: &[(&str, &[f32])]) -> std::result::Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<(&str, Vec<u8>)> = tensors
        .iter()
        .map(|(name, values)| (*name, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, bytes)| {
            Ok((*name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, SafeTensorError>>()?;
    serialize(views, None)
}

/// Reads a tensor of a file of flat f32 tensors into `target`.
fn read_flat(bytes: &[u8], name: &str, target: &mut [f32], path: &Path) -> Result<()> {
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|error| Error::checkpoint(path, error))?;
    let view = tensors.tensor(name).map_err(|error| Error::checkpoint(path, error))?;
    if view.data().len() != target.len() * 4 {
        return Err(Error::checkpoint(path, format!("tensor `{name}` has another length")));
    }
    for (value, bytes) in target.iter_mut().zip(view.data().chunks_exact(4)) {
        *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    Ok(())
}

fn checksum(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads the state of a checkpoint and checks that its large files are whole.
///
/// # Errors
/// [`Error::Checkpoint`] that says what does not fit, or [`Error::Io`].
pub fn verify(path: &Path) -> Result<TrainerState> {
    let file = path.join("trainer/state.json");
    let text = fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    let state: TrainerState =
        serde_json::from_str(&text).map_err(|error| Error::checkpoint(path, error))?;
    for (name, sum) in &state.sha256 {
        if *sum != checksum(&path.join(name))? {
            return Err(Error::checkpoint(path, format!("the checksum of {name} does not hold")));
        }
    }
    Ok(state)
}

/// The newest whole checkpoint in `folder`; `skipped` is called for each newer one that is damaged.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed.
pub fn latest(
    folder: &Path,
    mut skipped: impl FnMut(&Path, &Error),
) -> Result<Option<(PathBuf, TrainerState)>> {
    for (_, path) in list(folder)? {
        match verify(&path) {
            Ok(state) => return Ok(Some((path, state))),
            Err(error) => skipped(&path, &error),
        }
    }
    Ok(None)
}

/// Takes up a checkpoint: policy, optimiser, curriculum and sampler.
///
/// # Errors
/// [`Error::Checkpoint`] when it is of another shape, or whatever reading it ran into.
pub fn restore(trainer: &mut Trainer<'_>, path: &Path, state: &TrainerState) -> Result<()> {
    let file = path.join("trainer/optimizer.safetensors");
    let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
    read_flat(&bytes, "m", &mut trainer.optimizer.m, path)?;
    read_flat(&bytes, "v", &mut trainer.optimizer.v, path)?;
    if trainer.config.reference_sync_steps > 0
        && let Reference::Model(reference) = &mut trainer.reference
    {
        let file = path.join(REFERENCE);
        let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
        let mut params = vec![0.0; reference.params().len()];
        read_flat(&bytes, "params", &mut params, path)?;
        reference.update_params(&mut |_, old| old.copy_from_slice(&params));
    }
    trainer.optimizer.n_updates = state.n_updates;
    trainer.bad_updates = state.bad_updates;
    trainer.replay = state.replay.clone();
    trainer.curriculum.restore(&state.curriculum)?;
    trainer.sampler.restore(&state.sampler)?;
    trainer.policy.restore(path)?;
    Ok(())
}
