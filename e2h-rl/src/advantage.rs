//! Advantages from the rewards of groups of rollouts.
//!
//! - group: `A_i = (R_i - mean(R)) / (std + 1e-4)`, `std` the group's, the batch's, or left out;
//! - rloo: `A_i = R_i - mean of the group's other rewards`;
//! - reinforce_pp: `A_i = (R_i - mean) / (std + 1e-4)` over the whole batch;
//! - reinforce_pp_baseline: less the group's mean first, then the same over the batch;
//! - normalize_then_sum: each part of the reward as `group`, their weighted sum scaled over the batch.
//!
//! Deviations are those of a sample.
//!
//! # Source
//! GRPO (Shao et al. 2024, section 4.1); without the division Dr. GRPO (Liu et al. 2025); by the batch's deviation
//! "Lite PPO" (arXiv 2508.08221); RLOO (Ahmadian et al. 2024, equation 9); REINFORCE++ and its baseline (Hu et al.
//! 2025); GDPO (arXiv 2601.05242). The constant and the choice of deviation are TRL's.
//!
//! # Deviations
//! - A group of equal rewards has advantages of exactly 0 in all kinds with a group baseline.
//!
//! # Invariants
//! - The advantages of a group sum to 0 for `group` and `rloo`.

use std::collections::BTreeSet;

use crate::config::{AdvantageKind, AdvantageScale, GrpoConfig, RewardAggregation};
use crate::reward::Reward;

const EPS: f64 = 1e-4;

/// Advantages of the groups of one batch, in the same shape.
///
/// ```
/// use e2h_rl::{AdvantageKind, AdvantageScale, GrpoConfig, Reward, advantages};
///
/// let groups = [[1.0, 0.0].map(Reward::single).to_vec()];
/// // Less the group's mean, and less the mean of the others.
/// let centred = GrpoConfig { advantage_scale: AdvantageScale::None, ..GrpoConfig::default() };
/// assert_eq!(advantages(&groups, &centred), [[0.5, -0.5]]);
/// let rloo = GrpoConfig { advantage: AdvantageKind::Rloo, ..GrpoConfig::default() };
/// assert_eq!(advantages(&groups, &rloo), [[1.0, -1.0]]);
/// // GRPO divides by the deviation too, here sqrt(1/2).
/// let found = advantages(&groups, &GrpoConfig::default());
/// assert!((found[0][0] - 0.5 / (0.5f64.sqrt() + 1e-4)).abs() < 1e-12);
/// ```
pub fn advantages(groups: &[Vec<Reward>], config: &GrpoConfig) -> Vec<Vec<f64>> {
    if config.reward_aggregation == RewardAggregation::NormalizeThenSum {
        return normalize_then_sum(groups);
    }
    let totals: Vec<Vec<f64>> = groups.iter().map(|group| totals(group)).collect();
    match config.advantage {
        AdvantageKind::Group => group_relative(&totals, config.advantage_scale),
        AdvantageKind::Rloo => totals.iter().map(|rewards| leave_one_out(rewards)).collect(),
        AdvantageKind::ReinforcePp => standardized(&totals),
        AdvantageKind::ReinforcePpBaseline => {
            zero_where_equal(standardized(&group_relative(&totals, AdvantageScale::None)), &totals)
        }
    }
}

/// True when no reward of the group differs from another: such a group teaches nothing.
///
/// ```
/// use e2h_rl::is_zero_variance;
/// assert!(is_zero_variance(&[1.0, 1.0, 1.0]) && !is_zero_variance(&[1.0, 0.0, 1.0]));
/// ```
pub fn is_zero_variance(rewards: &[f64]) -> bool {
    rewards.windows(2).all(|pair| pair[0] == pair[1])
}

fn totals(group: &[Reward]) -> Vec<f64> {
    group.iter().map(|reward| reward.total).collect()
}

fn group_relative(groups: &[Vec<f64>], scale: AdvantageScale) -> Vec<Vec<f64>> {
    let batch: Vec<f64> = groups.iter().flatten().copied().collect();
    let batch_deviation = deviation(&batch);
    let of_group = |rewards: &Vec<f64>| {
        if is_zero_variance(rewards) {
            return vec![0.0; rewards.len()];
        }
        let mean = mean(rewards);
        let divisor = match scale {
            AdvantageScale::Group => deviation(rewards) + EPS,
            AdvantageScale::Batch => batch_deviation + EPS,
            AdvantageScale::None => 1.0,
        };
        rewards.iter().map(|reward| (reward - mean) / divisor).collect()
    };
    groups.iter().map(of_group).collect()
}

/// `R_i - mean_{j != i} R_j = n / (n - 1) (R_i - mean(R))`.
fn leave_one_out(rewards: &[f64]) -> Vec<f64> {
    if is_zero_variance(rewards) {
        return vec![0.0; rewards.len()];
    }
    let (n, mean) = (rewards.len() as f64, mean(rewards));
    rewards.iter().map(|reward| n / (n - 1.0) * (reward - mean)).collect()
}

/// Centred and scaled over the batch.
fn standardized(groups: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let batch: Vec<f64> = groups.iter().flatten().copied().collect();
    let (mean, divisor) = (mean(&batch), deviation(&batch) + EPS);
    let of_group = |rewards: &Vec<f64>| rewards.iter().map(|r| (r - mean) / divisor).collect();
    groups.iter().map(of_group).collect()
}

