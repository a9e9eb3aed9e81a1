//! Solving rows: a solution, how long it is and how many there are.
//!
//! Countdown is solved in exact fractions over all expressions. Every solution uses each number once, so all have the
//! same number of operations and each is a shortest one. Blocksworld gets a shortest plan. Mathematics is not solved.
//!
//! # Invariants
//! - Work is bounded: by the number of numbers for Countdown, by the number of expanded states for Blocksworld.

use e2h_core::{Error, Problem, Result};
use serde::Serialize;

use crate::blocksworld::Blocksworld;
use crate::blocksworld::planner::Search;
use crate::countdown::Countdown;
use crate::countdown::solver::{Arithmetic, Solver};
use crate::registry::TaskConfig;

/// The most numbers of a Countdown problem that is solved: six take a second or so.
pub const MAX_NUMBERS: usize = 6;

/// What is known of a problem's solutions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Solved {
    /// The row's name.
    pub id: String,
    /// The row's task.
    pub task: String,
    /// `solved`, `no_solution` or `not_searched`.
    pub outcome: &'static str,
    /// A shortest solution, as an answer that the task's verifier accepts.
    pub solution: Option<String>,
    /// Its operations or actions; of a problem that is not searched to its end, a lower bound where there is one.
    pub n_steps: Option<usize>,
    /// Distinct solutions, where they are counted; see [`solver`](crate::countdown::solver) for what is distinct.
    pub n_solutions: Option<u64>,
}

impl Solved {
    fn of(problem: &Problem, outcome: &'static str) -> Self {
        let (id, task) = (problem.id.clone(), problem.task.clone());
        Self { id, task, outcome, solution: None, n_steps: None, n_solutions: None }
    }
}

/// Solves rows of one task; keeps what it learnt of sets of numbers for the next row.
///
/// ```
/// use e2h_tasks::registry::TaskConfig;
/// use e2h_tasks::solve::RowSolver;
///
/// let mut solver = RowSolver::new(TaskConfig::named("countdown")?).expect("valid").expect("solvable");
/// let row = r#"{"task":"countdown","level":2,"question":[3,3,7,7],"answer":24}"#;
/// let solved = solver.solve(&serde_json::from_str(row).expect("a row"))?;
/// assert_eq!((solved.outcome, solved.n_steps), ("solved", Some(3)));
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Debug)]
pub enum RowSolver {
    /// Of Countdown.
    Countdown(Countdown, Solver),
    /// Of Blocksworld.
    Blocksworld(Blocksworld),
}

impl RowSolver {
    /// The solver of a task, or `None` for a task that has none.
    ///
    /// # Errors
    /// All problems of the configuration.
    pub fn new(config: TaskConfig) -> std::result::Result<Option<Self>, Vec<Error>> {
        Ok(match config {
            TaskConfig::Countdown(config) => {
                let solver = Solver::new(&config.operators, Arithmetic::Exact);
                Some(Self::Countdown(Countdown::new(config)?, solver))
            }
            TaskConfig::Blocksworld(config) => Some(Self::Blocksworld(Blocksworld::new(config)?)),
            _ => None,
        })
    }

    /// Solves a row.
    ///
    /// # Errors
    /// [`MalformedProblem`](Error::MalformedProblem) when the row is not of the task's form.
    pub fn solve(&mut self, problem: &Problem) -> Result<Solved> {
        match self {
            Self::Countdown(_, solver) => countdown(solver, problem),
            Self::Blocksworld(task) => blocksworld(task, problem),
        }
    }
}

fn countdown(solver: &mut Solver, problem: &Problem) -> Result<Solved> {
    let instance = Countdown::instance(problem)?;
    let numbers = &instance.numbers;
    let target = i64::try_from(instance.target).ok();
    let Some(target) = target.filter(|_| (1..=MAX_NUMBERS).contains(&numbers.len())) else {
        return Ok(Solved::of(problem, "not_searched"));
    };
    let solution = solver.solve(numbers, target);
    let n_solutions = Some(solver.count(numbers, target));
    let n_steps = solution.as_ref().map(|_| numbers.len() - 1);
    solver.forget(1 << 20);
    let outcome = if solution.is_some() { "solved" } else { "no_solution" };
    Ok(Solved { solution, n_steps, n_solutions, ..Solved::of(problem, outcome) })
}

fn blocksworld(task: &Blocksworld, problem: &Problem) -> Result<Solved> {
    let (search, solution) = task.plan(problem)?;
    let (outcome, n_steps) = match search {
        Search::Plan(plan) => ("solved", Some(plan.len())),
        Search::OutOfWork { at_least } => ("not_searched", Some(at_least)),
        Search::NoPlan => ("no_solution", None),
    };
    Ok(Solved { solution, n_steps, ..Solved::of(problem, outcome) })
}

#[cfg(test)]
mod tests {
    use e2h_core::{Level, RootSeed, Split};
    use serde_json::json;

    use super::*;

    #[test]
    fn generated_problems_are_solved_and_the_verifier_accepts_the_solutions() {
        for name in ["countdown", "countdown-nano", "blocksworld", "blocksworld-nano"] {
            let config = TaskConfig::named(name).expect("known");
            let task = config.clone().task().expect("valid");
            let mut solver = RowSolver::new(config).expect("valid").expect("solvable");
            let mut rng = RootSeed(0).stream("solve", &[]);
            for level in 0..3 {
                let problem =
                    task.generate(Level(level), Split::Train, &mut rng).expect("a problem");
                let solved = solver.solve(&problem).expect("well formed");
                let answer = solved.solution.expect("solvable");
                assert!(task.score_answer(&problem, &answer).is_correct(), "{name}: {answer}");
            }
        }
    }

    #[test]
    fn what_cannot_be_solved_or_is_not_searched_is_told_apart() {
        let config = TaskConfig::named("countdown").expect("known");
        let mut solver = RowSolver::new(config).expect("valid").expect("solvable");
        let mut outcome = |numbers: &[u64], target: i64| {
            let row =
                json!({"task": "countdown", "level": 0, "question": numbers, "answer": target});
            let solved = solver.solve(&serde_json::from_value(row).expect("a row"));
            solved.expect("well formed").outcome
        };
        assert_eq!(outcome(&[1, 1], 24), "no_solution");
        assert_eq!(outcome(&[3, 3, 7, 7], 24), "solved");
        assert_eq!(outcome(&[1; 7], 7), "not_searched");
        assert_eq!(outcome(&[], 7), "not_searched");
        let math = TaskConfig::named("math").expect("known");
        assert!(RowSolver::new(math).expect("valid").is_none());
    }
}
