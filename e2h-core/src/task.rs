//! The trait of a task, and of a task that can be played at random.

use serde::{Deserialize, Serialize};

use crate::{Level, Problem, Result, Score, Split, Stream};

/// A family of problems with levels, prompts and a verifier.
///
/// A verifier is pure and total: it never panics on any text, its work is bounded by counting, and it never
/// runs model text as a program.
///
/// ```
/// use e2h_core::*;
/// use serde_json::json;
///
/// /// Say the number again.
/// struct Repeat(Vec<LevelSpec>);
///
/// impl Task for Repeat {
///     fn name(&self) -> &str {
///         "repeat"
///     }
///     fn levels(&self) -> &[LevelSpec] {
///         &self.0
///     }
///     fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
///         let _ = (split, rng); // A real task draws here until the split fits.
///         let row = json!({"task": "repeat", "level": level, "question": "7", "answer": "7"});
///         Ok(serde_json::from_value(row).expect("a row of this task"))
///     }
///     fn canonical(&self, problem: &Problem) -> Result<String> {
///         Ok(problem.question.to_string())
///     }
///     fn prompt(&self, problem: &Problem) -> Result<Prompt> {
///         let user = format!("Say {}.", problem.question);
///         Ok(Prompt { system: None, user, assistant_prefix: "<think>".into() })
///     }
///     fn score(&self, problem: &Problem, completion: &str) -> Score {
///         self.score_answer(problem, completion)
///     }
///     fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
///         let right = problem.answer == answer.trim();
///         let outcome = if right { Outcome::Correct } else { Outcome::Wrong };
///         Score::new(vec![RewardPart::new("correct", f64::from(u8::from(right)), 1.0)], outcome, "")
///     }
/// }
///
/// let task = Repeat(vec![LevelSpec { label: "one digit".into(), ood: false }]);
/// let problem = task.generate(Level(0), Split::Train, &mut RootSeed(0).stream("repeat", &[]))?;
/// assert!(task.score(&problem, " 7 ").is_correct());
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub trait Task: Send + Sync {
    /// The name under which rows of this task are filed, for example `countdown`.
    fn name(&self) -> &str;

    /// The levels, easiest first; index = level number.
    fn levels(&self) -> &[LevelSpec];

    /// Draws a problem of `level` that belongs to `split`.
    ///
    /// # Errors
    /// [`NoSuchLevel`](crate::Error::NoSuchLevel), or [`Exhausted`](crate::Error::Exhausted) when the
    /// configuration leaves no such problem.
    fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem>;

    /// The text that identifies a problem: equal for two rows that ask the same thing. Decides the split.
    ///
    /// # Errors
    /// [`MalformedProblem`](crate::Error::MalformedProblem) when the row is not of this task's form.
    fn canonical(&self, problem: &Problem) -> Result<String>;

    /// The prompt for a problem.
    ///
    /// # Errors
    /// [`MalformedProblem`](crate::Error::MalformedProblem) when the row is not of this task's form.
    fn prompt(&self, problem: &Problem) -> Result<Prompt>;

    /// Judges a whole completion: format and answer.
    ///
    /// The completion goes on from the prompt's assistant prefix, which already opened `<think>`.
    fn score(&self, problem: &Problem, completion: &str) -> Score;

    /// The names of the parts that [`Self::score`] gives rewards, so that a setting about one can be checked.
    ///
    /// Empty, the default, means that the task does not say.
    fn reward_parts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Judges an answer text alone, without the format part.
    fn score_answer(&self, problem: &Problem, answer: &str) -> Score;

    /// What a completion answers, for majority votes: two completions with equal keys give the same answer.
    ///
    /// By default the text between the last `<answer>` and `</answer>`, white space aside; `None` without one.
    fn answer_key(&self, completion: &str) -> Option<String> {
        let (head, _) = completion.rsplit_once("</answer>")?;
        let (_, answer) = head.rsplit_once("<answer>")?;
        Some(answer.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// How the verdict on an answer comes about, line by line, for a person; empty where the reason says it all.
    fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
        let _ = (problem, answer);
        Vec::new()
    }
}

/// What a task says of one of its levels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelSpec {
    /// What sets this level apart, for a person: `3 numbers`, `4 actions`.
    pub label: String,
    /// True for a level that is only evaluated: out of the training distribution.
    pub ood: bool,
}

/// How prompts and answers are worded; a task takes it in its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptStyle {
    /// Instructions in English, for pretrained chat models.
    #[default]
    Chat,
    /// A few space-separated words, for the small word-level models that E2H trains itself.
    Compact,
}

/// A prompt before it is rendered by a chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The system message, if the task has one.
    pub system: Option<String>,
    /// The user message.
    pub user: String,
    /// The opening of the assistant's message, which the completion continues; ends in `<think>`.
    pub assistant_prefix: String,
}

/// A task that can be played by legal moves drawn at random: what a base policy is taught.
pub trait LegalPlay: Task {
    /// Every word that compact prompts and plays of this task can contain, in a fixed order.
    fn vocabulary(&self) -> Vec<String>;

    /// Draws one play: a problem, and a completion that makes legal moves in the required format.
    ///
    /// The moves are drawn without looking at what the problem asks for, and no solver is used. In a share
    /// of the short plays the problem asks, in hindsight, for what the play happened to reach.
    ///
    /// # Errors
    /// [`Exhausted`](crate::Error::Exhausted) when the configuration leaves no play.
    fn random_play(&self, config: &PlayConfig, rng: &mut Stream) -> Result<Play>;
}

/// The knobs of random play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlayConfig {
    /// Share of the plays of at most `hindsight_max_moves` moves whose problem asks for what was reached.
    pub hindsight_frac: f64,
    /// Longest play, in moves, that may be told in hindsight.
    pub hindsight_max_moves: usize,
}

impl Default for PlayConfig {
    fn default() -> Self {
        Self { hindsight_frac: 0.0, hindsight_max_moves: 1 }
    }
}

/// One random play.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// The problem that the prompt shows.
    pub problem: Problem,
    /// The completion, from after the prompt's prefix to `</answer>`.
    pub completion: String,
}
