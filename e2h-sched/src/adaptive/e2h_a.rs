//! E2H-A: an adaptive easy-to-hard curriculum without per-task schedule parameters.
//!
//! For each level i the rule keeps three sums over the groups seen there, discounted by `gamma` a step: the number of
//! groups `n_i`, their pass rates `a_i`, and their learning signals `b_i`, where a group of pass rate x has the signal
//! `v(x) = 2 sqrt(x (1 - x))` (0 when all rollouts agree, 1 at one half).
//!
//! Estimates, from the easiest level up, with the easier neighbour's estimate as the prior (`m_{-1} = 1`):
//! - prior pass rate `o_i = m_{i-1} / 2`;
//! - pass rate `m_i = (a_i + n0 o_i) / (n_i + n0)`;
//! - signal `s_i = (b_i + n0 v(o_i)) / (n_i + n0)`;
//! - readiness `r_i = max(0, m_{i-1} - m_i)`: an easier neighbour mastered, this level not yet.
//!
//! Draw: `w_i = s_i (1 + probe r_i) + 0.001`, `q_i ~ w_i^2 exp(pull sqrt(u) i / (K - 1))`, with sum 1 and `u = t / T`;
//! `p_i = f / K + (1 - f) q_i` with `f = explore`.
//!
//! Before any evidence the priors are 1/2, 1/4, 1/8, ...: easy levels first. A mastered level has no signal and no
//! readiness, and fades to the floor. A level over an unmastered one has a prior near 0, and waits. A level that is
//! ready but shows no signal, however often it is tried, falls to the floor too: evidence outweighs the prior; and as
//! the evidence is forgotten, it is tried again. The pull moves the budget on to the hardest level that has something
//! to teach, also where the budget is too short to master the levels before it; it grows as fast as the mean of E2H-G
//! with `mu_exp = 0.5`.
//!
//! # Source
//! Ours. The group's standard deviation as the signal is that of SEC (arXiv 2505.14970) and VCRL (2509.19803).
//!
//! # Deviations
//! None.
//!
//! # Invariants
//! - Every level keeps at least `explore / K`, and a mastered level gets at most that and what the weight 0.001 gives.
//! - Without evidence and before the pull, an easier level is never less probable than a harder one.
//! - A rise of an unseen level's easier neighbour never lowers the unseen level's estimates.
//! - Deterministic given the observations.

use e2h_core::{Curriculum, Error, GroupOutcome, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::usable;
use crate::checks::Checks;
use crate::fixed::normalise;
use crate::state;

/// Keeps the weights positive when every level is mastered.
const LEAST_WEIGHT: f64 = 0.001;

/// The parameters of [`E2hA`]. They are meant to be left alone: one setting for every task.
///
/// The defaults were chosen on synthetic learners; `docs/curricula.md` says on which, and what that shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct E2hAConfig {
    /// What a step leaves of older evidence, in (0, 1).
    pub gamma: f64,
    /// Weight `n0` of the prior, in groups.
    pub prior_groups: f64,
    /// How much readiness multiplies a signal: a level that is fully ready weighs `1 + probe` times its signal.
    pub probe: f64,
    /// Strength of the pull to the hardest level at the end of the budget, in nats.
    pub pull: f64,
    /// Share `f` of the prompts that is spread evenly over all levels, in (0, 1).
    pub explore: f64,
}

impl Default for E2hAConfig {
    fn default() -> Self {
        Self { gamma: 0.9, prior_groups: 0.5, probe: 2.0, pull: 6.0, explore: 0.1 }
    }
}

impl E2hAConfig {
    pub(crate) fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        for (name, share) in [("gamma", self.gamma), ("explore", self.explore)] {
            let ok = share > 0.0 && share < 1.0;
            checks.require(ok, name, share, "greater than 0 and less than 1");
        }
        checks.positive("prior_groups", self.prior_groups);
        checks.within("probe", self.probe, 0.0, 100.0);
        checks.within("pull", self.pull, 0.0, 100.0);
        checks.into_problems()
    }
}

/// The E2H-A rule.
///
/// ```
/// use e2h_core::{Curriculum, GroupOutcome, Level};
/// use e2h_sched::{E2hA, E2hAConfig};
///
/// let mut rule = E2hA::new(3, 1600, E2hAConfig::default())?;
/// // Before any evidence each level is believed to be half as easy as the one before: easy levels first.
/// let believed: Vec<f64> = rule.beliefs().iter().map(|belief| belief.pass_rate).collect();
/// assert_eq!(believed, [0.5, 0.25, 0.125]);
/// assert!(rule.probs(0).is_sorted_by(|easier, harder| easier > harder));
/// // The easiest level turns out to be mastered: the next one is worth most.
/// let mastered = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0; 8], advantages: vec![0.0; 8], n_correct: 8,
/// };
/// rule.observe(0, &vec![mastered; 8]);
/// let probs = rule.probs(1);
/// assert!(probs[1] > probs[0] && probs[1] > probs[2]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct E2hA {
    config: E2hAConfig,
    total_steps: u64,
    evidence: Vec<Evidence>,
}

