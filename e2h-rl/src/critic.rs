//! The critic of PPO: a value head on the policy's own decoder, with its optimiser.
//!
//! Before the update of a step it says what return it expects at each token. From that come the advantages, by
//! generalised advantage estimation, and the returns that it should have expected. In each pass of the update the
//! value loss joins the policy's: its gradient moves the head, and goes on through the whole decoder.
//!
//! # Source
//! PPO (Schulman et al. 2017) as RLHF runs it (Ouyang et al. 2022), with the constants and the whitening of TRL's
//! `PPOTrainer`.
//!
//! # Deviations
//! - Policy and critic share one decoder, as in `trl`'s value-head models; TRL's `PPOTrainer` and verl keep two. A
//!   second decoder would double memory and time.
//! - The head's gradient is clipped by its own norm, as in verl, not together with the policy's.
//! - The head has no bias in transformers' reward models; here it has one, as in `v_head`.

use e2h_model::{AdamW, Engine, ValueHead};

use crate::Result;
use crate::config::GrpoConfig;
use crate::gae::{gae, token_rewards};
use crate::loss::value::Critique;
use crate::minibatch::{Minibatch, Row, wide};

/// The value head of a run and the state of its optimiser.
///
/// ```
/// use e2h_rl::{Critic, GrpoConfig, LossKind};
/// let ppo = GrpoConfig { loss: LossKind::Ppo, ..GrpoConfig::default() };
/// let critic = Critic::of(&ppo, 16).expect("PPO has a critic");
/// // 16 weights and a bias.
/// assert_eq!((critic.head.width(), critic.optimizer.m.len()), (16, 17));
/// assert!(Critic::of(&GrpoConfig::default(), 16).is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Critic {
    /// The head.
    pub head: ValueHead,
    /// Its optimiser.
    pub optimizer: AdamW,
}

/// What the critic said before an update; means over the tokens that the update learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Mean value.
    pub value: f64,
    /// `1 - Var(R - V) / Var(R)`; `None` where all returns are equal.
    pub explained_variance: Option<f64>,
    /// Mean over completions of the sum of their KL penalties, in units of the reward.
    pub kl_reward: f64,
}

impl Critic {
    /// A fresh critic for a decoder of width `hidden_size`, where the settings ask for one.
    pub fn of(config: &GrpoConfig, hidden_size: usize) -> Option<Self> {
        let head = ValueHead::new(hidden_size);
        let optimizer = AdamW::new(config.adamw, head.params().len());
        config.is_ppo().then_some(Self { head, optimizer })
    }

    /// Gives every row its values, returns and advantages.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) fn judge(
        &self,
        engine: &dyn Engine,
        minibatches: &mut [Minibatch<'_>],
        config: &GrpoConfig,
        token_budget: usize,
    ) -> Result<Judgement> {
        let (mut kl_reward, mut n_rows) = (0.0, 0.0);
        for minibatch in minibatches.iter_mut() {
            let values = engine.values(&minibatch.packed(), token_budget, &self.head)?;
            for (row, values) in minibatch.groups.iter_mut().flatten().zip(values) {
                kl_reward += judge_row(row, wide(&values), config);
                n_rows += 1.0;
            }
        }
        let mut rows: Vec<&mut Row<'_>> =
            minibatches.iter_mut().flat_map(|minibatch| &mut minibatch.groups).flatten().collect();
        let critiques: Vec<&Critique> =
            rows.iter().filter_map(|row| row.critique.as_ref()).collect();
        let judgement =
            Judgement { kl_reward: kl_reward / f64::max(n_rows, 1.0), ..Judgement::of(&critiques) };
        if config.ppo.whiten {
            whiten(&mut rows);
        }
        Ok(judgement)
    }

    /// One optimiser step of the head.
    pub(crate) fn update(&mut self, grads: &[f32], lr: f64) {
        let optimizer = &mut self.optimizer;
        self.head.update_params(|layout, params| optimizer.update(layout, params, grads, lr));
    }
}

/// Fills in a row's critique and advantages; returns the sum of its KL penalties.
fn judge_row(row: &mut Row<'_>, values: Vec<f64>, config: &GrpoConfig) -> f64 {
    let none = vec![0.0; values.len()];
    let behaviour = row.behaviour.as_deref().unwrap_or(&none);
    let reference = row.reference.as_deref();
    let rewards = token_rewards(row.reward, behaviour, reference, config.kl_beta);
    let kl_reward = rewards.iter().sum::<f64>() - row.reward;
    row.advantages = gae(&rewards, &values, config.ppo.gamma, config.ppo.lambda);
    let returns = row.advantages.iter().zip(&values).map(|(a, v)| a + v).collect();
    row.critique = Some(Critique { values, returns });
    kl_reward
}

impl Judgement {
    fn of(critiques: &[&Critique]) -> Self {
        let all = |list: fn(&Critique) -> &Vec<f64>| -> Vec<f64> {
            critiques.iter().flat_map(|critique| list(critique)).copied().collect()
        };
        let (values, returns) = (all(|c| &c.values), all(|c| &c.returns));
        let errors: Vec<f64> = returns.iter().zip(&values).map(|(r, v)| r - v).collect();
        let (_, of_returns) = moments(&returns);
        let (_, of_errors) = moments(&errors);
        let explained_variance = (of_returns > 0.0).then(|| 1.0 - of_errors / of_returns);
        Self { value: moments(&values).0, explained_variance, kl_reward: 0.0 }
    }
}

/// Centres and scales the advantages over all tokens: `(A - mean) / sqrt(var + 1e-8)`.
fn whiten(rows: &mut [&mut Row<'_>]) {
    let all: Vec<f64> = rows.iter().flat_map(|row| &row.advantages).copied().collect();
    let (mean, variance) = moments(&all);
    let scale = (variance + 1e-8).sqrt().recip();
    for advantage in rows.iter_mut().flat_map(|row| &mut row.advantages) {
        *advantage = (*advantage - mean) * scale;
    }
}

/// Mean and sample variance; 0 where there are too few values.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0).max(1.0))
}

#[cfg(test)]
mod tests;
