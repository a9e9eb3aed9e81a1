//! The sequences of one optimiser step, and the bridge from the model's log-probs to the loss and back.
//!
//! # Invariants
//! - A minibatch's loss and gradient do not depend, beyond rounding, on how the engine cuts it into
//!   micro-batches: every mean of the loss is over the minibatch, never over a cut.

use e2h_core::TokenId;
use e2h_model::{Engine, Group, TokenGrads, TokenStats, ValueHead, ValuedGrads};

use crate::Result;
use crate::config::GrpoConfig;
use crate::loss::value::{Critique, value_loss};
use crate::loss::{BatchSize, Sequence, entropy_threshold, sequence_loss};
use crate::ranks::Ranks;
use crate::ranks::work::share_stats;

/// One sequence to learn from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row<'a> {
    pub prompt: &'a [TokenId],
    pub completion: &'a [TokenId],
    /// Log-probs under the policy that drew the completion; `None` = those of the policy as it is. `[T]`
    pub behaviour: Option<Vec<f64>>,
    /// True when the policy of an earlier step drew the completion.
    pub is_replayed: bool,
    /// Log-probs under the reference policy. `[T]`
    pub reference: Option<Vec<f64>>,
    /// `[T]`
    pub advantages: Vec<f64>,
    /// Tokens that get the policy's gradient; `None` = all. `[T]`
    pub active: Option<Vec<bool>>,
    /// What the completion earned.
    pub reward: f64,
    /// The completion's group among those of the step, and its place among the group's verified rollouts.
    pub group: usize,
    pub member: usize,
    /// What the value head learns, where there is one.
    pub critique: Option<Critique>,
}

/// The sequences of one optimiser step, by prompt.
#[derive(Clone, Debug)]
pub(crate) struct Minibatch<'a> {
    pub groups: Vec<Vec<Row<'a>>>,
    pub size: BatchSize,
}

