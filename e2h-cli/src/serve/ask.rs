//! What a completion request asks for: the fields of OpenAI's completions, and those that vLLM adds to them.
//!
//! # Deviations
//! - Log-probs are of the sampled tokens only (`logprobs` 0), in nats at temperature 1.
//! - Fields that would change a completion and are not served (`echo`, `suffix`, `best_of`, penalties, `logit_bias`)
//!   are refused; other unknown fields are passed over, as vLLM does.
//! - `e2h_streams` holds the random streams of the samples themselves, so that a trainer's rollouts are the same
//!   tokens here and on its own engine.

use e2h_core::{RootSeed, Sampling, Stream, TokenId};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::http::Refusal;

/// Samples of one request at most.
const MAX_SAMPLES: usize = 1024;

/// The body of `POST /v1/completions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    pub model: Option<String>,
    prompt: Option<Prompts>,
    n: Option<usize>,
    max_tokens: Option<usize>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    min_p: Option<f64>,
    seed: Option<Number>,
    stop: Option<Stops>,
    stop_token_ids: Option<Vec<TokenId>>,
    include_stop_str_in_output: Option<bool>,
    logprobs: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    return_tokens_as_token_ids: Option<bool>,
    return_token_ids: Option<bool>,
    e2h_streams: Option<Vec<Stream>>,
    echo: Option<bool>,
    suffix: Option<String>,
    best_of: Option<usize>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    repetition_penalty: Option<f64>,
    logit_bias: Option<Value>,
}

/// One prompt or several, as text or as tokens.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`prompt` must be a text, a list of texts, token ids, or a list of them"
)]
enum Prompts {
    Text(String),
    Tokens(Vec<TokenId>),
    Texts(Vec<String>),
    TokenLists(Vec<Vec<TokenId>>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`stop` must be a text or a list of texts")]
enum Stops {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PromptText {
    Text(String),
    Tokens(Vec<TokenId>),
}

/// A request that makes sense.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub prompts: Vec<PromptText>,
    /// One random stream a sample; the same for each prompt.
    pub streams: Vec<Stream>,
    pub sampling: Sampling,
    pub stops: Vec<String>,
    pub stop_tokens: Vec<TokenId>,
    pub shape: Shape,
}

/// How the answer is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Keep the stop text at the end.
    pub keep_stop: bool,
    pub logprobs: bool,
    pub stream: bool,
    pub usage: bool,
    /// Tokens of log-probs are `token_id:N`.
    pub tokens_as_ids: bool,
    pub token_ids: bool,
}

impl Body {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 with what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(bytes).map_err(|error| Refusal::new(400, error.to_string()))
    }

    /// Checks the values. `fresh` is the seed of a request without one.
    ///
    /// # Errors
    /// 400 with what is wrong.
    pub(crate) fn ask(self, fresh: u64) -> Result<Ask, Refusal> {
        let bad = |message: String| Refusal::new(400, message);
        if let Some(field) = self.not_served() {
            return Err(bad(format!("`{field}` is not served")));
        }
        let n = self.n.unwrap_or(1);
        let prompts = prompts(self.prompt)?;
        if n == 0 || n.saturating_mul(prompts.len()) > MAX_SAMPLES {
            return Err(bad(format!("`n` times the number of prompts must be 1 to {MAX_SAMPLES}")));
        }
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(1.0),
            top_p: self.top_p.unwrap_or(1.0),
            top_k: self.top_k.and_then(|k| usize::try_from(k).ok()).unwrap_or(0),
            min_p: self.min_p.unwrap_or(0.0),
            max_tokens: self.max_tokens.unwrap_or(16),
        };
        let ranges = [
            ("temperature", sampling.temperature, 0.0..=100.0),
            ("top_p", sampling.top_p, f64::MIN_POSITIVE..=1.0),
            ("min_p", sampling.min_p, 0.0..=1.0),
        ];
        if let Some((name, value, range)) = ranges.iter().find(|(_, v, range)| !range.contains(v)) {
            let (low, high) = (range.start(), range.end());
            return Err(bad(format!("`{name}` is {value}, but must be {low} to {high}")));
        }
        if sampling.max_tokens == 0 {
            return Err(bad("`max_tokens` must be at least 1".to_owned()));
        }
        if self.logprobs.is_some_and(|k| k > 0) {
            return Err(bad(
                "`logprobs` must be 0: log-probs are of the sampled tokens only".to_owned()
            ));
        }
        let streams = match self.e2h_streams {
            Some(streams) if streams.len() == n => streams,
            Some(_) => return Err(bad("`e2h_streams` must hold n streams".to_owned())),
            None => {
                let seed = RootSeed(self.seed.as_ref().map_or(Ok(fresh), seed)?);
                (0..n as u64).map(|sample| seed.stream("serve", &[sample])).collect()
            }
        };
        let stops = match self.stop {
            None => Vec::new(),
            Some(Stops::One(stop)) => vec![stop],
            Some(Stops::Many(stops)) => stops,
        };
        Ok(Ask {
            prompts,
            streams,
            sampling,
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            stop_tokens: self.stop_token_ids.unwrap_or_default(),
            shape: Shape {
                keep_stop: self.include_stop_str_in_output.unwrap_or(false),
                logprobs: self.logprobs.is_some(),
                stream: self.stream.unwrap_or(false),
                usage: self.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
                tokens_as_ids: self.return_tokens_as_token_ids.unwrap_or(false),
                token_ids: self.return_token_ids.unwrap_or(false),
            },
        })
    }

    /// A field that would change the completion and is not served.
    fn not_served(&self) -> Option<&'static str> {
        let set = |penalty: Option<f64>, off: f64| penalty.is_some_and(|value| value != off);
        let biased = match &self.logit_bias {
            None | Some(Value::Null) => false,
            Some(Value::Object(map)) => !map.is_empty(),
            Some(_) => true,
        };
        let fields = [
            ("echo", self.echo == Some(true)),
            ("suffix", self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty())),
            ("best_of", self.best_of.is_some_and(|best| best != self.n.unwrap_or(1))),
            ("presence_penalty", set(self.presence_penalty, 0.0)),
            ("frequency_penalty", set(self.frequency_penalty, 0.0)),
            ("repetition_penalty", set(self.repetition_penalty, 1.0)),
            ("logit_bias", biased),
        ];
        fields.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

