//! Faults on demand: what tests of reliability make happen at a named place of a run.
//!
//! The environment variable `E2H_FAULT` holds a plan, for example `update@3=oom*2;save/state@4=pause:seen`:
//! at the place `update` of step 3 the first two passes run out of memory, and the save after 4 steps stops
//! before it writes its state, having made the file `seen`. Without the variable every place is passed at the
//! cost of one look.
//!
//! | action | what happens |
//! | --- | --- |
//! | `mark:FILE` | the file is made; the run goes on |
//! | `hold:FILE` | the file is made; the run goes on after a second |
//! | `pause:FILE` | the file is made; the run waits for ever, to be killed |
//! | `panic` | the program panics, as only a mistake of ours would make it |
//! | `clock:SECONDS` | the wall clock jumps by so much from here on |
//! | `oom`, `nan`, `unverifiable` | the place acts as if it had met this; `*N` for the first N times |
//!
//! Places: `rollout`, `score`, `update`, `optimizer` (0-based steps); `evaluate`, `save`, `save/state`,
//! `save/rename`, `save/rotate` (finished steps).
//!
//! # Invariants
//! - A plan that cannot be read acts as none; nothing but a test sets it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

static PLAN: OnceLock<Vec<Fault>> = OnceLock::new();
static CLOCK_SHIFT_S: AtomicI64 = AtomicI64::new(0);

#[derive(Debug)]
struct Fault {
    place: String,
    step: u64,
    action: Action,
    left: AtomicU64,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Mark(PathBuf),
    Hold(PathBuf),
    Pause(PathBuf),
    Clock(i64),
    Act(String),
}

/// Passes a place, where a plan may hold the run up or move its clock.
pub(crate) fn pass(place: &str, step: u64) {
    for fault in plan().iter().filter(|fault| fault.is_at(place, step)) {
        match &fault.action {
            Action::Mark(path) => touch(path),
            Action::Hold(path) => {
                touch(path);
                std::thread::sleep(Duration::from_secs(1));
            }
            Action::Pause(path) => {
                touch(path);
                loop {
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            Action::Clock(seconds) => {
                CLOCK_SHIFT_S.store(*seconds, Ordering::Relaxed);
            }
            Action::Act(name) => assert!(name != "panic", "a panic on demand at {place}@{step}"),
        }
    }
}

/// True when a plan wants `action` to happen here; each one is used up.
pub(crate) fn strikes(place: &str, step: u64, action: &str) -> bool {
    plan().iter().filter(|fault| fault.is_at(place, step)).any(|fault| {
        let wanted = matches!(&fault.action, Action::Act(name) if name == action);
        let used = |left: u64| left.checked_sub(1);
        wanted && fault.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, used).is_ok()
    })
}

/// The wall clock, with the jumps of the plan.
pub(crate) fn now() -> SystemTime {
    let shift = CLOCK_SHIFT_S.load(Ordering::Relaxed);
    let by = Duration::from_secs(shift.unsigned_abs());
    let now = SystemTime::now();
    let jumped = if shift < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    jumped.unwrap_or(now)
}

fn touch(path: &std::path::Path) {
    // Whoever waits for the file will notice its absence.
    let _ = std::fs::write(path, b"");
}

fn plan() -> &'static [Fault] {
    PLAN.get_or_init(|| std::env::var("E2H_FAULT").map(|text| parse(&text)).unwrap_or_default())
}

fn parse(text: &str) -> Vec<Fault> {
    text.split(';').filter_map(Fault::parse).collect()
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (at, action) = text.split_once('=')?;
        let (place, step) = at.split_once('@')?;
        let (action, left) = match action.split_once(':') {
            Some(("mark", path)) => (Action::Mark(path.into()), 1),
            Some(("hold", path)) => (Action::Hold(path.into()), 1),
            Some(("pause", path)) => (Action::Pause(path.into()), 1),
            Some(("clock", seconds)) => (Action::Clock(seconds.parse().ok()?), 1),
            Some(_) => return None,
            None => match action.split_once('*') {
                Some((name, times)) => (Action::Act(name.to_owned()), times.parse().ok()?),
                None => (Action::Act(action.to_owned()), 1),
            },
        };
        let (place, step) = (place.to_owned(), step.parse().ok()?);
        Some(Self { place, step, action, left: AtomicU64::new(left) })
    }

    fn is_at(&self, place: &str, step: u64) -> bool {
        self.step == step && self.place == place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_and_what_cannot_be_read_is_left_out() {
        let plan = parse("update@3=oom*2;save/state@4=pause:a/b;x;y@z=oom;rollout@1=clock:-50");
        assert_eq!(plan.len(), 3);
        assert!(plan[0].is_at("update", 3) && !plan[0].is_at("update", 4));
        assert_eq!(plan[0].left.load(Ordering::Relaxed), 2);
        assert_eq!(plan[1].action, Action::Pause("a/b".into()));
        assert_eq!(plan[2].action, Action::Clock(-50));
    }
}
