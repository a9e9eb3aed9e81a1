//! The burn engine against the fused CPU engine, on small random models of each family.

use e2h_core::{FinishReason, GenerateRequest, Generation, RootSeed, Sampling, TokenId};
use e2h_model::{
    AdamW, AdamWConfig, Engine, Error, Family, Group, Model, ModelConfig, Pace, Precision,
    RopeScaling,
};

use crate::small::{
    Batch, VOCAB, add_gradient, burn, gradient, largest_difference, llama, qwen2, stop, tokens,
};

/// One small shape of each family, with what sets it apart.
fn shapes() -> [(&'static str, ModelConfig); 4] {
    let base = llama();
    let untied = ModelConfig { tied_head: false, ..base.clone() };
    let qwen3 = ModelConfig { family: Family::Qwen3, head_dim: 12, n_kv_heads: 1, ..base.clone() };
    let llama3 = ModelConfig {
        rope_theta: 100.0,
        rope_scaling: RopeScaling::Llama3 {
            factor: 4.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context_tokens: 16.0,
        },
        n_kv_heads: 4,
        ..base
    };
    [
        ("llama, untied", untied),
        ("qwen2, biases", qwen2()),
        ("qwen3, q and k norms", qwen3),
        ("llama3 rope", llama3),
    ]
}

/// A random model whose norms and biases are random too, so that none of them goes untested.
fn fused(config: &ModelConfig) -> Model {
    let model = Model::new(config.clone(), &mut RootSeed(1).stream("init", &[]));
    let mut params = model.params().to_vec();
    for spec in model.layout().tensors.iter().filter(|spec| spec.is_vector()) {
        for (i, value) in params[spec.range.clone()].iter_mut().enumerate() {
            *value += 0.3 * ((i * 7 % 5) as f32 - 2.0) / 2.0;
        }
    }
    Model::from_params(config.clone(), params)
}

/// Requests of 0 to 3 samples.
fn requests() -> Vec<GenerateRequest> {
    let mut requests = crate::small::requests(9, 3);
    for (i, request) in requests.iter_mut().enumerate() {
        request.streams.truncate(i % 4);
    }
    requests
}

fn generate(engine: &dyn Engine, sampling: &Sampling) -> Vec<Vec<Generation>> {
    engine.generate(requests(), sampling, &stop).expect("valid tokens")
}

#[test]
fn logprobs_and_entropies_equal_the_fused_engines_whatever_the_budget() {
    let batch = Batch::new();
    for (name, config) in shapes() {
        let fused = fused(&config);
        let burn = burn(&fused, Precision::F32);
        let expected = fused.token_stats(&batch.groups(), 1000).expect("valid");
        for budget in [1, 50, 1000] {
            let got = burn.token_stats(&batch.groups(), budget).expect("valid");
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(&expected) {
                let logprobs = largest_difference(&got.0, &expected.0);
                let entropies = largest_difference(&got.1, &expected.1);
                assert!(logprobs < 1e-4 && entropies < 1e-4, "{name}: {logprobs}, {entropies}");
            }
        }
    }
}

#[test]
fn gradients_equal_the_fused_engines_whatever_the_budget() {
    for (name, config) in shapes() {
        let fused = fused(&config);
        let expected = gradient(&fused, 1000);
        for (budget, checkpointing) in [(1, false), (50, true), (1000, false)] {
            let burn = burn(&fused, Precision::F32).with_gradient_checkpointing(checkpointing);
            let got = gradient(&burn, budget);
            for spec in &fused.layout().tensors {
                let (got, want) = (&got[spec.range.clone()], &expected[spec.range.clone()]);
                let scale = want.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
                let worst = largest_difference(got, want);
                assert!(
                    scale > 0.0 && worst < 1e-3 * scale,
                    "{name}, budget {budget}: {} is off by {worst} of {scale}",
                    spec.name
                );
            }
        }
    }
}

#[test]
fn a_vocabulary_of_several_chunks_has_the_same_numbers_in_both_engines() {
    let config = ModelConfig { vocab_size: 9001, tied_head: false, ..llama() };
    let fused = fused(&config);
    let burn = burn(&fused, Precision::F32);
    let batch = Batch::new();
    let stats = |engine: &dyn Engine| engine.token_stats(&batch.groups(), 1000).expect("valid");
    for (a, b) in stats(&fused).iter().zip(&stats(&burn)) {
        assert!(largest_difference(&a.0, &b.0) < 1e-4 && largest_difference(&a.1, &b.1) < 1e-4);
    }
    let (got, want) = (gradient(&fused, 1000), gradient(&burn, 1000));
    let scale = want.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(largest_difference(&got, &want) < 1e-4 * scale);
}

#[test]
fn gradients_are_added_to_what_is_there() {
    let burn = burn(&fused(&shapes()[0].1), Precision::F32);
    let once = gradient(&burn, 1000);
    let mut twice = once.clone();
    add_gradient(&burn, 1000, &mut twice);
    let doubled: Vec<f32> = once.iter().map(|g| 2.0 * g).collect();
    assert!(largest_difference(&twice, &doubled) < 1e-5);
}

#[test]
fn greedy_completions_equal_the_fused_engines() {
    let sampling = Sampling { max_tokens: 40, ..Sampling::default().greedy() };
    for (name, config) in shapes() {
        let fused = fused(&config);
        let expected = generate(&fused, &sampling);
        let got = generate(&burn(&fused, Precision::F32), &sampling);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(expected) {
                assert_eq!(got.tokens, expected.tokens, "{name}: request {i}");
                assert_eq!(got.finish, expected.finish, "{name}: request {i}");
                assert!(largest_difference(&got.logprobs, &expected.logprobs) < 1e-4);
            }
        }
    }
}

