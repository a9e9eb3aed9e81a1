//! A mixture of the worst-level weights of group-robust optimisation, SEC's values and the gaussian schedule.
//!
//! `score_i = w_dro g_i + w_sec softmax(Q / tau)_i + w_g q_i(t)`, `p = score / sum`, where
//! `g_i <- g_i exp(a (1 - m_i))`, normalised, with `m_i` the step's mean pass rate of level i; Q as in
//! [`Sec`](super::Sec); `q(t)` the gaussian with `mu = (t / T)^mu_exp (K - 1)`, without a floor.
//!
//! # Source
//! The V-REx / GroupDRO scheduler in the E2H reference code, which has no published experiment.
//!
//! # Deviations
//! 1. Defaults are ours: equal weights, `a = 0.1`; SEC's and E2H-G's own defaults for the rest.
//! 2. A level without groups keeps its `g`.
//! 3. `ln g` is held, so a `g` that falls for long does not underflow to 0.
//!
//! # Invariants
//! - `g` is a distribution; among levels that are drawn equally, the one with the lowest pass rate gains.

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::level_means;
use super::sec::{boltzmann, update_q};
use crate::checks::Checks;
use crate::fixed::{gaussian, normalise, softmax};
use crate::state;

/// The parameters of [`GroupDro`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupDroConfig {
    /// Weight of the worst-level part.
    pub w_dro: f64,
    /// Weight of SEC's part.
    pub w_sec: f64,
    /// Weight of the gaussian schedule.
    pub w_gaussian: f64,
    /// Rate `a` of the worst-level weights, a step.
    pub dro_rate: f64,
    /// Learning rate of Q, in (0, 1].
    pub alpha: f64,
    /// Temperature of SEC's softmax.
    pub tau: f64,
    /// Exponent of the progress in the gaussian part.
    pub mu_exp: f64,
    /// Width of the gaussian part, in levels.
    pub sigma: f64,
}

impl Default for GroupDroConfig {
    fn default() -> Self {
        Self {
            w_dro: 1.0,
            w_sec: 1.0,
            w_gaussian: 1.0,
            dro_rate: 0.1,
            alpha: 0.5,
            tau: 1.0,
            mu_exp: 0.5,
            sigma: 0.5,
        }
    }
}

impl GroupDroConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        let weights =
            [("w_dro", self.w_dro), ("w_sec", self.w_sec), ("w_gaussian", self.w_gaussian)];
        for (name, weight) in weights {
            checks.not_negative(name, weight);
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            checks.positive("w_dro + w_sec + w_gaussian", 0.0);
        }
        checks.positive("dro_rate", self.dro_rate);
        checks.rate("alpha", self.alpha);
        checks.positive("tau", self.tau);
        checks.positive("mu_exp", self.mu_exp);
        checks.positive("sigma", self.sigma);
        checks.into_problems()
    }
}

/// The V-REx / GroupDRO mixture.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{GroupDro, GroupDroConfig};
///
/// // The worst-level part alone.
/// let config = GroupDroConfig { w_sec: 0.0, w_gaussian: 0.0, ..GroupDroConfig::default() };
/// let mut rule = GroupDro::new(2, 1600, config)?;
/// let group = |level, n_correct| GroupOutcome {
///     level: Level(level), item: 0, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// };
/// rule.observe(0, &[group(0, 4), group(1, 0)]);
/// // Pass rates of 1 and 0: the weights are as exp(0.1 * 0) to exp(0.1 * 1).
/// let probs = rule.probs(1);
/// assert!((probs[1] / probs[0] - 0.1f64.exp()).abs() < 1e-12);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupDro {
    config: GroupDroConfig,
    total_steps: u64,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    log_g: Vec<f64>,
    q: Vec<f64>,
}

impl GroupDro {
    /// The rule over `n_levels` levels and `total_steps` steps.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, total_steps: u64, config: GroupDroConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.at_least_one("total_steps", total_steps);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self {
            config,
            total_steps,
            state: State { log_g: vec![0.0; n_levels], q: vec![0.0; n_levels] },
        })
    }
}

impl Curriculum for GroupDro {
    fn name(&self) -> &str {
        "group-dro"
    }

