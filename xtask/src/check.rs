//! `cargo xtask check`: every check, the cheapest first, stopping at the first that fails.
//!
//! The tests come last and have the last word: nothing is printed after cargo's own summary.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{cargo, generate, shell, tidy};

type Check = fn(&Path, &Shell) -> Result<()>;

/// Runs all checks; `fast` leaves out the docs.
pub(crate) fn run(root: &Path, fast: bool) -> Result<()> {
    let shell = shell(root)?;
    let steps = steps(fast, generate::wanted(root));
    for (index, (name, check)) in steps.iter().enumerate() {
        eprintln!("==> {name} ({} of {})", index + 1, steps.len());
        let start = Instant::now();
        check(root, &shell)
            .with_context(|| format!("the check `{name}` failed; {}", advice(name)))?;
        if index + 1 < steps.len() {
            eprintln!("    {name}: ok in {:.1} s", start.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// The checks in their order.
fn steps(fast: bool, with_gen: bool) -> Vec<(&'static str, Check)> {
    let all: [(&str, Check, bool); 6] = [
        ("fmt", fmt, true),
        ("tidy", |root, _| tidy::run(root), true),
        ("clippy", clippy, true),
        ("doc", doc, !fast),
        ("gen", |root, _| generate::run(root, true), with_gen),
        ("test", test, true),
    ];
    all.into_iter().filter(|(.., wanted)| *wanted).map(|(name, check, _)| (name, check)).collect()
}

fn advice(name: &str) -> &'static str {
    match name {
        "fmt" => "`cargo fmt --all` puts it right",
        "gen" => "`cargo xtask gen` puts it right",
        _ => "the lines above say where",
    }
}

fn fmt(_: &Path, shell: &Shell) -> Result<()> {
    let cargo = cargo();
    Ok(cmd!(shell, "{cargo} fmt --all --check").quiet().run()?)
}

fn clippy(_: &Path, shell: &Shell) -> Result<()> {
    let cargo = cargo();
    let clippy = cmd!(shell, "{cargo} clippy --workspace --all-targets -- -D warnings");
    Ok(clippy.quiet().run()?)
}

fn doc(_: &Path, shell: &Shell) -> Result<()> {
    let cargo = cargo();
    let doc = cmd!(shell, "{cargo} doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings");
    Ok(doc.quiet().run()?)
}

fn test(_: &Path, shell: &Shell) -> Result<()> {
    let cargo = cargo();
    Ok(cmd!(shell, "{cargo} test --workspace").quiet().run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_come_last_and_fast_leaves_out_only_the_docs() {
        let names = |fast, with_gen| -> Vec<_> {
            steps(fast, with_gen).iter().map(|(name, _)| *name).collect()
        };
        assert_eq!(names(false, true), ["fmt", "tidy", "clippy", "doc", "gen", "test"]);
        assert_eq!(names(true, false), ["fmt", "tidy", "clippy", "test"]);
    }
}
