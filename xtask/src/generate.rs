//! `cargo xtask gen`: the documents that the `e2h` binary writes about itself.
//!
//! The contract: `e2h docs NAME` prints the whole document as Markdown on stdout. The pictures of `docs/curricula.md` are
//! made by the commands that stand beside them, lines of the form `e2h schedule plot .. --svg docs/..`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::{cargo, shell};

/// The name that `e2h docs` knows, and the file.
const DOCUMENTS: [(&str, &str); 2] =
    [("metrics", "docs/METRICS.md"), ("gallery", "docs/GALLERY.md")];

/// The page whose pictures are made by the commands in it.
const PICTURES: &str = "docs/curricula.md";

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
            stale.push(path.to_owned());
        }
    }
    let page = fs::read_to_string(root.join(PICTURES)).unwrap_or_default();
    for (words, path) in pictures(&page) {
        let draw = cmd!(shell, "{cargo} run --quiet --package e2h-cli -- {words...} --svg -");
        let svg =
            draw.quiet().ignore_stderr().read().with_context(|| format!("cannot make {path}"))?;
        if update(&root.join(path), &format!("{}\n", svg.trim_end()), check)? {
            stale.push(path.to_owned());
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

/// The arguments of `e2h` and the file of each picture that `page` has a command for.
fn pictures(page: &str) -> Vec<(Vec<String>, &str)> {
    page.lines().filter_map(picture).collect()
}

fn picture(line: &str) -> Option<(Vec<String>, &str)> {
    let command = line.trim().strip_prefix("e2h ")?;
    let (words, path) = command.split_once(" --svg ")?;
    let ours = words.starts_with("schedule plot ") && path.starts_with("docs/");
    // The quotes are for the reader's shell; no word has a space.
    let bare = |word: &str| word.trim_matches('\'').to_owned();
    ours.then(|| (words.split_whitespace().map(bare).collect(), path))
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
    fn pictures_are_the_commands_that_write_into_docs() {
        let page = "e2h schedule plot a\n    e2h schedule plot 'b:c=[1]' --steps 2 --svg docs/b.svg\n\
                    e2h schedule plot c --svg c.svg\ntext e2h schedule plot d --svg docs/d.svg";
        let words = ["schedule", "plot", "b:c=[1]", "--steps", "2"].map(str::to_owned).to_vec();
        assert_eq!(pictures(page), [(words, "docs/b.svg")]);
    }

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
