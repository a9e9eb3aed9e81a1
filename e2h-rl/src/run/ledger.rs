//! What a run writes down as it goes, in order, also while the disk is full.
//!
//! # Invariants
//! - What was put down is written in its order, or still waits in memory; a part of a line is taken back.
//! - With [`OnWriteError::Stop`] the first failure is returned; with [`OnWriteError::GoOn`] it is kept, and each
//!   later entry tries again, so that a disk that has room again gets everything.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use e2h_core::append_bytes;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What a run does when the disk takes no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWriteError {
    /// The run ends; its newest checkpoint is whole and it can be resumed.
    #[default]
    Stop,
    /// The run goes on, keeps its lines in memory and tries again; only the last checkpoint must succeed.
    GoOn,
}

/// The entries that wait for the disk.
#[derive(Debug)]
pub(super) struct Ledger {
    policy: OnWriteError,
    waiting: VecDeque<(PathBuf, Vec<u8>)>,
}

impl Ledger {
    /// An empty ledger.
    pub(super) fn new(policy: OnWriteError) -> Self {
        Self { policy, waiting: VecDeque::new() }
    }

    /// Puts `line` down for the file at `path`.
    pub(super) fn line(&mut self, path: &Path, line: &str) -> Result<Option<crate::Error>> {
        self.bytes(path, [line.as_bytes(), b"\n"].concat())
    }

    /// Puts `bytes` down for the file at `path`. Returns the failure that it goes on after.
    ///
    /// # Errors
    /// With [`OnWriteError::Stop`], what writing ran into.
    pub(super) fn bytes(&mut self, path: &Path, bytes: Vec<u8>) -> Result<Option<crate::Error>> {
        self.waiting.push_back((path.to_path_buf(), bytes));
        match (self.flush(), self.policy) {
            (Ok(()), _) => Ok(None),
            (Err(error), OnWriteError::GoOn) => Ok(Some(error)),
            (Err(error), OnWriteError::Stop) => Err(error),
        }
    }

    /// Writes everything that waits.
    ///
    /// # Errors
    /// What writing ran into; what could not be written goes on waiting.
    pub(super) fn flush(&mut self) -> Result<()> {
        while let Some((path, bytes)) = self.waiting.front() {
            append_bytes(path, bytes)?;
            self.waiting.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_wait_in_order_until_the_disk_takes_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        // A folder of the same name stands for a disk that takes nothing.
        fs::create_dir(&path).expect("a folder");
        let mut ledger = Ledger::new(OnWriteError::GoOn);
        assert!(ledger.line(&path, "1").expect("goes on").is_some());
        assert!(ledger.line(&path, "2").expect("goes on").is_some());
        assert!(ledger.flush().is_err());
        fs::remove_dir(&path).expect("removed");
        assert!(ledger.line(&path, "3").expect("goes on").is_none());
        assert_eq!(fs::read_to_string(&path).expect("readable"), "1\n2\n3\n");
    }

    #[test]
    fn a_run_that_is_to_stop_gets_the_failure() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut ledger = Ledger::new(OnWriteError::Stop);
        assert!(ledger.line(folder.path(), "1").is_err());
    }
}
