//! `e2h tasks solve`: a shortest solution of each row, and how many there are.

use e2h_core::{Level, Problem};
use e2h_tasks::countdown::NAME;
use e2h_tasks::registry::TaskConfig;
use e2h_tasks::solve::{MAX_NUMBERS, RowSolver};
use serde_json::{Map, json};

use super::first_problem;
use super::rows::RowArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::{Pieces, Work, out};

/// `e2h tasks solve`
#[derive(Debug, clap::Args)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    pub rows: RowArgs,
    /// Solve these numbers instead of rows, for example 3,3,7,7
    #[arg(long, value_delimiter = ',', value_name = "N,N,..", conflicts_with = "hub")]
    pub numbers: Vec<u64>,
    /// The target; without it, all whole numbers that --numbers reach
    #[arg(long, requires = "numbers")]
    pub target: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &SolveArgs) -> Outcome {
    if args.numbers.is_empty() {
        return rows(&args.rows);
    }
    if let Some(file) = args.rows.paths().first() {
        let message = format!("--numbers is solved alone, without the rows of {file}");
        return Err(Failure::usage(message).hint("leave one of them out"));
    }
    if args.numbers.len() > MAX_NUMBERS {
        let message = format!("{} numbers are too many to solve", args.numbers.len());
        return Err(Failure::usage(message).hint(format!("give at most {MAX_NUMBERS}")));
    }
    let name = args.rows.task().unwrap_or(NAME);
    let mut solver = solver(name)?;
    let RowSolver::Countdown(_, countdown) = &mut solver else {
        let message = format!("--numbers are a problem of countdown, not of {name}");
        return Err(Failure::usage(message).hint("e2h tasks solve --numbers 3,3,7,7 --target 24"));
    };
    match args.target {
        Some(target) => {
            let problem = Problem {
                id: String::new(),
                task: NAME.to_owned(),
                level: Level(0),
                question: args.numbers.clone().into(),
                answer: target.into(),
                solution: None,
                extra: Map::new(),
            };
            print(&mut solver, &problem)
        }
        None => {
            let reachable = countdown.reachable(&args.numbers);
            out(&json!({"numbers": args.numbers, "reachable": reachable}).to_string());
            Ok(())
        }
    }
}

fn rows(args: &RowArgs) -> Outcome {
    let rows = args.load()?;
    let mut solvers: Vec<(String, RowSolver)> = Vec::new();
    let mut work = Work::beside_data(rows.iter().count() as u64, Pieces::Of("rows"));
    for problem in rows.iter() {
        // A row says `blocksworld`; the flag may name the preset in whose wording plans are written.
        let name = match args.task() {
            Some(preset) if preset.starts_with(problem.task.as_str()) => preset,
            _ => &problem.task,
        };
        let place = match solvers.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                solvers.push((name.to_owned(), solver(name)?));
                solvers.len() - 1
            }
        };
        print(&mut solvers[place].1, problem)?;
        work.add(1);
    }
    Ok(())
}

fn print(solver: &mut RowSolver, problem: &Problem) -> Outcome {
    let solved = solver.solve(problem).map_err(Failure::run)?;
    out(&serde_json::to_string(&solved).unwrap_or_default());
    Ok(())
}

fn solver(name: &str) -> Outcome<RowSolver> {
    let config = TaskConfig::named(name).map_err(|error| {
        Failure::usage(error).hint("`e2h tasks list` shows the tasks and their levels")
    })?;
    let solver = RowSolver::new(config).map_err(first_problem)?;
    solver.ok_or_else(|| {
        Failure::usage(format!("there is no solver of {name}"))
            .hint("countdown and blocksworld have one")
    })
}
