//! Batched generation: prompts are computed once and shared by their samples, finished samples leave the
//! batch, and waiting prompts take their places.
//!
//! # Source
//! Continuous batching is Orca's (Yu et al. 2022); sharing a prompt's keys and values is vLLM's prefix
//! sharing (Kwon et al. 2023).
//!
//! # Deviations
//! - One worker thread a core, each with its own batch; prompts are handed out from one queue.
//! - Caches are contiguous and preallocated to the longest completion, not paged: group sizes and lengths are
//!   known, so paging would save little.
//!
//! # Invariants
//! - A completion depends on its prompt, its random stream and the sampling rule only.

use std::sync::atomic::{AtomicUsize, Ordering};

use e2h_core::{FinishReason, GenerateRequest, Generation, Sampling, Stream, TokenId};
use rand::RngExt;

use crate::batch::{Slice, check_tokens};
use crate::cpu::decode::{DecodeBuffers, KvCache, PackedDecoder, Row};
use crate::cpu::forward::Workspace;
use crate::model::run_workers;
use crate::sampler::Sampler;
use crate::{Model, ModelConfig, Result};

/// Most sequences that one worker decodes at a time.
const MAX_ROWS: usize = 128;

/// Sequences that a worker decodes at a time even where their keys and values are many.
const MIN_ROWS: usize = 16;

/// Numbers that stay in a processor's cache from token to token, about: 8 MiB.
const CACHED: usize = 1 << 21;

/// How many sequences a worker decodes at a time: as many as have their keys and values in the cache. Weights that come
/// from memory at every token serve as many as possible.
fn batch_rows(config: &ModelConfig, n_weights: usize, max_tokens: usize) -> usize {
    let numbers = 2 * config.n_layers * config.kv_size() * max_tokens.max(1);
    if n_weights > CACHED { MAX_ROWS } else { (CACHED / numbers).clamp(MIN_ROWS, MAX_ROWS) }
}

/// Says after each token whether a completion has ended.
///
/// ```
/// use e2h_core::{FinishReason, GenerateRequest, RootSeed, Sampling, TokenId};
/// use e2h_model::{Model, ModelConfig};
/// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
/// #     head_dim: 8, ..ModelConfig::nano(5) };
/// # let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
///
/// // A function is a rule: this one ends a completion at token 3.
/// let stop = |tokens: &[TokenId]| (tokens.last() == Some(&3)).then_some(FinishReason::Stop);
/// let streams = (0..20).map(|sample| RootSeed(0).stream("doc", &[sample])).collect();
/// let request = GenerateRequest { prompt: vec![1, 2], streams };
/// let sampling = Sampling { max_tokens: 4, ..Sampling::default() };
/// for drawn in &model.generate(vec![request], &sampling, &stop)?[0] {
///     let n_until = drawn.tokens.iter().position(|token| *token == 3).map_or(4, |place| place + 1);
///     assert_eq!(drawn.tokens.len(), n_until);
/// }
/// # Ok::<(), e2h_model::Error>(())
/// ```
pub trait StopRule: Sync {
    /// The reason to stop after `tokens`, the completion so far, or `None` to go on.
    fn stop(&self, tokens: &[TokenId]) -> Option<FinishReason>;

    /// Sees a completion after each token, with the log-prob of each of its tokens, before [`Self::stop`] is asked.
    fn drawn(&self, _tokens: &[TokenId], _logprobs: &[f32]) {}
}

impl<F: Fn(&[TokenId]) -> Option<FinishReason> + Sync> StopRule for F {
    fn stop(&self, tokens: &[TokenId]) -> Option<FinishReason> {
        self(tokens)
    }
}

impl Model {
    /// Samples one completion per stream of each request, in the requests' order.
    ///
    /// # Errors
    /// [`ContextOverflow`](crate::Error::ContextOverflow) or
    /// [`UnknownToken`](crate::Error::UnknownToken), before anything is computed.
    pub fn generate(
        &self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
        stop: &dyn StopRule,
    ) -> Result<Vec<Vec<Generation>>> {
        for request in &requests {
            check_tokens(self.config(), &request.prompt, sampling.max_tokens)?;
        }
        let samples: usize = requests.iter().map(|request| request.streams.len()).sum();
        let n_threads = self.n_threads().min(requests.len()).max(1);
        let engine = Engine {
            model: self,
            packed: PackedDecoder::new(&self.shape, self.weights()),
            requests: &requests,
            sampling,
            stop,
            next: AtomicUsize::new(0),
            max_rows: samples.div_ceil(n_threads).min(batch_rows(
                self.config(),
                self.weights().len(),
                sampling.max_tokens,
            )),
        };
        let done = run_workers(n_threads, || engine.work());
        Ok(in_request_order(&requests, done))
    }
}

