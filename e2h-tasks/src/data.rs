//! Problems from files: JSONL, Parquet, and data sets of the Hugging Face Hub.
//!
//! [`load`] reads what a [`DataSpec`] asks for, in the layout of E2H's own rows or in one of the published layouts, and
//! sorts it by level. What it had to map, leave out or could not read stands in the [`LoadReport`].
//!
//! A row of E2H is one JSON object a line: `{"task", "level", "question", "answer", "solution"?, "id"?}`; other fields
//! are kept. The published layouts are: Countdown's `numbers` and `target` (the level is the number of numbers minus 2),
//! MATH's `problem` (levels from 1, or `Level 3`, become levels from 0; without `answer`, the last `\boxed{}` of the
//! solution), AQuA's `options`, `correct` and `rationale`, and GSM8K's `answer` with `####`. Counts of right or wrong
//! samples (`errors_of_20`; `difficulty`, which counts right samples in GSM8K and wrong ones in AQuA) become `n_correct`
//! and `n_samples`, which [`label`](crate::label) reads.
//!
//! # Invariants
//! - A level is stated in the row or the specification, or is the task's definition; it is never guessed.
//! - Rows of a task of the registry are checked by it, so that [`Task::prompt`](e2h_core::Task::prompt) takes them.
//! - With the same seed, a smaller [`take`](DataSpec::take) is the beginning of a larger one.

mod error;
pub(crate) mod known;
mod layout;
pub(crate) mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod report;
mod source;
mod spec;
mod stats;

use std::collections::hash_map::{Entry, HashMap};
use std::path::Path;

use e2h_core::{Level, Problem, RootSeed};
use rand::seq::SliceRandom;
use serde_json::{Map, Value};

pub use error::{BadRow, DataError};
pub use report::{Duplicates, FileCount, LoadReport, Note, Overlap, overlap};
pub use spec::{DataSpec, HubSpec, LevelMap, OnBadRow, OnDuplicate};
pub use stats::{LengthStats, LevelStats, Stats};

use error::{Fault, excerpt};
use known::KnownTasks;
use layout::Notes;

/// Problems sorted by level, and how they were read.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The problems of each level: index = level. A level that was not kept, or has no rows, is empty.
    pub problems: Vec<Vec<Problem>>,
    /// What was mapped, left out and found.
    pub report: LoadReport,
}

impl Rows {
    /// The number of problems of all levels.
    pub fn len(&self) -> usize {
        self.problems.iter().map(Vec::len).sum()
    }

    /// True when there is no problem; [`load`] never returns such rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All problems, level by level.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().flatten()
    }
}

/// Loads the rows that `spec` asks for.
///
/// ```no_run
/// use e2h_tasks::data::{DataSpec, load};
/// let rows = load(&DataSpec::at("my/rows/*.jsonl"))?;
/// println!("{} problems of level 0\n{}", rows.problems[0].len(), rows.report);
/// # Ok::<(), e2h_tasks::data::DataError>(())
/// ```
///
/// # Errors
/// The first problem of the specification; a file that is absent or unreadable; the first bad row, unless
/// [`bad_rows`](DataSpec::bad_rows) is to collect them; [`NoRows`](DataError::NoRows) when nothing is left.
pub fn load(spec: &DataSpec) -> Result<Rows, DataError> {
    if let Some(problem) = spec.validate().into_iter().next() {
        return Err(problem);
    }
    let known = KnownTasks::new();
    let mut spec = spec.clone();
    // The name of a preset stands for the task that it configures, here and in the rows.
    if let Some(task) = spec.task.as_deref().and_then(|name| known.get(name)) {
        spec.task = Some(task.name().to_owned());
    }
    let files = source::files(&spec)?;
    let mut loader = Loader {
        spec,
        known,
        problems: Vec::new(),
        seen: HashMap::new(),
        notes: Notes::new(),
        unknown_tasks: HashMap::new(),
        report: LoadReport::default(),
    };
    for file in files {
        loader.read(&file)?;
    }
    loader.finish()
}

/// The state of one [`load`].
struct Loader {
    spec: DataSpec,
    known: KnownTasks,
    problems: Vec<Vec<Problem>>,
    /// The identifier of the first row that asks a thing.
    seen: HashMap<String, String>,
    notes: Notes,
    unknown_tasks: HashMap<String, usize>,
    report: LoadReport,
}

