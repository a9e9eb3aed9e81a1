//! States, actions and facts of Blocksworld.
//!
//! Blocks are numbered from 0. Each block is on the table, on another block, or in the hand; the hand holds at
//! most one.

use serde::{Deserialize, Serialize};

/// The most blocks of a state.
pub const MAX_BLOCKS: usize = 24;

const TABLE: u8 = 0xff;
const HELD: u8 = 0xfe;
const NOTHING: u8 = 0xff;

/// A block, as an index into the list of names.
pub type Block = u8;

/// An arrangement of blocks.
///
/// ```
/// use e2h_tasks::blocksworld::state::{Action, Fact, Place, State};
///
/// let mut state = State::on_table(2).expect("two blocks");
/// assert!(state.apply(Action::PickUp(0)) && state.apply(Action::Stack(0, 1)));
/// assert_eq!((state.place(0), state.holds(Fact::Clear(1))), (Place::On(1), false));
/// // The lower block is not clear, so the hand cannot take it.
/// assert!(!state.is_legal(Action::PickUp(1)));
/// assert_eq!(state.legal_actions(), [Action::Unstack(0, 1)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    n_blocks: u8,
    held: u8,
    below: [u8; MAX_BLOCKS],
    above: [u8; MAX_BLOCKS],
}

/// One action of the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Takes a clear block from the table.
    PickUp(Block),
    /// Puts the held block on the table.
    PutDown(Block),
    /// Puts the held block, the first, on a clear block.
    Stack(Block, Block),
    /// Takes a clear block, the first, from the block that it is on.
    Unstack(Block, Block),
}

impl Action {
    /// The action that takes this one back.
    pub fn undo(self) -> Self {
        match self {
            Self::PickUp(x) => Self::PutDown(x),
            Self::PutDown(x) => Self::PickUp(x),
            Self::Stack(x, y) => Self::Unstack(x, y),
            Self::Unstack(x, y) => Self::Stack(x, y),
        }
    }
}

/// A statement about a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The first block is on the second.
    On(Block, Block),
    /// The block is on the table.
    OnTable(Block),
    /// Nothing is on the block, and it is not in the hand.
    Clear(Block),
    /// The hand holds the block.
    Holding(Block),
    /// The hand is empty.
    HandEmpty,
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the table.
    Table,
    /// On a block.
    On(Block),
    /// In the hand.
    Hand,
}

impl State {
    /// All `n_blocks` blocks side by side on the table; `None` over [`MAX_BLOCKS`].
    pub fn on_table(n_blocks: usize) -> Option<Self> {
        let below = [TABLE; MAX_BLOCKS];
        let n_blocks = u8::try_from(n_blocks).ok().filter(|&n| usize::from(n) <= MAX_BLOCKS)?;
        Some(Self { n_blocks, held: NOTHING, below, above: [NOTHING; MAX_BLOCKS] })
    }

    /// The state in which block `i` is at `places[i]`; `None` when no arrangement of blocks is like that.
    pub fn new(places: &[Place]) -> Option<Self> {
        let mut state = Self::on_table(places.len())?;
        for (x, &place) in (0..).zip(places) {
            match place {
                Place::Table => {}
                Place::On(y) if usize::from(y) < places.len() && y != x => {
                    state.below[usize::from(x)] = y;
                    if std::mem::replace(&mut state.above[usize::from(y)], x) != NOTHING {
                        return None;
                    }
                }
                Place::On(_) => return None,
                Place::Hand => {
                    state.below[usize::from(x)] = HELD;
                    if std::mem::replace(&mut state.held, x) != NOTHING {
                        return None;
                    }
                }
            }
        }
        let nothing_on_held = state.held == NOTHING || state.is_top(state.held);
        // With one block above each at most, every block is in a tower or in a ring: towers must hold all.
        let bottoms = state.blocks().filter(|&x| state.place(x) == Place::Table);
        let n_in_towers: usize = bottoms.map(|x| state.tower(x).count()).sum();
        let all = n_in_towers + usize::from(state.held != NOTHING) == places.len();
        (nothing_on_held && all).then_some(state)
    }

    /// The number of blocks.
    pub fn n_blocks(&self) -> usize {
        usize::from(self.n_blocks)
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        0..self.n_blocks
    }

    /// The block in the hand.
    pub fn held(&self) -> Option<Block> {
        (self.held != NOTHING).then_some(self.held)
    }

    /// Where block `x` is.
    pub fn place(&self, x: Block) -> Place {
        match self.below[usize::from(x)] {
            TABLE => Place::Table,
            HELD => Place::Hand,
            y => Place::On(y),
        }
    }

    /// The block right above `x`.
    pub fn above(&self, x: Block) -> Option<Block> {
        let above = self.above[usize::from(x)];
        (above != NOTHING).then_some(above)
    }

    fn is_top(&self, x: Block) -> bool {
        self.above[usize::from(x)] == NOTHING
    }

    /// True when nothing is on `x` and it is not in the hand.
    pub fn is_clear(&self, x: Block) -> bool {
        self.is_top(x) && self.held != x
    }

