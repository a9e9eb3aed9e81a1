//! The command line of E2H: reinforcement learning of language models on a curriculum from easy to hard.
//!
//! stdout is data, stderr is talk. Exit codes: 0 fine, 1 a run failed, 2 usage or configuration, 130 interrupted.

mod args;
mod bytes;
mod commands;
mod config;
mod embedded;
mod hints;
mod layers;
mod policy;
mod presets;
mod problems;
mod progress;
mod ranks;
mod remote;
mod report;
mod serve;
mod table;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Args, Command};
use crate::hints::{Outcome, Parsed};

fn main() -> ExitCode {
    let typed: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let parsed = hints::parsed(Args::try_parse(), &Args::command(), &typed);
    let done = parsed.and_then(|parsed| match parsed {
        Parsed::Args(args) => run(args),
        Parsed::Text(text) => {
            // A closed pipe is not an error.
            let _ = text.print();
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = failure.or_hint();
            if !failure.is_said() {
                progress::say(&failure.to_string());
            }
            failure.exit_code()
        }
    }
}

fn run(args: Args) -> Outcome {
    match args.command {
        None => {
            progress::out(commands::FIRST_PAGE);
            Ok(())
        }
        Some(Command::Train(args)) => commands::train::run(&args),
        Some(Command::Eval(args)) => commands::eval::run(&args),
        Some(Command::Inspect(args)) => commands::inspect::run(&args),
        Some(Command::Sample(args)) => commands::sample::run(&args),
        Some(Command::Report(args)) => commands::report::run(&args),
        Some(Command::Tasks(args)) => commands::tasks::run(&args),
        Some(Command::Schedule(args)) => commands::schedule::run(&args),
        Some(Command::Config(args)) => commands::config::run(&args),
        Some(Command::Model(args)) => commands::model::run(&args),
        Some(Command::Serve(args)) => commands::serve::run(&args),
        Some(Command::Sft(args)) => commands::sft::run(&args),
        Some(Command::Base(args)) => commands::base::run(&args),
        Some(Command::Export(args)) => commands::export::run(&args),
        Some(Command::Bench(args)) => commands::bench::run(&args),
        Some(Command::Golden(args)) => commands::golden::run(&args),
        Some(Command::Doctor(args)) => commands::doctor::run(&args),
        Some(Command::Completions(args)) => commands::shell::completions(&args),
        Some(Command::Man(args)) => commands::shell::man(&args),
        Some(Command::Docs(args)) => commands::docs::run(&args),
    }
}