fn normalize_then_sum(groups: &[Vec<Reward>]) -> Vec<Vec<f64>> {
    let parts = groups.iter().flatten().flat_map(|reward| &reward.parts);
    let names: BTreeSet<&str> = parts.map(|part| part.name.as_ref()).collect();
    let mut sums: Vec<Vec<f64>> = groups.iter().map(|group| vec![0.0; group.len()]).collect();
    for name in names {
        let values: Vec<Vec<f64>> =
            groups.iter().map(|group| group.iter().map(|r| r.part(name).0).collect()).collect();
        let normalized = group_relative(&values, AdvantageScale::Group);
        for ((sums, group), normalized) in sums.iter_mut().zip(groups).zip(normalized) {
            for ((sum, reward), value) in sums.iter_mut().zip(group).zip(normalized) {
                *sum += reward.part(name).1 * value;
            }
        }
    }
    zero_where_equal(standardized(&sums), &sums)
}

/// Takes the rounding error off groups whose `rewards` are all equal.
fn zero_where_equal(mut advantages: Vec<Vec<f64>>, rewards: &[Vec<f64>]) -> Vec<Vec<f64>> {
    for (advantages, rewards) in advantages.iter_mut().zip(rewards) {
        if is_zero_variance(rewards) {
            advantages.fill(0.0);
        }
    }
    advantages
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Sample standard deviation; 0 for fewer than two values.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use e2h_core::RewardPart;
    use proptest::prelude::*;

    use super::*;

    fn of(groups: &[Vec<f64>], advantage: AdvantageKind, scale: AdvantageScale) -> Vec<Vec<f64>> {
        let rewards: Vec<Vec<Reward>> = groups
            .iter()
            .map(|group| group.iter().map(|&value| Reward::single(value)).collect())
            .collect();
        let config = GrpoConfig { advantage, advantage_scale: scale, ..GrpoConfig::default() };
        advantages(&rewards, &config)
    }

    fn check(got: &[f64], expect: &[f64]) {
        assert_eq!(got.len(), expect.len());
        for (a, b) in got.iter().zip(expect) {
            assert!((a - b).abs() < 1e-12, "{got:?} {expect:?}");
        }
    }

    #[test]
    fn a_group_of_four_equals_the_hand_worked_example() {
        let got = of(&[vec![1.0, 0.0, 0.0, 0.0]], AdvantageKind::Group, AdvantageScale::Group);
        check(&got[0], &[0.75 / 0.5001, -0.25 / 0.5001, -0.25 / 0.5001, -0.25 / 0.5001]);
    }

    #[test]
    fn leaving_one_out_equals_the_mean_of_the_others() {
        let got = of(&[vec![1.0, 0.0, 0.5]], AdvantageKind::Rloo, AdvantageScale::Group);
        check(&got[0], &[1.0 - 0.25, 0.0 - 0.75, 0.5 - 0.5]);
    }

    #[test]
    fn reinforce_pp_compares_with_the_batch_and_its_baseline_with_the_group() {
        let groups = [vec![1.0, 1.0], vec![0.0, 1.0]];
        let std = 0.5; // of 1, 1, 0, 1
        let got = of(&groups, AdvantageKind::ReinforcePp, AdvantageScale::Group);
        check(&got[0], &[0.25 / (std + EPS); 2]);
        check(&got[1], &[-0.75 / (std + EPS), 0.25 / (std + EPS)]);
        let got = of(&groups, AdvantageKind::ReinforcePpBaseline, AdvantageScale::Group);
        let std = (0.5_f64 / 3.0).sqrt(); // of 0, 0, -0.5, 0.5
        check(&got[0], &[0.0; 2]);
        check(&got[1], &[-0.5 / (std + EPS), 0.5 / (std + EPS)]);
    }

    #[test]
    fn parts_normalised_apart_count_alike_whatever_their_spread() {
        let reward = |format: f64, correct: f64| Reward {
            total: 0.1 * format + 0.9 * correct,
            parts: vec![
                RewardPart::new("format", format, 1.0),
                RewardPart::new("correct", correct, 1.0),
            ],
        };
        let config = GrpoConfig {
            reward_aggregation: RewardAggregation::NormalizeThenSum,
            ..GrpoConfig::default()
        };
        let groups = [vec![reward(1.0, 0.0), reward(0.0, 10.0)], vec![reward(1.0, 1.0); 2]];
        let got = advantages(&groups, &config);
        // 0.5 / (0.7072) and -5 / 7.0712 nearly cancel; the constants differ by a trace.
        let z = |value: f64, std: f64| value / (std + EPS);
        let first = z(0.5, 0.5_f64.sqrt()) - z(5.0, 50.0_f64.sqrt());
        let std = (2.0 * first * first / 3.0).sqrt();
        check(&got[0], &[first / (std + EPS), -first / (std + EPS)]);
        check(&got[1], &[0.0; 2]);
    }

    #[test]
    fn advantages_of_equal_rewards_are_zero() {
        assert_eq!(of(&[vec![0.1; 3]], AdvantageKind::Group, AdvantageScale::Group), [[0.0; 3]]);
        assert_eq!(of(&[vec![0.1; 3]], AdvantageKind::Rloo, AdvantageScale::Group), [[0.0; 3]]);
        assert_eq!(of(&[vec![]], AdvantageKind::Group, AdvantageScale::Batch), [[0.0; 0]]);
    }

    proptest! {
        #[test]
        fn advantages_of_a_group_sum_to_zero(
            groups in prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, 0..9), 1..5)
        ) {
            for scale in [AdvantageScale::Group, AdvantageScale::Batch, AdvantageScale::None] {
                for kind in [AdvantageKind::Group, AdvantageKind::Rloo] {
                    for group in of(&groups, kind, scale) {
                        prop_assert!(group.iter().sum::<f64>().abs() < 1e-6);
                    }
                }
            }
        }
    }
}
