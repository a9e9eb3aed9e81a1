//! The vocabulary that all E2H crates share: problems, levels, scores and rollouts; the traits [`Task`],
//! [`Curriculum`] and [`Policy`]; seeded random streams; metric keys; atomic file writing.
//!
//! This crate depends on no tensor library and on no other E2H crate, so a task, a schedule or a policy
//! can be written and tested against it alone.
//!
//! # Shape letters
//! The letters mean the same in every crate: `B` prompts a step, `G` group size (samples a prompt),
//! `N = B * G` rollouts, `T` tokens, `V` vocabulary, `H` heads, `K` key/value heads, `D` head size,
//! `C` model width, `L` layers.
//!
//! # Units
//! Durations end in `_s` or `_ms`, counts in `_tokens` or `_steps`, shares in `_frac`; logarithms are natural.
//!
//! ```
//! use e2h_core::{Outcome, Problem, RewardPart, RootSeed, Score, Split};
//!
//! // A row of a data set: unknown fields are kept.
//! let row = r#"{"task":"sums","level":0,"question":[2,3],"answer":5,"source":"mine"}"#;
//! let problem: Problem = serde_json::from_str(row)?;
//! assert_eq!(problem.extra["source"], "mine");
//! // Its content decides whether training may see it.
//! assert_eq!(Split::of("2 3"), Split::of("2 3"));
//! // What a verifier says of a completion: the reward is the weighted sum of the parts.
//! let parts = vec![RewardPart::new("format", 1.0, 0.1), RewardPart::new("correct", 1.0, 0.9)];
//! let score = Score::new(parts, Outcome::Correct, "equals the sum");
//! assert!(score.is_correct() && (score.reward - 1.0).abs() < 1e-12);
//! // Random numbers come from streams that are named, never from a seed plus something.
//! let _stream = RootSeed(42).stream("sums", &[0, 7]);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod curriculum;
mod error;
mod files;
#[cfg(feature = "hub")]
mod hub;
mod level;
pub mod metrics;
mod policy;
mod problem;
mod score;
mod stream;
mod task;

pub use curriculum::{Curriculum, GroupOutcome, Pick, ProblemSampler};
pub use error::{Error, Result};
pub use files::{append_bytes, append_line, read_jsonl, sync, write_atomic};
#[cfg(feature = "hub")]
pub use hub::{HubError, HubFiles, HubKind, HubSettings, hub_files};
pub use level::Level;
pub use policy::{FinishReason, GenerateRequest, Generation, Policy, Rollout, Sampling, TokenId};
pub use problem::{Problem, Split};
pub use score::{Outcome, RewardPart, Score};
pub use stream::{RootSeed, Stream, stable_hash};
pub use task::{LegalPlay, LevelSpec, Play, PlayConfig, Prompt, PromptStyle, Task};