#[test]
fn sampled_completions_use_the_streams_of_the_fused_engine() {
    let sampling = Sampling { max_tokens: 40, ..Sampling::default() };
    let fused = fused(&shapes()[1].1);
    let expected = generate(&fused, &sampling);
    let got = generate(&burn(&fused, Precision::F32), &sampling);
    let finishes: Vec<_> = expected.iter().flatten().map(|g| g.finish).collect();
    assert!(finishes.contains(&FinishReason::Eos) && finishes.contains(&FinishReason::Length));
    for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
        assert_eq!(got.tokens, expected.tokens);
    }
}

#[test]
fn the_pace_of_generation_changes_no_completion() {
    let fused = fused(&shapes()[0].1);
    let plain = Sampling { max_tokens: 40, ..Sampling::default() };
    for sampling in [plain.clone(), plain.greedy(), Sampling { top_k: 7, ..plain }] {
        let expected = generate(&fused, &sampling);
        for pace in [Pace::HOST, Pace { rows: 4, block: 7 }, Pace::GPU] {
            let burn = burn(&fused, Precision::F32).with_pace(pace);
            let got = generate(&burn, &sampling);
            for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
                assert_eq!(got.tokens, expected.tokens, "{pace:?}, {sampling:?}");
                assert_eq!(got.finish, expected.finish, "{pace:?}, {sampling:?}");
                assert!(largest_difference(&got.logprobs, &expected.logprobs) < 1e-4);
            }
        }
    }
}

#[test]
fn logits_give_the_log_probs_of_a_sequence() {
    let burn = burn(&fused(&shapes()[1].1), Precision::F32);
    let sequence = tokens(3, 9);
    let group = Group { prompt: &sequence[..1], completions: vec![&sequence[1..]] };
    let (expected, _) = &burn.token_stats(&[group], 100).expect("valid tokens")[0];
    let logits = burn.logits(&sequence).expect("valid tokens");
    let got = logits.chunks_exact(VOCAB).zip(&sequence[1..]).map(|(logits, token)| {
        let total: f32 = logits.iter().map(|z| z.exp()).sum();
        logits[*token as usize] - total.ln()
    });
    assert!(largest_difference(&got.collect::<Vec<_>>(), expected) < 1e-4);
}

