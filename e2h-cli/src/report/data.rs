//! What a run folder holds, read without the model.
//!
//! # Invariants
//! - A file that a run has not written yet counts as empty; only `config.toml` must be there.
//! - The last line of a JSONL file may be torn, since the run may be writing it now. A bad line elsewhere is an
//!   error.
//! - No number that is handed out is infinite or NaN.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use e2h_core::{Error, Result};
use e2h_rl::ProblemResult;
use serde_json::Value;

/// The files of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunData {
    /// The folder's name.
    pub(super) name: String,
    /// `config.toml`.
    pub(super) config: String,
    /// The lines of `metrics.jsonl`, one a step.
    pub(crate) metrics: Vec<Value>,
    /// The lines of `eval.jsonl`, in the order of their steps.
    pub(super) evals: Vec<Eval>,
    /// What became of each held-out problem before the first step.
    pub(super) rows_before: Option<StepRows>,
    /// What became of each held-out problem in the newest evaluation after a step.
    pub(super) rows_after: Option<StepRows>,
    /// The lines of `samples.jsonl`.
    pub(super) samples: Vec<Value>,
    /// `summary.json`, once the run is finished.
    pub(super) summary: Option<Value>,
}

/// Finished steps, and the held-out problems of an evaluation.
pub(super) type StepRows = (u64, Vec<ProblemResult>);

/// One evaluation on held-out problems.
#[derive(Clone, Debug)]
pub(super) struct Eval {
    /// Finished steps.
    pub(super) step: u64,
    /// One entry a level.
    pub(super) levels: Vec<LevelEval>,
}

/// One level of an evaluation.
#[derive(Clone, Debug)]
pub(super) struct LevelEval {
    pub(super) level: usize,
    pub(super) label: String,
    /// Out of the training distribution.
    pub(super) ood: bool,
    /// Problems.
    pub(super) n: u64,
    /// Share of correct greedy completions.
    pub(super) accuracy: f64,
    /// 95% Wilson interval of the accuracy.
    pub(super) interval: [f64; 2],
}

/// One value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) step: u64,
    pub(super) value: f64,
    /// How much it counts in a mean.
    pub(super) weight: f64,
}

impl RunData {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// [`Error::File`] when there is no `config.toml` or a file cannot be read, [`Error::Row`] when a line that
    /// is not the last is not JSON.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let config = read(&folder.join("config.toml"))?;
        let config = config.ok_or_else(|| Error::File {
            action: "read",
            path: folder.join("config.toml"),
            source: ErrorKind::NotFound.into(),
        })?;
        let summary = folder.join("summary.json");
        let summary = match read(&summary)? {
            None => None,
            Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(|source| Error::Row {
                path: summary,
                line: 1,
                source,
            })?),
        };
        let mut evals: Vec<Eval> =
            lines(&folder.join("eval.jsonl"))?.iter().filter_map(Eval::parse).collect();
        evals.sort_by_key(|eval| eval.step);
        let rows = |eval: Option<&Eval>| eval.and_then(|eval| step_rows(folder, eval.step));
        let rows_before = rows(evals.first().filter(|eval| eval.step == 0));
        let rows_after = rows(evals.last().filter(|eval| eval.step > 0));
        let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned();
        Ok(Self {
            name,
            config: String::from_utf8_lossy(&config).into_owned(),
            metrics: lines(&folder.join("metrics.jsonl"))?,
            evals,
            rows_before,
            rows_after,
            samples: lines(&folder.join("samples.jsonl"))?,
            summary,
        })
    }

    /// The lines of `metrics.jsonl`.
    pub(crate) fn metrics(&self) -> &[Value] {
        &self.metrics
    }

    /// The values of the metric `key`, without the steps that lack it.
    pub(super) fn series(&self, key: &str) -> Vec<Point> {
        self.weighted(key, |_| Some(1.0))
    }

    /// The values of a metric of `level`, each weighted by the level's prompts in its step.
    pub(super) fn level_series(&self, head: &str, level: usize, tail: &str) -> Vec<Point> {
        let prompts = format!("schedule/level_{level}/prompts");
        let weight = move |line: &Value| line[&prompts].as_f64().filter(|n| *n > 0.0);
        self.weighted(&format!("{head}/level_{level}/{tail}"), weight)
    }

    fn weighted(&self, key: &str, weight: impl Fn(&Value) -> Option<f64>) -> Vec<Point> {
        let point = |line: &Value| {
            let value = line[key].as_f64().filter(|value| value.is_finite())?;
            let weight = weight(line).unwrap_or(1.0);
            Some(Point { step: line["step"].as_u64()?, value, weight })
        };
        self.metrics.iter().filter_map(point).collect()
    }

    /// Finished steps.
    pub(super) fn steps(&self) -> u64 {
        let last = self.metrics.iter().filter_map(|line| line["step"].as_u64()).max();
        last.map_or(0, |step| step + 1)
    }

    /// Levels that were trained on: those of the metrics, or else of the evaluations.
    pub(super) fn train_levels(&self) -> usize {
        let line = self.metrics.last();
        let in_metrics = line.map_or(0, |line| {
            (0..).take_while(|k| !line[format!("schedule/level_{k}/prob")].is_null()).count()
        });
        let evals = self.evals.first();
        let in_evals = evals.map_or(0, |eval| eval.levels.iter().filter(|l| !l.ood).count());
        in_metrics.max(in_evals)
    }

    /// `level 2: 4 numbers`, or `level 2` where the evaluation says no more.
    pub(super) fn level_name(&self, level: usize) -> String {
        let mut known = self.evals.iter().flat_map(|eval| &eval.levels);
        match known.find(|known| known.level == level && !known.label.is_empty()) {
            Some(known) => format!("level {level}: {}", known.label),
            None => format!("level {level}"),
        }
    }

    /// The evaluation before the first step.
    pub(super) fn before(&self) -> Option<&Eval> {
        self.evals.first().filter(|eval| eval.step == 0)
    }

    /// The newest evaluation after at least one step.
    pub(super) fn after(&self) -> Option<&Eval> {
        self.evals.last().filter(|eval| eval.step > 0)
    }

    /// The dotted keys of `config.toml` with their values, as written.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let mut table = String::new();
        let mut settings: Vec<(String, String)> = Vec::new();
        for line in self.config.lines().map(str::trim) {
            let header = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match (header, line.split_once('=')) {
                _ if line.is_empty() || line.starts_with('#') => {}
                (Some(name), _) => table = format!("{}.", name.trim_matches(['[', ']'])),
                (None, Some((key, value))) => {
                    settings.push((format!("{table}{}", key.trim()), value.trim().to_owned()));
                }
                (None, None) => {}
            }
        }
        settings
    }

    /// The value of one dotted key of `config.toml`, without quotes.
    pub(super) fn setting(&self, key: &str) -> Option<String> {
        let found = self.settings().into_iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.trim_matches('"').to_owned())
    }
}

