//! What a person sees while a command works: lines and a bar on stderr, data on stdout.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2h_rl::{EvalReport, Observer, StepReport};

mod work;

pub(crate) use work::{Counted, Pieces, Work};

/// A run of slow steps gets a line at least this often.
const SLOW_LINE: Duration = Duration::from_secs(30);

/// Prints a line of data. A closed pipe is not an error.
pub(crate) fn out(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Prints a line for the person.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints data that may be longer than a screen: page by page on a terminal, at once elsewhere.
///
/// The pages go through `$PAGER`, or `less` where it is not set.
pub(crate) fn page(text: &str) {
    if !std::io::stdout().is_terminal() {
        out(text);
        return;
    }
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less -FRX".to_owned());
    let mut words = pager.split_whitespace();
    let child = words
        .next()
        .and_then(|program| Command::new(program).args(words).stdin(Stdio::piped()).spawn().ok());
    let Some(mut child) = child else {
        out(text);
        return;
    };
    if let Some(mut pipe) = child.stdin.take() {
        // Leaving the pager early closes the pipe; that is no failure.
        let _ = writeln!(pipe, "{}", text.trim_end_matches('\n'));
    }
    let _ = child.wait();
}

/// Watches a training run: one line every few steps, and a bar where there is a terminal.
pub(crate) struct TrainProgress {
    /// The steps; none are counted where nothing is to be seen.
    work: Option<Work>,
    /// An evaluation under way.
    evaluation: Option<Work>,
    steps: u64,
    every: u64,
    n_levels: usize,
    started: Instant,
    first_step: Option<u64>,
    /// When the last line was printed.
    line_at: Instant,
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
            work: (!quiet).then(|| Work::with_own_lines(steps, Pieces::Of("steps"))),
            evaluation: None,
            steps,
            every: (steps / 20).clamp(1, if terminal { 10 } else { 50 }),
            n_levels,
            started: Instant::now(),
            first_step: None,
            line_at: Instant::now(),
            since_line: Averages::default(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        self.evaluation = None;
        self.work = None;
    }

    fn line(&self, text: &str) {
        match &self.work {
            Some(work) => work.say(text),
            None => say(text),
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
        if let Some(work) = &mut self.work {
            work.set(report.step + 1);
        }
        let done = report.step + 1;
        let is_late = self.line_at.elapsed() >= SLOW_LINE;
        let due = done.is_multiple_of(self.every) || done == self.steps || is_late;
        if due && self.work.is_some() {
            let text = self.step_line(report);
            self.line(&text);
        }
        if due {
            self.line_at = Instant::now();
            self.since_line = Averages::default();
        }
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        if self.work.is_none() {
            return;
        }
        let pieces = Pieces::Of("completions evaluated");
        let work = self.evaluation.get_or_insert_with(|| Work::for_lines(total as u64, pieces));
        if let Some(line) = work.due(done as u64) {
            self.line(&line);
        }
    }

    fn evaluated(&mut self, step: u64, report: &EvalReport) {
        self.evaluation = None;
        if self.work.is_some() {
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
