//! What a training step has to say: one line of `metrics.jsonl`, and samples for `samples.jsonl`.

use std::collections::BTreeMap;

use e2h_core::{GroupOutcome, Pick, Rollout, metrics};
use serde_json::{Map, Value, json};

use crate::advantage::deviation;
use crate::critic::Judgement;
use crate::minibatch::PassSums;
use crate::mismatch::Mismatch;
use crate::rollout::{PhaseTimes, is_truncated};
use crate::trainer::zero_variance_frac;

/// Everything that happened in one step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Number of steps before this one.
    pub step: u64,
    /// Probability of each level.
    pub probs: Vec<f64>,
    /// The problems drawn.
    pub picks: Vec<Pick>,
    /// The rollouts of each problem.
    pub groups: Vec<Vec<Rollout>>,
    /// The advantages of each group's verified rollouts.
    pub advantages: Vec<Vec<f64>>,
    /// False for groups that the schedule's filter or dynamic sampling dropped.
    pub kept: Vec<bool>,
    /// Times that the step drew again in place of dropped groups.
    pub n_refills: usize,
    /// Groups of earlier steps in the update.
    pub n_replayed: usize,
    /// Groups that the update got a gradient from, replayed ones included.
    pub n_learned: usize,
    /// What the critic said before the update, where there is one.
    pub judgement: Option<Judgement>,
    /// What the update did.
    pub update: UpdateStats,
    /// Time of the two rollout phases.
    pub times: PhaseTimes,
    /// Time of the update in seconds.
    pub update_s: f64,
    /// Time spent on other ranks in seconds, where there are some.
    pub ranks_s: Option<f64>,
    /// Time of the whole step in seconds.
    pub step_s: f64,
}

/// What an update did; means over its passes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateStats {
    /// Learning rate.
    pub lr: f64,
    /// Gradient norm before clipping.
    pub grad_norm: f64,
    /// Loss.
    pub loss: f64,
    /// Share of clipped tokens.
    pub clip_frac: f64,
    /// Mean k3 divergence from the reference, in nats.
    pub kl_k3: f64,
    /// Mean importance ratio at the first pass, of the step's own rollouts.
    pub ratio_mean: Option<f64>,
    /// Prompt and completion tokens of the update.
    pub update_tokens: usize,
    /// Tokens of a micro-batch.
    pub token_budget: usize,
    /// Passes whose gradient was not finite.
    pub skipped_updates: u32,
    /// Value loss, before its coefficient; 0 without a value head, as the two below.
    pub value_loss: f64,
    /// Share of tokens whose value was clipped.
    pub value_clip_frac: f64,
    /// Gradient norm of the value head before clipping.
    pub value_grad_norm: f64,
    /// How far a rollout source's log-probs were from the trainer's.
    pub mismatch: Option<Mismatch>,
    pub(crate) passes: u32,
}

impl UpdateStats {
    /// Takes one pass into the means.
    pub(crate) fn record(&mut self, norm: f64, value_norm: f64, pass: &PassSums) {
        self.passes += 1;
        let n = pass.n_tokens.max(1) as f64;
        let share = 1.0 / f64::from(self.passes);
        let clipped = pass.clipped[0] + pass.clipped[1];
        for (mean, value) in [
            (&mut self.grad_norm, norm),
            (&mut self.loss, pass.loss),
            (&mut self.clip_frac, clipped as f64 / n),
            (&mut self.kl_k3, pass.kl / n),
            (&mut self.value_loss, pass.value_loss),
            (&mut self.value_clip_frac, pass.value_clipped as f64 / n),
            (&mut self.value_grad_norm, value_norm),
        ] {
            *mean += (value - *mean) * share;
        }
    }
}

impl StepReport {
    fn rollouts(&self, level: Option<usize>) -> impl Iterator<Item = &Rollout> {
        let here = move |pick: &&(&Pick, &Vec<Rollout>)| {
            level.is_none_or(|level| pick.0.level.index() == level)
        };
        let groups: Vec<_> = self.picks.iter().zip(&self.groups).collect();
        let chosen: Vec<_> = groups.iter().filter(here).map(|(_, group)| *group).collect();
        chosen.into_iter().flatten()
    }

    /// Rewards of the verified rollouts of each group of `level`, or of all.
    fn rewards(&self, level: Option<usize>) -> Vec<Vec<f64>> {
        self.picks
            .iter()
            .zip(&self.groups)
            .filter(|(pick, _)| level.is_none_or(|level| pick.level.index() == level))
            .map(|(_, group)| {
                let verified = group.iter().filter(|r| r.score.outcome.name() != "unverifiable");
                verified.map(|rollout| rollout.score.reward).collect()
            })
            .collect()
    }

    /// What each group came to, as the curriculum saw it.
    fn outcomes(&self) -> impl Iterator<Item = GroupOutcome> {
        let groups = self.groups.iter().zip(self.rewards(None)).zip(&self.advantages);
        self.picks.iter().zip(groups).map(|(pick, ((group, rewards), advantages))| GroupOutcome {
            level: pick.level,
            item: pick.item,
            rewards,
            advantages: advantages.clone(),
            n_correct: group.iter().filter(|rollout| rollout.score.is_correct()).count() as u32,
        })
    }

