//! Difficulty levels from how often a policy solves each problem.
//!
//! A problem's pass rate is r = n_correct / n_samples. With thresholds t_0 > t_1 > ... > t_{k-2}, its level is the number
//! of thresholds above r: level 0 holds r >= t_0, level k-1 holds r < t_{k-2}. [`by_thresholds`] takes the thresholds;
//! [`by_quantiles`] sets t_j to the pass rate at rank ceil(n (j+1) / k) of the n problems, the easiest first, so that the
//! levels are about equal in size.
//!
//! Ties: a level is a function of the pass rate alone, so equal problems are never parted, the order of the rows does
//! not matter, and a rate on the boundary belongs to the easier level. Where ties would leave a level empty, that is an
//! error and not fewer levels.
//!
//! # Source
//! The quartiles of the E2H data sets (arXiv 2506.06632): GSM8K and AQuA by 20 samples of a base model. On their counts
//! [`by_quantiles`] gives their levels.
//!
//! # Invariants
//! - Level 0 is the easiest: a higher pass rate never has a higher level.
//! - Every labelled row says who labelled it, from how many samples, at which temperature and thresholds, and when.

use std::path::{Path, PathBuf};

use e2h_core::{Error, Level, Problem, Result, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How often a policy solved a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassCount {
    /// Right samples.
    pub n_correct: u32,
    /// All samples that could be judged.
    pub n_samples: u32,
}

impl PassCount {
    /// The share of right samples.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) when there are no samples or more right ones than samples.
    pub fn rate(self) -> Result<f64> {
        if self.n_samples == 0 || self.n_correct > self.n_samples {
            return Err(out_of_range(
                "n_correct",
                format!("{} of {} samples", self.n_correct, self.n_samples),
                "at most the number of samples, which must be over 0",
            ));
        }
        Ok(f64::from(self.n_correct) / f64::from(self.n_samples))
    }

    /// The count that a row carries in its fields `n_correct` and `n_samples`, to which [`load`](crate::data::load)
    /// brings the counts of the published data sets too.
    ///
    /// # Errors
    /// [`MalformedProblem`](Error::MalformedProblem) when a field is absent or no count.
    pub fn of_row(row: &Problem) -> Result<Self> {
        let count = |field: &'static str| {
            let value = row.extra.get(field).and_then(Value::as_u64);
            let count = value.and_then(|n| u32::try_from(n).ok());
            count.ok_or_else(|| Error::MalformedProblem {
                task: row.task.clone(),
                field,
                problem: format!("of row {} is not a whole number from 0", row.id),
            })
        };
        Ok(Self { n_correct: count("n_correct")?, n_samples: count("n_samples")? })
    }
}

/// The level of each problem, and the pass rates that part them.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// One a problem, in order.
    pub levels: Vec<Level>,
    /// Falling; entry j is the least pass rate of level j. The last level holds what is below all.
    pub thresholds: Vec<f64>,
}

impl Levels {
    /// How many problems each level has.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.thresholds.len() + 1];
        for level in &self.levels {
            sizes[level.index()] += 1;
        }
        sizes
    }
}

