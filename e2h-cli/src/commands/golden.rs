//! `e2h golden`: a model's numbers on any device against those that another program computed.
//!
//! In f32 every log-prob, entropy and gradient must agree closely and every greedy token must be the same. In bf16 logits may
//! be off by 3% of their norm, gradients by 2%, and one greedy token in twenty may be another, each chosen after the expected
//! ones. In both, the log-probs of sampled tokens as the sampler gives them may differ from the trainer's by 0.02 nats on
//! average. What two runs of one computation differ by is reported, and is no failure.

use std::path::{Path, PathBuf};

use e2h_core::{GenerateRequest, RootSeed, Sampling, TokenId};
use e2h_model::{Adapter, BurnDecoder, DeviceChoice, Engine, Group, Model, TokenGrads, TokenStats};
use serde::Serialize;
use serde_json::json;

use crate::commands::golden::expected::Expected;
use crate::config::PrecisionKind;
use crate::hints::{Failure, Outcome};
use crate::policy;
use crate::progress::out;

mod expected;

/// Rows that an engine holds at a time, in tokens: one sequence, a part of the batch, all of it.
const BUDGETS: [usize; 3] = [1, 40, 10_000];
/// Completions and tokens that the sampler's log-probs are compared on.
const SAMPLES: usize = 8;
const SAMPLE_TOKENS: usize = 24;

/// `e2h golden`
#[derive(Debug, clap::Args)]
pub(crate) struct GoldenArgs {
    /// A folder with config.json, model.safetensors and expected.safetensors, or one that holds several
    dir: PathBuf,
    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long, default_value = "auto")]
    device: String,
    /// Number format of weights and activations on the burn engine
    #[arg(long, value_enum, default_value_t = PrecisionKind::F32)]
    dtype: PrecisionKind,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one engine differs by on one model.
#[derive(Debug, Serialize)]
struct Row {
    model: String,
    engine: &'static str,
    dtype: &'static str,
    /// 2-norm of the difference over the 2-norm of the expected logits.
    logits: f64,
    /// Largest difference, in nats.
    logprobs: f64,
    entropies: f64,
    /// Largest difference over the tensor's largest entry in f32; over all tensors as `logits` in bf16.
    gradients: f64,
    lora_logits: Option<f64>,
    lora_gradients: Option<f64>,
    /// Share of greedy tokens that are the expected ones.
    greedy: f64,
    /// Sampler's against trainer's log-probs, in nats.
    gap_mean: f64,
    gap_max: f64,
    /// Largest difference of two runs of one gradient; 0 where a device repeats itself bit for bit.
    repeat: f64,
    /// What is over its tolerance.
    over: Vec<&'static str>,
}

/// The largest differences that pass.
struct Tolerance {
    logits: f64,
    stats: f64,
    gradients: f64,
    greedy: f64,
    gap: f64,
}