impl Loader {
    fn read(&mut self, path: &Path) -> Result<(), DataError> {
        let n_bad_before = self.report.bad.len();
        let mut n_rows = 0;
        source::rows(path, &mut |line, row| {
            n_rows += 1;
            let taken = row.and_then(|row| self.take(row, path, line));
            match taken.map_err(|fault| fault.at(path, line)) {
                Ok(()) => Ok(()),
                Err(bad) if self.spec.bad_rows == OnBadRow::Collect => {
                    self.report.bad.push(bad);
                    Ok(())
                }
                Err(bad) => Err(bad.into()),
            }
        })?;
        self.report.n_read += n_rows;
        self.report.files.push(FileCount {
            path: path.to_path_buf(),
            n_rows,
            n_bad: self.report.bad.len() - n_bad_before,
        });
        Ok(())
    }

    /// Takes in one row.
    fn take(&mut self, row: Map<String, Value>, path: &Path, line: u64) -> Result<(), Fault> {
        let mut problem = layout::problem(row, &self.spec, &mut self.notes)?;
        if problem.id.is_empty() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            problem.id = format!("{stem}:{line}");
        }
        match self.known.get(&problem.task) {
            Some(task) => problem.task = task.name().to_owned(),
            None => *self.unknown_tasks.entry(problem.task.clone()).or_default() += 1,
        }
        let key = key(&problem, &self.known)?;
        if !self.spec.levels.is_empty() && !self.spec.levels.contains(&problem.level) {
            self.report.n_other_levels += 1;
            return Ok(());
        }
        match self.seen.entry(key) {
            Entry::Vacant(place) => {
                place.insert(problem.id.clone());
            }
            Entry::Occupied(first) => {
                self.report.duplicates.add(first.get(), &problem.id);
                if self.spec.duplicates == OnDuplicate::Drop {
                    return Ok(());
                }
            }
        }
        let index = problem.level.index();
        if self.problems.len() <= index {
            self.problems.resize_with(index + 1, Vec::new);
        }
        self.problems[index].push(problem);
        Ok(())
    }

    fn finish(mut self) -> Result<Rows, DataError> {
        if let Some(take) = self.spec.take {
            for (index, pool) in self.problems.iter_mut().enumerate() {
                let mut rng = RootSeed(self.spec.seed).stream("data/take", &[index as u64]);
                pool.shuffle(&mut rng);
                self.report.n_not_taken += pool.len().saturating_sub(take);
                pool.truncate(take);
            }
        }
        let mut report = self.report;
        report.n_kept = self.problems.iter().map(Vec::len).sum();
        let mapped = self.notes.into_iter().map(|(text, n_rows)| (text.to_owned(), n_rows));
        let unknown = self.unknown_tasks.into_iter();
        let unknown = unknown
            .map(|(task, n)| (format!("task `{task}` is not in the registry: not checked"), n));
        report.notes = mapped.chain(unknown).map(|(text, n_rows)| Note { text, n_rows }).collect();
        report.notes.sort_by(|a, b| a.text.cmp(&b.text));
        if report.n_kept == 0 {
            let why = format!(
                "{} are of other levels, {} cannot be read{}",
                report.n_other_levels,
                report.bad.len(),
                report.bad.first().map(|bad| format!(", first {bad}")).unwrap_or_default()
            );
            let n_read = report.n_read;
            return Err(DataError::NoRows { n_read, why });
        }
        let problems = self.problems;
        Ok(Rows { problems, report })
    }
}

/// What identifies a problem: its task's canonical text, or its question where the task is not known.
fn key(problem: &Problem, known: &KnownTasks) -> Result<String, Fault> {
    let text = match (known.get(&problem.task), &problem.question) {
        (Some(task), question) => task.canonical(problem).map_err(|error| match error {
            e2h_core::Error::MalformedProblem { field, problem: what, .. } => {
                let value = if field == "answer" { &problem.answer } else { question };
                let expected = format!("as {} defines it ({what})", problem.task);
                Fault::new(field, expected, excerpt(&value.to_string()))
            }
            other => Fault::new("line", format!("a row of {}", problem.task), other.to_string()),
        })?,
        (None, Value::String(text)) => text.trim().to_owned(),
        (None, question) => question.to_string(),
    };
    Ok(format!("{}\n{text}", problem.task))
}

