//! Reinforcement learning of language models on a curriculum: supervised base policies, group relative policy
//! optimisation, evaluation, and runs that can be stopped and taken up again.
//!
//! Tasks and curricula are met only as the traits of `e2h-core`; the command line wires them together.

mod advantage;
pub mod checkpoint;
mod collect;
mod config;
mod critic;
mod error;
mod eval;
mod fault;
mod finetune;
pub mod gae;
pub mod loss;
mod memory;
mod minibatch;
mod mismatch;
mod ranks;
mod replay;
mod report;
mod reward;
mod rollout;
mod run;
mod sft;
mod source;
mod tensorboard;
pub mod theory;
mod trainer;
mod update;

pub use advantage::{advantages, is_zero_variance};
pub use config::{
    AdvantageKind, AdvantageScale, GrpoConfig, LossKind, LrSchedule, PartWeight, PpoConfig,
    RatioLevel, RewardAggregation,
};
pub use critic::{Critic, Judgement};
pub use error::{Error, Result};
pub use eval::{
    Comparison, EvalConfig, EvalMetric, EvalReport, IntervalKind, LevelReport, PairedRow, PassAtK,
    ProblemResult, Share, bootstrap, compare, evaluate, evaluate_rows, held_out, mcnemar,
    pass_at_k, pass_counts, training_pools, wilson,
};
pub use finetune::{FinetuneConfig, finetune};
pub use mismatch::Mismatch;
#[cfg(feature = "mpi")]
pub use ranks::MpiRank;
pub use ranks::{Alone, RankError, RankResult, Ranks, ThreadRank, tree};
pub use replay::Replay;
pub use report::{StepReport, UpdateStats};
pub use reward::Reward;
pub use rollout::{Ask, PhaseTimes, is_truncated, roll_out, streams};
pub use run::{Best, Observer, OnWriteError, Run, RunConfig, RunEnd, RunFolder, Wish, follow};
pub use sft::{Pair, SftConfig, train_on_play};
pub use source::RolloutSource;
pub use trainer::{Reference, Trainer};
