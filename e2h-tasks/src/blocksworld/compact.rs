//! The compact style: states, goals and plans in a few space-separated words.
//!
//! A state is its towers, bottom to top, separated by `|` and ordered by the name of the bottom block, with
//! `| hold x` at the end when the hand is full. A goal is its facts separated by `,`: `x on y`, `x on table`,
//! `clear x`, `hold x`, `hand empty`. A plan is its actions separated by `;`: `pick x`, `put x`, `stack x y`,
//! `unstack x y`. Names are written in lower case, with `_` for a space.

use super::state::{Action, Block, Fact, State};
use super::text::{BadLine, Names};

/// The words that are no names.
pub(super) const WORDS: [&str; 16] = [
    "blocks", "goal", "|", ",", ";", ":", "on", "table", "clear", "hold", "hand", "empty", "pick",
    "put", "stack", "unstack",
];

/// The word of a name.
pub(super) fn word(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "_")
}

fn words(names: &[String]) -> Vec<String> {
    names.iter().map(|name| word(name)).collect()
}

/// A state in compact words.
pub(super) fn write_state(state: &State, names: &[String]) -> String {
    let words = words(names);
    let word = |x: Block| words[usize::from(x)].as_str();
    let tower = |tower: Vec<Block>| tower.into_iter().map(word).collect::<Vec<_>>().join(" ");
    let mut parts: Vec<String> = state.stacks().into_iter().map(tower).collect();
    parts.sort_unstable();
    parts.extend(state.held().map(|x| format!("hold {}", word(x))));
    parts.join(" | ")
}

/// A goal in compact words, its facts in order.
pub(super) fn write_goal(goal: &[Fact], names: &[String]) -> String {
    let words = words(names);
    let word = |x: Block| words[usize::from(x)].as_str();
    let mut facts: Vec<(u8, String)> = goal
        .iter()
        .map(|&fact| match fact {
            Fact::On(x, y) => (0, format!("{} on {}", word(x), word(y))),
            Fact::OnTable(x) => (1, format!("{} on table", word(x))),
            Fact::Clear(x) => (2, format!("clear {}", word(x))),
            Fact::Holding(x) => (3, format!("hold {}", word(x))),
            Fact::HandEmpty => (4, "hand empty".to_owned()),
        })
        .collect();
    facts.sort_unstable();
    facts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" , ")
}

/// An action in compact words.
pub(super) fn write_action(action: Action, names: &[String]) -> String {
    let word = |x: Block| word(&names[usize::from(x)]);
    match action {
        Action::PickUp(x) => format!("pick {}", word(x)),
        Action::PutDown(x) => format!("put {}", word(x)),
        Action::Stack(x, y) => format!("stack {} {}", word(x), word(y)),
        Action::Unstack(x, y) => format!("unstack {} {}", word(x), word(y)),
    }
}

/// A plan in compact words.
pub(super) fn write_plan(plan: &[Action], names: &[String]) -> String {
    let actions: Vec<String> = plan.iter().map(|&action| write_action(action, names)).collect();
    actions.join(" ; ")
}

/// Reads one action between semicolons.
pub(super) fn read_action(text: &str, names: &Names<'_>) -> Result<Action, BadLine> {
    let mut words = text.split_whitespace();
    let verb = words.next().ok_or(BadLine::NotAnAction)?;
    let mut block = || {
        let word = words.next().ok_or(BadLine::NotAnAction)?;
        let by_word = || names.find_by(|name| is_word_of(word, name));
        names.find(word).or_else(by_word).ok_or(BadLine::UnknownBlock)
    };
    let action = match verb {
        "pick" => Action::PickUp(block()?),
        "put" => Action::PutDown(block()?),
        "stack" => Action::Stack(block()?, block()?),
        "unstack" => Action::Unstack(block()?, block()?),
        _ => return Err(BadLine::NotAnAction),
    };
    if words.next().is_some() { Err(BadLine::NotAnAction) } else { Ok(action) }
}

/// True when a word is a name with `_` for its spaces, in any case.
fn is_word_of(word: &str, name: &str) -> bool {
    let spaced = word.bytes().map(|byte| if byte == b'_' { b' ' } else { byte });
    word.len() == name.len() && spaced.zip(name.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocksworld::state::Place;
    use crate::blocksworld::text::read_state;

    fn names() -> Vec<String> {
        ["A", "b", "light blue", "D"].map(str::to_owned).to_vec()
    }

    #[test]
    fn states_and_goals_have_one_order() {
        let state = State::new(&[Place::On(3), Place::Table, Place::Hand, Place::Table])
            .expect("an arrangement");
        assert_eq!(write_state(&state, &names()), "b | d a | hold light_blue");
        let goal =
            [Fact::HandEmpty, Fact::OnTable(0), Fact::On(3, 1), Fact::On(0, 3), Fact::Clear(0)];
        let expected = "a on d , d on b , a on table , clear a , hand empty";
        assert_eq!(write_goal(&goal, &names()), expected);
    }

    #[test]
    fn actions_read_back_as_they_were_written() {
        let text = "the A block is on the table, the b block is on the table, the light blue block is on the table \
                    and the D block is on the table";
        let (known, _) = read_state(text).expect("a state");
        assert_eq!(known.list(), names());
        for action in
            [Action::PickUp(0), Action::PutDown(2), Action::Stack(2, 3), Action::Unstack(0, 1)]
        {
            assert_eq!(read_action(&write_action(action, &names()), &known), Ok(action));
        }
        assert_eq!(read_action("pick z", &known), Err(BadLine::UnknownBlock));
        for text in ["", " ", "pick", "pick a b", "pick up a", "stack a", "Pick a"] {
            assert!(read_action(text, &known).is_err(), "{text:?}");
        }
    }
}