    /// Mean reward of the verified rollouts of `level`, or of all; `None` for none.
    pub fn mean_reward(&self, level: Option<usize>) -> Option<f64> {
        mean(self.rewards(level).into_iter().flatten())
    }

    /// Share of correct rollouts of `level`, or of all; `None` for none.
    pub fn accuracy(&self, level: Option<usize>) -> Option<f64> {
        mean(self.rollouts(level).map(|rollout| f64::from(u8::from(rollout.score.is_correct()))))
    }

    /// Rollouts of `level`.
    pub fn n_rollouts(&self, level: usize) -> usize {
        self.rollouts(Some(level)).count()
    }

    /// Completion tokens sampled.
    pub fn n_tokens(&self) -> usize {
        self.rollouts(None).map(|rollout| rollout.generation.tokens.len()).sum()
    }

    /// Share of groups without variance.
    pub fn zero_variance_frac(&self) -> f64 {
        zero_variance_frac(&self.rewards(None))
    }

    /// Completion tokens of dropped groups: sampled, and of no use to the update.
    pub fn wasted_tokens(&self) -> usize {
        let dropped = self.groups.iter().zip(&self.kept).filter(|(_, kept)| !**kept);
        dropped.flat_map(|(group, _)| group).map(|rollout| rollout.generation.tokens.len()).sum()
    }

    /// Mean over groups of the sample standard deviation of the verified rewards; 0 for none.
    pub fn reward_std(&self) -> f64 {
        let groups = self.rewards(None);
        mean(groups.iter().map(|rewards| deviation(rewards))).unwrap_or(0.0)
    }

    /// Share of rollouts cut at the token limit.
    pub fn truncated_frac(&self) -> f64 {
        mean(self.rollouts(None).map(|r| f64::from(u8::from(is_truncated(r))))).unwrap_or(0.0)
    }

    /// The mean value of each part of the reward, before weighting, over the rollouts that have it.
    fn part_means(&self) -> Vec<(String, f64)> {
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for part in self.rollouts(None).flat_map(|rollout| &rollout.score.parts) {
            let (sum, n) = sums.entry(part.name.as_ref()).or_default();
            *sum += part.value;
            *n += 1.0;
        }
        let means = sums.into_iter().map(|(name, (sum, n))| (name.replace('/', "_"), sum / n));
        means.collect()
    }

    /// Mean entropy of the policy at the sampled tokens in nats, estimated by minus their log-prob.
    pub fn entropy(&self) -> f64 {
        let surprise = self.rollouts(None).flat_map(|rollout| &rollout.generation.logprobs);
        mean(surprise.map(|logprob| -f64::from(*logprob))).unwrap_or(0.0)
    }

