//! Verdicts for a stream of JSON lines, so that a trainer in any language can use the verifiers.
//!
//! Each line is an object with a problem and what a policy said to it; [`score_stream`] writes one line for each:
//! `{"id", "task", "outcome", "correct", "reward", "parts", "reason"}`. `docs/verifiers.md` has the fields of every task
//! and an example in Python.
//!
//! # Invariants
//! - Verdicts come in the order of the lines, whatever the number of threads.
//! - Every line that is not blank gives a verdict or is reported as bad. No line ends the stream.
//! - Lines are judged as soon as no more are ready, and the output is flushed before the input is waited for; a trainer
//!   may keep the pipe open.
//! - Memory is bounded: one buffer of the reader and one line of [`max_line_bytes`](ScoreOptions::max_line_bytes) are
//!   held, with the values in them.

mod row;

use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use e2h_core::{Error, Outcome, Problem, RewardPart, Score, Task};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::data::known::KnownTasks;
use crate::data::lines::{Line, LineReader, MAX_LINE_BYTES};
use crate::format;
use crate::registry::{self, unknown};
use row::{Row, Said};

/// The name that asks for a verdict on the format alone.
pub const FORMAT: &str = "format";

/// The fewest lines that a thread takes at a time.
const MIN_LINES: usize = 8;

/// Judges rows, each by the task that it names.
///
/// ```
/// use e2h_tasks::score_stream::Scorer;
/// let scorer = Scorer::new();
/// let verdict = scorer.score_line(r#"{"task": "countdown", "numbers": [2, 3], "target": 6, "text": "2 + 3"}"#)?;
/// assert_eq!((verdict.outcome, verdict.correct), ("wrong", false));
/// assert_eq!(verdict.reason, "the value is not the target");
/// // A row must say what judges it, unless the scorer does.
/// assert!(scorer.score_line(r#"{"numbers": [2, 3], "target": 6, "text": "2 * 3"}"#).is_err());
/// # Ok::<(), String>(())
/// ```
pub struct Scorer {
    known: KnownTasks,
    fallback: Option<Fallback>,
    explain: bool,
}

/// What judges rows that do not name a task.
enum Fallback {
    Format,
    Task(Box<dyn Task>),
}

impl Fallback {
    fn name(&self) -> &str {
        match self {
            Self::Format => FORMAT,
            Self::Task(task) => task.name(),
        }
    }
}

/// The verdict on one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The row's `id` as it came; null when it has none.
    pub id: Value,
    /// The task that judged; empty where a bad line is answered.
    pub task: String,
    /// `correct`, `wrong`, `bad_format` or `unverifiable`.
    pub outcome: &'static str,
    /// True when the outcome is `correct`.
    pub correct: bool,
    /// The weighted sum of the parts.
    pub reward: f64,
    /// The parts; for a row with an answer text alone, without the part of the format.
    pub parts: Vec<RewardPart>,
    /// Why, in a few words.
    pub reason: String,
    /// How the verdict came about, line by line; where [`Scorer::explaining`] asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explain: Vec<String>,
}

/// A line that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// 1-based.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// How a stream is read and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Longest line that is read, in bytes; a longer one is bad.
    pub max_line_bytes: usize,
    /// Answers a bad line too, with the outcome `unverifiable`, an empty task and no id: for a caller that counts
    /// lines. It is reported all the same.
    pub answer_bad_lines: bool,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self { max_line_bytes: MAX_LINE_BYTES, answer_bad_lines: false }
    }
}

/// What a stream held. `n_lines` is the sum of all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScoreCounts {
    /// All lines.
    pub n_lines: u64,
    /// Lines without anything but white space; they are passed over.
    pub n_blank: u64,
    /// Lines that could not be judged.
    pub n_bad: u64,
    /// Verdicts `correct`.
    pub n_correct: u64,
    /// Verdicts `wrong`.
    pub n_wrong: u64,
    /// Verdicts `bad_format`.
    pub n_bad_format: u64,
    /// Verdicts `unverifiable`.
    pub n_unverifiable: u64,
}

