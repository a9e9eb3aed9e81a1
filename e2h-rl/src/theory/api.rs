//! Approximate policy iteration with sampled evaluation, on one task or through stages.
//!
//! One iteration evaluates the policy, `Q_t ~ Q^pi_t`, and updates it:
//! - softmax: `pi_{t+1}(a|s) ~ exp(beta Q_t(s, a))`;
//! - mirror: `pi_{t+1}(a|s) ~ pi_t(a|s) exp(beta Q_t(s, a))`, the natural policy gradient in a table.
//!
//! A stage begins with the values and the policy that the stage before has left.
//!
//! # Source
//! The framework of section 3 of arXiv 2506.06632.
//!
//! # Deviations
//! 1. Evaluation is every-visit Monte Carlo in place of multi-step TD with linear features. What the convergence
//!    bound asks of an evaluation is its error alone, and that error is measured exactly here.
//! 2. Episodes are cut after `max_steps`; the bias of at most `g^max_steps` a unit of return is part of the error.
//! 3. A pair that was not visited keeps its last value.
//!
//! # Invariants
//! - A sample is one transition; all that are drawn are counted, also those of a stage that fails.

use e2h_core::{Result, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::bounds::StageInput;
use super::lock::Task;
use super::mdp::{Mdp, Table};
use super::require;

/// The policy update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// The policy is the softmax of `beta Q`.
    Softmax,
    /// The policy is multiplied by `exp(beta Q)`.
    Mirror,
}

/// How a policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Sampling {
    /// By dynamic programming, with no samples and no error.
    Exact,
    /// Episodes from the start state, played by the policy itself.
    OnPolicy {
        /// Transitions an iteration, at least; the last episode is played to its end.
        steps: u32,
        /// The length at which an episode is cut.
        max_steps: u32,
    },
    /// The same number of episodes from each pair: full coverage, as the sample bound assumes it.
    EveryPair {
        /// Episodes a pair and iteration.
        episodes: u32,
        /// The length at which an episode is cut.
        max_steps: u32,
    },
}

/// How the iteration is run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The policy update.
    pub update: Update,
    /// Its step: an inverse temperature, in units of 1 / Q.
    pub beta: f64,
    /// The evaluation.
    pub sampling: Sampling,
}

impl Method {
    /// Checks the parameters.
    ///
    /// # Errors
    /// `OutOfRange` for a step that is not positive and finite, and for sampling without samples.
    pub fn check(&self) -> Result<()> {
        let fits = self.beta > 0.0 && self.beta.is_finite();
        require(fits, "beta", self.beta, "positive and finite")?;
        match self.sampling {
            Sampling::Exact => Ok(()),
            Sampling::OnPolicy { steps: count, max_steps }
            | Sampling::EveryPair { episodes: count, max_steps } => {
                require(count > 0, "samples an iteration", count, "1 or more")?;
                require(max_steps > 0, "max_steps", max_steps, "1 or more")
            }
        }
    }
}

/// The values and the policy that are carried from iteration to iteration and from stage to stage.
#[derive(Clone, Debug)]
pub struct Learner {
    method: Method,
    /// Q_t, `[S, A]`.
    q: Table,
    /// Log-probabilities of the policy up to a constant in each state, `[S, A]`.
    logits: Table,
    policy: Table,
}

impl Learner {
    /// A learner that knows nothing: values of 0 and the uniform policy.
    ///
    /// # Errors
    /// As [`Method::check`].
    pub fn new(method: Method, mdp: &Mdp) -> Result<Self> {
        method.check()?;
        let zeros = Table::filled(mdp.n_states(), mdp.n_actions(), 0.0);
        Ok(Self { method, q: zeros.clone(), logits: zeros, policy: mdp.uniform_policy() })
    }

    /// pi_t, `[S, A]`.
    pub fn policy(&self) -> &Table {
        &self.policy
    }

    /// Q_t, the last evaluation, `[S, A]`.
    pub fn q(&self) -> &Table {
        &self.q
    }

