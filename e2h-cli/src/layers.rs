//! Layered configuration: any serde type, read from defaults, presets, files, `--set` and flags.
//!
//! `defaults < preset < files left to right < --set a.b=c < named flags`
//!
//! A layer sets leaves; a later layer wins leaf by leaf, and arrays are leaves. A file or preset may say
//! `inherit = "other"`, where other is a preset or a path relative to the file; what it inherits lies below it.
//!
//! The allowed keys and their types are read off values of the type itself: its default, plus *examples* that
//! the caller passes so that each optional key, each map and each variant shows once. The key `*` of an
//! example's map stands for any name.
//!
//! A table whose examples differ in their key `kind` is a choice. A layer that changes the kind drops the keys
//! of the former kind that lower layers set; keys of another kind in the same layer are an error.
//!
//! # Source
//! The house style, points 13 and 14; the order of the layers is the one of prime-rl.
//!
//! # Deviations
//! None from the house style. A key once set cannot be unset by a later layer: TOML has no null.
//!
//! # Invariants
//! - All problems are reported at once, each with where it was written.
//! - [`Resolved::text`] read as the only file gives the same value again.
//! - Every leaf of the value has exactly one [`Origin`].

mod problem;
mod resolved;
mod schema;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub(crate) use problem::{Origin, Problem, Problems, What};
pub(crate) use resolved::Resolved;

use schema::{Node, TAG};
use source::Sources;

/// A key as its segments, outermost first.
type Path = Vec<String>;

/// The leaves that the layers so far have set.
type Leaves = BTreeMap<Path, Leaf>;

/// One value, where it comes from and how high its layer lies (defaults are 0).
#[derive(Clone, Debug)]
struct Leaf {
    value: Value,
    origin: Origin,
    layer: usize,
}

/// The layers of a configuration of type `T`, lowest first.
///
/// ```text
/// let resolved = Layers::<Config>::new(Config::examples(), PRESETS)
///     .preset("nano")
///     .file("mine.toml")
///     .set("rl.group_size=8")
///     .flag("--seed", "seed", 3)
///     .resolve()?;
/// ```
pub(crate) struct Layers<'a, T> {
    examples: Vec<T>,
    sources: Sources<'a>,
    layers: Vec<Layer>,
}

enum Layer {
    Preset(String),
    File(PathBuf),
    Set(String),
    Flag(String, String, Value),
}

impl<'a, T: Serialize + DeserializeOwned + Default> Layers<'a, T> {
    /// Starts from the defaults. `presets` are pairs of a name and a TOML text.
    ///
    /// `examples` are values that together with the default show every key that a user may set; of a type
    /// without optional keys, maps and variants there need be none.
    pub(crate) fn new(examples: Vec<T>, presets: &'a [(&'a str, &'a str)]) -> Self {
        Self { examples, sources: Sources { presets }, layers: Vec::new() }
    }

    /// Lays the preset `name` on top.
    pub(crate) fn preset(mut self, name: impl Into<String>) -> Self {
        self.layers.push(Layer::Preset(name.into()));
        self
    }

    /// Lays a TOML file on top.
    pub(crate) fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.layers.push(Layer::File(path.into()));
        self
    }

    /// Lays `a.b=value` on top; the value is TOML, or else a string.
    pub(crate) fn set(mut self, text: impl Into<String>) -> Self {
        self.layers.push(Layer::Set(text.into()));
        self
    }

    /// Lays the value of a named flag on top; `name` is the flag as typed, for example `--seed`.
    pub(crate) fn flag(
        mut self,
        name: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<Value>,
    ) -> Self {
        self.layers.push(Layer::Flag(name.into(), key.into(), value.into()));
        self
    }

    /// Merges the layers in the fixed order of their sorts, and within a sort in the order of the calls.
    ///
    /// # Errors
    /// All [`Problems`] of all layers.
    pub(crate) fn resolve(self) -> Result<Resolved<T>, Problems> {
        let defaults = table_of(&T::default()).map_err(Problems::one)?;
        let mut schema = Node::default();
        schema.learn(&Value::Table(defaults.clone()));
        for example in &self.examples {
            schema.learn(&Value::Table(table_of(example).map_err(Problems::one)?));
        }

        let mut merge =
            Merge { schema: &schema, leaves: Leaves::new(), layer: 0, problems: Vec::new() };
        merge.table(&[], &defaults, &|_| Origin::Default);
        let defaults = merge.leaves.clone();
        let mut layers = self.layers;
        layers.sort_by_key(Layer::rank);
        for layer in &layers {
            merge.lay(layer, &self.sources);
        }
        merge.choose_kinds(&defaults);
        let value = merge.read(&defaults);
        match (value, merge.problems.is_empty()) {
            (Some(value), true) => Resolved::new(value, &merge.leaves).map_err(Problems::one),
            _ => Err(Problems(merge.problems)),
        }
    }
}

