//! Tasks by name.
//!
//! A configuration file names its task: `{"kind": "countdown", "levels": [2, 3]}`. Each name stands for a preset, the
//! keys beside it for changes to that preset.

use e2h_core::{Error, LegalPlay, Task};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::blocksworld::{Blocksworld, BlocksworldConfig};
use crate::countdown::{Countdown, CountdownConfig};
use crate::math::{AquaTask, Gsm8kTask, MathTask, RowsConfig};
use crate::mathgen::{MathGenConfig, MathGenTask};

/// Which task, and how configured.
///
/// It is read from a table with the `kind` of a preset and the keys that differ from it; it is written with the
/// `kind` of the task and all keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", try_from = "Map<String, Value>")]
pub enum TaskConfig {
    /// Countdown.
    Countdown(CountdownConfig),
    /// Blocksworld.
    Blocksworld(BlocksworldConfig),
    /// Generated mathematics.
    #[serde(rename = "math-gen")]
    MathGen(MathGenConfig),
    /// MATH, from files.
    Math(RowsConfig),
    /// GSM8K, from files.
    Gsm8k(RowsConfig),
    /// AQuA, from files.
    Aqua(RowsConfig),
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self::Countdown(CountdownConfig::default())
    }
}

impl TryFrom<Map<String, Value>> for TaskConfig {
    type Error = String;

    fn try_from(mut table: Map<String, Value>) -> Result<Self, String> {
        let name = table.remove("kind").ok_or("a task needs a `kind`")?;
        let preset = Self::named(name.as_str().ok_or("the `kind` of a task is a text")?);
        match preset.map_err(|error| error.to_string())? {
            Self::Countdown(preset) => overlay(&preset, table).map(Self::Countdown),
            Self::Blocksworld(preset) => overlay(&preset, table).map(Self::Blocksworld),
            Self::MathGen(preset) => overlay(&preset, table).map(Self::MathGen),
            Self::Math(preset) => overlay(&preset, table).map(Self::Math),
            Self::Gsm8k(preset) => overlay(&preset, table).map(Self::Gsm8k),
            Self::Aqua(preset) => overlay(&preset, table).map(Self::Aqua),
        }
    }
}

