//! `e2h schedule`: what a schedule will do, before it is used.

mod compare;
mod replay;
mod simulate;
mod spec;

use e2h_core::{RootSeed, write_atomic};
use e2h_sched::simulate::{Budget, LearnerConfig, trace};
use e2h_sched::{Kind, Preview, ScheduleConfig, svg, terminal};
use serde_json::json;

use crate::args::{ScheduleArgs, ScheduleCommand, SchedulePlotArgs, ScheduleShowArgs};
use crate::config::{Config, ConfigArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};
use spec::{Size, Spec};

/// Runs the command.
pub(crate) fn run(args: &ScheduleArgs) -> Outcome {
    match &args.command {
        ScheduleCommand::List => {
            for kind in Kind::ALL {
                out(&format!(
                    "{:<10} {:<60} {}",
                    kind.name(),
                    kind.about(),
                    kind.keys().join(", ")
                ));
            }
            Ok(())
        }
        ScheduleCommand::Show(args) => show(args),
        ScheduleCommand::Plot(args) => plot(args),
        ScheduleCommand::Compare(args) => compare::run(args),
        ScheduleCommand::Replay(args) => replay::run(args),
        ScheduleCommand::Simulate(args) => simulate::run(args),
    }
}

fn plot(args: &SchedulePlotArgs) -> Outcome {
    let size = Size::of(&args.size)?;
    let spec = Spec::parse(&args.schedule)?;
    let preview = match &spec {
        Spec::Rule { name, config } if config.kind.is_adaptive() => {
            say(
                "this rule adapts: the picture is one simulated run (`e2h schedule simulate --help`)",
            );
            let mut rule = spec::build(name, config, size.levels, size.steps)?;
            // Two logits a level: the distance of the default learner's levels.
            let difficulties = (0..size.levels).map(|level| 2.0 * level as f64).collect();
            let learner = LearnerConfig { difficulties, ..LearnerConfig::default() };
            let budget =
                Budget { steps: size.steps, prompts: size.prompts as usize, group_size: 8 };
            let rows = trace(rule.as_mut(), &learner, budget, RootSeed(0)).map_err(Failure::run)?;
            Preview::of_table(name, rows, size.prompts)
        }
        _ => spec.preview(&size)?,
    };
    let labels: Vec<String> =
        (0..preview.n_levels()).map(|level| format!("level {level}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match &args.svg {
        Some(path) if path.as_os_str() == "-" => out(&svg(&preview, &labels)),
        Some(path) => {
            write_atomic(path, svg(&preview, &labels).as_bytes()).map_err(Failure::run)?;
            say(&format!("wrote {}", path.display()));
        }
        None => out(&terminal(&preview, 72)),
    }
    Ok(())
}

fn show(args: &ScheduleShowArgs) -> Outcome {
    let config = resolve(args)?;
    let curriculum = spec::build(config.kind.name(), &config, args.levels, args.steps)?;
    let preview = Preview::new(curriculum.as_ref(), args.steps, args.prompts);
    if let Some(path) = &args.svg {
        let labels: Vec<String> = (0..args.levels).map(|level| format!("level {level}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        write_atomic(path, svg(&preview, &labels).as_bytes()).map_err(Failure::run)?;
        say(&format!("wrote {}", path.display()));
    }
    if args.json {
        out(&json!({
            "probabilities": preview.probabilities,
            "expected_counts": preview.expected_counts,
        })
        .to_string());
    } else {
        out(&terminal(&preview, 72));
        if config.kind.is_adaptive() {
            say("this rule adapts: what is shown is how it begins, before it has seen a reward");
        }
    }
    Ok(())
}

/// The schedule that the flags describe; settings are those of `[schedule]`, without the prefix.
fn resolve(args: &ScheduleShowArgs) -> Outcome<ScheduleConfig> {
    let sets = args.sets.iter().map(|set| format!("schedule.{set}")).collect();
    let layers =
        ConfigArgs { sets, schedule: Some(args.schedule.clone()), ..ConfigArgs::default() };
    let resolved = layers.merge()?;
    Ok(Config::clone(&resolved.value).schedule)
}
