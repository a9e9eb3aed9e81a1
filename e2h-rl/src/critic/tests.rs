//! The whole PPO loss through both engines, and a critic that learns.

use e2h_core::{RootSeed, TokenId};
use e2h_model::{
    AdamW, AdamWConfig, Adapter, BurnDecoder, LoraConfig, Model, ModelConfig, Precision, device,
};

use super::*;
use crate::config::{LossKind, PpoConfig};
use crate::loss::BatchSize;
use crate::minibatch::{PassSums, backward};

const VOCAB: usize = 12;
const PROMPTS: [&[TokenId]; 2] = [&[1, 2, 3], &[4]];
const COMPLETIONS: [&[TokenId]; 4] = [&[5, 6, 7], &[8], &[9, 10, 11, 5], &[6, 6]];

fn shape() -> ModelConfig {
    ModelConfig {
        hidden_size: 16,
        intermediate_size: 24,
        n_layers: 1,
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 8,
        initializer_range: 0.3,
        ..ModelConfig::nano(VOCAB)
    }
}

fn model() -> Model {
    Model::new(shape(), &mut RootSeed(3).stream("init", &[]))
}

fn config() -> GrpoConfig {
    GrpoConfig {
        loss: LossKind::Ppo,
        kl_beta: 0.05,
        entropy_coef: 0.01,
        ppo: PpoConfig { value_coef: 0.5, ..PpoConfig::default() },
        ..GrpoConfig::default()
    }
}

/// Four completions of two prompts, whose behaviour is near the policy.
fn minibatch(engine: &dyn Engine) -> Minibatch<'static> {
    let row = |i: usize| Row {
        prompt: PROMPTS[i / 2],
        completion: COMPLETIONS[i],
        reward: [1.0, 0.0, 0.4, -0.5][i],
        group: i / 2,
        member: i % 2,
        ..Row::default()
    };
    let groups = vec![vec![row(0), row(1)], vec![row(2), row(3)]];
    let size = BatchSize {
        sequences: 4.0,
        tokens: 10.0,
        mean_tokens: 10.0,
        active_tokens: 10.0,
        max_tokens: 6.0,
    };
    let mut minibatch = Minibatch { groups, size };
    let stats = engine.token_stats(&minibatch.packed(), 100).expect("valid tokens");
    for (row, (logprobs, _)) in minibatch.groups.iter_mut().flatten().zip(stats) {
        // Away from a ratio of exactly 1, and within the clip range.
        let moved = |by: f64| wide(&logprobs).iter().map(|logprob| logprob + by).collect();
        (row.behaviour, row.reference) = (Some(moved(0.05)), Some(moved(-0.1)));
    }
    minibatch
}

fn critic(weights: f32) -> Critic {
    let mut critic = Critic::of(&config(), 16).expect("the settings are PPO's");
    critic.head.update_params(|_, params| {
        let fill = |(i, value): (usize, &mut f32)| *value = weights * ((i * 7 % 5) as f32 - 1.7);
        params.iter_mut().enumerate().for_each(fill);
    });
    critic
}

/// A minibatch that a critic has judged, which has moved on a little since.
fn judged(engine: &dyn Engine) -> (Minibatch<'static>, Critic) {
    let mut minibatches = [minibatch(engine)];
    critic(0.1).judge(engine, &mut minibatches, &config(), 100).expect("valid tokens");
    let [minibatch] = minibatches;
    (minibatch, critic(0.11))
}

