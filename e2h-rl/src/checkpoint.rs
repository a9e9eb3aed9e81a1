//! Checkpoints: a model folder that other tools open, plus what a run needs to go on.
//!
//! `step-N/` holds the model in the Hugging Face layout, or its adapter in PEFT's (both f32), and `trainer/` with
//! `optimizer.safetensors` (the moments), `reference.safetensors` where the reference policy moves,
//! `value_head.safetensors` where there is a value head, and `state.json`
//! (step, curriculum, sampler, groups for replay), and `SHA256SUMS` over all of
//! them, which `sha256sum -c` reads too.
//!
//! # Invariants
//! - A checkpoint appears under its name only when it is whole: it is written to `.step-N.tmp`, flushed, renamed.
//! - A checkpoint is taken up only when its checksums hold; else the one before it is used. One without checksums
//!   is of a version that wrote none: it is taken up with a warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2h_core::write_atomic;
use e2h_model::{Engine, ValueHead, WeightFormat};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::replay::Replay;
use crate::trainer::{Reference, Trainer};
use crate::{Error, Result, fault};

mod sums;

use sums::{SUMS, sums};
pub use sums::{has_sums, verify};

/// Where the weights of a reference policy lie that moves.
const REFERENCE: &str = "trainer/reference.safetensors";

/// Where the value head of PPO lies, apart from the model's files.
const VALUE_HEAD: &str = "trainer/value_head.safetensors";

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
    /// Tokens of a micro-batch; 0 = as configured.
    #[serde(default)]
    pub token_budget: usize,
    /// State of the curriculum.
    pub curriculum: Value,
    /// State of the sampler.
    pub sampler: Value,
    /// Groups kept for replay.
    #[serde(default)]
    pub replay: Replay,
    /// Checksums by file, where a version before `SHA256SUMS` wrote the checkpoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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

/// Saves a run after `step` finished steps to `folder/step-N`.
///
/// ```no_run
/// use std::path::Path;
///
/// use e2h_rl::{Trainer, checkpoint};
///
/// /// Saves a run after ten steps, and takes up the newest whole checkpoint.
/// fn save_and_restore(trainer: &mut Trainer<'_>, folder: &Path) -> e2h_rl::Result<()> {
///     checkpoint::save(trainer, folder, 10)?;
///     let damaged = |path: &Path, why: &e2h_rl::Error| eprintln!("{}: {why}", path.display());
///     if let Some((path, state)) = checkpoint::latest(folder, damaged)? {
///         checkpoint::restore(trainer, &path, &state)?;
///         assert_eq!(state.step, 10);
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`Error::Io`], [`Error::Core`] or [`Error::Model`] when a file cannot be written; the checkpoints that were
/// there are untouched, and what was written is taken back.
pub fn save(trainer: &Trainer<'_>, folder: &Path, step: u64) -> Result<PathBuf> {
    let temporary = folder.join(format!(".step-{step}.tmp"));
    let saved = save_via(trainer, folder, &temporary, step);
    if saved.is_err() {
        // The failed write is the error to report.
        let _ = fs::remove_dir_all(&temporary);
    }
    saved
}

