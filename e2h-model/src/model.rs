//! A decoder with its weights: log-probs, gradients, and the worker threads behind them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use e2h_core::{Stream, TokenId};
use rand::Rng;

use crate::adapter::Dropout;
use crate::batch::{Group, Slice, check_groups, check_tokens, pack};
use crate::cpu::forward::{Shape, Workspace, linear};
use crate::cpu::head::{HeadBuffers, HeadOutput};
use crate::cpu::side::{Grads, Weights};
use crate::cpu::value::{values, values_backward};
use crate::params::Layout;
use crate::{Adapter, ModelConfig, Result, ValueHead, ValuedGrads};

/// A decoder with its weights in f32, and an adapter beside them where only that is trained.
///
/// ```
/// use e2h_core::RootSeed;
/// use e2h_model::{Group, Model, ModelConfig};
///
/// let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
///     head_dim: 8, ..ModelConfig::nano(5) };
/// let model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
/// // One row of logits a token: the log-prob of token 2 behind token 1 is its logit less the log of the sum.
/// let logits = model.logits(&[1, 2])?;
/// assert_eq!(logits.len(), 2 * 5);
/// let total: f32 = logits[..5].iter().map(|logit| logit.exp()).sum();
/// let (logprobs, _) = &model.token_stats(&[Group { prompt: &[1], completions: vec![&[2]] }], 1000)?[0];
/// assert!((logprobs[0] - (logits[2] - total.ln())).abs() < 1e-5);
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    pub(crate) shape: Shape,
    weights: Vec<f32>,
    adapter: Option<Adapter>,
    /// Key of the dropout of coming backward passes.
    dropout_key: u64,
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
    fn token_stats(&mut self, shape: &Shape, weights: Weights<'_>, slice: &Slice) -> HeadOutput {
        self.workspace.forward(shape, weights, slice);
        self.head.forward(shape, weights.base, &self.workspace.hidden, &slice.queries)
    }

    fn backward(
        &mut self,
        shape: &Shape,
        weights: Weights<'_>,
        grads: &mut Grads<'_>,
        slice: &Slice,
        given: &ValuedGrads,
        value_head: Option<(&ValueHead, &mut [f32])>,
    ) {
        let (pass, queries) = (&mut self.workspace, &slice.queries);
        self.head.backward(shape, weights.base, grads, pass, queries, &given.tokens);
        if let Some((head, head_grads)) = value_head {
            values_backward(head, head_grads, pass, queries, &given.d_values);
        }
        self.workspace.backward(shape, weights, grads, slice);
    }
}

impl Model {
    /// A decoder with fresh weights.
    pub fn new(config: ModelConfig, rng: &mut Stream) -> Self {
        let shape = Shape::new(config);
        let params = shape.layout.init(&shape.config, rng);
        Self::of(shape, params)
    }

    fn of(shape: Shape, weights: Vec<f32>) -> Self {
        let n_threads = default_threads();
        Self { shape, weights, adapter: None, dropout_key: 0, n_threads }
    }

    /// A decoder with the given flat weights.
    ///
    /// # Panics
    /// When `params` has not the length of the layout.
    pub fn from_params(config: ModelConfig, params: Vec<f32>) -> Self {
        let shape = Shape::new(config);
        let expected = shape.layout.n_params();
        assert_eq!(params.len(), expected, "flat weights of another shape");
        Self::of(shape, params)
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

    /// The flat weights, without what an adapter adds.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The adapter that stands beside the weights, if there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Names and places of the parameters that are trained.
    pub fn layout(&self) -> &Layout {
        self.adapter.as_ref().map_or(&*self.shape.layout, Adapter::layout)
    }

    /// The parameters that are trained: the adapter's where there is one, else the flat weights.
    pub fn params(&self) -> &[f32] {
        self.adapter.as_ref().map_or(&self.weights, Adapter::params)
    }

    /// Lets `update` change the parameters that are trained.
    pub fn update_params(&mut self, update: impl FnOnce(&Layout, &mut [f32])) {
        match &mut self.adapter {
            Some(adapter) => adapter.update(update),
            None => update(&self.shape.layout, &mut self.weights),
        }
    }

    /// Puts an adapter beside the weights, which are frozen from now on, or takes it off.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    pub fn set_adapter(&mut self, adapter: Option<Adapter>) {
        let fits = adapter.as_ref().is_none_or(|adapter| adapter.fits(self.config()));
        assert!(fits, "an adapter of another shape");
        self.adapter = adapter;
    }