impl Eval {
    fn parse(line: &Value) -> Option<Self> {
        let levels = line["levels"].as_array()?;
        let levels = levels.iter().filter_map(LevelEval::parse).collect();
        Some(Self { step: line["step"].as_u64()?, levels })
    }

    /// The entry of `level`.
    pub(super) fn level(&self, level: usize) -> Option<&LevelEval> {
        self.levels.iter().find(|entry| entry.level == level)
    }

    /// Accuracy averaged over the levels that are trained on; `None` for none.
    pub(super) fn train_mean(&self) -> Option<f64> {
        let train: Vec<f64> = self.levels.iter().filter(|l| !l.ood).map(|l| l.accuracy).collect();
        (!train.is_empty()).then(|| train.iter().sum::<f64>() / train.len() as f64)
    }
}

impl LevelEval {
    fn parse(entry: &Value) -> Option<Self> {
        let accuracy = entry["accuracy"].as_f64()?;
        let bound = |i: usize| entry["interval"][i].as_f64().unwrap_or(accuracy);
        Some(Self {
            level: usize::try_from(entry["level"].as_u64()?).ok()?,
            label: entry["label"].as_str().unwrap_or_default().to_owned(),
            ood: entry["ood"].as_bool().unwrap_or(false),
            n: entry["n"].as_u64().unwrap_or(0),
            accuracy,
            interval: [bound(0), bound(1)],
        })
    }
}

/// The problems of the evaluation after `step` steps; `None` where the run does not have them.
fn step_rows(folder: &Path, step: u64) -> Option<StepRows> {
    let path = folder.join("eval").join(format!("step-{step}.jsonl"));
    let rows = e2h_core::read_jsonl(&path).ok()?;
    Some((step, rows))
}

/// The file's bytes; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    }
}

/// The rows of a JSONL file that may be absent or end in half a row.
fn lines(path: &Path) -> Result<Vec<Value>> {
    let bytes = read(path)?.unwrap_or_default();
    let rows = bytes.split(|byte| *byte == b'\n').enumerate();
    let rows: Vec<_> = rows.filter(|(_, row)| !row.trim_ascii().is_empty()).collect();
    let mut values = Vec::with_capacity(rows.len());
    for (i, (line, row)) in rows.iter().enumerate() {
        match serde_json::from_slice(row) {
            Ok(value) => values.push(value),
            Err(_) if i + 1 == rows.len() => {}
            Err(source) => {
                return Err(Error::Row { path: path.to_path_buf(), line: line + 1, source });
            }
        }
    }
    Ok(values)
}