fn prompts(prompt: Option<Prompts>) -> Result<Vec<PromptText>, Refusal> {
    let prompts: Vec<PromptText> = match prompt {
        None => return Err(Refusal::new(400, "there is no `prompt`")),
        Some(Prompts::Text(text)) => vec![PromptText::Text(text)],
        Some(Prompts::Tokens(tokens)) => vec![PromptText::Tokens(tokens)],
        Some(Prompts::Texts(texts)) => texts.into_iter().map(PromptText::Text).collect(),
        Some(Prompts::TokenLists(lists)) => lists.into_iter().map(PromptText::Tokens).collect(),
    };
    let is_empty = |prompt: &PromptText| match prompt {
        PromptText::Text(text) => text.is_empty(),
        PromptText::Tokens(tokens) => tokens.is_empty(),
    };
    if prompts.is_empty() || prompts.iter().any(is_empty) {
        return Err(Refusal::new(400, "the `prompt` is empty"));
    }
    Ok(prompts)
}

/// A seed: any whole number of 64 bits.
fn seed(number: &Number) -> Result<u64, Refusal> {
    let signed = || number.as_i64().map(|seed| seed as u64);
    number.as_u64().or_else(signed).ok_or_else(|| {
        Refusal::new(400, format!("`seed` is {number}, but must be a whole number of 64 bits"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(body: &Value) -> Result<Ask, Refusal> {
        Body::parse(body.to_string().as_bytes())?.ask(7)
    }

    #[test]
    fn prompts_come_as_text_or_tokens_one_or_several() {
        let text = |text: &str| PromptText::Text(text.to_owned());
        let tokens = |tokens: &[TokenId]| PromptText::Tokens(tokens.to_vec());
        for (prompt, expected) in [
            (json!("a"), vec![text("a")]),
            (json!(["a", "b"]), vec![text("a"), text("b")]),
            (json!([1, 2]), vec![tokens(&[1, 2])]),
            (json!([[1], [2, 3]]), vec![tokens(&[1]), tokens(&[2, 3])]),
        ] {
            assert_eq!(ask(&json!({"prompt": prompt})).expect("a request").prompts, expected);
        }
    }

    #[test]
    fn openais_defaults_hold_and_null_is_not_given() {
        let ask = ask(&json!({"prompt": "a", "n": null, "stop": null, "logprobs": null}));
        let ask = ask.expect("a request");
        assert_eq!(ask.sampling, Sampling { max_tokens: 16, ..Sampling::default() });
        assert_eq!((ask.streams.len(), ask.shape), (1, Shape::default()));
    }

    #[test]
    fn the_seed_decides_the_streams_and_a_fresh_one_stands_in_for_it() {
        let streams = |body: Value| ask(&body).expect("a request").streams;
        let seeded = streams(json!({"prompt": "a", "n": 2, "seed": 3}));
        assert_eq!(seeded, streams(json!({"prompt": "b", "n": 2, "seed": 3})));
        assert_ne!(seeded[0], seeded[1]);
        assert_eq!(
            streams(json!({"prompt": "a"})),
            streams(json!({"prompt": "a", "seed": 7})),
            "7 is the fresh seed"
        );
        let given = vec![RootSeed(1).stream("rollout", &[5])];
        assert_eq!(streams(json!({"prompt": "a", "e2h_streams": given})), given);
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        for (extra, name) in [
            (json!({"n": 0}), "`n`"),
            (json!({"n": 4096}), "`n`"),
            (json!({"max_tokens": 0}), "`max_tokens`"),
            (json!({"temperature": -1}), "`temperature`"),
            (json!({"top_p": 0}), "`top_p`"),
            (json!({"logprobs": 5}), "`logprobs`"),
            (json!({"seed": 1.5}), "`seed`"),
            (json!({"echo": true}), "`echo`"),
            (json!({"logit_bias": {"5": 1}}), "`logit_bias`"),
            (json!({"presence_penalty": 0.5}), "`presence_penalty`"),
            (json!({"prompt": []}), "`prompt`"),
            (json!({"prompt": {"a": 1}}), "`prompt`"),
            (json!({"stop": 3}), "`stop`"),
            (json!({"e2h_streams": []}), "`e2h_streams`"),
        ] {
            let mut body = json!({"prompt": "a"});
            for (key, value) in extra.as_object().expect("an object") {
                body[key] = value.clone();
            }
            let refusal = ask(&body).expect_err(name);
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(name), "{name}: {}", refusal.message);
        }
        let off = json!({"prompt": "a", "echo": false, "logit_bias": {}, "best_of": 1});
        assert!(ask(&off).is_ok(), "switched off is not asked for");
    }
}
