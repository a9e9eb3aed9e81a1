//! Reinforcement learning alone: a task, a curriculum and a sampler of one's own, without the other crates.
//!
//! The policy, a decoder of a few thousand random weights, is to say the first of the two words that it is shown.
//! Level 0 shows two words, level 1 eight. The verifier's reward is all that it learns from.
//!
//! `cargo run -p e2h-rl --example train_own`
#![expect(clippy::print_stdout, reason = "the accuracy is this program's output")]

use std::rc::Rc;

use e2h_core::*;
use e2h_model::{AdamW, LanguageModel, Model, ModelConfig, TextCodec};
use e2h_rl::{Alone, GrpoConfig, Reference, Replay, StepReport, Trainer, training_pools};
use rand::RngExt;
use serde_json::{Value, json};

const STEPS: u64 = 60;

/// Say the first word.
struct First(Vec<LevelSpec>);

impl Task for First {
    fn name(&self) -> &str {
        "first"
    }
    fn levels(&self) -> &[LevelSpec] {
        &self.0
    }
    fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
        let n_words = [2, 8][level.index()];
        loop {
            let [a, b] = [(); 2].map(|()| format!("w{}", rng.random_range(0..n_words)));
            let row = json!({"task": "first", "level": level, "question": format!("{a} {b}"), "answer": a});
            let problem: Problem = serde_json::from_value(row).expect("a row of this task");
            // Two words make four questions, too few to hold any out.
            if level == Level(0) || Split::of(&self.canonical(&problem)?) == split {
                return Ok(problem);
            }
        }
    }
    fn canonical(&self, problem: &Problem) -> Result<String> {
        Ok(problem.question.to_string())
    }
    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        let user = problem.question.as_str().unwrap_or_default().to_owned();
        Ok(Prompt { system: None, user, assistant_prefix: "say".to_owned() })
    }
    fn score(&self, problem: &Problem, completion: &str) -> Score {
        self.score_answer(problem, completion)
    }
    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        let right = answer.split_whitespace().next() == problem.answer.as_str();
        let outcome = if right { Outcome::Correct } else { Outcome::Wrong };
        Score::new(vec![RewardPart::new("correct", f64::from(u8::from(right)), 1.0)], outcome, "")
    }
}

/// The easy level for the first half, then both.
struct Halves;

impl Curriculum for Halves {
    fn name(&self) -> &str {
        "halves"
    }
    fn n_levels(&self) -> usize {
        2
    }
    fn probs(&self, step: u64) -> Vec<f64> {
        if 2 * step < STEPS { vec![1.0, 0.0] } else { vec![0.5, 0.5] }
    }
}

/// Draws level and problem anew for each prompt.
struct Draw(RootSeed);

impl ProblemSampler for Draw {
    fn draw(&mut self, rule: &dyn Curriculum, step: u64, n: usize) -> Result<Vec<Pick>> {
        let (mut rng, probs) = (self.0.stream("draw", &[step]), rule.probs(step));
        let mut pick = || {
            let level = usize::from(rng.random_range(0.0..1.0) >= probs[0]);
            Pick { level: Level::at(level), item: rng.random_range(0..64) }
        };
        Ok((0..n).map(|_| pick()).collect())
    }
    fn state(&self) -> Value {
        Value::Null
    }
    fn restore(&mut self, _: &Value) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn main() -> e2h_rl::Result<()> {
    let seed = RootSeed(0);
    let level = |label: &str| LevelSpec { label: label.to_owned(), ood: false };
    let task = First(vec![level("two words"), level("eight words")]);
    let words: Vec<String> = (0..8).map(|i| format!("w{i}")).chain(["say".to_owned()]).collect();
    let text = TextCodec::word_level(&words)?;
    let shape = ModelConfig {
        hidden_size: 32,
        intermediate_size: 64,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 4,
        head_dim: 8,
        ..ModelConfig::nano(text.vocab_size())
    };
    let policy = LanguageModel::new(Model::new(shape, &mut seed.stream("init", &[])), text)?;
    let pools = training_pools(&task, seed, 64)?;
    let config = GrpoConfig {
        steps: STEPS,
        prompts: 16,
        group_size: 16,
        lr: 3e-3,
        warmup_steps: 0,
        sampling: Sampling { max_tokens: 1, ..Sampling::default() },
        ..GrpoConfig::default()
    };
    let mut trainer = Trainer {
        ranks: Rc::new(Alone),
        rollouts: None,
        optimizer: AdamW::new(config.adamw, policy.engine().params().len()),
        policy,
        reference: Reference::None,
        curriculum: Box::new(Halves),
        sampler: Box::new(Draw(seed)),
        task: &task,
        pools: &pools,
        config: &config,
        seed,
        bad_updates: 0,
        critic: None,
        replay: Replay::default(),
        token_budget: config.token_budget,
    };
    let steps = (0..STEPS).map(|step| trainer.step(step)).collect::<e2h_rl::Result<Vec<_>>>()?;
    let right = |steps: &[StepReport]| {
        let shares = steps.iter().filter_map(|report| report.accuracy(None));
        shares.sum::<f64>() / steps.len() as f64
    };
    let (first, last) = (right(&steps[..5]), right(&steps[steps.len() - 5..]));
    println!(
        "right: {:.0} % of the first rollouts, {:.0} % of the last",
        100.0 * first,
        100.0 * last
    );
    assert!(last > first + 0.2, "it has not learned");
    Ok(())
}
