//! Drawing problems: a random start, a random walk, and a goal from what the walk changed; kept when the shortest
//! plan has exactly the level's length.

use e2h_core::{Error, Level, Problem, Result, Split, Stream};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::planner::{self, Search};
use super::state::{Action, Block, Fact, Place, State};
use super::{Blocksworld, BlocksworldConfig, Instance, NAME, canonical};

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
    let length = config.sizes().size(NAME, level)?;
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
            problem.solution = Some(task.write_plan(&plan, &instance.names).into());
            return Ok(problem);
        }
    }
    let what = format!("{} problem of {length} actions", split.name());
    Err(Error::Exhausted { task: NAME.to_owned(), what, attempts: MAX_ATTEMPTS })
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

/// Up to `length` uniform legal actions, none of which takes the one before it back.
///
/// The walk is shorter where the way back is the only one, as it is when all blocks have just become one tower.
pub(super) fn walk(start: &State, length: usize, rng: &mut Stream) -> Vec<Action> {
    let mut state = *start;
    let mut actions: Vec<Action> = Vec::with_capacity(length);
    while actions.len() < length {
        let undo = actions.last().map(|last| last.undo());
        let mut legal = state.legal_actions();
        legal.retain(|&action| Some(action) != undo);
        if legal.is_empty() {
            break;
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

#[cfg(test)]
mod tests {
    use e2h_core::{RootSeed, Task};

    use super::*;

    #[test]
    fn a_walk_is_legal_and_never_steps_back() {
        let mut rng = RootSeed(2).stream("walk", &[]);
        for _ in 0..200 {
            let mut state = arrangement(4, false, &mut rng);
            let actions = walk(&state, 8, &mut rng);
            assert!(!actions.is_empty());
            assert!(actions.windows(2).all(|pair| pair[1] != pair[0].undo()));
            assert!(actions.into_iter().all(|action| state.apply(action)));
        }
    }

    #[test]
    fn blind_walks_of_the_right_length_guess_less_often_on_harder_levels() {
        let task = Blocksworld::new(BlocksworldConfig::nano()).expect("valid");
        let mut rng = RootSeed(2).stream("guess", &[]);
        let rates = [0, 2, 4].map(|level| {
            let length = task.config().all_levels()[level];
            let mut hits = 0;
            for _ in 0..1_000 {
                let problem = task.generate(Level::at(level), Split::Train, &mut rng);
                let instance =
                    Blocksworld::instance(&problem.expect("a problem")).expect("well formed");
                let mut state = instance.start;
                for action in walk(&state, length, &mut rng) {
                    state.apply(action);
                }
                hits += usize::from(instance.goal.iter().all(|&fact| state.holds(fact)));
            }
            hits
        });
        assert!(rates[0] < 500 && rates[0] > rates[1] && rates[1] > rates[2], "{rates:?}");
        assert!(rates[2] < 100, "{rates:?}");
    }

    #[test]
    fn a_configuration_without_problems_is_exhausted_not_endless() {
        let config =
            BlocksworldConfig { levels: vec![16], max_blocks: 2, ..BlocksworldConfig::default() };
        let task = Blocksworld::new(config).expect("valid");
        let error = task.generate(Level(0), Split::Train, &mut RootSeed(0).stream("x", &[]));
        assert!(matches!(error, Err(Error::Exhausted { .. })));
    }
}