/// Parts problems into `k` levels of about the same size.
///
/// ```
/// use e2h_core::Level;
/// use e2h_tasks::label::{PassCount, by_quantiles};
/// let passes = [20, 3, 11, 11, 0].map(|n_correct| PassCount { n_correct, n_samples: 20 });
/// let found = by_quantiles(&passes, 2)?;
/// assert_eq!(found.thresholds, [11.0 / 20.0]);
/// assert_eq!(found.levels, [0, 1, 0, 0, 1].map(Level));
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// [`OutOfRange`](Error::OutOfRange) when `k` is 0 or over 65,535, when a count is impossible, or when ties would leave
/// a level empty.
pub fn by_quantiles(passes: &[PassCount], k: usize) -> Result<Levels> {
    if k == 0 || k > usize::from(u16::MAX) {
        return Err(out_of_range("k", k.to_string(), "from 1 to 65535"));
    }
    let rates = rates(passes)?;
    let mut sorted = rates.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let n = sorted.len();
    // Rank ceil(n (j+1) / k), counted from 1; with no problems there is no rate to take.
    let ranks = (1..k).map(|j| (n * j).div_ceil(k).saturating_sub(1));
    let thresholds: Vec<f64> = ranks.filter_map(|rank| sorted.get(rank).copied()).collect();
    let found = assign(&rates, thresholds);
    let sizes = found.sizes();
    if sizes.len() < k || sizes.contains(&0) {
        sorted.dedup();
        let got = format!("{k} for {n} problems with {} different pass rates", sorted.len());
        return Err(out_of_range("k", got, "small enough that no level is empty"));
    }
    Ok(found)
}

/// Parts problems at given pass rates; a level may come out empty.
///
/// ```
/// use e2h_core::Level;
/// use e2h_tasks::label::{PassCount, by_thresholds};
/// let passes = [20, 10, 9, 0].map(|n_correct| PassCount { n_correct, n_samples: 20 });
/// // A rate on the threshold belongs to the easier level.
/// let found = by_thresholds(&passes, &[0.75, 0.5])?;
/// assert_eq!(found.levels, [0, 1, 2, 2].map(Level));
/// assert_eq!(found.sizes(), [1, 1, 2]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// [`OutOfRange`](Error::OutOfRange) when a count is impossible, or the thresholds do not fall or are not in (0, 1].
pub fn by_thresholds(passes: &[PassCount], thresholds: &[f64]) -> Result<Levels> {
    let inside = thresholds.iter().all(|&t| t > 0.0 && t <= 1.0);
    let falling = thresholds.windows(2).all(|pair| pair[0] > pair[1]);
    if !inside || !falling || thresholds.len() >= usize::from(u16::MAX) {
        let got = format!("{thresholds:?}");
        return Err(out_of_range("thresholds", got, "falling pass rates in (0, 1]"));
    }
    Ok(assign(&rates(passes)?, thresholds.to_vec()))
}

fn rates(passes: &[PassCount]) -> Result<Vec<f64>> {
    passes.iter().map(|pass| pass.rate()).collect()
}

fn assign(rates: &[f64], thresholds: Vec<f64>) -> Levels {
    let level = |rate: &f64| Level::at(thresholds.iter().filter(|&t| t > rate).count());
    let levels = rates.iter().map(level).collect();
    Levels { levels, thresholds }
}

fn out_of_range(name: &str, got: String, expected: &str) -> Error {
    Error::OutOfRange { name: name.to_owned(), got, expected: expected.to_owned() }
}

/// How levels are made from pass counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum LabelRule {
    /// [`by_quantiles`].
    Quantiles {
        /// The number of levels.
        k: usize,
    },
    /// [`by_thresholds`].
    Thresholds {
        /// Falling pass rates.
        thresholds: Vec<f64>,
    },
}

/// Who solved the problems, and when. The caller says it; nothing is read from a clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The policy, for example the name of a checkpoint.
    pub policy: String,
    /// Samples drawn for each problem.
    pub n_samples: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// The date, as it is to be written.
    pub date: String,
}

/// What stands beside a file of labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelHeader {
    /// Who solved the problems, and when.
    pub labelled_by: Provenance,
    /// The rule.
    pub rule: LabelRule,
    /// The pass rates that part the levels; see [`Levels::thresholds`].
    pub thresholds: Vec<f64>,
    /// How many rows each level has.
    pub sizes: Vec<usize>,
}

/// Rows with their new levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The rows in their order.
    pub rows: Vec<Problem>,
    /// What holds for all of them.
    pub header: LabelHeader,
}

