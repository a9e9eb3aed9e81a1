//! Cases of losses with known values and gradients, in the layout of a file that TRL's numbers come in.
//!
//! `{"source", "cases": [{"options", "logps", "old_logps", "ref_logps", "entropies", "mask", "advantages", "loss",
//! "grad"}]}`, lists `[N, T]`. Without `old_logps` the behaviour is the policy itself.
//!
//! A case is computed in two ways: from the lists, in f64; and through a decoder whose log-probs are the case's, in
//! f32, with the gradient read off the gradient of its head. That decoder gives each place of each sequence a token
//! of its own, embeds it as a unit vector, passes it on unchanged, and has the wanted log-probs in its head.

use e2h_core::{RootSeed, TokenId};
use e2h_model::{Model, ModelConfig};
use serde::Deserialize;

use super::{BatchSize, Sequence, sequence_loss};
use crate::Result;
use crate::config::{GrpoConfig, LossKind, RatioLevel};
use crate::minibatch::{Minibatch, Row, backward};

/// A file of cases.
#[derive(Clone, Debug, Deserialize)]
pub struct GoldenFile {
    /// The program that the numbers are of.
    pub source: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One loss with its inputs, value and gradient.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// The settings, under TRL's names.
    pub options: Options,
    /// Log-probs. `[N, T]`
    pub logps: Vec<Vec<f64>>,
    /// Behaviour log-probs. `[N, T]`
    pub old_logps: Option<Vec<Vec<f64>>>,
    /// Reference log-probs. `[N, T]`
    pub ref_logps: Option<Vec<Vec<f64>>>,
    /// Entropies. `[N, T]`
    pub entropies: Vec<Vec<f64>>,
    /// 1 for tokens, 0 for padding behind them. `[N, T]`
    pub mask: Vec<Vec<f64>>,
    /// `[N]`
    pub advantages: Vec<f64>,
    /// The loss.
    pub loss: f64,
    /// Its derivative with respect to `logps`. `[N, T]`
    pub grad: Vec<Vec<f64>>,
}

/// Settings of a case, under TRL's names.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are TRL's")]
pub struct Options {
    pub loss_type: LossKind,
    pub importance_sampling_level: RatioLevel,
    pub beta: f64,
    pub epsilon_low: f64,
    pub epsilon_high: f64,
    pub delta: Option<f64>,
    pub top_entropy_quantile: f64,
    pub use_bias_correction_kl: bool,
    pub max_completion_length: usize,
    pub sapo_temperature_pos: f64,
    pub sapo_temperature_neg: f64,
    pub vespo: Vespo,
}

/// The constants of VESPO.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are TRL's")]
pub struct Vespo {
    pub k_pos: f64,
    pub lambda_pos: f64,
    pub k_neg: f64,
    pub lambda_neg: f64,
}

/// The largest absolute differences from a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Of the loss.
    pub loss: f64,
    /// Of an entry of the gradient.
    pub grad: f64,
}

impl Options {
    fn config(&self) -> GrpoConfig {
        let mut config = GrpoConfig {
            loss: self.loss_type,
            ratio_level: self.importance_sampling_level,
            kl_beta: self.beta,
            clip_eps_low: self.epsilon_low,
            clip_eps_high: self.epsilon_high,
            cispo_cap: self.epsilon_high,
            clip_delta: self.delta.unwrap_or(0.0),
            top_entropy_quantile: self.top_entropy_quantile,
            kl_bias_correction: self.use_bias_correction_kl,
            sapo_temperature_pos: rounded(self.sapo_temperature_pos),
            sapo_temperature_neg: rounded(self.sapo_temperature_neg),
            vespo_k_pos: self.vespo.k_pos,
            vespo_lambda_pos: self.vespo.lambda_pos,
            vespo_k_neg: self.vespo.k_neg,
            vespo_lambda_neg: self.vespo.lambda_neg,
            ..GrpoConfig::default()
        };
        config.sampling.max_tokens = self.max_completion_length;
        config
    }
}

