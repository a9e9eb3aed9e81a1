//! Small random decoders, words and batches that the tests of both engines share.

use e2h_core::{FinishReason, GenerateRequest, RootSeed, TokenId};
use e2h_model::{
    BurnDecoder, Engine, Family, Group, Model, ModelConfig, Precision, TokenGrads, TokenStats,
    device,
};

/// V of the small shapes.
pub(crate) const VOCAB: usize = 50;

/// A small Llama of two layers, whose weights are large enough for all of them to matter.
pub(crate) fn llama() -> ModelConfig {
    ModelConfig {
        hidden_size: 32,
        intermediate_size: 48,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 8,
        max_positions: 64,
        initializer_range: 0.15,
        ..ModelConfig::nano(VOCAB)
    }
}

/// The same with biases on q, k and v.
pub(crate) fn qwen2() -> ModelConfig {
    ModelConfig { family: Family::Qwen2, qkv_bias: true, ..llama() }
}

/// The burn engine with the weights of `model`, on the CPU.
pub(crate) fn burn(model: &Model, precision: Precision) -> BurnDecoder {
    let device = device("cpu").expect("always there").device;
    let params = model.weights().to_vec();
    BurnDecoder::new(model.config().clone(), params, &device, precision).expect("supported")
}

/// `n` words of a text that depends on `seed`.
pub(crate) fn tokens(seed: usize, n: usize) -> Vec<TokenId> {
    (0..n).map(|i| ((seed * 31 + i * (seed % 5 + 7) + i * i) % VOCAB) as TokenId).collect()
}

/// Prompts of 3 to 7 tokens, three completions each, of 0 to 12 tokens.
pub(crate) struct Batch(Vec<(Vec<TokenId>, Vec<Vec<TokenId>>)>);

impl Batch {
    pub(crate) fn new() -> Self {
        let completions = |i: usize| (0..3).map(move |j| tokens(i + 11 * j, (5 * i + 7 * j) % 13));
        Self((0..5).map(|i| (tokens(i + 90, 3 + i), completions(i).collect())).collect())
    }

    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        self.0
            .iter()
            .map(|(prompt, completions)| Group {
                prompt,
                completions: completions.iter().map(Vec::as_slice).collect(),
            })
            .collect()
    }
}

/// A loss with a different gradient at every token, in both of its inputs.
fn loss(stats: &TokenStats<'_>) -> TokenGrads {
    let mut grads = TokenGrads { d_logprobs: Vec::new(), d_entropies: Vec::new() };
    for (sequence, range) in stats.sequences.iter().zip(stats.offsets.windows(2)) {
        for place in 0..range[1] - range[0] {
            let sign = if (sequence + place) % 2 == 0 { 1.0 } else { -1.0 };
            let i = range[0] + place;
            grads.d_logprobs.push(sign * stats.logprobs[i].exp() - 0.1);
            grads.d_entropies.push(0.05 * *sequence as f32 - sign * stats.entropies[i] / 9.0);
        }
    }
    grads
}

/// The gradient of that loss over a [`Batch`], added to `grads`.
pub(crate) fn add_gradient(engine: &dyn Engine, budget: usize, grads: &mut [f32]) {
    engine.backward(&Batch::new().groups(), budget, grads, &loss).expect("valid tokens");
}

/// The gradient of that loss over a [`Batch`].
pub(crate) fn gradient(engine: &dyn Engine, budget: usize) -> Vec<f32> {
    let mut grads = vec![0.0; engine.params().len()];
    add_gradient(engine, budget, &mut grads);
    grads
}

/// `n` prompts of 1 to 8 tokens with `group` samples each.
pub(crate) fn requests(n: usize, group: u64) -> Vec<GenerateRequest> {
    (0..n)
        .map(|i| GenerateRequest {
            prompt: tokens(i + 40, 1 + i * 5 % 8),
            streams: (0..group).map(|j| RootSeed(9).stream("rollout", &[i as u64, j])).collect(),
        })
        .collect()
}

/// Ends a completion at token 3.
pub(crate) fn stop(tokens: &[TokenId]) -> Option<FinishReason> {
    (tokens.last() == Some(&3)).then_some(FinishReason::Eos)
}

/// Fails unless the log-probs that an engine sampled with are those that it trains with.
pub(crate) fn ratios_are_one(
    engine: &dyn Engine,
    requests: &[GenerateRequest],
    generated: &[Vec<e2h_core::Generation>],
) {
    let groups: Vec<Group<'_>> = requests
        .iter()
        .zip(generated)
        .map(|(request, group)| Group {
            prompt: &request.prompt,
            completions: group.iter().map(|g| g.tokens.as_slice()).collect(),
        })
        .collect();
    let stats = engine.token_stats(&groups, 100).expect("valid");
    for (generation, (logprobs, _)) in generated.iter().flatten().zip(&stats) {
        assert_eq!(generation.logprobs.len(), logprobs.len());
        for (sampled, trained) in generation.logprobs.iter().zip(logprobs) {
            let ratio = (trained - sampled).exp();
            assert!((ratio - 1.0).abs() < 1e-5, "{}: ratio {ratio}", engine.name());
        }
    }
}

pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
