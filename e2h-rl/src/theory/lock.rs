//! A chain of tasks of growing horizon: a corridor of locked doors.
//!
//! Cell s of H has A keys, one of which opens the door to cell s + 1; any other key throws the player back by `fall`
//! cells. With probability `slip` the key in the hand is a random one. Task h ends with reward 1 behind door h.
//! All tasks of a chain share cells, keys and dynamics, so Q*_K and Q*_k are tables of one shape, and what opens
//! the first doors in one task opens them in all.
//!
//! With `fall` = H and random play the expected number of steps grows like A^H: the situation that a curriculum is
//! for. With a `fall` of one cell and two keys it grows like H^2.
//!
//! # Source
//! The combination lock, a standard hard case for exploration.
//!
//! # Invariants
//! - Stage k of K ends behind door ceil(H k / K), so the last stage is the same task for every K.

use e2h_core::{Result, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::mdp::{Mdp, Outcome, Table, argmax};
use super::require;

/// The shape of a chain of tasks.
///
/// ```
/// use e2h_rl::theory::lock::LockChain;
/// let chain = LockChain { doors: 2, keys: 2, fall: 2, slip: 0.0, gamma: 0.5 };
/// // Key 0 opens the first door, key 1 the second, behind which the last stage ends.
/// let stages = chain.stages(2, &[0, 1])?;
/// let q = &stages[1].q_star;
/// assert!((q.row(0)[0] - 0.5).abs() < 1e-12 && (q.row(1)[1] - 1.0).abs() < 1e-12);
/// // A wrong key at the second door leads back to the first.
/// assert!((q.row(1)[0] - 0.5 * 0.5).abs() < 1e-12);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockChain {
    /// H, the number of doors of the last task.
    pub doors: usize,
    /// A, the number of keys at each door.
    pub keys: usize,
    /// How many cells a wrong key throws back; H or more is to the start.
    pub fall: usize,
    /// The probability of a random key in place of the chosen one.
    pub slip: f64,
    /// The discount.
    pub gamma: f64,
}

impl Default for LockChain {
    /// Six doors of three keys; a wrong one throws back to the start.
    fn default() -> Self {
        Self { doors: 6, keys: 3, fall: 6, slip: 0.0, gamma: 0.9 }
    }
}

impl LockChain {
    /// Draws the right key of each door.
    pub fn draw_keys(&self, rng: &mut Stream) -> Vec<usize> {
        (0..self.doors).map(|_| rng.random_range(0..self.keys)).collect()
    }

    /// The task that ends behind door `goal`; `keys` has the right key of each door.
    ///
    /// # Errors
    /// `OutOfRange` for a goal that is no door, for `keys` that do not fit the chain, and for parameters outside
    /// their range.
    pub fn task(&self, goal: usize, keys: &[usize]) -> Result<Mdp> {
        require(self.keys > 0, "keys", self.keys, "1 or more")?;
        let is_prob = (0.0..=1.0).contains(&self.slip);
        require(is_prob, "slip", self.slip, "a probability")?;
        let is_door = (1..=self.doors).contains(&goal);
        require(is_door, "goal", goal, &format!("from 1 to {}", self.doors))?;
        require(keys.len() == self.doors, "number of keys", keys.len(), "one for each door")?;
        let mut pairs = Vec::with_capacity((self.doors + 1) * self.keys);
        for (cell, &right) in keys.iter().enumerate().take(goal) {
            pairs.extend((0..self.keys).map(|key| self.turn(cell, goal, key == right)));
        }
        pairs.resize((self.doors + 1) * self.keys, Vec::new());
        Mdp::new(self.keys, self.gamma, 0, pairs)
    }

    /// The tasks of `stages` stages, the easiest first, each solved.
    ///
    /// # Errors
    /// `OutOfRange` for a number of stages that is not in 1..=H, and as [`LockChain::task`].
    pub fn stages(&self, stages: usize, keys: &[usize]) -> Result<Vec<Task>> {
        let fits = (1..=self.doors).contains(&stages);
        require(fits, "stages", stages, &format!("from 1 to {}", self.doors))?;
        (1..=stages)
            .map(|k| Ok(Task::new(self.task((self.doors * k).div_ceil(stages), keys)?)))
            .collect()
    }

    /// The two ways that a turn of a key can end, given that the chosen key is right or wrong.
    fn turn(&self, cell: usize, goal: usize, is_right: bool) -> Vec<Outcome> {
        let by_chance = self.slip / self.keys as f64;
        let opens = if is_right { 1.0 - self.slip + by_chance } else { by_chance };
        let reward = if cell + 1 == goal { 1.0 } else { 0.0 };
        let ways = [
            Outcome { prob: opens, next: cell + 1, reward },
            Outcome { prob: 1.0 - opens, next: cell.saturating_sub(self.fall), reward: 0.0 },
        ];
        ways.into_iter().filter(|way| way.prob > 0.0).collect()
    }
}

