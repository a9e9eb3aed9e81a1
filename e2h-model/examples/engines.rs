//! Measures both engines on the nano shape, in tokens a second.
//!
//! `cargo run -p e2h-model --example engines [DEVICE]`, where DEVICE is `auto`, `cpu`, `cuda`, ...
#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

use std::time::Instant;

use e2h_core::{GenerateRequest, RootSeed, Sampling, TokenId};
use e2h_model::{
    BurnDecoder, Engine, Group, Model, ModelConfig, Precision, Result, TokenGrads, TokenStats,
    device,
};

const VOCAB: usize = 130;
const N_PROMPTS: usize = 16;
const GROUP_SIZE: usize = 16;
const PROMPT_TOKENS: usize = 40;
const COMPLETION_TOKENS: usize = 48;
const TOKEN_BUDGET: usize = 4096;
const REPEATS: usize = 3;

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "cpu".to_owned());
    let choice = device(&name)?;
    let mut rng = RootSeed(1).stream("init", &[]);
    let model = Model::new(ModelConfig::nano(VOCAB), &mut rng);
    let params = model.params().to_vec();
    let config = model.config().clone();
    let burn = BurnDecoder::new(config, params, &choice.device, Precision::F32)?;
    println!("burn device: {} ({})", choice.name, choice.reason);
    println!("completion tokens a second, best of {REPEATS}:");
    println!("{:8} {:>16} {:>16}", "engine", "stats + backward", "generation");
    let mut rates = Vec::new();
    for engine in [&model as &dyn Engine, &burn] {
        let (train, generate) = (training_rate(engine)?, generation_rate(engine)?);
        println!("{:8} {train:>16.0} {generate:>16.0}", engine.name());
        rates.push((train, generate));
    }
    let (train, generate) = (rates[1].0 / rates[0].0, rates[1].1 / rates[0].1);
    println!("{:8} {train:>16.2} {generate:>16.2}", "ratio");
    Ok(())
}

fn tokens(seed: usize, n: usize) -> Vec<TokenId> {
    (0..n).map(|i| ((seed * 17 + i * 29) % VOCAB) as TokenId).collect()
}

/// Calls `f` and returns `n` over the seconds that its fastest call took; the first call does not count.
fn rate(n: usize, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    f()?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        f()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(n as f64 / best)
}

/// Log-probs, then a backward pass: what a training step does with each rollout.
fn training_rate(engine: &dyn Engine) -> Result<f64> {
    let prompts: Vec<_> = (0..N_PROMPTS).map(|i| tokens(i, PROMPT_TOKENS)).collect();
    let n_completions = N_PROMPTS * GROUP_SIZE;
    let completions: Vec<_> = (0..n_completions)
        .map(|i| tokens(i + 100, COMPLETION_TOKENS / 2 + i % (COMPLETION_TOKENS / 2)))
        .collect();
    let groups: Vec<Group<'_>> = prompts
        .iter()
        .zip(completions.chunks(GROUP_SIZE))
        .map(|(prompt, completions)| Group {
            prompt,
            completions: completions.iter().map(Vec::as_slice).collect(),
        })
        .collect();
    let loss = |stats: &TokenStats<'_>| TokenGrads {
        d_logprobs: vec![-1e-3; stats.logprobs.len()],
        d_entropies: vec![1e-4; stats.logprobs.len()],
    };
    let mut grads = vec![0.0; engine.params().len()];
    rate(completions.iter().map(Vec::len).sum(), || {
        engine.token_stats(&groups, TOKEN_BUDGET)?;
        engine.backward(&groups, TOKEN_BUDGET, &mut grads, &loss)
    })
}

/// Groups of samples that all run to the limit.
fn generation_rate(engine: &dyn Engine) -> Result<f64> {
    let sampling = Sampling { max_tokens: COMPLETION_TOKENS, ..Sampling::default() };
    let stream = |i, j| RootSeed(2).stream("rollout", &[i as u64, j as u64]);
    let requests: Vec<_> = (0..N_PROMPTS)
        .map(|i| GenerateRequest {
            prompt: tokens(i, PROMPT_TOKENS),
            streams: (0..GROUP_SIZE).map(|j| stream(i, j)).collect(),
        })
        .collect();
    let never = |_: &[TokenId]| None;
    rate(N_PROMPTS * GROUP_SIZE * COMPLETION_TOKENS, || {
        engine.generate(requests.clone(), &sampling, &never)?;
        Ok(())
    })
}
