//! Rollouts from a server that speaks OpenAI's completions protocol: vLLM, SGLang, or `e2h serve`.
//!
//! Before each step the adapter is written to a folder in PEFT's layout and the server is told to load it; then every
//! prompt is one request for its G samples, as token ids both ways, with the log-prob of each sampled token.
//!
//! # Deviations
//! - vLLM is asked by `/v1/load_lora_adapter` and the adapter's name as the model; SGLang, which has no such path, by
//!   `/load_lora_adapter` and `BASE:ADAPTER`.
//! - Sampling settings are always sent in full, because servers fill in the model's own `generation_config.json`.
//!
//! # Invariants
//! - Tokens are never read from text: a server that does not give their ids is refused before the first step.
//! - A sample's seed depends on (seed, step, problem) alone; `e2h serve` gets the random streams themselves, and then
//!   its tokens are those of the policy's own engine.

use std::path::Path;

use e2h_core::TokenId;
use e2h_model::LanguageModel;
use e2h_rl::RolloutSource;

use crate::config::RolloutsSection;
use crate::hints::{Failure, Outcome};

#[cfg(feature = "remote")]
mod client;
#[cfg(feature = "remote")]
mod rollouts;
#[cfg(feature = "remote")]
mod wire;

/// Connects to a server and makes sure that it can do what a run needs: the model, token ids, log-probs.
///
/// `probe` is a prompt that the server's base model continues, so that another model is noticed.
#[cfg(feature = "remote")]
pub(crate) fn connect(
    server: &str,
    section: &RolloutsSection,
    policy: &LanguageModel,
    probe: &[TokenId],
    run: &Path,
) -> Outcome<Box<dyn RolloutSource>> {
    let client = client::Client::new(server, section, crate::commands::serve::key(None));
    let connected = rollouts::Rollouts::connect(client, section, policy, probe, run);
    connected.map(|rollouts| Box::new(rollouts) as Box<dyn RolloutSource>).map_err(|trouble| {
        let failure = Failure::run(&trouble).context("rollouts from a server");
        match trouble.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// Says that this program cannot.
#[cfg(not(feature = "remote"))]
pub(crate) fn connect(
    server: &str,
    _: &RolloutsSection,
    _: &LanguageModel,
    _: &[TokenId],
    _: &Path,
) -> Outcome<Box<dyn RolloutSource>> {
    let message = format!("this program is built without rollouts from a server such as {server}");
    Err(Failure::usage(message).hint("build it with `--features remote`"))
}
