//! `e2h model`: what a model folder holds, whether it is whole, and copies of it for other programs.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use e2h_core::Prompt;
use e2h_model::{
    ADAPTER_CONFIG_FILE, Model, ModelConfig, ModelFiles, PeftConfig, TextCodec, WeightFormat,
};
use serde_json::json;

use crate::bytes::size;
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Source};
use crate::progress::{out, say};

/// `e2h model`
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Shape, size, tokenizer and end tokens of a model
    Info {
        /// A model folder, a run, a checkpoint, a Hub id, or embedded:NAME
        model: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for all that is missing or does not fit, without loading the weights
    Check {
        /// A model folder, a run, a checkpoint, a Hub id, or embedded:NAME
        model: String,
    },
    /// Write a folder that transformers, peft and vLLM open; an adapter stays one
    Export(ExportArgs),
    /// Add an adapter to the weights of its model, and write the whole
    Merge(ExportArgs),
}

/// `e2h model export` and `e2h model merge`
#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// A model folder, a run, a checkpoint, a Hub id, or embedded:NAME
    model: String,
    /// Where the folder is written; must be new or empty
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Number format of the weights
    #[arg(long, value_enum, default_value_t = FormatArg::Bf16)]
    format: FormatArg,
}

/// Number format of weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatArg {
    /// 4 bytes
    F32,
    /// 2 bytes, 11 significant bits
    F16,
    /// 2 bytes, 8 significant bits, the range of f32
    Bf16,
}

impl From<FormatArg> for WeightFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::F32 => Self::F32,
            FormatArg::F16 => Self::F16,
            FormatArg::Bf16 => Self::Bf16,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &ModelArgs) -> Outcome {
    match &args.command {
        ModelCommand::Info { model, json } => info(model, *json),
        ModelCommand::Check { model } => check(model),
        ModelCommand::Export(args) => export(args, false),
        ModelCommand::Merge(args) => export(args, true),
    }
}

/// A run folder stands for its newest checkpoint.
fn named(name: &str) -> Outcome<String> {
    let path = Path::new(name);
    match path.join("config.toml").is_file() {
        true => Ok(policy::find(path, policy::Which::Last)?.model.display().to_string()),
        false => Ok(name.to_owned()),
    }
}

/// The files of a whole model by name.
fn source(name: &str) -> Outcome<Source> {
    let name = named(name)?;
    if Path::new(&name).join(ADAPTER_CONFIG_FILE).is_file() {
        let base = PeftConfig::load(Path::new(&name)).ok().and_then(|config| config.base);
        let of = base.map_or(String::new(), |base| format!(" of {base}"));
        return Err(Failure::usage(format!("{name} is an adapter{of}, not a whole model"))
            .hint(format!("`e2h model merge {name} --out DIR` makes a whole model of it")));
    }
    policy::source(&name)
}

fn failure(name: &str, error: &e2h_model::Error) -> Failure {
    Failure::run(policy::chain(error))
        .context(name.to_owned())
        .hint(format!("`e2h model check {name}` looks at every file"))
}

