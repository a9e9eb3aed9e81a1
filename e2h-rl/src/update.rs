//! The update of a step: minibatches, reference log-probs, passes, gradient clipping, optimiser steps.
//!
//! # Invariants
//! - A group is never split over minibatches.
//! - Groups without advantage cost no pass, but count in the means of the loss up to the number of prompts.

use e2h_core::Rollout;
use e2h_model::clip_global_norm;

use crate::collect::is_verified;
use crate::config::GrpoConfig;
use crate::critic::Judgement;
use crate::loss::BatchSize;
use crate::minibatch::{Minibatch, Row, backward};
use crate::report::UpdateStats;
use crate::reward::Reward;
use crate::rollout::is_truncated;
use crate::trainer::{Reference, Trainer};
use crate::{Error, Result, fault, memory};

/// A group that counts in an update.
pub(crate) struct Counted<'a> {
    /// Its place among the groups of the step.
    pub index: usize,
    pub rollouts: &'a [Rollout],
    /// Of the verified rollouts.
    pub rewards: &'a [Reward],
    /// Of the verified rollouts; `None` when the group gets no gradient.
    pub advantages: Option<Vec<f64>>,
    /// True for a group of an earlier step, which another policy drew.
    pub is_replayed: bool,
}

impl<'a> Counted<'a> {
    fn verified(&self) -> impl Iterator<Item = &'a Rollout> + use<'a> {
        self.rollouts.iter().filter(|rollout| is_verified(rollout))
    }

    fn n_tokens(&self, config: &GrpoConfig) -> usize {
        let counts = self.verified().filter(|rollout| !is_masked(rollout, config));
        counts.map(|rollout| rollout.generation.tokens.len()).sum()
    }

    fn rows(&self, config: &GrpoConfig) -> Vec<Row<'a>> {
        let Some(advantages) = &self.advantages else { return Vec::new() };
        let learned = self.verified().zip(self.rewards).zip(advantages).enumerate();
        let learned = learned.filter(|(_, ((rollout, _), _))| {
            !is_masked(rollout, config) && !rollout.generation.tokens.is_empty()
        });
        learned
            .map(|(member, ((rollout, reward), &advantage))| {
                let generation = &rollout.generation;
                Row {
                    prompt: &rollout.prompt,
                    completion: &generation.tokens,
                    behaviour: Some(generation.logprobs.iter().map(|&l| f64::from(l)).collect()),
                    is_replayed: self.is_replayed,
                    advantages: vec![advantage; generation.tokens.len()],
                    reward: reward.total,
                    group: self.index,
                    member,
                    ..Row::default()
                }
            })
            .collect()
    }
}

fn is_masked(rollout: &Rollout, config: &GrpoConfig) -> bool {
    config.mask_truncated && is_truncated(rollout)
}

/// Which minibatch each group goes to: by length there and back again, so that counts and tokens are about equal.
fn deal(lengths: &[usize], n_minibatches: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&group| std::cmp::Reverse(lengths[group]));
    let mut place = vec![0; lengths.len()];
    for (turn, group) in order.into_iter().enumerate() {
        let (round, seat) = (turn / n_minibatches, turn % n_minibatches);
        place[group] = if round.is_multiple_of(2) { seat } else { n_minibatches - 1 - seat };
    }
    place
}

/// The minibatches of a pass.
pub(crate) fn minibatches<'a>(groups: &[Counted<'a>], config: &GrpoConfig) -> Vec<Minibatch<'a>> {
    let lengths: Vec<usize> = groups.iter().map(|group| group.n_tokens(config)).collect();
    let n = config.minibatches.clamp(1, groups.len().max(1));
    let place = deal(&lengths, n);
    let mean_tokens = lengths.iter().sum::<usize>() as f64 / n as f64;
    let of = |seat: usize| {
        let here = || (0..groups.len()).filter(|&group| place[group] == seat);
        let n_tokens = here().map(|group| lengths[group]).sum::<usize>() as f64;
        let size = BatchSize {
            sequences: here().map(|group| groups[group].verified().count()).sum::<usize>() as f64,
            tokens: n_tokens,
            mean_tokens,
            active_tokens: n_tokens,
            max_tokens: config.sampling.max_tokens as f64,
        };
        let rows = here().map(|group| groups[group].rows(config)).filter(|rows| !rows.is_empty());
        Minibatch { groups: rows.collect(), size }
    };
    (0..n).map(of).filter(|minibatch| !minibatch.is_empty()).collect()
}

