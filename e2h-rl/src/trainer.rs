//! One training step of group relative policy optimisation, from the curriculum to the update.
//!
//! # Source
//! GRPO (Shao et al. 2024) as TRL runs it, on the curricula of E2H (arXiv 2506.06632, algorithm 1).
//!
//! # Deviations
//! - Groups whose rewards are all equal have no advantage; they cost no forward or backward pass. With a KL or
//!   entropy term TRL would still push them toward the reference; here they are left out of the update, though
//!   they count in the loss's denominator.
//! - The behaviour log-probs are those of the sampling engine, which equal the trainer's to rounding, instead of
//!   a second forward pass.
//! - A rollout that the verifier could not decide takes no part in its group's mean and gets no gradient.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use e2h_core::{
    Curriculum, GroupOutcome, Outcome, Pick, Problem, ProblemSampler, Rollout, RootSeed, Task,
};
use e2h_model::{AdamW, Engine, Group, LanguageModel, TokenGrads, TokenStats, clip_global_norm};

use crate::advantage::{advantages, is_zero_variance};
use crate::config::GrpoConfig;
use crate::loss::{Token, TokenLoss, token_weight};
use crate::report::{StepReport, UpdateStats};
use crate::rollout::{Ask, is_truncated, roll_out, streams};
use crate::{Error, Result};

/// Updates in a row that may fail before the run gives up.
const MAX_BAD_UPDATES: u32 = 5;

/// The policy that the KL term compares with.
pub enum Reference {
    /// There is no KL term.
    None,
    /// The policy itself with its adapter off: no extra memory.
    AdapterOff,
    /// A model of its own.
    Model(Box<dyn Engine>),
}

/// Everything that a run trains with.
pub struct Trainer<'a> {
    /// The policy.
    pub policy: LanguageModel,
    /// What the loss's KL term compares with.
    pub reference: Reference,
    /// Optimiser state.
    pub optimizer: AdamW,
    /// The rule that gives levels their probabilities.
    pub curriculum: Box<dyn Curriculum>,
    /// Draws problems by the curriculum.
    pub sampler: Box<dyn ProblemSampler>,
    /// The task.
    pub task: &'a dyn Task,
    /// Training problems by level.
    pub pools: &'a [Vec<Problem>],
    /// Settings.
    pub config: &'a GrpoConfig,
    /// Root of all random streams.
    pub seed: RootSeed,
    /// Updates in a row whose gradient was not finite.
    pub bad_updates: u32,
}

impl<'a> Trainer<'a> {
    /// Runs one step: draw problems, roll out, score, update, tell the curriculum.
    ///
    /// # Errors
    /// [`Error::Core`] or [`Error::Model`] when a part fails, [`Error::Diverged`] after several updates in a
    /// row without a finite gradient.
    pub fn step(&mut self, step: u64) -> Result<StepReport> {
        let start = Instant::now();
        let config = self.config;

        let probs = self.curriculum.probs(step);
        let picks = self.sampler.draw(self.curriculum.as_ref(), step, config.prompts)?;
        let asks = self.asks(step, &picks);

        let (groups, times) = roll_out(&mut self.policy, self.task, &asks, &config.sampling)?;

        let rewards: Vec<Vec<f64>> = groups.iter().map(|group| verified_rewards(group)).collect();
        let group_advantages = advantages(&rewards, config.advantage_scale);

        let outcomes = outcomes(&picks, &groups, &rewards, &group_advantages);
        let kept = outcomes.iter().map(|outcome| self.curriculum.keeps(step, outcome)).collect();

        let update_start = Instant::now();
        let batch = Batch::new(&groups, &group_advantages, kept, config);
        let update = self.update(step, &batch)?;
        let update_s = update_start.elapsed().as_secs_f64();

        self.curriculum.observe(step, &outcomes);

        Ok(StepReport {
            step,
            probs,
            picks,
            groups,
            advantages: group_advantages,
            update,
            times,
            update_s,
            step_s: start.elapsed().as_secs_f64(),
        })
    }

