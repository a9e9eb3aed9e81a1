//! The ranks that do not write: they do what rank 0 tells them, step by step.
//!
//! # Invariants
//! - Followers touch no file but a checkpoint that they are told to take up.
//! - Before each step, evaluation and end rank 0 says which it is, so that ranks cannot drift apart unnoticed.

use std::path::PathBuf;

use e2h_core::Problem;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::eval::{EvalConfig, evaluate};
use crate::ranks::{RankError, Ranks};
use crate::source::Sourced;
use crate::trainer::Trainer;
use crate::{Error, Result};

/// What rank 0 tells the others to do next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Take up this checkpoint.
    Restore(PathBuf),
    /// Make this step.
    Step(u64),
    /// Evaluate like this.
    Evaluate(EvalConfig),
    /// The run is over.
    End,
}

/// Tells the other ranks, where there are some.
///
/// # Errors
/// [`RankError`](crate::RankError).
pub(super) fn tell(ranks: &dyn Ranks, order: Order) -> Result<()> {
    if ranks.size() > 1 {
        ranks.broadcast(&Some(order))?;
    }
    Ok(())
}

/// Tells the other ranks that this one has failed, unless they know.
///
/// True when rank 0 has failed in the same way.
pub(super) fn tell_failure(ranks: &dyn Ranks, error: &Error) -> bool {
    use RankError::{Differs, Failed, Gone, Stalled};
    match error {
        Error::Ranks(Differs { .. } | Failed { .. } | Gone(_) | Stalled { .. }) => false,
        _ => ranks.fail(&super::session::chain(error)),
    }
}

/// Takes part in a run that rank 0 leads, until it is over.
///
/// ```no_run
/// use e2h_core::Problem;
/// use e2h_rl::{Observer, Run, Trainer, follow};
///
/// /// What every process of a run over ranks does: rank 0 leads, the others follow.
/// fn take_part(
///     run: &Run<'_>,
///     trainer: &mut Trainer<'_>,
///     observer: &mut dyn Observer,
/// ) -> e2h_rl::Result<()> {
///     match trainer.ranks.leads() {
///         true => run.run(trainer, observer).map(drop),
///         false => follow(trainer, run.held_out),
///     }
/// }
/// ```
///
/// # Errors
/// Whatever a step, an evaluation or a checkpoint ran into, here or on another rank. What rank 0 ran into as well is
/// [`RankError::Failed`] of rank 0.
pub fn follow(trainer: &mut Trainer<'_>, held_out: &[Vec<Problem>]) -> Result<()> {
    let end = orders(trainer, held_out);
    match end {
        Err(error) if tell_failure(&*trainer.ranks, &error) => {
            Err(RankError::Failed { rank: 0, problem: super::session::chain(&error) }.into())
        }
        end => end,
    }
}

fn orders(trainer: &mut Trainer<'_>, held_out: &[Vec<Problem>]) -> Result<()> {
    loop {
        match trainer.ranks.broadcast(&None::<Order>)? {
            Some(Order::Restore(path)) => {
                let state = checkpoint::verify(&path)?;
                checkpoint::restore(trainer, &path, &state)?;
            }
            Some(Order::Step(step)) => drop(trainer.step(step)?),
            Some(Order::Evaluate(eval)) => {
                let (task, sampling) = (trainer.task, &trainer.config.sampling);
                let mut policy = Sourced::new(&mut trainer.policy, None, &*trainer.ranks);
                let report = evaluate(&mut policy, task, held_out, sampling, &eval, |_| ());
                policy.settle(report)?;
            }
            Some(Order::End) | None => return Ok(()),
        }
    }
}
