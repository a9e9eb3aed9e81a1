//! Log-probs and entropies of next tokens, and their gradient, without ever holding `[M, V]`.
//!
//! With logits `z`, `logp_t = z_t - logsumexp(z)` and entropy `h = logsumexp(z) - sum_j p_j z_j`. The gradient
//! of `sum(logp_t d_logp + h d_h)` is `d z_j = [j = t] d_logp - p_j (d_logp + d_h (log p_j + h))`.
//!
//! # Deviations
//! - The head is kept out of autodiff, whose graph would hold every chunk's logits until the backward pass.
//!   The formula above takes its place; the rest of the decoder goes through autodiff.
//!
//! # Invariants
//! - Memory is bounded by [`CHUNK_ELEMENTS`] logits, a few times over, whatever the number of tokens.
//! - Logits, log-probs and entropies are f32.

use burn::tensor::{FloatDType, IndexingUpdateOp, Int, Tensor};
use e2h_core::TokenId;

use super::BurnDecoder;
use super::device::read;
use super::padded::micro_batches;
use super::tensors::{floats, ints};
use crate::batch::check_tokens;
use crate::{Group, Result, TokenGrads};

/// Most logits in memory at a time: 256 MiB of f32.
const CHUNK_ELEMENTS: usize = 1 << 26;

/// The head over the hidden states of some queries, all without autodiff.
pub(crate) struct Head<'a> {
    /// `[V, C]`
    pub weight: Tensor<2>,
    /// `[Q, C]`
    pub hidden: Tensor<2>,
    /// The token that came, one a query.
    pub targets: &'a [i32],
    /// Most logits in memory at a time.
    pub chunk_elements: usize,
}

/// Softmax of one chunk of queries.
struct Chunk {
    /// `[q, C]`
    hidden: Tensor<2>,
    /// `[q, 1]`
    targets: Tensor<2, Int>,
    /// `log p_j`. `[q, V]`
    log_probs: Tensor<2>,
    /// `[q, V]`
    probs: Tensor<2>,
    /// `[q, 1]`
    entropies: Tensor<2>,
}

impl<'a> Head<'a> {
    pub(crate) fn new(weight: Tensor<2>, hidden: Tensor<2>, targets: &'a [i32]) -> Self {
        Self { weight, hidden, targets, chunk_elements: CHUNK_ELEMENTS }
    }

    /// The ranges of queries that are computed at a time.
    fn chunks(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let [vocab_size, _] = self.weight.dims();
        let (n, step) = (self.targets.len(), (self.chunk_elements / vocab_size).max(1));
        (0..n).step_by(step).map(move |start| start..n.min(start + step))
    }

    fn chunk(&self, range: std::ops::Range<usize>) -> Chunk {
        let hidden = self.hidden.clone().slice(range.clone());
        let targets = ints(&self.targets[range.clone()], &self.weight.device());
        let logits = hidden.clone().matmul(self.weight.clone().transpose());
        let logits = logits.cast(FloatDType::F32);
        let shifted = logits.clone() - logits.max_dim(1);
        let exp = shifted.clone().exp();
        let total = exp.clone().sum_dim(1); // [q, 1]
        let log_probs = shifted - total.clone().log();
        let probs = exp / total;
        Chunk {
            hidden,
            targets: targets.reshape([range.len(), 1]),
            entropies: (probs.clone() * log_probs.clone()).sum_dim(1).neg(),
            log_probs,
            probs,
        }
    }

    /// Log-probs and entropies of all queries, in nats.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the device fails.
    pub(crate) fn stats(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let (mut chosen, mut entropies) = (Vec::new(), Vec::new());
        for range in self.chunks() {
            let chunk = self.chunk(range);
            chosen.push(chunk.log_probs.gather(1, chunk.targets));
            entropies.push(chunk.entropies);
        }
        if chosen.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let n = self.targets.len();
        chosen.append(&mut entropies);
        let mut logprobs = read(Tensor::cat(chosen, 0))?; // one read for both
        let entropies = logprobs.split_off(n);
        Ok((logprobs, entropies))
    }

