//! Compares both engines with the numbers that another program computed from a model, and prints the largest
//! differences.
//!
//! `cargo run -p e2h-model --example goldens -- DIR [DEVICE]`, as `cargo xtask golden models DIR` does. DIR holds
//! `config.json`, `model.safetensors` and `expected.safetensors`, or folders that do. The expected file has, for rows
//! padded on the left: `input_ids`, `attention_mask`, `logits`, `logprobs` and `target_mask`, `entropies`, `grad.*`,
//! `greedy`, and with an adapter in `adapter/` also `lora_logits` and `lora_grad.*`.
#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

use std::error::Error;
use std::path::{Path, PathBuf};

use e2h_core::{GenerateRequest, RootSeed, Sampling, TokenId};
use e2h_model::{
    Adapter, BurnDecoder, DeviceChoice, Engine, Group, Model, Precision, TokenGrads, TokenStats,
    device,
};
use safetensors::SafeTensors;

/// Largest difference of logits.
const LOGITS_TOLERANCE: f32 = 2e-4;
/// Largest difference of log-probs and entropies.
const STATS_TOLERANCE: f32 = 1e-4;
/// Largest difference of a gradient, over the largest entry of its tensor.
const GRAD_TOLERANCE: f32 = 1e-3;
/// Rows that an engine holds at a time, in tokens: one sequence, a part of the batch, all of it.
const BUDGETS: [usize; 3] = [1, 40, 10_000];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("usage: goldens DIR [DEVICE]")?);
    let choice = device(&arguments.next().unwrap_or_else(|| "cpu".to_owned()))?;
    println!("device: {} ({})", choice.name, choice.reason);
    println!("largest differences; gradients relative to their tensor's largest entry");
    let header = [
        "model",
        "engine",
        "logits",
        "log-probs",
        "entropies",
        "gradients",
        "LoRA logits",
        "LoRA grads",
        "greedy",
    ];
    println!("{}", header.map(|name| format!("{name:>12}")).join(" "));
    let mut bad = 0;
    for folder in folders(&dir)? {
        bad += model(&folder, &choice)?;
    }
    match bad {
        0 => Ok(()),
        n => Err(format!("{n} comparisons are over the tolerance").into()),
    }
}

/// The folder itself, or those within it that hold expected numbers.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let has = |path: &Path| path.join("expected.safetensors").is_file();
    if has(dir) {
        return Ok(vec![dir.to_path_buf()]);
    }
    let entries = std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = entries.collect::<Result<Vec<_>, _>>()?;
    found.retain(|path| has(path));
    found.sort();
    if found.is_empty() {
        return Err(format!("{} holds no expected.safetensors", dir.display()).into());
    }
    Ok(found)
}

/// Compares one model on each engine; returns how many comparisons are over the tolerance.
fn model(folder: &Path, choice: &DeviceChoice) -> Result<usize, Box<dyn Error>> {
    let expected = Expected::read(folder)?;
    let fused = Model::load(folder)?;
    let (config, weights) = (fused.config().clone(), fused.weights().to_vec());
    let burn = BurnDecoder::new(config, weights, &choice.device, Precision::F32)?;
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(burn)];
    if choice.name == "cpu" {
        engines.insert(0, Box::new(fused));
    }
    let mut bad = 0;
    for engine in &mut engines {
        let engine = engine.as_mut();
        let plain = logits(engine, &expected, "logits")?;
        let (logprobs, entropies) = stats(engine, &expected)?;
        let grads = gradients(engine, &expected, "grad.")?;
        let wrong = greedy(engine, &expected)?;
        let lora = match folder.join("adapter") {
            path if path.is_dir() => {
                let adapter = Adapter::load(path.as_path(), engine.config())?;
                engine.set_adapter(Some(adapter));
                let logits = logits(engine, &expected, "lora_logits")?;
                Some((logits, gradients(engine, &expected, "lora_grad.")?))
            }
            _ => None,
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let n_rows = expected.rows().len();
        let shown = [
            name,
            engine.name().to_owned(),
            format!("{plain:.1e}"),
            format!("{logprobs:.1e}"),
            format!("{entropies:.1e}"),
            format!("{grads:.1e}"),
            lora.map_or("-".to_owned(), |(logits, _)| format!("{logits:.1e}")),
            lora.map_or("-".to_owned(), |(_, grads)| format!("{grads:.1e}")),
            format!("{}/{n_rows}", n_rows - wrong),
        ];
        println!("{}", shown.map(|text| format!("{text:>12}")).join(" "));
        let over = [
            plain > LOGITS_TOLERANCE,
            logprobs > STATS_TOLERANCE,
            entropies > STATS_TOLERANCE,
            grads > GRAD_TOLERANCE,
            lora.is_some_and(|(logits, _)| logits > LOGITS_TOLERANCE),
            lora.is_some_and(|(_, grads)| grads > GRAD_TOLERANCE),
            wrong > 0,
        ];
        bad += over.into_iter().filter(|over| *over).count();
    }
    Ok(bad)
}

/// The expected numbers of a folder.
struct Expected {
    bytes: Vec<u8>,
    /// Tokens of a padded row.
    width: usize,
}