fn save_via(trainer: &Trainer<'_>, folder: &Path, temporary: &Path, step: u64) -> Result<PathBuf> {
    let path = folder.join(format!("step-{step}"));
    fault::pass("save", step);
    if temporary.exists() {
        fs::remove_dir_all(temporary).map_err(Error::io("remove", temporary))?;
    }
    let inner = temporary.join("trainer");
    fs::create_dir_all(&inner).map_err(Error::io("create", &inner))?;
    trainer.policy.save(temporary, WeightFormat::F32)?;
    write_atomic(&inner.join("optimizer.safetensors"), &moments(trainer, temporary)?)?;
    if let Some(critic) = &trainer.critic {
        critic.head.save(&temporary.join(VALUE_HEAD))?;
    }
    let reference = moving_reference(trainer).map(|engine| flat(&[("params", engine.params())]));
    if let Some(bytes) = reference {
        let bytes = bytes.map_err(|error| Error::checkpoint(temporary, error))?;
        write_atomic(&temporary.join(REFERENCE), &bytes)?;
    }
    let state = TrainerState {
        step,
        n_updates: trainer.optimizer.n_updates,
        bad_updates: trainer.bad_updates,
        token_budget: trainer.token_budget,
        curriculum: trainer.curriculum.state(),
        sampler: trainer.sampler.state(),
        replay: trainer.replay.clone(),
        sha256: BTreeMap::new(),
    };
    fault::pass("save/state", step);
    let text = serde_json::to_string_pretty(&state)
        .map_err(|error| Error::checkpoint(temporary, error))?;
    write_atomic(&inner.join("state.json"), text.as_bytes())?;
    write_atomic(&temporary.join(SUMS), sums(temporary)?.as_bytes())?;
    fault::pass("save/rename", step);
    if path.exists() {
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    fs::rename(temporary, &path).map_err(Error::io("rename", temporary))?;
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("flush", folder))?;
    Ok(path)
}

/// Deletes all checkpoints but the `keep_last` newest and the one of step `best`.
///
/// ```
/// use e2h_rl::checkpoint::{list, rotate};
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path();
/// for step in [10, 20, 30] {
///     std::fs::create_dir(folder.join(format!("step-{step}")))?;
/// }
/// // The newest and the best stay.
/// rotate(folder, 1, Some(10))?;
/// let left: Vec<u64> = list(folder)?.into_iter().map(|(step, _)| step).collect();
/// assert_eq!(left, [30, 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed or a checkpoint not deleted.
pub fn rotate(folder: &Path, keep_last: usize, best: Option<u64>) -> Result<()> {
    let all = list(folder)?;
    let newest = all.first().map_or(0, |(step, _)| *step);
    for (step, old) in all.into_iter().skip(keep_last.max(1)) {
        if Some(step) != best {
            fault::pass("save/rotate", newest);
            fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        }
    }
    Ok(())
}

