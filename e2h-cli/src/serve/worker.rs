//! The one thread that computes: it takes jobs from a queue and answers those that go together in one batch.
//!
//! Jobs go together when adapter, sampling rule and stop texts are the same. A streamed job is computed alone, sample
//! after sample, so that its tokens can be told apart while they come.
//!
//! # Invariants
//! - A completion depends on its prompt, its random stream, the adapter and the sampling rule only, not on the jobs
//!   beside it.
//! - Once asked to stop, the worker finishes the jobs that it has been given, and takes no more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use e2h_core::{FinishReason, GenerateRequest, Generation, TokenId};
use e2h_model::{Adapter, LanguageModel, TextCodec};

use super::ask::{Ask, PromptText};
use super::http::Refusal;
use super::stream::{Live, cut_at_stop};

/// How often the worker looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// A request on its way to the worker.
pub(crate) struct Job {
    pub ask: Ask,
    /// The adapter that the request names; the base model without one.
    pub adapter: Option<Arc<Adapter>>,
    pub reply: Sender<Reply>,
}

/// What the worker says to a job.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Something of one sample: all of it, or the newest of a stream.
    Piece(Piece),
    /// All pieces have been sent.
    Done,
    /// The job cannot be done.
    Refused(Refusal),
}

/// A part of a sample's completion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// The sample, counted over the prompts of the request.
    pub index: usize,
    /// Tokens of the prompt.
    pub prompt: Arc<Vec<TokenId>>,
    pub text: String,
    pub tokens: Vec<TokenId>,
    /// One a token, in nats.
    pub logprobs: Vec<f32>,
    /// The tokens as text, one by one.
    pub words: Vec<String>,
    /// Characters of the completion before this piece.
    pub offset: usize,
    /// Set on the last piece of a sample.
    pub finish: Option<FinishReason>,
}

/// The thread's belongings.
pub(crate) struct Worker {
    pub model: LanguageModel,
    /// The adapter that stands beside the weights now.
    pub current: Option<Arc<Adapter>>,
}

