//! The rollouts of a step: draw problems, roll out, and draw again in place of groups that teach nothing.
//!
//! A group is dropped when the curriculum does not keep it, or, with dynamic sampling, when its rewards are all
//! equal. Each refill draws as many problems as are missing, at the same curriculum step: those that the
//! curriculum names for refilling, then the sampler's. After `max_refills` the step goes on with what it has.
//!
//! # Source
//! Dynamic sampling: DAPO (arXiv 2503.14476, section 3.2). Refilling from a memory: VCRL (arXiv 2509.19803).
//!
//! # Invariants
//! - Streams are keyed by how often the step has drawn a problem, so a refill of the same problem is new, and the
//!   same in each run of the same seed.

use std::collections::HashMap;
use std::time::Instant;

use e2h_core::{GroupOutcome, Level, Outcome, Pick, Rollout, Score};

use crate::advantage::{advantages, is_zero_variance};
use crate::reward::Reward;
use crate::rollout::{Ask, PhaseTimes, roll_out, streams};
use crate::source::Sourced;
use crate::trainer::Trainer;
use crate::{Result, fault};

/// The groups of a step, dropped ones included.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub picks: Vec<Pick>,
    pub groups: Vec<Vec<Rollout>>,
    /// Rewards of each group's verified rollouts.
    pub rewards: Vec<Vec<Reward>>,
    /// False for dropped groups.
    pub kept: Vec<bool>,
    pub times: PhaseTimes,
    /// Times that the step drew again.
    pub n_refills: usize,
}

impl<'a> Trainer<'a> {
    /// Draws, rolls out and scores the groups of `step`.
    pub(crate) fn collect(&mut self, step: u64) -> Result<Drawn> {
        let config = self.config;
        let mut seen = HashMap::new();
        let mut drawn = Drawn::default();
        let start = Instant::now();
        if let Some(source) = &mut self.rollouts {
            source.take_up(&self.policy, step)?;
        }
        drawn.times.rollout_s = start.elapsed().as_secs_f64();
        let mut picks = self.sampler.draw(self.curriculum.as_ref(), step, config.prompts)?;
        loop {
            let asks = self.asks(step, &picks, &mut seen);
            fault::pass("rollout", step);
            let source = self.rollouts.as_deref_mut();
            let mut policy = Sourced::new(&mut self.policy, source, &*self.ranks);
            let drawn_now = roll_out(&mut policy, self.task, &asks, &config.sampling);
            let (mut groups, times) = policy.settle(drawn_now)?;
            fault::pass("score", step);
            if fault::strikes("score", step, "unverifiable") {
                groups.iter_mut().filter_map(|group| group.first_mut()).for_each(|rollout| {
                    rollout.score = Score::unverifiable("a fault on demand");
                });
            }
            groups.iter_mut().flatten().for_each(|rollout| rollout.group += drawn.groups.len());
            let rewards: Vec<Vec<Reward>> = groups.iter().map(|g| self.rewards(g)).collect();
            drawn.kept.extend(self.kept(step, &picks, &groups, &rewards));
            drawn.times.rollout_s += times.rollout_s;
            drawn.times.score_s += times.score_s;
            drawn.picks.append(&mut picks);
            drawn.groups.extend(groups);
            drawn.rewards.extend(rewards);
            let n_kept = drawn.kept.iter().filter(|kept| **kept).count();
            if n_kept >= config.prompts || drawn.n_refills >= config.max_refills {
                return Ok(drawn);
            }
            drawn.n_refills += 1;
            picks = self.refill(step, config.prompts - n_kept)?;
        }
    }

    /// The rewards of a group's verified rollouts.
    pub(crate) fn rewards(&self, group: &[Rollout]) -> Vec<Reward> {
        let verified = group.iter().filter(|rollout| is_verified(rollout));
        verified.map(|rollout| Reward::of(rollout, self.config)).collect()
    }

    fn kept(
        &self,
        step: u64,
        picks: &[Pick],
        groups: &[Vec<Rollout>],
        rewards: &[Vec<Reward>],
    ) -> Vec<bool> {
        let outcomes = outcomes(picks, groups, &advantages(rewards, self.config));
        let keeps = |(outcome, rewards): (&GroupOutcome, &Vec<Reward>)| {
            let totals: Vec<f64> = rewards.iter().map(|reward| reward.total).collect();
            let teaches = !self.config.dynamic_sampling || !is_zero_variance(&totals);
            teaches && self.curriculum.keeps(step, outcome)
        };
        outcomes.iter().zip(rewards).map(keeps).collect()
    }

    fn refill(&mut self, step: u64, n: usize) -> Result<Vec<Pick>> {
        let mut picks = Vec::with_capacity(n);
        while picks.len() < n {
            let Some((level, item)) = self.curriculum.refill(step) else { break };
            let pool = self.pools.get(level.index());
            if pool.is_some_and(|pool| (item as usize) < pool.len()) {
                picks.push(Pick { level, item });
            } else {
                break;
            }
        }
        let missing = n - picks.len();
        if missing > 0 {
            picks.extend(self.sampler.draw(self.curriculum.as_ref(), step, missing)?);
        }
        Ok(picks)
    }

    fn asks(
        &self,
        step: u64,
        picks: &[Pick],
        seen: &mut HashMap<(Level, u64), u64>,
    ) -> Vec<Ask<'a>> {
        let pools = self.pools;
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
}

pub(crate) fn is_verified(rollout: &Rollout) -> bool {
    !matches!(rollout.score.outcome, Outcome::Unverifiable { .. })
}

/// What the curriculum learns of each group: the verifier's rewards, and the advantages.
pub(crate) fn outcomes(
    picks: &[Pick],
    groups: &[Vec<Rollout>],
    advantages: &[Vec<f64>],
) -> Vec<GroupOutcome> {
    let of_group = |((pick, group), advantages): ((&Pick, &Vec<Rollout>), &Vec<f64>)| {
        let verified = group.iter().filter(|rollout| is_verified(rollout));
        GroupOutcome {
            level: pick.level,
            item: pick.item,
            rewards: verified.map(|rollout| rollout.score.reward).collect(),
            advantages: advantages.clone(),
            n_correct: group.iter().filter(|rollout| rollout.score.is_correct()).count() as u32,
        }
    };
    picks.iter().zip(groups).zip(advantages).map(of_group).collect()
}
