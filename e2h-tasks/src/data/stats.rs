//! Counts of loaded rows, for a report.

use std::collections::{BTreeMap, HashSet};

use e2h_core::{Level, Problem};
use serde::Serialize;
use serde_json::Value;

use super::known::KnownTasks;
use super::{Rows, key, last_level};

/// What a set of rows holds.
///
/// ```
/// use e2h_tasks::data::{DataSpec, Stats, load};
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join("rows.jsonl").display().to_string();
///
/// let rows = r#"{"task": "countdown", "level": 0, "question": [2, 3, 4], "answer": 9}
///     {"task": "countdown", "level": 1, "question": [1, 2, 3, 4], "answer": 10}
///     {"task": "countdown", "level": 1, "question": [1, 2, 3, 4], "answer": 24}"#;
/// std::fs::write(&path, rows)?;
/// let stats = Stats::of(&load(&DataSpec::at(path))?);
/// assert_eq!((stats.n_rows, stats.n_by_task["countdown"]), (3, 3));
/// assert_eq!(stats.levels.iter().map(|level| level.n_rows).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Rows of all levels.
    pub n_rows: usize,
    /// Rows of each task.
    pub n_by_task: BTreeMap<String, usize>,
    /// Rows that ask the same as an earlier one, in any level.
    pub n_duplicates: usize,
    /// Each level up to the last that has rows.
    pub levels: Vec<LevelStats>,
}

/// What a level holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LevelStats {
    /// The level.
    pub level: Level,
    /// Its rows.
    pub n_rows: usize,
    /// Those of them with a reference solution.
    pub n_with_solution: usize,
    /// Those of them that ask the same as an earlier row of this or an easier level.
    pub n_duplicates: usize,
    /// Lengths of the questions.
    pub question_chars: LengthStats,
    /// Lengths of the answers.
    pub answer_chars: LengthStats,
}

/// Lengths in characters; a value that is no text counts as its JSON. All 0 where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LengthStats {
    /// The shortest.
    pub min: usize,
    /// The middle one; of an even number, the lower of the two.
    pub median: usize,
    /// The longest.
    pub max: usize,
    /// The mean.
    pub mean: f64,
}

impl LengthStats {
    fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let (Some(&min), Some(&max)) = (lengths.first(), lengths.last()) else {
            return Self::default();
        };
        Self {
            min,
            median: lengths[(lengths.len() - 1) / 2],
            max,
            mean: lengths.iter().sum::<usize>() as f64 / lengths.len() as f64,
        }
    }
}

impl Stats {
    /// Counts loaded rows.
    pub fn of(rows: &Rows) -> Self {
        let known = KnownTasks::new();
        let mut seen = HashSet::new();
        let mut n_by_task = BTreeMap::new();
        for row in rows.iter() {
            *n_by_task.entry(row.task.clone()).or_default() += 1;
        }
        let levels: Vec<LevelStats> = rows
            .problems
            .iter()
            .take(last_level(&rows.problems).index() + 1)
            .enumerate()
            .map(|(index, pool)| LevelStats {
                level: Level::at(index),
                n_rows: pool.len(),
                n_with_solution: pool.iter().filter(|row| row.solution.is_some()).count(),
                n_duplicates: pool
                    .iter()
                    .filter(|row| key(row, &known).is_ok_and(|key| !seen.insert(key)))
                    .count(),
                question_chars: lengths(pool, |row| &row.question),
                answer_chars: lengths(pool, |row| &row.answer),
            })
            .collect();
        Self {
            n_rows: rows.len(),
            n_by_task,
            n_duplicates: levels.iter().map(|level| level.n_duplicates).sum(),
            levels,
        }
    }
}

fn lengths(pool: &[Problem], field: impl Fn(&Problem) -> &Value) -> LengthStats {
    let length = |row| match field(row) {
        Value::String(text) => text.chars().count(),
        other => other.to_string().chars().count(),
    };
    LengthStats::of(pool.iter().map(length).collect())
}

#[cfg(test)]
mod tests {
    use super::super::LoadReport;
    use super::*;

    fn row(level: u16, question: &str, answer: Value, solution: Option<Value>) -> Problem {
        Problem {
            id: String::new(),
            task: "own".to_owned(),
            level: Level(level),
            question: question.into(),
            answer,
            solution,
            extra: serde_json::Map::new(),
        }
    }

    #[test]
    fn levels_are_counted_apart_and_duplicates_across_them() {
        let problems = vec![
            vec![row(0, "é", "12".into(), Some(1.into())), row(0, "abc", 7.into(), None)],
            Vec::new(),
            vec![row(2, "abc", "1234".into(), None)],
            Vec::new(),
        ];
        let report = LoadReport::default();
        let stats = Stats::of(&Rows { problems, report });
        assert_eq!((stats.n_rows, stats.n_duplicates, stats.n_by_task["own"]), (3, 1, 3));
        assert_eq!(stats.levels.len(), 3);
        let easy = &stats.levels[0];
        assert_eq!((easy.n_rows, easy.n_with_solution, easy.n_duplicates), (2, 1, 0));
        let expected = LengthStats { min: 1, median: 1, max: 3, mean: 2.0 };
        assert_eq!(easy.question_chars, expected);
        assert_eq!((easy.answer_chars.max, stats.levels[1].answer_chars.max), (2, 0));
        assert_eq!((stats.levels[2].n_duplicates, stats.levels[2].answer_chars.min), (1, 4));
    }
}
