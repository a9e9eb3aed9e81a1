//! Drawing problems: random legal moves on random numbers, kept when the result is a target in range.

use e2h_core::{Error, Level, Problem, Result, Split, Stream};
use rand::RngExt;

use super::moves::{self, Item};
use super::{Countdown, CountdownConfig, NAME, Op, canonical, solver};

/// Draws made before the generator gives up.
const MAX_ATTEMPTS: u64 = 200_000;

/// Draws a problem of `level` and `split`, with its construction as the solution.
pub(super) fn generate(
    task: &Countdown,
    level: Level,
    split: Split,
    rng: &mut Stream,
) -> Result<Problem> {
    let config = task.config();
    let n = task.n_numbers(level)?;
    for _ in 0..MAX_ATTEMPTS {
        let numbers = numbers(config, n, rng);
        let built = if config.left_fold {
            fold(config, &numbers, rng)
        } else {
            combine(config, &numbers, rng)
        };
        let Some(built) = built else { continue };
        let target = built.value;
        if !(config.min_target..=config.max_target).contains(&target)
            || Split::of(&canonical(&numbers, i128::from(target))) != split
            || config.reject_padded && solver::is_padded(&numbers, target, &config.operators)
        {
            continue;
        }
        let mut problem = task.problem(level, &numbers, target);
        problem.solution = Some(built.text.into());
        return Ok(problem);
    }
    let what = format!("{} problem of {n} numbers", split.name());
    Err(Error::Exhausted {
        task: NAME.to_owned(),
        what,
        attempts: MAX_ATTEMPTS,
    })
}

/// `n` numbers drawn uniformly from the configured range.
pub(super) fn numbers(config: &CountdownConfig, n: usize, rng: &mut Stream) -> Vec<u64> {
    (0..n)
        .map(|_| rng.random_range(config.min_number..=config.max_number))
        .collect()
}

/// Combines all numbers by uniform legal moves; `None` at a dead end.
fn combine(config: &CountdownConfig, numbers: &[u64], rng: &mut Stream) -> Option<Item> {
    let mut table = moves::table(numbers);
    let mut legal = Vec::new();
    while table.len() > 1 {
        moves::legal(&table, &config.operators, config.value_bound(), &mut legal);
        moves::make(&mut table, moves::draw(&legal, rng)?);
    }
    table.pop()
}

/// Folds the numbers in their order, each with a uniform legal operation; `None` at a dead end.
fn fold(config: &CountdownConfig, numbers: &[u64], rng: &mut Stream) -> Option<Item> {
    let (first, rest) = numbers.split_first()?;
    let mut held = Item::number(*first);
    for &number in rest {
        let result = |op| moves::result(held.value, op, number, config.value_bound());
        let legal: Vec<(Op, u64)> = config
            .operators
            .iter()
            .filter_map(|&op| Some((op, result(op)?)))
            .collect();
        if legal.is_empty() {
            return None;
        }
        let (op, value) = legal[rng.random_range(0..legal.len())];
        held = Item::join(&held, op, &Item::number(number), value);
    }
    Some(held)
}
