//! Countdown: combine all given numbers with + - * / into an expression that equals the target.
//!
//! The level is the number of numbers. A row has `question` = the list of numbers and `answer` = the target.
//!
//! # Source
//! The Countdown task of E2H (arXiv 2506.06632): 2 to 5 numbers of 1..=100 in training, 6 out of distribution,
//! targets 0..=100, reward 0.1 format + 0.9 correctness.
//!
//! # Deviations
//! 1. The verifier is exact and takes arithmetic only; see [`expr`].
//! 2. Problems are made by random legal moves on any two numbers, not by a left fold; the option
//!    [`left_fold`](CountdownConfig::left_fold) restores the fold.
//! 3. The split of a problem follows from its content, so train and test cannot overlap.
//!
//! # Invariants
//! - Every generated problem is solvable: its `solution` field is an expression that the verifier accepts.
//! - Two rows with the same numbers in any order and the same target are the same problem.

mod config;
pub mod expr;
mod generate;
mod moves;
mod play;
mod prompt;
pub mod solver;
mod value;

use e2h_core::{
    Error, LegalPlay, Level, LevelSpec, Outcome, Play, PlayConfig, Problem, Prompt, Result,
    RewardPart, Score, Split, Stream, Task,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use config::CountdownConfig;

use crate::format;

/// The name under which Countdown rows are filed.
pub const NAME: &str = "countdown";

/// The most numbers that a row may have.
const MAX_NUMBERS: usize = 1_000;

/// One of the four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Addition.
    #[serde(rename = "+")]
    Add,
    /// Subtraction.
    #[serde(rename = "-")]
    Sub,
    /// Multiplication.
    #[serde(rename = "*")]
    Mul,
    /// Exact division.
    #[serde(rename = "/")]
    Div,
}

impl Op {
    /// All four operations.
    pub const ALL: [Self; 4] = [Self::Add, Self::Sub, Self::Mul, Self::Div];

    /// The operation's sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.sign().as_bytes() == [byte])
    }

    fn precedence(self) -> u8 {
        match self {
            Self::Add | Self::Sub => 1,
            Self::Mul | Self::Div => 2,
        }
    }
}

/// The Countdown task.
///
/// ```
/// use e2h_core::{Level, RootSeed, Split, Task};
/// use e2h_tasks::countdown::{Countdown, CountdownConfig};
///
/// let task = Countdown::new(CountdownConfig::default()).expect("the default is in range");
/// let problem = task.generate(Level(0), Split::Test, &mut RootSeed(0).stream("doc", &[]))?;
/// // A test problem is one by its content.
/// assert_eq!(Split::of(&task.canonical(&problem)?), Split::Test);
/// assert_eq!(Countdown::instance(&problem)?.numbers.len(), task.config().all_levels()[0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Countdown {
    config: CountdownConfig,
    levels: Vec<LevelSpec>,
}

/// What a Countdown row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The numbers, in the row's order.
    pub numbers: Vec<u64>,
    /// The target.
    pub target: i128,
}

impl Countdown {
    /// The task as configured.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn new(config: CountdownConfig) -> std::result::Result<Self, Vec<Error>> {
        let problems = config.validate();
        if !problems.is_empty() {
            return Err(problems);
        }
        let levels = config.sizes().specs(|n| format!("{n} numbers"));
        Ok(Self { config, levels })
    }

    /// The configuration.
    pub fn config(&self) -> &CountdownConfig {
        &self.config
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`MalformedProblem`](Error::MalformedProblem) when `question` is no list of whole numbers from 0, or
    /// `answer` no whole number.
    pub fn instance(problem: &Problem) -> Result<Instance> {
        let numbers = problem.question.as_array().filter(|list| list.len() <= MAX_NUMBERS);
        let numbers: Option<Vec<u64>> =
            numbers.and_then(|list| list.iter().map(Value::as_u64).collect());
        let numbers =
            numbers.ok_or_else(|| malformed("question", "is not a list of whole numbers"))?;
        let target = whole(&problem.answer).ok_or_else(|| malformed("answer", "is not whole"))?;
        Ok(Instance { numbers, target })
    }

    fn problem(&self, level: Level, numbers: &[u64], target: u64) -> Problem {
        Problem {
            id: String::new(),
            task: NAME.to_owned(),
            level,
            question: numbers.into(),
            answer: target.into(),
            solution: None,
            extra: serde_json::Map::new(),
        }
    }

    fn n_numbers(&self, level: Level) -> Result<usize> {
        self.config.sizes().size(NAME, level)
    }

    fn judge(
        &self,
        problem: &Problem,
        answer: &str,
    ) -> Result<std::result::Result<(), expr::Fault>> {
        let Instance { numbers, target } = Self::instance(problem)?;
        Ok(expr::check(answer, &numbers, target, &self.config.operators))
    }
}

/// The canonical text of numbers and a target: the numbers ascending.
fn canonical(numbers: &[u64], target: i128) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    format!("{} target {target}", words(&sorted))
}

fn words(numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    words.join(" ")
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn malformed(field: &'static str, problem: &str) -> Error {
    Error::MalformedProblem { task: NAME.to_owned(), field, problem: problem.to_owned() }
}

impl Task for Countdown {
    fn name(&self) -> &str {
        NAME
    }

    fn levels(&self) -> &[LevelSpec] {
        &self.levels
    }

    fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
        generate::generate(self, level, split, rng)
    }

    fn canonical(&self, problem: &Problem) -> Result<String> {
        let Instance { numbers, target } = Self::instance(problem)?;
        Ok(canonical(&numbers, target))
    }

    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        Ok(prompt::prompt(&self.config, &Self::instance(problem)?))
    }

    fn score(&self, problem: &Problem, completion: &str) -> Score {
        let weights = (self.config.format_weight, self.config.correct_weight);
        let parts = |format, correct| {
            vec![
                RewardPart::new("format", format, weights.0),
                RewardPart::new("correct", correct, weights.1),
            ]
        };
        let answer = match format::answer(completion) {
            Ok(answer) => answer,
            Err(fault) => return Score::new(parts(0.0, 0.0), Outcome::BadFormat, fault.reason()),
        };
        match self.judge(problem, answer) {
            Ok(Ok(())) => Score::new(parts(1.0, 1.0), Outcome::Correct, "equals the target"),
            Ok(Err(fault)) => Score::new(parts(1.0, 0.0), Outcome::Wrong, fault.reason()),
            Err(error) => Score::unverifiable(error.to_string()),
        }
    }

    fn reward_parts(&self) -> &'static [&'static str] {
        &["format", "correct"]
    }

    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        let part = |value| vec![RewardPart::new("correct", value, self.config.correct_weight)];
        match self.judge(problem, answer) {
            Ok(Ok(())) => Score::new(part(1.0), Outcome::Correct, "equals the target"),
            Ok(Err(fault)) => Score::new(part(0.0), Outcome::Wrong, fault.reason()),
            Err(error) => Score::unverifiable(error.to_string()),
        }
    }

    fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
        let Ok(Instance { numbers, target }) = Self::instance(problem) else { return Vec::new() };
        let mut lines = vec![format!("numbers {}, target {target}", words(&numbers))];
        if let Ok(value) = expr::value(answer, &numbers, &self.config.operators) {
            lines.push(format!("the answer uses each number once and is {value}"));
        }
        lines
    }
}

impl LegalPlay for Countdown {
    fn vocabulary(&self) -> Vec<String> {
        play::vocabulary(&self.config)
    }

    fn random_play(&self, config: &PlayConfig, rng: &mut Stream) -> Result<Play> {
        play::random_play(self, config, rng)
    }
}