    fn n_levels(&self) -> usize {
        self.state.q.len()
    }

    fn probs(&self, step: u64) -> Vec<f64> {
        let config = &self.config;
        let progress = (step as f64 / self.total_steps as f64).min(1.0);
        let schedule = gaussian(self.n_levels(), progress.powf(config.mu_exp), config.sigma);
        let robust = softmax(&self.state.log_g);
        let bandit = boltzmann(&self.state.q, config.tau);
        let mut probs: Vec<f64> = (0..self.n_levels())
            .map(|i| {
                config.w_dro * robust[i]
                    + config.w_sec * bandit[i]
                    + config.w_gaussian * schedule[i]
            })
            .collect();
        normalise(&mut probs);
        probs
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        let pass_rates = level_means(self.n_levels(), groups, GroupOutcome::pass_rate);
        for (log_g, pass_rate) in self.state.log_g.iter_mut().zip(pass_rates) {
            *log_g += pass_rate.map_or(0.0, |mean| self.config.dro_rate * (1.0 - mean));
        }
        // Only differences count; the largest stays at 0.
        let top = self.state.log_g.iter().copied().fold(f64::MIN, f64::max);
        self.state.log_g.iter_mut().for_each(|log_g| *log_g -= top);
        update_q(&mut self.state.q, self.config.alpha, groups);
    }

    fn state(&self) -> Value {
        state::save(&self.state)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let n_levels = self.n_levels();
        let fits = |state: &State| state.q.len() == n_levels && state.log_g.len() == n_levels;
        self.state = state::load("group-dro", saved, fits)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn rule(config: GroupDroConfig) -> GroupDro {
        GroupDro::new(2, 10, config).expect("valid")
    }

    #[test]
    fn the_worst_level_gains_by_the_exponential_rule() {
        let mut rule =
            rule(GroupDroConfig { w_sec: 0.0, w_gaussian: 0.0, ..GroupDroConfig::default() });
        rule.observe(0, &[group(0, 4, 4), group(1, 1, 4)]);
        // g_0 = exp(0.1 * 0), g_1 = exp(0.1 * 0.75).
        let expected = 1.0 / (1.0 + 0.075f64.exp());
        assert!((rule.probs(0)[0] - expected).abs() < 1e-15);
        // A level without groups keeps its g; the other falls behind by exp(0.1 * 0.5).
        rule.observe(1, &[group(0, 2, 4)]);
        let expected = 0.05f64.exp() / (0.05f64.exp() + 0.075f64.exp());
        assert!((rule.probs(1)[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn two_steps_of_the_mixture_by_hand() {
        let mut rule = rule(GroupDroConfig { w_dro: 2.0, ..GroupDroConfig::default() });
        // Level 0: solved, no advantage. Level 1: one of four right, |A| = 1, so Q = 0.5.
        rule.observe(0, &[group(0, 4, 4), group(1, 1, 4)]);
        let robust = 1.0 / (1.0 + 0.075f64.exp());
        let bandit = 1.0 / (1.0 + 0.5f64.exp());
        // Step 5 of 10: mu = sqrt(1/2) levels, sigma = 0.5.
        let mu = 0.5f64.sqrt();
        let weight = |i: f64| (-(i - mu).powi(2) / 0.5).exp();
        let schedule = weight(0.0) / (weight(0.0) + weight(1.0));
        let expected = (2.0 * robust + bandit + schedule) / 4.0;
        assert!((rule.probs(5)[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn the_parts_are_mixed_by_their_weights() {
        // No observation: g and SEC are 1/2 each; the gaussian at step 0 is 1 : exp(-2).
        let probs = rule(GroupDroConfig::default()).probs(0);
        let easy = 1.0 / (1.0 + (-2.0f64).exp());
        assert!((probs[0] - (1.0 + easy) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn weights_that_are_all_zero_are_refused() {
        let config =
            GroupDroConfig { w_dro: 0.0, w_sec: 0.0, w_gaussian: 0.0, ..GroupDroConfig::default() };
        assert!(GroupDro::new(2, 10, config).is_err());
    }

    #[test]
    fn the_state_is_exact() {
        let default = GroupDroConfig::default();
        assert_exact_state(rule(default), rule(default));
    }
}
