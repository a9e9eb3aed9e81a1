//! The one table of metric keys.
//!
//! `metrics.jsonl` holds only keys of this table, and `docs/METRICS.md` is generated from it.
//! A key with `level_{k}` stands for one key a level, one with `{part}` for one key a part of the reward.
//! Where TRL's `GRPOTrainer` logs the same number, the key is TRL's.
//!
//! # Invariants
//! - Every key that a run logs is declared here: [`declared`] is checked when a step is logged.
//! - Only keys whose [`Metric::is_time`] is true may differ between two runs of the same seed.

/// One metric of a training run.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The key in `metrics.jsonl`; `{k}` stands for a level number, `{part}` for the name of a reward's part.
    pub key: &'static str,
    /// The unit, or `1` for a dimensionless number.
    pub unit: &'static str,
    /// What is computed.
    pub formula: &'static str,
    /// What a healthy run shows.
    pub healthy: &'static str,
}

impl Metric {
    /// True for measurements of the clock, which differ from run to run.
    pub fn is_time(&self) -> bool {
        self.key.starts_with("time/")
    }
}

/// True when `key` is in the table, with any number in place of `{k}` and any name in place of `{part}`.
///
/// ```
/// use e2h_core::metrics::declared;
/// assert!(declared("reward/level_3/mean") && declared("rewards/format/mean"));
/// assert!(!declared("reward/level_three/mean") && !declared("rewords/format/mean"));
/// ```
pub fn declared(key: &str) -> bool {
    METRICS.iter().any(|metric| {
        let between = |mark: &str| {
            let (head, tail) = metric.key.split_once(mark)?;
            key.strip_prefix(head)?.strip_suffix(tail).filter(|name| !name.is_empty())
        };
        let level = between("{k}").is_some_and(|k| k.bytes().all(|byte| byte.is_ascii_digit()));
        let part = between("{part}").is_some_and(|name| !name.contains('/'));
        metric.key == key || level || part
    })
}

const fn metric(
    key: &'static str,
    unit: &'static str,
    formula: &'static str,
    healthy: &'static str,
) -> Metric {
    Metric { key, unit, formula, healthy }
}

