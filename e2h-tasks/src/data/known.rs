//! Every task that can judge a row, built once and looked up by name.

use std::collections::BTreeMap;

use e2h_core::Task;

use crate::registry;

/// Every task, by name.
pub(crate) struct KnownTasks(BTreeMap<&'static str, Box<dyn Task>>);

impl KnownTasks {
    pub(crate) fn new() -> Self {
        let names = registry::task_names().into_iter();
        Self(names.filter_map(|name| Some((name, registry::task(name).ok()?))).collect())
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
        for name in registry::task_names() {
            assert!(tasks.get(name).is_some(), "{name}");
        }
        assert!(tasks.get("no-such-task").is_none());
    }
}
