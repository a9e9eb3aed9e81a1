//! `e2h schedule`: what a schedule will do, before it is used.

use e2h_core::write_atomic;
use e2h_sched::{Kind, Preview, ScheduleConfig, svg, terminal};
use serde_json::json;

use crate::args::{ScheduleArgs, ScheduleCommand, ScheduleShowArgs};
use crate::config::{Config, ConfigArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

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
    }
}

fn show(args: &ScheduleShowArgs) -> Outcome {
    let config = resolve(args)?;
    let problems = config.validate(args.levels, args.steps);
    if !problems.is_empty() {
        let failure = Failure::usage("the schedule is not valid")
            .hint("`e2h schedule list` shows what each kind takes");
        return Err(problems.iter().fold(failure, |f, problem| f.detail(problem.to_string())));
    }
    let curriculum = config.build(args.levels, args.steps).map_err(Failure::usage)?;
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