    /// Evaluates the policy in `mdp` and returns the number of samples drawn.
    fn evaluate(&mut self, mdp: &Mdp, rng: &mut Stream) -> u64 {
        let mut tally = Tally::new(mdp);
        match self.method.sampling {
            Sampling::Exact => {
                self.q = mdp.policy_q(&self.policy);
                return 0;
            }
            Sampling::OnPolicy { steps, max_steps } => {
                while tally.samples < u64::from(steps) {
                    let action = draw(self.policy.row(mdp.start()), rng);
                    tally.play(mdp, &self.policy, (mdp.start(), action), max_steps, rng);
                }
            }
            Sampling::EveryPair { episodes, max_steps } => {
                for state in (0..mdp.n_states()).filter(|&state| !mdp.has_ended(state)) {
                    for action in 0..mdp.n_actions() {
                        for _ in 0..episodes {
                            tally.play(mdp, &self.policy, (state, action), max_steps, rng);
                        }
                    }
                }
            }
        }
        tally.write(&mut self.q);
        tally.samples
    }

    /// Updates the policy by the last evaluation.
    fn improve(&mut self) {
        let n_states = self.q.values().len() / self.q.row(0).len();
        for state in 0..n_states {
            let logits = self.logits.row_mut(state);
            for (logit, q) in logits.iter_mut().zip(self.q.row(state)) {
                let old = if self.method.update == Update::Mirror { *logit } else { 0.0 };
                *logit = old + self.method.beta * q;
            }
            let top = logits.iter().fold(f64::NEG_INFINITY, |top, &logit| top.max(logit));
            logits.iter_mut().for_each(|logit| *logit -= top);
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            for (prob, logit) in self.policy.row_mut(state).iter_mut().zip(logits) {
                *prob = logit.exp() / sum;
            }
        }
    }
}

/// What was measured in one stage of a fixed number of updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// What goes into the bound: T, eta, delta and beta.
    pub input: StageInput,
    /// `|| Q*_k - Q^pi ||_inf` of the policy that the stage leaves.
    pub error: f64,
    /// Transitions drawn.
    pub samples: u64,
}

/// Runs one stage of `updates` iterations and measures, exactly, all that the convergence bound speaks of.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_rl::theory::api::{Learner, Method, Sampling, Update, run_stage};
/// use e2h_rl::theory::{bounds::StageBound, lock::LockChain};
///
/// let task = &LockChain::default().stages(1, &[0, 1, 2, 0, 1, 2])?[0];
/// let method = Method { update: Update::Softmax, beta: 50.0, sampling: Sampling::Exact };
/// let mut learner = Learner::new(method, &task.mdp)?;
/// let record = run_stage(&mut learner, task, 10, &mut RootSeed(0).stream("doc", &[]));
/// // Exact values cost no samples, and the error is within the bound.
/// let bound = StageBound::new(task.mdp.gamma(), &record.input)?;
/// assert!(record.samples == 0 && record.error <= bound.total());
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub fn run_stage(
    learner: &mut Learner,
    task: &Task,
    updates: u32,
    rng: &mut Stream,
) -> StageRecord {
    let gap = |learner: &Learner| {
        let q = task.mdp.policy_q(&learner.policy);
        (task.q_star.sup_distance(&q), q)
    };
    let (initial_gap, mut exact) = gap(learner);
    let (mut error, mut evaluation_error, mut samples) = (initial_gap, 0.0f64, 0);
    for _ in 0..updates {
        samples += learner.evaluate(&task.mdp, rng);
        evaluation_error = evaluation_error.max(on_stage(task, &learner.q, &exact));
        learner.improve();
        (error, exact) = gap(learner);
    }
    let beta = learner.method.beta;
    let input = StageInput { updates, initial_gap, evaluation_error, beta };
    StageRecord { input, error, samples }
}

/// `|| q - exact ||_inf` over the states of the stage: an ended state has no values, whatever the learner keeps.
fn on_stage(task: &Task, q: &Table, exact: &Table) -> f64 {
    let states = (0..task.mdp.n_states()).filter(|&state| !task.mdp.has_ended(state));
    let gaps = states.flat_map(|state| q.row(state).iter().zip(exact.row(state)));
    gaps.fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// What a stage needed to reach its accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Transitions drawn.
    pub samples: u64,
    /// False when the limit came first.
    pub reached: bool,
}

