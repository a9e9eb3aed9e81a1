//! Every task that can judge a row, built once and looked up by name: those of the registry, and those whose
//! problems come from files only.

use std::collections::BTreeMap;

use e2h_core::Task;

use crate::math::{AquaTask, Gsm8kTask, MathTask};
use crate::registry::{self, TaskConfig};

/// The tasks whose problems come from files only.
const OF_ROWS: [&str; 3] = ["math", "gsm8k", "aqua"];

/// The task of a preset of the registry, or of rows; `None` for any other name.
pub(crate) fn build(name: &str) -> Option<Box<dyn Task>> {
    match name {
        "math" => Some(Box::new(MathTask::new())),
        "gsm8k" => Some(Box::new(Gsm8kTask::new())),
        "aqua" => Some(Box::new(AquaTask::new())),
        _ => TaskConfig::named(name).ok()?.task().ok(),
    }
}

/// The presets of the registry, and the math tasks.
pub(crate) struct KnownTasks(BTreeMap<&'static str, Box<dyn Task>>);

impl KnownTasks {
    pub(crate) fn new() -> Self {
        let names = registry::names().into_iter().chain(OF_ROWS);
        Self(names.filter_map(|name| Some((name, build(name)?))).collect())
    }

    /// The names, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// The task of a preset's name.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Task> {
        self.0.get(name).map(Box::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_registry_is_known() {
        let tasks = KnownTasks::new();
        for name in registry::names() {
            assert!(tasks.get(name).is_some(), "{name}");
        }
        assert!(tasks.get("no-such-task").is_none());
    }
}
