//! The folder of a run: its files, and the lock that keeps a second process out.

use std::fs::{self, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use e2h_core::write_atomic;
use serde_json::Value;

use crate::{Error, Result};

/// The files of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a folder for a new run.
    ///
    /// ```
    /// use e2h_rl::RunFolder;
    /// let path = std::env::temp_dir().join(format!("e2h-doc-run-{}", std::process::id()));
    /// let folder = RunFolder::create(&path)?;
    /// std::fs::write(folder.file("config.toml"), "seed = 1\n").expect("written");
    /// // What has files already is never taken for a new run.
    /// assert!(RunFolder::create(&path).is_err() && RunFolder::open(&path).is_ok());
    /// # std::fs::remove_dir_all(&path).ok();
    /// # Ok::<(), e2h_rl::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::RunExists`] when it has files already.
    pub fn create(path: &Path) -> Result<Self> {
        let taken = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        };
        if taken {
            return Err(Error::RunExists(path.to_path_buf()));
        }
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// Opens the folder of a run that began.
    ///
    /// # Errors
    /// [`Error::NotARun`] when it is none.
    pub fn open(path: &Path) -> Result<Self> {
        let missing = |problem: &str| Error::NotARun {
            path: path.to_path_buf(),
            problem: problem.to_owned(),
        };
        if !path.is_dir() {
            return Err(missing("there is no such folder"));
        }
        if !path.join("config.toml").is_file() {
            return Err(missing("it has no config.toml"));
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Takes the run for this process, until the lock is dropped.
    ///
    /// The system gives the lock back when the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds it.
    pub fn lock(&self) -> Result<fs::File> {
        let path = self.file(".lock");
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                let holder = match pid.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(Error::Busy { path: self.path.clone(), holder });
            }
        }
        // Who holds the lock is a courtesy; the lock itself does not need it.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(file)
    }

    /// Cuts off the lines of steps from `step` on.
    pub(super) fn truncate(&self, name: &str, keep: impl Fn(u64) -> bool) -> Result<()> {
        let path = self.file(name);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| {
                let step = serde_json::from_str::<Value>(line).ok();
                step.and_then(|line| line["step"].as_u64()).is_some_and(&keep)
            })
            .collect();
        if kept != text {
            write_atomic(&path, kept.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_process_that_has_the_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path()).expect("an empty folder");
        let held = run.lock().expect("free");
        let busy = run.lock().expect_err("taken").to_string();
        assert!(busy.ends_with(&format!("is in use by process {}", std::process::id())), "{busy}");
        drop(held);
        assert!(run.lock().is_ok());
    }

    #[test]
    fn lines_of_later_steps_and_torn_lines_are_cut_off() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path()).expect("an empty folder");
        let path = run.file("metrics.jsonl");
        fs::write(&path, "{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n{\"st").expect("written");
        run.truncate("metrics.jsonl", |step| step < 2).expect("cut");
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "{\"step\":0}\n{\"step\":1}\n");
    }
}
