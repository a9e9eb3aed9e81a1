//! A memory of informative groups, which stand in where a step's own groups teach nothing.
//!
//! Replayed completions keep the log-probs of the policy that drew them, so the loss's ratio corrects for their age.
//!
//! # Source
//! Experience replay (Lin 1992), by whole groups; the bound on age is ours.
//!
//! # Invariants
//! - The memory is part of a checkpoint: a resumed run replays the same groups.

use std::collections::VecDeque;

use e2h_core::Rollout;
use serde::{Deserialize, Serialize};

/// The groups kept for replay, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replay {
    groups: VecDeque<Remembered>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    step: u64,
    rollouts: Vec<Rollout>,
}

impl Replay {
    /// Number of groups in memory.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True when nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The `n` newest groups that are at most `max_age` steps old at `step`.
    pub(crate) fn newest(&self, step: u64, max_age: u64, n: usize) -> Vec<Vec<Rollout>> {
        let young = self.groups.iter().rev().filter(|group| step - group.step <= max_age);
        young.take(n).map(|group| group.rollouts.clone()).collect()
    }

    /// Takes in the informative groups of `step`, and forgets the oldest beyond `capacity`.
    pub(crate) fn remember<'a>(
        &mut self,
        step: u64,
        groups: impl Iterator<Item = &'a Vec<Rollout>>,
        capacity: usize,
    ) {
        if capacity > 0 {
            self.groups.extend(groups.map(|group| Remembered { step, rollouts: group.clone() }));
        }
        let excess = self.groups.len().saturating_sub(capacity);
        self.groups.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_groups_come_back_until_they_are_too_old() {
        let mut replay = Replay::default();
        for step in 0..5 {
            replay.remember(step, [vec![], vec![]].iter(), 6);
        }
        assert_eq!(replay.len(), 6);
        assert_eq!(replay.newest(5, 1, 9).len(), 2);
        assert_eq!(replay.newest(5, 2, 3).len(), 3);
        let text = serde_json::to_string(&replay).expect("a memory serialises");
        let again: Replay = serde_json::from_str(&text).expect("and comes back");
        assert_eq!(again.newest(5, 2, 9).len(), 4);
    }
}
