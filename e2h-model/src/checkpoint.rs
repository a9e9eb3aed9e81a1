//! Weights on disk, in the Hugging Face layout: `config.json` and `model.safetensors`, single or sharded.
//!
//! # Invariants
//! - A file is checked against the configuration before a number of it is used: an absent, extra-shaped or
//!   unreadable tensor is an error that names it.
//! - Files appear whole or not at all.
//! - Loading maps the files: beside the f32 weights there is no copy of them, and the pages of the file are the
//!   system's to give back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
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
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Model, ModelConfig, WeightFormat};
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(5) };
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path();
///
/// let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// model.save(folder, WeightFormat::F32)?;
/// assert_eq!(Model::load(folder)?.weights(), model.weights());
/// // Eight significant bits round by one part in 256 at most.
/// model.save(folder, WeightFormat::Bf16)?;
/// let loaded = Model::load(folder)?;
/// assert!(loaded.weights().iter().zip(model.weights()).all(|(a, b)| (a - b).abs() <= b.abs() / 256.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        for_each_tensor(files, &shape.layout, |range, view| decode(&mut params[range], view))?;
        Ok(Self::from_params(shape.config, params))
    }

    /// Checks that the weight files hold every tensor of the configuration in its shape, without holding them.
    ///
    /// Returns the number formats found, with the number of tensors of each.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn check_files(
        files: &(impl ModelFiles + ?Sized),
    ) -> Result<BTreeMap<&'static str, usize>> {
        let shape = Shape::new(ModelConfig::load(files)?);
        let mut formats = BTreeMap::new();
        for_each_tensor(files, &shape.layout, |_, view| {
            *formats.entry(format_name(view.dtype())?).or_insert(0) += 1;
            Ok(())
        })?;
        Ok(formats)
    }

    /// Saves the decoder's weights to `folder`, which is created when it is absent; an adapter is not among them.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Core`] when a file cannot be written.
    pub fn save(&self, folder: &Path, format: WeightFormat) -> Result<()> {
        save_weights(self.config(), self.weights(), folder, format)
    }
}

/// Calls `take` with every tensor of the layout and its place among the flat weights, file by file.
fn for_each_tensor(
    files: &(impl ModelFiles + ?Sized),
    layout: &Layout,
    mut take: impl FnMut(Range<usize>, &TensorView<'_>) -> std::result::Result<(), String>,
) -> Result<()> {
    let mut missing: BTreeSet<&str> =
        layout.tensors.iter().map(|spec| spec.name.as_str()).collect();
    let names = weight_files(files)?;
    for name in &names {
        let path = files.path(name);
        let bytes = files.map(name).map_err(|source| Error::io("read", &path, source))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::config(&path, format!("is not a safetensors file: {e}")))?;
        for (name, view) in file.iter() {
            let Some(spec) = layout.get(name) else { continue };
            if view.shape() != spec.shape {
                let problem = format!("has shape {:?}, not {:?}", view.shape(), spec.shape);
                return Err(Error::tensor(&path, name, problem));
            }
            take(spec.range.clone(), &view)
                .map_err(|problem| Error::tensor(&path, name, problem))?;
            missing.remove(name);
        }
    }
    if let Some(name) = missing.first() {
        let problem = match missing.len() {
            1 => "is missing".to_owned(),
            n => format!("is missing, and {} more", n - 1),
        };
        let file = if names.len() == 1 { names[0].as_str() } else { INDEX_FILE };
        return Err(Error::tensor(&files.path(file), name, problem));
    }
    Ok(())
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
    if json.get("dtype").is_some() {
        json["dtype"] = json["torch_dtype"].clone();
    }
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

fn format_name(dtype: Dtype) -> std::result::Result<&'static str, String> {
    match dtype {
        Dtype::F32 => Ok("f32"),
        Dtype::F16 => Ok("f16"),
        Dtype::BF16 => Ok("bf16"),
        Dtype::F64 => Ok("f64"),
        other => Err(format!("has dtype {other:?} (supported: F64, F32, F16, BF16)")),
    }
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
        other => return format_name(other).map(|_| ()),
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
    fn shards_are_found_by_the_index_and_what_they_lack_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = Model::new(ModelConfig::nano(40), &mut RootSeed(3).stream("init", &[]));
        model.save(folder.path(), WeightFormat::F32).expect("saved");
        let whole = fs::read(folder.path().join(SINGLE_FILE)).expect("readable");
        let whole = SafeTensors::deserialize(&whole).expect("just written");
        let parts: [Vec<_>; 2] = [0, 1].map(|part| {
            whole.iter().enumerate().filter(|(i, _)| i % 2 == part).map(|(_, t)| t).collect()
        });
        let mut map = serde_json::Map::new();
        for (index, part) in parts.iter().enumerate() {
            let name = format!("model-0000{}-of-00002.safetensors", index + 1);
            let bytes = serialize(part.iter().map(|(n, v)| (*n, v)), None).expect("serialises");
            fs::write(folder.path().join(&name), bytes).expect("written");
            map.extend(part.iter().map(|(tensor, _)| ((*tensor).to_owned(), name.clone().into())));
        }
        fs::remove_file(folder.path().join(SINGLE_FILE)).expect("removed");
        let index = |map: serde_json::Map<String, serde_json::Value>| {
            let json = serde_json::json!({ "metadata": {}, "weight_map": map });
            fs::write(folder.path().join(INDEX_FILE), json.to_string()).expect("written");
        };
        index(map.clone());
        assert_eq!(Model::load(folder.path()).expect("loaded").params(), model.params());
        let formats = Model::check_files(folder.path()).expect("whole");
        assert_eq!(formats, BTreeMap::from([("f32", model.layout().tensors.len())]));
        map.retain(|_, file| file.as_str().is_some_and(|file| file.contains("00001-of")));
        index(map);
        let error = Model::load(folder.path()).expect_err("half is gone").to_string();
        assert!(error.contains("is missing, and "), "{error}");
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
