//! Which difficulty levels a training step draws from: probabilistic easy-to-hard schedules, adaptive rules,
//! and the sampler that turns probabilities into problems.
//!
//! - [`ScheduleConfig`] is what a user writes; [`ScheduleConfig::build`] turns it into a
//!   [`Curriculum`](e2h_core::Curriculum).
//! - [`Fixed`] holds the schedules that are functions of the step alone.
//! - [`Sec`], [`AdaRft`], [`Dump`], [`GroupDro`], [`Threshold`] and [`E2hA`] learn from the outcomes of groups.
//! - [`Filtered`] and [`Floored`] go on top of any of them.
//! - [`LevelSampler`] draws levels and, within a level, problems without repetition.
//! - [`read_table`] reads a table of probabilities from a file.
//! - [`Preview`], [`terminal`], [`svg`] and [`replay()`] show what a rule will do or would have done;
//!   [`simulate`] tries rules on synthetic learners.
//!
//! ```
//! use e2h_core::{ProblemSampler, RootSeed};
//! use e2h_sched::{LevelSampler, Picking, ScheduleConfig};
//!
//! let curriculum = ScheduleConfig::default().build(4, 1600)?;
//! let mut sampler = LevelSampler::new(RootSeed(42), &[1000; 4], Picking::Independent)?;
//! let picks = sampler.draw(curriculum.as_ref(), 0, 8)?;
//! assert_eq!(picks.len(), 8);
//! # Ok::<(), e2h_core::Error>(())
//! ```

mod adaptive;
mod checks;
mod config;
mod filter;
mod fixed;
mod floor;
mod plot;
mod preview;
mod replay;
mod sampler;
pub mod simulate;
mod state;
mod table_file;

pub use adaptive::{
    AdaRft, AdaRftConfig, Belief, Dump, DumpConfig, E2hA, E2hAConfig, GroupDro, GroupDroConfig,
    Sec, SecConfig, Threshold, ThresholdConfig,
};
pub use config::{FilterConfig, FilterKind, Kind, ScheduleConfig};
pub use filter::{Filter, Filtered, PassRateFilter, Pools, Vcrl, VcrlConfig, normalised_variance};
pub use fixed::{CosineForm, Fixed, Point, Shape};
pub use floor::Floored;
pub use plot::{svg, terminal};
pub use preview::{Preview, expected_counts};
pub use replay::{Replay, replay, total_variation};
pub use sampler::{LevelSampler, Picking, SamplerState};
pub use table_file::read_table;
