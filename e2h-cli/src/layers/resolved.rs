//! The outcome: the value, its text, and where each key comes from.

use serde::Serialize;
use toml::Value;

use super::problem::{Origin, Problem};
use super::{Leaves, Path, table_of};

/// A configuration with all layers merged.
#[derive(Debug)]
pub(crate) struct Resolved<T> {
    /// The configuration.
    pub(crate) value: T,
    /// The whole configuration as TOML, itself a valid configuration file.
    pub(crate) text: String,
    /// Every key that has a value, by name, leaves before tables.
    pub(crate) entries: Vec<Entry>,
}

/// One key of a resolved configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The dotted key.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: Value,
    /// The layer that gave it.
    pub(crate) origin: Origin,
}

impl<T: Serialize> Resolved<T> {
    pub(super) fn new(value: T, leaves: &Leaves) -> Result<Self, Problem> {
        let table = table_of(&value)?;
        let mut entries = Vec::new();
        flatten(&mut Vec::new(), &Value::Table(table), leaves, &mut entries);
        let text = toml::to_string(&value).map_err(|error| Problem {
            origin: Origin::Default,
            key: String::new(),
            what: super::What::BadValue { message: error.to_string() },
        })?;
        Ok(Self { value, text, entries })
    }

    /// One line a key, `key = value  # origin`, aligned; itself valid TOML.
    pub(crate) fn show(&self) -> String {
        let lines: Vec<(String, &Origin)> = self
            .entries
            .iter()
            .map(|entry| (format!("{} = {}", entry.key, entry.value), &entry.origin))
            .collect();
        // Long values push only their own comment to the right.
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .filter(|&width| width <= 60)
            .max()
            .unwrap_or(0);
        lines.iter().map(|(line, origin)| format!("{line:width$}  # {origin}\n")).collect()
    }
}

fn flatten(prefix: &mut Path, value: &Value, leaves: &Leaves, entries: &mut Vec<Entry>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            let is_table = |value: &Value| matches!(value, Value::Table(_));
            let (tables, plain): (Vec<_>, Vec<_>) =
                table.iter().partition(|(_, value)| is_table(value));
            for (key, value) in plain.into_iter().chain(tables) {
                prefix.push(key.clone());
                flatten(prefix, value, leaves, entries);
                prefix.pop();
            }
        }
        value if !prefix.is_empty() => entries.push(Entry {
            key: dotted(prefix),
            value: value.clone(),
            origin: leaves.get(prefix).map_or(Origin::Default, |leaf| leaf.origin.clone()),
        }),
        _ => {}
    }
}

/// The path as a TOML key: segments that are not bare are quoted.
fn dotted(path: &[String]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let segments: Vec<String> = path
        .iter()
        .map(|key| match key.is_empty() || !key.chars().all(bare) {
            true => Value::String(key.clone()).to_string(),
            false => key.clone(),
        })
        .collect();
    segments.join(".")
}
