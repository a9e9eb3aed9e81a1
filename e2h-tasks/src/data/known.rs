//! Every task that can judge a row, built once and looked up by name: those of the registry, and those whose
//! problems come from files or from the generator of math problems.

use std::collections::BTreeMap;

use e2h_core::Task;

use crate::math::{AquaTask, Gsm8kTask, MathTask};
use crate::mathgen::{MathGenConfig, MathGenTask};
use crate::registry::{self, TaskConfig};

/// The tasks that are not presets of the registry: they are not played by the small models.
const OTHERS: [&str; 4] = ["math-gen", "math", "gsm8k", "aqua"];

/// The name of every task.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    registry::names().into_iter().chain(OTHERS)
}

/// The task of that name.
pub(crate) fn build(name: &str) -> Option<Box<dyn Task>> {
    match name {
        "math-gen" => MathGenTask::new(MathGenConfig::default())
            .ok()
            .map(|task| -> Box<dyn Task> { Box::new(task) }),
        "math" => Some(Box::new(MathTask::new())),
        "gsm8k" => Some(Box::new(Gsm8kTask::new())),
        "aqua" => Some(Box::new(AquaTask::new())),
        _ => TaskConfig::named(name).ok()?.task().ok(),
    }
}

/// Every task, by name.
pub(crate) struct KnownTasks(BTreeMap<&'static str, Box<dyn Task>>);

impl KnownTasks {
    pub(crate) fn new() -> Self {
        Self(names().filter_map(|name| Some((name, build(name)?))).collect())
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