#[test]
fn prompts_that_wait_for_a_place_have_the_completions_of_the_fused_engine() {
    let sampling = Sampling { max_tokens: 12, ..Sampling::default().greedy() };
    let fused = fused(&shapes()[2].1);
    let burn = burn(&fused, Precision::F32);
    // More samples than decode at a time, of prompts that get shorter and longer.
    let requests: Vec<GenerateRequest> = (0..90)
        .map(|i| GenerateRequest {
            prompt: tokens(i + 3, 1 + i * 7 % 19),
            streams: (0..4).map(|j| RootSeed(2).stream("rollout", &[i as u64, j])).collect(),
        })
        .collect();
    let stop = |tokens: &[TokenId]| {
        (tokens.last().is_some_and(|last| last % 5 == 3)).then_some(FinishReason::Eos)
    };
    let expected = fused.generate(requests.clone(), &sampling, &stop).expect("valid tokens");
    let got = burn.generate(requests, &sampling, &stop).expect("valid tokens");
    for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
        assert_eq!((&got.tokens, got.finish), (&expected.tokens, expected.finish));
    }
}

#[test]
fn both_engines_train_to_the_same_weights() {
    let config = shapes()[2].1.clone();
    let mut fused = fused(&config);
    let mut burn = burn(&fused, Precision::F32);
    let start = fused.params().to_vec();
    let train = |engine: &mut dyn Engine| {
        let mut adam = AdamW::new(AdamWConfig::default(), engine.params().len());
        for _ in 0..3 {
            let grads = gradient(engine, 60);
            engine.update_params(&mut |layout, params| adam.update(layout, params, &grads, 1e-3));
        }
    };
    train(&mut fused);
    train(&mut burn);
    assert!(largest_difference(fused.params(), &start) > 1e-3);
    // Adam divides by the size of the gradient, so rounding of the smallest ones is blown up.
    let off = largest_difference(fused.params(), burn.params());
    assert!(off < 2e-4, "weights are off by {off}");
    let batch = Batch::new();
    let stats = |engine: &dyn Engine| engine.token_stats(&batch.groups(), 60).expect("valid");
    for (a, b) in stats(&fused).iter().zip(&stats(&burn)) {
        assert!(largest_difference(&a.0, &b.0) < 2e-3);
    }
}

#[test]
fn loaded_weights_are_those_that_compute() {
    let a = fused(&shapes()[0].1);
    let b = Model::from_params(a.config().clone(), a.params().iter().map(|p| p * 0.5).collect());
    let mut burn = burn(&a, Precision::F32);
    burn.load_params(b.params());
    let batch = Batch::new();
    let got = burn.token_stats(&batch.groups(), 100).expect("valid");
    let expected = b.token_stats(&batch.groups(), 100).expect("valid");
    for (got, expected) in got.iter().zip(&expected) {
        assert!(largest_difference(&got.0, &expected.0) < 1e-4);
    }
}

#[test]
fn bf16_gives_the_numbers_of_f32_to_its_precision() {
    let batch = Batch::new();
    for (name, config) in shapes() {
        let fused = fused(&config);
        let burn = burn(&fused, Precision::Bf16);
        let expected = fused.token_stats(&batch.groups(), 1000).expect("valid");
        let got = burn.token_stats(&batch.groups(), 1000).expect("valid");
        for (got, expected) in got.iter().zip(&expected) {
            let worst = largest_difference(&got.0, &expected.0);
            assert!(worst < 0.3, "{name}: log-probs are off by {worst}");
        }
        let (got, expected) = (gradient(&burn, 1000), gradient(&fused, 1000));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(&got, &expected) / (dot(&got, &got) * dot(&expected, &expected)).sqrt();
        assert!(cosine > 0.99, "{name}: gradients point apart, cosine {cosine}");
    }
}

#[test]
fn tokens_and_lengths_are_checked_before_anything_is_computed() {
    let burn = burn(&fused(&shapes()[0].1), Precision::F32);
    let unknown = Group { prompt: &[1, VOCAB as TokenId], completions: vec![&[1]] };
    let error = burn.token_stats(&[unknown], 10).expect_err("unknown");
    assert!(matches!(error, Error::UnknownToken { token: 50, .. }));
    let request = GenerateRequest { prompt: vec![1; 60], streams: Vec::new() };
    let sampling = Sampling { max_tokens: 5, ..Sampling::default() };
    let never = |_: &[TokenId]| None;
    let error = burn.generate(vec![request], &sampling, &never).expect_err("too long");
    assert!(matches!(error, Error::ContextOverflow { tokens: 65, .. }));
}
