//! Reinforcement learning of language models on a curriculum: supervised base policies, group relative policy
//! optimisation, evaluation, and runs that can be stopped and taken up again.
//!
//! Tasks and curricula are met only as the traits of `e2h-core`; the command line wires them together.

mod advantage;
pub mod checkpoint;
mod config;
mod error;
mod eval;
mod finetune;
pub mod loss;
mod report;
mod rollout;
mod run;
mod sft;
mod tensorboard;
pub mod theory;
mod trainer;

pub use advantage::{advantages, is_zero_variance};
pub use config::{AdvantageScale, GrpoConfig, LossKind, LrSchedule};
pub use error::{Error, Result};
pub use eval::{
    EvalConfig, EvalReport, LevelReport, evaluate, held_out, pass_at_k, pass_counts,
    training_pools, wilson,
};
pub use finetune::{FinetuneConfig, finetune};
pub use report::{StepReport, UpdateStats};
pub use rollout::{Ask, PhaseTimes, is_truncated, roll_out, streams};
pub use run::{Observer, Run, RunConfig, RunEnd, RunFolder, Wish};
pub use sft::{Pair, SftConfig, train_on_play};
pub use trainer::{Reference, Trainer};