impl Tolerance {
    fn of(dtype: PrecisionKind) -> Self {
        match dtype {
            PrecisionKind::F32 => {
                Self { logits: 2e-4, stats: 1e-4, gradients: 1e-3, greedy: 1.0, gap: 1e-4 }
            }
            PrecisionKind::Bf16 => Self {
                logits: 3e-2,
                stats: f64::INFINITY,
                gradients: 2e-2,
                greedy: 0.95,
                gap: 0.02,
            },
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &GoldenArgs) -> Outcome {
    let device = policy::device(&args.device)?;
    let mut rows = Vec::new();
    for folder in expected::folders(&args.dir)? {
        rows.extend(compare(&folder, &device, args.dtype)?);
    }
    let bad: usize = rows.iter().map(|row| row.over.len()).sum();
    match args.json {
        true => {
            let (name, reason) = (&device.name, &device.reason);
            let value = json!({"device": name, "device_reason": reason, "rows": rows, "over": bad});
            out(&value.to_string());
        }
        false => out(&table(&rows, &device)),
    }
    match bad {
        0 => Ok(()),
        n => Err(Failure::run(format!("{n} comparisons are over their tolerance"))
            .hint("`e2h golden --help` and docs/GPU.md say what is compared")),
    }
}

/// Compares one model on each engine that the device has.
fn compare(folder: &Path, device: &DeviceChoice, dtype: PrecisionKind) -> Outcome<Vec<Row>> {
    let expected = Expected::read(folder)?;
    let fused = Model::load(folder).map_err(Failure::run)?;
    let (config, weights) = (fused.config().clone(), fused.weights().to_vec());
    let burn = BurnDecoder::new(config, weights, &device.device, dtype.into());
    let mut burn = burn.map_err(Failure::run)?;
    let comparison = Comparison { folder, expected: &expected, dtype };
    let mut rows = Vec::new();
    if device.name == "cpu" && dtype == PrecisionKind::F32 {
        let mut fused = fused;
        rows.push(comparison.row(&mut fused)?);
    }
    rows.push(comparison.row(&mut burn)?);
    Ok(rows)
}

/// A model's expected numbers.
struct Comparison<'a> {
    folder: &'a Path,
    expected: &'a Expected,
    dtype: PrecisionKind,
}

impl Comparison<'_> {
    fn row(&self, engine: &mut dyn Engine) -> Outcome<Row> {
        let logits = self.logits(engine, "logits")?;
        let (logprobs, entropies) = self.stats(engine)?;
        let gradients = self.gradients(engine, "grad.")?;
        let (greedy, (gap_mean, gap_max)) = (self.greedy(engine)?, gap(engine)?);
        let repeat = self.repeat(engine)?;
        let adapter = self.folder.join("adapter");
        let (lora_logits, lora_gradients) = match adapter.is_dir() {
            true => {
                let adapter = Adapter::load(adapter.as_path(), engine.config());
                engine.set_adapter(Some(adapter.map_err(Failure::run)?));
                let logits = self.logits(engine, "lora_logits")?;
                (Some(logits), Some(self.gradients(engine, "lora_grad.")?))
            }
            false => (None, None),
        };
        let tolerance = Tolerance::of(self.dtype);
        let checks = [
            ("logits", logits > tolerance.logits),
            ("lora_logits", lora_logits.unwrap_or(0.0) > tolerance.logits),
            ("logprobs", logprobs > tolerance.stats),
            ("entropies", entropies > tolerance.stats),
            ("gradients", gradients > tolerance.gradients),
            ("lora_gradients", lora_gradients.unwrap_or(0.0) > tolerance.gradients),
            ("greedy", greedy < tolerance.greedy),
            ("gap", gap_mean > tolerance.gap),
        ];
        // A difference that is not a number passes no comparison above, so it is looked for by itself.
        let all = [logprobs, entropies, gradients, greedy, gap_mean, logits];
        let broken = all.iter().any(|value| value.is_nan()).then_some("not a number");
        let over = checks.into_iter().filter_map(|(name, over)| over.then_some(name));
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Row {
            model: name,
            engine: engine.name(),
            dtype: self.dtype.name(),
            logits,
            logprobs,
            entropies,
            gradients,
            lora_logits,
            lora_gradients,
            greedy,
            gap_mean,
            gap_max,
            repeat,
            over: over.chain(broken).collect(),
        })
    }

    /// The difference of the logits called `name`.
    fn logits(&self, engine: &dyn Engine, name: &str) -> Outcome<f64> {
        let mut off = Off::default();
        for (row, want) in self.expected.rows().iter().zip(self.expected.logits(name)) {
            off.add(&engine.logits(row).map_err(Failure::run)?, &want);
        }
        Ok(off.relative())
    }

    /// Largest differences of log-probs and of entropies, over all ways to cut the batch.
    fn stats(&self, engine: &dyn Engine) -> Outcome<(f64, f64)> {
        let rows = self.expected.rows();
        let mut worst = (0.0, 0.0);
        for budget in BUDGETS {
            let stats = engine.token_stats(&groups(&rows), budget).map_err(Failure::run)?;
            let (logprobs, entropies): (Vec<_>, Vec<_>) = stats.into_iter().unzip();
            let of = |name| self.expected.of_targets(name);
            worst.0 = largest(&logprobs.concat(), &of("logprobs")).max(worst.0);
            worst.1 = largest(&entropies.concat(), &of("entropies")).max(worst.1);
        }
        Ok(worst)
    }

    /// The difference of the gradients under `prefix`, the worst over all ways to cut the batch.
    fn gradients(&self, engine: &dyn Engine, prefix: &str) -> Outcome<f64> {
        let mut worst = 0.0_f64;
        for budget in BUDGETS {
            let grads = self.gradient(engine, budget)?;
            let mut off = Off::default();
            for name in self.expected.names(prefix) {
                let spec = engine.layout().get(&name);
                let spec = spec.ok_or_else(|| Failure::run(format!("no tensor {name}")))?;
                let want = self.expected.floats(&format!("{prefix}{name}"));
                let got = &grads[spec.range.clone()];
                off.add(got, &want);
                if self.dtype == PrecisionKind::F32 {
                    let scale = want.iter().fold(f32::MIN_POSITIVE, |a, b| a.max(b.abs()));
                    worst = worst.max(largest(got, &want) / f64::from(scale));
                }
            }
            if self.dtype == PrecisionKind::Bf16 {
                worst = worst.max(off.relative());
            }
        }
        Ok(worst)
    }

    /// The gradient of minus the mean log-prob.
    fn gradient(&self, engine: &dyn Engine, budget: usize) -> Outcome<Vec<f32>> {
        let rows = self.expected.rows();
        let n_targets = rows.iter().map(|row| row.len() - 1).sum::<usize>() as f32;
        let loss = |stats: &TokenStats<'_>| TokenGrads {
            d_logprobs: vec![-1.0 / n_targets; stats.logprobs.len()],
            d_entropies: vec![0.0; stats.logprobs.len()],
        };
        let mut grads = vec![0.0; engine.params().len()];
        let done = engine.backward(&groups(&rows), budget, &mut grads, &loss);
        done.map_err(Failure::run)?;
        Ok(grads)
    }

    /// Share of greedy tokens that are the expected ones: of whole continuations in f32, and each after the expected ones
    /// before it in bf16, so that one other choice does not count many times.
    fn greedy(&self, engine: &dyn Engine) -> Outcome<f64> {
        let (rows, want) = (self.expected.rows(), self.expected.greedy());
        let n_tokens = want.first().map_or(0, Vec::len);
        let pairs: Vec<(Vec<TokenId>, Vec<TokenId>)> = match self.dtype {
            PrecisionKind::F32 => rows.into_iter().zip(want).collect(),
            PrecisionKind::Bf16 => {
                let steps = rows.iter().zip(&want).flat_map(|(row, want)| {
                    (0..want.len())
                        .map(move |n| ([row.as_slice(), &want[..n]].concat(), vec![want[n]]))
                });
                steps.collect()
            }
        };
        let max_tokens = if self.dtype == PrecisionKind::F32 { n_tokens } else { 1 };
        let sampling = Sampling { max_tokens, ..Sampling::default().greedy() };
        let requests = pairs.iter().map(|(prompt, _)| GenerateRequest {
            prompt: prompt.clone(),
            streams: vec![RootSeed(0).stream("", &[])],
        });
        let generated = engine.generate(requests.collect(), &sampling, &|_: &[TokenId]| None);
        let generated = generated.map_err(Failure::run)?;
        let (mut same, mut all) = (0, 0);
        for (got, (_, want)) in generated.iter().flatten().zip(&pairs) {
            same += got.tokens.iter().zip(want).filter(|(got, want)| got == want).count();
            all += want.len();
        }
        Ok(same as f64 / all.max(1) as f64)
    }

    /// The largest difference between two runs of one gradient.
    fn repeat(&self, engine: &dyn Engine) -> Outcome<f64> {
        let [first, second] = [self.gradient(engine, 10_000)?, self.gradient(engine, 10_000)?];
        Ok(largest(&first, &second))
    }
}

