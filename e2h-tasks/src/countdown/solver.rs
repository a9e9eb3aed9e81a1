//! What a set of numbers can reach: exact solving, counting, and the test for padding.
//!
//! The value table of a multiset maps each value to the number of distinct expressions for it. It is built from
//! the tables of its proper sub-multisets: every expression of two or more numbers has one outermost operation.
//!
//! Two expressions are distinct unless they are the same tree up to exchanging the operands of `+` and `*`, equal
//! numbers being the same. So `1 + 2` is `2 + 1`, but `(1 + 2) + 3` is not `1 + (2 + 3)`.
//!
//! # Invariants
//! - Values are reduced fractions in 64 bits; a result beyond that is dropped. With up to six numbers of at most
//!   1,000 none is.
//! - Work grows about twentyfold a number: five numbers take milliseconds, six take seconds in fractions
//!   and milliseconds in bounded whole numbers.

use std::collections::HashMap;
use std::rc::Rc;

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Zero};

use super::Op;

/// Most numbers that are solved.
pub const MAX_NUMBERS: usize = 7;

/// The arithmetic in which values are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Rational numbers, of either sign: the verifier's.
    Exact,
    /// Whole numbers of `0..=max` at every step: the generator's and the plays'.
    Whole {
        /// Largest intermediate result.
        max: u64,
    },
}

/// Solves sets of numbers; keeps the tables of the sets it has seen.
///
/// ```
/// use e2h_tasks::countdown::Op;
/// use e2h_tasks::countdown::solver::{Arithmetic, Solver};
///
/// let mut solver = Solver::new(&[Op::Add, Op::Sub], Arithmetic::Whole { max: 100 });
/// // 5 + 2 and 5 - 2; 2 - 5 is not a whole number from 0.
/// assert_eq!(solver.reachable(&[2, 5]), [3, 7]);
/// assert!(solver.solve(&[2, 5], 7).is_some() && solver.solve(&[2, 5], 10).is_none());
/// ```
#[derive(Debug)]
pub struct Solver {
    operators: Vec<Op>,
    arithmetic: Arithmetic,
    tables: HashMap<Vec<u64>, Rc<Table>>,
}

type Table = HashMap<Ratio<i64>, u64>;

impl Solver {
    /// A solver with the given operations and arithmetic.
    pub fn new(operators: &[Op], arithmetic: Arithmetic) -> Self {
        Self { operators: operators.to_vec(), arithmetic, tables: HashMap::new() }
    }

    /// The whole numbers from 0 that `numbers`, each used once, reach, ascending.
    ///
    /// Empty for no numbers or more than [`MAX_NUMBERS`].
    pub fn reachable(&mut self, numbers: &[u64]) -> Vec<u64> {
        let table = self.table_of(numbers);
        let whole = table.keys().filter(|value| value.is_integer());
        let mut values: Vec<u64> =
            whole.filter_map(|value| u64::try_from(*value.numer()).ok()).collect();
        values.sort_unstable();
        values
    }

    /// The number of distinct expressions of `numbers` that equal `target`.
    pub fn count(&mut self, numbers: &[u64], target: i64) -> u64 {
        let table = self.table_of(numbers);
        table.get(&Ratio::from_integer(target)).copied().unwrap_or(0)
    }

    /// One expression of `numbers` that equals `target`, in the notation of the compact style.
    pub fn solve(&mut self, numbers: &[u64], target: i64) -> Option<String> {
        self.expression(&sorted(numbers), Ratio::from_integer(target)).map(|(text, _)| text)
    }

    /// Drops the tables of all sets when they hold more than `max_values` values together.
    pub fn forget(&mut self, max_values: usize) {
        if self.tables.values().map(|table| table.len()).sum::<usize>() > max_values {
            self.tables.clear();
        }
    }

    fn table_of(&mut self, numbers: &[u64]) -> Rc<Table> {
        if numbers.is_empty() || numbers.len() > MAX_NUMBERS {
            return Rc::default();
        }
        self.table(&sorted(numbers))
    }

