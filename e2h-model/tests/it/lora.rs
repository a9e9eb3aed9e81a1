//! Adapters on every projection: both engines agree, gradients are those of finite differences, PEFT opens the files.

use std::process::Command;

use e2h_core::{FinishReason, GenerateRequest, RootSeed, Sampling, TokenId};
use e2h_model::{
    Adapter, BurnDecoder, Engine, Family, Group, LoraConfig, Model, ModelConfig, Precision,
    Projection, TokenGrads, TokenStats, WeightFormat, device,
};

use crate::goldens::largest_difference;

const VOCAB: usize = 50;

fn config() -> ModelConfig {
    ModelConfig {
        family: Family::Qwen2,
        qkv_bias: true,
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

/// An adapter on all projections, with factors that are all at work.
fn adapter(rank: usize, dropout: f64) -> Adapter {
    let targets = Projection::ALL.to_vec();
    let lora = LoraConfig { rank, alpha: 1.5 * rank as f64, dropout, targets, rslora: false };
    let adapter = Adapter::new(lora, &config(), &mut RootSeed(3).stream("lora", &[]));
    let mut model = Model::new(config(), &mut RootSeed(1).stream("init", &[]));
    model.set_adapter(Some(adapter));
    model.update_params(|_, params| {
        for (i, value) in params.iter_mut().enumerate() {
            *value += 0.1 * ((i * 7 % 11) as f32 - 5.0) / 5.0;
        }
    });
    model.adapter().expect("just set").clone()
}

fn fused(adapter: &Adapter) -> Model {
    let mut model = Model::new(config(), &mut RootSeed(1).stream("init", &[]));
    model.set_adapter(Some(adapter.clone()));
    model
}

fn burn(adapter: &Adapter) -> BurnDecoder {
    let device = device("cpu").expect("always there").device;
    let weights = fused(adapter).weights().to_vec();
    let burn = BurnDecoder::new(config(), weights, &device, Precision::F32);
    let mut burn = burn.expect("f32 is supported");
    burn.set_adapter(Some(adapter.clone()));
    burn
}

fn tokens(seed: usize, n: usize) -> Vec<TokenId> {
    (0..n).map(|i| ((seed * 31 + i * (seed % 5 + 7) + i * i) % VOCAB) as TokenId).collect()
}

/// Three prompts with three completions each.
fn batch() -> Vec<(Vec<TokenId>, Vec<Vec<TokenId>>)> {
    let completions = |i: usize| (0..3).map(move |j| tokens(i + 11 * j, (5 * i + 7 * j) % 9));
    (0..3).map(|i| (tokens(i + 90, 3 + i), completions(i).collect())).collect()
}

fn groups(batch: &[(Vec<TokenId>, Vec<Vec<TokenId>>)]) -> Vec<Group<'_>> {
    batch
        .iter()
        .map(|(prompt, completions)| Group {
            prompt,
            completions: completions.iter().map(Vec::as_slice).collect(),
        })
        .collect()
}

/// The gradient of a loss with a different weight at every token.
fn gradient(engine: &mut dyn Engine, budget: usize) -> Vec<f32> {
    engine.set_dropout_stream(RootSeed(5).stream("dropout", &[1]));
    let mut grads = vec![0.0; engine.params().len()];
    let loss = |stats: &TokenStats<'_>| {
        let mut given = TokenGrads { d_logprobs: Vec::new(), d_entropies: Vec::new() };
        for (sequence, range) in stats.sequences.iter().zip(stats.offsets.windows(2)) {
            for place in 0..range[1] - range[0] {
                given.d_logprobs.push(0.1 * ((sequence + 2 * place) % 5) as f32 - 0.15);
                given.d_entropies.push(0.05 * *sequence as f32 - 0.1);
            }
        }
        given
    };
    let batch = batch();
    engine.backward(&groups(&batch), budget, &mut grads, &loss).expect("valid tokens");
    grads
}

#[test]
fn engines_agree_on_the_gradient_with_and_without_dropout_however_the_batch_is_cut() {
    for (rank, dropout) in [(1, 0.0), (4, 0.0), (3, 0.3)] {
        let adapter = adapter(rank, dropout);
        let expected = gradient(&mut fused(&adapter), 1000);
        let scale = expected.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert!(scale > 1e-3);
        for budget in [1, 40] {
            let cut = gradient(&mut fused(&adapter).with_threads(2), budget);
            assert!(largest_difference(&cut, &expected) < 1e-4 * scale);
            let burn = gradient(&mut burn(&adapter), budget);
            let worst = largest_difference(&burn, &expected);
            assert!(worst < 1e-3 * scale, "rank {rank}, dropout {dropout}: {worst} of {scale}");
        }
    }
}

