//! Files that are either whole or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

fn error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File { action, path, source }
}

/// Writes `bytes` to `path` so that a reader, now or after a crash, finds the old file or the new one whole.
///
/// The bytes go to a temporary file in the same folder, which is flushed to disk and renamed over `path`;
/// then the folder is flushed.
///
/// ```
/// use e2h_core::{append_line, read_jsonl, write_atomic};
/// let path = std::env::temp_dir().join(format!("e2h-doc-{}.jsonl", std::process::id()));
/// write_atomic(&path, b"[1]\n")?;
/// append_line(&path, "[2]")?;
/// let rows: Vec<Vec<u32>> = read_jsonl(&path)?;
/// assert_eq!(rows, [[1], [2]]);
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] when a step fails; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    })();
    if written.is_err() {
        // The temporary file is of no use to anyone; the first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(error("write", path))
}

/// Appends `line` and a line feed to the file at `path`, which is created when it is absent.
///
/// # Errors
/// As [`append_bytes`].
pub fn append_line(path: &Path, line: &str) -> Result<()> {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    append_bytes(path, &bytes)
}

/// Appends `bytes` to the file at `path`, which is created when it is absent.
///
/// When only a part could be written, for example on a full disk, the part is taken back.
///
/// # Errors
/// [`Error::File`] when the file cannot be opened or written.
pub fn append_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).map_err(error("open", path))?;
    let before = file.metadata().map_err(error("open", path))?.len();
    let written = file.write_all(bytes);
    if written.is_err() {
        // The failed write is the error to report.
        let _ = file.set_len(before);
    }
    written.map_err(error("write", path))
}

/// Flushes a file's contents to disk; a file that is not there is no error.
///
/// # Errors
/// [`Error::File`] when the system cannot.
pub fn sync(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(error("flush", path)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(error("open", path)(source)),
    }
}

/// Reads a JSONL file; empty lines are passed over.
///
/// ```
/// use e2h_core::{Error, read_jsonl, write_atomic};
/// # let path = std::env::temp_dir().join(format!("e2h-doc-rows-{}.jsonl", std::process::id()));
/// write_atomic(&path, b"[1]\n\n[2, 3]\n{}\n")?;
/// let wrong = read_jsonl::<Vec<u32>>(&path);
/// assert!(matches!(wrong, Err(Error::Row { line: 4, .. })));
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] when the file cannot be read, [`Error::Row`] with the line number for the first line
/// that is not a `T`.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).map_err(error("read", path))?;
    let mut rows = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(error("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        rows.push(serde_json::from_str(&line).map_err(|source| Error::Row {
            path: path.to_path_buf(),
            line: index + 1,
            source,
        })?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_the_whole_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("summary.json");
        write_atomic(&path, b"a longer first version").expect("first write");
        write_atomic(&path, b"second").expect("second write");
        assert_eq!(fs::read(&path).expect("readable"), b"second");
        assert_eq!(fs::read_dir(folder.path()).expect("listable").count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_target_untouched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("target");
        fs::create_dir(&path).expect("a folder stands in the way");
        assert!(write_atomic(&path, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("listable").count(), 1);
    }

    #[test]
    fn a_bad_line_is_reported_with_its_number() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.jsonl");
        append_line(&path, "1").expect("append");
        append_line(&path, "").expect("append");
        append_line(&path, "x").expect("append");
        let error = read_jsonl::<u32>(&path).expect_err("line 3 is no number");
        assert!(error.to_string().ends_with("rows.jsonl:3: not a valid row"), "{error}");
    }
}