/// `preset` with the keys of `changes` put in its place.
fn overlay<T: Serialize + DeserializeOwned>(
    preset: &T,
    changes: Map<String, Value>,
) -> Result<T, String> {
    let mut value = serde_json::to_value(preset).map_err(|error| error.to_string())?;
    if let Some(keys) = value.as_object_mut() {
        keys.extend(changes);
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// A name and its configuration.
type Preset = (&'static str, fn() -> TaskConfig);

/// The tasks that can be played at random, each with its configuration.
const PRESETS: [Preset; 4] = [
    ("countdown", || TaskConfig::Countdown(CountdownConfig::default())),
    ("countdown-nano", || TaskConfig::Countdown(CountdownConfig::nano())),
    ("blocksworld", || TaskConfig::Blocksworld(BlocksworldConfig::default())),
    ("blocksworld-nano", || TaskConfig::Blocksworld(BlocksworldConfig::nano())),
];

/// The tasks that are not played by the small models: their problems are generated mathematics, or come from files.
const OTHERS: [Preset; 4] = [
    ("math-gen", || TaskConfig::MathGen(MathGenConfig::default())),
    ("math", || TaskConfig::Math(RowsConfig::math())),
    ("gsm8k", || TaskConfig::Gsm8k(RowsConfig::quartiles())),
    ("aqua", || TaskConfig::Aqua(RowsConfig::quartiles())),
];

/// The names of the presets that can be played at random.
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

/// The names of all tasks: the presets, the generator of math problems, and the tasks of published rows.
pub fn task_names() -> Vec<&'static str> {
    PRESETS.iter().chain(&OTHERS).map(|(name, _)| *name).collect()
}

/// The task of a name of [`task_names`].
///
/// ```
/// use e2h_tasks::registry::{task, task_names};
/// for name in task_names() {
///     assert!(!task(name)?.levels().is_empty());
/// }
/// assert!(task("chess").is_err());
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// [`OutOfRange`](Error::OutOfRange) with the known names and the nearest one.
pub fn task(name: &str) -> Result<Box<dyn Task>, Error> {
    TaskConfig::named(name)?.task().map_err(|problems| {
        problems.into_iter().next().unwrap_or_else(|| unknown(name, &task_names()))
    })
}

/// The error for a name that is not among the known ones.
pub(crate) fn unknown(name: &str, known: &[&str]) -> Error {
    let distance = |other: &&&str| strsim::damerau_levenshtein(name, other);
    let nearest = known.iter().min_by_key(distance).copied().unwrap_or_default();
    Error::OutOfRange {
        name: "task".to_owned(),
        got: format!("`{name}`"),
        expected: format!("one of {} (did you mean `{nearest}`?)", known.join(", ")),
    }
}

impl TaskConfig {
    /// The preset of a name.
    ///
    /// ```
    /// use e2h_tasks::registry::TaskConfig;
    /// let error = TaskConfig::named("countdwon").unwrap_err().to_string();
    /// assert!(error.contains("did you mean `countdown`"), "{error}");
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) with the known names and the nearest one.
    pub fn named(name: &str) -> Result<Self, Error> {
        if let Some((_, preset)) = PRESETS.iter().chain(&OTHERS).find(|(known, _)| *known == name) {
            return Ok(preset());
        }
        Err(unknown(name, &task_names()))
    }

    /// The task.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn task(self) -> Result<Box<dyn Task>, Vec<Error>> {
        Ok(match self {
            Self::Countdown(config) => Box::new(Countdown::new(config)?),
            Self::Blocksworld(config) => Box::new(Blocksworld::new(config)?),
            Self::MathGen(config) => Box::new(MathGenTask::new(config)?),
            Self::Math(config) => Box::new(MathTask::with_levels(config)?),
            Self::Gsm8k(config) => Box::new(Gsm8kTask::with_levels(config)?),
            Self::Aqua(config) => Box::new(AquaTask::with_levels(config)?),
        })
    }

    /// True when problems of this task can be generated; those of other tasks come from files.
    pub fn generates(&self) -> bool {
        matches!(self, Self::Countdown(_) | Self::Blocksworld(_) | Self::MathGen(_))
    }

    /// The task as one that can be played at random; `None` for a task that cannot.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn legal_play(self) -> Result<Option<Box<dyn LegalPlay>>, Vec<Error>> {
        Ok(match self {
            Self::Countdown(config) => Some(Box::new(Countdown::new(config)?)),
            Self::Blocksworld(config) => Some(Box::new(Blocksworld::new(config)?)),
            Self::MathGen(_) | Self::Math(_) | Self::Gsm8k(_) | Self::Aqua(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_builds_a_task_of_its_family() {
        for name in task_names() {
            let task = TaskConfig::named(name).expect("known").task().expect("valid");
            assert!(name.starts_with(task.name()), "{name} builds {}", task.name());
        }
    }

    #[test]
    fn a_configuration_round_trips_and_unknown_keys_are_errors() {
        for name in task_names() {
            let config = TaskConfig::named(name).expect("known");
            let text = serde_json::to_string(&config).expect("serialises");
            assert_eq!(serde_json::from_str::<TaskConfig>(&text).expect("parses"), config);
        }
        let changed: TaskConfig =
            serde_json::from_str(r#"{"kind": "countdown-nano", "levels": [3]}"#).expect("parses");
        let expected = CountdownConfig { levels: vec![3], ..CountdownConfig::nano() };
        assert_eq!(changed, TaskConfig::Countdown(expected));
        assert!(
            serde_json::from_str::<TaskConfig>(r#"{"kind": "countdown", "level": 3}"#).is_err()
        );
    }
}
