//! Shortest plans, by A* search.
//!
//! The heuristic counts the hand's unavoidable work: a block that must leave its place costs two actions (take and
//! put), one when it is to end in the hand or may do so, and a held block that must go costs one. A block must leave its place
//! when a goal fact about its own place does not hold, when something below it must leave or become clear, or when
//! another block is to come where it is.
//!
//! # Invariants
//! - The heuristic never exceeds the length of a shortest plan, so the first plan taken from the queue is shortest.
//! - Work is bounded by the number of expanded states; of equal estimates the youngest goes first, so the plan is always the same.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::state::{Action, Block, Fact, Place, State};

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// A shortest plan; empty when the goal holds at the start.
    Plan(Vec<Action>),
    /// No plan exists, or none of at most the asked length.
    NoPlan,
    /// The work ran out; every plan has at least `at_least` actions.
    OutOfWork {
        /// A lower bound of the plan length.
        at_least: usize,
    },
}

/// The best known way to each state, by the state's key: its length and its last action.
type Reached = HashMap<u128, (usize, Option<Action>), BuildHasherDefault<KeyHasher>>;

/// Hashes the key of a state by two multiplications.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u128(u128::from(byte)));
    }

    fn write_u128(&mut self, key: u128) {
        let (high, low) = ((key >> 64) as u64, key as u64);
        let mixed = self.0 ^ low ^ high.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// States to be expanded, by estimated total length; within one length last in, first out.
#[derive(Default)]
struct Open {
    by_total: Vec<Vec<(State, usize)>>,
    /// No shorter total has a state.
    least: usize,
}

impl Open {
    fn push(&mut self, total: usize, state: State, length: usize) {
        if self.by_total.len() <= total {
            self.by_total.resize_with(total + 1, Vec::new);
        }
        self.by_total[total].push((state, length));
        self.least = self.least.min(total);
    }

    /// A state of least total, with that total and its length.
    fn pop(&mut self) -> Option<(usize, State, usize)> {
        loop {
            let bucket = self.by_total.get_mut(self.least)?;
            match bucket.pop() {
                Some((state, length)) => return Some((self.least, state, length)),
                None => self.least += 1,
            }
        }
    }
}

/// Searches a shortest plan of at most `max_len` actions that makes all facts of `goal` hold, expanding at most
/// `max_expanded` states.
///
/// ```
/// use e2h_tasks::blocksworld::planner::{Search, shortest_plan};
/// use e2h_tasks::blocksworld::state::{Action, Fact, Place, State};
///
/// // Block 0 lies on block 1 and is to lie under it.
/// let start = State::new(&[Place::On(1), Place::Table]).expect("an arrangement");
/// let plan = [Action::Unstack(0, 1), Action::PutDown(0), Action::PickUp(1), Action::Stack(1, 0)];
/// let found = shortest_plan(&start, &[Fact::On(1, 0)], 10, 1000);
/// assert_eq!(found, Search::Plan(plan.to_vec()));
/// ```
///
/// # Invariants
/// A million states fit in about 200 MB.
pub fn shortest_plan(start: &State, goal: &[Fact], max_len: usize, max_expanded: usize) -> Search {
    let Some(estimate) = lower_bound(start, goal) else {
        return Search::NoPlan;
    };
    let mut open = Open::default();
    let mut reached = Reached::default();
    reached.insert(start.key(), (0, None));
    open.push(estimate, *start, 0);
    let mut n_expanded = 0;
    while let Some((total, state, length)) = open.pop() {
        if total > max_len {
            return Search::NoPlan;
        }
        if reached.get(&state.key()).is_some_and(|&(best, _)| best < length) {
            continue;
        }
        if goal.iter().all(|&fact| state.holds(fact)) {
            return Search::Plan(walk_back(start, state, &reached));
        }
        if n_expanded == max_expanded {
            return Search::OutOfWork { at_least: total };
        }
        n_expanded += 1;
        for action in state.legal_actions() {
            let mut next = state;
            next.apply(action);
            let key = next.key();
            let better = reached.get(&key).is_none_or(|&(best, _)| length + 1 < best);
            if better && let Some(estimate) = lower_bound(&next, goal) {
                reached.insert(key, (length + 1, Some(action)));
                open.push(length + 1 + estimate, next, length + 1);
            }
        }
    }
    Search::NoPlan
}

fn walk_back(start: &State, end: State, reached: &Reached) -> Vec<Action> {
    let mut plan = Vec::new();
    let mut state = end;
    while state != *start
        && let Some(&(_, Some(action))) = reached.get(&state.key())
    {
        plan.push(action);
        state.apply(action.undo());
    }
    plan.reverse();
    plan
}

/// A length that no plan from `state` to `goal` falls below; `None` when the goal contradicts itself.
pub fn lower_bound(state: &State, goal: &[Fact]) -> Option<usize> {
    let mut to_hold: Option<Block> = None;
    let mut wants_empty = false;
    for &fact in goal {
        match fact {
            Fact::Holding(x) if to_hold.is_some_and(|y| y != x) => return None,
            Fact::Holding(x) => to_hold = Some(x),
            Fact::HandEmpty => wants_empty = true,
            Fact::On(x, y) if x == y => return None,
            _ => {}
        }
    }
    if to_hold.is_some() && wants_empty {
        return None;
    }
    let held = state.held();
    let moves = |x: Block| goal.iter().any(|&fact| displaces(state, fact, x));
    // A plan may end with a lift only where that makes a block clear, or is the goal itself.
    let ends_lifted =
        to_hold.is_none() && !wants_empty && goal.iter().any(|f| matches!(f, Fact::Clear(_)));
    let mut discount = 0;
    let mut cost = 0;
    for bottom in state.blocks().filter(|&x| state.place(x) == Place::Table) {
        let mut block = Some(bottom);
        let mut leaves = false;
        while let Some(x) = block {
            leaves = leaves || moves(x);
            if leaves {
                cost += if to_hold == Some(x) { 1 } else { 2 };
                if ends_lifted && !goal.iter().any(|&fact| about(fact, x)) {
                    discount = 1;
                }
            }
            block = state.above(x);
        }
    }
    Some(match held {
        None => cost - discount,
        // The hand must be emptied for other work, and take its block up again at the end.
        Some(x) if to_hold == Some(x) => cost + if cost > 0 { 2 } else { 0 },
        Some(x) => {
            let placed = goal.iter().any(|&fact| about(fact, x) && !state.holds(fact));
            cost - discount + usize::from(cost > 0 || placed || wants_empty || to_hold.is_some())
        }
    })
}

/// True when the fact asks for the place of `x` itself.
fn about(fact: Fact, x: Block) -> bool {
    matches!(fact, Fact::On(y, _) | Fact::OnTable(y) | Fact::Clear(y) if y == x)
}

/// True when `x`, which is not held, must leave its place for `fact` to hold, whatever stands below it.
fn displaces(state: &State, fact: Fact, x: Block) -> bool {
    let stands_on = |y| state.place(x) == Place::On(y);
    match fact {
        Fact::On(y, z) if y == x => !stands_on(z),
        Fact::On(_, z) | Fact::Clear(z) => stands_on(z),
        Fact::OnTable(y) => y == x && state.place(x) != Place::Table,
        // The held block has nothing on it.
        Fact::Holding(y) => y == x || stands_on(y),
        Fact::HandEmpty => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use e2h_core::RootSeed;
    use rand::RngExt;

    use super::*;
    use crate::blocksworld::generate::arrangement;

    /// The length of a shortest plan, by breadth-first search without any heuristic.
    fn breadth_first(start: &State, goal: &[Fact]) -> Option<usize> {
        let mut seen = HashSet::from([start.key()]);
        let mut layer = vec![*start];
        for length in 0.. {
            if layer.is_empty() {
                return None;
            }
            if layer.iter().any(|state| goal.iter().all(|&fact| state.holds(fact))) {
                return Some(length);
            }
            let mut next = Vec::new();
            for state in layer {
                for action in state.legal_actions() {
                    let mut after = state;
                    after.apply(action);
                    if seen.insert(after.key()) {
                        next.push(after);
                    }
                }
            }
            layer = next;
        }
        None
    }

    #[test]
    fn plans_are_as_short_as_breadth_first_search_finds_them_and_reach_any_goal() {
        let mut rng = RootSeed(5).stream("planner", &[]);
        for _ in 0..400 {
            let n = rng.random_range(2..=5);
            let holding = [rng.random_bool(0.3), rng.random_bool(0.3)];
            let [start, end] = holding.map(|holding| arrangement(n, holding, &mut rng));
            let clear = end.blocks().map(Fact::Clear).chain([Fact::HandEmpty]);
            let all = end.blocks().map(|x| end.position(x)).chain(clear);
            let goal: Vec<Fact> =
                all.filter(|&fact| end.holds(fact) && rng.random_bool(0.4)).collect();
            let shortest = breadth_first(&start, &goal).expect("every state reaches every other");
            let bound = lower_bound(&start, &goal).expect("the facts hold together");
            assert!(bound <= shortest, "{bound} > {shortest}: {start:?} {goal:?}");
            let Search::Plan(plan) = shortest_plan(&start, &goal, shortest, 1_000_000) else {
                panic!("no plan of {shortest} actions found: {start:?} {goal:?}");
            };
            assert_eq!(plan.len(), shortest, "{start:?} {goal:?}");
            let mut state = start;
            assert!(plan.into_iter().all(|action| state.apply(action)));
            assert!(goal.iter().all(|&fact| state.holds(fact)));
        }
    }

    #[test]
    fn plans_of_twelve_actions_for_eight_blocks_take_a_few_thousand_states() {
        let mut rng = RootSeed(6).stream("planner", &[]);
        let (mut n_found, mut most) = (0, 0);
        while n_found < 100 {
            let [start, end] = [false, false].map(|holding| arrangement(8, holding, &mut rng));
            let goal: Vec<Fact> = end.blocks().map(|x| end.position(x)).collect();
            // The fewest expansions in powers of two that find it.
            let found = (4..15).find_map(|log| match shortest_plan(&start, &goal, 12, 1 << log) {
                Search::Plan(plan) if plan.len() == 12 => Some(Some(1 << log)),
                Search::OutOfWork { .. } => None,
                _ => Some(None),
            });
            if let Some(expanded) = found.expect("a million states decide") {
                (n_found, most) = (n_found + 1, most.max(expanded));
            }
        }
        assert!(most <= 4_096, "{most} states");
    }

    #[test]
    fn hopeless_searches_end() {
        let start = State::on_table(8).expect("few blocks");
        let ring = [Fact::On(0, 1), Fact::On(1, 0)];
        assert_eq!(shortest_plan(&start, &ring, 10, 1_000_000), Search::NoPlan);
        let search = shortest_plan(&start, &ring, usize::MAX, 1_000);
        assert!(matches!(search, Search::OutOfWork { at_least: 4.. }), "{search:?}");
        let two = [Fact::Holding(0), Fact::Holding(1)];
        assert_eq!(shortest_plan(&start, &two, usize::MAX, 1_000), Search::NoPlan);
    }
}
