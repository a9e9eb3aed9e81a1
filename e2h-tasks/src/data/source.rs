//! From paths, folders, patterns and Hub identifiers to files, and from files to JSON objects.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::{Fault, excerpt};
use super::lines::{Line, LineReader, MAX_LINE_BYTES};
use super::{DataError, DataSpec};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A receiver of rows: the 1-based line, and the object there or what is wrong with it.
pub(super) type OnRow<'a> =
    dyn FnMut(u64, Result<Map<String, Value>, Fault>) -> Result<(), DataError> + 'a;

/// The files that a specification names, each once: paths in their order, the matches of each in the order of names.
pub(super) fn files(spec: &DataSpec) -> Result<Vec<PathBuf>, DataError> {
    let mut files = match &spec.hub {
        None => Vec::new(),
        #[cfg(feature = "hub")]
        Some(hub) => {
            let wanted = e2h_core::HubFiles {
                kind: e2h_core::HubKind::Dataset,
                id: &hub.id,
                revision: &hub.revision,
                files: &hub.files,
                optional: &[],
            };
            e2h_core::hub_files(&wanted, &e2h_core::HubSettings::from_env())
                .map_err(DataError::Hub)?
        }
        #[cfg(not(feature = "hub"))]
        Some(hub) => {
            return Err(DataError::NotBuilt {
                what: format!("data set {} of the Hub", hub.id),
                feature: "hub",
            });
        }
    };
    for pattern in &spec.path {
        let found = matches(pattern)?;
        if found.is_empty() {
            let pattern = pattern.clone();
            return Err(DataError::NoFile { pattern });
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let path = Path::new(pattern);
    if path.is_dir() {
        return folder(path);
    }
    if path.exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    let wrong = |problem: &dyn std::fmt::Display| DataError::Spec {
        key: "path",
        problem: format!("`{pattern}` is no pattern: {problem}"),
    };
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(|error| wrong(&error))? {
        let path = path.map_err(|error| wrong(&error))?;
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// The files of rows right in a folder.
fn folder(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(path).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<std::io::Result<Vec<_>>>()
    });
    let mut files = entries.map_err(cannot_read(path))?;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let rows = [".jsonl", ".json", ".parquet"].iter().any(|ending| name.ends_with(ending));
        // The header of labelled rows stands beside them.
        file.is_file() && rows && !name.ends_with(".labels.json")
    });
    files.sort();
    Ok(files)
}

fn cannot_read(path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_path_buf();
    move |source| DataError::File { path, source }
}

/// Hands every row of a file to `each`, until that fails.
pub(super) fn rows(path: &Path, each: &mut OnRow<'_>) -> Result<(), DataError> {
    let mut file = File::open(path).map_err(cannot_read(path))?;
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head).map_err(cannot_read(path))?;
    if head == *b"PAR1" {
        #[cfg(feature = "parquet")]
        return super::parquet::rows(path, each);
        #[cfg(not(feature = "parquet"))]
        return Err(DataError::NotBuilt { what: path.display().to_string(), feature: "parquet" });
    }
    let input = BufReader::with_capacity(BUFFER_BYTES, head.as_slice().chain(file));
    let mut reader = LineReader::new(input, MAX_LINE_BYTES);
    let mut batch = Vec::new();
    while reader.next_batch(&mut batch).map_err(cannot_read(path))? {
        for line in batch.drain(..).filter(|line| !line.is_blank()) {
            each(line.number, object(&line))?;
        }
    }
    Ok(())
}

/// The JSON object on a line.
fn object(line: &Line) -> Result<Map<String, Value>, Fault> {
    const EXPECTED: &str = "a JSON object";
    let text = line
        .text()
        .map_err(|problem| Fault::new("line", EXPECTED, format!("a line that {problem}")))?;
    if !text.trim_start().starts_with('{') {
        return Err(Fault::new("line", EXPECTED, excerpt(text)));
    }
    serde_json::from_str(text)
        .map_err(|error| Fault::new("line", EXPECTED, format!("{}: {error}", excerpt(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_folders_and_patterns_name_each_file_once_in_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["b.jsonl", "a.json", "SOURCE.md", "c.jsonl", "c.labels.json"] {
            fs::write(at(name), "{}").expect("writable");
        }
        let text = |name: &str| at(name).display().to_string();
        let found = |paths: &[String]| {
            let path = paths.to_vec();
            files(&DataSpec { path, ..DataSpec::default() })
        };
        let whole = folder.path().display().to_string();
        let all = [at("a.json"), at("b.jsonl"), at("c.jsonl")];
        assert_eq!(found(&[whole]).expect("three files"), all);
        let twice = found(&[text("c.jsonl"), text("*.jsonl")]).expect("two files");
        assert_eq!(twice, [at("c.jsonl"), at("b.jsonl")]);
        for absent in ["*.parquet", "none.jsonl"] {
            assert!(matches!(found(&[text(absent)]), Err(DataError::NoFile { .. })), "{absent}");
        }
        assert!(matches!(found(&[text("***")]), Err(DataError::Spec { .. })));
    }

    #[test]
    fn files_that_are_short_empty_or_strange_do_not_panic() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.jsonl");
        for (content, n_good, n_bad) in [
            (&b""[..], 0, 0),
            (b"{}", 1, 0),
            (b"\n\r\n \t\n", 0, 0),
            (b"\xef\xbb\xbf{}\n{}", 2, 0),
            (b"{\"a\": \"\xff\"}\n{}", 1, 1),
            (b"PAR", 0, 1),
            (b"[{}]", 0, 1),
        ] {
            fs::write(&path, content).expect("writable");
            let (mut good, mut bad) = (0, 0);
            let mut count = |_: u64, row: Result<_, Fault>| {
                *(if row.is_ok() { &mut good } else { &mut bad }) += 1;
                Ok(())
            };
            rows(&path, &mut count).expect("readable");
            assert_eq!((good, bad), (n_good, n_bad), "{content:?}");
        }
    }
}