impl Trainer<'_> {
    /// Gives the rows of `minibatches` the reference policy's log-probs, where there is one.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) fn refer(&self, minibatches: &mut [Minibatch<'_>]) -> Result<()> {
        for minibatch in minibatches {
            let (groups, budget) = (minibatch.packed(), self.token_budget);
            let stats = match &self.reference {
                Reference::Model(model) => model.token_stats(&groups, budget)?,
                Reference::AdapterOff => self.policy.engine().base_token_stats(&groups, budget)?,
                Reference::None => break,
            };
            minibatch.refer_to(stats);
        }
        Ok(())
    }

    /// Lets the critic, where there is one, say what each token was worth: the rows get its advantages, and
    /// `advantages`, by groups and verified rollouts, their means over tokens.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) fn judge(
        &self,
        minibatches: &mut [Minibatch<'_>],
        advantages: &mut [Vec<f64>],
    ) -> Result<Option<Judgement>> {
        let Some(critic) = &self.critic else { return Ok(None) };
        let (engine, budget) = (self.policy.engine(), self.token_budget);
        let judgement = critic.judge(engine, minibatches, self.config, budget)?;
        advantages.iter_mut().for_each(|group| group.fill(0.0));
        for row in minibatches.iter().flat_map(|minibatch| &minibatch.groups).flatten() {
            let mean = row.advantages.iter().sum::<f64>() / row.advantages.len() as f64;
            advantages[row.group][row.member] = mean;
        }
        Ok(Some(judgement))
    }

    /// `num_iterations` passes over the minibatches, each minibatch one optimiser step.
    ///
    /// # Errors
    /// When the engine fails, and [`Error::Diverged`].
    pub(crate) fn update(
        &mut self,
        step: u64,
        minibatches: &mut [Minibatch<'_>],
    ) -> Result<UpdateStats> {
        let config = self.config;
        let (lr, token_budget) = (config.lr_at(step), self.token_budget);
        let mut stats = UpdateStats { lr, token_budget, ..UpdateStats::default() };
        stats.update_tokens = minibatches.iter().map(Minibatch::n_rows).sum();
        for iteration in 0..config.num_iterations {
            for (index, minibatch) in minibatches.iter_mut().enumerate() {
                let key = [step, iteration as u64, index as u64];
                let dropout = self.seed.stream("dropout", &key);
                self.policy.engine_mut().set_dropout_stream(dropout);
                self.update_once(step, minibatch, iteration + index == 0, &mut stats)?;
            }
        }
        Ok(stats)
    }

    /// One optimiser step.
    fn update_once(
        &mut self,
        step: u64,
        minibatch: &mut Minibatch<'_>,
        is_first: bool,
        stats: &mut UpdateStats,
    ) -> Result<()> {
        let config = self.config;
        let engine = self.policy.engine();
        if config.top_entropy_quantile < 1.0 {
            minibatch.choose_active(engine, config.top_entropy_quantile, self.token_budget)?;
        }
        let head = self.critic.as_ref().map(|critic| &critic.head);
        let mut grads = vec![0.0; engine.params().len()];
        let mut head_grads = vec![0.0; head.map_or(0, |head| head.params().len())];
        let pass = memory::within(&mut self.token_budget, step, |budget| {
            grads.fill(0.0);
            head_grads.fill(0.0);
            let config = GrpoConfig { token_budget: budget, ..config.clone() };
            let head = head.map(|head| (head, head_grads.as_mut_slice()));
            backward(engine, minibatch, &config, &mut grads, head)
        })?;
        stats.token_budget = self.token_budget;
        if fault::strikes("update", step, "nan") {
            grads[0] = f32::NAN;
        }
        fault::pass("optimizer", step);
        let norm = clip_global_norm(&mut grads, config.max_grad_norm);
        let head_norm = clip_global_norm(&mut head_grads, config.max_grad_norm);
        if norm.is_finite() && head_norm.is_finite() && pass.loss.is_finite() {
            let (optimizer, lr) = (&mut self.optimizer, stats.lr);
            self.policy.engine_mut().update_params(&mut |layout, params| {
                optimizer.update(layout, params, &grads, lr);
            });
            if let Some(critic) = &mut self.critic {
                critic.update(&head_grads, lr * config.ppo.value_lr_factor);
            }
            self.bad_updates = 0;
        } else {
            stats.skipped_updates += 1;
            self.bad_updates += 1;
            if self.bad_updates >= config.max_bad_updates {
                return Err(Error::Diverged { n: self.bad_updates, step });
            }
        }
        if is_first && pass.n_fresh > 0 {
            stats.ratio_mean = Some(pass.ratio / pass.n_fresh as f64);
        }
        stats.record(norm, head_norm, &pass);
        Ok(())
    }

    /// Moves the reference policy toward the policy, every `reference_sync_steps` steps.
    ///
    /// `ref <- a policy + (1 - a) ref`
    ///
    /// # Source
    /// TR-DPO (arXiv 2404.09656), equation 9, as TRL's `sync_ref_model`.
    pub(crate) fn sync_reference(&mut self, step: u64) {
        let (every, mixup) = (self.config.reference_sync_steps, self.config.reference_mixup as f32);
        let is_due = every > 0 && (step + 1).is_multiple_of(every);
        let Reference::Model(reference) = &mut self.reference else { return };
        if !is_due {
            return;
        }
        let policy = self.policy.engine().params();
        reference.update_params(&mut |_, params| {
            for (old, new) in params.iter_mut().zip(policy) {
                *old = mixup * new + (1.0 - mixup) * *old;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_dealt_out_by_equal_counts_and_about_equal_tokens() {
        let lengths = [50, 10, 40, 20, 30, 60];
        let place = deal(&lengths, 3);
        let tokens =
            |seat| -> usize { (0..6).filter(|&g| place[g] == seat).map(|g| lengths[g]).sum() };
        assert_eq!([tokens(0), tokens(1), tokens(2)], [70, 70, 70]);
        assert_eq!(deal(&lengths, 1), [0; 6]);
    }
}