/// Gives rows their levels by how often each was solved: `(row, n_correct, n_samples)`.
///
/// Each row gets the fields `n_correct`, `n_samples` and `labelled_by`: an object with `policy`, `temperature`, `date`
/// and `thresholds`. A level that the row had is replaced.
///
/// ```
/// use e2h_tasks::label::{LabelRule, Provenance, label};
/// # let row = |n: u32| -> e2h_core::Problem {
/// #     let row = serde_json::json!({"task": "sums", "level": 9, "question": n, "answer": n});
/// #     serde_json::from_value(row).expect("a row")
/// # };
///
/// let who = Provenance { policy: "base".into(), n_samples: 20, temperature: 1.0, date: "2026-11-25".into() };
/// let rows = [(row(1), 3, 20), (row(2), 18, 20)];
/// let labelled = label(rows, LabelRule::Quantiles { k: 2 }, who)?;
/// // The second problem is solved more often, so it is the easier one.
/// assert_eq!((labelled.rows[0].level.0, labelled.rows[1].level.0), (1, 0));
/// assert_eq!(labelled.rows[0].extra["n_correct"], 3);
/// assert_eq!(labelled.rows[0].extra["labelled_by"]["policy"], "base");
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`by_quantiles`] and [`by_thresholds`].
pub fn label(
    rows: impl IntoIterator<Item = (Problem, u32, u32)>,
    rule: LabelRule,
    provenance: Provenance,
) -> Result<Labelled> {
    let (mut labelled, mut passes) = (Vec::new(), Vec::new());
    for (row, n_correct, n_samples) in rows {
        labelled.push(row);
        passes.push(PassCount { n_correct, n_samples });
    }
    let found = match &rule {
        LabelRule::Quantiles { k } => by_quantiles(&passes, *k)?,
        LabelRule::Thresholds { thresholds } => by_thresholds(&passes, thresholds)?,
    };
    let labelled_by = json!({
        "policy": provenance.policy,
        "temperature": provenance.temperature,
        "date": provenance.date,
        "thresholds": found.thresholds,
    });
    for ((row, pass), &level) in labelled.iter_mut().zip(&passes).zip(&found.levels) {
        row.level = level;
        row.extra.insert("n_correct".to_owned(), pass.n_correct.into());
        row.extra.insert("n_samples".to_owned(), pass.n_samples.into());
        row.extra.insert("labelled_by".to_owned(), labelled_by.clone());
    }
    let header = LabelHeader {
        labelled_by: provenance,
        rule,
        sizes: found.sizes(),
        thresholds: found.thresholds,
    };
    Ok(Labelled { rows: labelled, header })
}

