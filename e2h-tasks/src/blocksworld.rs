//! Blocksworld: a hand rearranges towers of blocks until the goal's facts hold.
//!
//! The level is the length of a shortest plan. A row has `question` = the initial state and `answer` = the goal, both
//! in the published wording, and `solution` = a plan in the task's style.
//!
//! # Source
//! The Blocksworld task of E2H (arXiv 2506.06632), after PlanBench: plan lengths 1, 2, 4, 6 in training, 8 out of
//! distribution; reward 1 for the format, and for a right plan 1 + min(1, n_ref / n_pred).
//!
//! # Deviations
//! 1. A plan is right when every action is legal and every fact of the goal holds at the end; the reference compares
//!    with the end of the reference plan. An answer without an action is never right.
//! 2. Where a row has no reference plan, n_ref is the length of a shortest plan, from a search of bounded work; when
//!    that runs out, it is the search's lower bound, which never gives too much.
//! 3. The split of a problem follows from its content, so train and test cannot overlap.
//!
//! # Invariants
//! - A generated problem's shortest plans have exactly the level's length.
//! - Two rows with the same facts about the same names, in any order and case, are the same problem; the same
//!   arrangement under other names is another one.

pub mod planner;
pub mod state;

mod compact;
mod config;
mod generate;
mod names;
mod play;
mod prompt;
mod text;

use e2h_core::{
    Error, LegalPlay, Level, LevelSpec, Outcome, Play, PlayConfig, Problem, Prompt, PromptStyle,
    Result, RewardPart, Score, Split, Stream, Task,
};
use serde_json::Value;

pub use config::BlocksworldConfig;
pub use names::NameSet;

use crate::format;
use planner::Search;
use state::{Action, Fact, State};
use text::{BadLine, Names};

/// The name under which Blocksworld rows are filed.
pub const NAME: &str = "blocksworld";

/// Longest answer that is read, and longest question, goal and plan of a row, in bytes.
pub const MAX_BYTES: usize = 1 << 18;

/// States that may be expanded to find a shortest plan.
const MAX_EXPANDED: usize = 100_000;

/// States that the verifier may expand to find the length of a shortest plan: some milliseconds.
const MAX_EXPANDED_TO_JUDGE: usize = 4_000;

/// The Blocksworld task.
///
/// ```
/// use e2h_core::{Level, RootSeed, Split, Task};
/// use e2h_tasks::blocksworld::{Blocksworld, BlocksworldConfig, planner::Search};
///
/// let task = Blocksworld::new(BlocksworldConfig::default()).expect("the default is in range");
/// // The third level asks for four actions, and no plan is shorter.
/// let problem = task.generate(Level(2), Split::Train, &mut RootSeed(0).stream("doc", &[]))?;
/// let (search, text) = task.plan(&problem)?;
/// assert!(matches!(search, Search::Plan(plan) if plan.len() == 4));
/// assert!(task.score_answer(&problem, &text.expect("its text")).is_correct());
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Blocksworld {
    config: BlocksworldConfig,
    levels: Vec<LevelSpec>,
}

/// What a Blocksworld row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The name of each block.
    pub names: Vec<String>,
    /// The initial state.
    pub start: State,
    /// The facts to bring about.
    pub goal: Vec<Fact>,
}

/// A row as it is read to judge an answer: the names are borrowed from its question.
struct Asked<'a> {
    names: Names<'a>,
    start: State,
    goal: Vec<Fact>,
}

/// What judging finds.
struct Judged {
    correct: f64,
    efficiency: f64,
    outcome: Outcome,
    reason: &'static str,
}

/// Why a plan is wrong.
enum Fault {
    TooLong,
    NoAction,
    BadLine(BadLine),
    Illegal,
    GoalMissed,
}

impl Fault {
    fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "the answer is too long",
            Self::NoAction => "the plan has no action",
            Self::BadLine(BadLine::NotAnAction) => "a step is not an action",
            Self::BadLine(BadLine::UnknownBlock) => "a step names an unknown block",
            Self::Illegal => "an action is not possible",
            Self::GoalMissed => "the goal does not hold at the end",
        }
    }
}

