//! Ranks that are threads of one process: for tests, and to see that a run does not depend on their number.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{RankError, RankResult, Ranks};

/// One of several threads.
///
/// ```
/// use std::{thread, time::Duration};
///
/// use e2h_rl::{Ranks, ThreadRank};
///
/// // Each of three threads gives its number, and all have the sum.
/// let work = |rank: ThreadRank| {
///     let ranks: &dyn Ranks = &rank;
///     let mut values = [ranks.rank() as f32, 1.0];
///     ranks.sum(&mut values).map(|()| values)
/// };
/// let ranks = ThreadRank::group(3, Duration::from_secs(60));
/// let threads: Vec<_> = ranks.into_iter().map(|rank| thread::spawn(move || work(rank))).collect();
/// for thread in threads {
///     assert_eq!(thread.join().expect("no panic")?, [0.0 + 1.0 + 2.0, 3.0]);
/// }
/// # Ok::<(), e2h_rl::RankError>(())
/// ```
#[derive(Debug)]
pub struct ThreadRank {
    rank: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How long a rank waits for the others.
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// By receiver, then sender.
    boxes: Vec<Vec<VecDeque<Vec<u8>>>>,
    gone: Vec<bool>,
}

impl ThreadRank {
    /// `n` ranks that wait for each other for `patience` at most.
    pub fn group(n: usize, patience: Duration) -> Vec<Self> {
        let boxes = vec![vec![VecDeque::new(); n]; n];
        let state = Mutex::new(State { boxes, gone: vec![false; n] });
        let shared = Arc::new(Shared { patience, state, changed: Condvar::new() });
        (0..n).map(|rank| Self { rank, shared: Arc::clone(&shared) }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.state().gone.len()
    }

    fn exchange(&self, messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>> {
        let start = Instant::now();
        let mut state = self.state();
        for (boxes, message) in state.boxes.iter_mut().zip(messages) {
            boxes[self.rank].push_back(message);
        }
        self.shared.changed.notify_all();
        loop {
            let own = &state.boxes[self.rank];
            let missing: Vec<usize> = (0..own.len()).filter(|rank| own[*rank].is_empty()).collect();
            if missing.is_empty() {
                let take = |messages: &mut VecDeque<Vec<u8>>| messages.pop_front();
                return Ok(state.boxes[self.rank].iter_mut().filter_map(take).collect());
            }
            if let Some(rank) = missing.iter().find(|rank| state.gone[**rank]) {
                return Err(RankError::Gone(*rank));
            }
            let Some(left) = self.shared.patience.checked_sub(start.elapsed()) else {
                return Err(RankError::Stalled { ranks: missing, after: self.shared.patience });
            };
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.state().gone[self.rank] = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rank 0 and the others meet when rank 1 of three does `act` instead of taking part.
    fn meet(patience_ms: u64, act: impl Fn(ThreadRank) + Sync) -> Vec<RankError> {
        let ranks = ThreadRank::group(3, Duration::from_millis(patience_ms));
        std::thread::scope(|scope| {
            let act = &act;
            let spawn = |rank: ThreadRank| {
                scope.spawn(move || match rank.rank {
                    1 => {
                        act(rank);
                        None
                    }
                    _ => (&rank as &dyn Ranks).all_gather(&1_u8).err(),
                })
            };
            let handles: Vec<_> = ranks.into_iter().map(spawn).collect();
            handles.into_iter().filter_map(|handle| handle.join().expect("a rank")).collect()
        })
    }

    #[test]
    fn a_rank_that_ends_that_stalls_or_that_fails_is_named() {
        assert_eq!(meet(20_000, drop), vec![RankError::Gone(1); 2]);
        let stalled = meet(60, |rank| {
            std::thread::sleep(Duration::from_millis(400));
            drop(rank);
        });
        let after = Duration::from_millis(60);
        assert_eq!(stalled, vec![RankError::Stalled { ranks: vec![1], after }; 2]);
        let failed = meet(20_000, |rank| {
            assert!(!(&rank as &dyn Ranks).fail("no memory"), "rank 0 has not failed");
        });
        let problem = "no memory".to_owned();
        assert_eq!(failed, vec![RankError::Failed { rank: 1, problem }; 2]);
        assert_eq!(failed[0].to_string(), "rank 1 failed: no memory");
    }

    #[test]
    fn a_rank_that_ends_after_its_last_word_is_heard() {
        let ranks = ThreadRank::group(2, Duration::from_secs(20));
        let mut ranks = ranks.into_iter();
        let (first, second) = (ranks.next().expect("a rank"), ranks.next().expect("a rank"));
        let other = std::thread::spawn(move || second.exchange(vec![vec![7]; 2]));
        assert_eq!(first.exchange(vec![vec![8]; 2]), Ok(vec![vec![8], vec![7]]));
        assert!(other.join().expect("a rank").is_ok());
        assert_eq!(first.exchange(vec![vec![]; 2]), Err(RankError::Gone(1)));
    }
}
