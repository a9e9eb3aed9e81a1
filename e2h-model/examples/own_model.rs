//! The model alone: a decoder from nothing continues a text, is saved in the Hugging Face layout, and loaded.
//!
//! `cargo run -p e2h-model --example own_model`
#![expect(clippy::print_stdout, reason = "the completions are this program's output")]

use e2h_core::{GenerateRequest, Policy, Prompt, RootSeed, Sampling};
use e2h_model::{LanguageModel, Model, ModelConfig, TextCodec, WeightFormat};

/// A decoder of a few thousand random weights that knows five words.
fn from_nothing() -> e2h_model::Result<LanguageModel> {
    let words = ["left", "right", "on", "back", "</answer>"].map(str::to_owned);
    let text = TextCodec::word_level(&words)?;
    let shape = ModelConfig {
        hidden_size: 16,
        intermediate_size: 32,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 8,
        ..ModelConfig::nano(text.vocab_size())
    };
    LanguageModel::new(Model::new(shape, &mut RootSeed(0).stream("init", &[])), text)
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `LanguageModel::load(Path::new(FOLDER))` opens a model in the Hugging Face layout instead.
    let mut policy = from_nothing()?;
    let user = "left right".to_owned();
    let prompt = Prompt { system: None, user, assistant_prefix: String::new() };
    let streams = (0..3).map(|sample| RootSeed(1).stream("own_model", &[sample])).collect();
    let request = GenerateRequest { prompt: policy.encode(&prompt)?, streams };
    let sampling = Sampling { max_tokens: 12, ..Sampling::default() };
    for sample in policy.generate(vec![request], &sampling)?.concat() {
        let logprob: f32 = sample.logprobs.iter().sum();
        println!("{} ({logprob:.1} nat)", policy.decode(&sample.tokens)?);
    }

    let folder = std::env::temp_dir().join(format!("e2h-own-model-{}", std::process::id()));
    policy.save(&folder, WeightFormat::F32)?;
    let again = LanguageModel::load(folder.as_path())?;
    assert_eq!(again.engine().weights(), policy.engine().weights());
    println!("saved and loaded {} weights", again.engine().weights().len());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
