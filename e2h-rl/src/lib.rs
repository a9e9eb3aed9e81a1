//! Reinforcement learning of language models on a curriculum: supervised base policies, group relative policy
//! optimisation, evaluation, and runs that can be stopped and taken up again.
//!
//! Tasks and curricula are met only as the traits of `e2h-core`; the command line wires them together.
//!
//! The program `examples/train_own.rs` trains on a task, a curriculum and a sampler of its own. The parts work alone too:
//!
//! ```
//! use e2h_rl::{GrpoConfig, Reward, advantages, mcnemar, pass_at_k, wilson};
//!
//! // Two groups of rewards: the second has no variance and teaches nothing.
//! let groups = [[1.0, 0.0, 0.0, 1.0], [1.0; 4]].map(|group| group.map(Reward::single).to_vec());
//! let found = advantages(&groups, &GrpoConfig::default());
//! assert!(found[0][0] > 0.0 && found[0][1] < 0.0 && found[1] == [0.0; 4]);
//!
//! // 61 of 100 right: the 95% interval, pass@4 of a problem solved in 2 of 8 samples, and whether 9 against 1 is chance.
//! let [low, high] = wilson(61, 100);
//! assert!(low > 0.5 && high < 0.71);
//! assert!((pass_at_k(8, 2, 4) - 0.785_714).abs() < 1e-6);
//! assert!(mcnemar(9, 1) < 0.05);
//! ```

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
