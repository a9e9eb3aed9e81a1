//! Shapes of models and of training steps that speed is measured on, the same as the peer's benchmark has.
//!
//! Weights are random where a shape is measured: only sizes matter for speed.

use crate::{Family, ModelConfig};

/// The shape of a model, and what one training step of it works on.
#[derive(Clone, Debug)]
pub struct Workload {
    /// `nano`, `qwen2.5-1.5b`, ...
    pub name: &'static str,
    /// The model's shape; its context is just long enough for the work.
    pub config: ModelConfig,
    /// Tokens of a prompt.
    pub prompt_tokens: usize,
    /// Tokens of a completion.
    pub completion: usize,
    /// Prompts a step.
    pub prompts: usize,
    /// Completions a prompt.
    pub group: usize,
}

/// Vocabulary, width, layers, heads, key/value heads, feed-forward width; then prompt and completion tokens, prompts and
/// group.
type Row = (&'static str, Family, [usize; 6], [usize; 4]);

const ROWS: [Row; 5] = [
    ("nano", Family::Qwen2, [64, 128, 4, 4, 4, 384], [48, 64, 16, 8]),
    ("micro", Family::Qwen2, [256, 256, 6, 8, 4, 768], [64, 96, 8, 8]),
    ("smollm2-135m", Family::Llama, [49_152, 576, 30, 9, 3, 1536], [128, 128, 8, 8]),
    ("qwen2.5-1.5b", Family::Qwen2, [151_936, 1536, 28, 12, 2, 8960], [256, 512, 8, 8]),
    ("qwen2.5-3b", Family::Qwen2, [151_936, 2048, 36, 16, 2, 11_008], [256, 512, 8, 8]),
];

impl Workload {
    /// The names, from small to large.
    pub const NAMES: [&'static str; 5] = [ROWS[0].0, ROWS[1].0, ROWS[2].0, ROWS[3].0, ROWS[4].0];

    /// The workload called `name`.
    ///
    /// ```
    /// let work = e2h_model::Workload::named("qwen2.5-1.5b").expect("a known name");
    /// assert_eq!(e2h_model::Layout::new(&work.config).n_params() / 1_000_000, 1543);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let (name, family, shape, work) = ROWS.into_iter().find(|row| row.0 == name)?;
        let [vocab_size, hidden_size, n_layers, n_heads, n_kv_heads, intermediate_size] = shape;
        let [prompt_tokens, completion, prompts, group] = work;
        let config = ModelConfig {
            family,
            hidden_size,
            intermediate_size,
            n_layers,
            n_heads,
            n_kv_heads,
            head_dim: hidden_size / n_heads,
            qkv_bias: family == Family::Qwen2,
            ..ModelConfig::nano(vocab_size)
        };
        let work = Self { name, config, prompt_tokens, completion, prompts, group };
        Some(work.with_lengths(prompt_tokens, completion))
    }

    /// The same with prompts and completions of other lengths, in tokens.
    #[must_use]
    pub fn with_lengths(mut self, prompt_tokens: usize, completion: usize) -> Self {
        self.config.max_positions = prompt_tokens + completion + 8;
        Self { prompt_tokens, completion, ..self }
    }

    /// Completions a step.
    pub fn sequences(&self) -> usize {
        self.prompts * self.group
    }
}