/// The difference between the log-probs that come with sampled tokens and the trainer's: mean and largest, in nats.
fn gap(engine: &dyn Engine) -> Outcome<(f64, f64)> {
    let vocab_size = engine.config().vocab_size;
    let prompts: Vec<Vec<TokenId>> = (0..SAMPLES)
        .map(|i| (0..3 + i).map(|j| ((i * 31 + j * 17) % vocab_size) as TokenId).collect())
        .collect();
    let requests = prompts.iter().enumerate().map(|(i, prompt)| GenerateRequest {
        prompt: prompt.clone(),
        streams: vec![RootSeed(1).stream("golden", &[i as u64])],
    });
    let sampling = Sampling { max_tokens: SAMPLE_TOKENS, ..Sampling::default() };
    let generated = engine.generate(requests.collect(), &sampling, &|_: &[TokenId]| None);
    let generated = generated.map_err(Failure::run)?;
    let groups: Vec<Group<'_>> = prompts
        .iter()
        .zip(&generated)
        .map(|(prompt, group)| Group {
            prompt,
            completions: group.iter().map(|generation| generation.tokens.as_slice()).collect(),
        })
        .collect();
    let stats = engine.token_stats(&groups, 10_000).map_err(Failure::run)?;
    let sampled = generated.iter().flatten().flat_map(|generation| generation.logprobs.clone());
    let trained = stats.iter().flat_map(|(logprobs, _)| logprobs.clone());
    let gaps: Vec<f64> = sampled.zip(trained).map(|(a, b)| f64::from((a - b).abs())).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    Ok((mean, gaps.into_iter().fold(0.0, f64::max)))
}

