//! `e2h tasks play`: random legal play as rows that `e2h sft` reads, for a model that comes with its own tokenizer.

use e2h_core::RootSeed;
use serde_json::json;

use crate::commands::tasks::first_problem;
use crate::config::ConfigArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::out;

/// `e2h tasks play`
#[derive(Debug, clap::Args)]
pub(crate) struct PlayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Number of plays
    #[arg(long, short, default_value_t = 10)]
    n: u64,
}

/// Runs the command.
pub(crate) fn run(args: &PlayArgs) -> Outcome {
    let config = args.config.resolve()?.value;
    let Some(task) = config.task.clone().legal_play().map_err(first_problem)? else {
        return Err(Failure::usage("this task cannot be played at random")
            .hint("countdown and blocksworld can"));
    };
    let seed = RootSeed(config.seed);
    for index in 0..args.n {
        let mut rng = seed.stream("play/row", &[index]);
        let play = task.random_play(&config.base.sft.play, &mut rng).map_err(Failure::run)?;
        let prompt = task.prompt(&play.problem).map_err(Failure::run)?;
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let system = prompt.system.as_deref().map(|text| message("system", text));
        let answer = format!("{}{}", prompt.assistant_prefix, play.completion);
        let talk = [message("user", &prompt.user), message("assistant", &answer)];
        let messages: Vec<_> = system.into_iter().chain(talk).collect();
        out(&json!({"messages": messages}).to_string());
    }
    Ok(())
}
