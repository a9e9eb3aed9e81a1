//! Batched generation on burn tensors.
//!
//! Requests wait in a queue, longest prompts first. Their prompts are computed once each; keys and values are then
//! copied to every sample. Samples that finish leave the batch and waiting prompts take their places, a quarter of
//! the batch at a time: each exchange copies the cache. Each step reads the logits once and draws on the host.
//!
//! # Source
//! Continuous batching is Orca's (Yu et al. 2022).

use std::cmp::Reverse;

use e2h_core::{GenerateRequest, Generation, Sampling, TokenId};

use super::BurnDecoder;
use super::cache::KvCache;
use super::device::read;
use super::forward::{Causal, forward};
use super::tensors::ints;
use crate::Result;
use crate::batch::check_tokens;
use crate::generate::{Done, Growing, StopRule, in_request_order, retire};
use crate::sampler::Sampler;

/// Most samples that are decoded at a time, unless a single request has more.
const MAX_ROWS: usize = 256;

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
    sampler: Sampler,
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
            sampler: Sampler::default(),
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
                Some(cache) if n_rows > 0 => {
                    cache.open_slot();
                    let logits = self.step(&batch, cache, n_rows)?;
                    batch.draw(&logits, self.config.vocab_size);
                    batch.retire();
                }
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
        let hidden = forward(&self.plain, &self.config, tokens, &angles, &mut attention, None);
        let ends = lens.iter().enumerate();
        let ends: Vec<i32> = ends.map(|(i, len)| (i * width + len - 1) as i32).collect();
        let hidden = hidden.select(0, ints(&ends, &self.device)); // [P, C]
        let logits = read(hidden.matmul(self.head_weight().transpose()))?;

        let v = self.config.vocab_size;
        let mut owners = Vec::new();
        for (prompt, &request) in indices.iter().enumerate() {
            let logits = &logits[prompt * v..(prompt + 1) * v];
            for mut growing in Growing::of_request(request, &requests[request]) {
                growing.draw(&mut batch.sampler, logits, batch.sampling);
                let row = batch.active.len();
                batch.active.push(Active { growing, row, n_prompt: lens[prompt] });
                owners.push(prompt);
            }
        }
        let kept = attention.kept.take().unwrap_or_default();
        Ok(KvCache::from_prompts(kept, &lens, &owners, &self.device))
    }

    /// Takes in the last token of every row; returns the logits of the next. `[n_rows, V]`
    fn step(&self, batch: &Batch<'_>, cache: &mut KvCache, n_rows: usize) -> Result<Vec<f32>> {
        let (mut tokens, mut positions) = (vec![0; n_rows], vec![0; n_rows]);
        for active in &batch.active {
            tokens[active.row] = active.growing.last() as i32;
            positions[active.row] = active.n_slots() as i32;
        }
        let tokens = ints(&tokens, &self.device).reshape([n_rows, 1]);
        let angles = self.rotary.at(ints(&positions, &self.device));
        let hidden = forward(&self.plain, &self.config, tokens, &angles, cache, None);
        read(hidden.matmul(self.head_weight().transpose()))
    }
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
            if rows > 0 && rows + n > MAX_ROWS {
                break;
            }
            rows += n;
            taken.push(index);
            self.queue.pop();
        }
        taken
    }

    /// Draws the next token of every sample. `logits: [n_rows, V]`
    fn draw(&mut self, logits: &[f32], vocab_size: usize) {
        for active in &mut self.active {
            let start = active.row * vocab_size;
            let logits = &logits[start..start + vocab_size];
            active.growing.draw(&mut self.sampler, logits, self.sampling);
        }
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
