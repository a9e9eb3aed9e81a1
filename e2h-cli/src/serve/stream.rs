//! A completion on its way to a client that reads it while it grows.
//!
//! # Invariants
//! - Text that may turn out to be the beginning of a stop text is held back until that is decided.
//! - The texts of all pieces put end to end are the text of the whole answer.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use e2h_core::{FinishReason, Generation, TokenId};
use e2h_model::{Result, StopRule, TextCodec, TextStream};

use super::ask::Ask;
use super::worker::{Piece, Reply};

/// Cuts a text at the first stop text in it.
pub(crate) fn cut_at_stop(text: &mut String, stops: &[String]) {
    let first = stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
    text.truncate(first.unwrap_or(text.len()));
}

/// How many bytes at the end of `text` may be the beginning of a stop text.
fn held_back(text: &str, stops: &[String]) -> usize {
    let longest = |stop: &String| {
        let lengths = stop.char_indices().map(|(at, _)| at).rev();
        lengths.into_iter().find(|&length| text.ends_with(&stop[..length])).unwrap_or(0)
    };
    stops.iter().map(longest).max().unwrap_or(0)
}

/// One sample that is sent piece by piece.
pub(crate) struct Live<'a> {
    ask: &'a Ask,
    text: &'a TextCodec,
    index: usize,
    prompt: &'a Arc<Vec<TokenId>>,
    reply: &'a Sender<Reply>,
    end: &'a (dyn Fn(&[TokenId]) -> Option<FinishReason> + Sync),
    state: Mutex<State<'a>>,
}

struct State<'a> {
    stream: Option<TextStream<'a>>,
    /// Text that is certain, but held back.
    pending: String,
    /// Tokens that have been sent.
    sent: usize,
    /// Characters that have been sent.
    offset: usize,
    /// The client went away.
    gone: bool,
    logprobs: Vec<f32>,
}

impl<'a> Live<'a> {
    /// A sample of which nothing has been sent.
    pub(crate) fn new(
        text: &'a TextCodec,
        ask: &'a Ask,
        index: usize,
        prompt: &'a Arc<Vec<TokenId>>,
        reply: &'a Sender<Reply>,
        end: &'a (dyn Fn(&[TokenId]) -> Option<FinishReason> + Sync),
    ) -> Self {
        let state = State {
            stream: Some(text.stream()),
            pending: String::new(),
            sent: 0,
            offset: 0,
            gone: false,
            logprobs: Vec::new(),
        };
        Self { ask, text, index, prompt, reply, end, state: Mutex::new(state) }
    }

    /// Sends what is left of a finished sample.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub(crate) fn finish(self, generation: &Generation) -> Result<()> {
        let mut state = self.lock();
        let stops = &self.ask.stops;
        for token in generation.tokens.get(state.sent..).unwrap_or_default() {
            let text = state.stream.as_mut().map_or(Ok(String::new()), |s| s.push(*token))?;
            state.pending += &text;
        }
        let rest = state.stream.take().map_or(Ok(String::new()), TextStream::finish)?;
        state.pending += &rest;
        if !self.ask.shape.keep_stop && generation.finish == FinishReason::Stop {
            cut_at_stop(&mut state.pending, stops);
        }
        state.logprobs.clone_from(&generation.logprobs);
        let text = std::mem::take(&mut state.pending);
        self.send(&mut state, &generation.tokens, text, Some(generation.finish));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn send(
        &self,
        state: &mut State<'_>,
        tokens: &[TokenId],
        text: String,
        finish: Option<FinishReason>,
    ) {
        let new = tokens.get(state.sent..).unwrap_or_default();
        let shape = self.ask.shape;
        let words = match shape.logprobs && !shape.tokens_as_ids {
            true => new.iter().map(|t| self.text.decode(&[*t]).unwrap_or_default()).collect(),
            false => Vec::new(),
        };
        let piece = Piece {
            index: self.index,
            prompt: Arc::clone(self.prompt),
            offset: state.offset,
            tokens: new.to_vec(),
            logprobs: state.logprobs.get(state.sent..tokens.len()).unwrap_or_default().to_vec(),
            words,
            finish,
            text,
        };
        state.sent = tokens.len();
        state.offset += piece.text.chars().count();
        state.gone |= self.reply.send(Reply::Piece(piece)).is_err();
    }
}

impl StopRule for Live<'_> {
    fn drawn(&self, _tokens: &[TokenId], logprobs: &[f32]) {
        let mut state = self.lock();
        let known = state.logprobs.len();
        state.logprobs.extend_from_slice(logprobs.get(known..).unwrap_or_default());
    }

    fn stop(&self, tokens: &[TokenId]) -> Option<FinishReason> {
        let end = (self.end)(tokens);
        let mut state = self.lock();
        if state.gone {
            return Some(FinishReason::Length);
        }
        // The last token goes out with the reason why it is the last.
        if end.is_none() && tokens.len() < self.ask.sampling.max_tokens {
            for token in tokens.get(state.sent..).unwrap_or_default() {
                // What cannot be decoded now is an error of the whole answer later.
                let text = state.stream.as_mut().and_then(|stream| stream.push(*token).ok());
                state.pending += &text.unwrap_or_default();
            }
            let hold = match self.ask.shape.keep_stop {
                true => 0,
                false => held_back(&state.pending, &self.ask.stops),
            };
            let split = state.pending.len() - hold;
            let rest = state.pending.split_off(split);
            let text = std::mem::replace(&mut state.pending, rest);
            self.send(&mut state, tokens, text, None);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_stop_text_is_held_back() {
        let stops = ["</answer>".to_owned(), "é!".to_owned()];
        for (text, held) in [("a", 0), ("a <", 1), ("a </ans", 5), ("<a", 0), ("x<</", 2), ("é", 2)]
        {
            assert_eq!(held_back(text, &stops), held, "{text}");
        }
        assert_eq!(held_back("abc", &[]), 0);
    }

    #[test]
    fn a_text_ends_before_the_first_stop_text() {
        let stops = ["b".to_owned(), "ab".to_owned()];
        for (text, cut) in [("xxabb", "xx"), ("xx", "xx"), ("b", "")] {
            let mut text = text.to_owned();
            cut_at_stop(&mut text, &stops);
            assert_eq!(text, cut);
        }
    }
}
