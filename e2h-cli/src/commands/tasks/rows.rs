//! The rows that a command of `e2h tasks` reads: files, stdin or a data set of the Hub.

use std::io::IsTerminal as _;
use std::path::Path;

use e2h_core::Level;
use e2h_tasks::data::{DataError, DataSpec, HubSpec, OnBadRow, OnDuplicate, Rows, load};
use e2h_tasks::score_stream::Scorer;

use crate::hints::{Failure, Outcome};
use crate::progress::say;

/// The file that stands for the standard input.
const STDIN: &str = "/dev/stdin";

/// What a user writes for the standard input.
const DASH: &str = "-";

/// The task and the files of a command: a first word that names a task, and no file here, is the task, as in
/// `e2h tasks gen countdown`.
pub(crate) fn task_and_files<'a>(
    flag: Option<&'a str>,
    words: &'a [String],
) -> (Option<&'a str>, &'a [String]) {
    match words.split_first() {
        Some((name, rest))
            if flag.is_none_or(|flag| flag == name)
                && Scorer::new().names().contains(&name.as_str())
                && !Path::new(name).exists() =>
        {
            (Some(name), rest)
        }
        _ => (flag, words),
    }
}

/// True for no file at all, and for `-`.
pub(crate) fn is_stdin(files: &[String]) -> bool {
    matches!(files, []) || matches!(files, [only] if only == DASH)
}

/// Says what is waited for where rows come from a keyboard.
pub(crate) fn say_if_typed() {
    if std::io::stdin().is_terminal() {
        say("reading rows from the terminal, one JSON object a line; Ctrl-D ends them");
    }
}

/// Which rows are read.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RowArgs {
    /// JSONL or Parquet files, folders or patterns such as 'data/*.jsonl'; stdin without any, or with -.
    /// The name of a task may stand first, in place of --task
    #[arg(value_name = "ROWS")]
    pub files: Vec<String>,
    /// A data set of the Hugging Face Hub in place of files: owner/name
    #[arg(long, value_name = "ID", requires = "hub_files")]
    pub hub: Option<String>,
    /// A file of that data set, or a pattern (may be given several times)
    #[arg(long = "hub-file", value_name = "FILE", requires = "hub")]
    pub hub_files: Vec<String>,
    /// Branch, tag or commit of that data set
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub revision: String,
    /// The task of rows that do not name one
    #[arg(long)]
    pub task: Option<String>,
    /// The level of rows that do not carry one
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<u16>,
    /// Keep this level only (may be given several times)
    #[arg(long = "only-level", value_name = "LEVEL")]
    pub levels: Vec<u16>,
    /// At most so many rows a level, the first of a seeded shuffle
    #[arg(long, value_name = "N")]
    pub take: Option<usize>,
    /// Seed of that shuffle, and of sampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Leave out rows that ask the same as an earlier one
    #[arg(long)]
    pub drop_duplicates: bool,
    /// Go on past rows that cannot be read, and list them
    #[arg(long)]
    pub skip_bad: bool,
}

impl RowArgs {
    /// The task that is named, by the flag or by the first word.
    pub(crate) fn task(&self) -> Option<&str> {
        task_and_files(self.task.as_deref(), &self.files).0
    }

    /// The files that are named.
    pub(crate) fn paths(&self) -> &[String] {
        task_and_files(self.task.as_deref(), &self.files).1
    }

    /// The specification that the flags make.
    pub(crate) fn spec(&self) -> DataSpec {
        let hub = self.hub.as_ref().map(|id| HubSpec {
            id: id.clone(),
            revision: self.revision.clone(),
            files: self.hub_files.clone(),
        });
        let path = match self.paths() {
            [] if hub.is_none() => vec![STDIN.to_owned()],
            paths => paths.iter().map(|path| file_of(path)).collect(),
        };
        DataSpec {
            path,
            hub,
            task: self.task().map(str::to_owned),
            level: self.level.map(Level),
            levels: self.levels.iter().copied().map(Level).collect(),
            take: self.take,
            seed: self.seed,
            bad_rows: if self.skip_bad { OnBadRow::Collect } else { OnBadRow::Stop },
            duplicates: if self.drop_duplicates { OnDuplicate::Drop } else { OnDuplicate::Keep },
            ..DataSpec::default()
        }
    }

    /// Loads the rows and says what was found.
    pub(crate) fn load(&self) -> Outcome<Rows> {
        loaded(&self.spec())
    }
}

/// The file that a word of the command line names.
pub(crate) fn file_of(word: &str) -> String {
    if word == DASH { STDIN.to_owned() } else { word.to_owned() }
}

/// Loads rows and says on stderr what was found.
pub(crate) fn loaded(spec: &DataSpec) -> Outcome<Rows> {
    if spec.path.iter().any(|path| path == STDIN) {
        say_if_typed();
    }
    let rows = load(spec).map_err(|error| failure(&error))?;
    say(&rows.report.to_string());
    Ok(rows)
}

/// A failure to read rows, with its causes and the way out.
pub(crate) fn failure(error: &DataError) -> Failure {
    let text = std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    match error {
        DataError::Spec { .. } | DataError::NoFile { .. } | DataError::File { .. } => {
            Failure::usage(text).hint("docs/verifiers.md says how rows look and where they may be")
        }
        DataError::NotBuilt { feature, .. } => Failure::usage(text)
            .hint(format!("`cargo install --path e2h-cli --features {feature}` builds it in")),
        DataError::NoRows { .. } => Failure::run(text)
            .hint("look at the levels and the task that were asked for; --skip-bad lists bad rows"),
        DataError::Row(_) => Failure::run(text).hint(
            "put the row right, give --task and --level for rows that lack them, or --skip-bad",
        ),
        _ => Failure::run(text).hint("a data set that was read once is kept and needs no network"),
    }
}
