//! Batched generation on burn tensors.
//!
//! Requests wait in a queue, longest prompts first. Their prompts are computed once each; keys and values are then
//! copied to every sample. Samples that finish leave the batch and waiting prompts take their places, a quarter of
//! the batch at a time: each exchange copies the cache.
//!
//! Tokens are drawn on the device, [`Pace::block`] of them a row before the host reads them and looks where completions
//! end; what a row has drawn beyond its end is dropped. Rules that a device cannot draw by read the logits at each token.
//!
//! # Source
//! Continuous batching is Orca's (Yu et al. 2022).
//!
//! # Invariants
//! - The pace changes no completion.

use std::cmp::Reverse;
use std::ops::Range;

use burn::tensor::{FloatDType, Int, Tensor};
use e2h_core::{GenerateRequest, Generation, Sampling, TokenId};

use super::BurnDecoder;
use super::cache::KvCache;
use super::device::read;
use super::draw::DeviceRule;
use super::forward::{Causal, Pass, forward};
use super::tensors::{floats, ints};
use crate::Result;
use crate::batch::check_tokens;
use crate::generate::{Done, Growing, StopRule, in_request_order, retire};
use crate::sampler::Sampler;

/// How generation uses a device. It changes no completion, only time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Most samples that are decoded at a time, unless a single request has more.
    pub rows: usize,
    /// Most tokens of a row that are drawn before the host reads them: 1 wastes nothing, more waits less.
    pub block: usize,
}

impl Pace {
    /// For a CPU, where a token in vain costs and waiting does not.
    pub const HOST: Self = Self { rows: 256, block: 1 };
    /// For a GPU, where it is the other way round.
    pub const GPU: Self = Self { rows: 1024, block: 16 };
}

/// A sample in the batch.
struct Active {
    growing: Growing,
    /// Its row of the cache.
    row: usize,
    n_prompt: usize,
}

/// The samples that are decoded together, and the requests that wait.
struct Batch<'a> {
    requests: &'a [GenerateRequest],
    /// Indices of the requests that wait, the next one last.
    queue: Vec<usize>,
    sampling: &'a Sampling,
    stop: &'a dyn StopRule,
    /// How the device draws; without it the host does.
    rule: Option<DeviceRule>,
    sampler: Sampler,
    max_rows: usize,
    active: Vec<Active>,
    done: Vec<Done>,
}

impl BurnDecoder {
    /// Samples one completion per stream of each request, in the requests' order; as
    /// [`Model::generate`](crate::Model::generate), with the same random streams.
    ///
    /// # Errors
    /// [`ContextOverflow`](crate::Error::ContextOverflow) or [`UnknownToken`](crate::Error::UnknownToken),
    /// before anything is computed; [`Device`](crate::Error::Device) when the device fails.
    pub fn generate(
        &self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
        stop: &dyn StopRule,
    ) -> Result<Vec<Vec<Generation>>> {
        for request in &requests {
            check_tokens(&self.config, &request.prompt, sampling.max_tokens)?;
        }
        let mut batch = Batch {
            requests: &requests,
            queue: queue(&requests),
            sampling,
            stop,
            rule: DeviceRule::of(sampling, self.config.vocab_size),
            sampler: Sampler::default(),
            max_rows: self.pace.rows,
            active: Vec::new(),
            done: Vec::new(),
        };
        let mut cache = None;
        let mut n_rows = 0;
        loop {
            // Rows of finished samples are computed until they are worth a copy of the others.
            if batch.active.len() * 4 <= n_rows * 3 {
                cache = self.exchange(&mut batch, cache)?;
                n_rows = batch.active.len();
            }
            match &mut cache {
                Some(cache) if n_rows > 0 => self.decode(&mut batch, cache, n_rows)?,
                _ if batch.queue.is_empty() => break,
                _ => {}
            }
        }
        let done = batch.done;
        Ok(in_request_order(&requests, done))
    }

    /// Drops the rows of finished samples, and takes in waiting requests.
    fn exchange(&self, batch: &mut Batch<'_>, cache: Option<KvCache>) -> Result<Option<KvCache>> {
        let kept = match cache {
            Some(mut cache) if !batch.active.is_empty() => {
                let longest = batch.active.iter().map(Active::n_slots).max().unwrap_or(0);
                cache.keep_rows(&ints(&batch.take_rows(), &self.device), longest);
                Some(cache)
            }
            _ => None,
        };
        let indices = batch.admit();
        if indices.is_empty() {
            return Ok(kept);
        }
        let fresh = self.prefill(batch, &indices)?;
        let mut cache = match kept {
            Some(kept) => kept.join(fresh),
            None => fresh,
        };
        let before = batch.active.len();
        batch.retire();
        if batch.active.len() < before && !batch.active.is_empty() {
            let longest = batch.active.iter().map(Active::n_slots).max().unwrap_or(0);
            cache.keep_rows(&ints(&batch.take_rows(), &self.device), longest);
        }
        Ok(Some(cache))
    }

