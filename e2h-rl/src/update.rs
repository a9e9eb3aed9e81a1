//! The update of a step: minibatches, reference log-probs, passes, gradient clipping, optimiser steps.
//!
//! # Invariants
//! - A group is never split over minibatches.
//! - Groups without advantage cost no pass, but count in the means of the loss up to the number of prompts.

use std::borrow::Cow;

use e2h_core::Rollout;
use e2h_model::{Group, clip_global_norm};

use crate::collect::is_verified;
use crate::config::GrpoConfig;
use crate::critic::Judgement;
use crate::loss::BatchSize;
use crate::minibatch::{Minibatch, PassSums, Row, backward};
use crate::mismatch::{Measured, Mismatch};
use crate::ranks::work::{cut, own_parts, parts_sum, share_stats};
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
        if matches!(self.reference, Reference::None) {
            return Ok(());
        }
        for minibatch in minibatches {
            let budget = self.token_budget;
            let compute = |own: &[Group<'_>]| match &self.reference {
                Reference::Model(model) => model.token_stats(own, budget),
                _ => self.policy.engine().base_token_stats(own, budget),
            };
            let stats = share_stats(&*self.ranks, self.n_parts(), &minibatch.packed(), compute)?;
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
        stats.mismatch = self.correct_mismatch(minibatches)?;
        for iteration in 0..config.num_iterations {
            for (index, minibatch) in minibatches.iter_mut().enumerate() {
                let key = [step, iteration as u64, index as u64];
                let dropout = self.seed.stream("dropout", &key);
                self.policy.engine_mut().set_dropout_stream(dropout);
                self.update_once(key, minibatch, &mut stats)?;
            }
        }
        Ok(stats)
    }

    /// Corrects for a rollout source whose log-probs are not the trainer's; `None` without one.
    fn correct_mismatch(&self, minibatches: &mut [Minibatch<'_>]) -> Result<Option<Mismatch>> {
        let cap = self.config.importance_sampling_cap;
        if self.rollouts.is_none() || cap == 0.0 {
            return Ok(None);
        }
        let mut measured = Measured::default();
        for minibatch in minibatches {
            let engine = self.policy.engine();
            let compute = |own: &[Group<'_>]| engine.token_stats(own, self.token_budget);
            let stats = share_stats(&*self.ranks, self.n_parts(), &minibatch.packed(), compute)?;
            minibatch.correct(&stats, cap, &mut measured);
        }
        Ok(measured.figures())
    }

    /// Parts that the work on a minibatch is cut into.
    fn n_parts(&self) -> usize {
        if self.config.shards == 0 { self.ranks.size() } else { self.config.shards }
    }

    /// The gradient of a minibatch's loss, that of the value head behind it, and the sums of the pass: each rank
    /// computes its parts, all get the whole.
    ///
    /// `key` is step, iteration and minibatch.
    fn gradient(
        &mut self,
        key: [u64; 3],
        minibatch: &Minibatch<'_>,
    ) -> Result<(Vec<f32>, PassSums)> {
        let n_parts = self.n_parts();
        let (config, seed, ranks) = (self.config, self.seed, &*self.ranks);
        let head = self.critic.as_ref().map(|critic| &critic.head);
        let runs = cut(&minibatch.group_rows(), n_parts);
        let (policy, budget) = (&mut self.policy, &mut self.token_budget);
        let mut part = |index: usize| -> Result<(Vec<f32>, Vec<f64>)> {
            let mut piece = Cow::Borrowed(minibatch);
            if n_parts > 1 {
                piece = Cow::Owned(minibatch.part(runs[index].clone()));
                let key = [key[0], key[1], key[2], index as u64];
                policy.engine_mut().set_dropout_stream(seed.stream("dropout/part", &key));
            }
            let engine = policy.engine();
            let n_params = engine.params().len();
            let mut grads = vec![0.0; n_params + head.map_or(0, |head| head.params().len())];
            if piece.is_empty() {
                return Ok((grads, PassSums::default().to_few()));
            }
            let pass = memory::within(budget, key[0], |budget| {
                grads.fill(0.0);
                let config = GrpoConfig { token_budget: budget, ..config.clone() };
                let (own, of_head) = grads.split_at_mut(n_params);
                backward(engine, &piece, &config, own, head.map(|head| (head, of_head)))
            })?;
            Ok((grads, pass.to_few()))
        };
        let (mut grads, sums) = parts_sum(own_parts(ranks, n_parts)?, &mut part)?;
        ranks.sum(&mut grads)?;
        Ok((grads, PassSums::from_few(&ranks.sum_few(&sums)?)))
    }

    /// One optimiser step; `key` is step, iteration and minibatch.
    fn update_once(
        &mut self,
        key: [u64; 3],
        minibatch: &mut Minibatch<'_>,
        stats: &mut UpdateStats,
    ) -> Result<()> {
        let config = self.config;
        let step = key[0];
        if config.top_entropy_quantile < 1.0 {
            let (engine, budget) = (self.policy.engine(), self.token_budget);
            let shared = (&*self.ranks, self.n_parts());
            minibatch.choose_active(engine, shared, config.top_entropy_quantile, budget)?;
        }
        let (mut grads, pass) = self.gradient(key, minibatch)?;
        let mut head_grads = grads.split_off(self.policy.engine().params().len());
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
        if key[1..] == [0, 0] && pass.n_fresh > 0 {
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
