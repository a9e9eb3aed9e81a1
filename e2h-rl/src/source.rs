//! Where completions are drawn: the policy's own engine, or a source that is handed the policy before each step.
//!
//! # Invariants
//! - Prompts are worded and completions decoded by the policy's own tokenizer, whatever draws the tokens.
//! - A source draws from the policy as it was when it last took it up; what its log-probs differ from the trainer's
//!   is corrected in the update: see [`mismatch`](crate::Mismatch).

use e2h_core::{GenerateRequest, Generation, Policy, Prompt, Sampling, TokenId};
use e2h_model::LanguageModel;

use crate::ranks::work::share_requests;
use crate::ranks::{RankError, Ranks};
use crate::{Error, Result};

/// Draws completions in place of the policy's own engine.
///
/// ```
/// use e2h_core::{FinishReason, GenerateRequest, Generation, Result, RootSeed, Sampling};
/// use e2h_model::LanguageModel;
/// use e2h_rl::RolloutSource;
///
/// /// Says token 7 and ends, whatever the policy.
/// struct Seven;
///
/// impl RolloutSource for Seven {
///     fn take_up(&mut self, _policy: &LanguageModel, _step: u64) -> Result<()> {
///         Ok(())
///     }
///     fn generate(&mut self, asks: Vec<GenerateRequest>, _: &Sampling) -> Result<Vec<Vec<Generation>>> {
///         let seven = Generation { tokens: vec![7], logprobs: vec![0.0], finish: FinishReason::Eos };
///         Ok(asks.iter().map(|ask| vec![seven.clone(); ask.streams.len()]).collect())
///     }
/// }
///
/// let ask = GenerateRequest { prompt: vec![1], streams: vec![RootSeed(0).stream("doc", &[]); 3] };
/// let drawn = Seven.generate(vec![ask], &Sampling::default())?;
/// assert_eq!((drawn.len(), drawn[0].len()), (1, 3));
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub trait RolloutSource {
    /// Takes up the policy as it is before `step`.
    ///
    /// # Errors
    /// When the source cannot take it.
    fn take_up(&mut self, policy: &LanguageModel, step: u64) -> e2h_core::Result<()>;

    /// Samples one completion per random stream of each request, in the requests' order.
    ///
    /// # Errors
    /// When the source cannot answer.
    fn generate(
        &mut self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
    ) -> e2h_core::Result<Vec<Vec<Generation>>>;
}

/// The policy's words with the tokens of a source, drawn by all ranks together.
pub(crate) struct Sourced<'a> {
    policy: &'a mut LanguageModel,
    /// Draws the tokens; the policy itself without one.
    source: Option<&'a mut (dyn RolloutSource + 'static)>,
    ranks: &'a dyn Ranks,
    /// Why the ranks came apart.
    broken: Option<RankError>,
}

impl<'a> Sourced<'a> {
    /// The `policy` with another `source` of tokens, where there is one.
    pub(crate) fn new(
        policy: &'a mut LanguageModel,
        source: Option<&'a mut (dyn RolloutSource + 'static)>,
        ranks: &'a dyn Ranks,
    ) -> Self {
        Self { policy, source, ranks, broken: None }
    }

    /// The result of what was done with this policy; when ranks have come apart, that is the error.
    pub(crate) fn settle<T, E: Into<Error>>(self, result: std::result::Result<T, E>) -> Result<T> {
        match self.broken {
            Some(broken) => Err(broken.into()),
            None => result.map_err(Into::into),
        }
    }
}

impl Policy for Sourced<'_> {
    fn encode(&self, prompt: &Prompt) -> e2h_core::Result<Vec<TokenId>> {
        Policy::encode(&*self.policy, prompt)
    }

    fn decode(&self, tokens: &[TokenId]) -> e2h_core::Result<String> {
        Policy::decode(&*self.policy, tokens)
    }

    fn generate(
        &mut self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
    ) -> e2h_core::Result<Vec<Vec<Generation>>> {
        let (policy, source) = (&mut *self.policy, self.source.as_deref_mut());
        let drawn = share_requests(self.ranks, requests, |own| match source {
            Some(source) => source.generate(own, sampling),
            None => Policy::generate(policy, own, sampling),
        })?;
        drawn.map_err(|broken| {
            let text = broken.to_string();
            self.broken = Some(broken);
            e2h_core::Error::Policy(text)
        })
    }
}
