//! Errors of training and evaluation.

use std::path::{Path, PathBuf};

/// What can go wrong in training and evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read`, `write`, `create`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint does not hold what the run needs.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The run folder has files already.
    #[error("run folder {} is not empty", .0.display())]
    RunExists(PathBuf),
    /// The folder is not one of a run.
    #[error("{} is not a run folder: {problem}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// Another process works on the run.
    #[error("{} is in use by {holder}", path.display())]
    Busy {
        /// The run's folder.
        path: PathBuf,
        /// `process N`, or `another process`.
        holder: String,
    },
    /// Updates failed several times in a row.
    #[error("{n} updates in a row had a gradient that is not finite, the last at step {step}")]
    Diverged {
        /// How many.
        n: u32,
        /// The last one's step.
        step: u64,
    },
    /// The ranks that train together have come apart.
    #[error(transparent)]
    Ranks(#[from] crate::ranks::RankError),
    /// The model engine failed.
    #[error(transparent)]
    Model(#[from] e2h_model::Error),
    /// A task, a curriculum or a file operation failed.
    #[error(transparent)]
    Core(#[from] e2h_core::Error),
}

/// Results of training and evaluation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn checkpoint(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::Checkpoint { path: path.to_path_buf(), problem: problem.to_string() }
    }
}
