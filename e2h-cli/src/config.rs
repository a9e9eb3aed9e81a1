//! The configuration of a run: one TOML table a subject, with the presets of `configs/`.

use clap::ValueEnum;
use e2h_core::{Error, Level, Task};
use e2h_model::{ADAPTER_CONFIG_FILE, Family, LoraConfig, ModelConfig, Precision};
use e2h_rl::{EvalConfig, GrpoConfig, RunConfig, SftConfig};
use e2h_sched::{FilterConfig, FilterKind, Kind, Picking, ScheduleConfig, read_table};
use e2h_tasks::data::{DataError, DataSpec, HubSpec, LevelMap};
use e2h_tasks::registry::TaskConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hints::{Failure, Outcome, did_you_mean};
use crate::layers::{Layers, Resolved};
use crate::presets::PRESETS;

/// Everything that can be set about a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Root of all random streams.
    pub seed: u64,
    /// The task and its levels.
    pub task: TaskConfig,
    /// Where the policy starts from.
    pub model: ModelSection,
    /// Which levels a step draws from.
    pub schedule: ScheduleConfig,
    /// The algorithm.
    pub train: GrpoConfig,
    /// Where training's rollouts are drawn.
    pub rollouts: RolloutsSection,
    /// The training problems.
    pub data: DataSection,
    /// The evaluation.
    pub eval: EvalConfig,
    /// Saving and evaluating along the way.
    pub run: RunConfig,
    /// How `e2h base` trains the starting policy.
    pub base: BaseSection,
}

/// Where the policy starts from, and what computes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelSection {
    /// A model folder, or `embedded:NAME` for a model that E2H ships.
    pub base: String,
    /// Where it computes: auto, cpu, cuda, cuda:1, ...
    pub device: String,
    /// What computes it.
    pub engine: EngineKind,
    /// Number format of weights and activations on the burn engine.
    pub precision: PrecisionKind,
    /// Compute each layer a second time on the way back instead of keeping what it computed: less memory, a third more
    /// work. For the burn engine; the fused one cuts its batch smaller instead.
    pub gradient_checkpointing: bool,
    /// Train a low-rank adapter beside frozen weights; without this table all weights are trained.
    pub lora: Option<LoraConfig>,
}

/// What computes a decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineKind {
    /// Fused on the CPU, burn on a GPU.
    #[default]
    Auto,
    /// Fused kernels on the CPU.
    Fused,
    /// burn tensors on any device.
    Burn,
}

/// Number format of weights and activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PrecisionKind {
    /// f32 throughout.
    #[default]
    F32,
    /// bf16 with f32 norms, softmax and loss.
    Bf16,
}

impl PrecisionKind {
    /// `f32` or `bf16`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl From<PrecisionKind> for Precision {
    fn from(kind: PrecisionKind) -> Self {
        match kind {
            PrecisionKind::F32 => Self::F32,
            PrecisionKind::Bf16 => Self::Bf16,
        }
    }
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            base: "embedded:countdown-nano".to_owned(),
            device: "auto".to_owned(),
            engine: EngineKind::Auto,
            precision: PrecisionKind::F32,
            gradient_checkpointing: false,
            lora: None,
        }
    }
}

/// Where training's rollouts are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RolloutsSection {
    /// `local` for the policy's own engine, or `openai:http://HOST:PORT` for a completions server.
    pub source: String,
    /// What the server calls the base model; empty = the first that it lists.
    pub model: String,
    /// Folder for the adapters that the server takes up, as both machines see it; empty = the run's folder.
    pub adapter_dir: String,
    /// Requests at a time.
    pub concurrency: usize,
    /// Longest wait for an answer, in seconds.
    pub timeout_s: u64,
    /// How often a request is sent again when the server cannot be reached or is busy.
    pub retries: u32,
}

impl Default for RolloutsSection {
    fn default() -> Self {
        Self {
            source: LOCAL.to_owned(),
            model: String::new(),
            adapter_dir: String::new(),
            concurrency: 64,
            timeout_s: 600,
            retries: 5,
        }
    }
}