    /// Computes the prompts, and draws the first token of every sample.
    fn prefill(&self, batch: &mut Batch<'_>, indices: &[usize]) -> Result<KvCache> {
        let requests = batch.requests;
        let prompts: Vec<&[TokenId]> =
            indices.iter().map(|i| requests[*i].prompt.as_slice()).collect();
        let lens: Vec<usize> = prompts.iter().map(|prompt| prompt.len()).collect();
        let width = lens.iter().copied().max().unwrap_or(0);
        let mut tokens = vec![0; prompts.len() * width];
        for (row, prompt) in tokens.chunks_exact_mut(width).zip(&prompts) {
            for (target, token) in row.iter_mut().zip(*prompt) {
                *target = *token as i32;
            }
        }
        let tokens = ints(&tokens, &self.device).reshape([prompts.len(), width]);
        let mut attention = Causal::keeping(width, &self.device);
        let angles = self.rotary.first(width);
        let pass = Pass { config: &self.config, tokens, angles: &angles, masks: None };
        let hidden = forward(&self.plain, &pass, &mut attention);
        let ends = lens.iter().enumerate();
        let ends: Vec<i32> = ends.map(|(i, len)| (i * width + len - 1) as i32).collect();
        let hidden = hidden.select(0, ints(&ends, &self.device)); // [P, C]
        let logits = hidden.matmul(self.head_weight().transpose()); // [P, V]

        let mut owners = Vec::new();
        for (prompt, &request) in indices.iter().enumerate() {
            for growing in Growing::of_request(request, &requests[request]) {
                let row = batch.active.len();
                batch.active.push(Active { growing, row, n_prompt: lens[prompt] });
                owners.push(prompt as i32);
            }
        }
        let first = batch.active.len() - owners.len();
        match batch.rule {
            Some(rule) => {
                let logits = logits.select(0, ints(&owners, &self.device));
                let rows = first..batch.active.len();
                let n = rows.len();
                let uniforms = self.uniforms(&mut batch.active[first..], rule, 1, rows);
                let uniforms = uniforms.map(|u| u.reshape([n, 1]));
                let (tokens, logprobs) = rule.draw(logits, uniforms);
                let drawn = self.read_drawn(vec![(tokens, logprobs)])?;
                let fresh = batch.active[first..].iter_mut().zip(&drawn[0]);
                fresh.for_each(|(active, (token, logprob))| active.growing.push(*token, *logprob));
            }
            None => {
                let logits = read(logits)?;
                let rows = batch.active[first..].iter_mut().zip(&owners);
                for (active, &prompt) in rows {
                    let logits = row(&logits, prompt as usize, self.config.vocab_size);
                    active.growing.draw(&mut batch.sampler, logits, batch.sampling);
                }
            }
        }
        let kept = attention.kept.take().unwrap_or_default();
        let owners: Vec<usize> = owners.into_iter().map(|owner| owner as usize).collect();
        Ok(KvCache::from_prompts(kept, &lens, &owners, &self.device))
    }

    /// Draws the next tokens of every row, and moves out the samples that end with one of them.
    fn decode(&self, batch: &mut Batch<'_>, cache: &mut KvCache, n_rows: usize) -> Result<()> {
        let (mut tokens, mut positions) = (vec![0; n_rows], vec![0; n_rows]);
        for active in &batch.active {
            tokens[active.row] = active.growing.last() as i32;
            positions[active.row] = active.n_slots() as i32;
        }
        let (mut tokens, mut positions) =
            (ints(&tokens, &self.device), ints(&positions, &self.device));
        let Some(rule) = batch.rule else {
            let logits = read(self.step(tokens, positions, cache))?;
            for active in &mut batch.active {
                let logits = row(&logits, active.row, self.config.vocab_size);
                active.growing.draw(&mut batch.sampler, logits, batch.sampling);
            }
            batch.retire();
            return Ok(());
        };
        let block = batch.left().min(self.pace.block).max(1);
        let uniforms = self.uniforms(&mut batch.active, rule, block, 0..n_rows);
        // Rows that have ended are computed on; their places must stay within the table of angles.
        let last_position = self.config.max_positions as i64 - 1;
        let mut drawn = Vec::new();
        for place in 0..block {
            let logits = self.step(tokens, positions.clone(), cache);
            let of_place = |all: &Tensor<2>| {
                all.clone().slice([place..place + 1, 0..n_rows]).reshape([n_rows, 1])
            };
            let (next, logprobs) = rule.draw(logits, uniforms.as_ref().map(of_place));
            tokens = next.clone().reshape([n_rows]);
            positions = positions.add_scalar(1).clamp_max(last_position);
            drawn.push((next, logprobs));
        }
        for drawn in self.read_drawn(drawn)? {
            for active in &mut batch.active {
                let (token, logprob) = drawn[active.row];
                active.growing.push(token, logprob);
            }
            batch.retire();
        }
        Ok(())
    }

