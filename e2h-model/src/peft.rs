//! Adapters on disk, in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! # Source
//! PEFT 0.21, `LoraConfig` and `save_pretrained`: tensors are called
//! `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight` and so on.
//!
//! # Deviations
//! - Which projections have an adapter is read from the tensors, so `target_modules` may be a list, a pattern or
//!   `all-linear`.
//! - What PEFT can do beyond plain LoRA (DoRA, patterns of ranks, biases, saved modules, ...) is refused with the
//!   setting's name.
//!
//! # Invariants
//! - A file is checked against the decoder before a number of it is used.

use std::fs;
use std::path::Path;

use e2h_core::write_atomic;
use safetensors::tensor::SafeTensors;
use serde_json::{Map, Value, json};

use crate::checkpoint::{decode, to_safetensors};
use crate::files::{ModelFiles, require_text};
use crate::{Adapter, Error, LoraConfig, ModelConfig, Projection, Result, WeightFormat};

/// The file that makes a folder one of an adapter.
pub const ADAPTER_CONFIG_FILE: &str = "adapter_config.json";
/// The factors.
pub const ADAPTER_FILE: &str = "adapter_model.safetensors";

const PREFIX: &str = "base_model.model.";

/// Settings that must be absent, null, false, empty or `none`: what is beyond plain LoRA.
const UNSUPPORTED: [&str; 20] = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "bias",
    "corda_config",
    "exclude_modules",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "layers_pattern",
    "layers_to_transform",
    "lora_bias",
    "modules_to_save",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
];

/// What `adapter_config.json` says.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Adapter, LoraConfig, ModelConfig, PeftConfig, WeightFormat};
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path();
///
/// let shape = ModelConfig::nano(16);
/// let config = LoraConfig { rank: 2, ..LoraConfig::default() };
/// let adapter = Adapter::new(config, &shape, &mut RootSeed(0).stream("lora", &[]));
/// adapter.save(folder, Some("own/tiny"), WeightFormat::F32)?;
/// // A folder says what base it is for before anything is loaded.
/// assert_eq!(PeftConfig::load(folder)?.base.as_deref(), Some("own/tiny"));
/// let loaded = Adapter::load(folder, &shape)?;
/// assert_eq!((loaded.config(), loaded.params()), (adapter.config(), adapter.params()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeftConfig {
    /// The base model, as its writer named it.
    pub base: Option<String>,
    rank: usize,
    alpha: f64,
    dropout: f64,
    rslora: bool,
}

impl PeftConfig {
    /// Reads `adapter_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] that names the setting at fault.
    pub fn load(files: &(impl ModelFiles + ?Sized)) -> Result<Self> {
        let text = require_text(files, ADAPTER_CONFIG_FILE)?;
        let path = files.path(ADAPTER_CONFIG_FILE);
        let fields = serde_json::from_str::<Map<String, Value>>(&text)
            .map_err(|source| Error::config(&path, format!("is not a JSON object: {source}")))?;
        Self::from_json(&fields).map_err(|problem| Error::config(&path, problem))
    }

    fn from_json(fields: &Map<String, Value>) -> std::result::Result<Self, String> {
        let get = |name: &str| fields.get(name).unwrap_or(&Value::Null);
        if get("peft_type").as_str() != Some("LORA") {
            return Err(format!("`peft_type` is {}, not \"LORA\"", get("peft_type")));
        }
        for name in UNSUPPORTED {
            let off = match get(name) {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty() || text == "none",
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if !off {
                return Err(format!("`{name}` is {}, which is not supported", get(name)));
            }
        }
        let rank = get("r").as_u64().and_then(|rank| usize::try_from(rank).ok());
        Ok(Self {
            base: get("base_model_name_or_path").as_str().map(str::to_owned),
            rank: rank.filter(|rank| *rank > 0).ok_or("has no rank `r`")?,
            alpha: get("lora_alpha").as_f64().ok_or("has no `lora_alpha`")?,
            dropout: get("lora_dropout").as_f64().unwrap_or(0.0),
            rslora: get("use_rslora").as_bool().unwrap_or(false),
        })
    }
}

/// The contents of `adapter_config.json`.
fn config_json(config: &LoraConfig, base: Option<&str>) -> Value {
    let targets: Vec<&str> = config.targets.iter().map(|target| target.name()).collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "use_rslora": config.rslora,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
    })
}

