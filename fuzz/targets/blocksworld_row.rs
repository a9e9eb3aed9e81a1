//! The reader of Blocksworld states and goals: one line each.

#![no_main]

use e2h_core::{Level, Problem, Task};
use e2h_tasks::registry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (question, answer) = text.split_once('\n').unwrap_or((text, text));
    let problem = Problem {
        id: String::new(),
        task: "blocksworld".to_owned(),
        level: Level(0),
        question: question.into(),
        answer: answer.into(),
        solution: None,
        extra: Default::default(),
    };
    let task = registry::task("blocksworld").expect("a known task");
    let _ = (task.canonical(&problem), task.prompt(&problem));
    let _ = task.score_answer(&problem, "pick up the red block");
});
