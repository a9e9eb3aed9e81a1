//! The published wording of states, goals and plans.
//!
//! States and goals are lists of facts joined by commas and a last `and`; plans are lines of actions.
//! A block is `the NAME block`, or `the block NAME`.
//!
//! # Deviations
//! 1. States are read a little more freely than the reference reads them: a full stop at the end, line breaks or
//!    `and also` between facts, and a missing fact about the hand are taken. A state must be possible.
//! 2. `[PLAN END]` is passed over wherever it stands; the reference drops the rest of its line as well.

use super::state::{Action, Block, Fact, MAX_BLOCKS, Place, State};

/// A state or goal that cannot be read, in words.
pub(super) type Unread = String;

/// The names of blocks in order of appearance, as they stand in a text; case does not matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    list: [&'a str; MAX_BLOCKS],
    n: usize,
}

impl<'a> Names<'a> {
    fn none() -> Self {
        Self { list: [""; MAX_BLOCKS], n: 0 }
    }

    /// The names as a list: block `i` has the name at `i`.
    pub(super) fn list(&self) -> &[&'a str] {
        &self.list[..self.n]
    }

    /// The block of a name.
    pub(super) fn find(&self, name: &str) -> Option<Block> {
        self.find_by(|known| known.eq_ignore_ascii_case(name))
    }

    /// The first block whose name is as asked.
    pub(super) fn find_by(&self, is_it: impl Fn(&str) -> bool) -> Option<Block> {
        (0..).zip(self.list()).find(|(_, known)| is_it(known)).map(|(block, _)| block)
    }

    /// The block of a name, a new one where the name is new and there is room for it.
    fn find_or_add(&mut self, name: &'a str) -> Option<Block> {
        if let Some(block) = self.find(name) {
            return Some(block);
        }
        *self.list.get_mut(self.n)? = name;
        self.n += 1;
        Block::try_from(self.n - 1).ok()
    }
}

/// Reads a state: the names of its blocks, in order of appearance, and the arrangement.
pub(super) fn read_state(text: &str) -> Result<(Names<'_>, State), Unread> {
    let mut names = Names::none();
    let mut facts = Vec::with_capacity(2 * MAX_BLOCKS);
    for phrase in phrases(text) {
        let fact = read_fact(phrase, |name| names.find_or_add(name));
        facts.push(fact.ok_or_else(|| format!("has no fact in `{}`", start_of(phrase)))?);
    }
    let mut places: [Option<Place>; MAX_BLOCKS] = [None; MAX_BLOCKS];
    for &fact in &facts {
        let (x, place) = match fact {
            Fact::On(x, y) => (x, Place::On(y)),
            Fact::OnTable(x) => (x, Place::Table),
            Fact::Holding(x) => (x, Place::Hand),
            Fact::Clear(_) | Fact::HandEmpty => continue,
        };
        if places[usize::from(x)].replace(place).is_some_and(|before| before != place) {
            return Err(format!("puts the {} block in two places", names.list[usize::from(x)]));
        }
    }
    let mut known = [Place::Table; MAX_BLOCKS];
    for (at, name) in names.list().iter().enumerate() {
        known[at] = places[at].ok_or_else(|| format!("does not say where the {name} block is"))?;
    }
    let state = State::new(&known[..names.n]).ok_or("is no possible arrangement")?;
    match facts.iter().all(|&fact| state.holds(fact)) {
        true if names.n > 0 => Ok((names, state)),
        true => Err("names no block".to_owned()),
        false => Err("contradicts itself".to_owned()),
    }
}

/// Reads a goal over known blocks.
pub(super) fn read_goal(text: &str, names: &Names<'_>) -> Result<Vec<Fact>, Unread> {
    let fact = |phrase| {
        read_fact(phrase, |name| names.find(name))
            .ok_or_else(|| format!("has no fact in `{}`", start_of(phrase)))
    };
    let goal: Vec<Fact> = phrases(text).map(fact).collect::<Result<_, _>>()?;
    if goal.is_empty() { Err("asks for nothing".to_owned()) } else { Ok(goal) }
}

/// The beginning of a phrase, for a message.
fn start_of(phrase: &str) -> &str {
    phrase.char_indices().nth(80).map_or(phrase, |(at, _)| &phrase[..at])
}