fn info(name: &str, as_json: bool) -> Outcome {
    let source = source(name)?;
    let files = source.files();
    let config = ModelConfig::load(files).map_err(|error| failure(name, &error))?;
    let n_params = e2h_model::Layout::new(&config).n_params();
    let formats = Model::check_files(files).map_err(|error| failure(name, &error))?;
    let text = TextCodec::load(files).map_err(|error| failure(name, &error))?;
    let formats: Vec<&str> = formats.into_keys().collect();
    let token = |id: u32| json!({"id": id, "text": text.token(id)});
    let value = json!({
        "model": name,
        "family": config.family,
        "parameters": n_params,
        "formats": formats,
        "n_layers": config.n_layers,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "context_tokens": config.max_positions,
        "tied_head": config.tied_head,
        "rope_theta": config.rope_theta,
        "rope_scaling": format!("{:?}", config.rope_scaling),
        "tokenizer_tokens": text.vocab_size(),
        "eos": text.all_eos().iter().map(|id| token(*id)).collect::<Vec<_>>(),
        "pad": token(text.pad()),
        "f32_bytes": 4 * n_params,
    });
    if as_json {
        out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(());
    }
    let tokens = |ids: &[u32]| {
        let shown = ids.iter().map(|id| format!("{} ({id})", text.token(*id).unwrap_or_default()));
        shown.collect::<Vec<_>>().join(", ")
    };
    let head = if config.tied_head { "the embedding" } else { "its own" };
    out(&format!(
        "family     {}\n\
         size       {:.2} M parameters in {}, {} in f32\n\
         layers     {} of width {}, feed-forward {}\n\
         heads      {} for queries, {} for keys and values, {} wide\n\
         vocabulary {} rows, {} tokens; the head is {head}\n\
         context    {} tokens, rope theta {}, scaling {}\n\
         ends at    {}; pads with {}",
        value["family"].as_str().unwrap_or_default(),
        n_params as f64 / 1e6,
        formats.join(" and "),
        size(4.0 * n_params as f64),
        config.n_layers,
        config.hidden_size,
        config.intermediate_size,
        config.n_heads,
        config.n_kv_heads,
        config.head_dim,
        config.vocab_size,
        text.vocab_size(),
        config.max_positions,
        config.rope_theta,
        value["rope_scaling"].as_str().unwrap_or_default(),
        tokens(text.all_eos()),
        tokens(&[text.pad()]),
    ));
    Ok(())
}

fn check(name: &str) -> Outcome {
    let source = source(name)?;
    let problems = problems(source.files());
    match problems.len() {
        0 => {
            say(&format!("{name} is whole: weights, tokenizer and chat template fit together"));
            Ok(())
        }
        n => {
            let failure = Failure::run(format!("{name} has {n} problem{}", plural(n)))
                .hint("docs/models.md says which files a model has and what is supported");
            Err(problems.into_iter().fold(failure, Failure::detail))
        }
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// All that is wrong with a model's files.
fn problems(files: &(impl ModelFiles + ?Sized)) -> Vec<String> {
    let mut problems = Vec::new();
    let config = ModelConfig::load(files);
    match &config {
        Err(error) => problems.push(policy::chain(error)),
        Ok(_) => {
            problems.extend(Model::check_files(files).err().map(|error| policy::chain(&error)));
        }
    }
    let text = match TextCodec::load(files) {
        Ok(text) => text,
        Err(error) => {
            problems.push(policy::chain(&error));
            return problems;
        }
    };
    if let Ok(config) = &config
        && text.vocab_size() > config.vocab_size
    {
        let (tokens, rows) = (text.vocab_size(), config.vocab_size);
        problems.push(format!("the tokenizer has {tokens} tokens, but the model {rows} rows"));
    }
    let prompt = Prompt {
        system: None,
        user: "1 + 1".to_owned(),
        assistant_prefix: "Let me see.\n<think>".to_owned(),
    };
    problems.extend(text.encode_prompt(&prompt).err().map(|error| policy::chain(&error)));
    problems
}

fn export(args: &ExportArgs, merge: bool) -> Outcome {
    must_be_new(&args.out)?;
    let name = named(&args.model)?;
    let mut model = policy::load(&name)?;
    if merge && model.engine_mut().merge_adapter().is_none() {
        return Err(Failure::usage(format!("{name} has no adapter"))
            .hint("give a folder with adapter_config.json, or the run that trained one"));
    }
    model.save(&args.out, args.format.into()).map_err(Failure::run)?;
    say(&format!("{name} is written to {}", args.out.display()));
    Ok(())
}

/// Refuses a folder that holds something.
pub(crate) fn must_be_new(folder: &Path) -> Outcome {
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::usage(format!("{} is not empty", folder.display()))
            .hint("give another folder with --out"));
    }
    Ok(())
}

/// The shape of a model and, where its tokenizer is there, its text side; no weights are read.
pub(crate) fn shape(name: &str) -> Outcome<(ModelConfig, Option<TextCodec>)> {
    let source = policy::source(name)?;
    let config = ModelConfig::load(source.files()).map_err(|error| failure(name, &error))?;
    Ok((config, TextCodec::load(source.files()).ok()))
}
