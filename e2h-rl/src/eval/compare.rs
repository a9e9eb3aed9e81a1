//! Two evaluations on the same problems, compared problem by problem.
//!
//! Most of what two models get right or wrong they share; only the problems where they differ tell which is
//! better. So the comparison is paired, and its p-value is that of McNemar's exact test.
//!
//! # Invariants
//! - Problems are paired by task, level and canonical text; those that only one side has are counted, not used.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stats::mcnemar;

/// What became of one held-out problem: a line of a results file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProblemResult {
    /// The task.
    pub task: String,
    /// The problem's level.
    pub level: u16,
    /// The task's canonical text of the problem, which pairs two evaluations.
    pub key: String,
    /// The question.
    pub question: Value,
    /// What was to be reached.
    pub answer: Value,
    /// The greedy completion.
    pub completion: String,
    /// `correct`, `wrong`, `bad_format` or `unverifiable`.
    pub outcome: String,
    /// Tokens of the greedy completion.
    pub n_tokens: usize,
    /// Samples beside the greedy completion.
    pub n_samples: usize,
    /// Samples that are correct.
    pub n_correct: usize,
    /// Whether the answer that most samples gave is correct; absent without samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority_correct: Option<bool>,
}

impl ProblemResult {
    /// True when the greedy completion is correct.
    pub fn is_correct(&self) -> bool {
        self.outcome == "correct"
    }
}

/// A paired comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// One row a task and level, then one over all of a task's levels, with no level.
    pub rows: Vec<PairedRow>,
    /// Problems that only A has.
    pub unpaired_a: usize,
    /// Problems that only B has.
    pub unpaired_b: usize,
}

/// The pairs of one level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairedRow {
    /// The task.
    pub task: String,
    /// The level; `None` for all levels together.
    pub level: Option<u16>,
    /// Pairs.
    pub n: usize,
    /// Pairs that both have right.
    pub both: usize,
    /// Pairs that only A has right.
    pub only_a: usize,
    /// Pairs that only B has right.
    pub only_b: usize,
    /// Share that A has right.
    pub accuracy_a: f64,
    /// Share that B has right.
    pub accuracy_b: f64,
    /// Two-sided p-value of McNemar's exact test.
    pub p_value: f64,
}

/// Compares greedy correctness on the problems that `a` and `b` share.
///
/// ```
/// use e2h_rl::{ProblemResult, compare};
/// # let row = |key: &str, outcome: &str| -> ProblemResult {
/// #     serde_json::from_value(serde_json::json!({
/// #         "task": "sums", "level": 0, "key": key, "question": key, "answer": 0, "completion": "",
/// #         "outcome": outcome, "n_tokens": 1, "n_samples": 0, "n_correct": 0,
/// #     })).expect("a row")
/// # };
///
/// let a = [row("1 + 1", "correct"), row("2 + 2", "correct"), row("3 + 3", "wrong")];
/// let b = [row("1 + 1", "correct"), row("2 + 2", "wrong")];
/// let found = compare(&a, &b);
/// let level = &found.rows[0];
/// assert_eq!((level.n, level.both, level.only_a, level.only_b), (2, 1, 1, 0));
/// assert_eq!((level.accuracy_a, level.accuracy_b, level.p_value), (1.0, 0.5, 1.0));
/// assert_eq!((found.unpaired_a, found.unpaired_b), (1, 0));
/// ```
pub fn compare(a: &[ProblemResult], b: &[ProblemResult]) -> Comparison {
    let name = |row: &ProblemResult| (row.task.clone(), row.level, row.key.clone());
    let others: HashMap<_, bool> = b.iter().map(|row| (name(row), row.is_correct())).collect();
    let mut groups: BTreeMap<(String, Option<u16>), PairedRow> = BTreeMap::new();
    let mut n_paired = 0;
    for row in a {
        let Some(&right_b) = others.get(&name(row)) else { continue };
        n_paired += 1;
        for level in [Some(row.level), None] {
            let group = groups.entry((row.task.clone(), level)).or_default();
            group.n += 1;
            match (row.is_correct(), right_b) {
                (true, true) => group.both += 1,
                (true, false) => group.only_a += 1,
                (false, true) => group.only_b += 1,
                (false, false) => {}
            }
        }
    }
    let mut rows: Vec<PairedRow> = groups
        .into_iter()
        .map(|((task, level), group)| {
            let share = |n: usize| n as f64 / group.n.max(1) as f64;
            PairedRow {
                task,
                level,
                accuracy_a: share(group.both + group.only_a),
                accuracy_b: share(group.both + group.only_b),
                p_value: mcnemar(group.only_a, group.only_b),
                ..group
            }
        })
        .collect();
    // A task's sum comes after its levels.
    rows.sort_by_key(|row| (row.task.clone(), row.level.is_none(), row.level));
    Comparison {
        rows,
        unpaired_a: a.len() - n_paired,
        unpaired_b: b.len().saturating_sub(n_paired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(level: u16, key: usize, correct: bool) -> ProblemResult {
        ProblemResult {
            task: "t".to_owned(),
            level,
            key: key.to_string(),
            question: Value::Null,
            answer: Value::Null,
            completion: String::new(),
            outcome: if correct { "correct" } else { "wrong" }.to_owned(),
            n_tokens: 1,
            n_samples: 0,
            n_correct: 0,
            majority_correct: None,
        }
    }

    #[test]
    fn pairs_are_counted_by_level_and_the_rest_is_left_out() {
        let a: Vec<_> = (0..10).map(|i| result(0, i, i < 2)).chain([result(1, 0, true)]).collect();
        let b: Vec<_> = (0..11).rev().map(|i| result(0, i, (1..10).contains(&i))).collect();
        let found = compare(&a, &b);
        assert_eq!((found.unpaired_a, found.unpaired_b), (1, 1));
        let row = &found.rows[0];
        assert_eq!((row.level, row.n, row.both, row.only_a, row.only_b), (Some(0), 10, 1, 1, 8));
        assert!((row.accuracy_a - 0.2).abs() < 1e-12 && (row.accuracy_b - 0.9).abs() < 1e-12);
        // 2 * (1 + 9) / 2^9
        assert!((row.p_value - 0.039_062_5).abs() < 1e-12);
        assert_eq!(found.rows[1].level, None);
    }
}