fn groups(rows: &[Vec<TokenId>]) -> Vec<Group<'_>> {
    rows.iter().map(|row| Group { prompt: &row[..1], completions: vec![&row[1..]] }).collect()
}

/// The largest difference; infinite where the lengths differ or a number is not one.
fn largest(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs()));
    if a.len() != b.len() || differences.clone().any(f64::is_nan) {
        return f64::INFINITY;
    }
    differences.fold(0.0, f64::max)
}

/// Squares of differences and of expected numbers.
#[derive(Default)]
struct Off {
    difference: f64,
    expected: f64,
}

impl Off {
    fn add(&mut self, got: &[f32], want: &[f32]) {
        if got.len() != want.len() {
            self.difference = f64::INFINITY;
        }
        for (got, want) in got.iter().zip(want) {
            self.difference += f64::from(got - want).powi(2);
            self.expected += f64::from(*want).powi(2);
        }
    }

    /// 2-norm of the difference over that of the expected numbers.
    fn relative(&self) -> f64 {
        (self.difference / self.expected.max(f64::MIN_POSITIVE)).sqrt()
    }
}

/// The result for a person.
fn table(rows: &[Row], device: &DeviceChoice) -> String {
    let header = [
        "model",
        "engine",
        "dtype",
        "logits",
        "log-probs",
        "entropies",
        "grads",
        "LoRA grads",
        "greedy",
        "gap",
        "repeat",
    ];
    let aligned = |cells: [String; 11]| cells.map(|cell| format!("{cell:>12}")).join(" ");
    let number = |value: f64| format!("{value:.1e}");
    let some = |value: Option<f64>| value.map_or("-".to_owned(), number);
    let mut lines = vec![
        format!("device: {} ({})", device.name, device.reason),
        aligned(header.map(str::to_owned)),
    ];
    for row in rows {
        lines.push(aligned([
            row.model.clone(),
            row.engine.to_owned(),
            row.dtype.to_owned(),
            number(row.logits),
            number(row.logprobs),
            number(row.entropies),
            number(row.gradients),
            some(row.lora_gradients),
            format!("{:.1}%", 100.0 * row.greedy),
            number(row.gap_mean),
            number(row.repeat),
        ]));
        if !row.over.is_empty() {
            lines.push(format!("    over the tolerance: {}", row.over.join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_or_of_another_length_passes_nothing() {
        assert_eq!(largest(&[1.0, f32::NAN], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(largest(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(largest(&[1.0, 2.5], &[1.0, 2.0]), 0.5);
        let mut off = Off::default();
        off.add(&[3.0, 4.5], &[3.0, 4.0]);
        assert!((off.relative() - 0.1).abs() < 1e-12);
    }
}