/// Sorts finished samples into the order of the requests and their streams.
pub(crate) fn in_request_order(
    requests: &[GenerateRequest],
    done: Vec<Done>,
) -> Vec<Vec<Generation>> {
    let mut results: Vec<Vec<Option<Generation>>> =
        requests.iter().map(|request| vec![None; request.streams.len()]).collect();
    for (request, sample, generation) in done {
        results[request][sample] = Some(generation);
    }
    results.into_iter().map(|group| group.into_iter().flatten().collect()).collect()
}

/// A completion that is still growing, in either engine.
pub(crate) struct Growing {
    request: usize,
    sample: usize,
    rng: Stream,
    pub tokens: Vec<TokenId>,
    logprobs: Vec<f32>,
}

impl Growing {
    /// The samples of the request at `index`, before their first tokens.
    pub(crate) fn of_request(
        index: usize,
        request: &GenerateRequest,
    ) -> impl Iterator<Item = Self> + '_ {
        let streams = request.streams.iter().enumerate();
        streams.map(move |(sample, rng)| Self {
            request: index,
            sample,
            rng: rng.clone(),
            tokens: Vec::new(),
            logprobs: Vec::new(),
        })
    }

    /// Draws the next token.
    pub(crate) fn draw(&mut self, sampler: &mut Sampler, logits: &[f32], sampling: &Sampling) {
        let (token, logprob) = sampler.draw(logits, sampling, &mut self.rng);
        self.push(token, logprob);
    }

    /// The next number of its random stream, for a token that is drawn elsewhere; as the sampler takes it.
    pub(crate) fn uniform(&mut self) -> f32 {
        self.rng.random::<f64>() as f32
    }

    /// Takes in a token that was drawn elsewhere.
    pub(crate) fn push(&mut self, token: TokenId, logprob: f32) {
        self.tokens.push(token);
        self.logprobs.push(logprob);
    }

    /// The token that was drawn last.
    pub(crate) fn last(&self) -> TokenId {
        self.tokens[self.tokens.len() - 1]
    }

    /// Why the completion ends here, or `None` when it goes on.
    fn finish(&self, stop: &dyn StopRule, sampling: &Sampling) -> Option<FinishReason> {
        let full = self.tokens.len() >= sampling.max_tokens;
        stop.drawn(&self.tokens, &self.logprobs);
        stop.stop(&self.tokens).or(full.then_some(FinishReason::Length))
    }
}

/// Moves finished samples out of `active` and into `done`; `part` takes a sample apart, and sees each that ends.
pub(crate) fn retire<T>(
    active: &mut Vec<T>,
    done: &mut Vec<Done>,
    stop: &dyn StopRule,
    sampling: &Sampling,
    growing: impl Fn(&T) -> &Growing,
    mut part: impl FnMut(T) -> Growing,
) {
    let mut index = 0;
    while index < active.len() {
        let Some(finish) = growing(&active[index]).finish(stop, sampling) else {
            index += 1;
            continue;
        };
        let Growing { request, sample, tokens, logprobs, .. } = part(active.swap_remove(index));
        done.push((request, sample, Generation { tokens, logprobs, finish }));
    }
}

struct Engine<'a> {
    model: &'a Model,
    packed: PackedDecoder,
    requests: &'a [GenerateRequest],
    sampling: &'a Sampling,
    stop: &'a dyn StopRule,
    next: AtomicUsize,
    max_rows: usize,
}

/// A finished sample: request, sample, completion.
pub(crate) type Done = (usize, usize, Generation);

/// A sample in a worker's batch.
struct Active {
    growing: Growing,
    prompt: usize,
    own: KvCache,
}

