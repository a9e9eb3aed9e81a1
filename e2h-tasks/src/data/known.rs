//! The tasks of the registry, built once and looked up by name.

use std::collections::BTreeMap;

use e2h_core::Task;

use crate::registry::{self, TaskConfig};

/// Every preset of the registry as a task.
pub(crate) struct KnownTasks(BTreeMap<&'static str, Box<dyn Task>>);

impl KnownTasks {
    pub(crate) fn new() -> Self {
        let build = |name| Some((name, TaskConfig::named(name).ok()?.task().ok()?));
        Self(registry::names().into_iter().filter_map(build).collect())
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