/// The phrases of a list of facts: parted by commas, line feeds and `and`.
fn phrases(text: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let (phrase, rest) = cut_phrase(left?);
        left = rest;
        Some(phrase)
    })
    .map(|phrase| {
        let phrase = phrase.trim().trim_end_matches('.').trim_end();
        let phrase = phrase.strip_prefix("and ").unwrap_or(phrase);
        phrase.strip_prefix("also ").unwrap_or(phrase)
    })
    .filter(|phrase| !phrase.is_empty())
}

/// The text up to the first separator, and the text after it if there is one.
fn cut_phrase(text: &str) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let length = match byte {
            b',' | b'\n' => 1,
            b' ' if bytes[at..].starts_with(b" and ") => 5,
            _ => continue,
        };
        return (&text[..at], Some(&text[at + length..]));
    }
    (text, None)
}

fn read_fact<'a>(phrase: &'a str, mut block: impl FnMut(&'a str) -> Option<Block>) -> Option<Fact> {
    if phrase == "the hand is empty" {
        return Some(Fact::HandEmpty);
    }
    if let Some(x) = phrase.strip_prefix("the hand is holding ") {
        return Some(Fact::Holding(block(name(x)?)?));
    }
    if let Some(x) = phrase.strip_suffix(" is clear") {
        return Some(Fact::Clear(block(name(x)?)?));
    }
    if let Some(x) = phrase.strip_suffix(" is on the table") {
        return Some(Fact::OnTable(block(name(x)?)?));
    }
    let (x, y) = split_exactly(phrase, " is on top of ")?;
    Some(Fact::On(block(name(x)?)?, block(name(y)?)?))
}

/// The name in `the NAME block` or `the block NAME`, in any case.
fn name(phrase: &str) -> Option<&str> {
    let inner = without_prefix(phrase, "the ")?;
    let name = without_suffix(inner, " block").or_else(|| without_prefix(inner, "block "))?;
    (!name.is_empty() && name.trim() == name).then_some(name)
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

fn without_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

/// Splits at an occurrence of an ASCII `separator`: the first in its own case, or else the first in any case.
fn split_once<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    if let Some(parts) = split_exactly(text, separator) {
        return Some(parts); // The usual case, and a fast search.
    }
    let windows = text.as_bytes().windows(separator.len());
    let at = windows.into_iter().position(|w| w.eq_ignore_ascii_case(separator.as_bytes()))?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// Splits at the first `separator`; for short texts faster than the search of the standard library, which prepares.
fn split_exactly<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (bytes, wanted) = (text.as_bytes(), separator.as_bytes());
    let is_here = |at: &usize| bytes[*at] == wanted[0] && bytes[*at..].starts_with(wanted);
    let at = (0..bytes.len()).find(is_here)?;
    Some((&text[..at], &text[at + wanted.len()..]))
}

/// Why a line of a plan was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    NotAnAction,
    UnknownBlock,
}

/// Reads one line of a plan; `Ok(None)` for an empty line.
pub(super) fn read_line(line: &str, names: &Names<'_>) -> Result<Option<Action>, BadLine> {
    let mut line = line.trim_matches(crate::format::is_space);
    if line.contains('[')
        && let Some((before, after)) = split_once(line, "[plan end]")
    {
        let (before, after) = (before.trim_end(), after.trim_start());
        line = if before.is_empty() { after } else { before };
        if !before.is_empty() && !after.is_empty() {
            return Err(BadLine::NotAnAction);
        }
    }
    if line.is_empty() {
        return Ok(None);
    }
    // Punctuation may follow the last word at once: a dot, a semicolon.
    let line =
        line.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '_' || c.is_whitespace()));
    let phrases = parse(line).ok_or(BadLine::NotAnAction)?;
    let block = |phrase| names.find(phrase).ok_or(BadLine::UnknownBlock);
    Ok(Some(match phrases {
        Phrase::PickUp(x) => Action::PickUp(block(x)?),
        Phrase::PutDown(x) => Action::PutDown(block(x)?),
        Phrase::Stack(x, y) => Action::Stack(block(x)?, block(y)?),
        Phrase::Unstack(x, y) => Action::Unstack(block(x)?, block(y)?),
    }))
}

enum Phrase<'a> {
    PickUp(&'a str),
    PutDown(&'a str),
    Stack(&'a str, &'a str),
    Unstack(&'a str, &'a str),
}

fn parse(line: &str) -> Option<Phrase<'_>> {
    if let Some(x) = without_prefix(line, "pick up ") {
        return Some(Phrase::PickUp(name(x)?));
    }
    if let Some(x) = without_prefix(line, "put down ") {
        return Some(Phrase::PutDown(name(x)?));
    }
    if let Some(rest) = without_prefix(line, "unstack ") {
        let (x, y) = split_once(rest, " from on top of ")?;
        return Some(Phrase::Unstack(name(x)?, name(y)?));
    }
    let (x, y) = split_once(without_prefix(line, "stack ")?, " on top of ")?;
    Some(Phrase::Stack(name(x)?, name(y)?))
}

