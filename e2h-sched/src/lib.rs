//! Which difficulty levels a training step draws from: probabilistic easy-to-hard schedules, adaptive rules,
//! and the sampler that turns probabilities into problems.
//!
//! - [`ScheduleConfig`] is what a user writes; [`ScheduleConfig::build`] turns it into a
//!   [`Curriculum`](e2h_core::Curriculum).
//! - [`Fixed`] holds the schedules that are functions of the step alone.
//! - [`LevelSampler`] draws levels and, within a level, problems without repetition.
//!
//! ```
//! use e2h_core::RootSeed;
//! use e2h_sched::{LevelSampler, Picking, ScheduleConfig};
//!
//! let curriculum = ScheduleConfig::default().build(4, 1600)?;
//! let mut sampler = LevelSampler::new(RootSeed(42), &[1000; 4], Picking::Independent)?;
//! let picks = sampler.draw(curriculum.as_ref(), 0, 8)?;
//! assert_eq!(picks.len(), 8);
//! # Ok::<(), e2h_core::Error>(())
//! ```

mod checks;
mod config;
mod fixed;
mod floor;
mod preview;
mod sampler;

pub use config::{Kind, ScheduleConfig};
pub use fixed::{CosineForm, Fixed, Point, Shape};
pub use floor::Floored;
pub use preview::expected_counts;
pub use sampler::{LevelSampler, Pick, Picking, SamplerState};
