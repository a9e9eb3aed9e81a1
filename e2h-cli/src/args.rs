//! The verbs and their flags.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::args::examples::{
    BASE, BENCH, COMPLETIONS, CONFIG, DOCTOR, EVAL, EXAMPLES, EXPORT, GOLDEN, INSPECT, MODEL,
    REPORT, SAMPLE, SCHEDULE, SERVE, SFT, TASKS, TRAIN,
};
use crate::commands::bench::BenchArgs;
use crate::commands::chat::ChatArgs;
use crate::commands::doctor::ScaleArgs;
use crate::commands::golden::GoldenArgs;
use crate::commands::model::ModelArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::sft::SftArgs;
use crate::commands::tasks::{LabelArgs, PlayArgs, SolveArgs, StatsArgs};
use crate::config::ConfigArgs;
use crate::ui::UiArg;

mod examples;
mod schedule;

pub(crate) use schedule::{
    PlotBy, RankBy, ScheduleArgs, ScheduleCommand, ScheduleCompareArgs, ScheduleLengths,
    SchedulePlotArgs, ScheduleReplayArgs, ScheduleShowArgs, ScheduleSimulateArgs, ScheduleSize,
};

/// Reinforcement learning of language models on a curriculum, from easy tasks to hard ones.
#[derive(Debug, Parser)]
#[command(name = "e2h", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a policy on a curriculum
    #[command(after_help = TRAIN)]
    Train(TrainArgs),
    /// Measure accuracy by level on held-out problems
    #[command(after_help = EVAL)]
    Eval(EvalArgs),
    /// Page through the samples of a run
    #[command(after_help = INSPECT)]
    Inspect(InspectArgs),
    /// Show completions of a policy
    #[command(after_help = SAMPLE)]
    Sample(SampleArgs),
    /// One page about a run, or several side by side
    #[command(after_help = REPORT)]
    Report(ReportArgs),
    /// Metrics of runs as CSV, for trackio, W&B or a spreadsheet
    #[command(after_help = EXPORT)]
    Export(ExportArgs),
    /// Look at tasks and problems, and judge answers
    #[command(after_help = TASKS)]
    Tasks(TasksArgs),
    /// Look at schedules before using one
    #[command(after_help = SCHEDULE)]
    Schedule(ScheduleArgs),
    /// Look at configurations
    #[command(after_help = CONFIG)]
    Config(ConfigCommandArgs),
    /// Look at models, check them, write them for other programs
    #[command(after_help = MODEL)]
    Model(ModelArgs),
    /// Serve a model by OpenAI's completions protocol, with log-probs, streaming and adapters
    #[command(after_help = SERVE)]
    Serve(ServeArgs),
    /// Train a model on prompts and completions of a file
    #[command(after_help = SFT)]
    Sft(SftArgs),
    /// Train the starting policy from nothing, on random legal play
    #[command(after_help = BASE)]
    Base(BaseArgs),
    /// Time rollouts and an update of a known shape, beside what the device can do at best
    #[command(after_help = BENCH)]
    Bench(BenchArgs),
    /// Compare a model's numbers with those of another program, on any device
    #[command(after_help = GOLDEN)]
    Golden(GoldenArgs),
    /// What this machine can do: CPU, memory, GPU, disk, and the models that fit
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write the man pages
    #[command(hide = true)]
    Man(ManArgs),
    /// Print documentation that is generated from the code
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// `e2h train`
#[derive(Debug, clap::Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where the run writes; must be new or empty [default: runs/TASK-SCHEDULE-SEED, or the next free name]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Go on with a run that was stopped, from its newest checkpoint and with its configuration
    #[arg(long, value_name = "DIR", conflicts_with_all = ["run_dir", "preset", "files", "sets", "task", "seed", "steps", "schedule", "model", "dtype"])]
    pub resume: Option<PathBuf>,
    /// Draw rollouts from a completions server (vLLM, SGLang, `e2h serve`): openai:http://HOST:PORT
    #[arg(long, value_name = "SOURCE")]
    pub rollouts: Option<String>,
    /// Print what the run would do, and do nothing: memory, tokens a step, problems of each level
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Print the plan of --dry-run as JSON
    #[arg(long, requires = "dry_run")]
    pub json: bool,
    /// What to show meanwhile: a live view on a terminal, or lines
    #[arg(long, value_enum, default_value_t = UiArg::Auto)]
    pub ui: UiArg,
    /// Print warnings and the final table only, as --ui none does
    #[arg(long, short, conflicts_with = "ui")]
    pub quiet: bool,
}

/// `e2h eval`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub command: Option<EvalCommand>,
    /// A run, a checkpoint or a model folder; without it, --model or the preset's base is evaluated
    pub path: Option<PathBuf>,
    /// Which checkpoint of a run: last, best, or a number of steps
    #[arg(long, value_name = "WHICH", default_value = "last")]
    pub checkpoint: String,
    /// Evaluate on these tasks, each a task, a preset or a configuration file: countdown,mine.toml
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub tasks: Vec<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Take the held-out problems from this JSONL file, as `data.test.path` does
    #[arg(long, value_name = "FILE", conflicts_with = "tasks")]
    pub rows: Option<String>,
    /// Held-out problems a level
    #[arg(long, value_name = "N")]
    pub problems: Option<u64>,
    /// Samples a problem for pass@k
    #[arg(long, value_name = "N")]
    pub samples: Option<u64>,
    /// The values of k, for example 1,4,8
    #[arg(short, value_name = "LIST", value_delimiter = ',')]
    pub k: Vec<usize>,
    /// Report the answer that most samples give, too
    #[arg(long)]
    pub majority: bool,
    /// Write what became of each problem to this JSONL file, for `e2h eval compare`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be done with evaluations.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Compare two evaluations problem by problem (McNemar's exact test, by level)
    Compare(CompareArgs),
}