/// A state in the published wording: clear blocks, the hand, then the place of each block.
pub(super) fn write_state(state: &State, names: &[String]) -> String {
    let clear = state.blocks().filter(|&x| state.is_clear(x)).map(Fact::Clear);
    let hand = state.held().map_or(Fact::HandEmpty, Fact::Holding);
    let places = state.blocks().map(|x| state.position(x));
    let places = places.filter(|fact| !matches!(fact, Fact::Holding(_)));
    let facts: Vec<Fact> = clear.chain([hand]).chain(places).collect();
    write_facts(&facts, names)
}

/// Facts in the published wording.
pub(super) fn write_facts(facts: &[Fact], names: &[String]) -> String {
    let texts: Vec<String> = facts.iter().map(|&fact| write_fact(fact, names)).collect();
    match texts.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => texts.concat(),
    }
}

fn write_fact(fact: Fact, names: &[String]) -> String {
    let block = |x: Block| format!("the {} block", names[usize::from(x)]);
    match fact {
        Fact::On(x, y) => format!("{} is on top of {}", block(x), block(y)),
        Fact::OnTable(x) => format!("{} is on the table", block(x)),
        Fact::Clear(x) => format!("{} is clear", block(x)),
        Fact::Holding(x) => format!("the hand is holding {}", block(x)),
        Fact::HandEmpty => "the hand is empty".to_owned(),
    }
}

/// A plan in the published wording, one action a line.
pub(super) fn write_plan(plan: &[Action], names: &[String]) -> String {
    let block = |x: Block| format!("the {} block", names[usize::from(x)]);
    let line = |action: &Action| match *action {
        Action::PickUp(x) => format!("pick up {}", block(x)),
        Action::PutDown(x) => format!("put down {}", block(x)),
        Action::Stack(x, y) => format!("stack {} on top of {}", block(x), block(y)),
        Action::Unstack(x, y) => format!("unstack {} from on top of {}", block(x), block(y)),
    };
    plan.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "the red block is clear, the light blue block is clear, the hand is empty, \
                         the red block is on top of the 1st block, the light blue block is on the table and \
                         the 1st block is on the table";

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        let (names, state) = read_state(STATE).expect("a state");
        assert_eq!(names.list(), ["red", "light blue", "1st"]);
        let owned: Vec<String> = names.list().iter().map(|&name| name.to_owned()).collect();
        let text = write_state(&state, &owned);
        let (names_again, state_again) = read_state(&text).expect("a state");
        assert_eq!((names_again.list(), state_again), (names.list(), state));
    }

    #[test]
    fn impossible_states_are_refused() {
        for text in [
            "",
            "the red block is clear",
            "the red block is on the table and the red block is on top of the blue block",
            "the red block is on top of the blue block and the blue block is on top of the red block",
            "the red block is on the table and the hand is holding the red block",
            "the red block is on the table, the blue block is on top of the red block and the red block is clear",
            "the red block sits on the table",
        ] {
            assert!(read_state(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_are_read_in_the_published_wording_only() {
        let (names, _) = read_state(STATE).expect("a state");
        let check = |line: &str, expect| assert_eq!(read_line(line, &names), expect, "{line:?}");
        check("pick up the red block", Ok(Some(Action::PickUp(0))));
        check("\tPUT DOWN the Light Blue block.", Ok(Some(Action::PutDown(1))));
        check("stack the red block on top of the block 1st;", Ok(Some(Action::Stack(0, 2))));
        check(
            "unstack the red block from on top of the 1st block",
            Ok(Some(Action::Unstack(0, 2))),
        );
        check("[PLAN END]", Ok(None));
        check("put down the red block [plan end]", Ok(Some(Action::PutDown(0))));
        check(" ", Ok(None));
        check("pick up the ghost block", Err(BadLine::UnknownBlock));
        for line in [
            "- pick up the red block",
            "1) pick up the red block",
            "pick up  the red block",
            "pick up the red block (done)",
            "pick up the red block_",
            "pick up red block",
            "stack the red block",
            "put down the red block on the table",
            "nonsense [plan end] here",
            "pick up the red block\u{a0}.",
        ] {
            check(line, Err(BadLine::NotAnAction));
        }
    }
}
