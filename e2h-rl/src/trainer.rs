//! One training step of group relative policy optimisation, from the curriculum to the update.
//!
//! With `loss = "ppo"` advantages come token by token from a value head instead: see
//! [`Critic`].
//!
//! # Source
//! GRPO (Shao et al. 2024) as TRL runs it, on the curricula of E2H (arXiv 2506.06632, algorithm 1).
//!
//! # Deviations
//! - Groups whose rewards are all equal have no advantage; they cost no forward or backward pass. With a KL or
//!   entropy term TRL would still push them toward the reference; here they are left out of the update, though
//!   they count in the loss's denominator.
//! - The behaviour log-probs are those of the sampling engine, which equal the trainer's to rounding, instead of
//!   a second forward pass.
//! - A rollout that the verifier could not decide takes no part in its group's mean and gets no gradient.

use std::rc::Rc;
use std::time::Instant;

use e2h_core::{Curriculum, Problem, ProblemSampler, Rollout, RootSeed, Task};
use e2h_model::{AdamW, Engine, LanguageModel};

use crate::advantage::{advantages, is_zero_variance};
use crate::collect::{Drawn, outcomes};
use crate::config::GrpoConfig;
use crate::critic::Critic;
use crate::ranks::Ranks;
use crate::replay::Replay;
use crate::report::StepReport;
use crate::reward::Reward;
use crate::source::RolloutSource;
use crate::update::{Counted, minibatches};
use crate::{Result, fault};

/// The policy that the KL term compares with.
pub enum Reference {
    /// There is no KL term.
    None,
    /// The policy itself with its adapter off: no extra memory, and it never moves.
    AdapterOff,
    /// A model of its own, frozen or following slowly.
    Model(Box<dyn Engine>),
}

/// Everything that a run trains with.
///
/// ```
/// use std::rc::Rc;
///
/// use e2h_model::{AdamW, LanguageModel};
/// use e2h_rl::{Alone, GrpoConfig, Reference, Replay, Trainer};
/// # use e2h_model::{Model, ModelConfig, TextCodec};
/// # fn main() -> e2h_rl::Result<()> {
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/one_level.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "words".to_owned(), ood: false }]);
/// # fn row() -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": "say", "answer": "b"});
/// #     serde_json::from_value(row).expect("a row")
/// # }
/// # let text = TextCodec::word_level(&["say", "a", "b"].map(str::to_owned))?;
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(text.vocab_size()) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// # let mut policy = LanguageModel::new(model, text)?;
/// # let pools = [vec![row()]];
///
/// // The task is to say `b`; a fresh policy says one of its five words at random.
/// let sampling = Sampling { max_tokens: 1, ..Sampling::default() };
/// let config = GrpoConfig { steps: 40, prompts: 4, group_size: 8, lr: 1e-2, sampling, ..GrpoConfig::default() };
/// let mut trainer = Trainer {
///     optimizer: AdamW::new(config.adamw, policy.engine().params().len()),
///     policy,
///     ranks: Rc::new(Alone),
///     rollouts: None,
///     reference: Reference::None,
///     curriculum: Box::new(OneLevel),
///     sampler: Box::new(OneProblem),
///     task: &task,
///     pools: &pools,
///     config: &config,
///     seed: RootSeed(0),
///     bad_updates: 0,
///     critic: None,
///     replay: Replay::default(),
///     token_budget: config.token_budget,
/// };
/// let reports = (0..40).map(|step| trainer.step(step)).collect::<e2h_rl::Result<Vec<_>>>()?;
/// assert_eq!((reports[0].groups.len(), reports[0].groups[0].len()), (4, 8));
/// assert!(reports[0].mean_reward(None) < Some(0.5) && reports[39].mean_reward(None) > Some(0.9));
/// # Ok(())
/// # }
/// ```
pub struct Trainer<'a> {
    /// The policy.
    pub policy: LanguageModel,
    /// The processes that train together.
    pub ranks: Rc<dyn Ranks>,
    /// Draws the rollouts in place of the policy's own engine.
    pub rollouts: Option<Box<dyn RolloutSource>>,
    /// What the loss's KL term compares with.
    pub reference: Reference,
    /// Optimiser state.
    pub optimizer: AdamW,
    /// The rule that gives levels their probabilities.
    pub curriculum: Box<dyn Curriculum>,
    /// Draws problems by the curriculum.
    pub sampler: Box<dyn ProblemSampler>,
    /// The task.
    pub task: &'a dyn Task,
    /// Training problems by level.
    pub pools: &'a [Vec<Problem>],
    /// Settings.
    pub config: &'a GrpoConfig,
    /// Root of all random streams.
    pub seed: RootSeed,
    /// Updates in a row whose gradient was not finite.
    pub bad_updates: u32,
    /// The value head of PPO, where the settings ask for one: see [`Critic::of`].
    pub critic: Option<Critic>,
    /// Informative groups of earlier steps.
    pub replay: Replay,
    /// Tokens of a micro-batch: the configured ones, or fewer once memory has run out.
    pub token_budget: usize,
}

