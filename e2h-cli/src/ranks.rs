//! The processes that train together: joining them, and making sure that they are alike.
//!
//! `mpirun -np 4 e2h train ...` starts four; each finds the others through MPI. Rank 0 leads: it alone makes the run's
//! folder, writes, and talks.

use e2h_core::{Problem, stable_hash};
use e2h_model::LanguageModel;
use e2h_rl::{Alone, RankError, Ranks};

use crate::config::ModelSection;
use crate::hints::{Failure, Outcome};

/// Variables in which starters of several processes say how many there are.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"];

/// Variables that number the processes of one machine.
const LOCAL_RANKS: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

/// Weights that are compared at most.
const MAX_COMPARED: usize = 1 << 20;

/// How many processes the environment speaks of.
fn n_started() -> usize {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    // srun numbers its processes; a batch script itself is number 0 of one.
    let slurm = number("SLURM_PROCID").map_or(1, |rank| rank + 1);
    SIZES.iter().filter_map(|name| number(name)).max().unwrap_or(1).max(slurm)
}

/// Joins the others, where this process is one of several.
#[cfg(feature = "mpi")]
pub(crate) fn join() -> Outcome<Box<dyn Ranks>> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let by_slurm = number("SLURM_STEP_NUM_TASKS").unwrap_or(1);
    if n_started().max(by_slurm) == 1 {
        return Ok(Box::new(Alone));
    }
    let patience = std::env::var("E2H_RANK_PATIENCE_S").ok().and_then(|text| text.parse().ok());
    let patience = std::time::Duration::from_secs(patience.unwrap_or(PATIENCE_S));
    let rank = e2h_rl::MpiRank::join(patience, |error| {
        let failure = failure(error);
        crate::progress::say(&failure.to_string());
    });
    rank.map(|rank| Box::new(rank) as Box<dyn Ranks>).map_err(|error| failure(&error))
}

/// Seconds that ranks wait for each other.
#[cfg(feature = "mpi")]
const PATIENCE_S: u64 = 1800;

/// Refuses to train several times the same.
#[cfg(not(feature = "mpi"))]
pub(crate) fn join() -> Outcome<Box<dyn Ranks>> {
    match n_started() {
        1 => Ok(Box::new(Alone)),
        n => {
            let message = format!(
                "this is one of {n} processes or more, but the program is built without MPI"
            );
            Err(Failure::usage(message).hint(
                "build it with `--features mpi`, or start it without mpirun and srun: docs/scale.md",
            ))
        }
    }
}

/// The model on this rank's own GPU, where several ranks of a machine share its GPUs.
pub(crate) fn own_device(section: &ModelSection, ranks: &dyn Ranks) -> ModelSection {
    let number = |name: &&str| std::env::var(name).ok()?.parse::<usize>().ok();
    let local = LOCAL_RANKS.iter().find_map(number).unwrap_or_else(|| ranks.rank());
    let any = ["auto", "cuda"].contains(&section.device.as_str());
    let gpu = || e2h_model::device(&section.device).is_ok_and(|device| device.name != "cpu");
    let mut own = section.clone();
    if ranks.size() > 1 && any && gpu() {
        own.device = format!("cuda:{local}");
    }
    own
}

/// Tells the other ranks of a failure of this one, which they would wait for in vain.
pub(crate) fn tell<T>(ranks: &dyn Ranks, outcome: Outcome<T>) -> Outcome<T> {
    if let Err(failure) = &outcome {
        let text = failure.to_string();
        let line = text.lines().next().unwrap_or_default();
        ranks.fail(line.strip_prefix("error: ").unwrap_or(line));
    }
    outcome
}

/// What went wrong between ranks.
pub(crate) fn failure(error: &RankError) -> Failure {
    match error {
        RankError::Differs { .. } => Failure::usage(error)
            .hint("start all ranks with one program, configuration and model, seen at the same paths"),
        _ => Failure::run(error)
            .hint("the newest checkpoint is whole; go on with `e2h train --resume RUN`, on any number of ranks"),
    }
}

/// Compares version, configuration, model and problems of all ranks.
///
/// # Errors
/// The rank and the thing that differ.
pub(crate) fn agree(
    ranks: &dyn Ranks,
    config: &str,
    policy: &LanguageModel,
    pools: &[Vec<Problem>],
) -> Outcome {
    if ranks.size() == 1 {
        return Ok(());
    }
    let facts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("configuration", config.to_owned()),
        ("model", model(policy)),
        ("list of problems", problems(pools)),
    ];
    ranks.agree(&facts).map_err(|error| failure(&error))
}

/// The shape of a model, and a hash of weights from all over it.
fn model(policy: &LanguageModel) -> String {
    let engine = policy.engine();
    let weights = engine.weights();
    let every = weights.len().div_ceil(MAX_COMPARED).max(1);
    let adapter = engine.adapter().map_or(&[][..], |adapter| adapter.params());
    let compared = weights.iter().step_by(every).chain(adapter);
    let bytes: Vec<u8> = compared.flat_map(|weight| weight.to_le_bytes()).collect();
    let shape = serde_json::to_string(&(weights.len(), adapter.len())).unwrap_or_default();
    format!("{shape} with hash {:016x}", stable_hash("ranks/model", &bytes))
}

fn problems(pools: &[Vec<Problem>]) -> String {
    let text = serde_json::to_vec(pools).unwrap_or_default();
    let n: usize = pools.iter().map(Vec::len).sum();
    format!("{n} problems with hash {:016x}", stable_hash("ranks/problems", &text))
}
