//! Measures the memory of log-probs, entropies and their gradient with a vocabulary of 151,936, Qwen's.
//!
//! `cargo run -p e2h-model --example head_memory [TOKENS] [ENGINE]`, on Linux: the peak is the kernel's `VmHWM`. ENGINE
//! is `fused` or `burn`.
#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

use e2h_core::{RootSeed, TokenId};
use e2h_model::{
    Adapter, BurnDecoder, Engine, Group, LoraConfig, Model, ModelConfig, Precision, Result,
    TokenGrads, TokenStats, device,
};

const VOCAB: usize = 151_936;
const WIDTH: usize = 64;
const SEQUENCES: usize = 8;

fn main() -> Result<()> {
    let n = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(4096);
    let len = n / SEQUENCES;
    let config = ModelConfig {
        hidden_size: WIDTH,
        intermediate_size: WIDTH,
        n_layers: 1,
        max_positions: len + 2,
        head_dim: WIDTH / 4,
        ..ModelConfig::nano(VOCAB)
    };
    let model = Model::new(config.clone(), &mut RootSeed(1).stream("init", &[]));
    let mut model: Box<dyn Engine> = match std::env::args().nth(2).as_deref() {
        Some("burn") => {
            let (config, weights, _) = model.into_parts();
            Box::new(BurnDecoder::new(config, weights, &device("cpu")?.device, Precision::F32)?)
        }
        _ => Box::new(model.with_threads(1)),
    };
    let adapter = Adapter::new(LoraConfig::default(), &config, &mut RootSeed(1).stream("a", &[]));
    model.set_adapter(Some(adapter));
    let completion: Vec<TokenId> = (0..len).map(|i| (i * 37 % VOCAB) as TokenId).collect();
    let group = Group { prompt: &[1], completions: vec![&completion; SEQUENCES] };
    let groups = [group];
    println!("engine: {}", model.name());
    println!("{n} tokens x {VOCAB} logits in f32 are {:.0} MiB", mib(n * VOCAB * 4));
    println!("weights: {:.0} MiB", mib(model.weights().len() * 4));
    let before = peak_mib();
    model.token_stats(&groups, n + 1)?;
    println!("log-probs and entropies: {:.0} MiB over the peak before", peak_mib() - before);
    let mut grads = vec![0.0; model.params().len()];
    let loss = |stats: &TokenStats<'_>| TokenGrads {
        d_logprobs: vec![1.0; stats.logprobs.len()],
        d_entropies: vec![0.1; stats.logprobs.len()],
    };
    model.backward(&groups, n + 1, &mut grads, &loss)?;
    println!("with their gradient: {:.0} MiB over the peak before", peak_mib() - before);
    Ok(())
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The most memory that this process has held, in MiB; NaN where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok());
    kib.map_or(f64::NAN, |kib: f64| kib / 1024.0)
}
