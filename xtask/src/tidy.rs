//! `cargo xtask tidy`: the house rules that no compiler knows. It is also a test.
//!
//! Looked at are the files that git tracks and the new ones that it does not ignore.
//!
//! # Invariants
//! - All findings are reported, each as `path:line: what`.
//! - Each exception stands in a list of this module, with its reason.

mod crates;
mod text;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::shell;

/// Files that may be longer than the limit, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Documents that the repository always has.
const REQUIRED: &[&str] = &["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Checks everything and reports all findings.
pub(crate) fn run(root: &Path) -> Result<()> {
    let findings = findings(root)?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("tidy has {} findings", findings.len())
}

fn findings(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let mut found = Vec::new();
    for path in REQUIRED {
        if !files.iter().any(|file| file == path) {
            found.push(format!("{path}:1: is required and not there"));
        }
    }
    for path in &files {
        let full = root.join(path);
        let is_document = path.ends_with(".md");
        if !full.exists() {
            if is_document {
                found.push(format!("{path}:1: is tracked and not there"));
            }
            continue;
        }
        // What is not text is of no interest here.
        let Ok(text) = fs::read_to_string(&full) else {
            continue;
        };
        let mut add = |list: Vec<(usize, String)>| {
            found.extend(list.into_iter().map(|(line, what)| format!("{path}:{line}: {what}")));
        };
        add(text::machine_paths(&text));
        if path.ends_with(".rs") {
            add(text::rust(&text, LONG_FILES.iter().any(|(name, _)| name == path)));
        }
        if is_document {
            let folder = full.parent().unwrap_or(root);
            add(text::document(&text, |link| folder.join(link).exists()));
        }
        if path == "CHANGELOG.md" {
            add(text::changelog(&text));
        }
        // The fuzz targets are a workspace of their own.
        if path.ends_with("Cargo.toml") && !["Cargo.toml", "fuzz/Cargo.toml"].contains(&&path[..]) {
            add(crates::manifest(&text));
        }
    }
    found.extend(crates::edges(root)?);
    found.sort();
    Ok(found)
}

/// The tracked files and the new ones, relative to the root.
fn files(root: &Path) -> Result<Vec<String>> {
    let shell = shell(root)?;
    let list =
        cmd!(shell, "git -c core.quotePath=off ls-files --cached --others --exclude-standard");
    let list = list.quiet().read().context("tidy asks git for the list of files")?;
    let mut files: Vec<String> = list.lines().map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = findings(&crate::root()).expect("tidy runs");
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }

    #[test]
    fn every_exception_names_a_file_that_is_there() {
        for (path, _) in LONG_FILES {
            assert!(crate::root().join(path).exists(), "{path}");
        }
    }
}
