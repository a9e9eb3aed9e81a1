//! Finding and loading a policy: a folder, a run, or a shipped model.

use std::path::{Path, PathBuf};

use e2h_model::{
    ADAPTER_CONFIG_FILE, Adapter, DeviceChoice, EmbeddedModel, LanguageModel, ModelFiles,
    PeftConfig,
};

use crate::config::{EngineKind, ModelSection, PrecisionKind};
use crate::embedded::MODELS;
use crate::hints::{Failure, Outcome, did_you_mean};

const EMBEDDED: &str = "embedded:";

/// A policy and where it computes.
pub(crate) struct Placed {
    /// The policy.
    pub policy: LanguageModel,
    /// Engine, device and why, for a person.
    pub place: String,
}

/// The device called `name`, with the way out where it cannot be had.
pub(crate) fn device(name: &str) -> Outcome<DeviceChoice> {
    e2h_model::device(name).map_err(|error| {
        let way_out = match cfg!(feature = "cuda") {
            true => "`e2h doctor` shows what the driver says; `--device cpu` works everywhere",
            false => "docs/GPU.md says how to build for CUDA; `--device cpu` works everywhere",
        };
        Failure::usage(error).hint(way_out)
    })
}

/// Loads the policy of a configuration onto its engine and device.
pub(crate) fn place(section: &ModelSection) -> Outcome<Placed> {
    let device = device(&section.device)?;
    let on_cpu = device.name == "cpu";
    let fused = match section.engine {
        EngineKind::Auto => on_cpu,
        EngineKind::Fused if !on_cpu => {
            let message = format!("the fused engine computes on the CPU, not on {}", device.name);
            return Err(Failure::usage(message).hint("use --device cpu, or model.engine=\"burn\""));
        }
        EngineKind::Fused => true,
        EngineKind::Burn => false,
    };
    let policy = load(&section.base)?;
    let place = |engine: &str, precision: &str| {
        format!("{engine} engine in {precision} on {} ({})", device.name, device.reason)
    };
    if fused {
        let precision = match section.precision {
            PrecisionKind::F32 => "f32",
            PrecisionKind::Bf16 => "f32, since bf16 is for the burn engine,",
        };
        return Ok(Placed { policy, place: place("fused", precision) });
    }
    let precision = section.precision.into();
    let policy = policy
        .on_burn(&device, precision, section.gradient_checkpointing)
        .map_err(|error| Failure::run(error).hint("`--device cpu` works everywhere"))?;
    Ok(Placed { policy, place: place("burn", section.precision.name()) })
}