/// The source of rollouts that is the policy's own engine.
const LOCAL: &str = "local";

impl RolloutsSection {
    /// The address of the server; `None` for the policy's own engine.
    pub(crate) fn server(&self) -> Option<&str> {
        self.source.strip_prefix("openai:").filter(|_| self.source != LOCAL)
    }

    fn validate(&self, trains_adapter: bool) -> Vec<Error> {
        let out_of_range = |name: &str, got: &str, expected: &str| Error::OutOfRange {
            name: name.to_owned(),
            got: got.to_owned(),
            expected: expected.to_owned(),
        };
        let mut problems = Vec::new();
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if self.source != LOCAL && !self.server().is_some_and(is_url) {
            let expected = "local or openai:http://HOST:PORT";
            problems.push(out_of_range("source", &self.source, expected));
        } else if self.source != LOCAL && !trains_adapter {
            let expected = "local unless an adapter is trained: servers take up adapters, not weights; \
                            set model.lora.rank";
            problems.push(out_of_range("source", &self.source, expected));
        }
        if self.concurrency == 0 || self.timeout_s == 0 {
            problems.push(out_of_range("concurrency and timeout_s", "0", "at least 1"));
        }
        problems
    }
}

/// The training problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DataSection {
    /// Problems in each level's pool.
    pub problems_per_level: usize,
    /// How the levels of a step's prompts are drawn.
    pub picking: Picking,
    /// The field of a training row that says how often its problem is drawn, against the others of its level; a row
    /// without it weighs 1; empty: all weigh alike.
    pub weight_field: String,
    /// Training problems from files or the Hub; generated without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<DataSpec>,
    /// Held-out problems from files or the Hub; generated without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<DataSpec>,
}

impl Default for DataSection {
    fn default() -> Self {
        Self {
            problems_per_level: 4096,
            picking: Picking::Independent,
            weight_field: "weight".to_owned(),
            train: None,
            test: None,
        }
    }
}

/// How `e2h base` trains the starting policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BaseSection {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Longest sequence in tokens.
    pub max_positions: usize,
    /// The training on random play.
    pub sft: SftConfig,
}

impl Default for BaseSection {
    fn default() -> Self {
        let nano = ModelConfig::nano(1);
        Self {
            hidden_size: nano.hidden_size,
            intermediate_size: nano.intermediate_size,
            n_layers: nano.n_layers,
            n_heads: nano.n_heads,
            max_positions: nano.max_positions,
            sft: SftConfig::default(),
        }
    }
}

impl BaseSection {
    /// The shape of the model for a vocabulary of `vocab_size` words.
    ///
    /// # Errors
    /// A sentence that names the setting at fault.
    pub(crate) fn shape(&self, vocab_size: usize) -> Result<ModelConfig, String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("max_positions", self.max_positions),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("`base.{name}` is 0, but must be at least 1"));
        }
        let width = 2 * self.n_heads;
        if !self.hidden_size.is_multiple_of(width) {
            return Err(format!(
                "`base.hidden_size` is {}, but must be a multiple of {width}, twice `base.n_heads`",
                self.hidden_size
            ));
        }
        Ok(ModelConfig {
            family: Family::Llama,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            n_layers: self.n_layers,
            n_heads: self.n_heads,
            n_kv_heads: self.n_heads,
            head_dim: self.hidden_size / self.n_heads,
            max_positions: self.max_positions,
            ..ModelConfig::nano(vocab_size)
        })
    }
}

/// The layers that a command line can put on top of the defaults.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Start from a preset, for example countdown-nano or paper/qwen2.5-1.5b-gsm8k; `e2h config list` shows all
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Lay a TOML file on top (may be given several times, later wins)
    #[arg(long = "config", short = 'c', value_name = "FILE")]
    pub files: Vec<std::path::PathBuf>,
    /// Set one value, for example --set train.group_size=8
    #[arg(long = "set", short = 's', value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Start from this task's preset: NAME-nano for the small models of E2H, paper/NAME for chat models
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Root of all random streams
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of updates
    #[arg(long)]
    pub steps: Option<u64>,
    /// The schedule's kind, for example balanced, gaussian, e2h-a
    #[arg(long, value_name = "KIND")]
    pub schedule: Option<String>,
    /// A model folder to start from, or embedded:NAME
    #[arg(long, short = 'm', value_name = "DIR")]
    pub model: Option<String>,
    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long)]
    pub device: Option<String>,
    /// Number format of weights and activations on the burn engine
    #[arg(long, value_enum)]
    pub dtype: Option<PrecisionKind>,
}