/// What has been seen of one level, discounted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    n_groups: f64,
    pass_rates: f64,
    signals: f64,
}

/// What is believed of one level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Estimated pass rate, in [0, 1].
    pub pass_rate: f64,
    /// Estimated learning signal of a group, in [0, 1].
    pub signal: f64,
    /// How far the easier neighbour is ahead, in [0, 1].
    pub readiness: f64,
}

impl E2hA {
    /// The rule over `n_levels` levels and a budget of `total_steps` steps.
    ///
    /// # Errors
    /// [`OutOfRange`](Error::OutOfRange) for the first parameter outside its range.
    pub fn new(n_levels: usize, total_steps: u64, config: E2hAConfig) -> Result<Self> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.at_least_one("total_steps", total_steps);
        checks.extend(config.problems());
        checks.into_result()?;
        Ok(Self { config, total_steps, evidence: vec![Evidence::default(); n_levels] })
    }

    /// What the rule believes of each level now.
    pub fn beliefs(&self) -> Vec<Belief> {
        let n0 = self.config.prior_groups;
        let mut easier = 1.0;
        let belief = |seen: &Evidence| {
            let prior = easier / 2.0;
            let total = seen.n_groups + n0;
            let pass_rate = (seen.pass_rates + n0 * prior) / total;
            let belief = Belief {
                pass_rate,
                signal: (seen.signals + n0 * signal(prior)) / total,
                readiness: (easier - pass_rate).max(0.0),
            };
            easier = pass_rate;
            belief
        };
        self.evidence.iter().map(belief).collect()
    }
}

/// `2 sqrt(x (1 - x))`: the standard deviation of a group of pass rate x over its largest value.
fn signal(pass_rate: f64) -> f64 {
    2.0 * (pass_rate * (1.0 - pass_rate)).max(0.0).sqrt()
}

impl Curriculum for E2hA {
    fn name(&self) -> &str {
        "e2h-a"
    }

    fn n_levels(&self) -> usize {
        self.evidence.len()
    }

