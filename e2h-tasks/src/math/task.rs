//! MATH, GSM8K and AQuA as tasks over rows from files.
//!
//! The problems are published data, so nothing is generated: rows are read by the dataset readers, and
//! [`Task::generate`] answers with an error that says so. The reward is `0.1 format + 0.9 correct`.
//!
//! # Source
//! Levels and rewards as in E2H (arXiv 2506.06632).
//! # Deviations
//! 1. An answer on which the verifier met its limits is unverifiable and not wrong.
//! # Invariants
//! - The verdict depends on the row's answer and the completion alone.

use e2h_core::{
    Error, Level, LevelSpec, Outcome as ScoreOutcome, Problem, Prompt, Result, RewardPart, Score,
    Split, Stream, Task,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Verdict, aqua, grade, gsm8k};
use crate::format;
use crate::settings::Checks;

/// The weights of the reward's parts.
const FORMAT_WEIGHT: f64 = 0.1;
const CORRECT_WEIGHT: f64 = 0.9;

/// The most levels that rows may have.
const MAX_LEVELS: usize = 1_000;

/// The configuration of a task whose problems come from files: how many levels its rows have.
///
/// ```
/// use e2h_core::Task;
/// use e2h_tasks::math::{MathTask, RowsConfig};
/// let task = MathTask::with_levels(RowsConfig { levels: 3, ood_levels: 1 }).expect("in range");
/// let is_ood: Vec<bool> = task.levels().iter().map(|level| level.ood).collect();
/// assert_eq!(is_ood, [false, false, false, true]);
/// assert!(MathTask::with_levels(RowsConfig { levels: 0, ood_levels: 1 }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsConfig {
    /// Training levels, the first ones.
    pub levels: usize,
    /// Levels that are only evaluated, behind them.
    pub ood_levels: usize,
}

impl RowsConfig {
    /// MATH: levels 1 to 4, and 5 out of distribution.
    pub fn math() -> Self {
        Self { levels: 4, ood_levels: 1 }
    }

    /// GSM8K and AQuA: quartiles.
    pub fn quartiles() -> Self {
        Self { levels: 4, ood_levels: 0 }
    }

    /// Everything that is wrong with the configuration; empty when nothing is.
    pub fn validate(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        let expected = format!("from 1 to {MAX_LEVELS}");
        let holds = (1..=MAX_LEVELS).contains(&self.levels);
        checks.check(holds, "levels", self.levels.to_string(), &expected);
        let expected = format!("at most {MAX_LEVELS}");
        let ood = self.ood_levels;
        checks.check(ood <= MAX_LEVELS, "ood_levels", ood.to_string(), &expected);
        checks.done()
    }
}

/// Which data set a task is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Math,
    Gsm8k,
    Aqua,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Math => "math",
            Self::Gsm8k => "gsm8k",
            Self::Aqua => "aqua",
        }
    }

    /// What the prompt asks the answer to be.
    fn instruction(self) -> &'static str {
        match self {
            Self::Math => "the final answer alone, in LaTeX",
            Self::Gsm8k => "the final number alone",
            Self::Aqua => "the letter of the right option alone",
        }
    }

    fn grade(self, gold: &str, answer: &str) -> Verdict {
        match self {
            Self::Math => grade(gold, answer),
            Self::Gsm8k => gsm8k::grade(gold, answer),
            Self::Aqua => aqua::grade(gold, answer),
        }
    }

    fn published(self) -> RowsConfig {
        match self {
            Self::Math => RowsConfig::math(),
            Self::Gsm8k | Self::Aqua => RowsConfig::quartiles(),
        }
    }

    fn levels(self, config: RowsConfig) -> Vec<LevelSpec> {
        let quartiles = self != Self::Math && config == RowsConfig::quartiles();
        let label = |n: usize| match ["trivial", "easy", "medium", "hard"].get(n) {
            Some(name) if quartiles => (*name).to_owned(),
            _ => format!("level {}", n + 1),
        };
        let spec = |n| LevelSpec { label: label(n), ood: n >= config.levels };
        (0..config.levels + config.ood_levels).map(spec).collect()
    }
}