impl ConfigArgs {
    /// Merges the layers and checks the values.
    ///
    /// # Errors
    /// All problems at once, as a failure of usage.
    pub(crate) fn resolve(&self) -> Outcome<Resolved<Config>> {
        let resolved = self.merge()?;
        resolved.value.check()?;
        Ok(resolved)
    }

    /// Merges the layers.
    ///
    /// # Errors
    /// Unknown keys and values of a wrong type, all at once, as a failure of usage.
    pub(crate) fn merge(&self) -> Outcome<Resolved<Config>> {
        let resolved = self.layers()?.resolve()?;
        let schedule = &resolved.value.schedule;
        let Some(path) = schedule.file.as_ref().filter(|_| schedule.rows.is_none()) else {
            return Ok(resolved);
        };
        // The rows become part of the configuration, so that a resumed run does not need the file.
        let rows = read_table(path).map_err(|error| {
            Failure::usage(format!("[schedule] {:#}", anyhow::Error::from(error)))
                .hint("`schedule.file` is relative to the current folder: one row of probabilities a line")
        })?;
        let rows = toml::Value::try_from(rows).map_err(Failure::usage)?;
        let name = format!("file {}", path.display());
        Ok(self.layers()?.flag(name, "schedule.rows", rows).resolve()?)
    }

    /// The layers that the flags name, not merged yet.
    fn layers(&self) -> Outcome<Layers<'static, Config>> {
        let mut layers = Layers::<Config>::new(Config::examples(), PRESETS);
        if let Some(preset) = self.preset_name()? {
            layers = layers.preset(preset);
        }
        for file in &self.files {
            layers = layers.file(file);
        }
        for set in &self.sets {
            layers = layers.set(set);
        }
        if let Some(seed) = self.seed {
            layers = layers.flag("--seed", "seed", whole("--seed", seed)?);
        }
        if let Some(steps) = self.steps {
            layers = layers.flag("--steps", "train.steps", whole("--steps", steps)?);
        }
        if let Some(kind) = &self.schedule {
            layers = layers.flag("--schedule", "schedule.kind", kind.clone());
        }
        if let Some(model) = &self.model {
            layers = layers.flag("--model", "model.base", model.clone());
        }
        if let Some(device) = &self.device {
            layers = layers.flag("--device", "model.device", device.clone());
        }
        if let Some(dtype) = self.dtype {
            layers = layers.flag("--dtype", "model.precision", dtype.name().to_owned());
        }
        Ok(layers)
    }

    /// The preset that the flags name, or the default one where no file is given either.
    fn preset_name(&self) -> Outcome<Option<String>> {
        match (&self.preset, &self.task) {
            (Some(_), Some(_)) => Err(Failure::usage("--preset and --task exclude each other")
                .hint("a preset names its task already")),
            (Some(preset), None) => Ok(Some(preset.clone())),
            (None, Some(task)) => self.preset_of_task(task).map(Some),
            (None, None) if self.files.is_empty() => Ok(Some("countdown-nano".to_owned())),
            (None, None) => Ok(None),
        }
    }

    /// The preset of a task that fits the model: a small model knows the words of its nano preset alone.
    fn preset_of_task(&self, task: &str) -> Outcome<String> {
        let has = |name: &str| PRESETS.iter().any(|(known, _)| *known == name);
        let (nano, paper) = (format!("{task}-nano"), format!("paper/{task}"));
        let is_small = self.model.as_deref().is_none_or(crate::policy::is_word_level);
        match (has(&nano), has(&paper) && !task.contains('-') && task != "recipe") {
            (true, false) => return Ok(nano),
            (true, true) if is_small => return Ok(nano),
            (_, true) => return Ok(paper),
            (false, false) => {}
        }
        let tasks = || {
            let names = PRESETS.iter().filter_map(|(name, _)| name.strip_prefix("paper/"));
            names.filter(|name| !name.contains('-') && *name != "recipe")
        };
        let known = tasks().collect::<Vec<_>>().join(", ");
        let failure = Failure::usage(format!("unknown task `{task}` (known: {known})"));
        Err(match crate::hints::did_you_mean(task, tasks()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`e2h tasks list` shows the tasks; `task.kind` takes any of them"),
        })
    }
}

