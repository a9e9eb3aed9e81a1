//! MATH-style problems of our own: seven subjects, five levels, LaTeX statements and exact answers.
//!
//! A level is drawn as follows: a template that serves it, uniformly; then numbers, until the answer is clean and
//! the statement belongs to the split. A row has `question` = the statement and `answer` = the answer, both in LaTeX,
//! as rows of MATH have; `solution` is a short derivation, and the extra fields name subject, template and work.
//!
//! # Measure of difficulty
//! The work of an item is counted on the path by which its template computes the answer: digit operations plus a
//! fixed cost for each formula or theorem that has to be recalled (table in `mathgen/pad.rs`). The mean work rises
//! with the level, over all templates and within each.
//!
//! # Source
//! Subjects and number of levels: MATH (Hendrycks and others, 2021). As for MATH in E2H (arXiv 2506.06632), level 5
//! of the data set, here 4, is out of distribution; reward 0.1 format + 0.9 correctness. No text is taken from MATH.
//!
//! # Deviations
//! 1. Levels are ordered by counted work, not by the judgement of people.
//! 2. The problems come from a fixed list of templates, so they vary far less than those of MATH.
//!
//! # Invariants
//! - Answers are computed without floating point.
//! - The statement follows from template, question and numbers alone, wording included. So a problem of the training
//!   split never comes back in other words in the test split.

/// One of several wordings, each a format string, picked by the numbers of the item.
macro_rules! one_of {
    ($words:expr, $($text:literal),+ $(,)?) => {
        $words.pick([$(format!($text)),+])
    };
}

mod algebra;
mod counting;
mod draw;
mod functions;
mod geometry;
mod intermediate;
mod latex;
mod number_theory;
mod pad;
mod polynomials;
mod prealgebra;
mod precalculus;
mod probability;
mod residues;
mod space;
mod template;
mod triangles;
mod value;

#[cfg(test)]
mod checks;

use e2h_core::{
    Error, Level, LevelSpec, Outcome, Problem, Prompt, Result, RewardPart, Score, Split, Stream,
    Task,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};

pub use template::{Item, Subject, Template, templates};
pub use value::{End, Rational, Surd, Value};

use crate::settings::Checks;
use crate::{format, math};

/// The name under which generated rows are filed.
pub const NAME: &str = "math-gen";

/// The number of levels; the last is out of distribution.
const N_LEVELS: u16 = 5;

/// Draws made before the generator gives up: a split takes eight draws on average.
const MAX_ATTEMPTS: u64 = 10_000;

/// The configuration of generated mathematics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MathGenConfig {
    /// The subjects that problems are drawn from.
    pub subjects: Vec<Subject>,
    /// Weight of the format in the reward (paper: 0.1).
    pub format_weight: f64,
    /// Weight of correctness in the reward (paper: 0.9).
    pub correct_weight: f64,
}

impl Default for MathGenConfig {
    fn default() -> Self {
        Self { subjects: Subject::ALL.to_vec(), format_weight: 0.1, correct_weight: 0.9 }
    }
}

impl MathGenConfig {
    /// Everything that is wrong with the configuration; empty when nothing is.
    pub fn validate(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        let subjects = &self.subjects;
        let once = (1..subjects.len()).all(|i| !subjects[..i].contains(&subjects[i]));
        let expected = "one subject or more, none twice";
        checks.check(once && !subjects.is_empty(), "subjects", format!("{subjects:?}"), expected);
        checks.weights([
            ("format_weight", self.format_weight),
            ("correct_weight", self.correct_weight),
        ]);
        checks.done()
    }
}

/// The task of generated mathematics.
///
/// ```
/// use e2h_core::{Level, RootSeed, Split, Task};
/// use e2h_tasks::mathgen::{MathGenConfig, MathGenTask, Subject};
///
/// let config = MathGenConfig { subjects: vec![Subject::ALL[0]], ..MathGenConfig::default() };
/// let task = MathGenTask::new(config).expect("one subject is enough");
/// let problem = task.generate(Level(1), Split::Train, &mut RootSeed(0).stream("doc", &[]))?;
/// let answer = problem.answer.as_str().expect("LaTeX");
/// assert!(task.score_answer(&problem, answer).is_correct());
/// assert!(!task.score_answer(&problem, &format!("{answer} + 1")).is_correct());
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MathGenTask {
    config: MathGenConfig,
    levels: Vec<LevelSpec>,
    /// The templates that serve each level.
    served: Vec<Vec<&'static Template>>,
}

