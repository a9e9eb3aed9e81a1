//! The wording of Countdown prompts.

use e2h_core::{Prompt, PromptStyle};

use super::{CountdownConfig, Instance, words};
use crate::format;

/// The prompt of an instance.
pub(super) fn prompt(config: &CountdownConfig, instance: &Instance) -> Prompt {
    match config.style {
        PromptStyle::Chat => chat(config, instance),
        PromptStyle::Compact => {
            let mut numbers = instance.numbers.clone();
            numbers.sort_unstable();
            format::compact_prompt(format!(
                "countdown {} target {}",
                words(&numbers),
                instance.target
            ))
        }
    }
}

fn chat(config: &CountdownConfig, instance: &Instance) -> Prompt {
    let numbers: Vec<String> = instance.numbers.iter().map(u64::to_string).collect();
    let signs: Vec<&str> = config.operators.iter().map(|op| op.sign()).collect();
    format::chat_prompt(format!(
        "Write an arithmetic expression that equals {target}. It must use each of the numbers {numbers} exactly \
         once, and nothing else but the operations {signs} and parentheses. Reason inside <think> </think> tags, \
         then give the expression alone, without an equals sign, inside <answer> </answer> tags, for example \
         <answer> (1 + 2) * 3 </answer>.",
        target = instance.target,
        numbers = numbers.join(", "),
        signs = signs.join(" "),
    ))
}
