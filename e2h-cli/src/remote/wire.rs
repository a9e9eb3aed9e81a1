//! A completion request and its answer, in token ids.

use e2h_core::{FinishReason, GenerateRequest, Generation, Sampling, TokenId, stable_hash};
use serde_json::{Value, json};

use super::client::{Client, Trouble};

/// How completions end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    pub eos: Vec<TokenId>,
    pub stops: Vec<String>,
}

/// The body of a request; `exact` sends the random streams, which `e2h serve` takes.
pub(crate) fn body(
    model: &str,
    request: &GenerateRequest,
    sampling: &Sampling,
    ends: &Ends,
    exact: bool,
) -> Value {
    // 31 bits, which every server takes.
    let key = serde_json::to_vec(&request.streams).unwrap_or_default();
    let seed = stable_hash("rollout/seed", &key) >> 33;
    let top_k = if sampling.top_k == 0 { -1 } else { sampling.top_k as i64 };
    let mut body = json!({
        "model": model,
        "prompt": request.prompt,
        "n": request.streams.len(),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": 1.0,
        "seed": seed,
        "logprobs": 0,
        "return_token_ids": true,
        "return_tokens_as_token_ids": true,
        "stop": ends.stops,
        "include_stop_str_in_output": true,
    });
    if exact {
        body["e2h_streams"] = json!(request.streams);
    }
    body
}

/// The samples of an answer, in order.
///
/// # Errors
/// [`Trouble::Lacks`] or [`Trouble::Answer`].
pub(crate) fn samples(
    client: &Client,
    answer: &Value,
    n: usize,
    ends: &Ends,
) -> Result<Vec<Generation>, Trouble> {
    let choices = answer["choices"].as_array().ok_or_else(|| client.odd("no `choices`"))?;
    let mut samples: Vec<Option<Generation>> = vec![None; n];
    for choice in choices {
        let index = choice["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let place = index.and_then(|index| samples.get_mut(index));
        let place =
            place.ok_or_else(|| client.odd("a choice of an `index` that was not asked for"))?;
        *place = Some(sample(client, choice, ends)?);
    }
    let all: Option<Vec<Generation>> = samples.into_iter().collect();
    all.ok_or_else(|| client.odd(format!("{} choices where n is {n}", choices.len())))
}

fn sample(client: &Client, choice: &Value, ends: &Ends) -> Result<Generation, Trouble> {
    let lacks = |what| Trouble::Lacks { server: client.server.clone(), what };
    let listed = &choice["logprobs"];
    let tokens = tokens(choice).ok_or_else(|| lacks("token ids"))?;
    let logprobs = listed["token_logprobs"].as_array().ok_or_else(|| lacks("log-probs"))?;
    let logprobs: Option<Vec<f32>> = logprobs
        .iter()
        .map(|value| value.as_f64().map(|v| v as f32).filter(|v| v.is_finite() && *v <= 1e-3))
        .collect();
    let logprobs = logprobs.ok_or_else(|| lacks("log-prob of every token"))?;
    if logprobs.len() != tokens.len() || tokens.is_empty() {
        let (tokens, logprobs) = (tokens.len(), logprobs.len());
        return Err(client.odd(format!("{tokens} tokens with {logprobs} log-probs")));
    }
    let ended = tokens.last().is_some_and(|last| ends.eos.contains(last));
    let finish = match choice["finish_reason"].as_str() {
        Some("length") => FinishReason::Length,
        Some("stop") if ended => FinishReason::Eos,
        Some("stop") => FinishReason::Stop,
        _ => return Err(client.odd(format!("`finish_reason` {}", choice["finish_reason"]))),
    };
    Ok(Generation { tokens, logprobs, finish })
}

/// The token ids of a choice: `token_ids`, or `token_id:N` in place of the tokens' texts.
fn tokens(choice: &Value) -> Option<Vec<TokenId>> {
    let id = |value: &Value| value.as_u64().and_then(|id| TokenId::try_from(id).ok());
    if let Some(ids) = choice["token_ids"].as_array() {
        return ids.iter().map(id).collect();
    }
    let words = choice["logprobs"]["tokens"].as_array()?;
    words.iter().map(|word| word.as_str()?.strip_prefix("token_id:")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;
    use crate::config::RolloutsSection;

    fn read(answer: &Value, n: usize) -> Result<Vec<Generation>, Trouble> {
        let client = Client::new("http://server", &RolloutsSection::default(), None);
        samples(&client, answer, n, &Ends { eos: vec![2], stops: Vec::new() })
    }

    fn choice(index: usize, tokens: &[u32]) -> Value {
        json!({
            "index": index, "finish_reason": "stop", "token_ids": tokens,
            "logprobs": {"token_logprobs": vec![-0.5; tokens.len()]},
        })
    }

    #[test]
    fn samples_come_in_order_with_the_reason_why_they_ended() {
        let samples = read(&json!({"choices": [choice(1, &[7]), choice(0, &[5, 2])]}), 2);
        let samples = samples.expect("samples");
        assert_eq!((&samples[0].tokens[..], samples[0].finish), (&[5, 2][..], FinishReason::Eos));
        assert_eq!((&samples[1].tokens[..], samples[1].finish), (&[7][..], FinishReason::Stop));
    }

    #[test]
    fn token_ids_are_read_from_words_where_the_server_writes_them_there() {
        let mut one = choice(0, &[]);
        one["token_ids"] = Value::Null;
        one["logprobs"] = json!({"tokens": ["token_id:9"], "token_logprobs": [-1.0]});
        assert_eq!(read(&json!({"choices": [one]}), 1).expect("samples")[0].tokens, [9]);
    }

    #[test]
    fn an_answer_without_ids_or_logprobs_is_told_apart_from_an_odd_one() {
        let with = |key: &str, value: Value| {
            let mut choice = choice(0, &[5]);
            choice[key] = value;
            read(&json!({"choices": [choice]}), 1).expect_err("refused").to_string()
        };
        assert!(with("token_ids", Value::Null).ends_with("have no token ids"));
        assert!(with("logprobs", Value::Null).ends_with("have no log-probs"));
        let null = json!({"token_logprobs": [null]});
        assert!(with("logprobs", null).ends_with("have no log-prob of every token"));
        assert!(with("logprobs", json!({"token_logprobs": []})).contains("1 tokens with 0"));
        assert!(with("finish_reason", json!("abort")).contains("`finish_reason` \"abort\""));
        assert!(with("index", json!(4)).contains("not asked for"));
        let few = read(&json!({"choices": [choice(0, &[5])]}), 2).expect_err("one is missing");
        assert!(few.to_string().contains("1 choices where n is 2"));
    }

    #[test]
    fn a_seed_depends_on_the_streams_and_everything_is_said_in_full() {
        let body_of = |step| {
            let streams = vec![RootSeed(1).stream("rollout", &[step])];
            let request = GenerateRequest { prompt: vec![4], streams };
            body("m", &request, &Sampling::default(), &Ends::default(), false)
        };
        let (first, second) = (body_of(0), body_of(1));
        assert_ne!(first["seed"], second["seed"]);
        assert_eq!(first, body_of(0));
        assert!(first["seed"].as_u64().is_some_and(|seed| seed < 1 << 31));
        for key in ["top_p", "top_k", "min_p", "repetition_penalty", "temperature"] {
            assert!(first[key].is_number(), "{key}");
        }
    }
}
