//! Errors of the model engine.

use std::path::{Path, PathBuf};

/// What can go wrong with models, tokenizers and checkpoints.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read`, `write`, `create`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A configuration file is not one of a supported model.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, naming the field.
        problem: String,
    },
    /// A weight file does not hold what the configuration asks for.
    #[error("{}: tensor `{tensor}` {problem}", path.display())]
    Tensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tokenizer could not be built, loaded or applied.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A sequence does not fit into the model's context.
    #[error("{what} takes {tokens} tokens, but the model's context is {context} tokens")]
    ContextOverflow {
        /// What is too long.
        what: &'static str,
        /// Its length in tokens.
        tokens: usize,
        /// The longest sequence of the model in tokens.
        context: usize,
    },
    /// A token id is outside the vocabulary.
    #[error("token id {token} is outside the vocabulary of {vocab_size}")]
    UnknownToken {
        /// The id.
        token: u32,
        /// V.
        vocab_size: usize,
    },
    /// A pass needs more memory than there is.
    #[error("a pass over {tokens} tokens does not fit into memory ({bytes} bytes)")]
    OutOfMemory {
        /// Rows that a worker was to hold at a time.
        tokens: usize,
        /// What was asked for, in bytes.
        bytes: usize,
    },
    /// A device cannot be had, or failed.
    #[error("device `{device}`: {problem}")]
    Device {
        /// The device, as the user names it.
        device: String,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A model of the Hub could not be had.
    #[cfg(feature = "hub")]
    #[error("model {0}")]
    Hub(e2h_core::HubError),
    /// Something in the shared parts failed.
    #[error(transparent)]
    Core(#[from] e2h_core::Error),
}

/// Results of the model engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn config(path: &Path, problem: impl Into<String>) -> Self {
        Self::Config { path: path.to_path_buf(), problem: problem.into() }
    }

    pub(crate) fn device(device: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Device { device: device.into(), problem: problem.into() }
    }

    pub(crate) fn tensor(path: &Path, tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor {
            path: path.to_path_buf(),
            tensor: tensor.to_owned(),
            problem: problem.into(),
        }
    }
}
