//! One file a verb.

pub(crate) mod base;
pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod config;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod golden;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod sft;
pub(crate) mod shell;
pub(crate) mod tasks;
pub(crate) mod train;

/// What `e2h` alone prints.
pub(crate) const FIRST_PAGE: &str = "\
E2H improves the reasoning of language models by reinforcement learning on a curriculum
that goes from easy tasks to hard ones.

Start here:
  e2h train       train the small model that comes with E2H, in minutes, without a GPU or a download

The five verbs:
  train           a run: base policy, curriculum, evaluation before and after
  eval            accuracy by level of what a run has made:   e2h eval runs/NAME
  sample          read its completions:                       e2h sample runs/NAME --level 2
  report          a page about a run, or runs side by side:   e2h report runs/A runs/B
  schedule        look at a curriculum before using it:       e2h schedule show

Also: inspect, tasks, serve (a completions server), config, export, model, sft, base, bench, golden,
completions, doctor (what can this machine do?).
`e2h VERB --help` explains each, with examples.";
