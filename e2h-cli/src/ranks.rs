//! The processes that train together: joining them, and making sure that they are alike.
//!
//! `mpirun -np 4 e2h train ...` starts four; each finds the others through MPI. Rank 0 leads: it alone makes the run's
//! folder, writes, and talks.
//!
//! # Invariants
//! - What goes wrong on all ranks alike is said once, by rank 0.

use std::rc::Rc;

use e2h_core::{Problem, stable_hash};
use e2h_model::LanguageModel;
use e2h_rl::{Alone, RankError, Ranks};

use crate::config::{Config, ModelSection};
use crate::hints::{Failure, Outcome};

/// Variables in which starters of several processes say how many there are, the innermost starter first.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Weights that are compared at most.
const MAX_COMPARED: usize = 1 << 20;

/// This process among those that train together.
pub(crate) struct Seat {
    /// The way to the others.
    pub ranks: Rc<dyn Ranks>,
    /// This rank's number among those of its machine.
    pub local: usize,
}

/// How many processes the environment speaks of.
fn n_started() -> usize {
    let number = |name: &&str| std::env::var(name).ok()?.parse().ok();
    SIZES.iter().find_map(number).unwrap_or(1)
}

/// Joins the others, where this process is one of several.
pub(crate) fn join() -> Outcome<Seat> {
    match n_started() {
        0 | 1 => Ok(Seat { ranks: Rc::new(Alone), local: 0 }),
        n => join_others(n),
    }
}

/// Refuses to train several times the same.
#[cfg(not(feature = "mpi"))]
fn join_others(n: usize) -> Outcome<Seat> {
    let message = format!("this is one of {n} processes, but the program is built without MPI");
    Err(Failure::usage(message)
        .hint("build it with `--features mpi`, or start it without mpirun and srun: docs/scale.md"))
}

#[cfg(feature = "mpi")]
fn join_others(n: usize) -> Outcome<Seat> {
    let rank = e2h_rl::MpiRank::join(mpi::patience()?, |error| {
        crate::progress::say(&failure(true, error).to_string());
    });
    let ranks: Rc<dyn Ranks> = Rc::new(rank.map_err(|error| failure(true, &error))?);
    if ranks.size() != n {
        let message = format!("{n} processes were started, but MPI joins only {}", ranks.size());
        return Err(Failure::usage(message).hint(
            "start them by the mpirun of the MPI library that this program is built with, or by `srun --mpi=pmix`; \
             `srun --mpi=list` says what there is",
        ));
    }
    let local = mpi::share_machine(&*ranks).map_err(|error| failure(ranks.leads(), &error))?;
    Ok(Seat { ranks, local })
}

#[cfg(feature = "mpi")]
mod mpi {
    use std::time::Duration;

    use e2h_rl::{RankResult, Ranks};

    use crate::hints::{Failure, Outcome};

    /// Seconds that ranks wait for each other.
    const PATIENCE_S: u64 = 1800;

    /// How long ranks wait for each other.
    pub(super) fn patience() -> Outcome<Duration> {
        const NAME: &str = "E2H_RANK_PATIENCE_S";
        let Ok(text) = std::env::var(NAME) else { return Ok(Duration::from_secs(PATIENCE_S)) };
        let seconds = text.parse().ok().filter(|seconds| *seconds > 0).ok_or_else(|| {
            Failure::usage(format!("{NAME} is `{text}`")).hint("it is a number of seconds, over 0")
        });
        seconds.map(Duration::from_secs)
    }

    /// Deals the cores out among ranks that may all use the same ones; returns this rank's number on its machine.
    pub(super) fn share_machine(ranks: &dyn Ranks) -> RankResult<usize> {
        let all = ranks.all_gather(&(machine(), cores()))?;
        let own = &all[ranks.rank()];
        let sharing = all.iter().filter(|other| *other == own).count();
        if sharing > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let there = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = (there / sharing).max(1);
            // It fails only where threads have been started before, and nothing starts some before.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        Ok(all[..ranks.rank()].iter().filter(|(machine, _)| *machine == own.0).count())
    }

    /// What tells this machine from others; containers on one machine agree.
    fn machine() -> String {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
    }

    /// The cores that this process may use, as Linux writes them.
    fn cores() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap_or_default().trim().to_owned()
    }
}

