//! The verifier of Blocksworld plans, in both wordings.

#![no_main]

use std::sync::LazyLock;

use e2h_core::{Level, Problem, RootSeed, Split, Task};
use e2h_tasks::registry;
use libfuzzer_sys::fuzz_target;

static TASKS: LazyLock<Vec<(Box<dyn Task>, Problem)>> = LazyLock::new(|| {
    let build = |name| {
        let task = registry::task(name).expect("a known task");
        let mut rng = RootSeed(0).stream("fuzz", &[]);
        let problem = task.generate(Level(2), Split::Train, &mut rng).expect("a problem");
        (task, problem)
    };
    vec![build("blocksworld"), build("blocksworld-nano")]
});

fuzz_target!(|text: &str| {
    for (task, problem) in TASKS.iter() {
        let _ = task.score_answer(problem, text);
        let _ = task.explain(problem, text);
    }
});
