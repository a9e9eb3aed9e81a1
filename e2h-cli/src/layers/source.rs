//! Presets and files: reading them, following `inherit`, and knowing the line of each key.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::Path;
use super::problem::{Origin, Problem, What, describe};
use crate::hints::did_you_mean;

/// The key by which a file or preset names what lies below it.
const INHERIT: &str = "inherit";

/// Where texts are found.
pub(super) struct Sources<'a> {
    /// Pairs of a name and a TOML text.
    pub(super) presets: &'a [(&'a str, &'a str)],
}

/// One parsed file or preset.
pub(super) struct Text {
    /// What it sets, without `inherit`.
    pub(super) table: Table,
    name: Name,
    lines: BTreeMap<Path, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Preset(String),
    File(PathBuf),
}

impl Name {
    fn origin(&self, line: usize) -> Origin {
        match self {
            Self::Preset(name) => Origin::Preset(name.clone()),
            Self::File(path) => Origin::File(path.clone(), line),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Preset(name) => name.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// True when both mean the same text, however a path is spelt.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => match (a.canonicalize(), b.canonicalize()) {
                (Ok(a), Ok(b)) => a == b,
                _ => a == b,
            },
            (a, b) => a == b,
        }
    }
}

impl Text {
    /// Where the key at `path` was written.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        self.name.origin(self.lines.get(path).copied().unwrap_or(1))
    }
}

impl Sources<'_> {
    /// A preset and what it inherits, lowest first.
    pub(super) fn preset(&self, name: &str) -> Result<Vec<Text>, Problem> {
        self.chain(Name::Preset(name.to_owned()))
    }

    /// A file and what it inherits, lowest first.
    pub(super) fn file(&self, path: &FsPath) -> Result<Vec<Text>, Problem> {
        self.chain(Name::File(path.to_path_buf()))
    }

    fn chain(&self, top: Name) -> Result<Vec<Text>, Problem> {
        let mut texts: Vec<Text> = Vec::new();
        let mut asked_by = top.origin(1);
        let mut next = Some(top);
        while let Some(name) = next {
            if texts.iter().any(|text| text.name.same(&name)) {
                let chain = texts.iter().map(|text| text.name.show());
                let chain = chain.chain([name.show()]).collect();
                return Err(problem(asked_by, INHERIT, What::Cycle { chain }));
            }
            let (mut text, inherits) = self.read(name, asked_by)?;
            text.table.remove(INHERIT);
            asked_by = text.origin(&[INHERIT.to_owned()]);
            next = inherits;
            texts.push(text);
        }
        texts.reverse();
        Ok(texts)
    }

    fn read(&self, name: Name, asked_by: Origin) -> Result<(Text, Option<Name>), Problem> {
        let raw = match &name {
            Name::Preset(name) => self.preset_text(name).ok_or_else(|| {
                let known = self.presets.iter().map(|(name, _)| (*name).to_owned());
                let what = What::UnknownPreset { name: name.clone(), known: known.collect() };
                problem(asked_by, "", what)
            })?,
            Name::File(path) => fs::read_to_string(path).map_err(|error| {
                let message = match self.nearest_preset(path) {
                    Some(preset) => format!("{error}, did you mean the preset `{preset}`?"),
                    None => error.to_string(),
                };
                problem(name.origin(1), "", What::Unreadable { message })
            })?,
        };
        let table: Table = toml::from_str(&raw).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&raw, span.start));
            let message = error.message().replace('\n', "; ");
            problem(name.origin(line), "", What::Syntax { message })
        })?;
        let lines = spans(&raw)
            .into_iter()
            .map(|(path, key, _)| (path, line_of(&raw, key.start)))
            .collect();
        let inherits = table.get(INHERIT).cloned();
        let text = Text { table, name, lines };
        let inherits = match inherits {
            None => None,
            Some(Value::String(other)) => Some(self.named(&text.name, other)),
            Some(value) => {
                let what = What::WrongType {
                    expected: "a preset or a path, as a string".to_owned(),
                    got: describe(&value),
                };
                let origin = text.origin(&[INHERIT.to_owned()]);
                return Err(problem(origin, INHERIT, what));
            }
        };
        Ok((text, inherits))
    }

    /// What `other` means in `from`: a preset of that name, or else a path relative to `from`'s folder.
    fn named(&self, from: &Name, other: String) -> Name {
        match from {
            Name::File(path) if self.preset_text(&other).is_none() => {
                Name::File(path.with_file_name(other))
            }
            _ => Name::Preset(other),
        }
    }

    fn preset_text(&self, name: &str) -> Option<String> {
        let found = self.presets.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    }

    fn nearest_preset(&self, path: &FsPath) -> Option<&str> {
        let name = path.file_stem()?.to_str()?;
        did_you_mean(name, self.presets.iter().map(|(name, _)| *name))
    }
}

fn problem(origin: Origin, key: &str, what: What) -> Problem {
    Problem { origin, key: key.to_owned(), what }
}

/// The innermost key of a TOML text whose name or value covers the byte `at`; empty when none does.
pub(super) fn key_at(text: &str, at: usize) -> Path {
    spans(text)
        .into_iter()
        .filter(|(_, key, value)| key.contains(&at) || value.contains(&at))
        .map(|(path, ..)| path)
        .max_by_key(Vec::len)
        .unwrap_or_default()
}

/// Every key of a TOML text with the bytes of its name and of its value; none when the text is not TOML.
fn spans(text: &str) -> Vec<(Path, Range<usize>, Range<usize>)> {
    let mut all = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        collect(table.get_ref(), &mut Vec::new(), &mut all);
    }
    all
}

fn collect(
    table: &DeTable<'_>,
    prefix: &mut Path,
    all: &mut Vec<(Path, Range<usize>, Range<usize>)>,
) {
    for (key, value) in table {
        prefix.push(key.get_ref().to_string());
        all.push((prefix.clone(), key.span(), value.span()));
        if let DeValue::Table(inner) = value.get_ref() {
            collect(inner, prefix, all);
        }
        prefix.pop();
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