/// `e2h eval compare`
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// A results file, or a run, whose newest evaluation is taken
    pub a: PathBuf,
    /// The other one
    pub b: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `e2h inspect`
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// A run folder, or a file of samples
    pub path: PathBuf,
    /// Samples of this level only
    #[arg(long)]
    pub level: Option<u64>,
    /// Samples with this outcome only
    #[arg(long, value_parser = ["correct", "wrong", "bad_format", "unverifiable"])]
    pub outcome: Option<String>,
    /// Samples of this step, or of a range of steps: 40, 40..60, 40.. (the end is left out)
    #[arg(long, value_name = "STEPS")]
    pub step: Option<String>,
    /// Samples whose prompt or completion holds this text
    #[arg(long, short, value_name = "TEXT")]
    pub grep: Option<String>,
    /// Take upper and lower case for the same
    #[arg(long, short)]
    pub ignore_case: bool,
    /// At most so many samples, the newest where --last is given
    #[arg(long, short, value_name = "N")]
    pub n: Option<usize>,
    /// Count from the end
    #[arg(long)]
    pub last: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `e2h sample`
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SampleArgs {
    /// A run folder or a checkpoint of one; with --model, a text that the model answers
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub own: ChatArgs,
    /// Level of the problems
    #[arg(long, default_value_t = 0)]
    pub level: u16,
    /// Number of problems
    #[arg(long, short, default_value_t = 3)]
    pub n: u64,
    /// Softmax temperature; 0 = greedy
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f64,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `e2h report`
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where the page is written [default: report.html in the run's folder; here for several runs]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write each plot as an SVG file into this folder
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    /// Serve the page on this machine and keep it up to date while the runs go on
    #[arg(long, conflicts_with_all = ["out", "svg"])]
    pub watch: bool,
    /// The port of --watch; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8017, requires = "watch")]
    pub port: u16,
}

/// `e2h export`
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where the CSV is written [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `e2h doctor`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DoctorArgs {
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What else the doctor knows.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Where more ranks stop paying: efficiency by model, link and number of ranks
    Scale(ScaleArgs),
}

/// `e2h completions`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `e2h man`
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder that the pages are written to
    #[arg(value_name = "DIR")]
    pub out: PathBuf,
}

/// `e2h tasks`
#[derive(Debug, clap::Args)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    pub command: TasksCommand,
}

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// The tasks and their levels
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write problems as JSONL
    Gen {
        /// A task or preset, for example countdown or blocksworld-nano
        task: String,
        /// The level; all levels without it
        #[arg(long)]
        level: Option<u16>,
        /// Problems a level
        #[arg(long, short, default_value_t = 10)]
        n: u64,
        /// Which half of the problem space
        #[arg(long, value_enum, default_value_t = SplitArg::Train)]
        split: SplitArg,
        /// Root of all random streams
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Change the task, for example --set max_number=50 or --set left_fold=true
        #[arg(long = "set", short = 's', value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
    /// Judge answers or completions: JSONL from a file or stdin, one verdict a line (docs/verifiers.md)
    Score(ScoreArgs),
    /// Solve rows, or one set of numbers: e2h tasks solve countdown --numbers 3,3,7,7 --target 24
    Solve(SolveArgs),
    /// Give rows levels by how often a policy solves them
    Label(LabelArgs),
    /// Write random legal play as rows for `e2h sft`: e2h tasks play --preset gpu/countdown -n 4000
    Play(PlayArgs),
    /// Count rows by level, duplicates, and the overlap of training and test rows
    Stats(StatsArgs),
    /// One problem of each level, with its prompt and its solution
    Show {
        /// A task or preset
        task: String,
        /// Root of all random streams
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Change the task, for example --set max_blocks=8
        #[arg(long = "set", short = 's', value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
}

/// `e2h tasks score`
#[derive(Debug, clap::Args)]
pub(crate) struct ScoreArgs {
    /// JSONL files, one after the other; stdin without any, or with -.
    /// The name of a task may stand first, in place of --task
    #[arg(value_name = "ROWS")]
    pub files: Vec<String>,
    /// The task of rows that do not name one: countdown, blocksworld, math, gsm8k, aqua, format, ...
    #[arg(long)]
    pub task: Option<String>,
    /// Change that task, for example --set operators=["+","-"]
    #[arg(long = "set", short = 's', value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Answer a bad line with the outcome unverifiable, so that lines in and out match
    #[arg(long)]
    pub answer_bad_lines: bool,
    /// Add to each verdict how it came about: what was read, and which rule decided
    #[arg(long)]
    pub explain: bool,
}

/// A half of the problem space.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SplitArg {
    /// Problems that training may draw
    Train,
    /// Held-out problems
    Test,
}

/// `e2h config`
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigCommandArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be done with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every value and the layer that set it; itself a valid configuration file
    Show(ConfigArgs),
    /// Check a configuration and say nothing when it is right
    Check(ConfigArgs),
    /// The names of the presets
    List,
}

/// `e2h base`
#[derive(Debug, clap::Args)]
pub(crate) struct BaseArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where the model is written; must be new or empty
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
}

/// `e2h docs`
#[derive(Debug, clap::Args)]
pub(crate) struct DocsArgs {
    /// Which page
    #[arg(value_enum)]
    pub page: DocsPage,
}

/// A generated page.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DocsPage {
    /// docs/METRICS.md
    Metrics,
    /// docs/GALLERY.md
    Gallery,
}