impl Case {
    /// What the case is about, in a few words.
    pub fn name(&self) -> String {
        let options = &self.options;
        let level = match options.importance_sampling_level {
            RatioLevel::Sequence => "sequence",
            _ => "token",
        };
        format!("{:?} {level} beta {}", options.loss_type, options.beta).to_lowercase()
    }

    fn lengths(&self) -> Vec<usize> {
        let n = |row: &Vec<f64>| row.iter().filter(|&&token| token > 0.0).count();
        self.mask.iter().map(n).collect()
    }

    /// The case's rows over `tokens`, a list a sequence: the prompt's token, then the completion's.
    fn minibatch<'a>(&self, tokens: &'a [Vec<TokenId>]) -> Minibatch<'a> {
        let lengths = self.lengths();
        let cut = |list: &Vec<Vec<f64>>, i: usize| list[i][..lengths[i]].to_vec();
        let row = |(i, tokens): (usize, &'a Vec<TokenId>)| Row {
            prompt: &tokens[..1],
            completion: &tokens[1..],
            behaviour: self.old_logps.as_ref().map(|list| cut(list, i)),
            reference: self.ref_logps.as_ref().map(|list| cut(list, i)),
            advantages: vec![self.advantages[i]; lengths[i]],
            ..Row::default()
        };
        let n_tokens = lengths.iter().sum::<usize>() as f64;
        let size = BatchSize {
            sequences: lengths.len() as f64,
            tokens: n_tokens,
            mean_tokens: n_tokens,
            active_tokens: n_tokens,
            max_tokens: self.options.max_completion_length as f64,
        };
        let groups = tokens.iter().enumerate().map(row).map(|row| vec![row]).collect();
        let mut minibatch = Minibatch { groups, size };
        if self.options.top_entropy_quantile < 1.0 {
            let entropies: Vec<_> = (0..lengths.len()).map(|i| cut(&self.entropies, i)).collect();
            minibatch.activate(&entropies, self.options.top_entropy_quantile);
        }
        minibatch
    }

    /// Computes the case from its lists, in f64.
    pub fn compare(&self) -> Difference {
        let config = self.options.config();
        let tokens = self.tokens();
        let minibatch = self.minibatch(&tokens);
        let mut loss = 0.0;
        let mut found = Vec::new();
        for (i, row) in minibatch.groups.iter().flatten().enumerate() {
            let n = row.advantages.len();
            let sequence = Sequence {
                logprobs: &self.logps[i][..n],
                behaviour: row.behaviour.as_deref().unwrap_or(&self.logps[i][..n]),
                reference: row.reference.as_deref(),
                entropies: &self.entropies[i][..n],
                advantages: &row.advantages,
                active: row.active.as_deref(),
            };
            let out = sequence_loss(&config, &sequence, &minibatch.size);
            loss += out.loss;
            found.push(out.d_logprobs);
        }
        self.difference(loss, &found)
    }

    /// Computes the case through a decoder's forward and backward pass, in f32.
    ///
    /// # Errors
    /// When the decoder fails.
    pub fn compare_through_model(&self) -> Result<Difference> {
        let config = self.options.config();
        let tokens = self.tokens();
        let minibatch = self.minibatch(&tokens);
        let table = Table::new(&tokens, &self.logps);
        let mut grads = vec![0.0; table.model.params().len()];
        let sums = backward(&table.model, &minibatch, &config, &mut grads, None)?;
        Ok(self.difference(sums.loss, &table.d_logprobs(&tokens, &self.logps, &grads)))
    }

    /// A token of its own for each place.
    fn tokens(&self) -> Vec<Vec<TokenId>> {
        let mut next = 0;
        let mut take = |n: usize| {
            next += n as TokenId;
            (next - n as TokenId..next).collect()
        };
        self.lengths().into_iter().map(|n| take(n + 1)).collect()
    }

    fn difference(&self, loss: f64, found: &[Vec<f64>]) -> Difference {
        let pairs = found.iter().zip(&self.grad).flat_map(|(found, grad)| found.iter().zip(grad));
        let grad = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Difference { loss: (loss - self.loss).abs(), grad }
    }
}

