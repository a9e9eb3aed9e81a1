//! The least time that a machine can take for a step's work, from what it must move and compute.
//!
//! Decoding is bound by memory. One token of each of `N` sequences reads every matrix once (the embedding table only where
//! it is the head too), and the keys and values of all sequences, `2 L K D` numbers a token of context; on the way through a
//! completion the context is the prompt and half of the completion.
//!
//! An update is bound by arithmetic. A matrix of `w` weights takes `2 w` operations a token forward, `2 w` for the gradient of
//! its input, and `2 w` for its own where it is trained; the head works on completion tokens alone. Causal attention
//! over `T` tokens takes `2 T^2 H D` operations a layer forward and twice that back. Computing layers a second time is no
//! part of the work: a machine that does so reaches less of the bound.
//!
//! # Source
//! Counts as in Chowdhery et al. 2022 (PaLM), appendix B, with frozen weights and the causal half taken into account.

use e2h_model::{Layout, ModelConfig, Workload};

/// What a step of a workload moves and computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    /// Bytes that one token of every sequence reads.
    pub decode_bytes: f64,
    /// Operations of one update.
    pub update_flop: f64,
}

impl Bound {
    /// The bound of `work` with numbers of `bytes` bytes; `trained` says whether all weights are trained, or an adapter of
    /// `adapter` weights.
    pub(super) fn new(work: &Workload, bytes: f64, adapter: Option<usize>) -> Self {
        let config = &work.config;
        let n = work.sequences() as f64;
        let (prompt, completion) = (work.prompt_tokens as f64, work.completion as f64);
        let (layers, head) = matrices(config);
        let cached = 2 * config.n_layers * config.kv_size();
        let context = prompt + completion / 2.0;
        let decode_bytes = bytes * (layers + head + n * context * cached as f64);

        let passes = if adapter.is_some() { 4.0 } else { 6.0 };
        let (all, own) = (n * (prompt + completion), n * completion);
        let length = prompt + completion;
        let attention = 3.0 * n * 2.0 * length.powi(2) * (config.n_layers * config.q_size()) as f64;
        let side = 6.0 * adapter.unwrap_or(0) as f64;
        let update_flop = all * (passes * layers + side) + own * passes * head + attention;
        Self { decode_bytes, update_flop }
    }

    /// Tokens that all sequences together can draw a second.
    pub(super) fn decode_tok_per_s(&self, work: &Workload, copy_bytes_per_s: f64) -> f64 {
        work.sequences() as f64 * copy_bytes_per_s / self.decode_bytes
    }

    /// Tokens of prompts and completions that updates can take in a second.
    pub(super) fn update_tok_per_s(&self, work: &Workload, matmul_flop_per_s: f64) -> f64 {
        let tokens = work.sequences() * (work.prompt_tokens + work.completion);
        tokens as f64 * matmul_flop_per_s / self.update_flop
    }
}

/// Weights in the matrices of all layers, and in the head.
fn matrices(config: &ModelConfig) -> (f64, f64) {
    let layout = Layout::new(config);
    let in_layers = layout.tensors.iter().filter(|spec| spec.name.starts_with("model.layers."));
    let layers: usize =
        in_layers.filter(|spec| !spec.is_vector()).map(|spec| spec.range.len()).sum();
    (layers as f64, (config.vocab_size * config.hidden_size) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_a_published_shape_is_what_arithmetic_by_hand_gives() {
        let work = Workload::named("qwen2.5-1.5b").expect("a known name");
        let bound = Bound::new(&work, 2.0, Some(0));
        // 1.310 G weights in the layers and 0.233 G in the head; 64 contexts of 512 tokens at 28 layers of 2 x 256 numbers.
        let (layers, head) = (1.310e9, 0.2334e9);
        let bytes = 2.0 * (layers + head + 64.0 * 512.0 * 28.0 * 512.0);
        assert!((bound.decode_bytes / bytes - 1.0).abs() < 1e-3, "{bound:?}");
        let attention = 6.0 * 64.0 * 768.0 * 768.0 * 28.0 * 1536.0;
        let flop = 4.0 * (49_152.0 * layers + 32_768.0 * head) + attention;
        assert!((bound.update_flop / flop - 1.0).abs() < 1e-3, "{bound:?}");
        // 3 TB/s move those bytes 703 times a second.
        let rate = bound.decode_tok_per_s(&work, 3e12);
        assert!((rate / 64.0 - 3e12 / bytes).abs() < 1.0, "{rate}");
    }

    #[test]
    fn training_all_weights_is_half_as_much_work_again() {
        let work = Workload::named("nano").expect("a known name");
        let (frozen, trained) = (Bound::new(&work, 4.0, Some(0)), Bound::new(&work, 4.0, None));
        assert!(trained.update_flop > 1.3 * frozen.update_flop);
        assert!(trained.update_flop < 1.5 * frozen.update_flop);
        assert_eq!(trained.decode_bytes, frozen.decode_bytes);
    }
}