    fn asks(&self, step: u64, picks: &[Pick]) -> Vec<Ask<'a>> {
        let pools = self.pools;
        let mut seen = HashMap::new();
        picks
            .iter()
            .map(|pick| {
                let occurrence = seen.entry((pick.level, pick.item)).or_insert(0);
                let n = self.config.group_size;
                let streams = streams(self.seed, step, pick.level, pick.item, *occurrence, n);
                *occurrence += 1;
                Ask { problem: &pools[pick.level.index()][pick.item as usize], streams }
            })
            .collect()
    }

    /// The update: `num_iterations` passes over the batch, each one optimiser step.
    fn update(&mut self, step: u64, batch: &Batch<'_>) -> Result<UpdateStats> {
        let mut stats = UpdateStats { lr: self.config.lr_at(step), ..UpdateStats::default() };
        if batch.sequences.is_empty() {
            return Ok(stats);
        }
        stats.update_tokens = batch.n_rows();
        let groups = batch.groups();
        let budget = self.config.token_budget;
        let reference = match &self.reference {
            Reference::Model(model) => Some(model.token_stats(&groups, budget)?),
            Reference::AdapterOff => Some(self.policy.engine().base_token_stats(&groups, budget)?),
            Reference::None => None,
        };
        for iteration in 0..self.config.num_iterations {
            let dropout = self.seed.stream("dropout", &[step, iteration as u64]);
            self.policy.engine_mut().set_dropout_stream(dropout);
            let mut grads = vec![0.0; self.policy.engine().params().len()];
            let pass = Mutex::new(PassStats::default());
            let engine = self.policy.engine();
            engine.backward(&groups, self.config.token_budget, &mut grads, &|tokens| {
                let (given, part) = batch.loss(tokens, reference.as_deref());
                let mut pass = pass.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                pass.parts.push((tokens.sequences[0], part));
                given
            })?;
            let pass = pass.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).sum();
            let norm = clip_global_norm(&mut grads, self.config.max_grad_norm);
            if norm.is_finite() && pass.loss.is_finite() {
                let (optimizer, lr) = (&mut self.optimizer, stats.lr);
                self.policy.engine_mut().update_params(&mut |layout, params| {
                    optimizer.update(layout, params, &grads, lr);
                });
                self.bad_updates = 0;
            } else {
                stats.skipped_updates += 1;
                self.bad_updates += 1;
                if self.bad_updates >= MAX_BAD_UPDATES {
                    return Err(Error::Diverged { n: self.bad_updates, step });
                }
            }
            if iteration == 0 {
                stats.ratio_mean = pass.ratio / pass.n_tokens.max(1) as f64;
            }
            stats.record(norm, pass.loss, pass.clipped, pass.kl, pass.n_tokens);
        }
        Ok(stats)
    }
}

/// The rewards of a group's verified rollouts.
fn verified_rewards(group: &[Rollout]) -> Vec<f64> {
    group.iter().filter(|rollout| is_verified(rollout)).map(|r| r.score.reward).collect()
}

fn is_verified(rollout: &Rollout) -> bool {
    !matches!(rollout.score.outcome, Outcome::Unverifiable { .. })
}

fn outcomes(
    picks: &[Pick],
    groups: &[Vec<Rollout>],
    rewards: &[Vec<f64>],
    advantages: &[Vec<f64>],
) -> Vec<GroupOutcome> {
    let parts = picks.iter().zip(groups).zip(rewards).zip(advantages);
    parts
        .map(|(((pick, group), rewards), advantages)| GroupOutcome {
            level: pick.level,
            item: pick.item,
            rewards: rewards.clone(),
            advantages: advantages.clone(),
            n_correct: group.iter().filter(|rollout| rollout.score.is_correct()).count() as u32,
        })
        .collect()
}

/// The rollouts that an update learns from.
struct Batch<'a> {
    loss: TokenLoss,
    /// In the order of `groups()`: rollout, advantage, weight of each token.
    sequences: Vec<(&'a Rollout, f64, f64)>,
    /// Where each group starts in `sequences`.
    starts: Vec<usize>,
}

