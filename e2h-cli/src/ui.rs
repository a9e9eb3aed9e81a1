//! What a person sees while a run goes on: a live view, plain lines, or nothing.
//!
//! # Invariants
//! - The live view and the lines are never both on one stream.
//! - The terminal is given back as it was found: at the end, on an error, on a panic, and on a second Ctrl-C.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::ValueEnum;
use e2h_rl::{EvalReport, Observer, StepReport, Wish};

use crate::progress::{TrainProgress, say};

#[cfg(feature = "tui")]
mod draw;
#[cfg(feature = "tui")]
mod live;
#[cfg(feature = "tui")]
mod screen;
#[cfg(all(test, feature = "tui"))]
mod tests;

#[cfg(feature = "tui")]
use live::Live;
#[cfg(feature = "tui")]
use screen::Screen;
#[cfg(feature = "tui")]
pub(crate) use screen::{is_open, restore};

/// True while the live view has the terminal.
#[cfg(not(feature = "tui"))]
pub(crate) fn is_open() -> bool {
    false
}

/// Gives the terminal back, if the view has it.
#[cfg(not(feature = "tui"))]
pub(crate) fn restore() {}

/// What does not change in a run.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "tui"), expect(dead_code, reason = "only the live view shows it"))]
pub(crate) struct About {
    /// Task, schedule, seed and folder.
    pub title: String,
    /// All levels, those that are not trained on behind.
    pub levels: Vec<LevelAbout>,
    /// What the training problems of each level ask, in a line each; empty where it is not to be shown.
    pub questions: Vec<Vec<String>>,
}

/// A level's name.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "tui"), expect(dead_code, reason = "only the live view shows it"))]
pub(crate) struct LevelAbout {
    /// For a person.
    pub label: String,
    /// Not trained on.
    pub ood: bool,
}

/// `--ui`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UiArg {
    /// The live view on a terminal, lines on a pipe or in CI
    Auto,
    /// One line every few steps
    Plain,
    /// The live view
    Tui,
    /// Warnings and the final table only
    None,
}

/// True when the live view is built in.
const HAS_VIEW: bool = cfg!(feature = "tui");

/// What is known about where the program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// Input and the stream of the person are both a terminal that can draw.
    pub terminal: bool,
    /// The variable `CI` is set.
    pub ci: bool,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn here() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && std::io::stdin().is_terminal() && !dumb;
        Self { terminal, ci: set("CI") }
    }
}

impl UiArg {
    /// What `auto` stands for; the live view is refused where it cannot be drawn.
    ///
    /// # Errors
    /// A sentence when the live view is asked for and there is no terminal.
    pub(crate) fn resolve(self, around: Surroundings) -> Result<Self, String> {
        match self {
            Self::Auto if HAS_VIEW && around.terminal && !around.ci => Ok(Self::Tui),
            Self::Auto => Ok(Self::Plain),
            Self::Tui if !HAS_VIEW => {
                Err("this build has no live view; it needs the cargo feature `tui`".to_owned())
            }
            Self::Tui if !around.terminal => {
                Err("--ui tui needs a terminal for input and for error output".to_owned())
            }
            other => Ok(other),
        }
    }
}

/// Watches a training run in the way that was chosen.
pub(crate) enum Watcher {
    /// Lines, or nothing.
    Lines(Box<TrainProgress>),
    /// The live view.
    #[cfg(feature = "tui")]
    Screen(Screen),
}

impl Watcher {
    /// A watcher of a run of `steps` steps. A terminal that cannot be drawn on gets lines.
    pub(crate) fn new(ui: UiArg, about: About, steps: u64, stop: Arc<AtomicBool>) -> Self {
        let n_levels = about.levels.iter().filter(|level| !level.ood).count();
        #[cfg(not(feature = "tui"))]
        drop(stop);
        #[cfg(feature = "tui")]
        if ui == UiArg::Tui {
            match Screen::open(Live::new(about, steps), stop) {
                Ok(screen) => return Self::Screen(screen),
                Err(error) => say(&format!("no live view: {error}")),
            }
        }
        Self::Lines(Box::new(TrainProgress::new(steps, n_levels, ui == UiArg::None)))
    }

    /// Gives the terminal back; what was seen last stays as lines.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Lines(lines) => lines.finish(),
            #[cfg(feature = "tui")]
            Self::Screen(screen) => {
                for line in screen.close() {
                    say(&line);
                }
            }
        }
    }

    fn observer(&mut self) -> &mut dyn Observer {
        match self {
            Self::Lines(lines) => &mut **lines,
            #[cfg(feature = "tui")]
            Self::Screen(screen) => screen,
        }
    }
}

impl Observer for Watcher {
    fn step(&mut self, report: &StepReport) {
        self.observer().step(report);
    }

    fn evaluated(&mut self, step: u64, report: &EvalReport) {
        self.observer().evaluated(step, report);
    }

    fn saved(&mut self, step: u64, path: &Path) {
        self.observer().saved(step, path);
    }

    fn note(&mut self, text: &str) {
        self.observer().note(text);
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        self.observer().evaluating(done, total);
    }

    fn wish(&mut self) -> Wish {
        self.observer().wish()
    }
}
