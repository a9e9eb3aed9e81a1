//! What both engines promise of generation: streams of their own, the trainer's log-probs, places that are filled again.

use e2h_core::{FinishReason, GenerateRequest, Generation, RootSeed, Sampling};
use e2h_model::{Engine, Error, Model, ModelConfig, Precision};

use crate::small::{burn, llama, ratios_are_one, requests, stop};

fn model() -> Model {
    Model::new(llama(), &mut RootSeed(1).stream("init", &[]))
}

fn sampling() -> Sampling {
    Sampling { max_tokens: 24, ..Sampling::default() }
}

#[test]
fn a_completion_does_not_depend_on_its_neighbours_or_on_threads() {
    let all = model().with_threads(2).generate(requests(40, 8), &sampling(), &stop).expect("valid");
    assert!(all.iter().flatten().any(|g| g.finish == FinishReason::Eos));
    assert!(all.iter().flatten().any(|g| g.finish == FinishReason::Length));
    let one = model().with_threads(1);
    for index in [0, 7, 39] {
        for sample in [0, 5] {
            let mut request = requests(40, 8).swap_remove(index);
            request.streams = vec![request.streams.swap_remove(sample)];
            let alone = one.generate(vec![request], &sampling(), &stop).expect("valid");
            assert_eq!(alone[0][0], all[index][sample], "request {index}, sample {sample}");
        }
    }
}

#[test]
fn the_log_probs_that_were_sampled_with_are_the_trainers_in_both_engines() {
    let fused = model().with_threads(2);
    let burn = burn(&fused, Precision::F32);
    let cut = Sampling { temperature: 0.7, top_k: 20, top_p: 0.9, min_p: 0.01, ..sampling() };
    for sampling in [sampling(), cut] {
        for engine in [&fused as &dyn Engine, &burn] {
            let generated = engine.generate(requests(10, 4), &sampling, &stop).expect("valid");
            ratios_are_one(engine, &requests(10, 4), &generated);
        }
    }
}

#[test]
fn more_samples_than_are_decoded_at_a_time_all_come_in_order() {
    // 600 samples: more than two workers, or the burn engine's batch, hold.
    let requests = requests(150, 4);
    let fused = model().with_threads(2);
    let burn = burn(&fused, Precision::F32);
    let short = Sampling { max_tokens: 6, ..Sampling::default().greedy() };
    let all = fused.generate(requests.clone(), &short, &stop).expect("valid");
    let other = burn.generate(requests.clone(), &short, &stop).expect("valid");
    let tokens = |all: &[Vec<Generation>]| -> Vec<Vec<u32>> {
        all.iter().flatten().map(|g| g.tokens.clone()).collect()
    };
    assert_eq!(tokens(&all), tokens(&other));
    for (index, group) in all.iter().enumerate() {
        assert_eq!(group.len(), 4);
        // Greedy samples of one prompt are equal, and those of prompt i are those of a batch of its own.
        assert!(group.iter().all(|g| g.tokens == group[0].tokens));
        if index % 37 == 0 {
            let alone = fused.generate(vec![requests[index].clone()], &short, &stop);
            assert_eq!(alone.expect("valid")[0], *group);
        }
    }
}

#[test]
fn a_prompt_over_the_context_is_refused() {
    let model = Model::new(ModelConfig::nano(50), &mut RootSeed(1).stream("init", &[]));
    let request = GenerateRequest { prompt: vec![1; 500], streams: vec![] };
    let error = model.generate(vec![request], &sampling(), &stop).expect_err("too long");
    assert!(matches!(error, Error::ContextOverflow { tokens: 524, .. }), "{error}");
}
