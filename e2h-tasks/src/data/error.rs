//! What can go wrong when rows are read.

use std::path::PathBuf;

use serde::Serialize;

/// What can go wrong when rows are read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The specification asks for something that cannot be.
    #[error("`{key}` {problem}")]
    Spec {
        /// The key of the specification.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A path or pattern matches no file of rows.
    #[error(
        "no rows at {pattern}: expected a .jsonl, .json or .parquet file, a folder of them, or a pattern"
    )]
    NoFile {
        /// As the user wrote it.
        pattern: String,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A row is not what it must be.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// All files are read and no row is left.
    #[error("no rows are left of the {n_read} that were read: {why}")]
    NoRows {
        /// Rows read from all files.
        n_read: usize,
        /// Where they went.
        why: String,
    },
    /// This build lacks a part.
    #[error("{what} cannot be read by this build: build e2h with the feature `{feature}`")]
    NotBuilt {
        /// What was asked for.
        what: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// A Parquet file could not be read.
    #[cfg(feature = "parquet")]
    #[error("cannot read {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's answer.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A data set of the Hub could not be had.
    #[cfg(feature = "hub")]
    #[error("data set {0}")]
    Hub(e2h_core::HubError),
}

/// A row that could not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}:{line}: `{field}` must be {expected}, got {got}", path.display())]
pub struct BadRow {
    /// The file.
    pub path: PathBuf,
    /// 1-based number of the line, or of the row in a file without lines.
    pub line: u64,
    /// The field; `line` when it is the whole line.
    pub field: String,
    /// What was expected, in words.
    pub expected: String,
    /// What is there, shortened.
    pub got: String,
}

/// What is wrong with a row, before it is known where the row stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Fault {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), expected: expected.into(), got: got.into() }
    }

    /// A field with a value that does not fit, or without one.
    pub(crate) fn value(
        field: &str,
        expected: impl Into<String>,
        got: Option<&serde_json::Value>,
    ) -> Self {
        let got = got.map_or_else(|| "nothing".to_owned(), |value| excerpt(&value.to_string()));
        Self::new(field, expected, got)
    }

    pub(crate) fn at(self, path: &std::path::Path, line: u64) -> BadRow {
        BadRow {
            path: path.to_path_buf(),
            line,
            field: self.field,
            expected: self.expected,
            got: self.got,
        }
    }
}

/// The first 60 characters of a text.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