impl MathGenTask {
    /// The task as configured.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn new(config: MathGenConfig) -> std::result::Result<Self, Vec<Error>> {
        let problems = config.validate();
        if !problems.is_empty() {
            return Err(problems);
        }
        let level =
            |level| LevelSpec { label: format!("level {}", level + 1), ood: level + 1 == N_LEVELS };
        let served = |level| {
            templates()
                .filter(|t| t.serves(Level(level)) && config.subjects.contains(&t.subject))
                .collect()
        };
        Ok(Self {
            levels: (0..N_LEVELS).map(level).collect(),
            served: (0..N_LEVELS).map(served).collect(),
            config,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &MathGenConfig {
        &self.config
    }

    /// Draws an item of `level`, of either split.
    ///
    /// # Errors
    /// [`NoSuchLevel`](Error::NoSuchLevel), or what [`Template::item`] returns.
    pub fn item(&self, level: Level, rng: &mut Stream) -> Result<Item> {
        let templates = self.served.get(level.index()).ok_or(Error::NoSuchLevel {
            task: NAME.to_owned(),
            level: level.0,
            last: N_LEVELS - 1,
        })?;
        templates[rng.random_range(0..templates.len())].item(level, rng)
    }

    fn weights(&self, format: f64, correct: f64) -> Vec<RewardPart> {
        vec![
            RewardPart::new("format", format, self.config.format_weight),
            RewardPart::new("correct", correct, self.config.correct_weight),
        ]
    }
}

/// The row of an item.
fn row(level: Level, item: Item) -> Problem {
    let extra = [
        ("subject", item.subject.title().into()),
        ("template", item.template.into()),
        ("work", item.work.into()),
    ];
    Problem {
        id: String::new(),
        task: NAME.to_owned(),
        level,
        question: item.statement.into(),
        answer: item.answer.into(),
        solution: Some(item.steps.into()),
        extra: extra.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
    }
}

/// A field of a row as text.
fn text<'a>(value: &'a serde_json::Value, field: &'static str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| Error::MalformedProblem {
        task: NAME.to_owned(),
        field,
        problem: "is not a text".to_owned(),
    })
}

impl Task for MathGenTask {
    fn name(&self) -> &str {
        NAME
    }

    fn levels(&self) -> &[LevelSpec] {
        &self.levels
    }

    fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
        for _ in 0..MAX_ATTEMPTS {
            let item = self.item(level, rng)?;
            if Split::of(&item.statement) == split {
                return Ok(row(level, item));
            }
        }
        Err(Error::Exhausted {
            task: NAME.to_owned(),
            what: format!("{} problem of {level}", split.name()),
            attempts: MAX_ATTEMPTS,
        })
    }

    fn canonical(&self, problem: &Problem) -> Result<String> {
        Ok(text(&problem.question, "question")?.to_owned())
    }

    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        let question = text(&problem.question, "question")?;
        Ok(format::chat_prompt(format!(
            "{question}\n\nReason inside <think> </think> tags. Then give the final answer alone, exact and in \
             LaTeX, without units, inside <answer> </answer> tags, for example <answer> \\frac{{3}}{{4}} </answer>."
        )))
    }

    fn score(&self, problem: &Problem, completion: &str) -> Score {
        let answer = match format::answer(completion) {
            Ok(answer) => answer,
            Err(fault) => {
                return Score::new(self.weights(0.0, 0.0), Outcome::BadFormat, fault.reason());
            }
        };
        judged(problem, answer, |correct| self.weights(1.0, correct))
    }

    fn reward_parts(&self) -> &'static [&'static str] {
        &["format", "correct"]
    }

    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        let weight = self.config.correct_weight;
        judged(problem, answer, |correct| vec![RewardPart::new("correct", correct, weight)])
    }

    fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
        text(&problem.answer, "answer")
            .map_or_else(|_| Vec::new(), |gold| math::explain(gold, answer))
    }
}

/// The grader's verdict, with the parts for an answer that is right (1) or wrong (0).
fn judged(problem: &Problem, answer: &str, parts: impl Fn(f64) -> Vec<RewardPart>) -> Score {
    let gold = match text(&problem.answer, "answer") {
        Ok(gold) => gold,
        Err(error) => return Score::unverifiable(error.to_string()),
    };
    let verdict = math::grade(gold, answer);
    match verdict.outcome {
        math::Outcome::Equal => Score::new(parts(1.0), Outcome::Correct, verdict.reason),
        math::Outcome::Different => Score::new(parts(0.0), Outcome::Wrong, verdict.reason),
        math::Outcome::Unverifiable => Score::unverifiable(verdict.reason),
    }
}
