//! Finite Markov decision processes, solved exactly.
//!
//! Q*, Q^pi and the discounted occupancy of a policy come from linear systems over the states,
//! `(I - g P_pi) V = r_pi`, by Gaussian elimination with pivoting; Q* by policy iteration, which ends after finitely
//! many such systems.
//!
//! # Source
//! Textbook dynamic programming (Puterman, Markov Decision Processes, section 6.4).
//!
//! # Deviations
//! 1. An episode that has ended is a state without outcomes, of value 0, and not a loop.
//!
//! # Invariants
//! - The probabilities of a pair's outcomes sum to 1; a state ends the episode for all actions or for none.
//! - Work is O(S^3) a system; meant for some hundreds of states at most.

use e2h_core::Result;
use serde::{Deserialize, Serialize};

use super::require;

/// A number for each state and action: action values, action probabilities or weights. Row-major `[S, A]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    n_actions: usize,
    values: Vec<f64>,
}

impl Table {
    /// A table with `value` everywhere.
    ///
    /// # Panics
    /// When `n_actions` is 0.
    pub fn filled(n_states: usize, n_actions: usize, value: f64) -> Self {
        assert!(n_actions > 0, "a table has 1 action or more, got 0");
        Self { n_actions, values: vec![value; n_states * n_actions] }
    }

    /// The values of one state, one an action.
    pub fn row(&self, state: usize) -> &[f64] {
        &self.values[state * self.n_actions..][..self.n_actions]
    }

    /// The values of one state, to be changed.
    pub fn row_mut(&mut self, state: usize) -> &mut [f64] {
        &mut self.values[state * self.n_actions..][..self.n_actions]
    }

    /// All values, state by state.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// `|| self - other ||_inf`.
    pub fn sup_distance(&self, other: &Self) -> f64 {
        self.differences(other).fold(0.0, |most, gap| most.max(gap.abs()))
    }

    /// `|| self - other ||_d = sqrt(sum d (self - other)^2)`, `d` being `weights` that sum to 1.
    pub fn distance(&self, other: &Self, weights: &Self) -> f64 {
        let squares = self.differences(other).zip(&weights.values);
        squares.map(|(gap, weight)| weight * gap * gap).sum::<f64>().sqrt()
    }

    fn differences(&self, other: &Self) -> impl Iterator<Item = f64> {
        self.values.iter().zip(&other.values).map(|(a, b)| a - b)
    }
}

/// One way in which an action can turn out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its probability.
    pub prob: f64,
    /// The state that follows.
    pub next: usize,
    /// The reward.
    pub reward: f64,
}

/// A finite discounted Markov decision process with one start state.
///
/// ```
/// use e2h_rl::theory::mdp::{Mdp, Outcome};
/// // Stay for a reward of 1, or take 1.5 and end.
/// let stay = vec![Outcome { prob: 1.0, next: 0, reward: 1.0 }];
/// let leave = vec![Outcome { prob: 1.0, next: 1, reward: 1.5 }];
/// let mdp = Mdp::new(2, 0.5, 0, vec![stay, leave, vec![], vec![]])?;
/// let q = mdp.optimal_q();
/// assert!((q.row(0)[0] - (1.0 + 0.5 * 2.0)).abs() < 1e-12 && (q.row(0)[1] - 1.5).abs() < 1e-12);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mdp {
    n_actions: usize,
    gamma: f64,
    start: usize,
    outcomes: Vec<Vec<Outcome>>,
}

impl Mdp {
    /// A process from the outcomes of each pair, `outcomes[state * n_actions + action]`; a state whose pairs have
    /// none ends the episode.
    ///
    /// # Errors
    /// `OutOfRange` for a discount outside (0, 1), a size that is no multiple of the actions, a start or a next
    /// state that is not there, a reward that is not finite, and probabilities that do not sum to 1.
    pub fn new(
        n_actions: usize,
        gamma: f64,
        start: usize,
        outcomes: Vec<Vec<Outcome>>,
    ) -> Result<Self> {
        require(gamma > 0.0 && gamma < 1.0, "gamma", gamma, "over 0 and under 1")?;
        let whole = n_actions > 0 && outcomes.len().is_multiple_of(n_actions);
        require(whole, "number of pairs", outcomes.len(), "a multiple of the number of actions")?;
        let n_states = outcomes.len() / n_actions;
        require(start < n_states, "start", start, "a state")?;
        for pair in outcomes.iter().flatten() {
            require(pair.next < n_states, "next state", pair.next, "a state")?;
            require(pair.prob >= 0.0, "probability", pair.prob, "0 or more")?;
            require(pair.reward.is_finite(), "reward", pair.reward, "finite")?;
        }
        for state in outcomes.chunks(n_actions) {
            let ended = state[0].is_empty();
            for pair in state {
                let sum: f64 = pair.iter().map(|outcome| outcome.prob).sum();
                let expected = if ended { 0.0 } else { 1.0 };
                let expects = format!("{expected}");
                require(
                    (sum - expected).abs() < 1e-9,
                    "sum of a pair's probabilities",
                    sum,
                    &expects,
                )?;
            }
        }
        Ok(Self { n_actions, gamma, start, outcomes })
    }