    /// Adds the adapter to the weights, and takes it off.
    pub fn merge_adapter(&mut self) -> Option<Adapter> {
        let adapter = self.adapter.take()?;
        adapter.add_to(&self.shape.layout, &mut self.weights, 1.0);
        Some(adapter)
    }

    /// Undoes [`Self::merge_adapter`], up to rounding: subtracts the adapter and puts it beside the weights.
    ///
    /// # Panics
    /// When the adapter is of another shape.
    pub fn unmerge_adapter(&mut self, adapter: Adapter) {
        self.set_adapter(Some(adapter));
        if let Some(adapter) = &self.adapter {
            adapter.add_to(&self.shape.layout, &mut self.weights, -1.0);
        }
    }

    /// Sets the random stream from which coming backward passes draw dropout, where the adapter has some.
    ///
    /// The masks of one stream are the same in every pass: set it anew for each update.
    pub fn set_dropout_stream(&mut self, mut stream: Stream) {
        self.dropout_key = stream.next_u64();
    }

    /// What computes outside training.
    pub(crate) fn plain(&self) -> Weights<'_> {
        Weights { base: &self.weights, adapter: self.adapter.as_ref(), dropout: None }
    }

    /// Takes the decoder apart: shape, flat weights and adapter.
    pub fn into_parts(self) -> (ModelConfig, Vec<f32>, Option<Adapter>) {
        (self.shape.config, self.weights, self.adapter)
    }

    /// Logits of the token after each token of a sequence, with the adapter where there is one. `[T, V]`
    ///
    /// # Errors
    /// [`UnknownToken`](crate::Error::UnknownToken), [`ContextOverflow`](crate::Error::ContextOverflow), or
    /// [`Tokenizer`](crate::Error::Tokenizer) for a sequence without tokens.
    pub fn logits(&self, tokens: &[TokenId]) -> Result<Vec<f32>> {
        check_tokens(self.config(), tokens, 0)?;
        let mut workspace = Workspace::default();
        workspace.forward(&self.shape, self.plain(), &Slice::prompts(&[tokens]));
        let mut logits = vec![0.0; tokens.len() * self.config().vocab_size];
        let head = &self.weights[self.shape.layout.head.clone()];
        linear(&mut logits, &workspace.hidden, head, tokens.len(), false);
        Ok(logits)
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
        self.stats_with(self.plain(), groups, token_budget)
    }

    /// [`Self::token_stats`] of the weights alone, with the adapter off: the policy that training an adapter began
    /// from.
    ///
    /// # Errors
    /// As [`Self::token_stats`].
    pub fn base_token_stats(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        self.stats_with(Weights { adapter: None, ..self.plain() }, groups, token_budget)
    }

    fn stats_with(
        &self,
        weights: Weights<'_>,
        groups: &[Group<'_>],
        token_budget: usize,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        let slices = self.slices(groups, token_budget)?;
        let outputs = self.in_parallel(&slices, |worker, _, slice| {
            worker.token_stats(&self.shape, weights, slice)
        });
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

    /// The values that `head` reads off the completion tokens' hidden states, sequence after sequence in batch order.
    ///
    /// # Errors
    /// As [`Self::token_stats`].
    ///
    /// # Panics
    /// When the head is of another width.
    pub fn values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
    ) -> Result<Vec<Vec<f32>>> {
        self.check_width(head);
        let slices = self.slices(groups, token_budget)?;
        let outputs = self.in_parallel(&slices, |worker, _, slice| {
            worker.workspace.forward(&self.shape, self.plain(), slice);
            values(head, &worker.workspace.hidden, &slice.queries)
        });
        let mut sequences = Vec::new();
        for (slice, output) in slices.iter().zip(&outputs) {
            let ranges = slice.offsets.windows(2);
            sequences.extend(ranges.map(|range| output[range[0]..range[1]].to_vec()));
        }
        Ok(sequences)
    }

    fn check_width(&self, head: &ValueHead) {
        assert_eq!(head.width(), self.config().hidden_size, "a value head of another width");
    }

    /// Computes log-probs and entropies, asks `loss` for their gradient, and adds the gradient of every
    /// parameter that is trained to `grads`.
    ///
    /// `loss` is called once a slice, from worker threads, with whole sequences; the batch's gradient is the
    /// sum over slices, added up in the order of the batch.
    ///
    /// ```
    /// use e2h_core::RootSeed;
    /// use e2h_model::{Group, Model, ModelConfig, TokenGrads};
    /// # let shape = ModelConfig { hidden_size: 16, intermediate_size: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2,
    /// #     head_dim: 8, ..ModelConfig::nano(5) };
    /// # let mut model = Model::new(shape, &mut RootSeed(0).stream("init", &[]));
    ///
    /// // The loss is the negative log-prob of two tokens: a step against its gradient makes them likelier.
    /// let groups = [Group { prompt: &[1], completions: vec![&[2, 3]] }];
    /// let mut grads = vec![0.0; model.params().len()];
    /// model.backward(&groups, 1000, &mut grads, |stats| {
    ///     let n = stats.logprobs.len();
    ///     TokenGrads { d_logprobs: vec![-1.0; n], d_entropies: vec![0.0; n] }
    /// })?;
    /// let logprob = |model: &Model| Ok::<f32, e2h_model::Error>(model.token_stats(&groups, 1000)?[0].0.iter().sum());
    /// let before = logprob(&model)?;
    /// model.update_params(|_, params| params.iter_mut().zip(&grads).for_each(|(p, g)| *p -= 0.01 * g));
    /// assert!(logprob(&model)? > before);
    /// # Ok::<(), e2h_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`UnknownToken`](crate::Error::UnknownToken), [`ContextOverflow`](crate::Error::ContextOverflow), or
    /// [`OutOfMemory`](crate::Error::OutOfMemory) before anything is computed.
    ///
    /// # Panics
    /// When `grads` has not the length of [`Self::params`].
    pub fn backward(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>) -> TokenGrads + Sync,
    ) -> Result<()> {
        let loss = |stats: &TokenStats<'_>, _: &[f32]| loss(stats).into();
        self.backward_through(groups, token_budget, None, grads, &mut [], loss)
    }

    /// [`Self::backward`] with a value head: `loss` gets the tokens' values too, and the head's gradient is added to
    /// `head_grads`. What it says of values goes back through the whole decoder.
    ///
    /// # Errors
    /// As [`Self::backward`].
    ///
    /// # Panics
    /// As [`Self::backward`], and when the head is of another width or `head_grads` has not the length of its
    /// parameters.
    pub fn backward_with_values(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        head: &ValueHead,
        grads: &mut [f32],
        head_grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads + Sync,
    ) -> Result<()> {
        self.check_width(head);
        assert_eq!(head_grads.len(), head.params().len(), "a head's gradient of another shape");
        self.backward_through(groups, token_budget, Some(head), grads, head_grads, loss)
    }

    fn backward_through(
        &self,
        groups: &[Group<'_>],
        token_budget: usize,
        value_head: Option<&ValueHead>,
        grads: &mut [f32],
        head_grads: &mut [f32],
        loss: impl Fn(&TokenStats<'_>, &[f32]) -> ValuedGrads + Sync,
    ) -> Result<()> {
        let (n_params, n_head) = (self.params().len(), head_grads.len());
        assert_eq!(grads.len(), n_params, "a gradient of another shape");
        let prob = self.adapter.as_ref().map_or(0.0, |adapter| adapter.config().dropout);
        let dropout = Dropout::new(self.dropout_key, prob);
        let weights = Weights { dropout, ..self.plain() };
        let slices = self.slices(groups, token_budget)?;
        let rows = slices.iter().map(|slice| slice.tokens.len()).max().unwrap_or(0);
        let n_workers = self.n_threads.min(slices.len());
        crate::memory::reserve(self.config(), rows, grads.len(), n_workers)?;
        let total = Mutex::new((0, grads, head_grads));
        let turn = Condvar::new();
        self.in_parallel(&slices, |worker, index, slice| {
            let output = worker.token_stats(&self.shape, weights, slice);
            let hidden = &worker.workspace.hidden;
            let values = value_head.map(|head| values(head, hidden, &slice.queries));
            let stats = TokenStats {
                sequences: &slice.sequences,
                offsets: &slice.offsets,
                logprobs: &output.logprobs,
                entropies: &output.entropies,
            };
            let given = loss(&stats, values.as_deref().unwrap_or_default());
            let (mut own, mut own_head) = (vec![0.0; n_params], vec![0.0; n_head]);
            let mut grads = match self.adapter {
                Some(_) => Grads::Adapter(&mut own),
                None => Grads::Base(&mut own),
            };
            let head = value_head.map(|head| (head, own_head.as_mut_slice()));
            worker.backward(&self.shape, weights, &mut grads, slice, &given, head);
            // A poisoned lock means that another worker panicked; that panic is passed on by the scope.
            let guard = total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let mut guard = turn
                .wait_while(guard, |(next, ..)| *next != index)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            crate::cpu::ops::add(guard.1, &own);
            crate::cpu::ops::add(guard.2, &own_head);
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

/// As many as rayon's: `RAYON_NUM_THREADS`, or all cores that this process may use.
fn default_threads() -> usize {
    rayon::current_num_threads()
}