impl Trainer<'_> {
    /// Runs one step: draw problems, roll out, score, update, tell the curriculum.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) or [`Error::Model`](crate::Error::Model) when a part fails,
    /// [`Error::Diverged`](crate::Error::Diverged) after several updates in a row without a finite gradient.
    pub fn step(&mut self, step: u64) -> Result<StepReport> {
        let (start, spent) = (Instant::now(), self.ranks.spent());

        let probs = self.curriculum.probs(step);
        let drawn = self.collect(step)?;
        let replayed = self.replayed(step, &drawn);

        let mut rewards = drawn.rewards.clone();
        rewards.extend(replayed.iter().map(|group| self.rewards(group)));
        let mut fresh = advantages(&rewards, self.config);
        let old = fresh.split_off(drawn.groups.len());
        let learned = drawn.learned(&fresh, self.config);

        fault::pass("update", step);
        let update_start = Instant::now();
        let counted = self.counted(&drawn, &rewards, &fresh, &learned, &replayed, &old);
        let n_learned = counted.iter().filter(|group| group.advantages.is_some()).count();
        let mut minibatches = minibatches(&counted, self.config);
        self.refer(&mut minibatches)?;
        let judgement = self.judge(&mut minibatches, &mut fresh)?;
        let update = self.update(step, &mut minibatches)?;
        self.sync_reference(step);
        let update_s = update_start.elapsed().as_secs_f64();

        let kept = drawn.groups.iter().zip(&learned).filter(|(_, learned)| **learned);
        self.replay.remember(step, kept.map(|(group, _)| group), self.config.replay_groups);
        self.curriculum.observe(step, &outcomes(&drawn.picks, &drawn.groups, &fresh));

        Ok(StepReport {
            step,
            probs,
            picks: drawn.picks,
            groups: drawn.groups,
            advantages: fresh,
            kept: drawn.kept,
            n_refills: drawn.n_refills,
            n_replayed: replayed.len(),
            n_learned,
            judgement,
            update,
            times: drawn.times,
            update_s,
            ranks_s: (self.ranks.size() > 1)
                .then(|| self.ranks.spent().saturating_sub(spent).as_secs_f64()),
            step_s: start.elapsed().as_secs_f64(),
        })
    }

    /// Groups of earlier steps in place of those of this step that teach nothing.
    fn replayed(&self, step: u64, drawn: &Drawn) -> Vec<Vec<Rollout>> {
        let learned = drawn.learned(&advantages(&drawn.rewards, self.config), self.config);
        let n_learned = learned.iter().filter(|learned| **learned).count();
        let missing = self.config.prompts.saturating_sub(n_learned);
        self.replay.newest(step, self.config.replay_max_age, missing)
    }

    /// The groups of an update: all that have a gradient, and others up to the number of prompts.
    ///
    /// `rewards` are of the drawn groups, then of the `replayed` ones, whose advantages are `old`.
    fn counted<'b>(
        &self,
        drawn: &'b Drawn,
        rewards: &'b [Vec<Reward>],
        fresh: &[Vec<f64>],
        learned: &[bool],
        replayed: &'b [Vec<Rollout>],
        old: &[Vec<f64>],
    ) -> Vec<Counted<'b>> {
        let n_drawn = drawn.groups.len();
        let of = |index: usize, rollouts: &'b [Rollout], advantages: Option<&Vec<f64>>| Counted {
            index,
            rollouts,
            rewards: &rewards[index],
            advantages: advantages.cloned(),
            is_replayed: index >= n_drawn,
        };
        let old = replayed.iter().zip(old).enumerate();
        let old = old.filter(|(_, (_, advantages))| teaches(advantages, self.config));
        let n_learned = learned.iter().filter(|learned| **learned).count() + old.clone().count();
        let mut room = self.config.prompts.saturating_sub(n_learned);
        let mut groups = Vec::new();
        for (index, (rollouts, learned)) in drawn.groups.iter().zip(learned).enumerate() {
            if *learned {
                groups.push(of(index, rollouts, Some(&fresh[index])));
            } else if room > 0 {
                room -= 1;
                groups.push(of(index, rollouts, None));
            }
        }
        groups.extend(old.map(|(i, (rollouts, old))| of(n_drawn + i, rollouts, Some(old))));
        groups
    }
}

impl Drawn {
    /// Which groups the update learns from: those that were kept and that teach something.
    fn learned(&self, advantages: &[Vec<f64>], config: &GrpoConfig) -> Vec<bool> {
        let groups = self.kept.iter().zip(advantages);
        groups.map(|(kept, group)| *kept && teaches(group, config)).collect()
    }
}

/// True when a group with these advantages has a gradient. A critic learns from every reward there is.
fn teaches(advantages: &[f64], config: &GrpoConfig) -> bool {
    match config.is_ppo() {
        true => !advantages.is_empty(),
        false => advantages.iter().any(|advantage| *advantage != 0.0),
    }
}

/// Share of groups without variance; 0 for none.
pub(crate) fn zero_variance_frac(groups: &[Vec<f64>]) -> f64 {
    let zero = groups.iter().filter(|rewards| is_zero_variance(rewards)).count();
    zero as f64 / groups.len().max(1) as f64
}