    /// S, the number of states.
    pub fn n_states(&self) -> usize {
        self.outcomes.len() / self.n_actions
    }

    /// A, the number of actions.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// The discount.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The state in which episodes start.
    pub fn start(&self) -> usize {
        self.start
    }

    /// True when the episode is over in `state`.
    pub fn has_ended(&self, state: usize) -> bool {
        self.outcomes[state * self.n_actions].is_empty()
    }

    /// The ways in which `action` can turn out in `state`.
    pub fn outcomes(&self, state: usize, action: usize) -> &[Outcome] {
        &self.outcomes[state * self.n_actions + action]
    }

    /// The policy that draws every action with the same probability.
    pub fn uniform_policy(&self) -> Table {
        Table::filled(self.n_states(), self.n_actions, 1.0 / self.n_actions as f64)
    }

    /// Q^pi of `policy`, exact up to rounding.
    pub fn policy_q(&self, policy: &Table) -> Table {
        let n = self.n_states();
        let mut system = self.identity_less_discounted(policy);
        let mut values: Vec<f64> = (0..n).map(|state| self.mean_reward(policy, state)).collect();
        solve(&mut system, &mut values);
        self.back_up(&values)
    }

    /// Q*, exact up to rounding.
    pub fn optimal_q(&self) -> Table {
        let mut policy = self.uniform_policy();
        loop {
            let q = self.policy_q(&policy);
            let mut improved = policy.clone();
            let mut gain = 0.0f64;
            for state in 0..self.n_states() {
                let row = q.row(state);
                let best = argmax(row);
                let value: f64 = row.iter().zip(policy.row(state)).map(|(q, prob)| q * prob).sum();
                gain = gain.max(row[best] - value);
                improved.row_mut(state).fill(0.0);
                improved.row_mut(state)[best] = 1.0;
            }
            let scale = q.values.iter().fold(1.0f64, |most, value| most.max(value.abs()));
            if gain <= 1e-13 * scale {
                return q;
            }
            policy = improved;
        }
    }

    /// How often `policy` is in each state on its way from the start, discounted and normalised to sum 1; ended
    /// states have 0.
    pub fn occupancy(&self, policy: &Table) -> Vec<f64> {
        let n = self.n_states();
        let system = self.identity_less_discounted(policy);
        let mut transposed: Vec<Vec<f64>> =
            (0..n).map(|i| (0..n).map(|j| system[j][i]).collect()).collect();
        let mut visits = vec![0.0; n];
        visits[self.start] = 1.0;
        solve(&mut transposed, &mut visits);
        for (state, visit) in visits.iter_mut().enumerate() {
            if self.has_ended(state) {
                *visit = 0.0;
            }
        }
        let sum: f64 = visits.iter().sum();
        visits.iter().map(|visit| visit / sum).collect()
    }

    /// One step of dynamic programming: `Q(s, a) = E[r + g V(s')]`.
    fn back_up(&self, values: &[f64]) -> Table {
        let mean = |pair: &Vec<Outcome>| {
            let terms = pair.iter();
            terms.map(|way| way.prob * (way.reward + self.gamma * values[way.next])).sum()
        };
        Table { n_actions: self.n_actions, values: self.outcomes.iter().map(mean).collect() }
    }

    fn mean_reward(&self, policy: &Table, state: usize) -> f64 {
        let pairs = policy.row(state).iter().enumerate();
        pairs
            .map(|(action, prob)| {
                let ways = self.outcomes(state, action).iter();
                prob * ways.map(|way| way.prob * way.reward).sum::<f64>()
            })
            .sum()
    }

    /// `I - g P_pi`, row by row.
    fn identity_less_discounted(&self, policy: &Table) -> Vec<Vec<f64>> {
        let n = self.n_states();
        let mut system = vec![vec![0.0; n]; n];
        for (state, row) in system.iter_mut().enumerate() {
            row[state] = 1.0;
            for (action, prob) in policy.row(state).iter().enumerate() {
                for way in self.outcomes(state, action) {
                    row[way.next] -= self.gamma * prob * way.prob;
                }
            }
        }
        system
    }
}

/// The index of the largest value, the first of several.
pub(super) fn argmax(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// Solves `matrix x = right` in place. The matrices here are diagonally dominant, so no pivot is 0.
fn solve(matrix: &mut [Vec<f64>], right: &mut [f64]) {
    let n = right.len();
    for column in 0..n {
        let below = column..n;
        let size = |&row: &usize| matrix[row][column].abs();
        let pivot = below.max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..n {
            let factor = matrix[row][column] / matrix[column][column];
            if factor != 0.0 {
                let (upper, lower) = matrix.split_at_mut(row);
                for (to, from) in lower[0][column..].iter_mut().zip(&upper[column][column..]) {
                    *to -= factor * from;
                }
                right[row] -= factor * right[column];
            }
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
}

#[cfg(test)]
mod tests;
