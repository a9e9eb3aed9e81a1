//! Ranks of MPI: one process each, started by `mpirun` or `srun`.
//!
//! An exchange has two rounds: first everyone tells everyone how many bytes will come, then come the bytes, straight
//! into buffers of that size. Almost all waiting is in the first round, for ranks that still compute.
//!
//! # Source
//! The crate `mpi` (rsmpi) over Open MPI or MPICH; messages of MPI 3.1, section 3.7.
//!
//! # Deviations
//! - Messages are sent and awaited one by one instead of by a collective, so that a rank that does not answer can be
//!   told and named. A collective would wait for ever.
//! - A stall ends the process by `MPI_Abort` after it was reported: messages to the rank that stalls are still under
//!   way, and MPI cannot be left in good order with them. So does a panic, which the others would not hear of.
//!
//! # Invariants
//! - MPI is called from the thread that started it only.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::request::{Request, scope};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{Destination, Source};

use super::{RankError, RankResult, Ranks};

/// Bytes of one MPI message at most; longer ones are cut, since MPI counts in 31 bits.
const CHUNK: usize = 256 << 20;
/// The tags of the two rounds. MPI keeps the order of messages of one tag between two ranks.
const SIZES: i32 = 1;
const BYTES: i32 = 2;
/// Looks in a row without news before a rank begins to sleep between looks.
const EAGER_LOOKS: u32 = 2000;
const NAP: Duration = Duration::from_micros(50);

/// A process of an MPI job.
pub struct MpiRank {
    world: SimpleCommunicator,
    patience: Duration,
    /// Tells a person why the process ends.
    report: fn(&RankError),
    spent: Cell<Duration>,
    // Dropped last: it ends MPI.
    _universe: Universe,
}

impl MpiRank {
    /// Joins the job that this process was started in.
    ///
    /// A rank that does not answer for `patience` is given to `report`, and the job ends.
    ///
    /// # Errors
    /// [`RankError::Transport`] when MPI has been started before.
    pub fn join(patience: Duration, report: fn(&RankError)) -> RankResult<Self> {
        let started = mpi::initialize_with_threading(Threading::Funneled);
        let (universe, _) = started
            .ok_or_else(|| RankError::Transport("MPI has been started before".to_owned()))?;
        let (world, spent) = (universe.world(), Cell::default());
        Ok(Self { world, patience, report, spent, _universe: universe })
    }

    /// Every rank but this one.
    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let rank = self.rank();
        (0..self.size()).filter(move |other| *other != rank)
    }

    /// Sends each other rank its bytes of `out`, and fills its bytes of `into`, whose sizes both sides know.
    fn swap(&self, out: &[Vec<u8>], into: &mut [Vec<u8>], tag: i32) {
        let rank = self.rank();
        scope(|scope| {
            let mut receives = Vec::new();
            for (other, buffer) in into.iter_mut().enumerate().filter(|(other, _)| *other != rank) {
                let process = self.world.process_at_rank(other as i32);
                for chunk in buffer.chunks_mut(CHUNK) {
                    let request = process.immediate_receive_into_with_tag(scope, chunk, tag);
                    receives.push((other, request));
                }
            }
            let mut sends = Vec::new();
            // Each rank begins with the next one, so that not all send to the same.
            for other in (1..out.len()).map(|step| (rank + step) % out.len()) {
                let process = self.world.process_at_rank(other as i32);
                for chunk in out[other].chunks(CHUNK) {
                    sends.push((other, process.immediate_send_with_tag(scope, chunk, tag)));
                }
            }
            let (mut since, mut looks) = (Instant::now(), 0);
            loop {
                let before = receives.len() + sends.len();
                (receives, sends) = (unfinished(receives), unfinished(sends));
                let left = receives.len() + sends.len();
                if left == 0 {
                    return;
                }
                if left < before {
                    (since, looks) = (Instant::now(), 0);
                } else if since.elapsed() > self.patience {
                    let waits = if receives.is_empty() { &sends } else { &receives };
                    self.give_up(waits.iter().map(|(other, _)| *other).collect());
                }
                looks += 1;
                match looks > EAGER_LOOKS {
                    true => std::thread::sleep(NAP),
                    // Another rank may wait for this core.
                    false => std::thread::yield_now(),
                }
            }
        });
    }

    /// Ends the job, since these ranks do not answer.
    fn give_up(&self, mut ranks: Vec<usize>) -> ! {
        ranks.dedup();
        (self.report)(&RankError::Stalled { ranks, after: self.patience });
        self.world.abort(1)
    }
}

/// Ranks with a request each that is not done.
type Waits<'a, S> = Vec<(usize, Request<'a, [u8], S>)>;

/// What is left of `waits` after a look.
fn unfinished<'a, S: mpi::request::Scope<'a>>(waits: Waits<'a, S>) -> Waits<'a, S> {
    let look =
        |(other, request): (usize, Request<'a, [u8], S>)| Some((other, request.test().err()?));
    waits.into_iter().filter_map(look).collect()
}

impl Ranks for MpiRank {
    fn rank(&self) -> usize {
        self.world.rank().unsigned_abs() as usize
    }

    fn size(&self) -> usize {
        self.world.size().unsigned_abs() as usize
    }

    fn exchange(&self, mut messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>> {
        let start = Instant::now();
        let size = |message: &Vec<u8>| (message.len() as u64).to_le_bytes().to_vec();
        let sizes: Vec<Vec<u8>> = messages.iter().map(size).collect();
        let mut theirs = sizes.clone();
        self.swap(&sizes, &mut theirs, SIZES);
        let mut received: Vec<Vec<u8>> = vec![Vec::new(); messages.len()];
        for other in self.others() {
            let size = theirs[other].as_slice().try_into().map(u64::from_le_bytes);
            received[other] = vec![0; size.unwrap_or_default() as usize];
        }
        self.swap(&messages, &mut received, BYTES);
        let rank = self.rank();
        received[rank] = std::mem::take(&mut messages[rank]);
        self.spent.set(self.spent.get() + start.elapsed());
        Ok(received)
    }

    fn spent(&self) -> Duration {
        self.spent.get()
    }
}

impl Drop for MpiRank {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let problem = "a mistake in the program; it is told above".to_owned();
            (self.report)(&RankError::Failed { rank: self.rank(), problem });
            self.world.abort(1);
        }
    }
}