    /// Takes in the last token of every row; returns the logits of the next. `tokens, positions: [N]`, result: `[N, V]`
    fn step(
        &self,
        tokens: Tensor<1, Int>,
        positions: Tensor<1, Int>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let [n_rows] = tokens.dims();
        cache.open_slot();
        let tokens = tokens.reshape([n_rows, 1]);
        let angles = self.rotary.at(positions);
        let pass = Pass { config: &self.config, tokens, angles: &angles, masks: None };
        forward(&self.plain, &pass, cache).matmul(self.head_weight().transpose())
    }

    /// The next `block` numbers of the samples' random streams, as the rule takes them; a row without a sample has zeros.
    /// `[block, n_rows]`
    fn uniforms(
        &self,
        active: &mut [Active],
        rule: DeviceRule,
        block: usize,
        rows: Range<usize>,
    ) -> Option<Tensor<2>> {
        if !rule.takes_uniforms() {
            return None;
        }
        let mut values = vec![0.0; block * rows.len()];
        for active in active {
            for place in 0..block {
                values[place * rows.len() + active.row - rows.start] = active.growing.uniform();
            }
        }
        Some(floats(&values, &self.device).reshape([block, rows.len()]))
    }

    /// Reads drawn tokens and log-probs, in one go. `[N, 1]` each; the result is by draw, then by row.
    fn read_drawn(
        &self,
        drawn: Vec<(Tensor<2, Int>, Tensor<2>)>,
    ) -> Result<Vec<Vec<(TokenId, f32)>>> {
        let n_rows = drawn.first().map_or(0, |(tokens, _)| tokens.dims()[0]);
        // Ids are below 2^24, which f32 holds exactly.
        let both = drawn
            .into_iter()
            .flat_map(|(tokens, logprobs)| [tokens.float().cast(FloatDType::F32), logprobs]);
        let values = read(Tensor::cat(both.collect(), 0))?;
        let draws = values.chunks_exact(2 * n_rows.max(1)).map(|values| {
            let (tokens, logprobs) = values.split_at(n_rows);
            tokens.iter().zip(logprobs).map(|(token, logprob)| (*token as TokenId, *logprob))
        });
        Ok(draws.map(Iterator::collect).collect())
    }
}

/// One row of `[N, V]` logits.
fn row(logits: &[f32], row: usize, vocab_size: usize) -> &[f32] {
    &logits[row * vocab_size..(row + 1) * vocab_size]
}

/// The requests that ask for samples, the longest prompt last: it is taken first.
fn queue(requests: &[GenerateRequest]) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..requests.len()).filter(|i| !requests[*i].streams.is_empty()).collect();
    order.sort_by_key(|i| (requests[*i].prompt.len(), Reverse(*i)));
    order
}

impl Batch<'_> {
    /// Takes requests from the queue while there is room; at least one when the batch is empty.
    fn admit(&mut self) -> Vec<usize> {
        let mut rows = self.active.len();
        let mut taken = Vec::new();
        while let Some(&index) = self.queue.last() {
            let n = self.requests[index].streams.len();
            if rows > 0 && rows + n > self.max_rows {
                break;
            }
            rows += n;
            taken.push(index);
            self.queue.pop();
        }
        taken
    }

    /// The most tokens that a sample may still draw.
    fn left(&self) -> usize {
        let drawn = self.active.iter().map(|active| active.growing.tokens.len()).min().unwrap_or(0);
        self.sampling.max_tokens.saturating_sub(drawn)
    }

    /// Moves finished samples out of the batch.
    fn retire(&mut self) {
        let (active, done) = (&mut self.active, &mut self.done);
        retire(active, done, self.stop, self.sampling, |a| &a.growing, |ended| ended.growing);
    }

    /// The rows that are still in use; numbers them anew, without gaps.
    fn take_rows(&mut self) -> Vec<i32> {
        let renumber = |(new, active): (usize, &mut Active)| {
            let old = std::mem::replace(&mut active.row, new);
            old as i32
        };
        self.active.iter_mut().enumerate().map(renumber).collect()
    }
}

impl Active {
    /// Slots of the cache that are in use: the prompt, and all tokens but the last, which is yet to be taken in.
    fn n_slots(&self) -> usize {
        self.n_prompt + self.growing.tokens.len() - 1
    }
}
