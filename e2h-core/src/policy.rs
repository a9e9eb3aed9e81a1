//! The sampling side of a policy, in plain token ids.

use serde::{Deserialize, Serialize};

use crate::{Level, Prompt, Result, Score, Stream};

/// A token's number in the policy's vocabulary.
pub type TokenId = u32;

/// A policy that continues prompts.
///
/// ```
/// use e2h_core::{FinishReason, GenerateRequest, Generation, Policy, Prompt, Result, Sampling, TokenId};
///
/// /// Says its prompt again: a token is a character.
/// struct Echo;
///
/// impl Policy for Echo {
///     fn encode(&self, prompt: &Prompt) -> Result<Vec<TokenId>> {
///         Ok(prompt.user.chars().map(u32::from).collect())
///     }
///     fn decode(&self, tokens: &[TokenId]) -> Result<String> {
///         Ok(tokens.iter().filter_map(|token| char::from_u32(*token)).collect())
///     }
///     fn generate(&mut self, requests: Vec<GenerateRequest>, _: &Sampling) -> Result<Vec<Vec<Generation>>> {
///         let one = |tokens: &[TokenId]| Generation {
///             tokens: tokens.to_vec(),
///             logprobs: vec![0.0; tokens.len()],
///             finish: FinishReason::Eos,
///         };
///         Ok(requests.iter().map(|ask| ask.streams.iter().map(|_| one(&ask.prompt)).collect()).collect())
///     }
/// }
///
/// let prompt = Prompt { system: None, user: "2 + 3".into(), assistant_prefix: String::new() };
/// assert_eq!(Echo.decode(&Echo.encode(&prompt)?)?, "2 + 3");
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub trait Policy {
    /// Renders a prompt with the policy's chat template and turns it into tokens.
    ///
    /// # Errors
    /// [`Error::Policy`](crate::Error::Policy) when the template or tokenizer fails.
    fn encode(&self, prompt: &Prompt) -> Result<Vec<TokenId>>;

    /// Turns tokens back into text, without special tokens.
    ///
    /// # Errors
    /// [`Error::Policy`](crate::Error::Policy) when the tokenizer fails.
    fn decode(&self, tokens: &[TokenId]) -> Result<String>;

    /// Samples one completion per random stream of each request, in the requests' order.
    ///
    /// A completion depends on its prompt, its stream and `sampling` only, not on its neighbours.
    ///
    /// # Errors
    /// [`Error::Policy`](crate::Error::Policy), for example when a prompt is longer than the context.
    fn generate(
        &mut self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
    ) -> Result<Vec<Vec<Generation>>>;
}

/// One prompt with as many samples as it has streams.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// One random stream a sample.
    pub streams: Vec<Stream>,
}

/// How tokens are drawn.
///
/// ```
/// use e2h_core::Sampling;
/// let sampling = Sampling { top_p: 0.9, max_tokens: 64, ..Sampling::default() };
/// // What is left out of a configuration takes its default.
/// assert_eq!(serde_json::from_str::<Sampling>(r#"{"top_p": 0.9, "max_tokens": 64}"#)?, sampling);
/// assert_eq!(sampling.greedy(), Sampling { temperature: 0.0, ..sampling });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Softmax temperature; 0 takes the most probable token.
    pub temperature: f64,
    /// Draw among the `top_k` most probable tokens; 0 = all.
    pub top_k: usize,
    /// Draw among the most probable tokens that together reach this probability; 1 = all.
    pub top_p: f64,
    /// Drop tokens less probable than `min_p` times the most probable one; 0 = none.
    pub min_p: f64,
    /// Longest completion, in tokens.
    pub max_tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 512 }
    }
}

impl Sampling {
    /// The same limits with the most probable token taken at each place.
    pub fn greedy(&self) -> Self {
        Self { temperature: 0.0, ..self.clone() }
    }
}

/// One sampled completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// The completion's tokens, the end token included where one was drawn.
    pub tokens: Vec<TokenId>,
    /// The log-probability of each token under the policy at temperature 1, in nats.
    pub logprobs: Vec<f32>,
    /// Why the completion ended.
    pub finish: FinishReason,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The end-of-sequence token was drawn.
    Eos,
    /// A stop string was reached; it is part of the completion.
    Stop,
    /// The limit on tokens was reached.
    Length,
}

/// A generation that has been scored: what an update learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Index of the rollout's group within the step.
    pub group: usize,
    /// The problem's level.
    pub level: Level,
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// The sampled completion.
    pub generation: Generation,
    /// The completion as text.
    pub text: String,
    /// The verifier's verdict.
    pub score: Score,
}
