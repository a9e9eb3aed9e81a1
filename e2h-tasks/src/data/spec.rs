//! Which rows are wanted: the part of a configuration that says where problems come from.

use e2h_core::Level;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::DataError;

/// Where rows come from and which of them are taken.
///
/// ```
/// use e2h_tasks::data::DataSpec;
/// let spec: DataSpec = serde_json::from_str(
///     r#"{"path": "data/gsm8k/*.jsonl", "task": "gsm8k", "levels": [0, 1], "take": 500}"#,
/// )?;
/// assert_eq!(spec.path, ["data/gsm8k/*.jsonl"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// Files, folders (their .jsonl, .json and .parquet files, not those of subfolders) or patterns such as
    /// `data/*.jsonl`; in a file, one text or a list.
    #[serde(
        deserialize_with = "one_or_many",
        serialize_with = "one_as_text",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub path: Vec<String>,
    /// A data set on the Hugging Face Hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubSpec>,
    /// The task of rows that do not name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The level of rows that do not carry one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// A field to read the level from, in place of `level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_map: Option<LevelMap>,
    /// The levels to keep; empty for all.
    pub levels: Vec<Level>,
    /// At most this many rows of each level, the first of a seeded shuffle; all rows in file order when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take: Option<usize>,
    /// Seed of the shuffle.
    pub seed: u64,
    /// What happens at a row that cannot be read.
    pub bad_rows: OnBadRow,
    /// What happens to a row that asks the same as an earlier one.
    pub duplicates: OnDuplicate,
}

/// Which files of which data set of the Hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSpec {
    /// `owner/name`.
    pub id: String,
    /// Branch, tag or commit.
    #[serde(default = "main_branch")]
    pub revision: String,
    /// Names or patterns of files in the data set; they must be named, since a data set holds several splits.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "one_as_text")]
    pub files: Vec<String>,
}

/// How to read the level from another field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelMap {
    /// The field.
    pub field: String,
    /// Its values, the easiest first: the level is the place in this list.
    pub order: Vec<Value>,
}

/// What happens at a row that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRow {
    /// Loading ends with its error.
    #[default]
    Stop,
    /// It is left out and listed in the report.
    Collect,
}

/// What happens to a row that asks the same as an earlier one. Either way it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicate {
    /// It stays.
    #[default]
    Keep,
    /// It is left out.
    Drop,
}

impl DataSpec {
    /// The rows of one path or pattern, all else as it is by default.
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: vec![path.into()], ..Self::default() }
    }

    /// All problems of the specification that show without reading a file.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = Vec::new();
        let mut check = |bad: bool, key, problem: &str| {
            if bad {
                let problem = problem.to_owned();
                problems.push(DataError::Spec { key, problem });
            }
        };
        let has_path = !self.path.is_empty();
        let missing = "must be given, or `hub`";
        check(!has_path && self.hub.is_none(), "path", missing);
        check(has_path && self.hub.is_some(), "hub", "cannot be given beside `path`");
        check(self.take == Some(0), "take", "is 0, but must be at least 1");
        let id = self.hub.as_ref().map(|hub| hub.id.as_str());
        check(id.is_some_and(|id| !is_hub_id(id)), "hub.id", "must be like `owner/name`");
        if let Some(map) = &self.level_map {
            check(map.order.is_empty(), "level_map.order", "is empty");
            let repeats = (1..map.order.len()).any(|i| map.order[..i].contains(&map.order[i]));
            check(repeats, "level_map.order", "holds a value twice");
        }
        problems
    }
}

/// True for `owner/name` and for the plain `name` of an old data set.
fn is_hub_id(id: &str) -> bool {
    let good = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
    };
    id.split('/').count() <= 2 && id.split('/').all(good)
}

fn main_branch() -> String {
    "main".to_owned()
}

/// Writes a list of one as a text.
fn one_as_text<S: Serializer>(texts: &[String], output: S) -> Result<S::Ok, S::Error> {
    match texts {
        [text] => text.serialize(output),
        texts => texts.serialize(output),
    }
}

/// Reads one text or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Texts::deserialize(input)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_round_trips_and_unknown_keys_are_errors() {
        let text = r#"{"hub": {"id": "a/b", "files": "train*.parquet"}, "level_map": {"field": "d", "order": [1, 2]},
                       "bad_rows": "collect", "duplicates": "drop", "seed": 3}"#;
        let spec: DataSpec = serde_json::from_str(text).expect("valid");
        let hub = spec.hub.as_ref().expect("given");
        assert_eq!((hub.revision.as_str(), hub.files.len()), ("main", 1));
        let again = serde_json::to_string(&spec).expect("serialises");
        assert_eq!(serde_json::from_str::<DataSpec>(&again).expect("valid"), spec);
        assert!(spec.validate().is_empty());
        assert!(serde_json::from_str::<DataSpec>(r#"{"paths": "x"}"#).is_err());
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let spec = DataSpec {
            path: vec!["x".to_owned()],
            hub: Some(HubSpec {
                id: "../x".to_owned(),
                revision: main_branch(),
                files: Vec::new(),
            }),
            take: Some(0),
            level_map: Some(LevelMap { field: "d".to_owned(), order: vec![1.into(), 1.into()] }),
            ..DataSpec::default()
        };
        let keys: Vec<String> = spec.validate().iter().map(ToString::to_string).collect();
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert_eq!(DataSpec::default().validate().len(), 1);
    }
}
