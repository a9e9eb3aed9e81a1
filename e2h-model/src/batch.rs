//! Packed batches: prompts shared by their completions, cut into slices of bounded size.
//!
//! # Invariants
//! - A slice holds whole sequences; no padding is ever computed.
//! - How a batch is cut changes no result beyond rounding; the cut depends on the token budget alone, never
//!   on the number of threads.

use e2h_core::TokenId;

use crate::adapter::row_key;
use crate::{Error, ModelConfig, Result};

/// A run of tokens in a packed slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First row.
    pub start: usize,
    /// Number of rows.
    pub len: usize,
    /// Index of the segment that this one continues.
    pub parent: Option<usize>,
    /// Position of the first token in its sequence.
    pub position: usize,
}

/// A prompt and the completions that continue it.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Group, Model, ModelConfig};
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(5) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
///
/// // Two completions of one prompt: it is computed once, and only they have log-probs.
/// let group = Group { prompt: &[1, 2], completions: vec![&[3, 4, 0][..], &[2]] };
/// let lengths: Vec<usize> = model.token_stats(&[group], 1000)?.iter().map(|(logprobs, _)| logprobs.len()).collect();
/// assert_eq!(lengths, [3, 1]);
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The prompt; at least one token.
    pub prompt: &'a [TokenId],
    /// The completions.
    pub completions: Vec<&'a [TokenId]>,
}

/// A place whose next token is known: what log-probs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The row whose hidden state predicts.
    pub row: usize,
    /// The token that came.
    pub target: TokenId,
}

/// Some sequences, end to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub tokens: Vec<TokenId>,
    /// Name of each row, the same however the batch is cut: see [`row_key`].
    pub keys: Vec<u64>,
    pub segments: Vec<Segment>,
    /// One for each completion token, sequence after sequence.
    pub queries: Vec<Query>,
    /// Where each sequence's queries start; one more entry than there are sequences.
    pub offsets: Vec<usize>,
    /// Index of each sequence in the order of the whole batch.
    pub sequences: Vec<usize>,
}

impl Slice {
    fn open_prompt(&mut self, prompt: &[TokenId], group: usize) -> usize {
        let segment =
            Segment { start: self.tokens.len(), len: prompt.len(), parent: None, position: 0 };
        self.tokens.extend_from_slice(prompt);
        self.keys.extend((0..prompt.len()).map(|position| row_key(true, group, position)));
        self.segments.push(segment);
        self.segments.len() - 1
    }

    fn add_completion(&mut self, prompt: usize, completion: &[TokenId], sequence: usize) {
        let parent = self.segments[prompt];
        let start = self.tokens.len();
        // The last token is predicted but predicts nothing, so it needs no row.
        let inputs = completion.split_last().map_or(&[][..], |(_, rest)| rest);
        if !inputs.is_empty() {
            self.tokens.extend_from_slice(inputs);
            self.keys.extend((0..inputs.len()).map(|place| row_key(false, sequence, place)));
            self.segments.push(Segment {
                start,
                len: inputs.len(),
                parent: Some(prompt),
                position: parent.len,
            });
        }
        let rows = std::iter::once(parent.start + parent.len - 1).chain(start..);
        self.queries.extend(rows.zip(completion).map(|(row, &target)| Query { row, target }));
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.offsets.push(self.queries.len());
        self.sequences.push(sequence);
    }

    /// A slice of prompts alone, without queries: what prefill computes.
    pub(crate) fn prompts(prompts: &[&[TokenId]]) -> Self {
        let mut slice = Self::default();
        for (index, prompt) in prompts.iter().enumerate() {
            slice.open_prompt(prompt, index);
        }
        slice
    }
}

