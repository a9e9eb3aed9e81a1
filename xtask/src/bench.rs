//! `cargo xtask bench`: the time of one training step, ours alone, beside the peer's, and over sizes.
//!
//! Our side is the example `bench_step` of `e2h-rl`; the peer's is a Python program that does the same work and prints
//! the same JSON fields. Other load on a machine slows both, so they run in turn, and what is reported is the median
//! over rounds of the ratio within a round. Results land in `results/bench`.
//!
//! # Invariants
//! - A table says how loaded the machine was: the one-minute load average before each round.

mod table;
mod tasks;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use crate::{cargo, shell, target_folder};

/// Measures speed.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Time the verifiers and the generator of Countdown, with Math-Verify beside them
    Tasks(tasks::Args),
    /// Time one step on random weights
    Step(StepArgs),
    /// Run the peer and us in turn, and write the ratios to results/bench
    Compare(CompareArgs),
    /// Time and memory against model size, sequence length, group size and batch, into results/bench
    Scaling(ScalingArgs),
}

#[derive(clap::Args)]
struct StepArgs {
    /// nano, micro or smollm2-135m
    #[arg(long, default_value = "nano")]
    preset: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// More options of the example bench_step
    #[arg(last = true)]
    more: Vec<String>,
}

#[derive(clap::Args)]
struct CompareArgs {
    /// A Python that has torch, transformers, trl, peft and datasets
    #[arg(long, value_name = "PY")]
    python: PathBuf,
    /// The peer's program
    #[arg(long, value_name = "PATH", default_value = "../shared/bench/peer_grpo_step.py")]
    peer: PathBuf,
    /// Which shapes
    #[arg(long, value_delimiter = ',', default_value = "nano,micro,smollm2-135m")]
    presets: Vec<String>,
    /// How often each side runs
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Timed steps of each side in each round
    #[arg(long, default_value_t = 3)]
    steps: usize,
}

#[derive(clap::Args)]
struct ScalingArgs {
    /// Timed steps of each row
    #[arg(long, default_value_t = 3)]
    steps: usize,
}

/// What both sides print, as far as it is read here.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    sequences: usize,
    prompt: usize,
    completion: usize,
    rollout_tok_per_s: f64,
    update_tok_per_s: f64,
    rollout_s: f64,
    step_s: f64,
    #[serde(default)]
    backward_s: Option<f64>,
    #[serde(default)]
    optimizer_s: Option<f64>,
    #[serde(default)]
    drawn_frac: Option<f64>,
    #[serde(default)]
    params: Option<u64>,
    #[serde(default)]
    peak_mib: Option<u64>,
}

/// Both sides, one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    load: Option<f64>,
    peer: Measured,
    ours: Measured,
    /// Ours with all that a training run does on top.
    training: Measured,
}

/// All rounds of one preset.
#[derive(Debug, Serialize, Deserialize)]
struct Comparison {
    preset: String,
    machine: String,
    rounds: Vec<Round>,
}

/// What a training run does beyond the peer's work: prompts computed once a group, lengths spread evenly so that
/// finished sequences leave the batch, and half of the groups without variance and so without an update.
const TRAINING: &str = "--shared-prompts --shortest-frac 0.4 --zero-variance-frac 0.5";

/// Options that make a preset small enough for a CPU; both sides know them.
fn work(preset: &str) -> &'static [&'static str] {
    match preset {
        "smollm2-135m" => &["--prompts", "2", "--group", "4", "--completion", "32"],
        _ => &[],
    }
}

/// Runs the verb.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Tasks(args) => tasks::run(root, args),
        Verb::Step(step) => {
            let more: Vec<&str> = step.more.iter().map(String::as_str).collect();
            let text = Ours::build(root)?.run(&step.preset, &more)?;
            let shown = if step.json { text } else { table::step(&parse(&text)?) };
            writeln!(std::io::stdout(), "{shown}").context("standard output")
        }
        Verb::Compare(compare) => run_compare(root, compare),
        Verb::Scaling(scaling) => run_scaling(root, scaling.steps),
    }
}

/// Our side's program.
struct Ours {
    shell: Shell,
    program: PathBuf,
}

impl Ours {
    /// Builds it, with the features of the whole workspace, so that no dependency is built twice.
    fn build(root: &Path) -> Result<Self> {
        let (shell, cargo) = (shell(root)?, cargo());
        cmd!(shell, "{cargo} build --quiet --workspace --example bench_step").quiet().run()?;
        let name = format!("bench_step{}", std::env::consts::EXE_SUFFIX);
        let program = target_folder(&shell)?.join("debug/examples").join(name);
        Ok(Self { shell, program })
    }

