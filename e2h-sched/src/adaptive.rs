//! Rules that learn from the outcomes of the groups.
//!
//! Each rule has a `Config` whose `Default` is the published setting, and a state that is a table of numbers.
//! A rule is deterministic given its observations.
//!
//! Rules that compare an outcome with a threshold use the pass rate, which lies in [0, 1] for every task, where
//! their sources use a reward that happens to lie there.

mod adarft;
mod dump;
mod e2h_a;
mod group_dro;
mod sec;
mod threshold;

pub use adarft::{AdaRft, AdaRftConfig};
pub use dump::{Dump, DumpConfig};
pub use e2h_a::{Belief, E2hA, E2hAConfig};
pub use group_dro::{GroupDro, GroupDroConfig};
pub use sec::{Sec, SecConfig};
pub use threshold::{Threshold, ThresholdConfig};

use e2h_core::GroupOutcome;

/// The mean of `value` over the groups of each of `n_levels` levels; `None` for a level without groups.
/// Groups of no rollouts, and of levels out of range, are passed over.
pub(crate) fn level_means(
    n_levels: usize,
    groups: &[GroupOutcome],
    value: impl Fn(&GroupOutcome) -> f64,
) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u64); n_levels];
    for group in usable(n_levels, groups) {
        let (sum, count) = &mut sums[group.level.index()];
        *sum += value(group);
        *count += 1;
    }
    let mean = |(sum, count)| (count > 0).then(|| sum / count as f64);
    sums.into_iter().map(mean).collect()
}

/// The groups that say something about one of `n_levels` levels.
pub(crate) fn usable(
    n_levels: usize,
    groups: &[GroupOutcome],
) -> impl Iterator<Item = &GroupOutcome> {
    let usable =
        move |group: &&GroupOutcome| group.level.index() < n_levels && !group.rewards.is_empty();
    groups.iter().filter(usable)
}

#[cfg(test)]
pub(crate) mod fixture {
    use e2h_core::{Curriculum, GroupOutcome, Level};

    /// A group of `size` rollouts at `level`, of which `n_correct` are right, with advantages +1 and -1.
    pub(crate) fn group(level: u16, n_correct: u32, size: u32) -> GroupOutcome {
        let rewards: Vec<f64> = (0..size).map(|i| f64::from(u8::from(i < n_correct))).collect();
        let mixed = n_correct > 0 && n_correct < size;
        let advantage = |&reward: &f64| if mixed { 2.0 * reward - 1.0 } else { 0.0 };
        GroupOutcome {
            level: Level(level),
            item: 0,
            advantages: rewards.iter().map(advantage).collect(),
            rewards,
            n_correct,
        }
    }

    /// A restored copy of a rule gives the same probabilities and goes on alike.
    pub(crate) fn assert_exact_state(mut rule: impl Curriculum, mut fresh: impl Curriculum) {
        let k = rule.n_levels() as u16;
        let step = |rule: &mut dyn Curriculum, step: u64| {
            let level = (step % u64::from(k)) as u16;
            let groups = [group(level, (step % 8) as u32, 7), group(0, 3, 8)];
            rule.observe(step, &groups);
        };
        (0..37).for_each(|t| step(&mut rule, t));
        let text = serde_json::to_string(&rule.state()).expect("states serialise");
        let state = serde_json::from_str(&text).expect("valid JSON");
        fresh.restore(&state).expect("the state of the same rule");
        for t in 37..60 {
            assert_eq!(rule.probs(t), fresh.probs(t));
            step(&mut rule, t);
            step(&mut fresh, t);
        }
        let sum: f64 = rule.probs(60).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
        assert!(fresh.restore(&serde_json::json!({ "nonsense": 1 })).is_err());
    }
}