#[test]
fn dropout_is_of_training_alone_and_changes_with_its_stream() {
    let mut model = fused(&adapter(4, 0.3));
    let batch = batch();
    let stats = |model: &Model| model.token_stats(&groups(&batch), 100).expect("valid tokens");
    let before = stats(&model);
    let first = gradient(&mut model, 100);
    model.set_dropout_stream(RootSeed(5).stream("dropout", &[2]));
    assert_eq!(before, stats(&model));
    let mut second = vec![0.0; first.len()];
    let loss = |stats: &TokenStats<'_>| TokenGrads {
        d_logprobs: vec![1.0; stats.logprobs.len()],
        d_entropies: vec![0.0; stats.logprobs.len()],
    };
    let mut third = second.clone();
    model.backward(&groups(&batch), 100, &mut second, loss).expect("valid tokens");
    model.set_dropout_stream(RootSeed(5).stream("dropout", &[3]));
    model.backward(&groups(&batch), 100, &mut third, loss).expect("valid tokens");
    assert!(largest_difference(&second, &third) > 1e-3);
}

#[test]
fn rollouts_with_an_adapter_have_the_trainers_logprobs_and_do_not_depend_on_neighbours() {
    let requests: Vec<GenerateRequest> = (0..12)
        .map(|i| GenerateRequest {
            prompt: tokens(i + 40, 1 + i * 5 % 8),
            streams: (0..3).map(|j| RootSeed(9).stream("rollout", &[i as u64, j])).collect(),
        })
        .collect();
    let stop = |tokens: &[TokenId]| (tokens.last() == Some(&3)).then_some(FinishReason::Eos);
    let sampling = Sampling { max_tokens: 20, ..Sampling::default() };
    for rank in [1, 2, 4, 16] {
        let adapter = adapter(rank, 0.1);
        let (fused, burn) = (fused(&adapter).with_threads(2), burn(&adapter));
        for engine in [&fused as &dyn Engine, &burn] {
            let generated = engine.generate(requests.clone(), &sampling, &stop).expect("valid");
            let groups: Vec<Group<'_>> = requests
                .iter()
                .zip(&generated)
                .map(|(request, group)| Group {
                    prompt: &request.prompt,
                    completions: group.iter().map(|g| g.tokens.as_slice()).collect(),
                })
                .collect();
            let stats = engine.token_stats(&groups, 100).expect("valid");
            for (generation, (logprobs, _)) in generated.iter().flatten().zip(&stats) {
                for (sampled, trained) in generation.logprobs.iter().zip(logprobs) {
                    let ratio = (trained - sampled).exp();
                    let name = engine.name();
                    assert!((ratio - 1.0).abs() < 1e-5, "{name}, rank {rank}: ratio {ratio}");
                }
            }
            if engine.name() == "fused" {
                let mut alone = requests[7].clone();
                alone.streams = vec![alone.streams.swap_remove(2)];
                let again = engine.generate(vec![alone], &sampling, &stop).expect("valid");
                assert_eq!(again[0][0], generated[7][2], "rank {rank}");
            }
        }
    }
}

/// Loads a model folder and an adapter folder and prints the log-probs of `tokens` after the first.
const PEFT_PROGRAM: &str = r"
import sys, torch
from transformers import AutoModelForCausalLM
from peft import PeftModel
base, adapter, tokens = sys.argv[1], sys.argv[2], [int(t) for t in sys.argv[3].split(',')]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, adapter).eval()
with torch.no_grad():
    logits = model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
print(' '.join(str(logits[i, t].item()) for i, t in enumerate(tokens[1:])))
";

#[test]
fn peft_opens_our_adapters_with_equal_logprobs() {
    let Ok(python) = std::env::var("E2H_PYTHON") else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: E2H_PYTHON names no Python with peft");
        }
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (base, saved) = (folder.path().join("base"), folder.path().join("adapter"));
    for rslora in [false, true] {
        let lora = LoraConfig { rslora, ..adapter(3, 0.1).config().clone() };
        let mut model = fused(&adapter(3, 0.1));
        let factors = model.params().to_vec();
        let other = Adapter::new(lora, &config(), &mut RootSeed(3).stream("lora", &[]));
        model.set_adapter(Some(other));
        model.update_params(|_, params| params.copy_from_slice(&factors));
        model.save(&base, WeightFormat::F32).expect("saved");
        let adapter = model.adapter().expect("just set");
        adapter.save(&saved, base.to_str(), WeightFormat::F32).expect("saved");
        let row = tokens(4, 12);
        let text = row.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new(&python);
        command.args(["-c", PEFT_PROGRAM]).arg(&base).arg(&saved).arg(text);
        let output = command.output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("text");
        let theirs: Vec<f32> =
            printed.split_whitespace().map(|x| x.parse().expect("a number")).collect();
        let group = Group { prompt: &row[..1], completions: vec![&row[1..]] };
        let ours = &model.token_stats(&[group], 100).expect("valid")[0].0;
        let worst = largest_difference(ours, &theirs);
        assert!(worst < 1e-4, "rslora {rslora}: off by {worst}");
    }
}
