//! The time that a thread has been running: where Linux tells it, waiting for a busy processor does not count.

use std::time::{Duration, Instant};

/// Measures from its start.
pub(crate) struct Watch {
    started: Instant,
    ran: Option<Duration>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), ran: ran() }
    }

    /// How long this thread has been running since, or what the clock says where that is not known.
    pub(crate) fn elapsed(&self) -> Duration {
        match self.ran.zip(ran()) {
            Some((before, now)) => now.saturating_sub(before),
            None => self.started.elapsed(),
        }
    }
}

/// How long this thread has been running since it began.
fn ran() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