impl Blocksworld {
    /// The task as configured.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn new(config: BlocksworldConfig) -> std::result::Result<Self, Vec<Error>> {
        let problems = config.validate();
        if !problems.is_empty() {
            return Err(problems);
        }
        let levels = config
            .sizes()
            .specs(|n| if n == 1 { "1 action".to_owned() } else { format!("{n} actions") });
        Ok(Self { config, levels })
    }

    /// The configuration.
    pub fn config(&self) -> &BlocksworldConfig {
        &self.config
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`MalformedProblem`](Error::MalformedProblem) when `question` is no possible state or `answer` no list of
    /// facts about its blocks.
    pub fn instance(problem: &Problem) -> Result<Instance> {
        let Asked { names, start, goal } = Self::read(problem)?;
        let names = names.list().iter().map(|&name| name.to_owned()).collect();
        Ok(Instance { names, start, goal })
    }

    /// Reads a row, copying nothing of its texts.
    fn read(problem: &Problem) -> Result<Asked<'_>> {
        let malformed =
            |field, problem| Error::MalformedProblem { task: NAME.to_owned(), field, problem };
        let text_of = |field, value| match Value::as_str(value) {
            Some(text) if text.len() <= MAX_BYTES => Ok(text),
            Some(_) => Err(malformed(field, format!("is longer than {MAX_BYTES} bytes"))),
            None => Err(malformed(field, "is not a text".to_owned())),
        };
        let question = text_of("question", &problem.question)?;
        let answer = text_of("answer", &problem.answer)?;
        let (names, start) =
            text::read_state(question).map_err(|problem| malformed("question", problem))?;
        let goal =
            text::read_goal(answer, &names).map_err(|problem| malformed("answer", problem))?;
        Ok(Asked { names, start, goal })
    }

    /// Reads a plan in the task's style and plays it; its length when it is right.
    fn run(&self, asked: &Asked<'_>, answer: &str) -> std::result::Result<usize, Fault> {
        if answer.len() > MAX_BYTES {
            return Err(Fault::TooLong);
        }
        let Asked { names, start, goal } = asked;
        let (mut state, mut length) = (*start, 0);
        let mut play = |action: Action| {
            length += 1;
            if state.apply(action) { Ok(()) } else { Err(Fault::Illegal) }
        };
        match self.config.style {
            PromptStyle::Chat => {
                for line in answer.split('\n') {
                    if let Some(action) = text::read_line(line, names).map_err(Fault::BadLine)? {
                        play(action)?;
                    }
                }
            }
            PromptStyle::Compact => {
                for part in answer.split(';') {
                    play(compact::read_action(part, names).map_err(Fault::BadLine)?)?;
                }
            }
        }
        match goal.iter().all(|&fact| state.holds(fact)) {
            _ if length == 0 => Err(Fault::NoAction),
            true => Ok(length),
            false => Err(Fault::GoalMissed),
        }
    }

    /// The length to measure a right plan of `length` actions by: that of the row's plan, or of a shortest one.
    fn reference_length(problem: &Problem, asked: &Asked<'_>, length: usize) -> usize {
        let given = problem
            .solution
            .as_ref()
            .and_then(|solution| solution.as_str())
            .filter(|plan| plan.len() <= MAX_BYTES)
            .map(|plan| plan.split(['\n', ';']).filter(|step| !step.trim().is_empty()).count());
        given.filter(|&given| given > 0).unwrap_or_else(|| {
            // Only a shorter plan makes a difference.
            let most = length.saturating_sub(1);
            match planner::shortest_plan(&asked.start, &asked.goal, most, MAX_EXPANDED_TO_JUDGE) {
                Search::Plan(plan) => plan.len(),
                Search::OutOfWork { at_least } => at_least,
                Search::NoPlan => length,
            }
        })
    }

    /// Whether the plan is right, and how short it is.
    fn judge(&self, problem: &Problem, answer: &str) -> Result<Judged> {
        let asked = Self::read(problem)?;
        Ok(match self.run(&asked, answer) {
            Ok(length) => {
                let reference = Self::reference_length(problem, &asked, length);
                let efficiency = (reference as f64 / length as f64).min(1.0);
                let (outcome, reason) = (Outcome::Correct, "the goal holds");
                Judged { correct: 1.0, efficiency, outcome, reason }
            }
            Err(fault) => {
                let (outcome, reason) = (Outcome::Wrong, fault.reason());
                Judged { correct: 0.0, efficiency: 0.0, outcome, reason }
            }
        })
    }

    /// The parts of the reward for the answer alone.
    fn parts(&self, correct: f64, efficiency: f64) -> [RewardPart; 2] {
        [
            RewardPart::new("correct", correct, self.config.correct_weight),
            RewardPart::new("efficiency", efficiency, self.config.efficiency_weight),
        ]
    }

    /// A shortest plan of a row by a search of bounded work, and its text in the task's style.
    ///
    /// # Errors
    /// [`MalformedProblem`](Error::MalformedProblem) when the row is not of this form.
    pub fn plan(&self, problem: &Problem) -> Result<(Search, Option<String>)> {
        let Instance { names, start, goal } = Self::instance(problem)?;
        let search = planner::shortest_plan(&start, &goal, usize::MAX, MAX_EXPANDED);
        let text = match &search {
            Search::Plan(plan) => Some(self.write_plan(plan, &names)),
            _ => None,
        };
        Ok((search, text))
    }

    /// A plan in the task's style: an answer that the verifier reads.
    fn write_plan(&self, plan: &[Action], names: &[String]) -> String {
        match self.config.style {
            PromptStyle::Chat => text::write_plan(plan, names),
            PromptStyle::Compact => compact::write_plan(plan, names),
        }
    }

    fn problem(&self, level: Level, instance: &Instance) -> Problem {
        Problem {
            id: String::new(),
            task: NAME.to_owned(),
            level,
            question: text::write_state(&instance.start, &instance.names).into(),
            answer: text::write_facts(&instance.goal, &instance.names).into(),
            solution: None,
            extra: serde_json::Map::new(),
        }
    }
}

