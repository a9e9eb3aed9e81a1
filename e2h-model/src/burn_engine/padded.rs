//! Padded micro-batches: sequences sorted by length, so that little is padding.
//!
//! # Invariants
//! - A micro-batch holds whole sequences; `B * T` is within the token budget, or B is 1.
//! - Padding is on the right, where the causal mask hides it.

use std::cmp::Reverse;

use e2h_core::TokenId;

use crate::Group;
use crate::adapter::row_key;

/// Some sequences of about the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MicroBatch {
    /// `[B, T]`, row-major; padding is token 0.
    pub tokens: Vec<i32>,
    /// T: length of the longest sequence, without its last token, which predicts nothing.
    pub len: usize,
    /// The row of `[B * T]` that predicts each completion token, sequence after sequence.
    pub rows: Vec<i32>,
    /// The completion tokens.
    pub targets: Vec<i32>,
    /// Where each sequence's targets start; one more entry than there are sequences.
    pub offsets: Vec<usize>,
    /// Index of each sequence in the order of the whole batch.
    pub sequences: Vec<usize>,
    /// Name of each token, for dropout; 0 at padding. `[B * T]`
    pub keys: Vec<u64>,
}

struct Sequence<'a> {
    index: usize,
    group: usize,
    prompt: &'a [TokenId],
    completion: &'a [TokenId],
}

impl Sequence<'_> {
    fn n_inputs(&self) -> usize {
        self.prompt.len() + self.completion.len().saturating_sub(1)
    }
}

/// Cuts groups into micro-batches of at most `token_budget` tokens with their padding, longest first.
pub(crate) fn micro_batches(groups: &[Group<'_>], token_budget: usize) -> Vec<MicroBatch> {
    let members = groups.iter().enumerate().flat_map(|(index, group)| {
        group.completions.iter().map(move |completion| (index, group.prompt, *completion))
    });
    let mut sequences: Vec<_> = members
        .enumerate()
        .map(|(index, (group, prompt, completion))| Sequence { index, group, prompt, completion })
        .collect();
    sequences.sort_by_key(|sequence| Reverse(sequence.n_inputs()));
    let mut left = sequences.as_slice();
    let mut batches = Vec::new();
    while let Some(longest) = left.first() {
        let n = (token_budget / longest.n_inputs()).clamp(1, left.len());
        let (batch, rest) = left.split_at(n);
        batches.push(MicroBatch::new(batch));
        left = rest;
    }
    batches
}

impl MicroBatch {
    fn new(sequences: &[Sequence<'_>]) -> Self {
        let len = sequences.iter().map(Sequence::n_inputs).max().unwrap_or(0);
        let mut batch = Self {
            tokens: vec![0; sequences.len() * len],
            len,
            rows: Vec::new(),
            targets: Vec::new(),
            offsets: vec![0],
            sequences: sequences.iter().map(|sequence| sequence.index).collect(),
            keys: vec![0; sequences.len() * len],
        };
        for (i, sequence) in sequences.iter().enumerate() {
            let inputs = sequence.prompt.iter().chain(sequence.completion);
            let row = &mut batch.tokens[i * len..i * len + sequence.n_inputs()];
            for (target, token) in row.iter_mut().zip(inputs) {
                *target = *token as i32;
            }
            let n_prompt = sequence.prompt.len();
            let prompt = (0..n_prompt).map(|place| row_key(true, sequence.group, place));
            let completion = (0..sequence.n_inputs() - n_prompt)
                .map(|place| row_key(false, sequence.index, place));
            let keys = batch.keys[i * len..].iter_mut().zip(prompt.chain(completion));
            keys.for_each(|(target, key)| *target = key);
            let first = i * len + n_prompt - 1;
            let n = sequence.completion.len();
            batch.rows.extend((first..first + n).map(|row| row as i32));
            batch.targets.extend(sequence.completion.iter().map(|token| *token as i32));
            batch.offsets.push(batch.targets.len());
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_completion_token_is_predicted_by_the_token_before_it() {
        let prompts: [&[TokenId]; 2] = [&[1, 2, 3], &[4]];
        let completions: [&[TokenId]; 4] = [&[10, 11], &[12], &[13, 14, 15], &[]];
        let groups: Vec<Group<'_>> = prompts
            .iter()
            .map(|prompt| Group { prompt, completions: completions.to_vec() })
            .collect();
        for budget in [1, 7, 100] {
            let batches = micro_batches(&groups, budget);
            let mut seen = Vec::new();
            for batch in &batches {
                assert!(batch.sequences.len() == 1 || batch.tokens.len() <= budget);
                assert_eq!(batch.tokens.len(), batch.sequences.len() * batch.len);
                for (i, &sequence) in batch.sequences.iter().enumerate() {
                    let range = batch.offsets[i]..batch.offsets[i + 1];
                    let (prompt, completion) = (prompts[sequence / 4], completions[sequence % 4]);
                    let whole: Vec<_> =
                        prompt.iter().chain(completion).map(|t| *t as i32).collect();
                    let targets = &batch.targets[range.clone()];
                    assert_eq!(targets, &whole[prompt.len()..]);
                    for (j, &row) in batch.rows[range].iter().enumerate() {
                        assert_eq!(row as usize / batch.len, i);
                        assert_eq!(batch.tokens[row as usize], whole[prompt.len() + j - 1]);
                    }
                    seen.push(sequence);
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..8).collect::<Vec<_>>(), "budget {budget}");
        }
    }
}