impl ScoreCounts {
    fn add(&mut self, judged: Option<&Result<Verdict, BadLine>>) {
        self.n_lines += 1;
        match judged {
            None => self.n_blank += 1,
            Some(Err(_)) => self.n_bad += 1,
            Some(Ok(verdict)) => match verdict.outcome {
                "correct" => self.n_correct += 1,
                "wrong" => self.n_wrong += 1,
                "bad_format" => self.n_bad_format += 1,
                _ => self.n_unverifiable += 1,
            },
        }
    }
}

impl Scorer {
    /// A scorer for rows that name their task, one of [`names`](Self::names).
    pub fn new() -> Self {
        Self { known: KnownTasks::new(), fallback: None, explain: false }
    }

    /// A scorer for rows of which some or all do not name their task: `name` is one of [`names`](Self::names).
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for a name that is not known.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name == FORMAT {
            return Ok(Self { fallback: Some(Fallback::Format), ..Self::new() });
        }
        registry::task(name).map(Self::with_task).map_err(|_| Self::new().unknown(name))
    }

    /// The names that rows and callers may give.
    pub fn names(&self) -> Vec<&'static str> {
        self.known.names().into_iter().chain([FORMAT]).collect()
    }

    fn unknown(&self, name: &str) -> Error {
        unknown(name, &self.names())
    }

    /// A scorer by a task of the caller's own, for the rows that do not name a task and for those that name this one.
    pub fn with_task(task: Box<dyn Task>) -> Self {
        let fallback = Some(Fallback::Task(task));
        Self { fallback, ..Self::new() }
    }

    /// The same scorer, with [`Verdict::explain`] filled in or not.
    pub fn explaining(self, explain: bool) -> Self {
        Self { explain, ..self }
    }

    /// Judges one row.
    ///
    /// # Errors
    /// What is wrong with the row, in words.
    pub fn score_line(&self, line: &str) -> Result<Verdict, String> {
        let mut row = Row::read(line)?;
        let name = match row.task.take() {
            Some(name) => name,
            None => match &self.fallback {
                Some(fallback) => fallback.name().to_owned(),
                None => return Err("no `task` in the row, and none was given".to_owned()),
            },
        };
        let own = self.fallback.as_ref().filter(|fallback| fallback.name() == name);
        let task = match (own, name.as_str()) {
            (Some(Fallback::Task(task)), _) => task.as_ref(),
            (Some(Fallback::Format), _) | (None, FORMAT) => {
                let score = score_format(row.completion()?);
                return Ok(verdict(row.id, name, score));
            }
            (None, _) => self.known.get(&name).ok_or_else(|| self.unknown(&name).to_string())?,
        };
        let id = row.id.take();
        let (problem, said) = row.problem(task.name())?;
        // A verifier does not panic; should one do so, the rows around it must not suffer.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let score = match &said {
                Said::Completion(text) => task.score(&problem, text),
                Said::Answer(text) => task.score_answer(&problem, text),
            };
            (score, if self.explain { explain(task, &problem, &said) } else { Vec::new() })
        }));
        let (score, explain) = judged.unwrap_or_else(|_| {
            (Score::unverifiable("the verifier failed on this row"), Vec::new())
        });
        Ok(Verdict { explain, ..verdict(id, name, score) })
    }

    /// Judges a line, unless it is blank.
    fn judge(&self, line: &Line) -> Option<Result<Verdict, BadLine>> {
        let bad = |problem: String| BadLine { line: line.number, problem };
        if line.is_blank() {
            return None;
        }
        let text = line.text().map_err(|problem| bad(format!("the line {problem}")));
        Some(text.and_then(|text| self.score_line(text).map_err(bad)))
    }
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