fn whole(flag: &str, value: u64) -> Outcome<i64> {
    i64::try_from(value).map_err(|_| Failure::usage(format!("{flag} {value} is too large")))
}

impl Config {
    /// Values that together with the default show every key.
    pub(crate) fn examples() -> Vec<Self> {
        let tasks = e2h_tasks::registry::task_names()
            .into_iter()
            .filter_map(|name| TaskConfig::named(name).ok())
            .map(|task| Self { task, ..Self::default() });
        let schedules = Kind::ALL
            .into_iter()
            .map(|kind| Self { schedule: schedule_example(kind), ..Self::default() });
        // Any kind of schedule can have any filter.
        let filters = Kind::ALL.into_iter().flat_map(|kind| {
            filter_examples().map(|filter| {
                let filter = Some(filter);
                let schedule = ScheduleConfig { filter, ..schedule_example(kind) };
                Self { schedule, ..Self::default() }
            })
        });
        let lora = Some(LoraConfig::default());
        let model = ModelSection { lora, ..ModelSection::default() };
        let adapter = Self { model, ..Self::default() };
        let data = data_examples().into_iter().map(|spec| {
            let (train, test) = (Some(spec.clone()), Some(spec));
            Self { data: DataSection { train, test, ..DataSection::default() }, ..Self::default() }
        });
        tasks.chain(schedules).chain(filters).chain([adapter]).chain(data).collect()
    }

    /// Checks the values that the types leave open.
    fn check(&self) -> Outcome {
        let mut problems: Vec<(&str, Error)> = Vec::new();
        match self.task.clone().task() {
            Err(errors) => problems.extend(errors.into_iter().map(|error| ("task", error))),
            Ok(task) => {
                let n_levels = n_train_levels(task.as_ref());
                let schedule = self.schedule.validate(n_levels, self.train.steps.max(1));
                problems.extend(schedule.into_iter().map(|error| ("schedule", error)));
                let parts = unknown_parts(&self.train, task.as_ref());
                problems.extend(parts.into_iter().map(|error| ("train", error)));
            }
        }
        if let Some(lora) = &self.model.lora {
            let found = lora.validate().into_iter();
            problems.extend(found.map(|error| ("model.lora", error)));
        }
        // A base that is an adapter's folder is trained on as one.
        let is_adapter = std::path::Path::new(&self.model.base).join(ADAPTER_CONFIG_FILE).is_file();
        let rollouts = self.rollouts.validate(self.model.lora.is_some() || is_adapter);
        problems.extend(rollouts.into_iter().map(|error| ("rollouts", error)));
        problems.extend(self.train.validate().into_iter().map(|error| ("train", error)));
        let run = self.run.validate(&self.eval);
        problems.extend(run.into_iter().map(|error| ("run", error)));
        problems.extend(self.eval.validate().into_iter().map(|error| ("eval", error)));
        for (section, spec) in [("data.train", &self.data.train), ("data.test", &self.data.test)] {
            let found = spec.as_ref().map(DataSpec::validate).unwrap_or_default();
            problems.extend(found.into_iter().filter_map(|e| Some((section, as_error(e)?))));
        }
        match problems.len() {
            0 => Ok(()),
            1 => {
                let (section, error) = &problems[0];
                Err(Failure::usage(format!("[{section}] {error}"))
                    .hint("`e2h config show` prints every value and where it comes from"))
            }
            n => {
                let failure = Failure::usage(format!("the configuration has {n} problems"))
                    .hint("`e2h config show` prints every value and where it comes from");
                Err(problems.iter().fold(failure, |failure, (section, error)| {
                    failure.detail(format!("[{section}] {error}"))
                }))
            }
        }
    }
}

