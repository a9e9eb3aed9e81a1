//! Batched generation on burn tensors.
//!
//! Requests are taken in waves of at most [`MAX_ROWS`] samples, of about the same prompt length. A wave's
//! prompts are computed once each; their keys and values are then copied to every sample. Each step reads the
//! logits once and draws on the host.
//!
//! # Deviations
//! - A wave ends with its longest completion before the next one starts: samples that finish leave the batch,
//!   but no waiting prompt takes their place.

use std::cmp::Reverse;

use e2h_core::{GenerateRequest, Generation, Sampling, Stream, TokenId};

use super::BurnDecoder;
use super::cache::KvCache;
use super::device::read;
use super::forward::{Causal, forward};
use super::tensors::ints;
use crate::Result;
use crate::batch::check_tokens;
use crate::generate::{Done, StopRule, finish_reason, in_request_order};
use crate::sampler::Sampler;

/// Most samples that are decoded at a time, unless a single request has more.
const MAX_ROWS: usize = 256;

/// A sample that is still growing.
struct Active {
    request: usize,
    sample: usize,
    /// Its row of the cache.
    row: usize,
    n_prompt: usize,
    rng: Stream,
    tokens: Vec<TokenId>,
    logprobs: Vec<f32>,
}

/// The samples that are decoded together.
struct Wave<'a> {
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
        let mut wave = Wave {
            sampling,
            stop,
            sampler: Sampler::default(),
            active: Vec::new(),
            done: Vec::new(),
        };
        for indices in waves(&requests) {
            self.decode(&mut wave, &requests, &indices)?;
        }
        Ok(in_request_order(&requests, wave.done))
    }

    /// Generates the completions of the requests at `indices`.
    fn decode(
        &self,
        wave: &mut Wave<'_>,
        requests: &[GenerateRequest],
        indices: &[usize],
    ) -> Result<()> {
        let mut cache = self.prefill(wave, requests, indices)?;
        let mut n_rows = wave.active.len();
        wave.retire();
        while !wave.active.is_empty() {
            // Rows of finished samples are computed until they are worth a copy of the others.
            if wave.active.len() * 4 <= n_rows * 3 {
                n_rows = wave.active.len();
                cache.keep_rows(&ints(&wave.take_rows(), &self.device));
            }
            cache.open_slot();
            let logits = self.step(wave, &mut cache, n_rows)?;
            wave.draw(&logits, self.config.vocab_size);
            wave.retire();
        }
        Ok(())
    }

    /// Computes the prompts, and draws the first token of every sample.
    fn prefill(
        &self,
        wave: &mut Wave<'_>,
        requests: &[GenerateRequest],
        indices: &[usize],
    ) -> Result<KvCache> {
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

        let mut owners = Vec::new();
        for (prompt, &request) in indices.iter().enumerate() {
            for (sample, rng) in requests[request].streams.iter().enumerate() {
                wave.active.push(Active {
                    request,
                    sample,
                    row: owners.len(),
                    n_prompt: lens[prompt],
                    rng: rng.clone(),
                    tokens: Vec::new(),
                    logprobs: Vec::new(),
                });
                owners.push(prompt);
            }
        }
        let v = self.config.vocab_size;
        for (active, owner) in wave.active.iter_mut().zip(&owners) {
            let logits = &logits[owner * v..(owner + 1) * v];
            active.draw(&mut wave.sampler, logits, wave.sampling);
        }
        let kept = attention.kept.take().unwrap_or_default();
        Ok(KvCache::from_prompts(kept, &lens, &owners, &self.device))
    }

    /// Takes in the last token of every row; returns the logits of the next. `[n_rows, V]`
    fn step(&self, wave: &Wave<'_>, cache: &mut KvCache, n_rows: usize) -> Result<Vec<f32>> {
        let (mut tokens, mut positions) = (vec![0; n_rows], vec![0; n_rows]);
        for active in &wave.active {
            let n = active.tokens.len();
            tokens[active.row] = active.tokens[n - 1] as i32;
            positions[active.row] = (active.n_prompt + n - 1) as i32;
        }
        let tokens = ints(&tokens, &self.device).reshape([n_rows, 1]);
        let angles = self.rotary.at(ints(&positions, &self.device));
        let hidden = forward(&self.plain, &self.config, tokens, &angles, cache, None);
        read(hidden.matmul(self.head_weight().transpose()))
    }
}

/// Splits requests into waves of at most [`MAX_ROWS`] samples, longest prompts first.
fn waves(requests: &[GenerateRequest]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> =
        (0..requests.len()).filter(|i| !requests[*i].streams.is_empty()).collect();
    order.sort_by_key(|i| Reverse(requests[*i].prompt.len()));
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut rows = usize::MAX;
    for index in order {
        let n = requests[index].streams.len();
        if rows.saturating_add(n) > MAX_ROWS {
            waves.push(Vec::new());
            rows = 0;
        }
        rows += n;
        if let Some(wave) = waves.last_mut() {
            wave.push(index);
        }
    }
    waves
}

impl Wave<'_> {
    /// Draws the next token of every sample. `logits: [n_rows, V]`
    fn draw(&mut self, logits: &[f32], vocab_size: usize) {
        for active in &mut self.active {
            let start = active.row * vocab_size;
            let logits = &logits[start..start + vocab_size];
            active.draw(&mut self.sampler, logits, self.sampling);
        }
    }

    /// Moves finished samples out of the batch.
    fn retire(&mut self) {
        let mut index = 0;
        while index < self.active.len() {
            let tokens = &self.active[index].tokens;
            let Some(finish) = finish_reason(self.stop, self.sampling, tokens) else {
                index += 1;
                continue;
            };
            let ended = self.active.swap_remove(index);
            let generation = Generation { tokens: ended.tokens, logprobs: ended.logprobs, finish };
            self.done.push((ended.request, ended.sample, generation));
        }
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
    fn draw(&mut self, sampler: &mut Sampler, logits: &[f32], sampling: &Sampling) {
        let (token, logprob) = sampler.draw(logits, sampling, &mut self.rng);
        self.tokens.push(token);
        self.logprobs.push(logprob);
    }
}
