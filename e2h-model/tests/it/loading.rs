//! Loading: every file at fault is named with what is wrong, and no second copy of the weights is made.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use e2h_core::RootSeed;
use e2h_model::{Engine, Error, Model, ModelConfig, RopeScaling, WeightFormat};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use crate::small::{largest_difference, llama, tokens};

thread_local! {
    /// Bytes that this thread holds, and the most that it has held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, which counts what each thread holds.
struct Counting;

impl Counting {
    fn add(bytes: isize) {
        // A thread that ends has no counter any more.
        let _ = HELD.try_with(|held| {
            let (now, most) = held.get();
            held.set((now + bytes, most.max(now + bytes)));
        });
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::add(-(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` holds over what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    let result = work();
    (result, HELD.with(|held| held.get().1) - before)
}

fn saved(format: WeightFormat) -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = Model::new(llama(), &mut RootSeed(3).stream("init", &[]));
    model.save(folder.path(), format).expect("saved");
    (folder, model)
}

#[test]
fn loading_holds_the_weights_and_little_more() {
    let config = ModelConfig { hidden_size: 256, n_layers: 4, ..ModelConfig::micro(8000) };
    let model = Model::new(config, &mut RootSeed(3).stream("init", &[]));
    let weights = (4 * model.weights().len()) as isize;
    for format in [WeightFormat::F32, WeightFormat::Bf16] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        model.save(folder.path(), format).expect("saved");
        let (loaded, most) = most_held(|| Model::load(folder.path()).expect("loadable"));
        assert!(most >= weights && most < weights * 11 / 10, "{most} bytes for {weights}");
        let (parts, more) = most_held(|| Box::new(loaded).into_parts());
        assert!(more < weights / 10, "taking apart copies {more} bytes of {}", parts.1.len());
    }
}

/// Changes `config.json` of a folder.
fn change(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).expect("readable");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut json);
    fs::write(&path, json.to_string()).expect("written");
}

/// Writes the weights anew, without the tensors that `keep` drops, in the format that it says.
fn rewrite(folder: &Path, keep: impl Fn(&str) -> Option<Dtype>) {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).expect("readable");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let views: Vec<_> = file
        .iter()
        .filter_map(|(name, view)| {
            let dtype = keep(name)?;
            let view = TensorView::new(dtype, view.shape().to_vec(), view.data());
            Some((name.to_owned(), view.expect("of the same size")))
        })
        .collect();
    let bytes = serialize(views, None).expect("serialises");
    fs::write(&path, bytes).expect("written");
}

#[test]
fn what_is_wrong_with_a_model_is_named() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &str); 14] = [
        (
            "another architecture",
            |folder| change(folder, |json| json["model_type"] = json!("mamba2")),
            "config.json: model_type `mamba2` is not supported (supported: llama, qwen2, qwen3)",
        ),
        (
            "no architecture",
            |folder| change(folder, |json| json["model_type"] = Value::Null),
            "config.json: has no `model_type`",
        ),
        (
            "rope type at the top level",
            |folder| change(folder, |json| json["rope_scaling"] = json!({"type": "yarn"})),
            "rope type `yarn` is not supported (supported: default, linear, llama3)",
        ),
        (
            "rope type in rope_parameters",
            |folder| {
                change(folder, |json| json["rope_parameters"] = json!({"rope_type": "longrope"}));
                change(folder, |json| json["rope_scaling"] = Value::Null);
            },
            "rope type `longrope` is not supported",
        ),
        (
            "a factor too few",
            |folder| change(folder, |json| json["rope_scaling"] = json!({"rope_type": "linear"})),
            "rope scaling has no number `factor`",
        ),
        (
            "rotation of a part of a head",
            |folder| change(folder, |json| json["partial_rotary_factor"] = json!(0.5)),
            "`partial_rotary_factor` 0.5 is not supported",
        ),
        (
            "another activation",
            |folder| change(folder, |json| json["hidden_act"] = json!("gelu")),
            "hidden_act `gelu` is not supported",
        ),
        (
            "sliding windows",
            |folder| change(folder, |json| json["layer_types"] = json!(["sliding_attention"])),
            "layer type `sliding_attention` is not supported",
        ),
        (
            "an absent tensor",
            |folder| {
                rewrite(folder, |name| {
                    (name != "model.layers.1.mlp.up_proj.weight").then_some(Dtype::F32)
                });
            },
            "model.safetensors: tensor `model.layers.1.mlp.up_proj.weight` is missing",
        ),
        (
            "a tensor of another shape",
            |folder| change(folder, |json| json["intermediate_size"] = json!(50)),
            "_proj.weight` has shape [",
        ),
        (
            "numbers of another kind",
            |folder| {
                rewrite(folder, |name| match name {
                    "model.norm.weight" => Some(Dtype::I32),
                    _ => Some(Dtype::F32),
                });
            },
            "tensor `model.norm.weight` has dtype I32 (supported: F64, F32, F16, BF16)",
        ),
        (
            "half a file",
            |folder| {
                let path = folder.join("model.safetensors");
                let bytes = fs::read(&path).expect("readable");
                fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
            },
            "model.safetensors: is not a safetensors file",
        ),
        (
            "an absent shard",
            |folder| {
                let map = json!({"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}});
                let path = folder.join("model.safetensors.index.json");
                fs::write(path, map.to_string()).expect("written");
            },
            "cannot read",
        ),
        (
            "no configuration",
            |folder| fs::remove_file(folder.join("config.json")).expect("removed"),
            "config.json",
        ),
    ];
    for (what, damage, expected) in cases {
        let (folder, _) = saved(WeightFormat::F32);
        damage(folder.path());
        let error = Model::load(folder.path()).expect_err(what).to_string();
        assert!(error.contains(expected), "{what}: {error}");
        let checked = Model::check_files(folder.path()).expect_err(what).to_string();
        assert!(checked.contains(expected), "{what}: the check says {checked}");
    }
}

#[test]
fn both_forms_of_a_config_say_the_same() {
    let (folder, model) = saved(WeightFormat::F32);
    let scaling = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    });
    change(folder.path(), |json| {
        json["rope_theta"] = json!(500.0);
        json["rope_scaling"] = scaling.clone();
    });
    let top = Model::load(folder.path()).expect("loadable");
    change(folder.path(), |json| {
        let fields = json.as_object_mut().expect("an object");
        fields.remove("rope_theta");
        let mut nested = fields.remove("rope_scaling").expect("just set");
        nested["rope_theta"] = json!(500.0);
        fields.insert("rope_parameters".to_owned(), nested);
    });
    let nested = Model::load(folder.path()).expect("loadable");
    assert_eq!(top.config(), nested.config());
    assert!(matches!(top.config().rope_scaling, RopeScaling::Llama3 { .. }));
    let logits = |model: &Model| model.logits(&tokens(1, 40)).expect("valid");
    assert_eq!(logits(&top), logits(&nested));
    assert!(largest_difference(&logits(&top), &logits(&model)) > 1e-3, "the scaling is at work");
}

#[test]
fn logits_of_no_tokens_or_unknown_ones_are_refused() {
    let (_folder, model) = saved(WeightFormat::F32);
    assert!(matches!(model.logits(&[]), Err(Error::Tokenizer(_))));
    assert!(matches!(model.logits(&[50]), Err(Error::UnknownToken { token: 50, .. })));
}
