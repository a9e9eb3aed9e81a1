//! A decoder with its weights: log-probs, gradients, and the worker threads behind them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use e2h_core::Stream;

use crate::batch::{Group, Slice, check_groups, pack};
use crate::cpu::forward::{Shape, Workspace};
use crate::cpu::head::{HeadBuffers, HeadOutput};
use crate::params::Layout;
use crate::{ModelConfig, Result};

/// A decoder with its weights in f32.
#[derive(Debug)]
pub struct Model {
    pub(crate) shape: Shape,
    pub(crate) params: Vec<f32>,
    n_threads: usize,
}

/// Log-probs and entropies of the completion tokens of some sequences.
#[derive(Clone, Debug)]
pub struct TokenStats<'a> {
    /// Index of each sequence in the order of the batch: groups in order, completions in order.
    pub sequences: &'a [usize],
    /// Where each sequence's tokens start in the lists below; one more entry than there are sequences.
    pub offsets: &'a [usize],
    /// Log-prob of each completion token, in nats.
    pub logprobs: &'a [f32],
    /// Entropy of the distribution that each completion token was drawn from, in nats.
    pub entropies: &'a [f32],
}

/// Gradient of a loss with respect to [`TokenStats`].
#[derive(Clone, Debug)]
pub struct TokenGrads {
    /// One entry a token of [`TokenStats::logprobs`].
    pub d_logprobs: Vec<f32>,
    /// One entry a token of [`TokenStats::entropies`].
    pub d_entropies: Vec<f32>,
}

/// Buffers of one worker thread.
#[derive(Debug, Default)]
struct Worker {
    workspace: Workspace,
    head: HeadBuffers,
}

impl Worker {
    fn token_stats(&mut self, model: &Model, slice: &Slice) -> HeadOutput {
        self.workspace.forward(&model.shape, &model.params, slice);
        self.head.forward(&model.shape, &model.params, &self.workspace.hidden, &slice.queries)
    }

    fn backward(&mut self, model: &Model, grads: &mut [f32], slice: &Slice, given: &TokenGrads) {
        self.head.backward(
            &model.shape,
            &model.params,
            grads,
            &mut self.workspace,
            &slice.queries,
            given,
        );
        self.workspace.backward(&model.shape, &model.params, grads, slice);
    }
}

impl Model {
    /// A decoder with fresh weights.
    pub fn new(config: ModelConfig, rng: &mut Stream) -> Self {
        let shape = Shape::new(config);
        let params = shape.layout.init(&shape.config, rng);
        Self { shape, params, n_threads: default_threads() }
    }

    /// A decoder with the given flat weights.
    ///
    /// # Panics
    /// When `params` has not the length of the layout.
    pub fn from_params(config: ModelConfig, params: Vec<f32>) -> Self {
        let shape = Shape::new(config);
        let expected = shape.layout.n_params();
        assert_eq!(params.len(), expected, "flat weights of another shape");
        Self { shape, params, n_threads: default_threads() }
    }

    /// Sets the number of worker threads. Results do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, n_threads: usize) -> Self {
        self.n_threads = n_threads.max(1);
        self
    }

    /// Number of worker threads.
    pub fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// The decoder's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.shape.config
    }

    /// Names and places of the weights.
    pub fn layout(&self) -> &Layout {
        &self.shape.layout
    }

    /// The flat weights.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    fn slices(&self, groups: &[Group<'_>], token_budget: usize) -> Result<Vec<Slice>> {
        check_groups(self.config(), groups)?;
        Ok(pack(groups, token_budget))
    }

    /// Log-probs and entropies of every completion token, sequence after sequence in batch order.
    ///
    /// `token_budget` bounds the rows that a worker holds at a time; it changes no result.
    ///
    /// # Errors
    /// [`UnknownToken`](crate::Error::UnknownToken) or [`ContextOverflow`](crate::Error::ContextOverflow).
    pub fn token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        let slices = self.slices(groups, token_budget)?;
        let outputs = self.in_parallel(&slices, |worker, _, slice| worker.token_stats(self, slice));
        let mut sequences = Vec::new();
        for (slice, output) in slices.iter().zip(&outputs) {
            for range in slice.offsets.windows(2) {
                sequences.push((
                    output.logprobs[range[0]..range[1]].to_vec(),
                    output.entropies[range[0]..range[1]].to_vec(),
                ));
            }
        }
        Ok(sequences)
    }

    /// Computes log-probs and entropies, asks `loss` for their gradient, and adds the gradient of every
    /// weight to `grads`.
    ///
    /// `loss` is called once a slice, from worker threads, with whole sequences; the batch's gradient is the
    /// sum over slices, added up in the order of the batch.
    ///
    /// # Errors
    /// [`UnknownToken`](crate::Error::UnknownToken) or [`ContextOverflow`](crate::Error::ContextOverflow).
    ///
    /// # Panics
    /// When `grads` has not the length of the weights.
    pub fn backward(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>) -> TokenGrads + Sync,
    ) -> Result<()> {
        assert_eq!(grads.len(), self.params.len(), "a gradient of another shape");
        let slices = self.slices(groups, token_budget)?;
        let total = Mutex::new((0, grads));
        let turn = Condvar::new();
        self.in_parallel(&slices, |worker, index, slice| {
            let output = worker.token_stats(self, slice);
            let stats = TokenStats {
                sequences: &slice.sequences,
                offsets: &slice.offsets,
                logprobs: &output.logprobs,
                entropies: &output.entropies,
            };
            let given = loss(&stats);
            let mut own = vec![0.0; self.params.len()];
            worker.backward(self, &mut own, slice, &given);
            // A poisoned lock means that another worker panicked; that panic is passed on by the scope.
            let guard = total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let mut guard = turn
                .wait_while(guard, |(next, _)| *next != index)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            crate::cpu::ops::add(guard.1, &own);
            guard.0 += 1;
            turn.notify_all();
        });
        Ok(())
    }

    /// Runs `f` on every slice, spread over the worker threads; results come back in order.
    fn in_parallel<R: Send>(
        &self,
        slices: &[Slice],
        f: impl Fn(&mut Worker, usize, &Slice) -> R + Sync,
    ) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut worker = Worker::default();
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(slice) = slices.get(index) else {
                    return done;
                };
                done.push((index, f(&mut worker, index, slice)));
            }
        };
        let mut results = run_workers(self.n_threads.min(slices.len()), work);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// Runs `work` on `n` threads and puts what they return end to end. A worker's panic is passed on.
pub(crate) fn run_workers<R: Send>(n: usize, work: impl Fn() -> Vec<R> + Sync) -> Vec<R> {
    if n <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..n).map(|_| scope.spawn(&work)).collect();
        let mut all = Vec::new();
        for handle in handles {
            match handle.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
