//! The JSON of an answer, whole or in chunks.
//!
//! # Source
//! OpenAI's completion object; `token_ids`, `prompt_token_ids` and `token_id:N` as vLLM names them.

use e2h_core::FinishReason;
use serde_json::{Value, json};

use super::ask::{Ask, Shape};
use super::worker::Piece;

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) struct Answer {
    id: String,
    created: u64,
    model: String,
    shape: Shape,
    /// Samples a prompt.
    n: usize,
    choices: Vec<(usize, Value)>,
    prompt_tokens: usize,
    completion_tokens: usize,
    begun: bool,
}

impl Answer {
    /// An answer to `ask` without a choice.
    pub(crate) fn new(id: String, created: u64, model: String, ask: &Ask) -> Self {
        Self {
            id,
            created,
            model,
            shape: ask.shape,
            n: ask.streams.len(),
            choices: Vec::new(),
            prompt_tokens: 0,
            completion_tokens: 0,
            begun: false,
        }
    }

    /// True once a piece has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes a whole choice.
    pub(crate) fn take(&mut self, piece: Piece) {
        let index = piece.index;
        let choice = self.choice(&piece);
        self.choices.push((index, choice));
    }

    /// The whole answer.
    pub(crate) fn whole(&mut self) -> Value {
        self.choices.sort_by_key(|(index, _)| *index);
        let choices = self.choices.drain(..).map(|(_, choice)| choice).collect();
        let mut object = self.object(choices);
        object["usage"] = self.usage();
        object
    }

    /// One chunk of a streamed answer.
    pub(crate) fn chunk(&mut self, piece: Piece) -> Value {
        let choice = self.choice(&piece);
        self.object(vec![choice])
    }

    /// The last chunk, where the client wants to know what was used.
    pub(crate) fn usage_chunk(&self) -> Option<Value> {
        self.shape.usage.then(|| {
            let mut object = self.object(Vec::new());
            object["usage"] = self.usage();
            object
        })
    }

    fn object(&self, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": self.model, "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        })
    }

    fn choice(&mut self, piece: &Piece) -> Value {
        let is_first = piece.offset == 0 && !self.shape.stream || piece.finish.is_some();
        if is_first && piece.index.is_multiple_of(self.n) {
            self.prompt_tokens += piece.prompt.len();
        }
        self.completion_tokens += piece.tokens.len();
        self.begun = true;
        let finish = piece.finish.map(|finish| match finish {
            FinishReason::Eos | FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        });
        let mut choice = json!({
            "index": piece.index, "text": piece.text, "finish_reason": finish,
            "logprobs": self.shape.logprobs.then(|| self.logprobs(piece)),
        });
        if self.shape.token_ids {
            choice["token_ids"] = json!(piece.tokens);
            choice["prompt_token_ids"] = json!(*piece.prompt);
        }
        choice
    }

    fn logprobs(&self, piece: &Piece) -> Value {
        let tokens: Vec<String> = match self.shape.tokens_as_ids {
            true => piece.tokens.iter().map(|token| format!("token_id:{token}")).collect(),
            false => piece.words.clone(),
        };
        let mut offset = piece.offset;
        let offsets: Vec<usize> = tokens
            .iter()
            .map(|token| {
                let here = offset;
                offset += token.chars().count();
                here
            })
            .collect();
        json!({
            "tokens": tokens, "token_logprobs": piece.logprobs, "top_logprobs": null,
            "text_offset": offsets,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ask::Body;
    use super::*;

    fn piece(index: usize, finish: Option<FinishReason>) -> Piece {
        Piece {
            index,
            prompt: Arc::new(vec![4, 5, 6]),
            text: "ab".to_owned(),
            tokens: vec![7, 8],
            logprobs: vec![-0.1, -1.5],
            words: vec!["a".to_owned(), "b".to_owned()],
            offset: 0,
            finish,
        }
    }

    fn answer(body: &Value) -> Answer {
        let ask =
            Body::parse(body.to_string().as_bytes()).expect("JSON").ask(1).expect("a request");
        Answer::new("cmpl-1".to_owned(), 9, "m".to_owned(), &ask)
    }

    #[test]
    fn a_whole_answer_has_its_choices_in_order_and_counts_each_prompt_once() {
        let mut answer = answer(&json!({
            "prompt": [[1], [2]], "n": 2, "logprobs": 0, "return_token_ids": true,
        }));
        for index in [3, 0, 2, 1] {
            answer.take(piece(index, Some(FinishReason::Length)));
        }
        let whole = answer.whole();
        let usage = json!({"prompt_tokens": 6, "completion_tokens": 8, "total_tokens": 14});
        assert_eq!(whole["usage"], usage);
        for (index, choice) in whole["choices"].as_array().expect("choices").iter().enumerate() {
            assert_eq!(
                (&choice["index"], &choice["finish_reason"]),
                (&json!(index), &json!("length"))
            );
            assert_eq!(choice["token_ids"], json!([7, 8]));
            assert_eq!(choice["logprobs"]["tokens"], json!(["a", "b"]));
            assert_eq!(choice["logprobs"]["text_offset"], json!([0, 1]));
            let exact: Vec<f32> =
                serde_json::from_value(choice["logprobs"]["token_logprobs"].clone())
                    .expect("numbers");
            assert_eq!(exact, [-0.1, -1.5], "log-probs come back to the bit");
        }
    }

    #[test]
    fn chunks_carry_a_reason_at_the_end_only_and_usage_where_it_is_asked_for() {
        let body = json!({
            "prompt": [1], "stream": true, "stream_options": {"include_usage": true}, "logprobs": 0,
            "return_tokens_as_token_ids": true,
        });
        let mut answer = answer(&body);
        let first = answer.chunk(piece(0, None));
        assert_eq!(first["choices"][0]["finish_reason"], Value::Null);
        assert_eq!(first["choices"][0]["logprobs"]["tokens"], json!(["token_id:7", "token_id:8"]));
        let last = answer.chunk(piece(0, Some(FinishReason::Eos)));
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
        let usage = answer.usage_chunk().expect("asked for");
        assert_eq!(usage["usage"]["total_tokens"], 3 + 4);
        assert_eq!(usage["choices"], json!([]));
    }
}
