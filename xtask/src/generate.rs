//! `cargo xtask gen`: the documents that the `e2h` binary writes about itself.
//!
//! The contract: `e2h docs NAME` prints the whole document as Markdown on stdout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::{cargo, shell};

/// The name that `e2h docs` knows, and the file.
const DOCUMENTS: [(&str, &str); 2] =
    [("metrics", "docs/METRICS.md"), ("gallery", "docs/GALLERY.md")];

/// True when any of the documents is there, so that its being up to date can be checked.
pub(crate) fn wanted(root: &Path) -> bool {
    DOCUMENTS.iter().any(|(_, path)| root.join(path).exists())
}

/// Writes the documents, or with `check` only compares them.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let shell = shell(root)?;
    let cargo = cargo();
    let mut stale = Vec::new();
    for (name, path) in DOCUMENTS {
        let print = cmd!(shell, "{cargo} run --quiet --package e2h-cli -- docs {name}");
        let text = print.quiet().read().with_context(|| format!("cannot make {path}"))?;
        if update(&root.join(path), &format!("{}\n", text.trim_end()), check)? {
            stale.push(path);
        }
    }
    match (stale.is_empty(), check) {
        (true, _) => eprintln!("    the generated documents are up to date"),
        (false, false) => eprintln!("    wrote {}", stale.join(", ")),
        (false, true) => bail!(
            "out of date: {}\n\nhint: run `cargo xtask gen` and commit the result",
            stale.join(", ")
        ),
    }
    Ok(())
}

/// True when the file differs from `text`; it is then written, unless only a check is asked for.
fn update(path: &Path, text: &str, check: bool) -> Result<bool> {
    let old = fs::read_to_string(path).unwrap_or_default();
    if old == text {
        return Ok(false);
    }
    if !check {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_a_stale_document_and_leaves_it() {
        let folder = std::env::temp_dir().join(format!("xtask-gen-{}", std::process::id()));
        let path = folder.join("docs/A.md");
        assert!(update(&path, "new\n", true).expect("checked") && !path.exists());
        assert!(update(&path, "new\n", false).expect("written"));
        assert!(!update(&path, "new\n", true).expect("the same"));
        assert!(update(&path, "newer\n", true).expect("stale"));
        assert_eq!(fs::read_to_string(&path).expect("there"), "new\n");
        fs::remove_dir_all(folder).expect("removable");
    }
}
