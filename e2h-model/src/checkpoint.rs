//! Weights on disk, in the Hugging Face layout: `config.json` and `model.safetensors`, single or sharded.
//!
//! # Invariants
//! - A file is checked against the configuration before a number of it is used: an absent, extra-shaped or
//!   unreadable tensor is an error that names it.
//! - Files appear whole or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use e2h_core::write_atomic;
use half::{bf16, f16};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::cpu::forward::Shape;
use crate::files::{ModelFiles, read_text};
use crate::params::Layout;
use crate::{Error, Model, ModelConfig, Result};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// Number format of saved weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
    /// 4 bytes: exact.
    F32,
    /// 2 bytes, 11 significant bits.
    F16,
    /// 2 bytes, 8 significant bits, the range of f32.
    Bf16,
}

impl Model {
    /// Loads a decoder.
    ///
    /// # Errors
    /// [`Error::Io`] for a missing file, [`Error::Config`] or [`Error::Tensor`] for one that does not fit.
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let shape = Shape::new(ModelConfig::load(files)?);
        let mut params = vec![0.0; shape.layout.n_params()];
        let mut missing: BTreeSet<&str> =
            shape.layout.tensors.iter().map(|spec| spec.name.as_str()).collect();
        for name in weight_files(files)? {
            let path = files.path(&name);
            let bytes = files.read(&name).map_err(|source| Error::io("read", &path, source))?;
            let file = SafeTensors::deserialize(&bytes)
                .map_err(|e| Error::config(&path, format!("is not a safetensors file: {e}")))?;
            for (name, view) in file.iter() {
                let Some(spec) = shape.layout.get(name) else { continue };
                if view.shape() != spec.shape {
                    let problem = format!("has shape {:?}, not {:?}", view.shape(), spec.shape);
                    return Err(Error::tensor(&path, name, problem));
                }
                decode(&mut params[spec.range.clone()], &view)
                    .map_err(|problem| Error::tensor(&path, name, problem))?;
                missing.remove(name);
            }
        }
        if let Some(name) = missing.first() {
            let problem = format!("is missing ({} tensors are)", missing.len());
            return Err(Error::tensor(&files.path(SINGLE_FILE), name, problem));
        }
        Ok(Self::from_params(shape.config, params))
    }

    /// Saves the decoder's weights to `folder`, which is created when it is absent; an adapter is not among them.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Core`] when a file cannot be written.
    pub fn save(&self, folder: &Path, format: WeightFormat) -> Result<()> {
        save_weights(self.config(), self.weights(), folder, format)
    }
}

/// Saves the configuration and the flat weights of a decoder.
pub(crate) fn save_weights(
    config: &ModelConfig,
    params: &[f32],
    folder: &Path,
    format: WeightFormat,
) -> Result<()> {
    fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
    let mut json = config.to_json();
    json["torch_dtype"] = match format {
        WeightFormat::F32 => "float32",
        WeightFormat::F16 => "float16",
        WeightFormat::Bf16 => "bfloat16",
    }
    .into();
    let text = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
    write_atomic(&folder.join("config.json"), text.as_bytes())?;
    let bytes = to_safetensors(&Layout::new(config), params, format, "")
        .map_err(|e| Error::config(&folder.join(SINGLE_FILE), e.to_string()))?;
    write_atomic(&folder.join(SINGLE_FILE), &bytes)?;
    Ok(())
}

/// A file of the tensors of `layout`, whose names get `prefix`.
pub(crate) fn to_safetensors(
    layout: &Layout,
    params: &[f32],
    format: WeightFormat,
    prefix: &str,
) -> std::result::Result<Vec<u8>, SafeTensorError> {
    let tensors: Vec<_> = layout
        .tensors
        .iter()
        .map(|spec| (spec, encode(&params[spec.range.clone()], format)))
        .collect();
    let views = tensors
        .iter()
        .map(|(spec, bytes)| {
            let view = TensorView::new(format.dtype(), spec.shape.clone(), bytes);
            Ok((format!("{prefix}{}", spec.name), view?))
        })
        .collect::<std::result::Result<Vec<_>, SafeTensorError>>()?;
    let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
    serialize(views, metadata)
}

impl WeightFormat {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }
}

/// The weight files of a model: the shards that the index names, or the single file.
fn weight_files(files: &(impl ModelFiles + ?Sized)) -> Result<Vec<String>> {
    let Some(text) = read_text(files, INDEX_FILE)? else {
        return Ok(vec![SINGLE_FILE.to_owned()]);
    };
    let path = files.path(INDEX_FILE);
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|source| Error::config(&path, format!("is not JSON: {source}")))?;
    let map = json["weight_map"].as_object();
    let shards = map.into_iter().flat_map(|map| map.values()).filter_map(|file| file.as_str());
    let shards: BTreeSet<String> = shards.map(str::to_owned).collect();
    if shards.is_empty() {
        return Err(Error::config(&path, "has no `weight_map` with file names"));
    }
    Ok(shards.into_iter().collect())
}

/// Reads a tensor's elements, in row-major order.
pub(crate) fn decode(target: &mut [f32], view: &TensorView<'_>) -> std::result::Result<(), String> {
    let data = view.data();
    let pairs = data.chunks_exact(2).map(|b| [b[0], b[1]]);
    match view.dtype() {
        Dtype::F32 => {
            for (t, b) in target.iter_mut().zip(data.chunks_exact(4)) {
                *t = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            }
        }
        Dtype::F16 => {
            target.iter_mut().zip(pairs).for_each(|(t, b)| *t = f16::from_le_bytes(b).to_f32());
        }
        Dtype::BF16 => {
            target.iter_mut().zip(pairs).for_each(|(t, b)| *t = bf16::from_le_bytes(b).to_f32());
        }
        Dtype::F64 => {
            for (t, b) in target.iter_mut().zip(data.chunks_exact(8)) {
                *t = f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32;
            }
        }
        other => return Err(format!("has dtype {other:?} (supported: F64, F32, F16, BF16)")),
    }
    Ok(())
}

fn encode(values: &[f32], format: WeightFormat) -> Vec<u8> {
    match format {
        WeightFormat::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        WeightFormat::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        WeightFormat::Bf16 => {
            values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;

    #[test]
    fn saved_weights_come_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = Model::new(ModelConfig::nano(40), &mut RootSeed(3).stream("init", &[]));
        for (format, tolerance) in
            [(WeightFormat::F32, 0.0), (WeightFormat::F16, 1e-4), (WeightFormat::Bf16, 1e-2)]
        {
            model.save(folder.path(), format).expect("saved");
            let again = Model::load(folder.path()).expect("loaded");
            for (a, b) in model.params().iter().zip(again.params()) {
                assert!((a - b).abs() <= tolerance, "{a} became {b} as {format:?}");
            }
        }
    }

    #[test]
    fn a_checkpoint_of_another_shape_is_refused_with_the_tensor_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let save = |vocab_size| {
            let mut rng = RootSeed(3).stream("init", &[]);
            let model = Model::new(ModelConfig::nano(vocab_size), &mut rng);
            model.save(folder.path(), WeightFormat::F16).expect("saved");
        };
        save(40);
        let weights = fs::read(folder.path().join("model.safetensors")).expect("readable");
        save(50);
        fs::write(folder.path().join("model.safetensors"), weights).expect("swapped");
        let error = Model::load(folder.path()).expect_err("40 is not 50").to_string();
        assert!(
            error.contains("embed_tokens.weight` has shape [40, 128], not [50, 128]"),
            "{error}"
        );
    }
}
