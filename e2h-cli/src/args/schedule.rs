//! The arguments of `e2h schedule`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// `e2h schedule`
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    pub command: ScheduleCommand,
}

/// What can be done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Probabilities, expected counts and tokens of a schedule: e2h schedule show gaussian:sigma=0.75
    Show(ScheduleShowArgs),
    /// A picture of a schedule, in the terminal or as SVG: e2h schedule plot gaussian:sigma=0.75
    Plot(SchedulePlotArgs),
    /// Several schedules side by side: e2h schedule compare balanced gaussian cosine
    Compare(ScheduleCompareArgs),
    /// What rules would have done on a finished run: e2h schedule replay runs/NAME sec e2h-a
    Replay(ScheduleReplayArgs),
    /// Rules on synthetic learners, ranked: e2h schedule simulate balanced gaussian e2h-a
    Simulate(ScheduleSimulateArgs),
    /// The kinds of schedules and their settings
    List,
}

/// The size of the run that a schedule is for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScheduleSize {
    /// Take levels, steps, prompts, group size and mean tokens by level from this run folder
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Number of training levels, K [default: 4]
    #[arg(long)]
    pub levels: Option<usize>,
    /// Number of steps, T [default: 1600]
    #[arg(long)]
    pub steps: Option<u64>,
    /// Prompts a step, B [default: 8]
    #[arg(long)]
    pub prompts: Option<u64>,
}

/// `e2h schedule plot`
#[derive(Debug, clap::Args)]
pub(crate) struct SchedulePlotArgs {
    /// KIND, KIND:key=value,key=value, a TOML file with a table `schedule`, or a run folder (what it did)
    #[arg(value_name = "SCHEDULE", default_value = "gaussian")]
    pub schedule: String,
    #[command(flatten)]
    pub size: ScheduleSize,
    /// Draw the share of each level, or of the groups by their pass rate on synthetic learners
    #[arg(long, value_enum, default_value_t = PlotBy::Level)]
    pub by: PlotBy,
    /// Write an SVG picture to this file; - prints it
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// What the bands of a picture stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotBy {
    /// Levels
    Level,
    /// Pass rates of groups: what a filter changes
    PassRate,
}

/// How long completions are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScheduleLengths {
    /// Mean completion tokens of each level, easiest first, for example 60,80,120,200
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub tokens: Option<Vec<f64>>,
    /// Completions a prompt, G [default: 8]
    #[arg(long)]
    pub group_size: Option<u64>,
}

/// `e2h schedule compare`
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleCompareArgs {
    /// Each one KIND, KIND:key=value,key=value, a TOML file with a table `schedule`, or a run folder
    #[arg(value_name = "SCHEDULE", required = true)]
    pub schedules: Vec<String>,
    #[command(flatten)]
    pub size: ScheduleSize,
    #[command(flatten)]
    pub lengths: ScheduleLengths,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `e2h schedule replay`
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleReplayArgs {
    /// The run folder whose metrics.jsonl is replayed
    pub run: PathBuf,
    /// Each one KIND, KIND:key=value,filter.kind=vcrl,floor=0.05, or a TOML file [default: every adaptive kind]
    #[arg(value_name = "SCHEDULE")]
    pub schedules: Vec<String>,
    /// Print JSON with every probability
    #[arg(long)]
    pub json: bool,
}

/// `e2h schedule simulate`
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleSimulateArgs {
    /// Each one KIND, KIND:key=value,key=value, or a TOML file [default: every kind without required keys]
    #[arg(value_name = "SCHEDULE")]
    pub schedules: Vec<String>,
    /// Seeds a rule; every rule meets the same learners
    #[arg(long, default_value_t = 32)]
    pub seeds: u64,
    /// Number of steps, T
    #[arg(long, default_value_t = 400)]
    pub steps: u64,
    /// Prompts a step, B
    #[arg(long, default_value_t = 8)]
    pub prompts: usize,
    /// Rollouts a prompt, G
    #[arg(long, default_value_t = 8)]
    pub group_size: u32,
    /// Difficulty of each level in logits, easiest first; the learner's skill starts at 0
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0,2,4,6",
        allow_hyphen_values = true
    )]
    pub difficulties: Vec<f64>,
    /// Instead of --difficulties: the pass rate of a level's middle problem at the start, for example 0.7,0.36,0.14,0.13
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "difficulties")]
    pub pass_rates: Option<Vec<f64>>,
    /// Scale of the problems' own difficulty within a level, in logits
    #[arg(long, default_value_t = 0.5, allow_negative_numbers = true)]
    pub item_spread: f64,
    /// Skill in logits that a step of B best groups of one level adds
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    pub rate: f64,
    /// Share of what a level learns that its neighbours learn
    #[arg(long, default_value_t = 0.5, allow_negative_numbers = true)]
    pub transfer: f64,
    /// Share of what was learned that a step without the level forgets
    #[arg(long, default_value_t = 0.002, allow_negative_numbers = true)]
    pub forgetting: f64,
    /// What the ranking is by
    #[arg(long, value_enum, default_value_t = RankBy::Average)]
    pub by: RankBy,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What simulated rules are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RankBy {
    /// Final pass rate averaged over the levels
    Average,
    /// Final pass rate at the hardest level
    Hard,
}

/// `e2h schedule show`
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleShowArgs {
    /// KIND, KIND:key=value,key=value, a TOML file with a table `schedule`, or a run folder (what it did) [default: gaussian]
    #[arg(value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    /// The same as SCHEDULE
    #[arg(long = "schedule", value_name = "SCHEDULE", conflicts_with = "schedule")]
    pub named: Option<String>,
    #[command(flatten)]
    pub size: ScheduleSize,
    #[command(flatten)]
    pub lengths: ScheduleLengths,
    /// Set one of the schedule's values, for example --set sigma=0.75
    #[arg(long = "set", short = 's', value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Print JSON: {"probabilities":[[..]],"expected_counts":[..],"expected_tokens":[..]}, the last where lengths are known
    #[arg(long)]
    pub json: bool,
    /// Write an SVG picture to this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}