/// TRL chooses SAPO's temperature by a `torch.where` over two Python numbers, which makes it f32 even where all else
/// is f64.
fn rounded(temperature: f64) -> f64 {
    f64::from(temperature as f32)
}

/// A decoder that looks its log-probs up by the last token.
struct Table {
    model: Model,
    /// Length of the hidden state's only entry that is not 0.
    scale: f64,
    /// Where the head begins in the flat weights.
    head: usize,
}

impl Table {
    fn new(tokens: &[Vec<TokenId>], logps: &[Vec<f64>]) -> Self {
        let n = tokens.iter().map(Vec::len).sum::<usize>().max(2);
        let width = n.next_multiple_of(16);
        let mut config = ModelConfig::nano(n);
        (config.hidden_size, config.intermediate_size) = (width, 16);
        (config.n_layers, config.n_heads, config.n_kv_heads, config.head_dim) = (1, 1, 1, 16);
        config.tied_head = false;
        let scale = (1.0 / width as f64 + f64::from(config.rms_norm_eps)).sqrt().recip();
        let fresh = Model::new(config.clone(), &mut RootSeed(0).stream("init", &[]));
        let mut params = fresh.params().to_vec();
        let start = |name: &str| fresh.layout().get(name).map_or(0, |spec| spec.range.start);
        for spec in &fresh.layout().tensors {
            let quiet = ["o_proj", "down_proj", "embed_tokens", "lm_head"];
            if quiet.iter().any(|part| spec.name.contains(part)) {
                params[spec.range.clone()].fill(0.0);
            }
        }
        let (embed, head) = (start("model.embed_tokens.weight"), start("lm_head.weight"));
        for token in 0..n {
            params[embed + token * width + token] = 1.0;
        }
        for (tokens, logps) in tokens.iter().zip(logps) {
            for (pair, logp) in tokens.windows(2).zip(logps) {
                let (from, to) = (pair[0] as usize, pair[1] as usize);
                let other = ((1.0 - logp.exp()) / (n - 1) as f64).ln();
                for token in 0..n {
                    let logit = if token == to { *logp } else { other };
                    params[head + token * width + from] = (logit / scale) as f32;
                }
            }
        }
        Self { model: Model::from_params(config, params), scale, head }
    }

    /// The head's gradient at (target, place) is `scale (1 - p) dL/dlogp`.
    fn d_logprobs(
        &self,
        tokens: &[Vec<TokenId>],
        logps: &[Vec<f64>],
        grads: &[f32],
    ) -> Vec<Vec<f64>> {
        let width = self.model.config().hidden_size;
        let of_row = |(tokens, logps): (&Vec<TokenId>, &Vec<f64>)| {
            let places = tokens.windows(2).zip(logps);
            places
                .map(|(pair, logp)| {
                    let entry = self.head + pair[1] as usize * width + pair[0] as usize;
                    f64::from(grads[entry]) / (self.scale * (1.0 - logp.exp()))
                })
                .collect()
        };
        tokens.iter().zip(logps).map(of_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Vec<Case> {
        let text = include_str!("../../fixtures/grpo_losses.json");
        let file: GoldenFile = serde_json::from_str(text).expect("a file of cases");
        file.cases
    }

    #[test]
    fn all_cases_of_trl_hold_in_f64() {
        let cases = cases();
        assert_eq!(cases.len(), 48);
        for (i, case) in cases.iter().enumerate() {
            let got = case.compare();
            assert!(got.loss < 1e-9 && got.grad < 1e-9, "case {i}, {}: {got:?}", case.name());
        }
    }

    #[test]
    fn all_cases_of_trl_hold_through_the_model_in_f32() {
        for (i, case) in cases().iter().enumerate() {
            let got = case.compare_through_model().expect("a decoder");
            assert!(got.loss < 1e-5 && got.grad < 1e-5, "case {i}, {}: {got:?}", case.name());
        }
    }

    #[test]
    fn a_case_with_another_loss_does_not_hold() {
        let mut case = cases().swap_remove(3);
        case.options.loss_type = LossKind::Grpo;
        assert!(case.compare().grad > 1e-4);
    }
}