    /// The table of a sorted, non-empty multiset.
    fn table(&mut self, numbers: &[u64]) -> Rc<Table> {
        if let Some(table) = self.tables.get(numbers) {
            return Rc::clone(table);
        }
        let mut table = Table::new();
        if let [number] = numbers {
            if let Ok(value) = i64::try_from(*number) {
                table.insert(Ratio::from_integer(value), 1);
            }
        } else {
            for (left, right) in splits(numbers) {
                let (left_table, right_table) = (self.table(&left), self.table(&right));
                self.join(&left_table, &right_table, left == right, &mut table);
            }
        }
        let table = Rc::new(table);
        self.tables.insert(numbers.to_vec(), Rc::clone(&table));
        table
    }

    /// Adds every `x op y` and, where it differs, `y op x` for x of `left` and y of `right`.
    fn join(&self, left: &Table, right: &Table, same: bool, into: &mut Table) {
        for (&x, &n_x) in left {
            for (&y, &n_y) in right {
                for &op in &self.operators {
                    let commutes = matches!(op, Op::Add | Op::Mul);
                    let ways = match (commutes && same, x.cmp(&y)) {
                        // Both operands come from the same set: each unordered pair of trees counts once.
                        (true, std::cmp::Ordering::Less) => 0,
                        (true, std::cmp::Ordering::Equal) => n_x * (n_x + 1) / 2,
                        _ => n_x * n_y,
                    };
                    if ways > 0
                        && let Some(value) = self.apply(x, op, y)
                    {
                        *into.entry(value).or_default() += ways;
                    }
                    if !commutes
                        && !same
                        && let Some(value) = self.apply(y, op, x)
                    {
                        *into.entry(value).or_default() += n_x * n_y;
                    }
                }
            }
        }
    }

    /// `x op y` within the arithmetic.
    fn apply(&self, x: Ratio<i64>, op: Op, y: Ratio<i64>) -> Option<Ratio<i64>> {
        let value = match op {
            Op::Add => x.checked_add(&y)?,
            Op::Sub => x.checked_sub(&y)?,
            Op::Mul => x.checked_mul(&y)?,
            Op::Div if y.is_zero() => return None,
            Op::Div => x.checked_div(&y)?,
        };
        match self.arithmetic {
            Arithmetic::Exact => Some(value),
            Arithmetic::Whole { max } => {
                let fits = u64::try_from(*value.numer()).is_ok_and(|value| value <= max);
                (value.is_integer() && fits).then_some(value)
            }
        }
    }

    /// An expression of a sorted multiset, and whether it is compound; the same on every run.
    fn expression(&mut self, numbers: &[u64], target: Ratio<i64>) -> Option<(String, bool)> {
        if !self.table_of(numbers).contains_key(&target) {
            return None;
        }
        if let [number] = numbers {
            return Some((number.to_string(), false));
        }
        for (left, right) in splits(numbers) {
            let (xs, ys) = (values(&self.table(&left)), values(&self.table(&right)));
            for (&x, &y) in xs.iter().flat_map(|x| ys.iter().map(move |y| (x, y))) {
                for op in self.operators.clone() {
                    let turned = if self.apply(x, op, y) == Some(target) {
                        false
                    } else if self.apply(y, op, x) == Some(target) {
                        true
                    } else {
                        continue;
                    };
                    let (x, y) = (self.expression(&left, x)?, self.expression(&right, y)?);
                    let (a, b) = if turned { (y, x) } else { (x, y) };
                    return Some((format!("{} {} {}", operand(a), op.sign(), operand(b)), true));
                }
            }
        }
        None
    }
}

fn operand((text, compound): (String, bool)) -> String {
    if compound { format!("( {text} )") } else { text }
}

fn values(table: &Table) -> Vec<Ratio<i64>> {
    let mut values: Vec<Ratio<i64>> = table.keys().copied().collect();
    values.sort_unstable();
    values
}

fn sorted(numbers: &[u64]) -> Vec<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

/// The ways to split a sorted multiset into two non-empty ones, each unordered pair once.
fn splits(numbers: &[u64]) -> Vec<(Vec<u64>, Vec<u64>)> {
    let full = (1_u32 << numbers.len()) - 1;
    let pick = |mask: u32| -> Vec<u64> {
        let chosen = numbers.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
        chosen.map(|(_, &number)| number).collect()
    };
    let mut splits: Vec<_> = (1..full)
        .map(|mask| (pick(mask), pick(full & !mask)))
        .filter(|(left, right)| (left.len(), left) <= (right.len(), right))
        .collect();
    splits.sort_unstable();
    splits.dedup();
    splits
}