/// The canonical text of an instance: the sorted facts about places, then the sorted facts of the goal.
fn canonical(instance: &Instance) -> String {
    let names: Vec<String> = instance.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let sorted = |facts: &mut dyn Iterator<Item = Fact>| {
        let mut texts: Vec<String> = facts.map(|fact| text::write_facts(&[fact], &names)).collect();
        texts.sort_unstable();
        texts.dedup();
        texts.join(", ")
    };
    let start = &instance.start;
    let places = sorted(&mut start.blocks().map(|x| start.position(x)));
    format!("{places}; goal: {}", sorted(&mut instance.goal.iter().copied()))
}

impl Task for Blocksworld {
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
        Ok(canonical(&Self::instance(problem)?))
    }

    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        let instance = Self::instance(problem)?;
        Ok(prompt::prompt(self.config.style, &instance))
    }

    fn score(&self, problem: &Problem, completion: &str) -> Score {
        let parts = |format, correct, efficiency| {
            let format = RewardPart::new("format", format, self.config.format_weight);
            let [correct, efficiency] = self.parts(correct, efficiency);
            vec![format, correct, efficiency]
        };
        let answer = match format::answer(completion) {
            Ok(answer) => answer,
            Err(fault) => {
                return Score::new(parts(0.0, 0.0, 0.0), Outcome::BadFormat, fault.reason());
            }
        };
        match self.judge(problem, answer) {
            Ok(Judged { correct, efficiency, outcome, reason }) => {
                Score::new(parts(1.0, correct, efficiency), outcome, reason)
            }
            Err(error) => Score::unverifiable(error.to_string()),
        }
    }

    fn reward_parts(&self) -> &'static [&'static str] {
        &["format", "correct", "efficiency"]
    }

    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        match self.judge(problem, answer) {
            Ok(Judged { correct, efficiency, outcome, reason }) => {
                Score::new(self.parts(correct, efficiency).into(), outcome, reason)
            }
            Err(error) => Score::unverifiable(error.to_string()),
        }
    }

    fn explain(&self, problem: &Problem, answer: &str) -> Vec<String> {
        let Ok(asked) = Self::read(problem) else { return Vec::new() };
        match self.run(&asked, answer) {
            Ok(length) => {
                let reference = Self::reference_length(problem, &asked, length);
                vec![format!("{length} actions, measured against {reference}")]
            }
            Err(fault) => vec![format!("the plan fails: {}", fault.reason())],
        }
    }
}

