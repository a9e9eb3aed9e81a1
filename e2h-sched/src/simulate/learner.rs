//! A synthetic learner.
//!
//! Skill `theta_i` at level i, in logits. Problem j of level i is solved with probability
//! `sigmoid(theta_i - d_i - e_ij)`, `d_i` the level's difficulty, `e_ij` the problem's own, drawn once. A step with the
//! kept groups g of pass rate x_g moves, for each group, every level's skill:
//!
//! `theta_k += rate * 4 x_g (1 - x_g) / B * transfer^|k - level_g|`
//!
//! so a group teaches in proportion to its gradient signal, 0 when its rollouts agree, and less to levels further away.
//! After each step `theta_k <- theta_k - forgetting (theta_k - theta_k(0))` for the levels without a kept group.
//!
//! # Source
//! Ours: the logistic item-response model with learning proportional to p (1 - p).
//!
//! # Deviations
//! None.
//!
//! # Invariants
//! - Groups whose rollouts all agree leave the skills as they are, forgetting aside.

use e2h_core::{Error, GroupOutcome, Level, Pick, RootSeed, Stream};
use rand::RngExt;

use crate::checks::Checks;

/// The kind of learner.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnerConfig {
    /// Difficulty of each level in logits, against a skill that starts at 0.
    pub difficulties: Vec<f64>,
    /// Skill in logits that a step of B best groups of one level adds to that level.
    pub rate: f64,
    /// Share of what a level learns that its neighbours learn, in [0, 1]; its square two levels away.
    pub transfer: f64,
    /// Share of what was learned that a step without the level forgets, in [0, 1].
    pub forgetting: f64,
    /// Scale of the problems' own difficulty (logistic), in logits.
    pub item_spread: f64,
    /// Problems a level.
    pub items: u64,
}

impl Default for LearnerConfig {
    fn default() -> Self {
        Self {
            difficulties: vec![0.0, 2.0, 4.0, 6.0],
            rate: 0.1,
            transfer: 0.5,
            forgetting: 0.002,
            item_spread: 0.5,
            items: 400,
        }
    }
}

impl LearnerConfig {
    /// Every problem of this configuration; empty for a learner that can be made.
    pub fn problems(&self) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.at_least_one("number of difficulties", self.difficulties.len() as u64);
        for (level, &difficulty) in self.difficulties.iter().enumerate() {
            let name = format!("difficulties[{level}]");
            checks.require(difficulty.is_finite(), &name, difficulty, "finite, in logits");
        }
        checks.positive("rate", self.rate);
        checks.within("transfer", self.transfer, 0.0, 1.0);
        checks.within("forgetting", self.forgetting, 0.0, 1.0);
        checks.within("item_spread", self.item_spread, 0.0, 100.0);
        checks.at_least_one("items", self.items);
        checks.into_problems()
    }
}

/// A learner in training.
///
/// ```
/// use e2h_core::{GroupOutcome, Level, RootSeed};
/// use e2h_sched::simulate::{Learner, LearnerConfig};
///
/// let config = LearnerConfig { difficulties: vec![0.0, 3f64.ln()], item_spread: 0.0, ..LearnerConfig::default() };
/// let mut learner = Learner::new(&config, RootSeed(0));
/// let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
/// assert!(near(learner.pass_rates()[0], 0.5) && near(learner.pass_rates()[1], 0.25));
/// // A step of one group, half of it right: the level gains the rate of 0.1, its neighbour half of that.
/// let group = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0, 0.0], advantages: vec![1.0, -1.0], n_correct: 1,
/// };
/// learner.learn(&[&group], 1);
/// assert!(near(learner.pass_rates()[0], 1.0 / (1.0 + (-0.1f64).exp())));
/// ```
#[derive(Clone, Debug)]
pub struct Learner {
    config: LearnerConfig,
    skills: Vec<f64>,
    /// `items[level][item]`: own difficulty.
    items: Vec<Vec<f64>>,
}

impl Learner {
    /// An untrained learner; its problems are drawn from `seed`.
    pub fn new(config: &LearnerConfig, seed: RootSeed) -> Self {
        let problems = |level: usize| {
            let mut rng = seed.stream("simulate/items", &[level as u64]);
            let own = |_| {
                // The quantile function of the logistic distribution, kept off its ends.
                let u: f64 = rng.random::<f64>().clamp(1e-6, 1.0 - 1e-6);
                config.item_spread * (u / (1.0 - u)).ln()
            };
            (0..config.items.max(1)).map(own).collect()
        };
        let n_levels = config.difficulties.len();
        Self {
            skills: vec![0.0; n_levels],
            items: (0..n_levels).map(problems).collect(),
            config: config.clone(),
        }
    }