/// The number of levels that training draws from.
pub(crate) fn n_train_levels(task: &dyn Task) -> usize {
    task.levels().iter().filter(|level| !level.ood).count()
}

/// The reward weights that name no part of the task's reward.
fn unknown_parts(train: &GrpoConfig, task: &dyn Task) -> Vec<Error> {
    let known = task.reward_parts();
    if known.is_empty() {
        return Vec::new();
    }
    let names = train.reward_weights.iter().map(|weight| weight.name.as_str());
    let unknown = names.filter(|name| !known.contains(name)).map(|name| {
        let near = match (name, did_you_mean(name, known.iter().copied())) {
            ("overlong", _) => " (the weight of `overlong` is overlong_penalty)".to_owned(),
            (_, Some(near)) => format!(" (did you mean `{near}`?)"),
            (_, None) => String::new(),
        };
        let expected = format!("a part of {}'s reward: {}{near}", task.name(), known.join(", "));
        Error::OutOfRange { name: "reward_weights".to_owned(), got: format!("`{name}`"), expected }
    });
    unknown.collect()
}

/// A problem of a specification of rows, in the words of the others.
fn as_error(error: DataError) -> Option<Error> {
    match error {
        DataError::Spec { key, problem } => Some(Error::OutOfRange {
            name: key.to_owned(),
            got: "not as it should be".to_owned(),
            expected: problem,
        }),
        _ => None,
    }
}

/// Specifications of rows that together have all keys, lists of one and of several.
fn data_examples() -> [DataSpec; 2] {
    let spec = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (id, revision, files) = ("a/b".to_owned(), "main".to_owned(), names.clone());
        DataSpec {
            path: names,
            hub: Some(HubSpec { id, revision, files }),
            task: Some("math".to_owned()),
            level: Some(Level(0)),
            level_map: Some(LevelMap { field: "level".to_owned(), order: vec![1.into()] }),
            take: Some(1),
            ..DataSpec::default()
        }
    };
    [spec(&["a"]), spec(&["a", "b"])]
}

/// A schedule of `kind` with all its keys given.
fn schedule_example(kind: Kind) -> ScheduleConfig {
    let all = json!({
        "level": 0, "form": "code", "mu_exp": 0.5, "sigma": 0.5, "min_prob": 0.1,
        "rows": [[1.0]], "file": "table.csv", "points": [{"step": 0, "probs": [1.0]}], "interpolate": false,
        "alpha": 0.5, "tau": 1.0, "eta": 50.0, "beta": 0.5, "window": 300, "w_dro": 1.0,
        "w_sec": 1.0, "w_gaussian": 1.0, "dro_rate": 0.1, "raise": 0.7, "lower": 0.3,
        "gamma": 0.9, "prior_groups": 1.0, "probe": 1.0, "pull": 1.0, "explore": 0.1,
    });
    let mut table = serde_json::Map::new();
    table.insert("kind".to_owned(), json!(kind));
    table.insert("floor".to_owned(), json!(0.0));
    for key in kind.keys() {
        table.insert((*key).to_owned(), all[*key].clone());
    }
    serde_json::from_value(Value::Object(table)).unwrap_or_else(|_| ScheduleConfig::of(kind))
}

/// A filter of each kind with all its keys given.
fn filter_examples() -> [FilterConfig; 3] {
    [
        FilterConfig {
            low: Some(0.01),
            high: Some(0.99),
            ..FilterConfig::of(FilterKind::PassRate)
        },
        FilterConfig {
            low: Some(0.25),
            high: Some(0.75),
            weight: Some(0.2),
            ..FilterConfig::of(FilterKind::Pools)
        },
        FilterConfig {
            kappa_start: Some(0.3),
            kappa: Some(0.8),
            warmup_steps: Some(20),
            memory: Some(512),
            ..FilterConfig::of(FilterKind::Vcrl)
        },
    ]
}