    /// The JSON line of one run.
    fn run(&self, preset: &str, more: &[&str]) -> Result<String> {
        let Self { shell, program } = self;
        cmd!(shell, "{program} --json --preset {preset} {more...}")
            .quiet()
            .read()
            .with_context(|| format!("bench_step --preset {preset}"))
    }
}

fn parse(text: &str) -> Result<Measured> {
    let Some(line) = text.lines().rev().find(|line| line.starts_with('{')) else {
        bail!("a side of the benchmark printed no JSON object: {text}");
    };
    serde_json::from_str(line).with_context(|| format!("a side of the benchmark printed {line}"))
}

fn run_compare(root: &Path, args: &CompareArgs) -> Result<()> {
    if args.rounds == 0 {
        bail!("--rounds is 0, but must be at least 1");
    }
    let ours = Ours::build(root)?;
    let sh = &ours.shell;
    let folder = root.join("results/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let steps = args.steps.to_string();
    let (python, peer) = (&args.python, &args.peer);
    let path = folder.join("compare.json");
    // Presets that are not measured now keep what was measured before.
    let mut all: Vec<Comparison> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string())?,
        Err(_) => Vec::new(),
    };
    for preset in &args.presets {
        let mut more = work(preset).to_vec();
        more.extend(["--steps", &steps]);
        let mut rounds = Vec::new();
        let shared = &more;
        for round in 0..args.rounds {
            eprintln!("{preset}, round {} of {}", round + 1, args.rounds);
            let load = load();
            let theirs = cmd!(sh, "{python} {peer} --preset {preset} {shared...}")
                .quiet()
                .ignore_stderr()
                .read()
                .with_context(|| format!("{} --preset {preset}", peer.display()))?;
            let equal = parse(&ours.run(preset, &more)?)?;
            let mut on_top = more.clone();
            on_top.extend(TRAINING.split(' '));
            let training = parse(&ours.run(preset, &on_top)?)?;
            rounds.push(Round { load, peer: parse(&theirs)?, ours: equal, training });
        }
        all.retain(|other| other.preset != *preset);
        all.push(Comparison { preset: preset.clone(), machine: machine(), rounds });
        all.sort_by_key(|one| ["nano", "micro"].iter().position(|p| *p == one.preset).unwrap_or(9));
        let json = serde_json::to_string_pretty(&all).context("the results")?;
        fs::write(&path, json + "\n").with_context(|| path.display().to_string())?;
        let path = folder.join("compare.md");
        fs::write(&path, table::compare(&all)).with_context(|| path.display().to_string())?;
    }
    eprint!("{}", table::compare(&all));
    Ok(())
}

/// One quantity doubled at a time.
const SCALING: &[(&str, &[&str])] = &[
    ("nano", &[]),
    ("half the completion (32 tokens)", &["--completion", "32"]),
    ("twice the completion (128 tokens)", &["--completion", "128"]),
    ("four times the completion (256 tokens)", &["--completion", "256"]),
    ("half the group (4)", &["--group", "4"]),
    ("twice the group (16)", &["--group", "16"]),
    ("half the prompts (8)", &["--prompts", "8"]),
    ("twice the prompts (32)", &["--prompts", "32"]),
    (
        "micro on the same work",
        &["--preset", "micro", "--prompts", "16", "--prompt-tokens", "48", "--completion", "64"],
    ),
];

fn run_scaling(root: &Path, steps: usize) -> Result<()> {
    let ours = Ours::build(root)?;
    let steps = steps.to_string();
    let mut rows = Vec::new();
    for (name, options) in SCALING {
        eprintln!("{name}");
        let mut more = options.to_vec();
        more.extend(["--steps", &steps]);
        let preset = if more.first() == Some(&"--preset") {
            more.remove(0);
            more.remove(0)
        } else {
            "nano"
        };
        rows.push((*name, load(), parse(&ours.run(preset, &more)?)?));
    }
    let folder = root.join("results/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("scaling.md");
    fs::write(&path, table::scaling(&rows, &machine())).with_context(|| path.display().to_string())
}

/// The one-minute load average, where the system says it.
fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Processor and number of cores.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
        .map_or("unknown processor", str::trim);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}