    fn probs(&self, step: u64) -> Vec<f64> {
        let k = self.n_levels();
        let progress = (step as f64 / self.total_steps as f64).min(1.0);
        let pull = self.config.pull * progress.sqrt() / (k.max(2) - 1) as f64;
        let weight = |(i, belief): (usize, Belief)| {
            let ahead = 1.0 + self.config.probe * belief.readiness;
            let weight = belief.signal * ahead + LEAST_WEIGHT;
            weight.powi(2) * (pull * i as f64).exp()
        };
        let mut probs: Vec<f64> = self.beliefs().into_iter().enumerate().map(weight).collect();
        normalise(&mut probs);
        let explore = self.config.explore;
        for prob in &mut probs {
            *prob = explore / k as f64 + (1.0 - explore) * *prob;
        }
        probs
    }

    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        for seen in &mut self.evidence {
            seen.n_groups *= self.config.gamma;
            seen.pass_rates *= self.config.gamma;
            seen.signals *= self.config.gamma;
        }
        for group in usable(self.evidence.len(), groups) {
            let seen = &mut self.evidence[group.level.index()];
            seen.n_groups += 1.0;
            seen.pass_rates += group.pass_rate();
            seen.signals += signal(group.pass_rate());
        }
    }

    fn state(&self) -> Value {
        state::save(&self.evidence)
    }

    fn restore(&mut self, saved: &Value) -> Result<()> {
        let n_levels = self.evidence.len();
        let fits = |evidence: &Vec<Evidence>| evidence.len() == n_levels;
        self.evidence = state::load("e2h-a", saved, fits)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adaptive::fixture::{assert_exact_state, group};

    fn rule(n_levels: usize) -> E2hA {
        E2hA::new(n_levels, 100, E2hAConfig::default()).expect("valid")
    }

    /// A rule that has seen `n_correct[i]` of 8 at level i for 60 steps.
    fn after(n_correct: &[u32]) -> E2hA {
        let mut rule = rule(n_correct.len());
        let groups: Vec<GroupOutcome> =
            n_correct.iter().enumerate().map(|(level, &n)| group(level as u16, n, 8)).collect();
        (0..60).for_each(|step| rule.observe(step, &groups));
        rule
    }

    #[test]
    fn beliefs_by_hand() {
        let mut rule = rule(2);
        rule.config.prior_groups = 1.0;
        rule.config.gamma = 0.5;
        rule.observe(0, &[group(0, 8, 8), group(0, 4, 8)]);
        rule.observe(1, &[]);
        // Level 0: n = 1, a = 0.75, b = 0.5, prior 1/2 with signal 1.
        let beliefs = rule.beliefs();
        assert_eq!(beliefs[0].pass_rate, 0.625);
        assert_eq!(beliefs[0].signal, 0.75);
        assert_eq!(beliefs[0].readiness, 0.375);
        // Level 1: unseen, so its prior: half of 0.625.
        assert_eq!(beliefs[1].pass_rate, 0.3125);
    }

    #[test]
    fn probabilities_by_hand() {
        // No evidence: m = 1/2, 1/4; s = v(1/2) = 1, v(1/4) = sqrt(3)/2; r = 1/2, 1/4. A quarter of the run: pull 3.
        let easy = (1.0 * (1.0 + 2.0 * 0.5) + 0.001f64).powi(2);
        let hard = (3.0f64.sqrt() / 2.0 * (1.0 + 2.0 * 0.25) + 0.001).powi(2) * 3.0f64.exp();
        let expected = 0.05 + 0.9 * hard / (easy + hard);
        assert!((rule(2).probs(25)[1] - expected).abs() < 1e-12);
        // After the end the pull is 6, and stays.
        let hard = hard * 3.0f64.exp();
        let expected = 0.05 + 0.9 * hard / (easy + hard);
        assert!((rule(2).probs(100)[1] - expected).abs() < 1e-12);
        assert_eq!(rule(2).probs(100), rule(2).probs(1_000));
    }

    #[test]
    fn mastered_levels_fade_to_the_floor() {
        let probs = after(&[8, 8, 4, 0]).probs(60);
        let floor = E2hAConfig::default().explore / 4.0;
        assert!(probs[0] < floor + 0.03 && probs[1] < floor + 0.03, "{probs:?}");
        assert!(probs[2] > 0.5, "{probs:?}");
    }

    #[test]
    fn an_unseen_level_waits_while_its_easier_neighbour_is_unmastered() {
        let unseen = |easier: u32| {
            let mut rule = rule(3);
            for step in 0..60 {
                rule.observe(step, &[group(0, 8, 8), group(1, easier, 8)]);
            }
            rule.probs(0)
        };
        let (blocked, ready) = (unseen(2), unseen(8));
        assert!(blocked[2] < blocked[1] / 4.0, "{blocked:?}");
        assert!(blocked[2] < ready[2] / 4.0, "{blocked:?} {ready:?}");
        assert!(ready[2] > 0.8, "{ready:?}");
    }

    #[test]
    fn a_level_out_of_reach_falls_behind_one_that_still_teaches() {
        let probs = after(&[8, 4, 0]).probs(100);
        assert!(probs[2] < 0.1 && probs[1] > 0.8, "{probs:?}");
    }

    #[test]
    fn the_pull_prefers_the_harder_of_two_levels_with_equal_signal() {
        let rule = after(&[4, 4]);
        assert!(rule.probs(100)[1] > 1.5 * rule.probs(0)[1]);
    }

    #[test]
    fn the_state_is_exact() {
        assert_exact_state(rule(3), rule(3));
    }

    proptest! {
        #[test]
        fn probabilities_are_a_distribution_over_the_floor(
            outcomes in prop::collection::vec((0u16..5, 0u32..=8), 0..200), step in 0u64..200,
        ) {
            let mut rule = rule(5);
            for (t, chunk) in outcomes.chunks(4).enumerate() {
                let groups: Vec<GroupOutcome> = chunk.iter().map(|&(l, n)| group(l, n, 8)).collect();
                rule.observe(t as u64, &groups);
            }
            let probs = rule.probs(step);
            let floor = E2hAConfig::default().explore / 5.0;
            prop_assert!(probs.iter().all(|&prob| prob >= floor));
            prop_assert!((probs.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for belief in rule.beliefs() {
                prop_assert!((0.0..=1.0).contains(&belief.pass_rate), "{belief:?}");
                prop_assert!((0.0..=1.0).contains(&belief.signal), "{belief:?}");
                prop_assert!((0.0..=1.0).contains(&belief.readiness), "{belief:?}");
            }
        }

        #[test]
        fn without_evidence_easier_levels_come_first(k in 1usize..12) {
            let probs = rule(k).probs(0);
            prop_assert!(probs.windows(2).all(|pair| pair[0] >= pair[1]), "{probs:?}");
        }

        #[test]
        fn a_better_easier_neighbour_never_lowers_an_unseen_level(n in 0u32..8) {
            let belief = |n| {
                let mut rule = rule(2);
                rule.observe(0, &[group(0, n, 8)]);
                rule.beliefs()[1]
            };
            prop_assert!(belief(n + 1).pass_rate >= belief(n).pass_rate);
            prop_assert!(belief(n + 1).signal >= belief(n).signal);
        }
    }
}
