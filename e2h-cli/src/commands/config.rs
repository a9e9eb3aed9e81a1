//! `e2h config`: every setting, and where it comes from.

use crate::args::{ConfigCommand, ConfigCommandArgs};
use crate::hints::Outcome;
use crate::presets::PRESETS;
use crate::progress::{out, page, say};

/// Runs the command.
pub(crate) fn run(args: &ConfigCommandArgs) -> Outcome {
    match &args.command {
        ConfigCommand::Show(args) => page(&args.resolve()?.show()),
        ConfigCommand::Check(args) => {
            args.resolve()?;
            say("the configuration is valid");
        }
        ConfigCommand::List => {
            for (name, _) in PRESETS {
                out(name);
            }
        }
    }
    Ok(())
}