/// The last level with rows, or 0.
fn last_level(problems: &[Vec<Problem>]) -> Level {
    Level::at(problems.iter().rposition(|pool| !pool.is_empty()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load_text(text: &str, change: impl FnOnce(&mut DataSpec)) -> Result<Rows, DataError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.jsonl");
        fs::write(&path, text).expect("writable");
        let mut spec = DataSpec::at(path.display().to_string());
        change(&mut spec);
        load(&spec)
    }

    fn countdown(n_rows: u64) -> String {
        let row = |i: u64| {
            let level = i % 3;
            format!(r#"{{"task":"countdown","level":{level},"question":[1,{i}],"answer":{i}}}"#)
        };
        (1..=n_rows).map(|i| row(i) + "\n").collect()
    }

    #[test]
    fn rows_come_by_level_and_in_file_order() {
        let rows = load_text(&countdown(9), |_| {}).expect("good rows");
        let ids = |level: usize| -> Vec<&str> {
            rows.problems[level].iter().map(|p| p.id.as_str()).collect()
        };
        assert_eq!(rows.len(), 9);
        assert_eq!(ids(0), ["rows:3", "rows:6", "rows:9"]);
        let rows =
            load_text(&countdown(9), |spec| spec.levels = vec![Level(2)]).expect("good rows");
        assert_eq!((rows.len(), rows.report.n_other_levels, rows.problems.len()), (3, 6, 3));
    }

    #[test]
    fn a_smaller_take_begins_a_larger_one_and_seeds_differ() {
        let take = |n, seed| {
            let rows = load_text(&countdown(300), |spec| (spec.take, spec.seed) = (Some(n), seed));
            let rows = rows.expect("good rows");
            assert_eq!((rows.len(), rows.report.n_not_taken), (3 * n, 300 - 3 * n));
            rows.problems[1].clone()
        };
        assert_eq!(take(10, 1)[..], take(40, 1)[..10]);
        assert_ne!(take(10, 1), take(10, 2));
    }

    #[test]
    fn a_bad_row_stops_with_file_line_and_field_or_is_collected() {
        let text = format!(
            "{}\r\n[1]\n{{\"task\":\"countdown\",\"level\":0,\"question\":7,\"answer\":1}}\nx",
            countdown(2)
        );
        let error = load_text(&text, |_| {}).expect_err("line 4 is no object").to_string();
        assert!(error.ends_with("rows.jsonl:4: `line` must be a JSON object, got [1]"), "{error}");
        let rows = load_text(&text, |spec| spec.bad_rows = OnBadRow::Collect).expect("two rows");
        let bad: Vec<_> =
            rows.report.bad.iter().map(|bad| (bad.line, bad.field.as_str())).collect();
        assert_eq!(bad, [(4, "line"), (5, "question"), (6, "line")]);
        assert_eq!((rows.report.n_read, rows.report.n_kept, rows.report.files[0].n_bad), (5, 2, 3));
    }

    #[test]
    fn rows_that_ask_the_same_are_counted_and_may_be_dropped() {
        let text = r#"{"task":"countdown","level":0,"question":[1,2],"answer":3,"id":"a"}
                      {"task":"countdown","level":1,"question":[2,1],"answer":3,"id":"b"}
                      {"task":"own","level":0,"question":"same ","answer":1,"id":"c"}
                      {"task":"own","level":0,"question":"same","answer":2,"id":"d"}
                      {"task":"other","level":0,"question":"same","answer":2,"id":"e"}"#;
        let rows = load_text(text, |_| {}).expect("good rows");
        let examples = [["a", "b"], ["c", "d"]].map(|pair| pair.map(str::to_owned));
        assert_eq!((rows.len(), rows.report.duplicates.n_rows), (5, 2));
        assert_eq!(rows.report.duplicates.examples, examples);
        assert_eq!(rows.report.notes.len(), 2, "two tasks are not checked: {}", rows.report);
        let rows = load_text(text, |spec| spec.duplicates = OnDuplicate::Drop).expect("good rows");
        assert_eq!((rows.len(), rows.report.duplicates.n_rows), (3, 2));
    }

    #[test]
    fn no_rows_at_all_is_an_error_that_says_why() {
        let error = load_text("", |_| {}).expect_err("empty").to_string();
        assert!(error.starts_with("no rows are left of the 0"), "{error}");
        let error = load_text(&countdown(2), |spec| spec.levels = vec![Level(9)])
            .expect_err("other levels");
        assert!(error.to_string().contains("2 are of other levels"), "{error}");
    }

    #[test]
    fn a_preset_names_the_task_it_configures() {
        let text = r#"{"level":0,"question":[1,2],"answer":3}"#;
        let rows = load_text(text, |spec| spec.task = Some("countdown-nano".to_owned()))
            .expect("a good row");
        assert_eq!(rows.problems[0][0].task, "countdown");
    }
}
