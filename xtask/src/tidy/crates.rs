//! Rules for the crates: who may depend on whom, and the workspace's lints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::Table;
use xshell::cmd;

use crate::{cargo, shell};

/// Each crate and those of ours that it may name, for building and for testing alike.
const EDGES: &[(&str, &[&str])] = &[
    ("e2h-core", &[]),
    ("e2h-tasks", &["e2h-core"]),
    ("e2h-sched", &["e2h-core"]),
    ("e2h-model", &["e2h-core"]),
    ("e2h-rl", &["e2h-core", "e2h-model"]),
    ("e2h-cli", &["e2h-core", "e2h-tasks", "e2h-sched", "e2h-model", "e2h-rl"]),
    ("xtask", &[]),
];

/// Crates that never meet the tensor library, not even through others.
const WITHOUT_TENSORS: &[&str] = &["e2h-core", "e2h-tasks", "e2h-sched", "xtask"];

/// How the tensor library's crates are called.
const TENSOR_CRATES: &[&str] = &["burn", "cubecl"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// Checks the direct edges by `cargo metadata` and the indirect ones by the lock file.
///
/// The lock file counts every platform, feature and development dependency, so it errs on the strict side, and
/// reading it needs no network.
pub(super) fn edges(root: &Path) -> Result<Vec<String>> {
    let shell = shell(root)?;
    let cargo = cargo();
    let json = cmd!(shell, "{cargo} metadata --no-deps --format-version 1").quiet().read()?;
    let metadata: Metadata = serde_json::from_str(&json).context("the answer of cargo metadata")?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let lock: Lock = toml::from_str(&lock).context("Cargo.lock")?;
    let mut found = direct(&metadata.packages);
    found.extend(indirect(&lock));
    Ok(found)
}

fn direct(packages: &[Package]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| known == name) else {
            found.push(format!(
                "{name}/Cargo.toml:1: say in tidy's EDGES what {name} may depend on"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let other = dependency.name.as_str();
            if ours.contains(other) && !allowed.contains(&other) {
                found.push(format!("{name}/Cargo.toml:1: must not depend on {other}"));
            }
        }
    }
    found
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    /// `name`, or `name version` where several versions are locked.
    #[serde(default)]
    dependencies: Vec<String>,
}

fn indirect(lock: &Lock) -> Vec<String> {
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &lock.package {
        let names = package.dependencies.iter();
        let names = names.filter_map(|dependency| dependency.split(' ').next());
        graph.entry(&package.name).or_default().extend(names);
    }
    let mut found = Vec::new();
    for &start in WITHOUT_TENSORS {
        let mut seen = BTreeSet::from([start]);
        let mut open = vec![start];
        while let Some(name) = open.pop() {
            for &next in graph.get(name).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        let tensor = |name: &&&str| {
            let family = name.split('-').next().unwrap_or_default();
            TENSOR_CRATES.contains(&family)
        };
        if let Some(name) = seen.iter().find(tensor) {
            found.push(format!("{start}/Cargo.toml:1: must not lead to {name}"));
        }
    }
    found
}

/// A member's manifest takes the workspace's lints.
pub(super) fn manifest(text: &str) -> Vec<(usize, String)> {
    let takes_lints = text.parse::<Table>().is_ok_and(|table| {
        let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) == Some(true)
    });
    if takes_lints { Vec::new() } else { vec![(1, "needs `[lints] workspace = true`".to_owned())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|&name| Dependency { name: name.to_owned() });
        Package { name: name.to_owned(), dependencies: dependencies.collect() }
    }

    #[test]
    fn an_edge_upwards_is_found_and_a_foreign_crate_is_not() {
        let packages = [
            package("e2h-core", &["serde"]),
            package("e2h-tasks", &["e2h-core"]),
            package("e2h-sched", &["e2h-core", "e2h-tasks"]),
            package("e2h-new", &[]),
        ];
        let found = direct(&packages);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].ends_with("e2h-sched/Cargo.toml:1: must not depend on e2h-tasks"));
        assert!(found[1].contains("EDGES"));
    }

    #[test]
    fn a_way_to_the_tensor_library_is_found_through_other_crates() {
        let lock = |middle: &str| -> Lock {
            toml::from_str(&format!(
                "[[package]]\nname = \"e2h-tasks\"\ndependencies = [\"a 1.0.0\"]\n\
                 [[package]]\nname = \"a\"\ndependencies = [\"{middle}\"]\n\
                 [[package]]\nname = \"burn-tensor\"\n\
                 [[package]]\nname = \"burnish\"\n"
            ))
            .expect("a lock file")
        };
        assert_eq!(
            indirect(&lock("burn-tensor")),
            ["e2h-tasks/Cargo.toml:1: must not lead to burn-tensor"]
        );
        assert!(indirect(&lock("burnish")).is_empty());
    }

    #[test]
    fn a_manifest_takes_the_lints_of_the_workspace() {
        assert!(manifest("[lints]\nworkspace = true\n").is_empty());
        assert_eq!(manifest("[package]\nname = \"a\"\n").len(), 1);
        assert_eq!(manifest("[lints]\nworkspace = false\n").len(), 1);
    }
}