/// True when the problem is a smaller one with padding: in whole numbers, some of the numbers reach the target
/// and all others reach 0 or 1, which `+`, `-`, `*` or `/` then absorbs.
///
/// ```
/// use e2h_tasks::countdown::Op;
/// use e2h_tasks::countdown::solver::is_padded;
/// // 4 - 4 is 0, so this is 3 + 5 once more; 3, 5 and 7 must all be used for 15.
/// assert!(is_padded(&[3, 5, 4, 4], 8, &Op::ALL));
/// assert!(!is_padded(&[3, 5, 7], 15, &Op::ALL));
/// ```
///
/// # Invariants
/// False for more than [`MAX_NUMBERS`] numbers, which are not searched.
pub fn is_padded(numbers: &[u64], target: u64, operators: &[Op]) -> bool {
    if numbers.len() > MAX_NUMBERS {
        return false;
    }
    let max = i64::MAX as u64;
    let mut solver = Solver::new(operators, Arithmetic::Whole { max });
    let reaches = |solver: &mut Solver, set: &[u64], values: &[u64]| {
        let table = solver.table(set);
        let value =
            |&v: &u64| i64::try_from(v).is_ok_and(|v| table.contains_key(&Ratio::from_integer(v)));
        values.iter().any(value)
    };
    // The smaller half is tried first: its table is cheap, and it seldom passes.
    splits(&sorted(numbers)).iter().any(|(small, large)| {
        reaches(&mut solver, small, &[0, 1]) && reaches(&mut solver, large, &[target])
            || reaches(&mut solver, small, &[target]) && reaches(&mut solver, large, &[0, 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::countdown::expr;

    fn exact() -> Solver {
        Solver::new(&Op::ALL, Arithmetic::Exact)
    }

    #[test]
    fn two_numbers_reach_what_one_operation_gives() {
        assert_eq!(exact().reachable(&[3, 6]), [2, 3, 9, 18]);
        let mut whole = Solver::new(&[Op::Add, Op::Sub], Arithmetic::Whole { max: 8 });
        assert_eq!(whole.reachable(&[3, 6]), [3]);
    }

    #[test]
    fn counts_tell_trees_apart_but_not_operand_order_or_equal_numbers() {
        assert_eq!(exact().count(&[1, 2], 3), 1);
        // (1 + 2) + 3, (1 + 3) + 2, (2 + 3) + 1, (1 * 2) * 3, (1 * 3) * 2, (2 * 3) * 1, and 2 * 3 / 1 in
        // its three forms: (2 * 3) / 1, 2 * (3 / 1), (2 / 1) * 3, and 2 / (1 / 3), 3 / (1 / 2).
        assert_eq!(exact().count(&[1, 2, 3], 6), 11);
        assert_eq!(exact().count(&[2, 2], 4), 2);
        let mut sums = Solver::new(&[Op::Add], Arithmetic::Exact);
        // (2 + 2) + (2 + 2) and ((2 + 2) + 2) + 2.
        assert_eq!(sums.count(&[2, 2, 2, 2], 8), 2);
    }

    #[test]
    fn a_solution_needs_fractions_where_only_fractions_do() {
        let text = exact().solve(&[3, 3, 7, 7], 24).expect("7 * (3 + 3 / 7)");
        assert_eq!(expr::check(&text, &[3, 3, 7, 7], 24, &Op::ALL), Ok(()), "{text}");
        let mut whole = Solver::new(&Op::ALL, Arithmetic::Whole { max: 1_000 });
        assert_eq!(whole.solve(&[3, 3, 7, 7], 24), None);
        assert_eq!(exact().solve(&[1, 1], 24), None);
    }

    #[test]
    fn padding_is_found_and_nothing_else() {
        assert!(is_padded(&[3, 4, 9, 9], 12, &Op::ALL), "3 * 4 + (9 - 9)");
        assert!(is_padded(&[5, 6, 7], 5, &Op::ALL), "5 * (7 - 6)");
        assert!(!is_padded(&[3, 4, 9], 12, &Op::ALL));
        assert!(!is_padded(&[2, 5], 10, &Op::ALL));
    }
}