impl Expected {
    fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(folder.join("expected.safetensors"))?;
        let width = SafeTensors::deserialize(&bytes)?.tensor("input_ids")?.shape()[1];
        Ok(Self { bytes, width })
    }

    fn names(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let file = SafeTensors::deserialize(&self.bytes)?;
        Ok(file.names().into_iter().map(str::to_owned).collect())
    }

    /// The 4-byte numbers of a tensor, as whole numbers.
    fn ints(&self, name: &str) -> Vec<u32> {
        let Ok(file) = SafeTensors::deserialize(&self.bytes) else { return Vec::new() };
        let Ok(view) = file.tensor(name) else { return Vec::new() };
        let words = view.data().chunks_exact(4);
        words.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.ints(name).into_iter().map(f32::from_bits).collect()
    }

    /// The rows without their padding.
    fn rows(&self) -> Vec<Vec<TokenId>> {
        let (ids, mask) = (self.ints("input_ids"), self.ints("attention_mask"));
        let rows = ids.chunks(self.width).zip(mask.chunks(self.width));
        rows.map(|(ids, mask)| {
            ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id).collect()
        })
        .collect()
    }

    /// The values of `name` at the places that predict each row's tokens after its first.
    fn of_targets(&self, name: &str) -> Vec<f32> {
        let values = self.floats(name);
        let rows = self.rows();
        let columns = values.len() / rows.len().max(1);
        let end = self.width - 1;
        let parts = values.chunks(columns.max(1)).zip(&rows);
        parts.flat_map(|(values, row)| values[end + 1 - row.len()..end].to_vec()).collect()
    }
}

fn groups(rows: &[Vec<TokenId>]) -> Vec<Group<'_>> {
    rows.iter().map(|row| Group { prompt: &row[..1], completions: vec![&row[1..]] }).collect()
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Largest difference of logits.
fn logits(engine: &dyn Engine, expected: &Expected, name: &str) -> Result<f32, Box<dyn Error>> {
    let (want, v) = (expected.floats(name), engine.config().vocab_size);
    let mut worst = 0.0_f32;
    for (i, row) in expected.rows().iter().enumerate() {
        let end = (i + 1) * expected.width * v;
        let want = want.get(end.saturating_sub(row.len() * v)..end).unwrap_or_default();
        worst = worst.max(largest(&engine.logits(row)?, want));
    }
    Ok(worst)
}

/// Largest differences of log-probs and of entropies, over all ways to cut the batch.
fn stats(engine: &dyn Engine, expected: &Expected) -> Result<(f32, f32), Box<dyn Error>> {
    let rows = expected.rows();
    let mut worst = (0.0_f32, 0.0_f32);
    for budget in BUDGETS {
        let stats = engine.token_stats(&groups(&rows), budget)?;
        let logprobs: Vec<f32> = stats.iter().flat_map(|(logprobs, _)| logprobs.clone()).collect();
        let entropies: Vec<f32> = stats.into_iter().flat_map(|(_, entropies)| entropies).collect();
        worst.0 = worst.0.max(largest(&logprobs, &expected.of_targets("logprobs")));
        worst.1 = worst.1.max(largest(&entropies, &expected.of_targets("entropies")));
    }
    Ok(worst)
}

/// Largest relative difference of the gradients under `prefix`, over all ways to cut the batch.
fn gradients(
    engine: &dyn Engine,
    expected: &Expected,
    prefix: &str,
) -> Result<f32, Box<dyn Error>> {
    let rows = expected.rows();
    let n_targets = rows.iter().map(|row| row.len() - 1).sum::<usize>() as f32;
    let loss = |stats: &TokenStats<'_>| TokenGrads {
        d_logprobs: vec![-1.0 / n_targets; stats.logprobs.len()],
        d_entropies: vec![0.0; stats.logprobs.len()],
    };
    let mut worst = 0.0_f32;
    for budget in BUDGETS {
        let mut grads = vec![0.0; engine.params().len()];
        engine.backward(&groups(&rows), budget, &mut grads, &loss)?;
        for name in expected.names()? {
            let Some(tensor) = name.strip_prefix(prefix) else { continue };
            let spec = engine.layout().get(tensor).ok_or_else(|| format!("no tensor {tensor}"))?;
            let want = expected.floats(&name);
            let scale = want.iter().fold(f32::MIN_POSITIVE, |a, b| a.max(b.abs()));
            worst = worst.max(largest(&grads[spec.range.clone()], &want) / scale);
        }
    }
    Ok(worst)
}

/// Rows whose greedy continuation differs.
fn greedy(engine: &dyn Engine, expected: &Expected) -> Result<usize, Box<dyn Error>> {
    let (rows, want) = (expected.rows(), expected.ints("greedy"));
    let n_tokens = want.len() / rows.len().max(1);
    let sampling = Sampling { max_tokens: n_tokens, ..Sampling::default().greedy() };
    let streams = || vec![RootSeed(0).stream("", &[])];
    let request = |prompt| GenerateRequest { prompt, streams: streams() };
    let requests = rows.into_iter().map(request).collect();
    let generated = engine.generate(requests, &sampling, &|_: &[TokenId]| None)?;
    let pairs = generated.iter().flatten().zip(want.chunks(n_tokens.max(1)));
    Ok(pairs.filter(|(got, want)| got.tokens != *want).count())
}