/// Every metric, in the order of `docs/METRICS.md`.
///
/// ```
/// use e2h_core::metrics::METRICS;
/// let entropy = METRICS.iter().find(|metric| metric.key == "entropy").expect("a metric");
/// assert_eq!(entropy.unit, "nat");
/// ```
pub const METRICS: &[Metric] = &[
    metric("step", "steps", "number of finished updates before this one", "grows by 1"),
    metric("reward", "1", "mean reward of the step's verified rollouts", "rises"),
    metric(
        "reward/level_{k}/mean",
        "1",
        "mean reward of the rollouts of level k",
        "rises while k is trained",
    ),
    metric(
        "reward_std",
        "1",
        "mean over groups of the sample standard deviation of the rewards",
        "over 0; at 0 nothing is learned",
    ),
    metric(
        "rewards/{part}/mean",
        "1",
        "mean value, before weighting, of a part of the reward over verified rollouts",
        "rises",
    ),
    metric("accuracy/mean", "1", "share of rollouts whose outcome is Correct", "rises"),
    metric(
        "accuracy/level_{k}/mean",
        "1",
        "the same over the rollouts of level k",
        "rises while k is trained",
    ),
    metric(
        "schedule/level_{k}/prob",
        "1",
        "probability of level k at this step",
        "follows the schedule",
    ),
    metric(
        "schedule/level_{k}/prompts",
        "prompts",
        "prompts of level k drawn in this step",
        "about B times the probability",
    ),
    metric(
        "frac_reward_zero_std",
        "1",
        "share of groups whose rewards are all equal",
        "under 0.7; such groups teach nothing",
    ),
    metric(
        "groups/level_{k}/zero_variance_frac",
        "1",
        "the same over the groups of level k",
        "under 0.7 where k matters",
    ),
    metric(
        "groups/outcomes",
        "list",
        "one `[level, item, n_correct, mean absolute advantage, [rewards]]` a group, over its verified rollouts; \
         what `e2h schedule replay` reads",
        "",
    ),
    metric(
        "groups/dropped",
        "groups",
        "groups that the schedule's filter or dynamic sampling left out of the update",
        "few; many mean that the levels are too easy or too hard",
    ),
    metric(
        "groups/learned",
        "groups",
        "groups that the update got a gradient from, replayed ones included",
        "near the number of prompts",
    ),
    metric(
        "groups/refills",
        "draws",
        "times that the step drew again in place of dropped groups",
        "under train.max_refills",
    ),
    metric(
        "groups/replayed",
        "groups",
        "groups of earlier steps in the update",
        "a small share of the prompts",
    ),
    metric(
        "rollout/wasted_tokens",
        "tokens",
        "completion tokens of dropped groups",
        "small against rollout/tokens",
    ),
    metric(
        "rollout/bad_format_frac",
        "1",
        "share of rollouts that break the format",
        "falls to about 0",
    ),
    metric(
        "rollout/unverifiable",
        "rollouts",
        "rollouts that the verifier could not decide; they get no gradient",
        "0",
    ),
    metric(
        "completions/clipped_ratio",
        "1",
        "share of rollouts cut at the token limit",
        "under 0.1",
    ),
    metric("completions/mean_length", "tokens", "mean completion length", "stable"),
    metric("completions/min_length", "tokens", "shortest completion", "over 1"),
    metric("completions/max_length", "tokens", "longest completion", "under the token limit"),
    metric(
        "completions/mean_terminated_length",
        "tokens",
        "mean length of the completions that ended by themselves",
        "stable",
    ),
    metric(
        "completions/level_{k}/mean_length",
        "tokens",
        "mean completion length of level k",
        "stable",
    ),
    metric(
        "rollout/level_{k}/tokens",
        "tokens",
        "tokens sampled for level k in this step: what the level costs",
        "follows the schedule",
    ),
    metric("rollout/tokens", "tokens", "tokens sampled in this step", "stable"),
    metric(
        "loss",
        "1",
        "the surrogate loss of the step's micro-batches, summed with their weights",
        "small; not a measure of skill",
    ),
    metric("kl", "nat", "mean over tokens of exp(ref - logp) - (ref - logp) - 1", "under 0.1"),
    metric(
        "entropy",
        "nat",
        "mean entropy of the next-token distribution at sampled tokens",
        "falls slowly; near 0 is collapse",
    ),
    metric(
        "sampling/importance_sampling_ratio/mean",
        "1",
        "mean importance ratio exp(logp - behaviour logp) at the first pass, over the step's own rollouts; with \
         rollouts from a server the mean weight min(exp(logp - sampler's logp), cap)",
        "1 within 1e-3",
    ),
    metric(
        "sampling/importance_sampling_ratio/min",
        "1",
        "smallest weight min(exp(logp - sampler's logp), cap); with rollouts from a server",
        "over 0.1",
    ),
    metric(
        "sampling/importance_sampling_ratio/max",
        "1",
        "largest weight min(exp(logp - sampler's logp), cap); with rollouts from a server",
        "under the cap",
    ),
    metric(
        "sampling/sampling_logp_difference/mean",
        "nat",
        "mean over tokens of abs(logp - sampler's logp); with rollouts from a server",
        "under 0.02 in bf16",
    ),
    metric(
        "sampling/sampling_logp_difference/max",
        "nat",
        "largest abs(logp - sampler's logp); with rollouts from a server",
        "of stable size",
    ),
    metric("clip_ratio/region_mean", "1", "share of tokens whose ratio is clipped", "under 0.2"),
    metric("learning_rate", "1", "learning rate of this update", "follows its schedule"),
    metric("grad_norm", "1", "2-norm of the gradient before clipping", "finite, of stable size"),
    metric(
        "loss/value_avg",
        "1",
        "with a value head: mean over tokens of half the clipped squared error of the values, before its coefficient",
        "falls",
    ),
    metric(
        "val/clipfrac_avg",
        "1",
        "with a value head: share of tokens whose clipped value counted",
        "under 0.2",
    ),
    metric(
        "val/grad_norm",
        "1",
        "with a value head: 2-norm of the head's gradient before clipping",
        "finite, of stable size",
    ),
    metric(
        "val/mean",
        "1",
        "with a value head: mean value of the step's tokens before the update",
        "near the mean reward",
    ),
    metric(
        "val/explained_variance",
        "1",
        "with a value head: 1 - Var(return - value) / Var(return) before the update; absent where all returns are equal",
        "rises over 0",
    ),
    metric(
        "objective/non_score_reward",
        "1",
        "with a value head: mean over completions of the sum of their KL penalties",
        "small against the reward",
    ),
    metric(
        "optim/update_tokens",
        "tokens",
        "prompt and completion tokens that went through the backward pass",
        "rollout tokens less what was skipped",
    ),
    metric(
        "optim/token_budget",
        "tokens",
        "rows of a micro-batch; halved each time memory runs out",
        "as configured",
    ),
    metric(
        "optim/skipped_updates",
        "updates",
        "updates whose gradient was not finite; they change nothing",
        "0",
    ),
    metric("time/rollout_s", "s", "sampling", "the largest share"),
    metric("time/score_s", "s", "verifiers", "under 1% of the step"),
    metric("time/update_s", "s", "forward, backward, optimiser", ""),
    metric(
        "time/ranks_s",
        "s",
        "waiting for other ranks and for their bytes, on rank 0; on several ranks",
        "under 10% of the step",
    ),
    metric("time/step_s", "s", "the whole step", "stable"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_a_level_are_found() {
        assert!(declared("reward/level_0/mean"));
        assert!(declared("reward/level_12/mean"));
        assert!(!declared("reward/level_/mean"));
        assert!(!declared("reward/level_x/mean"));
        assert!(declared("rewards/format/mean"));
        assert!(!declared("rewards//mean") && !declared("rewards/a/b/mean"));
        assert!(declared("loss"));
        assert!(!declared("los"));
    }

    #[test]
    fn no_key_stands_twice() {
        for (i, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..i].iter().all(|other| other.key != metric.key), "{}", metric.key);
        }
    }
}