impl Minibatch<'_> {
    /// The sequences as an engine takes them.
    pub(crate) fn packed(&self) -> Vec<Group<'_>> {
        let members = self.groups.iter().filter(|rows| !rows.is_empty());
        members
            .map(|rows| Group {
                prompt: rows[0].prompt,
                completions: rows.iter().map(|row| row.completion).collect(),
            })
            .collect()
    }

    /// Prompt and completion tokens, prompts counted once a group.
    pub(crate) fn n_rows(&self) -> usize {
        let groups = self.packed();
        let completions = groups.iter().flat_map(|group| &group.completions);
        completions.map(|completion| completion.len()).sum::<usize>()
            + groups.iter().map(|group| group.prompt.len()).sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().all(Vec::is_empty)
    }

    /// The groups of one part, with the means of the whole.
    pub(crate) fn part(&self, groups: std::ops::Range<usize>) -> Self {
        Self { groups: self.groups[groups].to_vec(), size: self.size }
    }

    /// Rows of each group.
    pub(crate) fn group_rows(&self) -> Vec<usize> {
        let rows = |group: &Vec<Row<'_>>| {
            let prompt = group.first().map_or(0, |row| row.prompt.len());
            prompt + group.iter().map(|row| row.completion.len()).sum::<usize>()
        };
        self.groups.iter().map(rows).collect()
    }

    /// Takes what the reference policy says of each sequence: log-probs and entropies.
    pub(crate) fn refer_to(&mut self, stats: Vec<(Vec<f32>, Vec<f32>)>) {
        for (row, (logprobs, _)) in self.groups.iter_mut().flatten().zip(stats) {
            row.reference = Some(wide(&logprobs));
        }
    }

    /// Chooses the tokens of highest entropy under the policy as it is, by one forward pass.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) fn choose_active(
        &mut self,
        engine: &dyn Engine,
        (ranks, n_parts): (&dyn Ranks, usize),
        share: f64,
        token_budget: usize,
    ) -> Result<()> {
        let compute = |own: &[Group<'_>]| engine.token_stats(own, token_budget);
        let stats = share_stats(ranks, n_parts, &self.packed(), compute)?;
        let entropies: Vec<Vec<f64>> = stats.iter().map(|(_, entropies)| wide(entropies)).collect();
        self.activate(&entropies, share);
        Ok(())
    }

    /// Chooses the tokens whose entropy is among the highest `share` of the minibatch.
    pub(crate) fn activate(&mut self, entropies: &[Vec<f64>], share: f64) {
        let Some(threshold) = entropy_threshold(&entropies.concat(), share) else { return };
        let mut n_active = 0;
        for (row, entropies) in self.groups.iter_mut().flatten().zip(entropies) {
            let active: Vec<bool> = entropies.iter().map(|&h| h >= threshold).collect();
            n_active += active.iter().filter(|active| **active).count();
            row.active = Some(active);
        }
        self.size.active_tokens = n_active as f64;
    }

    /// Gradient and sums of the loss over one micro-batch; `values` are the value head's, where there is one.
    pub(crate) fn loss(
        &self,
        config: &GrpoConfig,
        stats: &TokenStats<'_>,
        values: &[f32],
    ) -> (ValuedGrads, PassSums) {
        let rows: Vec<&Row<'_>> = self.groups.iter().flatten().collect();
        let n = stats.logprobs.len();
        let tokens = TokenGrads { d_logprobs: vec![0.0; n], d_entropies: vec![0.0; n] };
        let mut given = ValuedGrads { tokens, d_values: vec![0.0; values.len()] };
        let mut sums = PassSums::default();
        for (range, &index) in stats.offsets.windows(2).zip(stats.sequences) {
            let (row, range) = (rows[index], range[0]..range[1]);
            let logprobs = wide(&stats.logprobs[range.clone()]);
            let sequence = Sequence {
                logprobs: &logprobs,
                behaviour: row.behaviour.as_deref().unwrap_or(&logprobs),
                reference: row.reference.as_deref(),
                entropies: &wide(&stats.entropies[range.clone()]),
                advantages: &row.advantages,
                active: row.active.as_deref(),
            };
            let out = sequence_loss(config, &sequence, &self.size);
            for (t, i) in range.clone().enumerate() {
                given.tokens.d_logprobs[i] = out.d_logprobs[t] as f32;
                given.tokens.d_entropies[i] = out.d_entropies[t] as f32;
            }
            let n_tokens = logprobs.len() as u64;
            let (ratio, n_fresh) = if row.is_replayed { (0.0, 0) } else { (out.ratio, n_tokens) };
            sums.add(&PassSums {
                loss: out.loss,
                ratio,
                n_fresh,
                kl: out.kl,
                clipped: out.clipped,
                n_tokens,
                ..PassSums::default()
            });
            if let Some(critique) = &row.critique {
                let d_values = &mut given.d_values[range.clone()];
                sums.add(&self.value_loss(config, &values[range], critique, d_values));
            }
        }
        (given, sums)
    }

    /// The value loss of one sequence, averaged over the minibatch's tokens; fills in its gradient.
    fn value_loss(
        &self,
        config: &GrpoConfig,
        values: &[f32],
        critique: &Critique,
        d_values: &mut [f32],
    ) -> PassSums {
        let out = value_loss(&config.ppo, &wide(values), critique);
        let share = self.size.tokens.max(1.0).recip();
        let weight = config.ppo.value_coef * share;
        for (given, slope) in d_values.iter_mut().zip(out.d_values) {
            *given = (weight * slope) as f32;
        }
        PassSums {
            loss: weight * out.loss,
            value_loss: share * out.loss,
            value_clipped: out.clipped,
            ..PassSums::default()
        }
    }
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Sums over the tokens of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PassSums {
    pub loss: f64,
    /// Of the tokens that the policy drew in this step.
    pub ratio: f64,
    /// Tokens that the policy drew in this step.
    pub n_fresh: u64,
    pub kl: f64,
    /// From below and from above.
    pub clipped: [u64; 2],
    pub n_tokens: u64,
    /// The value loss, before its coefficient.
    pub value_loss: f64,
    pub value_clipped: u64,
}

impl PassSums {
    /// The sums as numbers that ranks add up.
    pub(crate) fn to_few(self) -> Vec<f64> {
        let [low, high] = self.clipped.map(|n| n as f64);
        let [fresh, all, clipped] =
            [self.n_fresh, self.n_tokens, self.value_clipped].map(|n| n as f64);
        vec![self.loss, self.ratio, self.kl, low, high, all, fresh, self.value_loss, clipped]
    }

    /// Reads what [`Self::to_few`] gave; counts are exact.
    pub(crate) fn from_few(few: &[f64]) -> Self {
        let at = |index: usize| few.get(index).copied().unwrap_or_default();
        Self {
            loss: at(0),
            ratio: at(1),
            kl: at(2),
            clipped: [at(3) as u64, at(4) as u64],
            n_tokens: at(5) as u64,
            n_fresh: at(6) as u64,
            value_loss: at(7),
            value_clipped: at(8) as u64,
        }
    }

    fn add(&mut self, part: &Self) {
        self.loss += part.loss;
        self.ratio += part.ratio;
        self.n_fresh += part.n_fresh;
        self.kl += part.kl;
        self.clipped[0] += part.clipped[0];
        self.clipped[1] += part.clipped[1];
        self.n_tokens += part.n_tokens;
        self.value_loss += part.value_loss;
        self.value_clipped += part.value_clipped;
    }
}

/// The sums of each micro-batch, with its first sequence: micro-batches finish in any order.
#[derive(Default)]
pub(crate) struct PassStats {
    pub parts: Vec<(usize, PassSums)>,
}

impl PassStats {
    /// Adds up in the order of the batch, so that the result does not depend on threads.
    pub(crate) fn sum(mut self) -> PassSums {
        self.parts.sort_by_key(|(first, _)| *first);
        let mut total = PassSums::default();
        self.parts.iter().for_each(|(_, part)| total.add(part));
        total
    }
}

/// Runs the engine over `minibatch` and adds the gradient of its loss to `grads`, and that of the value head, where
/// there is one, to its own.
///
/// # Errors
/// When the engine fails.
pub(crate) fn backward(
    engine: &dyn Engine,
    minibatch: &Minibatch<'_>,
    config: &GrpoConfig,
    grads: &mut [f32],
    value_head: Option<(&ValueHead, &mut [f32])>,
) -> Result<PassSums> {
    let pass = std::sync::Mutex::new(PassStats::default());
    let loss = |tokens: &TokenStats<'_>, values: &[f32]| {
        let (given, part) = minibatch.loss(config, tokens, values);
        let mut pass = pass.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        pass.parts.push((tokens.sequences[0], part));
        given
    };
    let (groups, budget) = (minibatch.packed(), config.token_budget);
    match value_head {
        None => engine.backward(&groups, budget, grads, &|tokens| loss(tokens, &[]).tokens)?,
        Some((head, head_grads)) => {
            engine.backward_with_values(&groups, budget, head, grads, head_grads, &loss)?;
        }
    }
    Ok(pass.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).sum())
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;
    use e2h_model::{Model, ModelConfig};

    use super::*;
    use crate::loss::tests::KINDS;
    use crate::ranks::Alone;

    #[test]
    fn how_a_minibatch_is_cut_changes_neither_loss_nor_gradient() {
        let model = Model::new(ModelConfig::nano(30), &mut RootSeed(5).stream("init", &[]));
        let completions: [&'static [TokenId]; 4] =
            [&[3, 4, 5], &[6, 7], &[8, 9, 10, 11, 12], &[13]];
        for kind in KINDS {
            let run = |token_budget| {
                let config = GrpoConfig {
                    loss: kind,
                    token_budget,
                    kl_beta: 0.05,
                    entropy_coef: 0.01,
                    ..GrpoConfig::default()
                };
                let row = |(i, &completion): (usize, &&'static [TokenId])| Row {
                    prompt: if i < 2 { &[1, 2] } else { &[2] },
                    completion,
                    behaviour: Some(vec![-3.3; completion.len()]),
                    reference: Some(vec![-3.2; completion.len()]),
                    advantages: vec![[0.7, -0.4, 1.1, -0.9][i]; completion.len()],
                    ..Row::default()
                };
                let rows: Vec<Row<'_>> = completions.iter().enumerate().map(row).collect();
                let size = BatchSize {
                    sequences: 4.0,
                    tokens: 11.0,
                    mean_tokens: 11.0,
                    active_tokens: 11.0,
                    max_tokens: 6.0,
                };
                let groups = vec![rows[..2].to_vec(), rows[2..].to_vec()];
                let mut minibatch = Minibatch { groups, size };
                minibatch
                    .choose_active(&model, (&Alone, 1), 0.5, token_budget)
                    .expect("a forward pass");
                let mut grads = vec![0.0; model.params().len()];
                let sums = backward(&model, &minibatch, &config, &mut grads, None).expect("a pass");
                (sums, grads)
            };
            let (whole, whole_grads) = run(1000);
            let norm = whole_grads.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
            for token_budget in [1, 4, 7] {
                let (sums, grads) = run(token_budget);
                assert!((sums.loss - whole.loss).abs() < 1e-6, "{kind:?} {token_budget}");
                assert_eq!(sums.n_tokens, 11);
                for (a, b) in grads.iter().zip(&whole_grads) {
                    assert!((a - b).abs() <= 1e-5 * norm, "{kind:?} {token_budget}: {a} {b}");
                }
            }
        }
    }
}
