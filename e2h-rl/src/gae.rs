//! Generalised advantage estimation over the tokens of a completion.
//!
//! Token t of T has the reward `r_t = -beta (b_t - q_t) + [t = T - 1] R`: the KL penalty of the policy that drew the
//! token against the reference, and at the last token what the verifier gave. With the values `V` of the head:
//!
//! `delta_t = r_t + gamma V_{t+1} - V_t`, `A_t = delta_t + gamma lambda A_{t+1}`, and 0 for both beyond the end.
//!
//! What a value should have been is the return `A_t + V_t`.
//!
//! # Source
//! Schulman et al. 2016 (arXiv 1506.02438), equations 11 to 16; the reward by tokens is that of Ouyang et al. 2022,
//! equation 2, with the KL estimate `b - q`, as in TRL's `PPOTrainer` and verl's `compute_gae_advantage_return`.
//!
//! # Deviations
//! - A completion cut at the token limit ends there like any other: nothing is expected behind its last token. TRL
//!   and verl do the same.

/// The reward of each token of a completion that was given `reward`. `[T]`
///
/// `behaviour` and `reference` are log-probs; without a reference there is no penalty.
///
/// ```
/// use e2h_rl::gae::token_rewards;
/// // The second token is less likely than under the reference by one nat, which earns beta.
/// assert_eq!(token_rewards(1.0, &[-1.0, -2.0], Some(&[-1.0, -1.0]), 0.5), [0.0, 1.5]);
/// assert_eq!(token_rewards(1.0, &[-1.0, -2.0], None, 0.5), [0.0, 1.0]);
/// ```
pub fn token_rewards(
    reward: f64,
    behaviour: &[f64],
    reference: Option<&[f64]>,
    kl_beta: f64,
) -> Vec<f64> {
    let mut rewards = match reference {
        Some(reference) => {
            behaviour.iter().zip(reference).map(|(old, base)| -kl_beta * (old - base)).collect()
        }
        None => vec![0.0; behaviour.len()],
    };
    if let Some(last) = rewards.last_mut() {
        *last += reward;
    }
    rewards
}

/// The advantage of each token. `[T]`
///
/// ```
/// use e2h_rl::gae::gae;
/// // Errors of the values: 0 + 0.5 - 0.5 at the first token, 1 - 0.5 at the last.
/// let (rewards, values) = ([0.0, 1.0], [0.5, 0.5]);
/// assert_eq!(gae(&rewards, &values, 1.0, 0.0), [0.0, 0.5]);
/// assert_eq!(gae(&rewards, &values, 1.0, 0.5), [0.25, 0.5]);
/// ```
///
/// # Panics
/// When the lists differ in length.
pub fn gae(rewards: &[f64], values: &[f64], gamma: f64, lambda: f64) -> Vec<f64> {
    assert_eq!(rewards.len(), values.len(), "one value a token");
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for (t, (reward, value)) in rewards.iter().zip(values).enumerate().rev() {
        let delta = reward + gamma * next_value - value;
        next_advantage = delta + gamma * lambda * next_advantage;
        advantages[t] = next_advantage;
        next_value = *value;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(got: &[f64], expect: &[f64]) {
        assert_eq!(got.len(), expect.len());
        for (a, b) in got.iter().zip(expect) {
            assert!((a - b).abs() < 1e-12, "{got:?} {expect:?}");
        }
    }

    #[test]
    fn three_tokens_equal_the_hand_worked_example() {
        // delta = 0.9 * 0.4 - 0.5, 0.9 * 0.3 - 0.4, 1 - 0.3 = -0.14, -0.13, 0.7, and gamma lambda = 0.72.
        let got = gae(&[0.0, 0.0, 1.0], &[0.5, 0.4, 0.3], 0.9, 0.8);
        check(&got, &[-0.14 + 0.72 * (-0.13 + 0.72 * 0.7), -0.13 + 0.72 * 0.7, 0.7]);
        check(&got, &[0.12928, 0.374, 0.7]);
    }

    #[test]
    fn the_verifier_pays_at_the_end_and_the_penalty_at_each_token() {
        let got = token_rewards(1.0, &[-1.0, -2.0], Some(&[-1.5, -1.0]), 0.1);
        check(&got, &[-0.05, 1.1]);
        check(&token_rewards(1.0, &[-1.0, -2.0], None, 0.1), &[0.0, 1.0]);
        assert!(token_rewards(1.0, &[], None, 0.1).is_empty());
    }

    /// `A_t = sum_l (gamma lambda)^l delta_{t+l}`, term by term.
    fn naive(rewards: &[f64], values: &[f64], gamma: f64, lambda: f64) -> Vec<f64> {
        let value = |t: usize| values.get(t).copied().unwrap_or(0.0);
        let delta = |t: usize| rewards[t] + gamma * value(t + 1) - value(t);
        let n = rewards.len();
        let sum = |t: usize| (t..n).map(|u| (gamma * lambda).powi((u - t) as i32) * delta(u)).sum();
        (0..n).map(sum).collect()
    }

    proptest! {
        #[test]
        fn the_recursion_equals_the_sum(
            tokens in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64), 0..30),
            gamma in 0.0..=1.0_f64,
            lambda in 0.0..=1.0_f64,
        ) {
            let (rewards, values): (Vec<f64>, Vec<f64>) = tokens.into_iter().unzip();
            let got = gae(&rewards, &values, gamma, lambda);
            for (a, b) in got.iter().zip(naive(&rewards, &values, gamma, lambda)) {
                prop_assert!((a - b).abs() < 1e-9);
            }
        }

        #[test]
        fn with_lambda_1_the_return_is_what_came(
            tokens in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64), 1..30),
        ) {
            let (rewards, values): (Vec<f64>, Vec<f64>) = tokens.into_iter().unzip();
            let got = gae(&rewards, &values, 1.0, 1.0);
            for t in 0..rewards.len() {
                let came: f64 = rewards[t..].iter().sum();
                prop_assert!((got[t] + values[t] - came).abs() < 1e-9);
            }
        }
    }
}