/// The model on this rank's own GPU, where several ranks of a machine share its GPUs.
pub(crate) fn own_device(section: &ModelSection, seat: &Seat) -> ModelSection {
    let any = ["auto", "cuda"].contains(&section.device.as_str());
    let gpu = || e2h_model::device(&section.device).is_ok_and(|device| device.name != "cpu");
    let mut own = section.clone();
    if seat.ranks.size() > 1 && any && gpu() {
        own.device = format!("cuda:{}", if sees_one_gpu() { 0 } else { seat.local });
    }
    own
}

/// True where this process is given one GPU alone, as by SLURM's `--gpus-per-task=1`.
fn sees_one_gpu() -> bool {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    !visible.is_empty() && !visible.contains(',')
}

/// Does `work` on the first rank of each machine, then on the others, so that a model is downloaded once.
pub(crate) fn in_turn<T>(seat: &Seat, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let ranks = &*seat.ranks;
    let wait = || ranks.all_gather(&()).map_err(|error| failure(ranks.leads(), &error));
    if seat.local > 0 {
        wait()?;
    }
    let done = tell(ranks, work())?;
    if seat.local == 0 {
        wait()?;
    }
    Ok(done)
}

/// Tells the other ranks of a failure of this one, which they would wait for in vain.
pub(crate) fn tell<T>(ranks: &dyn Ranks, outcome: Outcome<T>) -> Outcome<T> {
    outcome.map_err(|failure| {
        let text = failure.to_string();
        let line = text.lines().next().unwrap_or_default();
        match ranks.fail(line.strip_prefix("error: ").unwrap_or(line)) {
            true => failure.said(),
            false => failure,
        }
    })
}

/// What went wrong between ranks; `leads` on rank 0, which says what all of them know.
pub(crate) fn failure(leads: bool, error: &RankError) -> Failure {
    let failure = match error {
        RankError::Differs { .. } => Failure::usage(error)
            .hint("start all ranks with one program, configuration and model, seen at the same paths"),
        _ => Failure::run(error)
            .hint("the newest checkpoint is whole; go on with `e2h train --resume RUN`, on any number of ranks"),
    };
    match error {
        RankError::Differs { .. } | RankError::Failed { .. } if !leads => failure.said(),
        _ => failure,
    }
}

/// Compares program, configuration, engine, model and problems of all ranks.
///
/// # Errors
/// The rank and the thing that differ, or parts that do not go into the ranks.
pub(crate) fn agree(
    ranks: &dyn Ranks,
    (config, text): (&Config, &str),
    policy: &LanguageModel,
    pools: &[Vec<Problem>],
) -> Outcome {
    if ranks.size() == 1 {
        return Ok(());
    }
    let facts = [
        ("version", version()),
        ("configuration", text.to_owned()),
        ("engine", policy.engine().name().to_owned()),
        ("model", model(policy)),
        ("list of problems", problems(pools)),
    ];
    ranks.agree(&facts).map_err(|error| failure(ranks.leads(), &error))?;
    let (shards, size) = (config.train.shards, ranks.size());
    if !shards.is_multiple_of(size) {
        let message = format!("train.shards is {shards}, which {size} ranks cannot share alike");
        let failure =
            Failure::usage(message).hint("start a number of ranks that divides it, or set it to 0");
        return Err(if ranks.leads() { failure } else { failure.said() });
    }
    Ok(())
}

/// The program's version, and a hash of the program.
fn version() -> String {
    let own = std::fs::read("/proc/self/exe")
        .or_else(|_| std::fs::read(std::env::current_exe()?))
        .unwrap_or_default();
    let hash = stable_hash("ranks/program", &own);
    format!("{} with hash {hash:016x}", env!("CARGO_PKG_VERSION"))
}

/// The shape of a model, and a hash of weights from all over it.
fn model(policy: &LanguageModel) -> String {
    let engine = policy.engine();
    let weights = engine.weights();
    let every = weights.len().div_ceil(MAX_COMPARED).max(1);
    let adapter = engine.adapter().map_or(&[][..], |adapter| adapter.params());
    let compared = weights.iter().step_by(every).chain(adapter);
    let bytes: Vec<u8> = compared.flat_map(|weight| weight.to_le_bytes()).collect();
    let hash = stable_hash("ranks/model", &bytes);
    format!("{} + {} parameters with hash {hash:016x}", weights.len(), adapter.len())
}

fn problems(pools: &[Vec<Problem>]) -> String {
    let text = serde_json::to_vec(pools).unwrap_or_default();
    let n: usize = pools.iter().map(Vec::len).sum();
    format!("{n} problems with hash {:016x}", stable_hash("ranks/problems", &text))
}