    /// Problems a level.
    pub fn items_per_level(&self) -> u64 {
        self.config.items.max(1)
    }

    /// The mean chance of success over the problems of each level.
    pub fn pass_rates(&self) -> Vec<f64> {
        let mean = |(level, items): (usize, &Vec<f64>)| {
            let sum: f64 = items.iter().map(|&own| self.chance(level, own)).sum();
            sum / items.len() as f64
        };
        self.items.iter().enumerate().map(mean).collect()
    }

    fn chance(&self, level: usize, own: f64) -> f64 {
        let logit = self.skills[level] - self.config.difficulties[level] - own;
        1.0 / (1.0 + (-logit).exp())
    }

    /// A group of `size` rollouts of one problem, with GRPO's advantages.
    pub fn attempt(&self, pick: Pick, size: u32, rng: &mut Stream) -> GroupOutcome {
        let Pick { level: Level(level), item } = pick;
        let own = self.items[usize::from(level)][item as usize];
        let chance = self.chance(usize::from(level), own);
        let rewards: Vec<f64> =
            (0..size).map(|_| f64::from(u8::from(rng.random::<f64>() < chance))).collect();
        let n = f64::from(size);
        let mean = rewards.iter().sum::<f64>() / n;
        let squares: f64 = rewards.iter().map(|reward| (reward - mean).powi(2)).sum();
        let std = (squares / (n - 1.0).max(1.0)).sqrt();
        let advantage = |reward: &f64| (reward - mean) / (std + 1e-4);
        GroupOutcome {
            level: pick.level,
            item,
            advantages: rewards.iter().map(advantage).collect(),
            n_correct: rewards.iter().filter(|&&reward| reward == 1.0).count() as u32,
            rewards,
        }
    }

    /// One update on the kept groups of a step of `prompts` slots.
    pub fn learn(&mut self, kept: &[&GroupOutcome], prompts: usize) {
        let mut gain = vec![0.0; self.skills.len()];
        let mut trained = vec![false; self.skills.len()];
        for group in kept {
            let (level, x) = (group.level.index(), group.pass_rate());
            trained[level] = true;
            let taught = self.config.rate * 4.0 * x * (1.0 - x) / prompts as f64;
            for (other, gain) in gain.iter_mut().enumerate() {
                *gain += taught * self.config.transfer.powi(other.abs_diff(level) as i32);
            }
        }
        for ((skill, gain), trained) in self.skills.iter_mut().zip(gain).zip(trained) {
            *skill += gain;
            if !trained {
                *skill -= self.config.forgetting * *skill;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;

    fn learner(forgetting: f64) -> Learner {
        let config = LearnerConfig { forgetting, ..LearnerConfig::default() };
        Learner::new(&config, RootSeed(1))
    }

    #[test]
    fn one_group_teaches_by_its_variance_and_its_distance() {
        let mut learner = learner(0.0);
        learner.learn(&[&group(1, 2, 4)], 8);
        for (skill, expected) in learner.skills.iter().zip([0.5, 1.0, 0.5, 0.25]) {
            assert!((skill - 0.1 / 8.0 * expected).abs() < 1e-15, "{:?}", learner.skills);
        }
    }

    #[test]
    fn groups_that_agree_teach_nothing() {
        let mut learner = learner(0.0);
        learner.learn(&[&group(0, 4, 4), &group(1, 0, 4)], 8);
        assert_eq!(learner.skills, [0.0; 4]);
    }

    #[test]
    fn levels_that_are_not_trained_are_forgotten() {
        let mut learner = learner(0.1);
        learner.skills = vec![1.0; 4];
        learner.learn(&[&group(0, 4, 4)], 8);
        assert_eq!(learner.skills, [1.0, 0.9, 0.9, 0.9]);
    }

    #[test]
    fn harder_levels_are_passed_less_often() {
        let rates = learner(0.0).pass_rates();
        assert!(rates.windows(2).all(|pair| pair[0] > pair[1]), "{rates:?}");
        assert!((rates[0] - 0.5).abs() < 0.05, "{rates:?}");
    }
}
