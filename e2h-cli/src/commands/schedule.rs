//! `e2h schedule`: what a schedule will do, before it is used.

mod compare;
mod plot;
mod replay;
mod simulate;
mod spec;

use e2h_core::write_atomic;
use e2h_sched::{FilterKind, Kind, Preview, svg, terminal};
use serde_json::json;

use crate::args::{ScheduleArgs, ScheduleCommand, ScheduleShowArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};
use compare::{table, token_title};
use spec::{Lengths, Size, Spec};

/// Cells of a picture in the terminal.
const WIDTH: usize = 72;

/// Runs the command.
pub(crate) fn run(args: &ScheduleArgs) -> Outcome {
    match &args.command {
        ScheduleCommand::List => list(),
        ScheduleCommand::Show(args) => show(args)?,
        ScheduleCommand::Plot(args) => plot::run(args)?,
        ScheduleCommand::Compare(args) => compare::run(args)?,
        ScheduleCommand::Replay(args) => replay::run(args)?,
        ScheduleCommand::Simulate(args) => simulate::run(args)?,
    }
    Ok(())
}

fn list() {
    let line = |name: &str, about: &str, keys: &[&str]| {
        out(format!("{name:<22} {about:<60} {}", keys.join(", ")).trim_end());
    };
    for kind in Kind::ALL {
        line(kind.name(), kind.about(), kind.keys());
    }
    for kind in FilterKind::ALL {
        line(&format!("filter.kind=\"{}\"", kind.name()), kind.about(), kind.keys());
    }
    say("every kind takes floor and a filter too; docs/curricula.md has the formulas");
}

fn show(args: &ScheduleShowArgs) -> Outcome {
    let size = Size::of(&args.size)?;
    let text = args.schedule.as_ref().or(args.named.as_ref()).map_or("gaussian", String::as_str);
    let spec = Spec::parse_with(text, &args.sets)?;
    let preview = spec.preview(&size)?;
    let lengths = Lengths::of(&args.lengths, &size, preview.n_levels())?;
    let tokens = lengths.expected(&preview);
    if let Some(path) = &args.svg {
        write_atomic(path, svg(&preview, &level_labels(&preview)).as_bytes())
            .map_err(Failure::run)?;
        say(&format!("wrote {}", path.display()));
    }
    if args.json {
        let mut shown = json!({
            "probabilities": preview.probabilities,
            "expected_counts": preview.expected_counts,
        });
        if let Some(tokens) = tokens {
            shown["expected_tokens"] = json!(tokens);
        }
        out(&shown.to_string());
        return Ok(());
    }
    let mut text = terminal(&preview, WIDTH);
    if let Some(tokens) = tokens {
        let title = token_title(lengths.group_size);
        text += &table(&title, &[spec.name()], &[tokens], preview.n_levels());
    }
    out(&text);
    if spec.adapts() {
        say("this rule adapts: what is shown is how it begins, before it has seen a reward");
    }
    Ok(())
}

/// The names of a preview's levels in a legend.
fn level_labels(preview: &Preview) -> Vec<String> {
    (0..preview.n_levels()).map(|level| format!("level {level}")).collect()
}