/// Cuts groups into slices of at most `token_budget` rows; a single sequence longer than that is a slice of
/// its own. A prompt is repeated in each slice that holds some of its completions.
pub(crate) fn pack(groups: &[Group<'_>], token_budget: usize) -> Vec<Slice> {
    let mut slices = vec![Slice::default()];
    let mut sequence = 0;
    for (index, group) in groups.iter().enumerate() {
        let mut open: Option<(usize, usize)> = None; // slice and segment of the prompt
        for completion in &group.completions {
            let last = slices.len() - 1;
            let here = open.filter(|(slice, _)| *slice == last);
            let prompt_rows = if here.is_some() { 0 } else { group.prompt.len() };
            let rows = prompt_rows + completion.len().saturating_sub(1);
            let used = slices[last].tokens.len();
            let (slice, prompt) = if used > 0 && used + rows > token_budget {
                slices.push(Slice::default());
                (last + 1, slices[last + 1].open_prompt(group.prompt, index))
            } else {
                match here {
                    Some(place) => place,
                    None => (last, slices[last].open_prompt(group.prompt, index)),
                }
            };
            open = Some((slice, prompt));
            slices[slice].add_completion(prompt, completion, sequence);
            sequence += 1;
        }
    }
    slices.retain(|slice| !slice.sequences.is_empty());
    slices
}

/// Checks that a prompt is not empty, its tokens are in the vocabulary, and it fits the context with
/// `new_tokens` more.
///
/// # Errors
/// [`Error::UnknownToken`], [`Error::ContextOverflow`], or [`Error::Tokenizer`] for an empty prompt.
pub(crate) fn check_tokens(
    config: &ModelConfig,
    tokens: &[TokenId],
    new_tokens: usize,
) -> Result<()> {
    if tokens.is_empty() {
        return Err(Error::Tokenizer("a prompt has no tokens".to_owned()));
    }
    let total = tokens.len() + new_tokens;
    if total > config.max_positions {
        return Err(Error::ContextOverflow {
            what: "prompt and completion",
            tokens: total,
            context: config.max_positions,
        });
    }
    match tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
        Some(&token) => Err(Error::UnknownToken { token, vocab_size: config.vocab_size }),
        None => Ok(()),
    }
}

/// Checks every sequence of a batch as [`check_tokens`] does.
pub(crate) fn check_groups(config: &ModelConfig, groups: &[Group<'_>]) -> Result<()> {
    for group in groups {
        let longest = group.completions.iter().map(|c| c.len()).max().unwrap_or(0);
        check_tokens(config, group.prompt, longest)?;
        for completion in group.completions.iter().filter(|c| !c.is_empty()) {
            check_tokens(config, completion, 0)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_completion_token_has_one_query_that_its_predecessor_answers() {
        let prompts: [&[TokenId]; 2] = [&[1, 2, 3], &[4]];
        let completions: [&[TokenId]; 3] = [&[10, 11], &[12], &[13, 14, 15]];
        let groups: Vec<Group<'_>> = prompts
            .iter()
            .map(|prompt| Group { prompt, completions: completions.to_vec() })
            .collect();
        for budget in [1, 4, 7, 100] {
            let slices = pack(&groups, budget);
            let mut sequences = Vec::new();
            for slice in &slices {
                assert!(slice.sequences.len() == 1 || slice.tokens.len() <= budget);
                for (i, &sequence) in slice.sequences.iter().enumerate() {
                    let queries = &slice.queries[slice.offsets[i]..slice.offsets[i + 1]];
                    let completion = completions[sequence % 3];
                    let prompt = prompts[sequence / 3];
                    assert!(queries.iter().map(|q| q.target).eq(completion.iter().copied()));
                    for (j, query) in queries.iter().enumerate() {
                        let before =
                            if j == 0 { prompt[prompt.len() - 1] } else { completion[j - 1] };
                        assert_eq!(slice.tokens[query.row], before);
                    }
                    sequences.push(sequence);
                }
            }
            assert_eq!(sequences, (0..6).collect::<Vec<_>>(), "budget {budget}");
        }
    }
}
