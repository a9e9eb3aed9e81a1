//! Adapters on every projection: both engines agree with and without dropout; PEFT's files load here and ours there.
//!
//! The files in `fixtures/lora` were written by PEFT, and its logits computed, by `make.py` beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2h_core::{RootSeed, Sampling};
use e2h_model::{
    Adapter, BurnDecoder, Engine, Group, LoraConfig, Model, ModelConfig, Precision, Projection,
    TokenGrads, TokenStats, WeightFormat,
};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::small::{Batch, largest_difference, qwen2, ratios_are_one, requests, stop, tokens};

fn config() -> ModelConfig {
    qwen2()
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
    let mut burn = crate::small::burn(&fused(adapter), Precision::F32);
    burn.set_adapter(Some(adapter.clone()));
    burn
}

/// The gradient of a loss with a different weight at every token, with one draw of dropout.
fn gradient(engine: &mut dyn Engine, budget: usize) -> Vec<f32> {
    engine.set_dropout_stream(RootSeed(5).stream("dropout", &[1]));
    crate::small::gradient(engine, budget)
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
    let batch = Batch::new();
    let stats = |model: &Model| model.token_stats(&batch.groups(), 100).expect("valid tokens");
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
    model.backward(&batch.groups(), 100, &mut second, loss).expect("valid tokens");
    model.set_dropout_stream(RootSeed(5).stream("dropout", &[3]));
    model.backward(&batch.groups(), 100, &mut third, loss).expect("valid tokens");
    assert!(largest_difference(&second, &third) > 1e-3);
}

#[test]
fn rollouts_with_an_adapter_have_the_trainers_logprobs_and_do_not_depend_on_neighbours() {
    let requests = requests(12, 3);
    let sampling = Sampling { max_tokens: 20, ..Sampling::default() };
    for rank in [1, 2, 4, 16] {
        let adapter = adapter(rank, 0.1);
        let (fused, burn) = (fused(&adapter).with_threads(2), burn(&adapter));
        for engine in [&fused as &dyn Engine, &burn] {
            let generated = engine.generate(requests.clone(), &sampling, &stop).expect("valid");
            ratios_are_one(engine, &requests, &generated);
            if engine.name() == "fused" {
                let mut alone = requests[7].clone();
                alone.streams = vec![alone.streams.swap_remove(2)];
                let again = engine.generate(vec![alone], &sampling, &stop).expect("valid");
                assert_eq!(again[0][0], generated[7][2], "rank {rank}");
            }
        }
    }
}

/// A folder of `fixtures/lora`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lora").join(name)
}

/// The adapters of `fixtures/lora`: on queries and values, on all linear layers, on two of the feed-forward layer.
const FIXTURES: [&str; 3] = ["qv", "all", "mlp"];

/// The tensors of a safetensors file.
fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("readable");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let owned = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        (name.to_owned(), (view.shape().to_vec(), view.data().to_vec()))
    };
    file.iter().map(owned).collect()
}

/// Fails unless the engine has the logits `name` that PEFT computed.
fn has_logits(engine: &dyn Engine, name: &str) {
    let expected = tensors(&fixture("expected.safetensors"));
    let words = |name: &str| expected[name].1.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
    let ids: Vec<u32> = words("input_ids").map(u32::from_le_bytes).collect();
    let want: Vec<f32> = words(name).map(f32::from_le_bytes).collect();
    let per_row = want.len() / 2;
    for (ids, want) in ids.chunks(12).zip(want.chunks(per_row)) {
        let worst = largest_difference(&engine.logits(ids).expect("valid"), want);
        assert!(worst < 1e-4, "{}: {name} are off by {worst}", engine.name());
    }
}

#[test]
fn adapters_that_peft_wrote_have_its_logits_on_merged_and_unmerged() {
    for name in FIXTURES {
        let model = Model::load(&fixture("base")).expect("loadable");
        let adapter = Adapter::load(&fixture(name), model.config()).expect("loadable");
        let burn = crate::small::burn(&model, Precision::F32);
        let engines: [Box<dyn Engine>; 2] = [Box::new(model), Box::new(burn)];
        for mut engine in engines {
            has_logits(engine.as_ref(), "logits");
            let key = format!("logits.{name}");
            engine.set_adapter(Some(adapter.clone()));
            has_logits(engine.as_ref(), &key);
            let adapter = engine.merge_adapter().expect("there is one");
            assert!(engine.adapter().is_none());
            has_logits(engine.as_ref(), &key);
            engine.unmerge_adapter(adapter);
            has_logits(engine.as_ref(), &key);
            engine.set_adapter(None);
            has_logits(engine.as_ref(), "logits");
        }
    }
}

#[test]
fn our_files_have_the_tensors_and_settings_of_pefts() {
    let model = Model::load(&fixture("base")).expect("loadable");
    for name in FIXTURES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let adapter = Adapter::load(&fixture(name), model.config()).expect("loadable");
        adapter.save(folder.path(), Some("base"), WeightFormat::F32).expect("saved");
        let [ours, theirs] = [folder.path(), fixture(name).as_path()].map(|folder| {
            let text = std::fs::read_to_string(folder.join("adapter_config.json"));
            let config: Value = serde_json::from_str(&text.expect("readable")).expect("JSON");
            (tensors(&folder.join("adapter_model.safetensors")), config)
        });
        assert!(ours.0 == theirs.0, "{name}: names, shapes and bytes of the factors");
        for (key, value) in ours.1.as_object().expect("an object") {
            match key.as_str() {
                // PEFT lists them by suffix in any order, or by their full names.
                "target_modules" => {
                    let theirs = theirs.1[key].as_array().expect("a list");
                    let ends_with = |suffix: &str| {
                        let mut names = theirs.iter().filter_map(Value::as_str);
                        names.any(|name| name.ends_with(suffix))
                    };
                    let ours = value.as_array().expect("a list");
                    assert!(ours.iter().filter_map(Value::as_str).all(ends_with), "{value}");
                }
                "r" | "lora_alpha" | "lora_dropout" => {
                    assert_eq!(value.as_f64(), theirs.1[key].as_f64(), "{name}: {key}");
                }
                _ => assert_eq!(value, &theirs.1[key], "{name}: {key}"),
            }
        }
    }
}

const PEFT_PROGRAM: &str = include_str!("peft.py");

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
