//! The wording of Blocksworld prompts.

use e2h_core::{Prompt, PromptStyle};

use super::{Instance, compact, text};
use crate::format;

/// The prompt of an instance.
pub(super) fn prompt(style: PromptStyle, instance: &Instance) -> Prompt {
    let Instance { names, start, goal } = instance;
    match style {
        PromptStyle::Chat => format::chat_prompt(format!(
            "You have a hand and some blocks, which stand on the table or on one another. Four actions are possible, \
             one at a time:\n\
             - pick up the X block: takes X from the table. The hand must be empty and nothing on X.\n\
             - put down the X block: puts X, which the hand holds, on the table.\n\
             - stack the X block on top of the Y block: puts X, which the hand holds, on Y. Nothing may be on Y.\n\
             - unstack the X block from on top of the Y block: takes X from Y. The hand must be empty and nothing \
             on X.\n\n\
             At the start, {}.\n\
             Find the shortest plan after which {}.\n\n\
             Reason inside <think> </think> tags, then give the plan alone inside <answer> </answer> tags, one action \
             a line, worded as above.",
            text::write_state(start, names),
            text::write_facts(goal, names),
        )),
        PromptStyle::Compact => format::compact_prompt(format!(
            "blocks {} goal {}",
            compact::write_state(start, names),
            compact::write_goal(goal, names)
        )),
    }
}
