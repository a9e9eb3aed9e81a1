//! Random legal play, in the compact style.
//!
//! A completion is ` a op b = c left REST ; ... ; a op b = c </think> <answer> EXPRESSION </answer>`: each move is
//! followed by the numbers that are left, ascending, so that the rest reads like a smaller problem.

use e2h_core::{Error, Level, Play, PlayConfig, Result, Split, Stream};
use rand::RngExt;

use super::{Countdown, CountdownConfig, NAME, Op, canonical, generate, moves, words};
use crate::format::{self, FRAME_WORDS};

/// Draws made before a play is given up.
const MAX_ATTEMPTS: u64 = 10_000;

/// Every word of compact prompts and plays.
pub(super) fn vocabulary(config: &CountdownConfig) -> Vec<String> {
    let fixed = ["countdown", "target", "left", "=", ";", "(", ")"];
    let signs = Op::ALL.map(Op::sign);
    let largest = config.value_bound().min(config.max_value.unwrap_or(config.max_number));
    let fixed = FRAME_WORDS.into_iter().chain(fixed).chain(signs).map(str::to_owned);
    fixed.chain((0..=largest).map(|number| number.to_string())).collect()
}

/// Draws one play.
pub(super) fn random_play(task: &Countdown, play: &PlayConfig, rng: &mut Stream) -> Result<Play> {
    let config = task.config();
    format::require_compact(config.style)?;
    let sizes = if config.play_ood { config.all_levels() } else { config.levels.clone() };
    for _ in 0..MAX_ATTEMPTS {
        let level = rng.random_range(0..sizes.len());
        let numbers = generate::numbers(config, sizes[level], rng);
        let Some((completion, reached)) = walk(config, &numbers, rng) else {
            continue;
        };
        let in_range = (config.min_target..=config.max_target).contains(&reached);
        let told = sizes[level] - 1 <= play.hindsight_max_moves
            && in_range
            && rng.random_bool(play.hindsight_frac.clamp(0.0, 1.0));
        let target =
            if told { reached } else { rng.random_range(config.min_target..=config.max_target) };
        if Split::of(&canonical(&numbers, i128::from(target))) != Split::Train {
            continue;
        }
        let problem = task.problem(Level::at(level), &numbers, target);
        return Ok(Play { problem, completion });
    }
    let what = "random play".to_owned();
    Err(Error::Exhausted { task: NAME.to_owned(), what, attempts: MAX_ATTEMPTS })
}

/// Combines all numbers by uniform legal moves; returns the completion and the number reached.
fn walk(config: &CountdownConfig, numbers: &[u64], rng: &mut Stream) -> Option<(String, u64)> {
    let mut table = moves::table(numbers);
    let mut legal = Vec::new();
    let mut text = String::new();
    while table.len() > 1 {
        moves::legal(&table, &config.operators, config.value_bound(), &mut legal);
        let chosen = moves::draw(&legal, rng)?;
        let (a, b) = (table[chosen.left].value, table[chosen.right].value);
        text.push_str(&format!(" {a} {} {b} = {}", chosen.op.sign(), chosen.value));
        moves::make(&mut table, chosen);
        if table.len() > 1 {
            let left: Vec<u64> = table.iter().map(|item| item.value).collect();
            text.push_str(&format!(" left {} ;", words(&left)));
        }
    }
    let reached = table.pop()?;
    text.push_str(&format!(" </think> <answer> {} </answer>", reached.text));
    Some((text, reached.value))
}
