//! `e2h schedule plot`: a schedule as a picture, in the terminal or as SVG.
//!
//! A rule that adapts is drawn on one simulated run. By pass rate, every rule is drawn on synthetic learners: the
//! bands are the groups of each step by the share of their rollouts that is right.

use e2h_core::{RootSeed, write_atomic};
use e2h_sched::simulate::{Budget, LearnerConfig, PASS_RATE_BANDS, trace, trace_pass_rates};
use e2h_sched::{Preview, ScheduleConfig, svg, terminal};

use super::spec::{Size, Spec, build};
use super::{WIDTH, level_labels};
use crate::args::{PlotBy, SchedulePlotArgs};
use crate::hints::{Failure, Outcome};
use crate::progress::{out, say};

/// Learners that a picture by pass rate is averaged over.
const LEARNERS: u64 = 32;

/// Runs the command.
pub(super) fn run(args: &SchedulePlotArgs) -> Outcome {
    let size = Size::of(&args.size)?;
    let spec = Spec::parse(&args.schedule)?;
    let preview = match (&spec, args.by) {
        (Spec::Rule { name, config }, PlotBy::PassRate) => by_pass_rate(name, config, &size)?,
        (Spec::Run { name, .. }, PlotBy::PassRate) => {
            let problem = format!("{name} is a finished run; --by pass-rate draws rules");
            return Err(Failure::usage(problem).hint("`e2h report` draws what a run did"));
        }
        (Spec::Rule { name, config }, PlotBy::Level) if config.kind.is_adaptive() => {
            simulated(name, config, &size)?
        }
        (_, PlotBy::Level) => spec.preview(&size)?,
    };
    let labels = match args.by {
        PlotBy::Level => level_labels(&preview),
        PlotBy::PassRate => PASS_RATE_BANDS.map(str::to_owned).to_vec(),
    };
    match &args.svg {
        Some(path) if path.as_os_str() == "-" => out(&svg(&preview, &labels)),
        Some(path) => {
            write_atomic(path, svg(&preview, &labels).as_bytes()).map_err(Failure::run)?;
            say(&format!("wrote {}", path.display()));
        }
        None => out(&labelled(&terminal(&preview, WIDTH), &labels)),
    }
    Ok(())
}

/// The picture `text`, whose lines are named by their levels, with `labels` for names.
fn labelled(text: &str, labels: &[String]) -> String {
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let line = |(line, label): (&str, &String)| {
        let bar = line.find('|').map_or(line, |at| &line[at..]);
        format!("{label:<width$} {bar}\n")
    };
    text.lines().zip(labels).map(line).collect()
}

fn simulated(name: &str, config: &ScheduleConfig, size: &Size) -> Outcome<Preview> {
    say("this rule adapts: the picture is one simulated run (`e2h schedule simulate --help`)");
    let mut rule = build(name, config, size.levels, size.steps)?;
    let (learner, budget) = setting(size);
    let rows = trace(rule.as_mut(), &learner, budget, RootSeed(0)).map_err(Failure::run)?;
    Ok(Preview::of_table(name, rows, size.prompts))
}

fn by_pass_rate(name: &str, config: &ScheduleConfig, size: &Size) -> Outcome<Preview> {
    say(&format!("the picture is the mean of {LEARNERS} simulated runs; x is a group's pass rate"));
    build(name, config, size.levels, size.steps)?;
    let (learner, budget) = setting(size);
    let rows = trace_pass_rates(config, &learner, budget, LEARNERS).map_err(Failure::run)?;
    Ok(Preview::of_table(name, rows, size.prompts))
}

/// The default learner, whose levels are two logits apart.
fn setting(size: &Size) -> (LearnerConfig, Budget) {
    let difficulties = (0..size.levels).map(|level| 2.0 * level as f64).collect();
    let learner = LearnerConfig { difficulties, ..LearnerConfig::default() };
    (learner, Budget { steps: size.steps, prompts: size.prompts as usize, group_size: 8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named_by_their_labels() {
        let labels = ["all wrong".to_owned(), "x".to_owned()];
        let text = labelled("level 0 |ab|  4\nlevel 1 |cd|  5\n", &labels);
        assert_eq!(text, "all wrong |ab|  4\nx         |cd|  5\n");
    }
}