/// What the three tasks share.
#[derive(Clone, Debug)]
struct Rows {
    kind: Kind,
    levels: Vec<LevelSpec>,
}

macro_rules! task {
    ($name:ident, $kind:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug)]
        pub struct $name(Rows);

        impl $name {
            /// The task with the published levels.
            pub fn new() -> Self {
                let levels = Kind::$kind.levels(Kind::$kind.published());
                Self(Rows { kind: Kind::$kind, levels })
            }

            /// The task with levels of the caller's own, for example of rows that were labelled anew.
            ///
            /// # Errors
            /// All problems of the configuration.
            pub fn with_levels(config: RowsConfig) -> std::result::Result<Self, Vec<Error>> {
                let problems = config.validate();
                if !problems.is_empty() {
                    return Err(problems);
                }
                Ok(Self(Rows { kind: Kind::$kind, levels: Kind::$kind.levels(config) }))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Task for $name {
            fn name(&self) -> &str {
                self.0.kind.name()
            }

            fn levels(&self) -> &[LevelSpec] {
                &self.0.levels
            }

            fn generate(&self, level: Level, split: Split, _: &mut Stream) -> Result<Problem> {
                Err(self.0.no_generator(level, split))
            }

            fn canonical(&self, problem: &Problem) -> Result<String> {
                self.0.question(problem)
            }

            fn prompt(&self, problem: &Problem) -> Result<Prompt> {
                self.0.prompt(problem)
            }

            fn score(&self, problem: &Problem, completion: &str) -> Score {
                self.0.score(problem, completion)
            }

            fn reward_parts(&self) -> &'static [&'static str] {
                &["format", "correct"]
            }

            fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
                self.0.score_answer(problem, answer)
            }

            fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
                self.0.explain(problem, answer)
            }
        }
    };
}

task!(
    MathTask,
    Math,
    "MATH: competition problems with answers in LaTeX; level 5 is out of distribution."
);
task!(Gsm8kTask, Gsm8k, "GSM8K: word problems whose answer is one number; levels are quartiles.");
task!(AquaTask, Aqua, "AQuA: multiple choice from A to E; levels are quartiles.");

impl Rows {
    fn malformed(&self, field: &'static str, problem: &str) -> Error {
        Error::MalformedProblem {
            task: self.kind.name().to_owned(),
            field,
            problem: problem.to_owned(),
        }
    }

    fn no_generator(&self, level: Level, split: Split) -> Error {
        let last = Level::at(self.levels.len() - 1);
        if level > last {
            return Error::NoSuchLevel {
                task: self.kind.name().to_owned(),
                level: level.0,
                last: last.0,
            };
        }
        Error::Exhausted {
            task: self.kind.name().to_owned(),
            what: format!("generator for {level}, {}: its rows come from files", split.name()),
            attempts: 0,
        }
    }

    /// The question with its options, one a line.
    fn question(&self, problem: &Problem) -> Result<String> {
        let question =
            problem.question.as_str().ok_or_else(|| self.malformed("question", "is not a text"))?;
        let mut text = question.trim().to_owned();
        let options = problem.extra.get("options").and_then(Value::as_array);
        for option in options.into_iter().flatten() {
            let option =
                option.as_str().ok_or_else(|| self.malformed("options", "are not texts"))?;
            text.push('\n');
            text.push_str(option.trim());
        }
        Ok(text)
    }