/// A prompt's cache and how many samples still need it.
#[derive(Default)]
struct PromptSlot {
    cache: KvCache,
    users: usize,
}

#[derive(Default)]
struct Worker {
    workspace: Workspace,
    decode: DecodeBuffers,
    sampler: Sampler,
    prompts: Vec<PromptSlot>,
    active: Vec<Active>,
    spare: Vec<KvCache>,
    done: Vec<Done>,
}

impl Engine<'_> {
    fn work(&self) -> Vec<Done> {
        let mut worker = Worker::default();
        loop {
            self.admit(&mut worker);
            if worker.active.is_empty() {
                return worker.done;
            }
            self.step(&mut worker);
        }
    }

    /// Takes waiting prompts while there is room, computes them together, and draws their first tokens.
    fn admit(&self, worker: &mut Worker) {
        let mut rows = worker.active.len();
        if rows > 0 && rows > self.max_rows / 2 {
            return; // Prompts are computed in few, large batches.
        }
        let mut taken = Vec::new();
        while rows < self.max_rows {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.requests.get(index) else {
                break;
            };
            rows += request.streams.len();
            taken.push(index);
        }
        if taken.is_empty() {
            return;
        }
        let prompts: Vec<&[TokenId]> =
            taken.iter().map(|&index| self.requests[index].prompt.as_slice()).collect();
        let slice = Slice::prompts(&prompts);
        let (shape, weights) = (&self.model.shape, self.model.plain());
        worker.workspace.forward(shape, weights, &slice);
        let (c, v) = (shape.config.hidden_size, shape.config.vocab_size);
        for (&index, segment) in taken.iter().zip(&slice.segments) {
            let last = segment.start + segment.len - 1;
            let mut logits = vec![0.0; v];
            let hidden = &worker.workspace.hidden[last * c..(last + 1) * c];
            self.packed.head.product(&mut logits, hidden, 1, false);
            let slot = worker.free_prompt();
            let prompt = &mut worker.prompts[slot];
            prompt.cache.reset(shape, segment.len);
            prompt.cache.store_segment(shape, &worker.workspace, segment);
            prompt.users = self.requests[index].streams.len();
            for mut growing in Growing::of_request(index, &self.requests[index]) {
                let mut own = worker.spare.pop().unwrap_or_default();
                own.reset(shape, self.sampling.max_tokens);
                growing.draw(&mut worker.sampler, &logits, self.sampling);
                worker.active.push(Active { growing, prompt: slot, own });
            }
        }
        self.retire(worker);
    }

    /// Takes every active sample one token further.
    fn step(&self, worker: &mut Worker) {
        let mut rows: Vec<Row<'_>> = worker
            .active
            .iter_mut()
            .map(|active| Row {
                token: active.growing.last(),
                prompt: &worker.prompts[active.prompt].cache,
                own: &mut active.own,
            })
            .collect();
        let Model { shape, .. } = self.model;
        worker.decode.step(shape, self.model.plain(), &self.packed, &mut rows);
        let v = self.model.config().vocab_size;
        for (active, logits) in worker.active.iter_mut().zip(worker.decode.logits.chunks_exact(v)) {
            active.growing.draw(&mut worker.sampler, logits, self.sampling);
        }
        self.retire(worker);
    }

    /// Moves finished samples out of the batch.
    fn retire(&self, worker: &mut Worker) {
        let Worker { active, done, prompts, spare, .. } = worker;
        retire(
            active,
            done,
            self.stop,
            self.sampling,
            |active| &active.growing,
            |ended| {
                prompts[ended.prompt].users -= 1;
                spare.push(ended.own);
                ended.growing
            },
        );
    }
}

impl Worker {
    fn free_prompt(&mut self) -> usize {
        match self.prompts.iter().position(|prompt| prompt.users == 0) {
            Some(slot) => slot,
            None => {
                self.prompts.push(PromptSlot::default());
                self.prompts.len() - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_as_large_as_caches_or_weights_allow() {
        let nano = ModelConfig::nano(64);
        assert_eq!(batch_rows(&nano, 900_000, 1), MAX_ROWS);
        assert_eq!(batch_rows(&nano, 900_000, 4096), MIN_ROWS);
        assert_eq!(batch_rows(&nano, 1_000_000_000, 4096), MAX_ROWS);
    }
}
