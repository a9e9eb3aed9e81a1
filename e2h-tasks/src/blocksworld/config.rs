//! The configuration of Blocksworld.

use e2h_core::{Error, PromptStyle};
use serde::{Deserialize, Serialize};

use super::NameSet;
use crate::settings::{Checks, Levels};

/// Longest plan of a level.
const MAX_PLAN: usize = 16;
/// Most blocks that are generated: shortest plans stay cheap to find.
const MAX_GENERATED: usize = 12;

/// The configuration of Blocksworld; the default is the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlocksworldConfig {
    /// The shortest plan's length at each training level (paper: 1, 2, 4, 6).
    pub levels: Vec<usize>,
    /// The same at each out-of-distribution level (paper: 8).
    pub ood_levels: Vec<usize>,
    /// Fewest blocks (published rows: 2).
    pub min_blocks: usize,
    /// Most blocks (published rows: 6).
    pub max_blocks: usize,
    /// The sets that names are drawn from, each problem using one.
    pub names: Vec<NameSet>,
    /// Names are drawn from the set; false: its first names are taken, so a small model meets few words.
    pub random_names: bool,
    /// Most facts of a goal (published rows: 5).
    pub max_goal_facts: usize,
    /// Share of the problems that begin with a block in the hand (published rows: about 0.12).
    pub holding_frac: f64,
    /// How prompts and plays are worded, and in which wording plans are read.
    pub style: PromptStyle,
    /// Plays are walks as long as any level's plans; false: as the training levels' only.
    pub play_ood: bool,
    /// Weight of the format in the reward (paper: 1).
    pub format_weight: f64,
    /// Weight of correctness in the reward (paper: 1).
    pub correct_weight: f64,
    /// Weight of n_ref / n_pred, at most 1, in the reward (paper: 1).
    pub efficiency_weight: f64,
}

impl Default for BlocksworldConfig {
    fn default() -> Self {
        Self {
            levels: vec![1, 2, 4, 6],
            ood_levels: vec![8],
            min_blocks: 2,
            max_blocks: 6,
            names: NameSet::ALL.to_vec(),
            random_names: true,
            max_goal_facts: 5,
            holding_frac: 0.12,
            style: PromptStyle::Chat,
            play_ood: true,
            format_weight: 1.0,
            correct_weight: 1.0,
            efficiency_weight: 1.0,
        }
    }
}

impl BlocksworldConfig {
    /// A small world for models of about half a million parameters: four blocks a to d, plan lengths 1 to 4 and 6 out
    /// of distribution, compact style.
    pub fn nano() -> Self {
        Self {
            levels: vec![1, 2, 3, 4],
            ood_levels: vec![6],
            min_blocks: 4,
            max_blocks: 4,
            names: vec![NameSet::Alphabets],
            random_names: false,
            max_goal_facts: 3,
            style: PromptStyle::Compact,
            ..Self::default()
        }
    }

    /// The plan length of every level, training levels first.
    pub fn all_levels(&self) -> Vec<usize> {
        self.sizes().all()
    }

    /// The levels by their plans' lengths.
    pub(super) fn sizes(&self) -> Levels<'_> {
        Levels::new(&self.levels, &self.ood_levels)
    }

    /// Everything that is wrong with the configuration; empty when nothing is.
    pub fn validate(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        let lengths = format!("plans of 1 to {MAX_PLAN} actions");
        self.sizes().check(1..=MAX_PLAN, &lengths, &mut checks);
        let range = (self.min_blocks, self.max_blocks);
        let ordered = 2 <= range.0 && range.0 <= range.1 && range.1 <= MAX_GENERATED;
        let expected = format!("ascending in 2 to {MAX_GENERATED}");
        checks.check(ordered, "min_blocks, max_blocks", format!("{range:?}"), &expected);
        checks.check(!self.names.is_empty(), "names", "empty", "one name set or more");
        let facts = self.max_goal_facts;
        checks.check(facts >= 1, "max_goal_facts", facts.to_string(), "at least 1");
        let share = self.holding_frac;
        checks.check((0.0..=1.0).contains(&share), "holding_frac", share.to_string(), "in 0 to 1");
        checks.weights([
            ("format_weight", self.format_weight),
            ("correct_weight", self.correct_weight),
            ("efficiency_weight", self.efficiency_weight),
        ]);
        checks.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configurations_are_valid() {
        assert!(BlocksworldConfig::default().validate().is_empty());
        assert!(BlocksworldConfig::nano().validate().is_empty());
        let every_set_has_enough =
            NameSet::ALL.iter().all(|set| set.names().len() >= MAX_GENERATED);
        assert!(every_set_has_enough);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let config = BlocksworldConfig {
            levels: vec![0],
            max_blocks: 1,
            names: Vec::new(),
            holding_frac: 2.0,
            ..BlocksworldConfig::default()
        };
        assert_eq!(config.validate().len(), 4, "{:?}", config.validate());
    }
}