    /// True when the fact holds; false for a fact about a block that the state lacks.
    pub fn holds(&self, fact: Fact) -> bool {
        let known = |x: Block| x < self.n_blocks;
        match fact {
            Fact::On(x, y) => known(x) && known(y) && self.below[usize::from(x)] == y,
            Fact::OnTable(x) => known(x) && self.below[usize::from(x)] == TABLE,
            Fact::Clear(x) => known(x) && self.is_clear(x),
            Fact::Holding(x) => known(x) && self.held == x,
            Fact::HandEmpty => self.held == NOTHING,
        }
    }

    /// The fact that says where `x` is.
    pub fn position(&self, x: Block) -> Fact {
        match self.place(x) {
            Place::Table => Fact::OnTable(x),
            Place::On(y) => Fact::On(x, y),
            Place::Hand => Fact::Holding(x),
        }
    }

    /// True when the action is possible.
    pub fn is_legal(&self, action: Action) -> bool {
        let known = |x: Block| x < self.n_blocks;
        let empty = self.held == NOTHING;
        match action {
            Action::PickUp(x) => {
                known(x) && empty && self.is_top(x) && self.place(x) == Place::Table
            }
            Action::PutDown(x) => known(x) && self.held == x,
            Action::Stack(x, y) => known(x) && known(y) && self.held == x && self.is_clear(y),
            Action::Unstack(x, y) => {
                known(x) && known(y) && empty && self.is_top(x) && self.place(x) == Place::On(y)
            }
        }
    }

    /// Does the action; false, and no change, when it is not possible.
    pub fn apply(&mut self, action: Action) -> bool {
        if !self.is_legal(action) {
            return false;
        }
        match action {
            Action::PickUp(x) => self.lift(x),
            Action::Unstack(x, y) => {
                self.above[usize::from(y)] = NOTHING;
                self.lift(x);
            }
            Action::PutDown(x) => self.drop_on(x, TABLE),
            Action::Stack(x, y) => {
                self.above[usize::from(y)] = x;
                self.drop_on(x, y);
            }
        }
        true
    }

    fn lift(&mut self, x: Block) {
        self.below[usize::from(x)] = HELD;
        self.held = x;
    }

    fn drop_on(&mut self, x: Block, below: u8) {
        self.below[usize::from(x)] = below;
        self.held = NOTHING;
    }

    /// All possible actions, in the order of the blocks.
    pub fn legal_actions(&self) -> Vec<Action> {
        match self.held() {
            Some(x) => {
                let onto = self.blocks().filter(|&y| self.is_clear(y)).map(|y| Action::Stack(x, y));
                std::iter::once(Action::PutDown(x)).chain(onto).collect()
            }
            None => {
                let take = |x| match self.place(x) {
                    Place::On(y) => Action::Unstack(x, y),
                    _ => Action::PickUp(x),
                };
                self.blocks().filter(|&x| self.is_top(x)).map(take).collect()
            }
        }
    }

    /// The towers, each from the bottom up, in the order of their bottom blocks; the held block is in none.
    pub fn stacks(&self) -> Vec<Vec<Block>> {
        let bottoms = self.blocks().filter(|&x| self.place(x) == Place::Table);
        bottoms.map(|x| self.tower(x).collect()).collect()
    }

    /// `x` and all blocks above it.
    fn tower(&self, x: Block) -> impl Iterator<Item = Block> {
        std::iter::successors(Some(x), |&x| self.above(x))
    }

    /// A number that is different for different states of as many blocks.
    pub(super) fn key(&self) -> u128 {
        let code = |&below: &u8| u128::from(below & 31);
        self.below[..self.n_blocks()].iter().fold(0, |key, below| key << 5 | code(below))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn impossible_arrangements_are_refused() {
        use Place::{Hand, On, Table};
        assert!(State::new(&[Table, On(0), Hand]).is_some());
        for places in [
            &[On(1), On(0)][..],
            &[Table, On(0), On(0)],
            &[Hand, Hand],
            &[Hand, On(0)],
            &[On(7)],
            &[On(0)],
        ] {
            assert!(State::new(places).is_none(), "{places:?}");
        }
    }

    #[test]
    fn three_blocks_have_22_states_and_each_action_can_be_undone() {
        // 13 arrangements on the table, and 3 x 3 with one block held.
        let start = State::on_table(3).expect("few blocks");
        let mut seen = HashSet::from([start.key()]);
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            for action in state.legal_actions() {
                let mut next = state;
                assert!(next.apply(action));
                if seen.insert(next.key()) {
                    open.push(next);
                }
                assert!(next.apply(action.undo()));
                assert_eq!(next, state);
            }
        }
        assert_eq!(seen.len(), 22);
    }

    #[test]
    fn exactly_the_listed_actions_are_legal() {
        let state =
            State::new(&[Place::Table, Place::On(0), Place::Table]).expect("an arrangement");
        let all = (0..4).flat_map(|x| {
            let pairs = (0..4).flat_map(move |y| [Action::Stack(x, y), Action::Unstack(x, y)]);
            [Action::PickUp(x), Action::PutDown(x)].into_iter().chain(pairs)
        });
        let legal: Vec<Action> = all.filter(|&action| state.is_legal(action)).collect();
        assert_eq!(legal, [Action::Unstack(1, 0), Action::PickUp(2)]);
        assert_eq!(state.legal_actions(), legal);
    }
}
