//! Drawing problems: a random start, a random walk, and a goal from what the walk changed; kept when the shortest
//! plan has exactly the level's length.

use e2h_core::{Error, Level, Problem, Result, Split, Stream};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::planner::{self, Search};
use super::state::{Action, Block, Fact, Place, State};
use super::{Blocksworld, BlocksworldConfig, Instance, NAME, canonical, text};

/// Draws made before the generator gives up.
const MAX_ATTEMPTS: u64 = 200_000;
/// States expanded to check one draw.
const MAX_EXPANDED: usize = 20_000;

/// Draws a problem of `level` and `split`, with a shortest plan as the solution.
pub(super) fn generate(
    task: &Blocksworld,
    level: Level,
    split: Split,
    rng: &mut Stream,
) -> Result<Problem> {
    let config = task.config();
    let lengths = config.all_levels();
    let length = *lengths
        .get(level.index())
        .ok_or_else(|| Error::NoSuchLevel {
            task: NAME.to_owned(),
            level: level.0,
            last: Level::at(lengths.len().saturating_sub(1)).0,
        })?;
    for _ in 0..MAX_ATTEMPTS {
        let (names, start) = start(config, rng);
        let mut end = start;
        for action in walk(&start, length, rng) {
            end.apply(action);
        }
        let goal = goal(config, &start, &end, rng);
        // The cheap bound refuses most draws whose goal is too near.
        if goal.is_empty() || planner::lower_bound(&start, &goal).is_none_or(|bound| bound > length)
        {
            continue;
        }
        let instance = Instance { names, start, goal };
        if Split::of(&canonical(&instance)) != split {
            continue;
        }
        let search = planner::shortest_plan(&start, &instance.goal, length, MAX_EXPANDED);
        if let Search::Plan(plan) = search
            && plan.len() == length
        {
            let mut problem = task.problem(level, &instance);
            problem.solution = Some(text::write_plan(&plan, &instance.names).into());
            return Ok(problem);
        }
    }
    let what = format!("{} problem of {length} actions", split.name());
    Err(Error::Exhausted {
        task: NAME.to_owned(),
        what,
        attempts: MAX_ATTEMPTS,
    })
}

/// A random start with its names.
pub(super) fn start(config: &BlocksworldConfig, rng: &mut Stream) -> (Vec<String>, State) {
    let n = rng.random_range(config.min_blocks..=config.max_blocks);
    let set = config.names[rng.random_range(0..config.names.len())];
    let names = set.draw(n, config.random_names, rng);
    let holding = rng.random_bool(config.holding_frac);
    (names, arrangement(n, holding, rng))
}

/// A random arrangement: block after block, in random order, goes on a random tower or on the table; with `holding`
/// the last goes into the hand.
pub(super) fn arrangement(n: usize, holding: bool, rng: &mut Stream) -> State {
    let mut order: Vec<Block> = (0..).take(n).collect();
    order.shuffle(rng);
    let mut places = vec![Place::Table; n];
    let mut tops: Vec<Block> = Vec::new();
    for (i, &x) in order.iter().enumerate() {
        let at = rng.random_range(0..=tops.len());
        if holding && i + 1 == n {
            places[usize::from(x)] = Place::Hand;
        } else if at == tops.len() {
            tops.push(x);
        } else {
            places[usize::from(x)] = Place::On(tops[at]);
            tops[at] = x;
        }
    }
    // Placing blocks on tops one by one gives an arrangement always.
    State::new(&places).expect("every block went on the table, a top, or into the hand")
}

/// `length` uniform legal actions, none of which takes the one before it back.
pub(super) fn walk(start: &State, length: usize, rng: &mut Stream) -> Vec<Action> {
    let mut state = *start;
    let mut actions: Vec<Action> = Vec::with_capacity(length);
    for _ in 0..length {
        let mut legal = state.legal_actions();
        let undo = actions.last().map(|last| last.undo());
        // With a single block the way back is the only one.
        if legal.len() > 1 {
            legal.retain(|&action| Some(action) != undo);
        }
        let action = legal[rng.random_range(0..legal.len())];
        state.apply(action);
        actions.push(action);
    }
    actions
}

/// A goal: some of the places at the end that differ from the start, one fact up to the configured most.
///
/// Empty when nothing differs.
pub(super) fn goal(
    config: &BlocksworldConfig,
    start: &State,
    end: &State,
    rng: &mut Stream,
) -> Vec<Fact> {
    let places = end.blocks().map(|x| end.position(x));
    let mut changed: Vec<Fact> = places.filter(|&fact| !start.holds(fact)).collect();
    changed.shuffle(rng);
    if !changed.is_empty() {
        let most = changed.len().min(config.max_goal_facts);
        changed.truncate(rng.random_range(1..=most));
    }
    changed.sort_unstable();
    changed
}