/// Iterates until `|| Q*_k - Q^pi ||_{d_k} <= accuracy` or `limit` samples are drawn. The exact error decides when to
/// stop; looking at it costs no samples.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_rl::theory::api::{Learner, Method, Sampling, Update, learn_until};
/// use e2h_rl::theory::lock::LockChain;
///
/// let chain = LockChain { doors: 2, keys: 2, fall: 2, ..LockChain::default() };
/// let task = &chain.stages(1, &[0, 1])?[0];
/// let sampling = Sampling::EveryPair { episodes: 20, max_steps: 50 };
/// let method = Method { update: Update::Softmax, beta: 50.0, sampling };
/// let mut learner = Learner::new(method, &task.mdp)?;
/// let found = learn_until(&mut learner, task, 0.1, 100_000, &mut RootSeed(0).stream("doc", &[]))?;
/// // Four pairs of a cell and a key, 20 episodes of at least one step each.
/// assert!(found.reached && found.samples >= 80);
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// `OutOfRange` for exact evaluation, which draws no samples, and for an accuracy that is not positive.
pub fn learn_until(
    learner: &mut Learner,
    task: &Task,
    accuracy: f64,
    limit: u64,
    rng: &mut Stream,
) -> Result<Reached> {
    let sampled = learner.method.sampling != Sampling::Exact;
    require(sampled, "sampling", "exact", "on_policy or every_pair")?;
    require(accuracy > 0.0, "accuracy", accuracy, "positive")?;
    let mut samples = 0;
    loop {
        let q = task.mdp.policy_q(&learner.policy);
        let reached = task.q_star.distance(&q, &task.weights) <= accuracy;
        if reached || samples >= limit {
            return Ok(Reached { samples, reached });
        }
        samples += learner.evaluate(&task.mdp, rng);
        learner.improve();
    }
}

/// Sums of returns, and the path of the episode in play.
struct Tally {
    sums: Table,
    counts: Table,
    path: Vec<(usize, usize, f64)>,
    samples: u64,
}

impl Tally {
    fn new(mdp: &Mdp) -> Self {
        let zeros = Table::filled(mdp.n_states(), mdp.n_actions(), 0.0);
        Self { sums: zeros.clone(), counts: zeros, path: Vec::new(), samples: 0 }
    }

    /// Plays one episode from `pair` and credits each visited pair with its discounted return.
    fn play(
        &mut self,
        mdp: &Mdp,
        policy: &Table,
        pair: (usize, usize),
        max_steps: u32,
        rng: &mut Stream,
    ) {
        self.path.clear();
        let (mut state, mut action) = pair;
        loop {
            let ways = mdp.outcomes(state, action);
            let way = ways[draw_by(ways.iter().map(|way| way.prob), rng)];
            self.path.push((state, action, way.reward));
            if mdp.has_ended(way.next) || self.path.len() >= max_steps as usize {
                break;
            }
            state = way.next;
            action = draw(policy.row(state), rng);
        }
        let mut value = 0.0;
        for &(state, action, reward) in self.path.iter().rev() {
            value = reward + mdp.gamma() * value;
            self.sums.row_mut(state)[action] += value;
            self.counts.row_mut(state)[action] += 1.0;
        }
        self.samples += self.path.len() as u64;
    }

    /// Writes the mean return of each visited pair into `q`.
    fn write(&self, q: &mut Table) {
        let n_states = q.values().len() / q.row(0).len();
        for state in 0..n_states {
            let means = self.sums.row(state).iter().zip(self.counts.row(state));
            for (value, (sum, count)) in q.row_mut(state).iter_mut().zip(means) {
                if *count > 0.0 {
                    *value = sum / count;
                }
            }
        }
    }
}

fn draw(probs: &[f64], rng: &mut Stream) -> usize {
    draw_by(probs.iter().copied(), rng)
}

/// An index drawn from probabilities that sum to 1; rounding goes to the last.
fn draw_by(probs: impl ExactSizeIterator<Item = f64>, rng: &mut Stream) -> usize {
    let last = probs.len() - 1;
    let mut left: f64 = rng.random();
    for (i, prob) in probs.enumerate() {
        left -= prob;
        if left < 0.0 {
            return i;
        }
    }
    last
}

#[cfg(test)]
mod tests;