    /// Gradients of the hidden states and, where it is asked for, of the head's weight. `([Q, C], [V, C])`, the
    /// latter in f32
    pub(crate) fn backward(
        &self,
        given: &TokenGrads,
        with_weight: bool,
    ) -> (Tensor<2>, Option<Tensor<2>>) {
        let (dtype, device) = (self.hidden.dtype(), self.weight.device());
        let column = |values: &[f32]| floats(values, &device).reshape([values.len(), 1]);
        let zeros = || Tensor::zeros(self.weight.shape(), (&device, FloatDType::F32.into()));
        let mut d_weight = with_weight.then(zeros);
        let mut d_hidden = Vec::new();
        for range in self.chunks() {
            let d_logprobs = column(&given.d_logprobs[range.clone()]); // [q, 1]
            let d_entropies = column(&given.d_entropies[range.clone()]);
            let chunk = self.chunk(range);
            let pull = (chunk.log_probs + chunk.entropies) * d_entropies + d_logprobs.clone();
            let d_logits = (chunk.probs * pull)
                .neg()
                .scatter(1, chunk.targets, d_logprobs, IndexingUpdateOp::Add)
                .cast(dtype);
            d_weight = d_weight.map(|sum| {
                let product = d_logits.clone().transpose().matmul(chunk.hidden);
                sum + product.cast(FloatDType::F32)
            });
            d_hidden.push(d_logits.matmul(self.weight.clone()));
        }
        (Tensor::cat(d_hidden, 0), d_weight)
    }
}

impl BurnDecoder {
    /// Logits of the token after each token of a sequence; as [`Model::logits`](crate::Model::logits). `[T, V]`
    ///
    /// # Errors
    /// [`UnknownToken`](crate::Error::UnknownToken), [`ContextOverflow`](crate::Error::ContextOverflow),
    /// [`Tokenizer`](crate::Error::Tokenizer) for a sequence without tokens, or [`Device`](crate::Error::Device) when
    /// the device fails.
    pub fn logits(&self, tokens: &[TokenId]) -> Result<Vec<f32>> {
        check_tokens(self.config(), tokens, 0)?;
        // Whatever comes after the last token asks for what the last one predicts.
        let rest = [&tokens[1..], &[0]].concat();
        let group = Group { prompt: &tokens[..1], completions: vec![&rest] };
        let mut logits = Vec::new();
        for batch in micro_batches(&[group], tokens.len()) {
            let hidden = self.hidden(&self.plain, &batch); // [T, C]
            logits.extend(read(hidden.matmul(self.head_weight().transpose()))?);
        }
        Ok(logits)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const WIDTH: usize = 3;
    const VOCAB: usize = 5;
    const TARGETS: [i32; 4] = [0, 4, 2, 2];

    fn values(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 1.7 + seed).sin()).collect()
    }

    fn head(hidden: &[f32], chunk_elements: usize) -> Head<'static> {
        let device = Device::flex();
        let matrix =
            |values: &[f32], rows| floats(values, &device).reshape([rows, values.len() / rows]);
        Head {
            weight: matrix(&values(VOCAB * WIDTH, 0.3), VOCAB),
            hidden: matrix(hidden, TARGETS.len()),
            targets: &TARGETS,
            chunk_elements,
        }
    }

    fn given() -> TokenGrads {
        TokenGrads {
            d_logprobs: values(TARGETS.len(), 1.0),
            d_entropies: values(TARGETS.len(), 2.0),
        }
    }

    fn loss(hidden: &[f32]) -> f64 {
        let (logprobs, entropies) = head(hidden, 1000).stats().expect("no device fails");
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum()
        };
        dot(&logprobs, &given().d_logprobs) + dot(&entropies, &given().d_entropies)
    }

    #[test]
    fn chunks_change_nothing() {
        let hidden = values(TARGETS.len() * WIDTH, 0.9);
        let run = |chunk_elements| {
            let head = head(&hidden, chunk_elements);
            let (logprobs, entropies) = head.stats().expect("no device fails");
            let (d_hidden, d_weight) = head.backward(&given(), true);
            let d_weight = d_weight.expect("it was asked for");
            let grads = [read(d_hidden), read(d_weight)].map(|g| g.expect("no device fails"));
            [logprobs, entropies, grads.concat()].concat()
        };
        let whole = run(1000);
        for chunk_elements in [1, VOCAB, 3 * VOCAB] {
            for (a, b) in run(chunk_elements).iter().zip(&whole) {
                assert!((a - b).abs() < 1e-6, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let mut hidden = values(TARGETS.len() * WIDTH, 0.9);
        let (d_hidden, _) = head(&hidden, 1000).backward(&given(), true);
        let step = 1e-2;
        for (i, got) in read(d_hidden).expect("no device fails").iter().enumerate() {
            let middle = hidden[i];
            hidden[i] = middle + step;
            let above = loss(&hidden);
            hidden[i] = middle - step;
            let below = loss(&hidden);
            hidden[i] = middle;
            let want = (above - below) / f64::from(2.0 * step);
            assert!((f64::from(*got) - want).abs() < 1e-3, "{got} is not {want}");
        }
    }
}
