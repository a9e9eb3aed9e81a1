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
    Err(Error::Exhausted { task: NAME.to_owned(), what, attempts: MAX_ATTEMPTS })
}

/// `n` numbers drawn uniformly from the configured range.
pub(super) fn numbers(config: &CountdownConfig, n: usize, rng: &mut Stream) -> Vec<u64> {
    (0..n).map(|_| rng.random_range(config.min_number..=config.max_number)).collect()
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
        let legal: Vec<(Op, u64)> =
            config.operators.iter().filter_map(|&op| Some((op, result(op)?))).collect();
        if legal.is_empty() {
            return None;
        }
        let (op, value) = legal[rng.random_range(0..legal.len())];
        held = Item::join(&held, op, &Item::number(number), value);
    }
    Some(held)
}

#[cfg(test)]
mod tests {
    use e2h_core::{RootSeed, Task};

    use super::*;
    use crate::countdown::solver::{Arithmetic, Solver};

    fn task(config: CountdownConfig) -> Countdown {
        Countdown::new(config).expect("valid")
    }

    fn draw(task: &Countdown, level: usize, n: usize) -> Vec<(Vec<u64>, u64, String)> {
        let mut rng = RootSeed(4).stream("generate", &[level as u64]);
        let problems = (0..n).map(|_| {
            let problem =
                task.generate(Level::at(level), Split::Train, &mut rng).expect("a problem");
            let instance = Countdown::instance(&problem).expect("well formed");
            let text = problem.solution.as_ref().and_then(|s| s.as_str()).expect("a solution");
            (instance.numbers, u64::try_from(instance.target).expect("in range"), text.to_owned())
        });
        problems.collect()
    }

    #[test]
    fn numbers_and_targets_are_in_range_and_the_exact_solver_reaches_every_target() {
        let task = task(CountdownConfig::default());
        for level in 0..3 {
            for (numbers, target, _) in draw(&task, level, 100) {
                assert_eq!(numbers.len(), level + 2);
                assert!(numbers.iter().all(|number| (1..=100).contains(number)));
                let mut solver = Solver::new(&Op::ALL, Arithmetic::Exact);
                assert!(target <= 100 && solver.reachable(&numbers).contains(&target));
            }
        }
    }

    #[test]
    fn a_left_fold_uses_the_numbers_in_their_order() {
        let task = task(CountdownConfig { left_fold: true, ..CountdownConfig::default() });
        for (numbers, _, text) in draw(&task, 3, 50) {
            let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
            let order: Vec<u64> = digits.map(|word| word.parse().expect("a number")).collect();
            assert_eq!(order, numbers, "{text}");
        }
    }

    #[test]
    fn padded_problems_are_refused_where_asked() {
        let n_padded = |reject_padded| {
            let task = task(CountdownConfig { reject_padded, ..CountdownConfig::default() });
            let problems = draw(&task, 2, 100);
            problems.iter().filter(|(n, t, _)| solver::is_padded(n, *t, &Op::ALL)).count()
        };
        assert_eq!(n_padded(true), 0);
        assert!(n_padded(false) > 0);
    }

    #[test]
    fn a_configuration_without_problems_is_exhausted_not_endless() {
        let task = task(CountdownConfig {
            min_number: 90,
            max_target: 10,
            operators: vec![Op::Add],
            ..CountdownConfig::default()
        });
        let error = task.generate(Level(0), Split::Train, &mut RootSeed(0).stream("x", &[]));
        assert!(matches!(error, Err(Error::Exhausted { .. })));
    }

    #[test]
    fn blind_play_seldom_guesses_and_less_often_on_harder_levels() {
        let task = task(CountdownConfig::nano());
        let mut rng = RootSeed(4).stream("guess", &[]);
        let rates = [0, 2, 4].map(|level| {
            let problems = draw(&task, level, 1_000);
            let hits = problems.iter().filter(|(numbers, target, _)| {
                combine(task.config(), numbers, &mut rng).is_some_and(|item| item.value == *target)
            });
            hits.count()
        });
        // Of two numbers three or four moves are legal: about 300 of 1,000 guesses are right.
        assert!(rates[0] < 400 && rates[0] > 2 * rates[1] && rates[1] > rates[2], "{rates:?}");
        assert!(rates[2] < 60, "{rates:?}");
    }
}