/// Clears away what a killed process left half written.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed or a file not deleted.
pub fn sweep(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') && name.ends_with(".tmp") {
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The reference policy, where its weights are not those of the base model.
fn moving_reference<'a>(trainer: &'a Trainer<'_>) -> Option<&'a dyn Engine> {
    match &trainer.reference {
        Reference::Model(engine) if trainer.config.reference_sync_steps > 0 => Some(&**engine),
        _ => None,
    }
}

fn moments(trainer: &Trainer<'_>, path: &Path) -> Result<Vec<u8>> {
    let mut tensors =
        vec![("m", trainer.optimizer.m.as_slice()), ("v", trainer.optimizer.v.as_slice())];
    if let Some(critic) = &trainer.critic {
        tensors.push(("value_head.m", critic.optimizer.m.as_slice()));
        tensors.push(("value_head.v", critic.optimizer.v.as_slice()));
    }
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
    if let Some(critic) = &mut trainer.critic {
        critic.head = ValueHead::load(&path.join(VALUE_HEAD), critic.head.width())?;
        read_flat(&bytes, "value_head.m", &mut critic.optimizer.m, path)?;
        read_flat(&bytes, "value_head.v", &mut critic.optimizer.v, path)?;
        critic.optimizer.n_updates = state.n_updates;
    }
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
    if state.token_budget > 0 {
        trainer.token_budget = state.token_budget;
    }
    trainer.curriculum.restore(&state.curriculum)?;
    trainer.sampler.restore(&state.sampler)?;
    trainer.policy.restore(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with whole checkpoints, made of small files.
    fn checkpoints(steps: &[u64]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in steps {
            let path = folder.path().join(format!("step-{step}"));
            fs::create_dir_all(path.join("trainer")).expect("a folder");
            let state = serde_json::json!({
                "step": step, "n_updates": 1, "bad_updates": 0, "token_budget": 8,
                "curriculum": null, "sampler": null,
            });
            for (name, text) in [
                ("model.safetensors", "weights".to_owned()),
                ("trainer/optimizer.safetensors", "moments".to_owned()),
                ("trainer/state.json", state.to_string()),
            ] {
                fs::write(path.join(name), text).expect("written");
            }
            fs::write(path.join(SUMS), sums(&path).expect("sums")).expect("written");
        }
        folder
    }

    fn steps(folder: &Path) -> Vec<u64> {
        list(folder).expect("listed").into_iter().map(|(step, _)| step).collect()
    }

    #[test]
    fn rotation_keeps_the_newest_and_the_best() {
        let folder = checkpoints(&[2, 4, 6, 8, 10]);
        rotate(folder.path(), 2, Some(4)).expect("rotated");
        assert_eq!(steps(folder.path()), [10, 8, 4]);
        rotate(folder.path(), 0, None).expect("rotated");
        assert_eq!(steps(folder.path()), [10]);
    }

    #[test]
    fn any_damaged_or_missing_file_makes_the_one_before_it_the_latest() {
        type Damage = fn(&Path);
        let cases: [(&str, Damage); 5] = [
            ("the checksum of model.safetensors does not hold", |path| {
                fs::write(path.join("model.safetensors"), "weightt").expect("written");
            }),
            ("the checksum of trainer/optimizer.safetensors does not hold", |path| {
                fs::write(path.join("trainer/optimizer.safetensors"), "mom").expect("written");
            }),
            ("the checksum of trainer/state.json does not hold", |path| {
                fs::write(path.join("trainer/state.json"), "{}").expect("written");
            }),
            ("cannot read", |path| {
                fs::remove_file(path.join("model.safetensors")).expect("removed");
            }),
            ("does not list", |path| fs::write(path.join(SUMS), "").expect("written")),
        ];
        for (problem, damage) in cases {
            let folder = checkpoints(&[2, 4]);
            damage(&folder.path().join("step-4"));
            let mut skipped = Vec::new();
            let found = latest(folder.path(), |_, error| skipped.push(error.to_string()));
            let (_, state) = found.expect("listed").expect("step 2 is whole");
            assert_eq!(state.step, 2);
            assert!(skipped.len() == 1 && skipped[0].contains(problem), "{problem}: {skipped:?}");
        }
    }

    #[test]
    fn a_checkpoint_without_checksums_is_taken_up_when_its_files_are_there() {
        let folder = checkpoints(&[2]);
        let path = folder.path().join("step-2");
        assert!(has_sums(&path));
        fs::remove_file(path.join(SUMS)).expect("removed");
        assert!(!has_sums(&path));
        assert_eq!(verify(&path).expect("all files are there").step, 2);
        fs::remove_file(path.join("trainer/optimizer.safetensors")).expect("removed");
        let error = verify(&path).expect_err("a file is missing").to_string();
        assert!(error.contains("it has no trainer/optimizer.safetensors"), "{error}");
    }

    #[test]
    fn checksums_within_the_state_of_an_older_version_are_checked() {
        let folder = checkpoints(&[2]);
        let path = folder.path().join("step-2");
        let state = serde_json::json!({
            "step": 2, "n_updates": 1, "bad_updates": 0, "curriculum": null, "sampler": null,
            "sha256": {"model.safetensors": "0"},
        });
        fs::write(path.join("trainer/state.json"), state.to_string()).expect("written");
        fs::remove_file(path.join(SUMS)).expect("removed");
        let error = verify(&path).expect_err("another file").to_string();
        assert!(error.contains("the checksum of model.safetensors does not hold"), "{error}");
    }

    #[test]
    fn what_a_killed_save_left_is_swept_away() {
        let folder = checkpoints(&[2]);
        fs::create_dir(folder.path().join(".step-4.tmp")).expect("a folder");
        sweep(folder.path()).expect("swept");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        assert_eq!(steps(folder.path()), [2]);
    }
}
