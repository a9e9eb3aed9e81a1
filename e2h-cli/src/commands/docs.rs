//! `e2h docs`: pages that are generated from the code.

use e2h_core::{RootSeed, metrics::METRICS};

use crate::args::{DocsArgs, DocsPage};
use crate::hints::{Failure, Outcome};
use crate::progress::out;

/// Runs the command.
pub(crate) fn run(args: &DocsArgs) -> Outcome {
    match args.page {
        DocsPage::Metrics => out(&metrics()),
        DocsPage::Gallery => {
            out(&e2h_tasks::gallery::gallery(RootSeed(0)).map_err(Failure::run)?);
        }
    }
    Ok(())
}

fn metrics() -> String {
    let mut page = "# Metrics\n\n\
        Every step of a run writes one JSON object with these keys to `metrics.jsonl`.\n\
        `{k}` stands for a level; levels without a rollout in the step have no reward and no accuracy.\n\
        `{part}` stands for the name of a part of the reward.\n\
        Where TRL's `GRPOTrainer` or `PPOTrainer` logs the same number, the key is TRL's.\n\
        Two runs with the same configuration and seed write the same lines, `time/` keys aside.\n\
        This page is generated from `e2h-core/src/metrics.rs` by `cargo xtask gen`.\n\n\
        | key | unit | what | healthy |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for metric in METRICS {
        page += &format!(
            "| `{}` | {} | {} | {} |\n",
            metric.key, metric.unit, metric.formula, metric.healthy
        );
    }
    page
}
