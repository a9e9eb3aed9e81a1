//! Errors of the shared parts.

use std::path::PathBuf;

/// What can go wrong in the shared parts and behind the shared traits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `write`, `create`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A line of a JSONL file is not a row.
    #[error("{}:{line}: not a valid row", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: usize,
        /// The parser's answer.
        #[source]
        source: serde_json::Error,
    },
    /// A task has no such level.
    #[error("task {task} has levels 0 to {last}, not {level}")]
    NoSuchLevel {
        /// The task.
        task: String,
        /// The level asked for.
        level: u16,
        /// The task's last level.
        last: u16,
    },
    /// A row does not have the form that its task defines.
    #[error("{task}: field `{field}` {problem}")]
    MalformedProblem {
        /// The task.
        task: String,
        /// The field of the row.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A parameter is outside its range.
    #[error("`{name}` is {got}, but must be {expected}")]
    OutOfRange {
        /// The parameter's name, as the user writes it.
        name: String,
        /// The value given.
        got: String,
        /// The range, in words.
        expected: String,
    },
    /// A generator found no problem with the asked properties within its bound on work.
    #[error("{task}: found no {what} in {attempts} attempts")]
    Exhausted {
        /// The task.
        task: String,
        /// What was looked for.
        what: String,
        /// How many draws were made.
        attempts: u64,
    },
    /// A saved state does not fit the object that is to take it.
    #[error("the saved state of {owner} does not fit: {problem}")]
    BadState {
        /// What the state belongs to.
        owner: String,
        /// What does not fit.
        problem: String,
    },
    /// A policy could not encode, generate or decode.
    #[error("policy: {0}")]
    Policy(String),
}

/// Results of the shared parts.
pub type Result<T> = std::result::Result<T, Error>;