/// A task with what the theory needs to know of it.
#[derive(Clone, Debug)]
pub struct Task {
    /// The process.
    pub mdp: Mdp,
    /// Q*.
    pub q_star: Table,
    /// d: states as an optimal policy visits them, discounted; actions with equal weight. Sums to 1.
    pub weights: Table,
}

impl Task {
    /// Solves `mdp`.
    pub fn new(mdp: Mdp) -> Self {
        let q_star = mdp.optimal_q();
        let mut policy = Table::filled(mdp.n_states(), mdp.n_actions(), 0.0);
        for state in 0..mdp.n_states() {
            policy.row_mut(state)[argmax(q_star.row(state))] = 1.0;
        }
        let mut weights = Table::filled(mdp.n_states(), mdp.n_actions(), 0.0);
        for (state, visits) in mdp.occupancy(&policy).into_iter().enumerate() {
            weights.row_mut(state).fill(visits / mdp.n_actions() as f64);
        }
        Self { mdp, q_star, weights }
    }

    /// `|| Q*_K - Q*_k ||_{d_K}`, `self` being the last task: the price of training on `other`.
    pub fn price_of(&self, other: &Self) -> f64 {
        self.q_star.distance(&other.q_star, &self.weights)
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;

    #[test]
    fn the_right_keys_reach_the_goal_without_a_detour() {
        let chain = LockChain::default();
        let keys = chain.draw_keys(&mut RootSeed(3).stream("keys", &[]));
        for goal in 1..=chain.doors {
            let task = Task::new(chain.task(goal, &keys).expect("a task"));
            for cell in 0..goal {
                let row = task.q_star.row(cell);
                let expect = chain.gamma.powi((goal - cell - 1) as i32);
                assert_eq!(argmax(row), keys[cell]);
                assert!((row[keys[cell]] - expect).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn random_play_needs_a_time_that_is_exponential_in_the_doors() {
        // From the start, E = (A^H - 1) / (A - 1) * A turns; V = E[g^(turns - 1)] by one recursion backwards.
        let chain = LockChain { doors: 4, ..LockChain::default() };
        let mdp = chain.task(4, &[0, 1, 2, 0]).expect("a task");
        let q = mdp.policy_q(&mdp.uniform_policy());
        let start: f64 = q.row(0).iter().sum::<f64>() / 3.0;
        // V(s) = a + b V(0) with V(3) = (1 + 2 g V0) / 3, V(s) = (g V(s+1) + 2 g V0) / 3.
        let (mut a, mut b) = (1.0 / 3.0, 2.0 * chain.gamma / 3.0);
        for _ in 0..3 {
            (a, b) = (chain.gamma * a / 3.0, (chain.gamma * b + 2.0 * chain.gamma) / 3.0);
        }
        assert!((start - a / (1.0 - b)).abs() < 1e-12);
    }

    #[test]
    fn every_number_of_stages_ends_with_the_same_task() {
        let chain = LockChain::default();
        let keys = [0, 1, 2, 0, 1, 2];
        let direct = chain.stages(1, &keys).expect("stages");
        for stages in 1..=6 {
            let tasks = chain.stages(stages, &keys).expect("stages");
            assert_eq!(tasks.len(), stages);
            assert_eq!(tasks[stages - 1].mdp, direct[0].mdp);
        }
        assert!(chain.stages(7, &keys).is_err());
    }

    #[test]
    fn the_price_falls_to_zero_at_the_last_stage() {
        let chain = LockChain { slip: 0.1, ..LockChain::default() };
        let tasks = chain.stages(6, &[0, 1, 2, 0, 1, 2]).expect("stages");
        let prices: Vec<f64> = tasks.iter().map(|task| tasks[5].price_of(task)).collect();
        assert!(prices[..5].iter().all(|&price| price > 0.0));
        assert_eq!(prices[5], 0.0);
    }

    #[test]
    fn slips_open_doors_as_often_as_they_should() {
        let chain = LockChain { slip: 0.3, ..LockChain::default() };
        let mdp = chain.task(6, &[0; 6]).expect("a task");
        assert!((mdp.outcomes(2, 0)[0].prob - 0.8).abs() < 1e-12);
        assert!((mdp.outcomes(2, 1)[0].prob - 0.1).abs() < 1e-12);
    }
}
