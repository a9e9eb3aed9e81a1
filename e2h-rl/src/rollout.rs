//! From problems to scored completions.

use e2h_core::{
    FinishReason, GenerateRequest, Level, Policy, Problem, Result, Rollout, RootSeed, Sampling,
    Score, Stream, Task,
};
use rayon::prelude::*;

/// A problem with the random streams of its samples.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// One stream a sample.
    pub streams: Vec<Stream>,
}

/// The streams of samples `0..n` of one problem at one step.
///
/// A rollout's tokens depend on (root seed, step, problem, sample) only. `occurrence` counts how often the
/// step has drawn the same problem before, so that a repeated problem gets fresh samples.
///
/// ```
/// use e2h_core::{Level, RootSeed};
/// use e2h_rl::streams;
/// use rand::Rng;
/// let mut first = |occurrence| streams(RootSeed(0), 7, Level(1), 3, occurrence, 2)[0].next_u64();
/// assert_eq!(first(0), first(0));
/// assert_ne!(first(0), first(1));
/// ```
pub fn streams(
    seed: RootSeed,
    step: u64,
    level: Level,
    item: u64,
    occurrence: u64,
    n: usize,
) -> Vec<Stream> {
    let level = u64::from(level.0);
    (0..n as u64)
        .map(|sample| seed.stream("rollout", &[step, level, item, occurrence, sample]))
        .collect()
}

/// Samples and scores completions for each ask; group `i` of the result belongs to ask `i`.
///
/// ```
/// use e2h_rl::{Ask, roll_out, streams};
/// # use e2h_core::*;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/parrot.in")); }
/// # use doc::*;
/// # let task = Say([LevelSpec { label: "numbers".to_owned(), ood: false }]);
/// # let row = |question: u32, answer: u32| -> Problem {
/// #     let row = serde_json::json!({"task": "say", "level": 0, "question": question, "answer": answer});
/// #     serde_json::from_value(row).expect("a row")
/// # };
///
/// // A policy that repeats its prompt. The first problem asks for that, the second for something else.
/// let problems = [row(7, 7), row(7, 8)];
/// let samples = || streams(RootSeed(0), 0, Level(0), 0, 0, 4);
/// let asks = problems.each_ref().map(|problem| Ask { problem, streams: samples() });
/// let (groups, times) = roll_out(&mut Parrot, &task, &asks, &Sampling::default())?;
/// let rewards = groups.iter().map(|group| group.iter().map(|rollout| rollout.score.reward).collect());
/// assert_eq!(rewards.collect::<Vec<Vec<f64>>>(), [[1.0; 4], [0.0; 4]]);
/// assert_eq!(groups[1][0].text, "7");
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// When a problem is not of the task's form, or the policy fails. A verifier never fails: what it cannot
/// decide has the outcome `Unverifiable`.
pub fn roll_out(
    policy: &mut dyn Policy,
    task: &dyn Task,
    asks: &[Ask<'_>],
    sampling: &Sampling,
) -> Result<(Vec<Vec<Rollout>>, PhaseTimes)> {
    let start = std::time::Instant::now();
    let mut requests = Vec::with_capacity(asks.len());
    for ask in asks {
        let prompt = policy.encode(&task.prompt(ask.problem)?)?;
        requests.push(GenerateRequest { prompt, streams: ask.streams.clone() });
    }
    let prompts: Vec<_> = requests.iter().map(|request| request.prompt.clone()).collect();
    let generated = policy.generate(requests, sampling)?;
    let rollout_s = start.elapsed().as_secs_f64();

    let start = std::time::Instant::now();
    let mut groups = Vec::with_capacity(asks.len());
    for (group, (generations, prompt)) in generated.into_iter().zip(prompts).enumerate() {
        let mut rollouts = Vec::with_capacity(generations.len());
        for generation in generations {
            let text = policy.decode(&generation.tokens)?;
            rollouts.push(Rollout {
                group,
                level: asks[group].problem.level,
                prompt: prompt.clone(),
                generation,
                text,
                score: Score::unverifiable("not scored yet"),
            });
        }
        groups.push(rollouts);
    }
    groups.par_iter_mut().zip(asks).for_each(|(rollouts, ask)| {
        for rollout in rollouts {
            rollout.score = judge(task, ask.problem, &rollout.text);
        }
    });
    let score_s = start.elapsed().as_secs_f64();
    Ok((groups, PhaseTimes { rollout_s, score_s }))
}

/// The verdict on a completion; a verifier that panics could not decide.
fn judge(task: &dyn Task, problem: &Problem, completion: &str) -> Score {
    let verdict = std::panic::AssertUnwindSafe(|| task.score(problem, completion));
    std::panic::catch_unwind(verdict).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Score::unverifiable(format!("the verifier panicked: {text}"))
    })
}

/// How long the two phases took, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhaseTimes {
    /// Encoding and sampling.
    pub rollout_s: f64,
    /// Decoding and verifying.
    pub score_s: f64,
}

/// True when the completion was cut at the token limit.
pub fn is_truncated(rollout: &Rollout) -> bool {
    rollout.generation.finish == FinishReason::Length
}

#[cfg(test)]
mod tests {
    use e2h_core::{LevelSpec, Outcome, Prompt, Split};

    use super::*;

    /// A task whose verifier panics on every text with an `x`.
    struct Fragile;

    impl Task for Fragile {
        fn name(&self) -> &str {
            "fragile"
        }

        fn levels(&self) -> &[LevelSpec] {
            &[]
        }

        fn generate(&self, _: Level, _: Split, _: &mut Stream) -> Result<Problem> {
            Ok(problem())
        }

        fn canonical(&self, _: &Problem) -> Result<String> {
            Ok(String::new())
        }

        fn prompt(&self, _: &Problem) -> Result<Prompt> {
            Ok(Prompt { system: None, user: String::new(), assistant_prefix: String::new() })
        }

        fn score(&self, problem: &Problem, completion: &str) -> Score {
            assert!(!completion.contains('x'), "no x, please");
            self.score_answer(problem, completion)
        }

        fn score_answer(&self, _: &Problem, _: &str) -> Score {
            Score::new(Vec::new(), Outcome::Wrong, "always")
        }
    }

    fn problem() -> Problem {
        Problem {
            id: String::new(),
            task: "fragile".to_owned(),
            level: Level(0),
            question: 1.into(),
            answer: 1.into(),
            solution: None,
            extra: serde_json::Map::new(),
        }
    }

    #[test]
    fn a_verifier_that_panics_could_not_decide_and_says_why() {
        assert_eq!(judge(&Fragile, &problem(), "y").outcome, Outcome::Wrong);
        let score = judge(&Fragile, &problem(), "x");
        assert!(matches!(score.outcome, Outcome::Unverifiable { .. }), "{score:?}");
        assert!(score.reason.contains("the verifier panicked: no x, please"), "{score:?}");
    }
}