impl<'a> Batch<'a> {
    fn new(
        groups: &'a [Vec<Rollout>],
        advantages: &[Vec<f64>],
        kept: Vec<bool>,
        config: &GrpoConfig,
    ) -> Self {
        let all = || groups.iter().flatten().filter(|rollout| is_verified(rollout));
        let n_sequences = all().count();
        let batch_tokens = all().map(|rollout| rollout.generation.tokens.len()).sum();
        let mut batch =
            Self { loss: TokenLoss::new(config), sequences: Vec::new(), starts: Vec::new() };
        for ((group, advantages), kept) in groups.iter().zip(advantages).zip(kept) {
            if !kept || advantages.iter().all(|advantage| *advantage == 0.0) {
                continue;
            }
            batch.starts.push(batch.sequences.len());
            let verified = group.iter().filter(|rollout| is_verified(rollout));
            for (rollout, &advantage) in verified.zip(advantages) {
                if config.mask_truncated && is_truncated(rollout) {
                    continue;
                }
                let weight = token_weight(
                    config.loss,
                    rollout.generation.tokens.len(),
                    n_sequences,
                    batch_tokens,
                    config.sampling.max_tokens,
                );
                batch.sequences.push((rollout, advantage, weight));
            }
        }
        batch
    }

    fn groups(&self) -> Vec<Group<'a>> {
        let ends = self.starts.iter().skip(1).copied().chain([self.sequences.len()]);
        self.starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| &self.sequences[start..end])
            .filter(|members| !members.is_empty())
            .map(|members| Group {
                prompt: &members[0].0.prompt,
                completions: members.iter().map(|m| m.0.generation.tokens.as_slice()).collect(),
            })
            .collect()
    }

    /// Prompt and completion tokens of the batch, prompts counted once a group.
    fn n_rows(&self) -> usize {
        let completions: usize = self.sequences.iter().map(|m| m.0.generation.tokens.len()).sum();
        completions + self.groups().iter().map(|group| group.prompt.len()).sum::<usize>()
    }

    /// Gradient and sums of the loss over one slice of the batch.
    fn loss(
        &self,
        stats: &TokenStats<'_>,
        reference: Option<&[(Vec<f32>, Vec<f32>)]>,
    ) -> (TokenGrads, PassSums) {
        let n = stats.logprobs.len();
        let mut given = TokenGrads { d_logprobs: vec![0.0; n], d_entropies: vec![0.0; n] };
        let mut sums = PassSums::default();
        for (range, &sequence) in stats.offsets.windows(2).zip(stats.sequences) {
            let (rollout, advantage, weight) = self.sequences[sequence];
            for (t, i) in (range[0]..range[1]).enumerate() {
                let logprob = f64::from(stats.logprobs[i]);
                let behaviour = f64::from(rollout.generation.logprobs[t]);
                let terms = self.loss.terms(Token {
                    logprob,
                    behaviour,
                    reference: reference.map_or(logprob, |all| f64::from(all[sequence].0[t])),
                    entropy: f64::from(stats.entropies[i]),
                    advantage,
                });
                given.d_logprobs[i] = (weight * terms.d_logprob) as f32;
                given.d_entropies[i] = (weight * terms.d_entropy) as f32;
                sums.loss += weight * terms.loss;
                sums.ratio += (logprob - behaviour).exp();
                sums.kl += terms.kl_k3;
                sums.clipped += u64::from(terms.clipped);
                sums.n_tokens += 1;
            }
        }
        (given, sums)
    }
}

/// Sums over the tokens of a pass.
#[derive(Clone, Copy, Debug, Default)]
struct PassSums {
    loss: f64,
    ratio: f64,
    kl: f64,
    clipped: u64,
    n_tokens: u64,
}

/// The sums of each slice, with the slice's first sequence: slices finish in any order.
#[derive(Default)]
struct PassStats {
    parts: Vec<(usize, PassSums)>,
}

impl PassStats {
    /// Adds up in the order of the batch, so that the result does not depend on threads.
    fn sum(mut self) -> PassSums {
        self.parts.sort_by_key(|(first, _)| *first);
        let mut total = PassSums::default();
        for (_, part) in self.parts {
            total.loss += part.loss;
            total.ratio += part.ratio;
            total.kl += part.kl;
            total.clipped += part.clipped;
            total.n_tokens += part.n_tokens;
        }
        total
    }
}

/// Share of groups without variance; 0 for none.
pub(crate) fn zero_variance_frac(groups: &[Vec<f64>]) -> f64 {
    let zero = groups.iter().filter(|rewards| is_zero_variance(rewards)).count();
    zero as f64 / groups.len().max(1) as f64
}