/// True for the small models that E2H trains from nothing: their tokenizer is one of words, and knows those of one
/// task. True too where there is no such folder: that is found when it is loaded.
pub(crate) fn is_word_level(base: &str) -> bool {
    let path = Path::new(base);
    if base.starts_with(EMBEDDED) {
        return true;
    }
    if !path.is_dir() {
        return !is_hub_id(base);
    }
    if path.join(ADAPTER_CONFIG_FILE).is_file() {
        let base = PeftConfig::load(path).ok().and_then(|config| config.base);
        let whole = |base: &str| !Path::new(base).join(ADAPTER_CONFIG_FILE).is_file();
        return base.is_none_or(|base| whole(&base) && is_word_level(&base));
    }
    let text = std::fs::read_to_string(path.join("tokenizer.json")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    json.is_null() || json["model"]["type"] == "WordLevel"
}

/// Where the files of a model are.
pub(crate) enum Source {
    /// A folder in the Hugging Face layout.
    Folder(PathBuf),
    /// A model that E2H ships.
    Embedded(&'static EmbeddedModel),
}

impl Source {
    /// The files.
    pub(crate) fn files(&self) -> &dyn ModelFiles {
        match self {
            Self::Folder(path) => path,
            Self::Embedded(model) => *model,
        }
    }
}

/// Finds the model that `base` names: a model folder, a Hub id, or `embedded:NAME`.
pub(crate) fn source(base: &str) -> Outcome<Source> {
    if let Some(name) = base.strip_prefix(EMBEDDED) {
        if let Some(model) = MODELS.iter().find(|model| model.name == name) {
            return Ok(Source::Embedded(model));
        }
        let names = || MODELS.iter().map(|model| model.name);
        let known = names().collect::<Vec<_>>().join(", ");
        let failure = Failure::usage(format!("no embedded model `{name}` (known: {known})"));
        return Err(match did_you_mean(name, names()) {
            Some(near) => failure.hint(format!("did you mean `{EMBEDDED}{near}`?")),
            None => failure.hint("give a model folder, or one of the known names"),
        });
    }
    let path = Path::new(base);
    if path.is_dir() {
        return Ok(Source::Folder(path.to_path_buf()));
    }
    if is_hub_id(base) {
        return hub(base).map(Source::Folder);
    }
    Err(Failure::usage(format!("there is no model folder {base}")).hint(
        "give a folder with config.json and model.safetensors, a Hub id OWNER/NAME, or embedded:NAME",
    ))
}

/// True for `owner/name` and `owner/name@revision`.
fn is_hub_id(name: &str) -> bool {
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    let id = name.split_once('@').map_or(name, |(id, _)| id);
    id.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

#[cfg(feature = "hub")]
fn hub(id: &str) -> Outcome<PathBuf> {
    e2h_model::hub_folder(id).map_err(|error| {
        Failure::run(chain(&error)).hint(
            "download it where there is a network, and give the folder; a gated model needs its terms accepted \
             and HF_TOKEN set",
        )
    })
}

#[cfg(not(feature = "hub"))]
fn hub(id: &str) -> Outcome<PathBuf> {
    let message = format!("there is no folder {id}, and this program is built without the Hub");
    Err(Failure::usage(message)
        .hint("build it with `--features hub`, or download the model and give the folder"))
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Loads `base`: a model folder, an adapter's folder, a Hub id, or `embedded:NAME`.
pub(crate) fn load(base: &str) -> Outcome<LanguageModel> {
    match Path::new(base).join(ADAPTER_CONFIG_FILE).is_file() {
        true => load_adapter(Path::new(base)),
        false => load_whole(base),
    }
}

/// Loads an adapter and the model that it names.
fn load_adapter(folder: &Path) -> Outcome<LanguageModel> {
    let failure = |error| {
        Failure::run(error)
            .context(format!("cannot load the adapter in {}", folder.display()))
            .hint("it needs adapter_config.json and adapter_model.safetensors of the same model")
    };
    let config = PeftConfig::load(folder).map_err(failure)?;
    let Some(base) = config.base else {
        let message = format!("the adapter in {} names no base model", folder.display());
        return Err(
            Failure::run(message).hint("set `base_model_name_or_path` in its adapter_config.json")
        );
    };
    if Path::new(&base).join(ADAPTER_CONFIG_FILE).is_file() {
        return Err(Failure::run(format!("{base}, which an adapter is for, is an adapter itself")));
    }
    let policy = load_whole(&base)?;
    let adapter = Adapter::load(folder, policy.engine().config()).map_err(failure)?;
    Ok(policy.with_adapter(adapter, &base))
}

/// Loads a whole model.
fn load_whole(base: &str) -> Outcome<LanguageModel> {
    LanguageModel::load(source(base)?.files()).map_err(|error| {
        Failure::run(chain(&error)).context(format!("cannot load {base}")).hint(format!(
            "`e2h model check {base}` looks at every file; docs/models.md says what is supported"
        ))
    })
}

/// A model and the configuration of its run.
pub(crate) struct Found {
    /// The model's folder.
    pub model: PathBuf,
    /// The run's `config.toml`, where it is of a run.
    pub config: Option<PathBuf>,
}

/// Which checkpoint of a run is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest whole one.
    Last,
    /// The one of the best evaluation.
    Best,
    /// The one after so many steps.
    Step(u64),
}

impl Which {
    /// Reads `last`, `best` or a number.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        match text {
            "last" => Ok(Self::Last),
            "best" => Ok(Self::Best),
            number => number.parse().map(Self::Step).map_err(|_| {
                Failure::usage(format!("--checkpoint is `{text}`"))
                    .hint("it is last, best, or a number of steps")
            }),
        }
    }
}

/// The checkpoint of a run that `which` means.
fn checkpoint(run: &Path, which: Which) -> Outcome<PathBuf> {
    let folder = run.join("checkpoints");
    let shown = run.display();
    let step = match which {
        Which::Last => {
            let latest = e2h_rl::checkpoint::latest(&folder, |path, error| {
                crate::progress::say(&format!("{} is passed over: {error}", path.display()));
            });
            return match latest.map_err(Failure::run)? {
                Some((model, _)) => Ok(model),
                None => Err(Failure::run(format!("{shown} has no whole checkpoint"))
                    .hint(format!("`e2h train --resume {shown}` goes on with it"))),
            };
        }
        Which::Best => {
            let best = std::fs::read(folder.join("best.json")).ok();
            let best: Option<e2h_rl::Best> =
                best.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let none = || {
                Failure::run(format!("{shown} has no best checkpoint"))
                    .hint("a run evaluates after its last step, and each run.eval_every steps")
            };
            best.ok_or_else(none)?.step
        }
        Which::Step(step) => step,
    };
    let path = folder.join(format!("step-{step}"));
    if !path.is_dir() {
        let kept = e2h_rl::checkpoint::list(&folder).map_err(Failure::run)?;
        let kept: Vec<String> = kept.iter().rev().map(|(step, _)| step.to_string()).collect();
        return Err(Failure::usage(format!("{shown} has no checkpoint after {step} steps"))
            .hint(format!("kept are: {}", kept.join(", "))));
    }
    e2h_rl::checkpoint::verify(&path).map_err(Failure::run)?;
    Ok(path)
}

/// Finds a checkpoint of a run folder, or takes a checkpoint or a model folder as it is.
pub(crate) fn find(path: &Path, which: Which) -> Outcome<Found> {
    if !path.exists() {
        return Err(Failure::usage(format!("there is no folder {}", path.display()))
            .hint("give a run folder, as `e2h train` prints it, a checkpoint, or a model folder"));
    }
    if path.join("config.toml").is_file() {
        let model = checkpoint(path, which)?;
        return Ok(Found { model, config: Some(path.join("config.toml")) });
    }
    let holds = |name: &str| path.join(name).is_file();
    if !holds("config.json") && !holds(ADAPTER_CONFIG_FILE) {
        let message = format!("{} is neither a run nor a model folder", path.display());
        return Err(Failure::usage(message)
            .hint("a run has config.toml, a model config.json, an adapter adapter_config.json"));
    }
    // A checkpoint lies two folders below its run.
    let config = path.ancestors().nth(2).map(|run| run.join("config.toml"));
    let of_a_run = holds("trainer/state.json");
    let config = config.filter(|config| of_a_run && config.is_file());
    Ok(Found { model: path.to_path_buf(), config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids_are_told_from_paths() {
        for id in ["Qwen/Qwen2.5-1.5B-Instruct", "a/b@main", "meta-llama/Llama-3.2-3B_x"] {
            assert!(is_hub_id(id), "{id}");
        }
        for path in ["models", "./a/b", "../a", "/a/b", "a/b/c", "a/", "/b", "a b/c", "~/a"] {
            assert!(!is_hub_id(path), "{path}");
        }
    }
}
