//! Supervised fine-tuning on prompts and completions.
//!
//! The loss is the mean negative log-prob of the completions' tokens; prompts are given, not learnt.
//!
//! # Invariants
//! - The order of the rows depends on (seed, epoch) only.

use e2h_core::RootSeed;
use e2h_model::{AdamW, AdamWConfig, LanguageModel};
use rand::seq::SliceRandom;

use crate::Result;
use crate::sft::{Pair, Update, supervised_update};

/// How a model is fine-tuned.
///
/// ```
/// use e2h_rl::FinetuneConfig;
/// // Twenty rows are two batches of at most 16.
/// let config = FinetuneConfig { epochs: 3, ..FinetuneConfig::default() };
/// assert_eq!(config.n_updates(20), 6);
/// assert_eq!(FinetuneConfig { steps: Some(100), ..config }.n_updates(20), 100);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FinetuneConfig {
    /// Passes over the rows, where `steps` does not say how long to train.
    pub epochs: u64,
    /// Updates in all, with as many passes over the rows as they take; the last may stay unfinished.
    pub steps: Option<u64>,
    /// Rows an update.
    pub batch: usize,
    /// Peak learning rate; it rises over the first 5% of the steps and falls to a tenth along a cosine.
    pub lr: f64,
    /// Bound on the gradient's 2-norm.
    pub max_grad_norm: f64,
    /// Rows that a worker thread holds at a time, in tokens. Changes memory and speed only.
    pub token_budget: usize,
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self { epochs: 1, steps: None, batch: 16, lr: 2e-5, max_grad_norm: 1.0, token_budget: 1024 }
    }
}

impl FinetuneConfig {
    /// Updates for `n_rows` rows.
    pub fn n_updates(&self, n_rows: usize) -> u64 {
        match self.steps {
            _ if n_rows == 0 => 0,
            Some(steps) => steps,
            None => self.epochs * n_rows.div_ceil(self.batch.max(1)) as u64,
        }
    }
}

/// Trains `policy` on `pairs`; `progress` gets the step and the mean loss in nats a token.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_rl::{FinetuneConfig, Pair, finetune};
/// # use e2h_model::{LanguageModel, Model, ModelConfig, TextCodec};
/// # let text = TextCodec::word_level(&["say", "a", "b"].map(str::to_owned))?;
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// # let mut policy = LanguageModel::new(model, text)?;
///
/// let text = policy.text();
/// let completion = [text.encode("a b")?, vec![text.eos()]].concat();
/// let pairs = [Pair { prompt: text.encode("say")?, completion }];
/// let config = FinetuneConfig { steps: Some(30), lr: 1e-2, ..FinetuneConfig::default() };
/// let mut losses = Vec::new();
/// finetune(&mut policy, &pairs, &config, RootSeed(0), |_, loss| losses.push(loss))?;
/// // To a fresh model all its five tokens are about equally likely: ln 5 nats.
/// assert!((losses[0] - 5f64.ln()).abs() < 0.3 && losses[29] < losses[0] / 2.0);
/// # Ok::<(), e2h_rl::Error>(())
/// ```
///
/// # Errors
/// When the model fails, for example on a row that is longer than its context.
pub fn finetune(
    policy: &mut LanguageModel,
    pairs: &[Pair],
    config: &FinetuneConfig,
    seed: RootSeed,
    mut progress: impl FnMut(u64, f64),
) -> Result<()> {
    let adamw = AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() };
    let mut optimizer = AdamW::new(adamw, policy.engine().params().len());
    let steps = config.n_updates(pairs.len());
    let (mut epoch, mut order) = (0, Vec::new());
    for step in 0..steps {
        if order.is_empty() {
            order = pairs.iter().collect();
            order.shuffle(&mut seed.stream("finetune/order", &[epoch]));
            epoch += 1;
        }
        let rest = order.split_off(config.batch.max(1).min(order.len()));
        let batch = std::mem::replace(&mut order, rest);
        let update = Update {
            lr: crate::sft::warm_cosine(config.lr, step, steps),
            max_grad_norm: config.max_grad_norm,
            token_budget: config.token_budget,
        };
        let dropout = seed.stream("finetune/dropout", &[step]);
        policy.engine_mut().set_dropout_stream(dropout);
        let loss = supervised_update(policy, &mut optimizer, &batch, &update)?;
        progress(step, loss);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use e2h_model::{Model, ModelConfig, TextCodec};

    use super::*;

    #[test]
    fn a_model_learns_the_rows_and_the_loss_does_not_depend_on_the_token_budget() {
        let words: Vec<String> = (0..12).map(|n| format!("w{n}")).collect();
        let run = |token_budget| {
            let codec = TextCodec::word_level(&words).expect("a tokenizer");
            let config = ModelConfig::nano(codec.vocab_size());
            let model = Model::new(config, &mut RootSeed(1).stream("init", &[]));
            let mut policy = LanguageModel::new(model, codec).expect("they fit");
            let pairs: Vec<Pair> = (2..10)
                .map(|n| Pair { prompt: vec![n], completion: vec![n + 1, n + 2, 1] })
                .collect();
            let config = FinetuneConfig {
                epochs: 30,
                batch: 3,
                lr: 2e-3,
                token_budget,
                ..FinetuneConfig::default()
            };
            let mut losses = Vec::new();
            let seed = RootSeed(2);
            finetune(&mut policy, &pairs, &config, seed, |_, loss| losses.push(loss))
                .expect("valid rows");
            assert_eq!(losses.len() as u64, config.n_updates(pairs.len()));
            losses
        };
        let (losses, split) = (run(1024), run(1));
        assert!(losses[0] > 2.0 && losses[losses.len() - 1] < 0.5, "{losses:?}");
        assert!((losses[0] - split[0]).abs() < 1e-5, "{} {}", losses[0], split[0]);
    }

    #[test]
    fn a_number_of_updates_is_kept_whatever_the_number_of_rows() {
        let updates = |steps, n_rows| {
            FinetuneConfig { epochs: 7, steps, batch: 3, ..FinetuneConfig::default() }
                .n_updates(n_rows)
        };
        assert_eq!([updates(Some(5), 8), updates(None, 8), updates(Some(5), 0)], [5, 21, 0]);
    }
}