impl Layer {
    fn rank(&self) -> u8 {
        match self {
            Self::Preset(_) => 0,
            Self::File(_) => 1,
            Self::Set(_) => 2,
            Self::Flag(..) => 3,
        }
    }
}

/// A value as a TOML table. A type that cannot be one is reported like a bad value of the whole.
fn table_of<T: Serialize>(value: &T) -> Result<Table, Problem> {
    Table::try_from(value).map_err(|error| Problem {
        origin: Origin::Default,
        key: String::new(),
        what: What::BadValue { message: error.to_string() },
    })
}

/// The merge in progress.
struct Merge<'s> {
    schema: &'s Node,
    leaves: Leaves,
    layer: usize,
    problems: Vec<Problem>,
}

impl Merge<'_> {
    fn lay(&mut self, layer: &Layer, sources: &Sources<'_>) {
        let texts = match layer {
            Layer::Preset(name) => sources.preset(name),
            Layer::File(path) => sources.file(path),
            Layer::Set(text) => return self.set(text),
            Layer::Flag(name, key, value) => {
                self.layer += 1;
                let path: Path = key.split('.').map(str::to_owned).collect();
                let origin = Origin::Flag(name.clone());
                return self.table(&[], &nest(&path, value.clone()), &|_| origin.clone());
            }
        };
        match texts {
            Ok(texts) => {
                for text in texts {
                    self.layer += 1;
                    self.table(&[], &text.table, &|path| text.origin(path));
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    fn set(&mut self, text: &str) {
        self.layer += 1;
        let Some((key, raw)) = text.split_once('=') else {
            return self.problem(Origin::Set, text, What::NoValue);
        };
        let path: Path = key.trim().split('.').map(|part| part.trim().to_owned()).collect();
        let raw = raw.trim();
        let as_text = || Value::String(raw.to_owned());
        let mut value = raw.parse().unwrap_or_else(|_| as_text());
        // `--set name=42` means the text where only a text is allowed.
        if self.schema.at(&path).is_some_and(Node::is_text) && !value.is_str() {
            value = as_text();
        }
        self.table(&[], &nest(&path, value), &|_| Origin::Set);
    }

    /// Takes in the leaves of one table of a layer, checked against the schema.
    fn table(&mut self, prefix: &[String], table: &Table, origin: &dyn Fn(&[String]) -> Origin) {
        for (key, value) in table {
            let path: Path = prefix.iter().chain([key]).cloned().collect();
            let Some(node) = self.schema.at(&path) else {
                let nearest = self.schema.nearest(&path);
                self.problem(origin(&path), &path.join("."), What::UnknownKey { nearest });
                continue;
            };
            match value {
                Value::Table(inner) if node.is_table() && !inner.is_empty() => {
                    self.table(&path, inner, origin);
                }
                value if node.accepts(value) => {
                    let leaf =
                        Leaf { value: value.clone(), origin: origin(&path), layer: self.layer };
                    self.leaves.insert(path, leaf);
                }
                value => {
                    let what = What::WrongType {
                        expected: node.expected(),
                        got: problem::describe(value),
                    };
                    self.problem(origin(&path), &path.join("."), what);
                }
            }
        }
    }

    /// Drops the keys that belong to a kind which a higher layer has changed.
    fn choose_kinds(&mut self, defaults: &Leaves) {
        let tags: Vec<(Path, Leaf)> = self
            .leaves
            .iter()
            .filter(|(path, _)| path.last().is_some_and(|key| key == TAG))
            .map(|(path, leaf)| (path[..path.len() - 1].to_vec(), leaf.clone()))
            .collect();
        for (prefix, tag) in tags {
            let Some(node) = self.schema.at(&prefix).filter(|node| node.is_choice()) else {
                continue;
            };
            let tag_path: Path = prefix.iter().cloned().chain([TAG.to_owned()]).collect();
            let kept = defaults.get(&tag_path).is_some_and(|leaf| leaf.value == tag.value);
            let kind = tag.value.as_str().unwrap_or_default();
            let mut problems = Vec::new();
            self.leaves.retain(|path, leaf| {
                let Some(key) = path.strip_prefix(&prefix[..]).and_then(<[_]>::first) else {
                    return true;
                };
                if key == TAG {
                    return true;
                }
                if leaf.origin == Origin::Default {
                    return kept;
                }
                if node.belongs(kind, key) {
                    return true;
                }
                if leaf.layer >= tag.layer {
                    let kind = kind.to_owned();
                    problems.push(Problem {
                        origin: leaf.origin.clone(),
                        key: path.join("."),
                        what: What::NotOfKind { kind },
                    });
                }
                false
            });
            self.problems.extend(problems);
        }
    }

    /// Deserialises the merged leaves. A value that serde refuses is reported and put back to its default,
    /// so that the next one shows too.
    fn read<T: DeserializeOwned>(&mut self, defaults: &Leaves) -> Option<T> {
        loop {
            // A tree of TOML values always has a text.
            let text = toml::to_string(&tree(&self.leaves)).unwrap_or_default();
            let error = match toml::from_str(&text) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let place = error.span().map(|span| source::key_at(&text, span.start));
            let blamed: Vec<Path> = match &place {
                Some(place) => self
                    .leaves
                    .iter()
                    .filter(|(path, leaf)| {
                        path.starts_with(place) && leaf.origin != Origin::Default
                    })
                    .map(|(path, _)| path.clone())
                    .collect(),
                None => Vec::new(),
            };
            let origin = blamed
                .first()
                .and_then(|path| self.leaves.get(path))
                .map_or(Origin::Default, |leaf| leaf.origin.clone());
            let what = What::BadValue { message: error.message().replace('\n', "; ") };
            self.problem(origin, &place.unwrap_or_default().join("."), what);
            if blamed.is_empty() {
                return None;
            }
            for path in blamed {
                match defaults.get(&path) {
                    Some(leaf) => self.leaves.insert(path, leaf.clone()),
                    None => self.leaves.remove(&path),
                };
            }
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, what: What) {
        self.problems.push(Problem { origin, key: key.to_owned(), what });
    }
}

/// The table that holds `value` at `path` and nothing else.
fn nest(path: &[String], value: Value) -> Table {
    let mut value = value;
    for key in path.iter().rev() {
        value = Value::Table(Table::from_iter([(key.clone(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// The nested form of the leaves.
fn tree(leaves: &Leaves) -> Table {
    let mut root = Table::new();
    for (path, leaf) in leaves {
        insert(&mut root, path, &leaf.value);
    }
    root
}

fn insert(table: &mut Table, path: &[String], value: &Value) {
    let [key, rest @ ..] = path else { return };
    if rest.is_empty() {
        // An empty table that a layer names stays a table when other layers fill it.
        if !(matches!(value, Value::Table(_)) && table.contains_key(key)) {
            table.insert(key.clone(), value.clone());
        }
    } else if let Value::Table(inner) =
        table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()))
    {
        insert(inner, rest, value);
    }
}

#[cfg(test)]
mod tests;
