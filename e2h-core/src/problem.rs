//! Problems, as they stand in memory and on disk.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Level, stable_hash};

/// One problem: a row of a JSONL file.
///
/// `question` and `answer` have the form that the task defines: for Countdown a list of numbers and the
/// target, for Blocksworld the initial state and the goal as text, for the math tasks texts in LaTeX.
///
/// ```
/// use e2h_core::{Level, Problem};
/// let row = r#"{"task":"sums","level":2,"question":[2,3],"answer":5,"source":"mine"}"#;
/// let problem: Problem = serde_json::from_str(row)?;
/// assert_eq!((problem.level, problem.answer.as_u64()), (Level(2), Some(5)));
/// // It is written as it was: without empty fields, and with those that E2H does not know.
/// assert_eq!(serde_json::to_string(&problem)?, row);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable name of the row within its data set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name of the task that can score this row.
    pub task: String,
    /// Difficulty.
    pub level: Level,
    /// What is asked.
    pub question: Value,
    /// What a right completion must reach.
    pub answer: Value,
    /// A reference solution, where one is known. Never shown to the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<Value>,
    /// Fields of the row that E2H does not know; they are kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The two disjoint halves of a task's problem space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Problems that training may draw.
    Train,
    /// Problems that are only for evaluation.
    Test,
}

impl Split {
    /// The split that a problem belongs to, from its canonical text: one problem in eight is a test problem.
    ///
    /// The split is a function of the content alone, so train and test sets cannot overlap, whatever the
    /// seeds they are drawn with.
    ///
    /// ```
    /// use e2h_core::Split;
    /// // About an eighth of 1000 problems; a binomial count is off by 45 once in 50,000 times.
    /// let is_test = |n: &u32| Split::of(&format!("problem {n}")) == Split::Test;
    /// let n_test = (0..1000).filter(is_test).count();
    /// assert!((80..=170).contains(&n_test));
    /// ```
    pub fn of(canonical: &str) -> Self {
        if stable_hash("e2h/split", canonical.as_bytes()).is_multiple_of(8) {
            Self::Test
        } else {
            Self::Train
        }
    }

    /// `"train"` or `"test"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_of_a_row_are_kept() {
        let line =
            r#"{"task":"countdown","level":1,"question":[1,2,3],"answer":6,"source":"mine"}"#;
        let problem: Problem = serde_json::from_str(line).expect("a valid row");
        assert_eq!(problem.extra["source"], "mine");
        let again = serde_json::to_value(&problem).expect("rows serialise");
        assert_eq!(again, serde_json::from_str::<Value>(line).expect("valid JSON"));
    }

    #[test]
    fn one_problem_in_eight_is_a_test_problem() {
        let test = (0..8000).filter(|i| Split::of(&format!("problem {i}")) == Split::Test).count();
        assert!((900..1100).contains(&test), "{test} of 8000 are test problems");
    }
}