    fn gold(&self, problem: &Problem) -> Result<String> {
        match &problem.answer {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.malformed("answer", "is neither a text nor a number")),
        }
    }

    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        let question = self.question(problem)?;
        let instruction = self.kind.instruction();
        Ok(format::chat_prompt(format!(
            "{question}\n\nShow your work in <think> </think> tags, then give {instruction} in <answer> </answer> tags."
        )))
    }

    fn score(&self, problem: &Problem, completion: &str) -> Score {
        let parts = |format: f64, correct: f64| {
            vec![
                RewardPart::new("format", format, FORMAT_WEIGHT),
                RewardPart::new("correct", correct, CORRECT_WEIGHT),
            ]
        };
        match format::answer(completion) {
            Err(fault) => Score::new(parts(0.0, 0.0), ScoreOutcome::BadFormat, fault.reason()),
            Ok(answer) => self.judged(problem, answer, |correct| parts(1.0, correct)),
        }
    }

    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        self.judged(problem, answer, |correct| {
            vec![RewardPart::new("correct", correct, CORRECT_WEIGHT)]
        })
    }

    fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
        match (self.kind, self.gold(problem)) {
            (_, Err(_)) => Vec::new(),
            (Kind::Math, Ok(gold)) => super::explain(&gold, answer),
            (_, Ok(gold)) => vec![format!("gold answer: {}", super::shown(&gold))],
        }
    }

    fn judged(
        &self,
        problem: &Problem,
        answer: &str,
        parts: impl Fn(f64) -> Vec<RewardPart>,
    ) -> Score {
        let verdict = match self.question(problem).and_then(|_| self.gold(problem)) {
            Ok(gold) => self.kind.grade(&gold, answer),
            Err(error) => return Score::unverifiable(error.to_string()),
        };
        match verdict.outcome {
            Outcome::Equal => Score::new(parts(1.0), ScoreOutcome::Correct, verdict.reason),
            Outcome::Different => Score::new(parts(0.0), ScoreOutcome::Wrong, verdict.reason),
            Outcome::Unverifiable => Score::unverifiable(verdict.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;
    use serde_json::{Map, json};

    use super::*;

    fn problem(task: &str, answer: Value) -> Problem {
        Problem {
            id: String::new(),
            task: task.to_owned(),
            level: Level(0),
            question: json!("How much is it?"),
            answer,
            solution: None,
            extra: Map::new(),
        }
    }

    #[test]
    fn right_answers_earn_the_full_reward_in_each_task() {
        let tasks: [(Box<dyn Task>, Value, &str, &str); 3] = [
            (Box::new(MathTask::new()), json!("\\frac{1}{2}"), "0.5", "2"),
            (Box::new(Gsm8kTask::new()), json!(18), "\\$18", "19"),
            (Box::new(AquaTask::new()), json!("B"), "(B)", "C"),
        ];
        for (task, answer, right, wrong) in tasks {
            let problem = problem(task.name(), answer);
            let complete = |a: &str| format!("so</think>\n<answer>{a}</answer>");
            let score = task.score(&problem, &complete(right));
            assert!(score.is_correct() && (score.reward - 1.0).abs() < 1e-12, "{}", task.name());
            let score = task.score(&problem, &complete(wrong));
            assert_eq!(score.outcome, ScoreOutcome::Wrong, "{}", task.name());
            assert!((score.reward - 0.1).abs() < 1e-12);
            assert_eq!(task.score(&problem, right).outcome, ScoreOutcome::BadFormat);
            let prompt = task.prompt(&problem).expect("well formed");
            assert!(prompt.user.starts_with("How much is it?"));
            assert!(prompt.assistant_prefix.ends_with("<think>"));
            let mut rng = RootSeed(0).stream("x", &[]);
            assert!(matches!(
                task.generate(Level(0), Split::Train, &mut rng),
                Err(Error::Exhausted { .. })
            ));
            assert!(matches!(
                task.generate(Level(9), Split::Train, &mut rng),
                Err(Error::NoSuchLevel { .. })
            ));
        }
    }

    #[test]
    fn a_malformed_row_is_unverifiable() {
        let task = MathTask::new();
        let bad = problem("math", json!({"not": "an answer"}));
        assert!(matches!(task.score_answer(&bad, "1").outcome, ScoreOutcome::Unverifiable { .. }));
    }

    #[test]
    fn options_belong_to_the_prompt() {
        let mut row = problem("aqua", json!("A"));
        row.extra.insert("options".to_owned(), json!(["A)1", "B)2"]));
        let prompt = AquaTask::new().prompt(&row).expect("well formed");
        assert!(prompt.user.contains("\nA)1\nB)2\n"), "{}", prompt.user);
    }
}
