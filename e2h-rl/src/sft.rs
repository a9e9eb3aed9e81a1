//! Supervised training of a base policy on random legal play.
//!
//! The base learns to act legally and to keep the format, and nothing about the goal: plays are drawn without
//! looking at what the problem asks for (see [`LegalPlay`]). No solver is used, so whatever skill training by
//! reward adds comes from the verifier alone.

use e2h_core::{LegalPlay, PlayConfig, RootSeed, TokenId};
use e2h_model::{AdamW, AdamWConfig, Group, LanguageModel, TokenGrads, clip_global_norm};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Result;

/// How a base policy is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SftConfig {
    /// Updates.
    pub steps: u64,
    /// Plays an update.
    pub batch: usize,
    /// Peak learning rate; it rises over the first 5% of the steps and falls to a tenth along a cosine.
    pub lr: f64,
    /// Bound on the gradient's 2-norm.
    pub max_grad_norm: f64,
    /// Rows that a worker thread holds at a time, in tokens.
    pub token_budget: usize,
    /// How plays are drawn.
    pub play: PlayConfig,
}

impl Default for SftConfig {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 64,
            lr: 1e-3,
            max_grad_norm: 1.0,
            token_budget: 1024,
            play: PlayConfig::default(),
        }
    }
}

impl SftConfig {
    fn lr_at(&self, step: u64) -> f64 {
        warm_cosine(self.lr, step, self.steps)
    }
}

/// The learning rate at `step` of `steps`: up over the first 5%, then down to a tenth of `peak` along a cosine.
pub(crate) fn warm_cosine(peak: f64, step: u64, steps: u64) -> f64 {
    let warmup = (steps / 20).max(1);
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let progress = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    peak * (0.1 + 0.45 * (1.0 + (std::f64::consts::PI * progress).cos()))
}

/// Trains `policy` on random plays of `task`; `progress` gets the step and the mean loss in nats a token.
///
/// ```
/// use e2h_rl::{SftConfig, train_on_play};
/// # use e2h_model::{LanguageModel, Model, ModelConfig, TextCodec};
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/one_level.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "words".to_owned(), ood: false }]);
/// # fn row() -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": "say", "answer": "b"});
/// #     serde_json::from_value(row).expect("a row")
/// # }
/// # impl LegalPlay for Say {
/// #     fn vocabulary(&self) -> Vec<String> { ["say", "a", "b"].map(str::to_owned).to_vec() }
/// #     fn random_play(&self, _: &PlayConfig, rng: &mut Stream) -> Result<Play> {
/// #         let completion = if rand::Rng::next_u32(rng).is_multiple_of(2) { "a a" } else { "b b" };
/// #         Ok(Play { problem: row(), completion: completion.to_owned() })
/// #     }
/// # }
/// # let text = TextCodec::word_level(&["say", "a", "b"].map(str::to_owned))?;
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// # let mut policy = LanguageModel::new(model, text)?;
///
/// // Plays are `a a` or `b b`, as a coin falls: only the first token's ln 2 nats of two cannot be learnt.
/// let config = SftConfig { steps: 40, batch: 8, lr: 1e-2, ..SftConfig::default() };
/// let mut losses = Vec::new();
/// train_on_play(&mut policy, &task, &config, RootSeed(0), |_, loss| losses.push(loss))?;
/// assert!((losses[0] - 5f64.ln()).abs() < 0.3);
/// assert!(losses[39] > 0.2 && losses[39] < 0.8);
/// # Ok::<(), e2h_rl::Error>(())
/// ```
///
/// # Errors
/// When the task has no play or the model fails.
pub fn train_on_play(
    policy: &mut LanguageModel,
    task: &dyn LegalPlay,
    config: &SftConfig,
    seed: RootSeed,
    mut progress: impl FnMut(u64, f64),
) -> Result<()> {
    let n_params = policy.engine().params().len();
    let adamw = AdamWConfig { beta2: 0.98, weight_decay: 0.01, ..AdamWConfig::default() };
    let mut optimizer = AdamW::new(adamw, n_params);
    for step in 0..config.steps {
        let text = policy.text();
        let plays = (0..config.batch as u64)
            .into_par_iter()
            .map(|index| {
                let mut rng = seed.stream("play", &[step, index]);
                let play = task.random_play(&config.play, &mut rng)?;
                let prompt = text.encode_prompt(&task.prompt(&play.problem)?)?;
                Ok(Pair { prompt, completion: text.encode(&play.completion)? })
            })
            .collect::<Result<Vec<Pair>>>()?;
        let pairs: Vec<&Pair> = plays.iter().collect();
        let loss = supervised_update(
            policy,
            &mut optimizer,
            &pairs,
            &Update {
                lr: config.lr_at(step),
                max_grad_norm: config.max_grad_norm,
                token_budget: config.token_budget,
            },
        )?;
        progress(step, loss);
    }
    Ok(())
}

/// A prompt and what is to follow it, in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What the model is given.
    pub prompt: Vec<TokenId>,
    /// What it learns to say, end token included.
    pub completion: Vec<TokenId>,
}

/// The numbers of one supervised update.
pub(crate) struct Update {
    pub lr: f64,
    pub max_grad_norm: f64,
    pub token_budget: usize,
}

/// One update on the mean negative log-prob over the completions' tokens; returns it, in nats a token.
pub(crate) fn supervised_update(
    policy: &mut LanguageModel,
    optimizer: &mut AdamW,
    pairs: &[&Pair],
    update: &Update,
) -> Result<f64> {
    let groups: Vec<Group<'_>> = pairs
        .iter()
        .map(|pair| Group { prompt: &pair.prompt, completions: vec![pair.completion.as_slice()] })
        .collect();
    let n_tokens = pairs.iter().map(|pair| pair.completion.len()).sum::<usize>() as f32;
    let mut grads = vec![0.0; policy.engine().params().len()];
    let losses = std::sync::Mutex::new(Vec::new());
    policy.engine().backward(&groups, update.token_budget, &mut grads, &|stats| {
        let loss: f64 = stats.logprobs.iter().map(|logprob| -f64::from(*logprob)).sum();
        let mut losses = losses.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        losses.push((stats.sequences[0], loss));
        TokenGrads {
            d_logprobs: vec![-1.0 / n_tokens; stats.logprobs.len()],
            d_entropies: vec![0.0; stats.logprobs.len()],
        }
    })?;
    clip_global_norm(&mut grads, update.max_grad_norm);
    policy.engine_mut().update_params(&mut |layout, params| {
        optimizer.update(layout, params, &grads, update.lr);
    });
    let mut losses = losses.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    losses.sort_by_key(|(first, _)| *first);
    Ok(losses.iter().map(|(_, loss)| loss).sum::<f64>() / f64::from(n_tokens))
}