impl LegalPlay for Blocksworld {
    fn vocabulary(&self) -> Vec<String> {
        play::vocabulary(&self.config)
    }

    fn random_play(&self, config: &PlayConfig, rng: &mut Stream) -> Result<Play> {
        play::random_play(self, config, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(solution: Option<&str>) -> Problem {
        let start = "the red block is clear, the blue block is clear, the hand is empty, the red block is on the \
                     table and the blue block is on the table";
        Problem {
            id: String::new(),
            task: NAME.to_owned(),
            level: Level(1),
            question: start.into(),
            answer: "the red block is on top of the blue block".into(),
            solution: solution.map(Into::into),
            extra: serde_json::Map::new(),
        }
    }

    fn rewards(style: PromptStyle, solution: Option<&str>, answer: &str) -> (f64, Outcome) {
        let config = BlocksworldConfig { style, ..BlocksworldConfig::default() };
        let task = Blocksworld::new(config).expect("valid");
        let score = task.score_answer(&problem(solution), answer);
        (score.reward, score.outcome)
    }

    const PLAN: &str = "pick up the red block\nstack the red block on top of the blue block";
    const DETOUR: &str = "pick up the red block\nput down the red block\n";

    #[test]
    fn a_detour_costs_reward_with_or_without_a_reference_plan() {
        for solution in [Some(PLAN), Some("pick red ; stack red blue"), None, Some("")] {
            let score = |answer: &str| rewards(PromptStyle::Chat, solution, answer);
            assert_eq!(score(PLAN), (2.0, Outcome::Correct));
            assert_eq!(score(&format!("{DETOUR}{PLAN}")), (1.5, Outcome::Correct));
            assert_eq!(score(DETOUR), (0.0, Outcome::Wrong));
        }
        let long = format!("{DETOUR}{PLAN}");
        let score = rewards(PromptStyle::Chat, Some(&long), PLAN);
        assert_eq!(score, (2.0, Outcome::Correct), "shorter than the reference earns no more");
    }

    #[test]
    fn each_style_reads_its_own_wording_only() {
        let compact = "pick red ; stack red blue";
        assert_eq!(rewards(PromptStyle::Compact, None, compact), (2.0, Outcome::Correct));
        assert_eq!(rewards(PromptStyle::Chat, None, compact), (0.0, Outcome::Wrong));
        assert_eq!(rewards(PromptStyle::Compact, None, PLAN), (0.0, Outcome::Wrong));
    }

    #[test]
    fn the_order_of_facts_does_not_matter_to_the_canonical_text() {
        let task = Blocksworld::new(BlocksworldConfig::default()).expect("valid");
        let mut other = problem(None);
        other.question =
            "the Blue block is on the table, the red block is on the table and the hand is empty"
                .into();
        let canonical = |problem: &Problem| task.canonical(problem).expect("well formed");
        assert_eq!(canonical(&problem(None)), canonical(&other));
        other.answer = "the red block is clear".into();
        assert_ne!(canonical(&problem(None)), canonical(&other));
    }

    #[test]
    fn a_huge_answer_is_refused_unread() {
        let answer = "pick up the red block\n".repeat(500_000);
        assert_eq!(rewards(PromptStyle::Chat, None, &answer), (0.0, Outcome::Wrong));
    }
}
