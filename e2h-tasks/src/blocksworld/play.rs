//! Random legal play, in the compact style.
//!
//! A completion is ` ACTION : STATE ; ... ; ACTION : STATE </think> <answer> ACTION ; ... ; ACTION </answer>`: each action
//! is followed by the state that it leads to, written like the prompt's, so that the rest reads like a shorter
//! problem.

use std::collections::BTreeSet;

use e2h_core::{Error, Level, Play, PlayConfig, Result, Split, Stream};
use rand::RngExt;

use super::state::{Action, Fact, State};
use super::{Blocksworld, BlocksworldConfig, Instance, NAME, canonical, compact, generate};
use crate::format::{self, FRAME_WORDS};

/// Draws made before a play is given up.
const MAX_ATTEMPTS: u64 = 10_000;

/// Every word of compact prompts and plays.
pub(super) fn vocabulary(config: &BlocksworldConfig) -> Vec<String> {
    let sets: BTreeSet<String> = config
        .names
        .iter()
        .flat_map(|set| {
            let names = set.names();
            let n = if config.random_names { names.len() } else { config.max_blocks };
            names.iter().take(n).map(|name| compact::word(name))
        })
        .collect();
    let fixed = FRAME_WORDS.into_iter().chain(compact::WORDS).map(str::to_owned);
    fixed.chain(sets).collect()
}

/// Draws one play.
pub(super) fn random_play(task: &Blocksworld, play: &PlayConfig, rng: &mut Stream) -> Result<Play> {
    let config = task.config();
    format::require_compact(config.style)?;
    let lengths = if config.play_ood { config.all_levels() } else { config.levels.clone() };
    let longest = lengths.iter().copied().max().unwrap_or(1);
    for _ in 0..MAX_ATTEMPTS {
        let (names, start) = generate::start(config, rng);
        let actions = generate::walk(&start, rng.random_range(1..=longest), rng);
        let told = actions.len() <= play.hindsight_max_moves
            && rng.random_bool(play.hindsight_frac.clamp(0.0, 1.0));
        let goal = if told {
            let mut end = start;
            actions.iter().for_each(|&action| {
                end.apply(action);
            });
            generate::goal(config, &start, &end, rng)
        } else {
            unrelated_goal(config, &start, &lengths, rng)
        };
        let instance = Instance { names, start, goal };
        if instance.goal.is_empty() || Split::of(&canonical(&instance)) != Split::Train {
            continue;
        }
        let level = lengths.iter().position(|&n| n >= actions.len()).unwrap_or(0);
        let problem = task.problem(Level::at(level), &instance);
        return Ok(Play { problem, completion: completion(&instance, &actions) });
    }
    let what = "random play".to_owned();
    Err(Error::Exhausted { task: NAME.to_owned(), what, attempts: MAX_ATTEMPTS })
}

/// A goal from a random arrangement of the same blocks, the hand full as often as at the end of the levels' plans.
fn unrelated_goal(
    config: &BlocksworldConfig,
    start: &State,
    lengths: &[usize],
    rng: &mut Stream,
) -> Vec<Fact> {
    let length = lengths[rng.random_range(0..lengths.len())];
    let holding = start.held().is_some() != (length % 2 == 1);
    let end = generate::arrangement(start.n_blocks(), holding, rng);
    generate::goal(config, start, &end, rng)
}

fn completion(instance: &Instance, actions: &[Action]) -> String {
    let Instance { names, start, .. } = instance;
    let mut state = *start;
    let (mut steps, mut plan) = (Vec::new(), Vec::new());
    for &action in actions {
        state.apply(action);
        let words = compact::write_action(action, names);
        steps.push(format!("{words} : {}", compact::write_state(&state, names)));
        plan.push(words);
    }
    format!(" {} </think> <answer> {} </answer>", steps.join(" ; "), plan.join(" ; "))
}
