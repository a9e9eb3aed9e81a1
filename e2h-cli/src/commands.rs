//! One file a verb.

pub(crate) mod base;
pub(crate) mod chat;
pub(crate) mod config;
pub(crate) mod docs;
pub(crate) mod eval;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod sft;
pub(crate) mod tasks;
pub(crate) mod train;

/// What `e2h` alone prints.
pub(crate) const FIRST_PAGE: &str = "\
E2H improves the reasoning of language models by reinforcement learning on a curriculum
that goes from easy tasks to hard ones.

Start here:
  e2h train                       train the small model that comes with E2H, in minutes

Then:
  e2h train --task blocksworld    another task
  e2h eval runs/NAME              accuracy by level of what a run has made
  e2h sample runs/NAME --level 2  read its completions
  e2h report runs/A runs/B        runs side by side, as one page
  e2h schedule show               look at a schedule before using it
  e2h config show                 every setting, and where it comes from

`e2h VERB --help` explains each.";
