//! How far a long piece of work is: a bar on a terminal, a line every ten seconds elsewhere.
//!
//! The time left is that of the pieces so far times the pieces that are left.
//!
//! # Invariants
//! - Everything goes to stderr, and nothing is shown of work that is over within ten seconds on a pipe.
//! - Every number has its unit.

use std::io::{BufRead, IsTerminal, Read};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{clock, say};

use crate::bytes::MIB;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Pieces of this name, for example `rows`.
    Of(&'static str),
    /// Bytes, shown in MiB.
    Bytes,
}

/// Work under way.
pub(crate) struct Work {
    bar: ProgressBar,
    pieces: Pieces,
    total: u64,
    done: u64,
    started: Instant,
    /// When the last line was printed; none are where it is `None`.
    line_at: Option<Instant>,
}

impl Work {
    /// Work of `total` pieces that begins now.
    pub(crate) fn new(total: u64, pieces: Pieces) -> Self {
        Self::shown(total, pieces, true)
    }

    /// Work whose results go to stdout as they come: where a person sees them, they are the progress.
    pub(crate) fn beside_data(total: u64, pieces: Pieces) -> Self {
        Self::shown(total, pieces, !std::io::stdout().is_terminal())
    }

    /// Work that prints lines of its own: there is a bar on a terminal, and no further line.
    pub(crate) fn with_own_lines(total: u64, pieces: Pieces) -> Self {
        let mut work = Self::new(total, pieces);
        work.line_at = None;
        work
    }

    /// Work that prints nothing by itself: [`due`](Self::due) hands out its lines.
    pub(crate) fn for_lines(total: u64, pieces: Pieces) -> Self {
        let mut work = Self::shown(total, pieces, false);
        work.line_at = Some(work.started);
        work
    }

    fn shown(total: u64, pieces: Pieces, shown: bool) -> Self {
        let (now, terminal) = (Instant::now(), std::io::stderr().is_terminal());
        let bar = match shown && terminal {
            true => ProgressBar::new(total).with_style(style(pieces)),
            false => ProgressBar::hidden(),
        };
        let line_at = (shown && !terminal).then_some(now);
        Self { bar, pieces, total, done: 0, started: now, line_at }
    }

    /// Counts `n` more pieces as done.
    pub(crate) fn add(&mut self, n: u64) {
        self.set(self.done + n);
    }

    /// Counts `done` pieces as done in all.
    pub(crate) fn set(&mut self, done: u64) {
        if let Some(line) = self.due(done) {
            say(&line);
        }
        self.bar.set_position(done);
    }

    /// Counts `done` pieces as done in all, and returns a line when it is time for one.
    pub(crate) fn due(&mut self, done: u64) -> Option<String> {
        self.done = done;
        let at = self.line_at.filter(|at| at.elapsed() >= LINE_EVERY && done < self.total)?;
        self.line_at = Some(at + at.elapsed());
        Some(self.line())
    }

    /// Prints a line above the bar.
    pub(crate) fn say(&self, text: &str) {
        match self.bar.is_hidden() {
            true => say(text),
            false => self.bar.suspend(|| say(text)),
        }
    }

    /// The time left in words, for a line of the caller's own: `, 1:20 to go`.
    pub(crate) fn left(&self) -> String {
        let gone = self.started.elapsed().as_secs_f64();
        left_s(self.done, self.total, gone)
            .map_or(String::new(), |left| format!(", {} to go", clock(left)))
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self) -> String {
        let gone = self.started.elapsed().as_secs_f64();
        format!(
            "{}, {} gone{}",
            amount(self.done, self.total, self.pieces),
            clock(gone),
            self.left()
        )
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(pieces: Pieces) -> ProgressStyle {
    let amount = match pieces {
        Pieces::Of(name) => format!("{{pos}}/{{len}} {name}"),
        Pieces::Bytes => "{binary_bytes}/{binary_total_bytes}".to_owned(),
    };
    let template = format!("{{bar:24}} {amount}, {{elapsed_precise}} gone, {{eta_precise}} to go");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn amount(done: u64, total: u64, pieces: Pieces) -> String {
    match pieces {
        Pieces::Of(name) => format!("{done} of {total} {name}"),
        Pieces::Bytes => format!("{:.1} of {:.1} MiB", done as f64 / MIB, total as f64 / MIB),
    }
}

/// Seconds until the end; `None` before the first piece and after the last.
fn left_s(done: u64, total: u64, gone_s: f64) -> Option<f64> {
    let left = total.checked_sub(done).filter(|left| done > 0 && *left > 0)?;
    Some(gone_s / done as f64 * left as f64)
}

/// A reader whose bytes count as pieces of work once they are used.
pub(crate) struct Counted<'a, R> {
    inner: R,
    work: &'a mut Work,
}

impl<'a, R: BufRead> Counted<'a, R> {
    /// Counts what is read of `inner`.
    pub(crate) fn new(inner: R, work: &'a mut Work) -> Self {
        Self { inner, work }
    }
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(target)?;
        self.work.add(n as u64);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.inner.consume(n);
        self.work.add(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_pieces_so_far_times_those_left() {
        assert_eq!(left_s(0, 8, 3.0), None);
        assert_eq!(left_s(2, 8, 3.0), Some(9.0));
        assert_eq!(left_s(8, 8, 3.0), None);
        assert_eq!(left_s(9, 8, 3.0), None);
    }

    #[test]
    fn amounts_have_a_unit() {
        assert_eq!(amount(3, 9, Pieces::Of("rows")), "3 of 9 rows");
        assert_eq!(amount(1 << 20, 3 << 19, Pieces::Bytes), "1.0 of 1.5 MiB");
    }

    #[test]
    fn a_reader_counts_what_is_used_of_it() {
        let mut work = Work::new(10, Pieces::Bytes);
        let mut lines = Counted::new(&b"ab\ncdefg\n1"[..], &mut work);
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        assert_eq!((line.as_str(), lines.work.done), ("ab\n", 3));
        lines.read_to_string(&mut line).expect("the rest");
        assert_eq!(work.done, 10);
    }
}