impl Adapter {
    /// Loads an adapter for a decoder of shape `model`.
    ///
    /// # Errors
    /// [`Error::Io`] for a missing file, [`Error::Config`] or [`Error::Tensor`] for one that does not fit.
    pub fn load(files: &(impl ModelFiles + ?Sized), model: &ModelConfig) -> Result<Self> {
        let PeftConfig { rank, alpha, dropout, rslora, .. } = PeftConfig::load(files)?;
        let path = files.path(ADAPTER_FILE);
        let bytes = files.read(ADAPTER_FILE).map_err(|source| Error::io("read", &path, source))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::config(&path, format!("is not a safetensors file: {e}")))?;
        let has = |target: &Projection| {
            let part = format!(".{}.lora_", target.path());
            file.names().iter().any(|name| name.contains(&part))
        };
        let targets = Projection::ALL.into_iter().filter(has).collect();
        let config = LoraConfig { rank, alpha, dropout, targets, rslora };
        if let Some(problem) = config.validate().first() {
            return Err(Error::config(&path, problem.to_string()));
        }
        let mut adapter = Self::zeros(config, model);
        for (name, _) in file.iter() {
            let known = name.strip_prefix(PREFIX).and_then(|name| adapter.layout().get(name));
            if known.is_none() {
                return Err(Error::tensor(&path, name, "has no place in this model"));
            }
        }
        let mut params = vec![0.0; adapter.params().len()];
        for spec in &adapter.layout().tensors {
            let name = format!("{PREFIX}{}", spec.name);
            let Ok(view) = file.tensor(&name) else {
                return Err(Error::tensor(&path, &name, "is missing"));
            };
            if view.shape() != spec.shape {
                let problem = format!("has shape {:?}, not {:?}", view.shape(), spec.shape);
                return Err(Error::tensor(&path, &name, problem));
            }
            decode(&mut params[spec.range.clone()], &view)
                .map_err(|problem| Error::tensor(&path, &name, problem))?;
        }
        adapter.update(|_, own| own.copy_from_slice(&params));
        Ok(adapter)
    }

    /// Saves the adapter to `folder`, which is created when it is absent. `base` names the model that it is for.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Core`] when a file cannot be written.
    pub fn save(&self, folder: &Path, base: Option<&str>, format: WeightFormat) -> Result<()> {
        fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
        let json = config_json(self.config(), base);
        let text = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
        write_atomic(&folder.join(ADAPTER_CONFIG_FILE), text.as_bytes())?;
        let bytes = to_safetensors(self.layout(), self.params(), format, PREFIX)
            .map_err(|e| Error::config(&folder.join(ADAPTER_FILE), e.to_string()))?;
        write_atomic(&folder.join(ADAPTER_FILE), &bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;

    fn adapter() -> Adapter {
        let config = LoraConfig {
            rank: 3,
            alpha: 7.5,
            dropout: 0.25,
            targets: vec![Projection::KProj, Projection::DownProj],
            rslora: true,
        };
        Adapter::new(config, &ModelConfig::nano(30), &mut RootSeed(1).stream("lora", &[]))
    }

    #[test]
    fn a_saved_adapter_comes_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let saved = adapter();
        saved.save(folder.path(), Some("some/base"), WeightFormat::F32).expect("saved");
        let again = Adapter::load(folder.path(), &ModelConfig::nano(30)).expect("loaded");
        assert_eq!((again.config(), again.params()), (saved.config(), saved.params()));
        let config = PeftConfig::load(folder.path()).expect("loaded");
        assert_eq!(config.base.as_deref(), Some("some/base"));
    }

    #[test]
    fn an_adapter_that_does_not_fit_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        adapter().save(folder.path(), None, WeightFormat::F32).expect("saved");
        let error = |model: &ModelConfig| {
            Adapter::load(folder.path(), model).expect_err("does not fit").to_string()
        };
        let wide = ModelConfig { hidden_size: 64, ..ModelConfig::nano(30) };
        assert!(error(&wide).contains("k_proj.lora_A.weight` has shape [3, 128], not [3, 64]"));
        let deep = ModelConfig { n_layers: 5, ..ModelConfig::nano(30) };
        assert!(error(&deep).contains("layers.4.self_attn.k_proj.lora_A.weight` is missing"));
        let flat = ModelConfig { n_layers: 1, ..ModelConfig::nano(30) };
        assert!(error(&flat).contains("has no place in this model"));
        let path = folder.path().join(ADAPTER_CONFIG_FILE);
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, text.replace("\"bias\": \"none\"", "\"use_dora\": true"))
            .expect("written");
        assert!(error(&ModelConfig::nano(30)).contains("`use_dora` is true"));
    }
}
