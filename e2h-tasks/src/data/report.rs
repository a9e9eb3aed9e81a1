//! What loading found: mapped fields, bad rows, duplicates, overlap.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::known::KnownTasks;
use super::{BadRow, Rows, key};

/// How many examples a report shows.
const N_EXAMPLES: usize = 10;

/// What [`load`](super::load) found. `n_read` is the sum of the kept, the bad, those of other levels, those not taken,
/// and the duplicates where they are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// The files in the order in which they were read.
    pub files: Vec<FileCount>,
    /// Rows read, blank lines aside.
    pub n_read: usize,
    /// Rows returned.
    pub n_kept: usize,
    /// Rows of levels that were not asked for.
    pub n_other_levels: usize,
    /// Rows that `take` left out.
    pub n_not_taken: usize,
    /// Rows that ask the same as an earlier one of the levels asked for.
    pub duplicates: Duplicates,
    /// Fields that were renamed or turned round, and tasks that are not checked.
    pub notes: Vec<Note>,
    /// Rows that could not be read, where they are collected.
    pub bad: Vec<BadRow>,
}

/// The rows of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// The file.
    pub path: PathBuf,
    /// Rows in it, blank lines aside.
    pub n_rows: usize,
    /// Those of them that could not be read.
    pub n_bad: usize,
}

/// Something done to some rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What, for a person.
    pub text: String,
    /// For how many rows.
    pub n_rows: usize,
}

/// Rows that ask the same as another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// How many rows repeat an earlier one.
    pub n_rows: usize,
    /// Identifiers of the earlier and the later row, for the first few.
    pub examples: Vec<[String; 2]>,
}

impl Duplicates {
    pub(super) fn add(&mut self, first: &str, second: &str) {
        self.n_rows += 1;
        if self.examples.len() < N_EXAMPLES {
            self.examples.push([first.to_owned(), second.to_owned()]);
        }
    }
}

/// What two sets of rows have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// How many test rows ask the same as a training row.
    pub n_test_rows: usize,
    /// Identifiers of a training row and the test row that asks the same, for the first few.
    pub examples: Vec<[String; 2]>,
}

/// Finds the test rows that ask the same as a training row.
///
/// Two rows ask the same when they are of one task and have the same [`canonical`](e2h_core::Task::canonical) text;
/// for a task that is not in the registry, the same question.
///
/// ```
/// use e2h_tasks::data::{DataSpec, load, overlap};
/// # let temporary = tempfile::tempdir()?;
/// # let [train, test] = ["train.jsonl", "test.jsonl"].map(|name| temporary.path().join(name).display().to_string());
///
/// // For Countdown the order of the numbers makes no other problem.
/// std::fs::write(&train, r#"{"task": "countdown", "level": 0, "question": [2, 3, 4], "answer": 9}"#)?;
/// std::fs::write(&test, r#"{"task": "countdown", "level": 0, "question": [4, 3, 2], "answer": 9}"#)?;
/// let found = overlap(&load(&DataSpec::at(train))?, &load(&DataSpec::at(test))?);
/// assert_eq!(found.n_test_rows, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn overlap(train: &Rows, test: &Rows) -> Overlap {
    let known = KnownTasks::new();
    // Rows that were loaded have a key.
    let keyed = |row| key(row, &known).ok().map(|key| (key, row.id.as_str()));
    let trained: HashMap<String, &str> = train.iter().filter_map(keyed).collect();
    let mut found = Duplicates::default();
    for (key, id) in test.iter().filter_map(keyed) {
        if let Some(first) = trained.get(&key) {
            found.add(first, id);
        }
    }
    Overlap { n_test_rows: found.n_rows, examples: found.examples }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} in {} files", self.n_kept, self.n_read, self.files.len())?;
        for (n, what) in [
            (self.n_other_levels, "are of other levels"),
            (self.n_not_taken, "are not taken"),
            (self.duplicates.n_rows, "repeat an earlier one"),
            (self.bad.len(), "cannot be read"),
        ] {
            if n > 0 {
                write!(f, "; {n} {what}")?;
            }
        }
        for note in &self.notes {
            write!(f, "\n  {} ({} rows)", note.text, note.n_rows)?;
        }
        for bad in self.bad.iter().take(N_EXAMPLES) {
            write!(f, "\n  {bad}")?;
        }
        match self.bad.len().saturating_sub(N_EXAMPLES) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::{Level, Problem};

    use super::*;

    fn rows(questions: &[(&str, &[u64])]) -> Rows {
        let row = |(id, numbers): &(&str, &[u64])| Problem {
            id: (*id).to_owned(),
            task: "countdown".to_owned(),
            level: Level(0),
            question: (*numbers).into(),
            answer: 6.into(),
            solution: None,
            extra: serde_json::Map::new(),
        };
        Rows { problems: vec![questions.iter().map(row).collect()], report: LoadReport::default() }
    }

    #[test]
    fn a_test_row_that_asks_the_same_as_a_training_row_is_found() {
        let train = rows(&[("a", &[1, 2, 3]), ("b", &[4, 5])]);
        let test = rows(&[("x", &[3, 1, 2]), ("y", &[4, 6])]);
        let found = overlap(&train, &test);
        assert_eq!(found.n_test_rows, 1);
        assert_eq!(found.examples, [["a".to_owned(), "x".to_owned()]]);
        assert_eq!(overlap(&test, &rows(&[])), Overlap::default());
    }
}
