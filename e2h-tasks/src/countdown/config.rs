//! The configuration of Countdown.

use e2h_core::{Error, PromptStyle};
use serde::{Deserialize, Serialize};

use super::Op;
use crate::settings::{Checks, Levels};

/// Most numbers of a level: generation and solving are meant for small sets.
const MAX_LEVEL: usize = 12;
/// Largest number, target or result.
const MAX_NUMBER: u64 = 1_000_000;
/// Largest word of the compact style.
const MAX_WORD: u64 = 10_000;

/// The configuration of Countdown; the default is the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CountdownConfig {
    /// How many numbers each training level has (paper: 2, 3, 4, 5).
    pub levels: Vec<usize>,
    /// How many numbers each out-of-distribution level has (paper: 6).
    pub ood_levels: Vec<usize>,
    /// Smallest number drawn (paper: 1).
    pub min_number: u64,
    /// Largest number drawn (paper: 100).
    pub max_number: u64,
    /// Smallest target (paper: 0).
    pub min_target: u64,
    /// Largest target (paper: 100).
    pub max_target: u64,
    /// The allowed operations, in the generator and in answers.
    pub operators: Vec<Op>,
    /// How prompts and plays are worded.
    pub style: PromptStyle,
    /// Largest intermediate result of generated solutions and plays. Answers are not bound by it.
    pub max_value: Option<u64>,
    /// Makes problems as the reference does: a fold over the numbers from left to right.
    pub left_fold: bool,
    /// Refuses problems that are a smaller problem with padding: some of the numbers reach the target
    /// and the others reach 0 or 1 (in whole numbers). The published problems are not filtered.
    pub reject_padded: bool,
    /// Plays have as many numbers as any level; false: as the training levels only.
    pub play_ood: bool,
    /// Weight of the format in the reward (paper: 0.1).
    pub format_weight: f64,
    /// Weight of correctness in the reward (paper: 0.9).
    pub correct_weight: f64,
}

impl Default for CountdownConfig {
    fn default() -> Self {
        Self {
            levels: vec![2, 3, 4, 5],
            ood_levels: vec![6],
            min_number: 1,
            max_number: 100,
            min_target: 0,
            max_target: 100,
            operators: Op::ALL.to_vec(),
            style: PromptStyle::Chat,
            max_value: None,
            left_fold: false,
            reject_padded: false,
            play_ood: true,
            format_weight: 0.1,
            correct_weight: 0.9,
        }
    }
}

impl CountdownConfig {
    /// A small world for models of about a million parameters: numbers 1 to 10, results up to 50, compact style.
    pub fn nano() -> Self {
        Self {
            max_number: 10,
            max_target: 50,
            max_value: Some(50),
            style: PromptStyle::Compact,
            ..Self::default()
        }
    }

    /// The number of numbers of every level, training levels first.
    pub fn all_levels(&self) -> Vec<usize> {
        self.sizes().all()
    }

    /// The levels by their number of numbers.
    pub(super) fn sizes(&self) -> Levels<'_> {
        Levels::new(&self.levels, &self.ood_levels)
    }

    /// The largest intermediate result, or the largest number of all without a bound.
    pub(super) fn value_bound(&self) -> u64 {
        self.max_value.unwrap_or(u64::MAX)
    }

    /// Everything that is wrong with the configuration; empty when nothing is.
    pub fn validate(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        let sizes = format!("2 to {MAX_LEVEL} numbers a level");
        self.sizes().check(2..=MAX_LEVEL, &sizes, &mut checks);
        let range = (self.min_number, self.max_number);
        let bound = format!("ascending and at most {MAX_NUMBER}");
        let ordered = range.0 <= range.1 && range.1 <= MAX_NUMBER;
        checks.check(ordered, "min_number, max_number", format!("{range:?}"), &bound);
        let range = (self.min_target, self.max_target);
        let ordered = range.0 <= range.1 && range.1 <= MAX_NUMBER;
        checks.check(ordered, "min_target, max_target", format!("{range:?}"), &bound);
        let signs: Vec<&str> = self.operators.iter().map(|op| op.sign()).collect();
        checks.check(!signs.is_empty(), "operators", "empty", "one of + - * / or more");
        let mut distinct = signs.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let once = distinct.len() == signs.len();
        checks.check(once, "operators", signs.join(" "), "a list without repetition");
        let needed = self.max_number.max(self.max_target);
        if let Some(max) = self.max_value {
            let enough = format!("at least {needed}, the largest number or target");
            checks.check(max >= needed, "max_value", max.to_string(), &enough);
        }
        if self.style == PromptStyle::Compact {
            let words = format!("set, and at most {MAX_WORD}, in compact style");
            let max = self.max_value;
            checks.check(
                max.is_some_and(|max| max <= MAX_WORD),
                "max_value",
                format!("{max:?}"),
                &words,
            );
        }
        checks.weights([
            ("format_weight", self.format_weight),
            ("correct_weight", self.correct_weight),
        ]);
        checks.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configurations_are_valid() {
        assert!(CountdownConfig::default().validate().is_empty());
        assert!(CountdownConfig::nano().validate().is_empty());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let config = CountdownConfig {
            levels: vec![1],
            min_target: 9,
            max_target: 3,
            operators: vec![Op::Add, Op::Add],
            style: PromptStyle::Compact,
            format_weight: f64::NAN,
            ..CountdownConfig::default()
        };
        assert_eq!(config.validate().len(), 5, "{:?}", config.validate());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(serde_json::from_str::<CountdownConfig>(r#"{"level": [2]}"#).is_err());
        let config: CountdownConfig =
            serde_json::from_str(r#"{"operators": ["+", "*"]}"#).expect("a known key");
        assert_eq!(config.operators, [Op::Add, Op::Mul]);
    }
}