    /// The step's line of `metrics.jsonl`. Levels without a rollout have no reward and no accuracy, steps without an
    /// update no loss.
    ///
    /// # Panics
    /// When a key is not in [`metrics::METRICS`]: a bug in this function.
    pub fn metrics(&self) -> Map<String, Value> {
        let share = |f: &dyn Fn(&Rollout) -> bool| {
            mean(self.rollouts(None).map(|rollout| f64::from(u8::from(f(rollout)))))
        };
        let mut line = Map::new();
        let mut log = |key: String, value: Value| {
            assert!(metrics::declared(&key), "metric `{key}` is not declared");
            line.insert(key, value);
        };
        log("step".into(), json!(self.step));
        log("reward".into(), json!(self.mean_reward(None)));
        log("reward_std".into(), json!(self.reward_std()));
        for (part, value) in self.part_means() {
            log(format!("rewards/{part}/mean"), json!(value));
        }
        log("accuracy/mean".into(), json!(self.accuracy(None)));
        log("frac_reward_zero_std".into(), json!(self.zero_variance_frac()));
        log("groups/dropped".into(), json!(self.kept.iter().filter(|kept| !**kept).count()));
        log("groups/learned".into(), json!(self.n_learned));
        log("groups/refills".into(), json!(self.n_refills));
        log("groups/replayed".into(), json!(self.n_replayed));
        log("rollout/wasted_tokens".into(), json!(self.wasted_tokens()));
        for (level, prob) in self.probs.iter().enumerate() {
            let n = self.picks.iter().filter(|pick| pick.level.index() == level).count();
            log(format!("schedule/level_{level}/prob"), json!(prob));
            log(format!("schedule/level_{level}/prompts"), json!(n));
            if n > 0 {
                let zero = zero_variance_frac(&self.rewards(Some(level)));
                log(format!("reward/level_{level}/mean"), json!(self.mean_reward(Some(level))));
                log(format!("accuracy/level_{level}/mean"), json!(self.accuracy(Some(level))));
                log(format!("groups/level_{level}/zero_variance_frac"), json!(zero));
                let lengths = Lengths::of(self.rollouts(Some(level)));
                log(format!("completions/level_{level}/mean_length"), json!(lengths.mean));
                log(format!("rollout/level_{level}/tokens"), json!(lengths.total));
            }
        }
        let outcomes: Vec<Value> = self.outcomes().map(|group| group.to_row()).collect();
        log("groups/outcomes".into(), json!(outcomes));
        let outcome =
            |name: &'static str| move |rollout: &Rollout| rollout.score.outcome.name() == name;
        let unverifiable = self.rollouts(None).filter(|r| outcome("unverifiable")(r)).count();
        log("rollout/bad_format_frac".into(), json!(share(&outcome("bad_format"))));
        log("rollout/unverifiable".into(), json!(unverifiable));
        log("completions/clipped_ratio".into(), json!(share(&is_truncated)));
        let lengths = Lengths::of(self.rollouts(None));
        log("rollout/tokens".into(), json!(lengths.total));
        log("completions/mean_length".into(), json!(lengths.mean));
        log("completions/min_length".into(), json!(lengths.min));
        log("completions/max_length".into(), json!(lengths.max));
        let ended = Lengths::of(self.rollouts(None).filter(|rollout| !is_truncated(rollout)));
        if ended.total > 0 {
            log("completions/mean_terminated_length".into(), json!(ended.mean));
        }
        let update = &self.update;
        log("entropy".into(), json!(self.entropy()));
        if update.passes > 0 {
            let corrected = update.mismatch.map(|mismatch| mismatch.ratio_mean);
            if let Some(ratio) = corrected.or(update.ratio_mean) {
                log("sampling/importance_sampling_ratio/mean".into(), json!(ratio));
            }
            log("clip_ratio/region_mean".into(), json!(update.clip_frac));
            log("loss".into(), json!(update.loss));
            log("kl".into(), json!(update.kl_k3));
            log("grad_norm".into(), json!(update.grad_norm));
        }
        if let Some(judgement) = self.judgement.filter(|_| update.passes > 0) {
            log("loss/value_avg".into(), json!(update.value_loss));
            log("val/clipfrac_avg".into(), json!(update.value_clip_frac));
            log("val/grad_norm".into(), json!(update.value_grad_norm));
            log("val/mean".into(), json!(judgement.value));
            if let Some(share) = judgement.explained_variance {
                log("val/explained_variance".into(), json!(share));
            }
            log("objective/non_score_reward".into(), json!(judgement.kl_reward));
        }
        if let Some(mismatch) = &update.mismatch {
            let difference = "sampling/sampling_logp_difference";
            log(format!("{difference}/mean"), json!(mismatch.logp_difference_mean));
            log(format!("{difference}/max"), json!(mismatch.logp_difference_max));
            log("sampling/importance_sampling_ratio/min".into(), json!(mismatch.ratio_min));
            log("sampling/importance_sampling_ratio/max".into(), json!(mismatch.ratio_max));
        }
        log("learning_rate".into(), json!(update.lr));
        log("optim/update_tokens".into(), json!(update.update_tokens));
        log("optim/token_budget".into(), json!(update.token_budget));
        log("optim/skipped_updates".into(), json!(update.skipped_updates));
        log("time/rollout_s".into(), json!(self.times.rollout_s));
        log("time/score_s".into(), json!(self.times.score_s));
        log("time/update_s".into(), json!(self.update_s));
        if let Some(ranks_s) = self.ranks_s {
            log("time/ranks_s".into(), json!(ranks_s));
        }
        log("time/step_s".into(), json!(self.step_s));
        line
    }

    /// One line of `samples.jsonl` for the first rollout of each group.
    ///
    /// `prompts` holds the wording of each group's prompt.
    pub fn samples(&self, problems: &[&e2h_core::Problem], prompts: &[String]) -> Vec<Value> {
        let parts = self.groups.iter().zip(&self.advantages).zip(problems).zip(prompts);
        parts
            .filter_map(|(((group, advantages), problem), prompt)| {
                let rollout = group.first()?;
                let advantage = match rollout.score.outcome.name() {
                    "unverifiable" => None,
                    _ => advantages.first(),
                };
                Some(json!({
                    "step": self.step,
                    "level": rollout.level,
                    "question": problem.question,
                    "answer": problem.answer,
                    "prompt": prompt,
                    "completion": rollout.text,
                    "outcome": rollout.score.outcome.name(),
                    "reward": rollout.score.reward,
                    "parts": rollout.score.parts,
                    "reason": rollout.score.reason,
                    "advantage": advantage,
                    "n_tokens": rollout.generation.tokens.len(),
                    "finish": rollout.generation.finish,
                }))
            })
            .collect()
    }
}

/// Lengths of completions in tokens.
#[derive(Default)]
struct Lengths {
    total: usize,
    min: usize,
    max: usize,
    mean: f64,
}

impl Lengths {
    fn of<'a>(rollouts: impl Iterator<Item = &'a Rollout>) -> Self {
        let lengths: Vec<usize> = rollouts.map(|r| r.generation.tokens.len()).collect();
        let total = lengths.iter().sum();
        Self {
            total,
            min: lengths.iter().copied().min().unwrap_or(0),
            max: lengths.iter().copied().max().unwrap_or(0),
            mean: total as f64 / lengths.len().max(1) as f64,
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u64), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}