fn pass(
    engine: &dyn Engine,
    minibatch: &Minibatch<'_>,
    head: &ValueHead,
    budget: usize,
) -> (PassSums, Vec<f32>, Vec<f32>) {
    let config = GrpoConfig { token_budget: budget, ..config() };
    let mut grads = vec![0.0; engine.params().len()];
    let mut head_grads = vec![0.0; head.params().len()];
    let head = Some((head, head_grads.as_mut_slice()));
    let sums = backward(engine, minibatch, &config, &mut grads, head).expect("valid tokens");
    (sums, grads, head_grads)
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

/// Compares the norm of each tensor's gradient with the slope of the loss along it.
fn check_gradient(engine: &mut dyn Engine) {
    let name = engine.name();
    let (minibatch, Critic { mut head, .. }) = judged(engine);
    let (sums, grads, head_grads) = pass(engine, &minibatch, &head, 100);
    assert!(sums.value_loss > 0.01 && sums.value_clipped < sums.n_tokens, "{sums:?}");
    let step = 2e-3;
    let layout = engine.layout().clone();
    let mut n_checked = 0;
    for spec in &layout.tensors {
        let along = grads[spec.range.clone()].to_vec();
        let length = norm(&along);
        if length < 1e-3 {
            continue;
        }
        let mut at = |by: f64| {
            let before = engine.params().to_vec();
            let scale = (by / length) as f32;
            engine.update_params(&mut |_, params| {
                let pairs = params[spec.range.clone()].iter_mut().zip(&along);
                pairs.for_each(|(param, d)| *param += scale * d);
            });
            let loss = pass(engine, &minibatch, &head, 100).0.loss;
            engine.update_params(&mut |_, params| params.copy_from_slice(&before));
            loss
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        let tolerance = 1e-3 + 0.01 * length;
        assert!((slope - length).abs() < tolerance, "{name} {}: {slope} {length}", spec.name);
        n_checked += 1;
    }
    assert!(n_checked > 0, "no gradient to speak of");
    for (i, grad) in head_grads.iter().enumerate() {
        let before = head.params().to_vec();
        let mut at = |by: f32| {
            head.update_params(|_, params| params[i] += by);
            let loss = pass(engine, &minibatch, &head, 100).0.loss;
            head.update_params(|_, params| params.copy_from_slice(&before));
            loss
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        let grad = f64::from(*grad);
        assert!((slope - grad).abs() < 1e-3, "{name}, head {i}: {slope} {grad}");
    }
}

#[test]
fn the_gradient_of_the_whole_loss_equals_finite_differences_on_both_engines() {
    let mut fused = model();
    check_gradient(&mut fused);
    let device = device("cpu").expect("always there").device;
    let params = model().params().to_vec();
    let mut burn = BurnDecoder::new(shape(), params, &device, Precision::F32).expect("f32");
    check_gradient(&mut burn);
    let lora = LoraConfig { rank: 3, dropout: 0.0, ..LoraConfig::default() };
    fused.set_adapter(Some(Adapter::new(lora, &shape(), &mut RootSeed(4).stream("lora", &[]))));
    fused.update_params(|_, params| params.iter_mut().for_each(|value| *value += 0.05));
    check_gradient(&mut fused);
}

#[test]
fn engines_agree_on_values_and_gradients_however_the_batch_is_cut() {
    let fused = model();
    let device = device("cpu").expect("always there").device;
    let params = fused.params().to_vec();
    let burn = BurnDecoder::new(shape(), params, &device, Precision::F32).expect("f32");
    let (minibatch, Critic { head, .. }) = judged(&fused);
    let values = fused.values(&minibatch.packed(), 100, &head).expect("valid tokens");
    assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 4, 2]);
    let (sums, grads, head_grads) = pass(&fused, &minibatch, &head, 100);
    for engine in [&fused as &dyn Engine, &burn] {
        for budget in [1, 6, 100] {
            let what = format!("{} {budget}", engine.name());
            let again = engine.values(&minibatch.packed(), budget, &head).expect("valid tokens");
            let (cut, cut_grads, cut_head) = pass(engine, &minibatch, &head, budget);
            assert!((cut.loss - sums.loss).abs() < 1e-5, "{what}");
            assert!((cut.value_loss - sums.value_loss).abs() < 1e-5, "{what}");
            let pairs = grads.iter().chain(&head_grads).zip(cut_grads.iter().chain(&cut_head));
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{what}: {worst}");
            for (a, b) in values.concat().iter().zip(again.concat()) {
                assert!((a - b).abs() < 1e-5, "{what}");
            }
        }
    }
}

#[test]
fn a_fresh_head_expects_nothing_and_its_advantages_are_those_of_the_rewards() {
    let engine = model();
    let config = GrpoConfig {
        kl_beta: 0.0,
        ppo: PpoConfig { lambda: 1.0, whiten: false, ..PpoConfig::default() },
        ..config()
    };
    let mut minibatches = [minibatch(&engine)];
    let judgement = Critic::of(&config, 16)
        .expect("the settings are PPO's")
        .judge(&engine, &mut minibatches, &config, 100)
        .expect("valid tokens");
    assert_eq!((judgement.value, judgement.kl_reward), (0.0, 0.0));
    assert_eq!(judgement.explained_variance, Some(0.0));
    for row in minibatches[0].groups.iter().flatten() {
        assert!(row.advantages.iter().all(|advantage| *advantage == row.reward), "{row:?}");
    }
    assert!(Critic::of(&GrpoConfig::default(), 16).is_none());
}

#[test]
fn whitened_advantages_have_mean_0_and_variance_1_and_the_penalty_is_in_the_returns() {
    let engine = model();
    let mut minibatches = [minibatch(&engine)];
    let judgement =
        critic(0.1).judge(&engine, &mut minibatches, &config(), 100).expect("valid tokens");
    let rows: Vec<&Row<'_>> = minibatches[0].groups.iter().flatten().collect();
    let all: Vec<f64> = rows.iter().flat_map(|row| &row.advantages).copied().collect();
    let (mean, variance) = moments(&all);
    assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-6, "{mean} {variance}");
    // Each token's log-prob was 0.15 over the reference's, and the four completions have 10 tokens.
    assert!((judgement.kl_reward + 0.05 * 0.15 * 10.0 / 4.0).abs() < 1e-9, "{judgement:?}");
}

#[test]
fn the_value_loss_of_fixed_rollouts_falls() {
    let mut engine = model();
    let config = GrpoConfig { kl_beta: 0.0, ..config() };
    let mut critic = Critic::of(&config, 16).expect("the settings are PPO's");
    let mut optimizer = AdamW::new(AdamWConfig::default(), engine.params().len());
    let mut losses = Vec::new();
    for _ in 0..60 {
        let mut minibatches = [minibatch(&engine)];
        critic.judge(&engine, &mut minibatches, &config, 100).expect("valid tokens");
        let (sums, grads, head_grads) = pass(&engine, &minibatches[0], &critic.head, 100);
        losses.push(sums.value_loss);
        engine.update_params(|layout, params| optimizer.update(layout, params, &grads, 1e-3));
        critic.update(&head_grads, 1e-2);
    }
    // Two completions of a prompt share its first state, so what they earned apart stays.
    assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
}
