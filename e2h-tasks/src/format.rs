//! The format of a completion, and the answer in it.
//!
//! The prompt ends in `<think>`, so a completion keeps the format when it reads
//! `THOUGHT </think> SPACE <answer> ANSWER </answer> SPACE`: each of the three remaining tags once and in this
//! order, no second `<think>`, a visible character in THOUGHT and in ANSWER, white space alone elsewhere.
//!
//! # Source
//! The format reward of the E2H reference code (arXiv 2506.06632).
//!
//! # Deviations
//! 1. A thought or answer of nothing but invisible characters (zero width, control, filler) counts as empty;
//!    the reference takes U+200B for content.
//!
//! # Invariants
//! - One pass over at most [`MAX_BYTES`], no allocation, no panic on any UTF-8.
//! - White space is what Python's `str.strip` takes: Unicode white space and U+001C to U+001F.

use e2h_core::{Error, Prompt, PromptStyle};

/// Longest completion that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a completion does not keep the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatFault {
    /// A tag is doubled or stands before one that must come first.
    Order,
    /// `</think>`, `<answer>` or `</answer>` is missing.
    Missing,
    /// There is no visible character before `</think>`.
    EmptyThought,
    /// There is no visible character between `<answer>` and `</answer>`.
    EmptyAnswer,
    /// Text stands between `</think>` and `<answer>`.
    TextBetween,
    /// Text follows `</answer>`.
    TextAfter,
    /// The completion is longer than [`MAX_BYTES`].
    TooLong,
}

impl FormatFault {
    /// The fault in a few words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Order => "a tag is doubled or out of order",
            Self::Missing => "a tag is missing",
            Self::EmptyThought => "nothing stands before </think>",
            Self::EmptyAnswer => "the answer is empty",
            Self::TextBetween => "text stands between </think> and <answer>",
            Self::TextAfter => "text follows </answer>",
            Self::TooLong => "the completion is too long",
        }
    }
}

/// The tags that may still come, in their order.
const TAGS: [&str; 3] = ["</think>", "<answer>", "</answer>"];

/// The answer of a completion that keeps the format, without the white space around it.
///
/// ```
/// use e2h_tasks::format::{FormatFault, answer};
/// assert_eq!(answer(" 1 and 1 is 2.</think>\n<answer> 2 </answer>"), Ok("2"));
/// assert_eq!(answer("2"), Err(FormatFault::Missing));
/// ```
///
/// # Errors
/// The first [`FormatFault`] found.
pub fn answer(completion: &str) -> Result<&str, FormatFault> {
    if completion.len() > MAX_BYTES {
        return Err(FormatFault::TooLong);
    }
    let mut found = [(0, 0); 3]; // Start and end of each tag, in bytes.
    let mut n_found = 0;
    let mut from = 0;
    while let Some(offset) = completion[from..].find('<') {
        let start = from + offset;
        let rest = &completion[start..];
        from = start + 1;
        // The next characters tell which tag it may be, so that each place is compared with one at most.
        let tag = match rest.as_bytes() {
            [_, b't', ..] if rest.starts_with("<think>") => return Err(FormatFault::Order),
            [_, b'/', b't', ..] => 0,
            [_, b'a', ..] => 1,
            [_, b'/', b'a', ..] => 2,
            _ => continue,
        };
        if !rest.starts_with(TAGS[tag]) {
            continue;
        }
        if tag != n_found {
            return Err(FormatFault::Order);
        }
        from = start + TAGS[tag].len();
        found[tag] = (start, from);
        n_found += 1;
    }
    if n_found < TAGS.len() {
        return Err(FormatFault::Missing);
    }
    let [(thought_end, think_close), (answer_open, answer_start), (answer_end, after)] = found;
    if !completion[..thought_end].contains(is_visible) {
        return Err(FormatFault::EmptyThought);
    }
    if completion[think_close..answer_open].contains(|c| !is_space(c)) {
        return Err(FormatFault::TextBetween);
    }
    if completion[after..].contains(|c| !is_space(c)) {
        return Err(FormatFault::TextAfter);
    }
    let answer = &completion[answer_start..answer_end];
    if !answer.contains(is_visible) {
        return Err(FormatFault::EmptyAnswer);
    }
    Ok(answer.trim_matches(is_space))
}

/// The system message of all chat prompts.
const SYSTEM: &str = "You are a careful assistant. You first reason about the problem step by step, and then \
                      give the user your final answer.";

/// A chat prompt with the common system message and assistant prefix.
pub(crate) fn chat_prompt(user: String) -> Prompt {
    Prompt {
        system: Some(SYSTEM.to_owned()),
        user,
        assistant_prefix: "Let me solve this step by step.\n<think>".to_owned(),
    }
}

/// A compact prompt: no system message, and `<think>` alone as the prefix.
pub(crate) fn compact_prompt(user: String) -> Prompt {
    Prompt { system: None, user, assistant_prefix: "<think>".to_owned() }
}

/// Refuses random play in another style than the compact one, in which plays are worded.
pub(crate) fn require_compact(style: PromptStyle) -> Result<(), Error> {
    match style {
        PromptStyle::Compact => Ok(()),
        PromptStyle::Chat => Err(Error::OutOfRange {
            name: "style".to_owned(),
            got: "`chat`".to_owned(),
            expected: "`compact` for random play".to_owned(),
        }),
    }
}

/// The words that frame every compact completion.
pub(crate) const FRAME_WORDS: [&str; 4] = ["<think>", "</think>", "<answer>", "</answer>"];

/// True for the white space that `str.strip` of Python removes.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// True for a character that leaves a mark: no white space, control, zero-width or filler character.
fn is_visible(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || is_ignorable(c))
}

/// The default-ignorable code points of Unicode, and the blank braille pattern.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(completion: &str, expect: Result<&str, FormatFault>) {
        assert_eq!(answer(completion), expect, "{completion:?}");
    }

    #[test]
    fn each_fault_has_its_name() {
        check("x</think><answer>1</answer>", Ok("1"));
        check("x</think>\u{1c}\n<answer> 1\u{3000}</answer>\n", Ok("1"));
        check("x</think><answer>a<b</ans</answer>", Ok("a<b</ans"));
        check("<think>x</think><answer>1</answer>", Err(FormatFault::Order));
        check("x</think><answer>1</answer></answer>", Err(FormatFault::Order));
        check("<answer></think>1</answer>", Err(FormatFault::Order));
        check("x</think><answer>1", Err(FormatFault::Missing));
        check("\u{200b} </think><answer>1</answer>", Err(FormatFault::EmptyThought));
        check("x</think><answer>\u{2800}</answer>", Err(FormatFault::EmptyAnswer));
        check("x</think>\u{200b}<answer>1</answer>", Err(FormatFault::TextBetween));
        check("x</think><answer>1</answer>.", Err(FormatFault::TextAfter));
    }
}