/// What was judged, and how the task read it.
fn explain(task: &dyn Task, problem: &Problem, said: &Said) -> Vec<String> {
    let answer = match said {
        Said::Answer(text) => text,
        Said::Completion(text) => match format::answer(text) {
            Ok(answer) => answer,
            Err(fault) => return vec![format!("no answer was read: {}", fault.reason())],
        },
    };
    let mut lines = vec![format!("answer: {}", crate::math::shown(answer))];
    lines.extend(task.explain(problem, answer));
    lines
}

/// The verdict on the format alone.
fn score_format(completion: &str) -> Score {
    let part = |value| vec![RewardPart::new("format", value, 1.0)];
    match format::answer(completion) {
        Ok(_) => Score::new(part(1.0), Outcome::Correct, "the format is kept"),
        Err(fault) => Score::new(part(0.0), Outcome::BadFormat, fault.reason()),
    }
}

fn verdict(id: Value, task: String, score: Score) -> Verdict {
    Verdict {
        id,
        task,
        outcome: score.outcome.name(),
        correct: score.is_correct(),
        reward: score.reward,
        parts: score.parts,
        reason: score.reason.into_owned(),
        explain: Vec::new(),
    }
}

/// What one line gives: its verdict, and the bytes to write.
type Judged = Option<(Result<Verdict, BadLine>, Vec<u8>)>;

/// Judges every line of `input` and writes the verdicts to `output`; `on_bad` is told of each bad line, in order.
///
/// Each thread of rayon's pool works on the lines that one filling of the reader's buffer brings, so a buffer of about
/// a MiB serves large files best; the 8 KiB of a plain `stdin` do for pipes.
///
/// ```
/// use e2h_tasks::score_stream::{ScoreOptions, Scorer, score_stream};
/// let rows = r#"{"id": 1, "numbers": [2, 3], "target": 6, "text": "2 * 3"}"#;
/// let mut verdicts = Vec::new();
/// let scorer = Scorer::named("countdown")?;
/// let counts = score_stream(&scorer, ScoreOptions::default(), rows.as_bytes(), &mut verdicts, |bad| panic!("{bad}"))?;
/// assert_eq!(counts.n_correct, 1);
/// assert!(String::from_utf8(verdicts)?.starts_with(r#"{"id":1,"task":"countdown","outcome":"correct","correct":true,"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// That of the reader or the writer.
pub fn score_stream(
    scorer: &Scorer,
    options: ScoreOptions,
    input: impl BufRead,
    mut output: impl Write,
    mut on_bad: impl FnMut(&BadLine),
) -> io::Result<ScoreCounts> {
    let mut counts = ScoreCounts::default();
    let mut reader = LineReader::new(input, options.max_line_bytes);
    let mut batch: Vec<Line> = Vec::new();
    let mut judged: Vec<Judged> = Vec::new();
    while reader.next_batch(&mut batch)? {
        let answers = batch.par_iter().with_min_len(MIN_LINES);
        answers.map(|line| answer(scorer, options, line)).collect_into_vec(&mut judged);
        for line in judged.drain(..) {
            let (result, bytes) = line.unzip();
            counts.add(result.as_ref());
            if let Some(Err(bad)) = &result {
                on_bad(bad);
            }
            output.write_all(&bytes.unwrap_or_default())?;
        }
        output.flush()?;
        batch.clear();
    }
    Ok(counts)
}

fn answer(scorer: &Scorer, options: ScoreOptions, line: &Line) -> Judged {
    let result = scorer.judge(line)?;
    let bytes = match &result {
        Ok(verdict) => to_line(verdict),
        Err(bad) if options.answer_bad_lines => {
            let score = Score::unverifiable(bad.to_string());
            to_line(&verdict(Value::Null, String::new(), score))
        }
        Err(_) => Vec::new(),
    };
    Some((result, bytes))
}

fn to_line(verdict: &Verdict) -> Vec<u8> {
    // A verdict has text keys and finite numbers; there is nothing that cannot be written.
    let mut bytes = serde_json::to_vec(verdict).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
