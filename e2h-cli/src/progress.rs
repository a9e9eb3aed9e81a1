//! What a person sees while a command works: lines and a bar on stderr, data on stdout.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use e2h_rl::{EvalReport, Observer, StepReport};
use indicatif::{ProgressBar, ProgressStyle};

/// Prints a line of data. A closed pipe is not an error.
pub(crate) fn out(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Prints a line for the person.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) fn bar(len: u64, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{bar:24} {pos}/{len} steps, {elapsed_precise} gone, {eta_precise} to go",
    );
    ProgressBar::new(len).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Watches a training run: one line every few steps, and a bar where there is a terminal.
pub(crate) struct TrainProgress {
    bar: ProgressBar,
    quiet: bool,
    steps: u64,
    every: u64,
    n_levels: usize,
    started: Instant,
    first_step: Option<u64>,
    since_line: Averages,
}

/// Means since the last line.
#[derive(Default)]
struct Averages {
    steps: u64,
    reward: f64,
    tokens: usize,
    seconds: f64,
    /// By level: correct rollouts, rollouts.
    levels: Vec<(f64, f64)>,
    zero_variance: f64,
}

impl TrainProgress {
    /// A watcher of a run of `steps` steps on `n_levels` levels.
    pub(crate) fn new(steps: u64, n_levels: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            bar: bar(steps, quiet),
            quiet,
            steps,
            every: (steps / 20).clamp(1, if terminal { 10 } else { 50 }),
            n_levels,
            started: Instant::now(),
            first_step: None,
            since_line: Averages::default(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&mut self, text: &str) {
        if self.bar.is_hidden() {
            say(text);
        } else {
            self.bar.suspend(|| say(text));
        }
    }

    fn step_line(&self, report: &StepReport) -> String {
        let mean = &self.since_line;
        let n = mean.steps.max(1) as f64;
        let levels: Vec<String> = mean
            .levels
            .iter()
            .map(|(correct, n)| match *n {
                0.0 => "  -".to_owned(),
                n => format!("{:3.0}", 100.0 * correct / n),
            })
            .collect();
        let probs: Vec<String> =
            report.probs.iter().map(|prob| format!("{:2.0}", prob * 100.0)).collect();
        let done = report.step + 1;
        let made = done - self.first_step.unwrap_or(0);
        let left = self.started.elapsed().as_secs_f64() / made as f64 * (self.steps - done) as f64;
        format!(
            "step {done:>5}/{}  reward {:.3}  right {} %  drawn {} %  entropy {:.2} nat  no signal \
             {:.0} %  {:.0} tok/s  {} to go",
            self.steps,
            mean.reward / n,
            levels.join(" "),
            probs.join(" "),
            report.entropy(),
            100.0 * mean.zero_variance / n,
            mean.tokens as f64 / mean.seconds.max(1e-9),
            clock(left),
        )
    }
}

impl Observer for TrainProgress {
    fn step(&mut self, report: &StepReport) {
        self.first_step.get_or_insert(report.step);
        let mean = &mut self.since_line;
        mean.steps += 1;
        mean.reward += report.mean_reward(None).unwrap_or(0.0);
        mean.tokens += report.n_tokens();
        mean.seconds += report.step_s;
        mean.zero_variance += report.zero_variance_frac();
        mean.levels.resize(self.n_levels, (0.0, 0.0));
        for (level, (correct, n)) in mean.levels.iter_mut().enumerate() {
            let rollouts = report.n_rollouts(level) as f64;
            *correct += report.accuracy(Some(level)).unwrap_or(0.0) * rollouts;
            *n += rollouts;
        }
        self.bar.set_position(report.step + 1);
        let due = (report.step + 1).is_multiple_of(self.every) || report.step + 1 == self.steps;
        if due && !self.quiet {
            let text = self.step_line(report);
            self.line(&text);
        }
        if due {
            self.since_line = Averages::default();
        }
    }

    fn evaluated(&mut self, step: u64, report: &EvalReport) {
        if !self.quiet {
            let levels: Vec<String> = report
                .levels
                .iter()
                .map(|level| format!("{} {:.1} %", level.label, 100.0 * level.accuracy))
                .collect();
            self.line(&format!("after {step} steps, greedy: {}", levels.join(", ")));
        }
    }

    fn saved(&mut self, _step: u64, _path: &Path) {}

    fn note(&mut self, text: &str) {
        self.line(text);
    }
}

/// Seconds as `m:ss` or `h:mm:ss`.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}
