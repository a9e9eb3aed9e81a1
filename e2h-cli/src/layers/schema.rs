//! The keys and types that a configuration may have, read off values of its type.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use crate::hints::did_you_mean;

/// The key that tells the kinds of a choice apart.
pub(super) const TAG: &str = "kind";

/// The key of an example's map that stands for any name.
const ANY: &str = "*";

/// What may stand at one place: the union of what the learned values show there.
#[derive(Debug, Default)]
pub(super) struct Node {
    types: BTreeSet<&'static str>,
    fields: BTreeMap<String, Node>,
    kinds: BTreeMap<String, BTreeSet<String>>,
}

impl Node {
    /// Allows what `value` shows.
    pub(super) fn learn(&mut self, value: &Value) {
        self.types.insert(value.type_str());
        let Value::Table(table) = value else { return };
        for (key, value) in table {
            self.fields.entry(key.clone()).or_default().learn(value);
        }
        if let Some(Value::String(kind)) = table.get(TAG) {
            let keys = self.kinds.entry(kind.clone()).or_default();
            keys.extend(table.keys().cloned());
        }
    }

    /// What is allowed at `path`, if anything is.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |node, key| node.fields.get(key).or_else(|| node.fields.get(ANY)))
    }

    /// True where a table may stand.
    pub(super) fn is_table(&self) -> bool {
        self.types.contains("table")
    }

    /// True where nothing but a string may stand.
    pub(super) fn is_text(&self) -> bool {
        self.types.len() == 1 && self.types.contains("string")
    }

    /// True for a table of which several kinds are known.
    pub(super) fn is_choice(&self) -> bool {
        self.kinds.len() > 1
    }

    /// True when a table of `kind` may have `key`; of a kind that no example shows, any key may be.
    pub(super) fn belongs(&self, kind: &str, key: &str) -> bool {
        self.kinds.get(kind).is_none_or(|keys| keys.contains(key))
    }

    /// True when `value` is of an allowed type; an integer will do for a float.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        self.types.contains(value.type_str())
            || (value.is_integer() && self.types.contains("float"))
    }

    /// The allowed types, in words.
    pub(super) fn expected(&self) -> String {
        let types: Vec<_> = self.types.iter().copied().collect();
        types.join(" or ")
    }

    /// The allowed key most like the unknown `path`: first among its siblings, then a key of the same name
    /// elsewhere, of a similar name elsewhere, and the most similar of all.
    pub(super) fn nearest(&self, path: &[String]) -> Option<String> {
        let known = (1..=path.len()).take_while(|&n| self.at(&path[..n]).is_some()).count();
        let (prefix, rest) = path.split_at(known);
        if let [key, ..] = rest
            && let Some(node) = self.at(prefix)
            && let Some(near) = did_you_mean(key, node.names())
        {
            let near = prefix.iter().map(String::as_str).chain([near]);
            return Some(near.collect::<Vec<_>>().join("."));
        }
        let mut all = Vec::new();
        self.leaves(&mut Vec::new(), &mut all);
        let same_name =
            all.iter().find(|leaf| path.last().is_some_and(|key| leaf.ends_with(key.as_str())));
        match same_name {
            Some(leaf) => Some(leaf.join(".")),
            None => {
                let last = path.last().map_or("", String::as_str);
                let near = did_you_mean(last, all.iter().filter_map(|leaf| leaf.0.last().copied()));
                if let Some(leaf) =
                    near.and_then(|near| all.iter().find(|leaf| leaf.ends_with(near)))
                {
                    return Some(leaf.join("."));
                }
                let all: Vec<String> = all.iter().map(|leaf| leaf.join(".")).collect();
                did_you_mean(&path.join("."), all.iter().map(String::as_str)).map(str::to_owned)
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str).filter(|&name| name != ANY)
    }

    fn leaves<'a>(&'a self, prefix: &mut Vec<&'a str>, all: &mut Vec<Leaf<'a>>) {
        if self.fields.is_empty() {
            all.push(Leaf(prefix.clone()));
        }
        for (key, node) in &self.fields {
            prefix.push(key);
            node.leaves(prefix, all);
            prefix.pop();
        }
    }
}

struct Leaf<'a>(Vec<&'a str>);

impl Leaf<'_> {
    fn ends_with(&self, name: &str) -> bool {
        self.0.last() == Some(&name)
    }

    fn join(&self, separator: &str) -> String {
        self.0.join(separator)
    }
}