impl Worker {
    /// Works until `stop` is set and the queue is empty, or nobody can send a job any more.
    pub(crate) fn run(&mut self, jobs: &Receiver<Job>, stop: &AtomicBool) {
        let mut waiting: VecDeque<Job> = VecDeque::new();
        loop {
            waiting.extend(jobs.try_iter());
            let first = match waiting.pop_front() {
                Some(job) => job,
                None => match jobs.recv_timeout(TICK) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) if !stop.load(Ordering::Relaxed) => continue,
                    Err(_) => return,
                },
            };
            waiting.extend(jobs.try_iter());
            let mut batch = vec![first];
            if !batch[0].ask.shape.stream {
                let (with, without) = waiting.drain(..).partition(|job| goes_with(&batch[0], job));
                batch.extend::<VecDeque<Job>>(with);
                waiting = without;
            }
            self.answer(batch);
        }
    }

    fn answer(&mut self, batch: Vec<Job>) {
        self.take_up(&batch[0]);
        let mut jobs = Vec::with_capacity(batch.len());
        for job in batch {
            match self.prompts(&job.ask) {
                Ok(prompts) => jobs.push((job, prompts)),
                Err(refusal) => drop(job.reply.send(Reply::Refused(refusal))),
            }
        }
        let Some((first, prompts)) = jobs.first() else { return };
        let answered = match first.ask.shape.stream {
            true => self.stream(first, prompts),
            false => self.together(&jobs),
        };
        for (job, _) in &jobs {
            // A client that went away is no failure.
            drop(job.reply.send(match &answered {
                Ok(()) => Reply::Done,
                Err(error) => Reply::Refused(Refusal::new(500, error.to_string())),
            }));
        }
    }

    /// Puts the job's adapter beside the weights, and sets its stop texts.
    fn take_up(&mut self, job: &Job) {
        let same = match (&self.current, &job.adapter) {
            (None, None) => true,
            (Some(current), Some(wanted)) => Arc::ptr_eq(current, wanted),
            _ => false,
        };
        if !same {
            let adapter = job.adapter.as_deref().cloned();
            self.model.engine_mut().set_adapter(adapter);
            self.current.clone_from(&job.adapter);
        }
        if self.model.text().stops() != job.ask.stops {
            self.model.text_mut().set_stops(job.ask.stops.clone());
        }
    }

    /// The tokens of a job's prompts, which must fit into the context.
    fn prompts(&self, ask: &Ask) -> Result<Vec<Arc<Vec<TokenId>>>, Refusal> {
        let config = self.model.engine().config();
        let tokens = |prompt: &PromptText| {
            let tokens = match prompt {
                PromptText::Tokens(tokens) => tokens.clone(),
                PromptText::Text(text) => {
                    let encoded = self.model.text().encode(text);
                    encoded.map_err(|error| Refusal::new(400, error.to_string()))?
                }
            };
            if let Some(token) = tokens.iter().find(|token| **token as usize >= config.vocab_size) {
                let size = config.vocab_size;
                return Err(Refusal::new(
                    400,
                    format!("token {token} is not in the vocabulary of {size}"),
                ));
            }
            let (prompt, most) = (tokens.len(), ask.sampling.max_tokens);
            if prompt.saturating_add(most) > config.max_positions {
                return Err(Refusal::new(
                    400,
                    format!(
                        "the prompt has {prompt} tokens and `max_tokens` is {most}, but the context is {} tokens",
                        config.max_positions
                    ),
                ));
            }
            Ok(Arc::new(tokens))
        };
        ask.prompts.iter().map(tokens).collect()
    }

    /// Answers jobs that go together.
    fn together(&self, jobs: &[(Job, Vec<Arc<Vec<TokenId>>>)]) -> e2h_model::Result<()> {
        let ask = &jobs[0].0.ask;
        let mut requests = Vec::new();
        for (job, prompts) in jobs {
            let streams = || job.ask.streams.clone();
            requests.extend(
                prompts.iter().map(|p| GenerateRequest { prompt: p.to_vec(), streams: streams() }),
            );
        }
        let text = self.model.text();
        let rule = |tokens: &[TokenId]| ends(text, ask, tokens);
        let mut groups = self.model.engine().generate(requests, &ask.sampling, &rule)?.into_iter();
        for (job, prompts) in jobs {
            let mut index = 0;
            for (prompt, group) in prompts.iter().zip(groups.by_ref()) {
                for generation in group {
                    let piece = self.piece(job, index, prompt, generation)?;
                    drop(job.reply.send(Reply::Piece(piece)));
                    index += 1;
                }
            }
        }
        Ok(())
    }

    fn piece(
        &self,
        job: &Job,
        index: usize,
        prompt: &Arc<Vec<TokenId>>,
        generation: Generation,
    ) -> e2h_model::Result<Piece> {
        let Generation { tokens, logprobs, finish } = generation;
        let mut text = self.model.text().decode(&tokens)?;
        if !job.ask.shape.keep_stop && finish == FinishReason::Stop {
            cut_at_stop(&mut text, &job.ask.stops);
        }
        let words = match job.ask.shape.logprobs && !job.ask.shape.tokens_as_ids {
            true => tokens.iter().map(|token| self.model.text().decode(&[*token])).collect(),
            false => Ok(Vec::new()),
        }?;
        let (prompt, finish) = (Arc::clone(prompt), Some(finish));
        Ok(Piece { index, prompt, text, tokens, logprobs, words, offset: 0, finish })
    }

    /// Answers one streamed job, sample after sample.
    fn stream(&self, job: &Job, prompts: &[Arc<Vec<TokenId>>]) -> e2h_model::Result<()> {
        let text = self.model.text();
        let mut index = 0;
        for prompt in prompts {
            for stream in &job.ask.streams {
                let end = |tokens: &[TokenId]| ends(text, &job.ask, tokens);
                let live = Live::new(text, &job.ask, index, prompt, &job.reply, &end);
                let request =
                    GenerateRequest { prompt: prompt.to_vec(), streams: vec![stream.clone()] };
                let engine = self.model.engine();
                let done = engine.generate(vec![request], &job.ask.sampling, &live)?;
                if let Some(generation) = done.into_iter().flatten().next() {
                    live.finish(&generation)?;
                }
                index += 1;
            }
        }
        Ok(())
    }
}

/// Why a completion ends after `tokens`.
fn ends(text: &TextCodec, ask: &Ask, tokens: &[TokenId]) -> Option<FinishReason> {
    let named = tokens.last().is_some_and(|token| ask.stop_tokens.contains(token));
    text.stop(tokens).or(named.then_some(FinishReason::Eos))
}

/// True when two jobs can be computed in one batch.
fn goes_with(a: &Job, b: &Job) -> bool {
    let same_adapter = match (&a.adapter, &b.adapter) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    let (a, b) = (&a.ask, &b.ask);
    same_adapter
        && !b.shape.stream
        && a.sampling == b.sampling
        && a.stops == b.stops
        && a.stop_tokens == b.stop_tokens
}
