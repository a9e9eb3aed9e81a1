//! Group-relative advantages.
//!
//! `A_i = (R_i - mean(R)) / (std(R) + 1e-4)` over the rewards of one group, with the sample standard deviation.
//!
//! # Source
//! GRPO (Shao et al. 2024, section 4.1); the constant and the choice of deviation are TRL's. Without the
//! division: Dr. GRPO (Liu et al. 2025).
//!
//! # Invariants
//! - The advantages of a group sum to 0, and those of equal rewards are exactly 0.

use crate::config::AdvantageScale;

const EPS: f64 = 1e-4;

/// Advantages of the groups of one batch, in the same shape.
pub fn advantages(groups: &[Vec<f64>], scale: AdvantageScale) -> Vec<Vec<f64>> {
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

/// True when no reward of the group differs from another: such a group teaches nothing.
pub fn is_zero_variance(rewards: &[f64]) -> bool {
    rewards.windows(2).all(|pair| pair[0] == pair[1])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Sample standard deviation; 0 for fewer than two values.
fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_of_four_equals_the_hand_worked_example() {
        let got = advantages(&[vec![1.0, 0.0, 0.0, 0.0]], AdvantageScale::Group);
        let expect = [0.75 / 0.5001, -0.25 / 0.5001, -0.25 / 0.5001, -0.25 / 0.5001];
        for (a, b) in got[0].iter().zip(expect) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn advantages_of_equal_rewards_are_zero() {
        assert_eq!(advantages(&[vec![0.1; 3]], AdvantageScale::Group), [[0.0; 3]]);
        assert_eq!(advantages(&[vec![]], AdvantageScale::Batch), [[0.0; 0]]);
    }

    proptest! {
        #[test]
        fn advantages_of_a_group_sum_to_zero(
            groups in prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, 0..9), 1..5)
        ) {
            for scale in [AdvantageScale::Group, AdvantageScale::Batch, AdvantageScale::None] {
                for group in advantages(&groups, scale) {
                    prop_assert!(group.iter().sum::<f64>().abs() < 1e-6);
                }
            }
        }
    }
}