impl Labelled {
    /// Writes the rows as JSONL to `path` and the header beside it; returns the header's path, `rows.jsonl` giving
    /// `rows.labels.json`.
    ///
    /// # Errors
    /// [`File`](Error::File) when a file cannot be written, [`Row`](Error::Row) when a row cannot be.
    pub fn write(&self, path: &Path) -> Result<PathBuf> {
        let not_written = |line| {
            let path = path.to_path_buf();
            move |source| Error::Row { path, line, source }
        };
        let mut bytes = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            serde_json::to_writer(&mut bytes, row).map_err(not_written(index + 1))?;
            bytes.push(b'\n');
        }
        let header_path = path.with_extension("labels.json");
        let mut header = serde_json::to_vec_pretty(&self.header).map_err(not_written(0))?;
        header.push(b'\n');
        write_atomic(path, &bytes)?;
        write_atomic(&header_path, &header)?;
        Ok(header_path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_20(counts: &[u32]) -> Vec<PassCount> {
        let pass = |&n_correct| PassCount { n_correct, n_samples: 20 };
        counts.iter().map(pass).collect()
    }

    fn levels(found: Levels) -> Vec<u16> {
        found.levels.iter().map(|level| level.0).collect()
    }

    #[test]
    fn a_rate_on_the_boundary_belongs_to_the_easier_level() {
        let passes = of_20(&[20, 14, 13, 11, 10, 7, 6, 0]);
        let found = by_thresholds(&passes, &[0.7, 0.55, 0.35]).expect("falling");
        assert_eq!(found.sizes(), [2, 2, 2, 2]);
        assert_eq!(levels(found), [0, 0, 1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn ties_stay_together_whatever_the_order_of_the_rows() {
        let found = by_quantiles(&of_20(&[5, 5, 9, 5, 1, 5]), 2).expect("two levels");
        assert_eq!(found.thresholds, [0.25]);
        assert_eq!(levels(found), [0, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn an_empty_level_is_an_error_and_not_fewer_levels() {
        for (counts, k) in [(&[4, 4, 4][..], 2), (&[], 2), (&[1, 2], 3), (&[1, 2], 0), (&[], 1)] {
            assert!(by_quantiles(&of_20(counts), k).is_err(), "{counts:?} in {k}");
        }
        assert_eq!(by_quantiles(&of_20(&[4]), 1).expect("one level").sizes(), [1]);
    }

    #[test]
    fn impossible_counts_and_thresholds_are_refused() {
        let pass = |n_correct, n_samples| [PassCount { n_correct, n_samples }];
        assert!(by_thresholds(&pass(1, 0), &[0.5]).is_err());
        assert!(by_thresholds(&pass(3, 2), &[0.5]).is_err());
        for thresholds in [&[0.5, 0.5][..], &[0.2, 0.5], &[0.0], &[1.1], &[f64::NAN]] {
            assert!(by_thresholds(&pass(1, 2), thresholds).is_err(), "{thresholds:?}");
        }
    }

    fn row(id: &str) -> Problem {
        let row = json!({"id": id, "task": "own", "level": 9, "question": "q", "answer": 1, "kept": true});
        serde_json::from_value(row).expect("a row")
    }

    #[test]
    fn labelled_rows_and_their_header_say_where_the_levels_come_from() {
        let provenance = Provenance {
            policy: "base".to_owned(),
            n_samples: 4,
            temperature: 0.8,
            date: "2026-01-02".to_owned(),
        };
        let rows = [(row("hard"), 0, 4), (row("easy"), 4, 4)];
        let labelled = label(rows, LabelRule::Quantiles { k: 2 }, provenance).expect("two levels");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.jsonl");
        let header = labelled.write(&path).expect("writable");
        let again: Vec<Problem> = e2h_core::read_jsonl(&path).expect("readable");
        assert_eq!(again, labelled.rows);
        assert_eq!((again[0].level, again[1].level), (Level(1), Level(0)));
        assert_eq!(again[0].extra["kept"], true);
        assert_eq!(again[0].extra["labelled_by"]["thresholds"], json!([1.0]));
        assert_eq!(PassCount::of_row(&again[1]).expect("counted").n_correct, 4);
        assert!(PassCount::of_row(&row("not counted")).is_err());
        let text = std::fs::read_to_string(header).expect("readable");
        let header: LabelHeader = serde_json::from_str(&text).expect("a header");
        assert_eq!(header, labelled.header);
    }

    proptest! {
        #[test]
        fn more_passes_never_mean_a_harder_level(counts in prop::collection::vec(0_u32..=20, 1..60), k in 1_usize..6) {
            if let Ok(found) = by_quantiles(&of_20(&counts), k) {
                prop_assert!(found.sizes().iter().all(|&size| size > 0));
                for i in 0..counts.len() {
                    for j in 0..counts.len() {
                        prop_assert!(counts[i] < counts[j] || found.levels[i] <= found.levels[j]);
                    }
                }
                let again = by_thresholds(&of_20(&counts), &found.thresholds);
                // A threshold of 0 can part nothing from nothing, so it is never found.
                prop_assert_eq!(again.expect("found thresholds are valid"), found);
            }
        }
    }
}
