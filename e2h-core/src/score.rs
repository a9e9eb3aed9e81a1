//! What a verifier says of a completion.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The verdict on one completion.
///
/// ```
/// use e2h_core::{Outcome, RewardPart, Score};
///
/// let parts = vec![RewardPart::new("format", 1.0, 0.1), RewardPart::new("correct", 0.0, 0.9)];
/// let score = Score::new(parts, Outcome::Wrong, "20 is not 24");
/// assert_eq!((score.reward, score.is_correct()), (0.1, false));
///
/// let undecided = Score::unverifiable("the answer is too long");
/// assert_eq!((undecided.reward, undecided.outcome.name()), (0.0, "unverifiable"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The sum of `weight * value` over `parts`, dimensionless.
    pub reward: f64,
    /// The named parts of the reward.
    pub parts: Vec<RewardPart>,
    /// The verdict. Accuracy is the share of [`Outcome::Correct`], never derived from the reward.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why, in a few words, for a person.
    #[serde(rename = "detail")]
    pub reason: Cow<'static, str>,
}

/// One named part of a reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardPart {
    /// For example `format` or `correct`.
    pub name: Cow<'static, str>,
    /// The part's value before weighting.
    pub value: f64,
    /// The part's weight in the sum.
    pub weight: f64,
}

impl RewardPart {
    /// A part with a fixed name.
    pub fn new(name: &'static str, value: f64, weight: f64) -> Self {
        Self { name: Cow::Borrowed(name), value, weight }
    }
}

/// The verdict in one word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The answer is right and the format is kept.
    Correct,
    /// The format is kept and the answer is wrong.
    Wrong,
    /// The completion does not keep the required format, so no answer was read.
    BadFormat,
    /// The verifier could not decide. Counted and shown; such a completion gets no gradient.
    Unverifiable {
        /// What stood in the way.
        reason: String,
    },
}

impl Outcome {
    /// `correct`, `wrong`, `bad_format` or `unverifiable`: the word used in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::BadFormat => "bad_format",
            Self::Unverifiable { .. } => "unverifiable",
        }
    }
}

impl Score {
    /// A score whose reward is the weighted sum of `parts`.
    pub fn new(
        parts: Vec<RewardPart>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let reward = parts.iter().map(|part| part.weight * part.value).sum();
        Self { reward, parts, outcome, reason: reason.into() }
    }

    /// A score for a completion that the verifier could not decide; its reward is 0.
    pub fn unverifiable(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            reward: 0.0,
            parts: Vec::new(),
            outcome: Outcome::Unverifiable { reason: reason.clone() },
            reason: Cow::Owned(reason),
        }
    }

    /// True when the outcome is [`Outcome::Correct`].
    pub fn is_correct(&self) -> bool {
        self.outcome == Outcome::Correct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reward_is_the_weighted_sum_of_its_parts() {
        let parts = vec![RewardPart::new("format", 1.0, 0.1), RewardPart::new("correct", 1.0, 0.9)];
        let score = Score::new(parts, Outcome::Correct, "right");
        assert!((score.reward - 1.0).abs() < 1e-15);
        assert!(score.is_correct());
    }

    #[test]
    fn an_unverifiable_score_round_trips_with_its_reason() {
        let score = Score::unverifiable("the row has no target");
        let text = serde_json::to_string(&score).expect("scores serialise");
        assert!(text.contains(r#""outcome":"unverifiable""#), "{text}");
        assert_eq!(serde_json::from_str::<Score>(&text).expect("valid"), score);
    }
}
