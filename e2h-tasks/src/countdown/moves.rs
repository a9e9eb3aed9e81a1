//! Legal moves: two numbers become one, in whole numbers.
//!
//! A move is `larger op smaller = result`. Putting the larger number first is the one way to say each move; it
//! loses nothing, since `-` and `/` of a smaller by a larger number leave the whole numbers from 0, apart
//! from `0 / x`, which is `x * 0`.

use e2h_core::Stream;
use rand::RngExt;

use super::Op;

/// A number on the table, with the expression it came from.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: u64,
    pub(super) text: String,
    compound: bool,
}

impl Item {
    pub(super) fn number(value: u64) -> Self {
        Self { value, text: value.to_string(), compound: false }
    }

    /// The expression as an operand: in parentheses when it is compound.
    fn operand(&self) -> String {
        if self.compound { format!("( {} )", self.text) } else { self.text.clone() }
    }

    pub(super) fn join(left: &Self, op: Op, right: &Self, value: u64) -> Self {
        let text = format!("{} {} {}", left.operand(), op.sign(), right.operand());
        Self { value, text, compound: true }
    }
}

/// A move: indices into the table, `left` holding the larger number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) op: Op,
    pub(super) value: u64,
}

/// The whole result of `a op b`, where there is one in `0..=max`.
pub(super) fn result(a: u64, op: Op, b: u64, max: u64) -> Option<u64> {
    let value = match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        Op::Div => (b != 0 && a.is_multiple_of(b)).then(|| a / b),
    };
    value.filter(|&value| value <= max)
}

/// All legal moves on a table sorted by value.
///
/// Of two items of equal value the first stands for both, so no two moves read the same.
pub(super) fn legal(table: &[Item], operators: &[Op], max: u64, moves: &mut Vec<Move>) {
    moves.clear();
    let same = |i: usize, j: usize| table[i].value == table[j].value;
    for right in 0..table.len() {
        if right > 0 && same(right, right - 1) {
            continue;
        }
        for left in right + 1..table.len() {
            if left > right + 1 && same(left, left - 1) {
                continue;
            }
            let (a, b) = (table[left].value, table[right].value);
            moves.extend(operators.iter().filter_map(|&op| {
                result(a, op, b, max).map(|value| Move { left, right, op, value })
            }));
        }
    }
}

/// Makes a move; the table stays sorted by value, and of equal values the older item comes first.
pub(super) fn make(table: &mut Vec<Item>, chosen: Move) {
    let joined = Item::join(&table[chosen.left], chosen.op, &table[chosen.right], chosen.value);
    table.remove(chosen.left);
    table.remove(chosen.right);
    let at = table.partition_point(|item| item.value <= joined.value);
    table.insert(at, joined);
}

/// The table of `numbers`, sorted.
pub(super) fn table(numbers: &[u64]) -> Vec<Item> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().map(Item::number).collect()
}

/// Draws uniformly from `moves`.
pub(super) fn draw(moves: &[Move], rng: &mut Stream) -> Option<Move> {
    (!moves.is_empty()).then(|| moves[rng.random_range(0..moves.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_legal_moves_read_the_same() {
        let table = table(&[3, 3, 3, 6]);
        let mut moves = Vec::new();
        legal(&table, &Op::ALL, 100, &mut moves);
        let read = |m: &Move| (table[m.left].value, m.op.sign(), table[m.right].value);
        let mut texts: Vec<_> = moves.iter().map(read).collect();
        texts.sort_unstable();
        let n = texts.len();
        texts.dedup();
        assert_eq!(n, texts.len());
        assert_eq!(n, 8, "four for 3 and 3, four for 6 and 3: {texts:?}");
    }

    #[test]
    fn the_expression_brackets_every_compound_operand() {
        let mut table = table(&[3, 5, 7]);
        let (left, right, value) = (1, 0, 8);
        make(&mut table, Move { left, right, op: Op::Add, value });
        assert_eq!(table[1].text, "5 + 3");
        make(&mut table, Move { left, right, op: Op::Mul, value: 56 });
        assert_eq!(table[0].text, "( 5 + 3 ) * 7");
    }
}
