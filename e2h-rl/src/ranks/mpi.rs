//! Ranks of MPI: one process each, started by `mpirun` or `srun`.
//!
//! # Source
//! The crate `mpi` (rsmpi) over Open MPI or MPICH; messages of MPI 3.1, sections 3.7 and 3.8.
//!
//! # Deviations
//! - Messages are sent and awaited one by one instead of by a collective, so that a rank that does not answer can be
//!   told and named. A collective would wait for ever.
//! - A stall ends the process by `MPI_Abort` after it was reported: messages to the rank that stalls are still under
//!   way, and MPI cannot be left in good order with them.
//!
//! # Invariants
//! - MPI is called from the thread that started it only.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::request::scope;
use mpi::topology::{Communicator, SimpleCommunicator};

use super::{RankError, RankResult, Ranks};

/// Bytes of one MPI message at most; longer ones are cut.
const CHUNK: usize = 256 << 20;
/// Bytes of the length before a message.
const HEAD: usize = 8;
/// Looks without a break before a rank begins to sleep between looks.
const EAGER_LOOKS: u32 = 2000;
const NAP: Duration = Duration::from_micros(100);

/// A process of an MPI job.
pub struct MpiRank {
    world: SimpleCommunicator,
    patience: Duration,
    /// Tells a person why the process ends.
    report: fn(&RankError),
    /// Exchanges so far: messages of one exchange have its number as their tag.
    n_exchanges: Cell<u32>,
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
        let world = universe.world();
        Ok(Self { world, patience, report, n_exchanges: Cell::new(0), _universe: universe })
    }

    fn give_up(&self, error: &RankError) -> ! {
        (self.report)(error);
        self.world.abort(1)
    }
}

/// A message with its length before it.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + message.len());
    bytes.extend((message.len() as u64).to_le_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// True when all of a framed message is there.
fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.get(..HEAD).and_then(|head| head.try_into().ok()).map(u64::from_le_bytes);
    length.is_some_and(|length| bytes.len() as u64 - HEAD as u64 >= length)
}

impl Ranks for MpiRank {
    fn rank(&self) -> usize {
        self.world.rank().unsigned_abs() as usize
    }

    fn size(&self) -> usize {
        self.world.size().unsigned_abs() as usize
    }

    fn exchange(&self, mut messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>> {
        let (rank, size) = (self.rank(), self.size());
        // Tags repeat; messages between two ranks keep their order all the same.
        let tag = (self.n_exchanges.get() % 30_000) as i32;
        self.n_exchanges.set(self.n_exchanges.get().wrapping_add(1));
        let own = std::mem::take(&mut messages[rank]);
        let others = || (0..size).filter(move |other| *other != rank);
        let out: Vec<(usize, Vec<u8>)> =
            others().map(|other| (other, framed(&messages[other]))).collect();
        let mut received: Vec<Vec<u8>> = vec![Vec::new(); size];
        scope(|scope| {
            let mut sends = Vec::new();
            for (other, bytes) in &out {
                let process = self.world.process_at_rank(*other as i32);
                for chunk in bytes.chunks(CHUNK) {
                    sends.push(process.immediate_send_with_tag(scope, chunk, tag));
                }
            }
            let (mut since, mut looks) = (Instant::now(), 0);
            loop {
                let mut moved = false;
                for other in
                    others().filter(|other| !is_whole(&received[*other])).collect::<Vec<_>>()
                {
                    let process = self.world.process_at_rank(other as i32);
                    if let Some((message, _)) = process.immediate_matched_probe_with_tag(tag) {
                        let (chunk, _) = message.matched_receive_vec::<u8>();
                        received[other].extend(chunk);
                        moved = true;
                    }
                }
                let pending = sends.len();
                sends = sends.into_iter().filter_map(|send| send.test().err()).collect();
                moved |= sends.len() < pending;
                let missing: Vec<usize> =
                    others().filter(|other| !is_whole(&received[*other])).collect();
                if missing.is_empty() && sends.is_empty() {
                    break;
                }
                if moved {
                    (since, looks) = (Instant::now(), 0);
                } else if since.elapsed() > self.patience {
                    let ranks = if missing.is_empty() { others().collect() } else { missing };
                    self.give_up(&RankError::Stalled { ranks, after: self.patience });
                }
                looks += 1;
                if looks > EAGER_LOOKS {
                    std::thread::sleep(NAP);
                }
            }
        });
        for (other, bytes) in received.iter_mut().enumerate() {
            match other == rank {
                true => bytes.clone_from(&own),
                false => drop(bytes.drain(..HEAD)),
            }
        }
        Ok(received)
    }
}
