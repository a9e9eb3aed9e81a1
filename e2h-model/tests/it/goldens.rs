//! Logits, log-probs, entropies, gradients and greedy continuations of both engines against transformers in float64.
//!
//! The numbers are made by an independent program; they lie beside the project, in `shared/oracle/models`,
//! and the tests say so when they are not there.

use std::path::{Path, PathBuf};

use e2h_core::{GenerateRequest, RootSeed, Sampling, TokenId};
use e2h_model::{Adapter, BurnDecoder, Engine, Group, Model, Precision, TokenGrads, TokenStats};
use safetensors::SafeTensors;

use crate::small::largest_difference;

const MODELS: [&str; 5] = ["qwen2", "llama3", "smollm2", "llama-untied", "qwen3"];

fn folder(name: &str) -> Option<PathBuf> {
    let shared = std::env::var("E2H_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let folder = shared.join("oracle/models").join(name);
    if !folder.exists() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {} is not here", folder.display());
        }
        return None;
    }
    Some(folder)
}

struct Expected(Vec<u8>);

impl Expected {
    fn read(folder: &Path) -> Self {
        Self(std::fs::read(folder.join("expected.safetensors")).expect("goldens are readable"))
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).expect("goldens are safetensors");
        let view = file.tensor(name).expect(name);
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    fn ints(&self, name: &str) -> Vec<u32> {
        self.floats(name).into_iter().map(f32::to_bits).collect()
    }

    fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).expect("goldens are safetensors");
        file.names().into_iter().map(str::to_owned).collect()
    }

    /// The rows without their padding.
    fn rows(&self) -> Vec<Vec<TokenId>> {
        let mask = self.ints("attention_mask");
        let ids = self.ints("input_ids");
        ids.chunks(37)
            .zip(mask.chunks(37))
            .map(|(ids, mask)| {
                ids.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(id, _)| *id).collect()
            })
            .collect()
    }

    /// `[4, width]` values at the places of each row's completion tokens, all tokens but its first.
    fn of_targets(&self, name: &str, width: usize) -> Vec<Vec<f32>> {
        let rows = self.rows();
        self.floats(name)
            .chunks(width)
            .zip(&rows)
            .map(|(values, row)| {
                // Left padding; entropies have one more entry, at the last token.
                let end = if width == 37 { 36 } else { width };
                values[end - (row.len() - 1)..end].to_vec()
            })
            .collect()
    }
}

fn groups(rows: &[Vec<TokenId>]) -> Vec<Group<'_>> {
    rows.iter().map(|row| Group { prompt: &row[..1], completions: vec![&row[1..]] }).collect()
}

fn burn(folder: &Path) -> BurnDecoder {
    crate::small::burn(&Model::load(folder).expect("loadable"), Precision::F32)
}

/// Logits of every row against `[4, 37, V]` ones, padded on the left.
fn check_logits(engine: &dyn Engine, expected: &Expected, name: &str, key: &str) {
    let want = expected.floats(key);
    let v = engine.config().vocab_size;
    for (i, row) in expected.rows().iter().enumerate() {
        let got = engine.logits(row).expect("valid tokens");
        let end = (i + 1) * 37 * v;
        let worst = largest_difference(&got, &want[end - row.len() * v..end]);
        assert!(worst < 2e-4, "{name}, {}: {key} of row {i} are off by {worst}", engine.name());
    }
}

/// The numbers from 0 to `n - 1`, forwards and backwards.
fn orders(n: usize) -> [Vec<usize>; 2] {
    [(0..n).collect(), (0..n).rev().collect()]
}

fn check_stats(engine: &dyn Engine, expected: &Expected, budget: usize, name: &str) {
    let rows = expected.rows();
    let logprobs = expected.of_targets("logprobs", 36);
    let entropies = expected.of_targets("entropies", 37);
    for order in orders(rows.len()) {
        let rows: Vec<_> = order.iter().map(|i| rows[*i].clone()).collect();
        let stats = engine.token_stats(&groups(&rows), budget).expect("valid tokens");
        for (i, (logprob, entropy)) in order.iter().zip(&stats) {
            for (what, got, want) in
                [("log-probs", logprob, &logprobs[*i]), ("entropies", entropy, &entropies[*i])]
            {
                let worst = largest_difference(got, want);
                let engine = engine.name();
                assert!(worst < 1e-4, "{name}, {engine}: {what} of row {i} are off by {worst}");
            }
        }
    }
}

fn check_gradients(
    engine: &dyn Engine,
    expected: &Expected,
    budget: usize,
    name: &str,
    prefix: &str,
) {
    let rows = expected.rows();
    let n_targets = rows.iter().map(|row| row.len() - 1).sum::<usize>() as f32;
    let loss = |stats: &TokenStats<'_>| TokenGrads {
        d_logprobs: vec![-1.0 / n_targets; stats.logprobs.len()],
        d_entropies: vec![0.0; stats.logprobs.len()],
    };
    for order in orders(rows.len()) {
        let rows: Vec<_> = order.iter().map(|i| rows[*i].clone()).collect();
        let mut grads = vec![0.0; engine.params().len()];
        engine.backward(&groups(&rows), budget, &mut grads, &loss).expect("valid tokens");
        for tensor in expected.names().iter().filter_map(|name| name.strip_prefix(prefix)) {
            let want = expected.floats(&format!("{prefix}{tensor}"));
            let spec = engine.layout().get(tensor).expect(tensor);
            let worst = largest_difference(&grads[spec.range.clone()], &want);
            let scale = want.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            let engine = engine.name();
            assert!(
                worst < 1e-3 * scale,
                "{name}, {engine}: {tensor} is off by {worst} of {scale}"
            );
        }
    }
}

fn check_greedy(engine: &dyn Engine, expected: &Expected, name: &str) {
    let sampling = Sampling { max_tokens: 16, ..Sampling::default().greedy() };
    let requests = expected
        .rows()
        .into_iter()
        .map(|prompt| GenerateRequest { prompt, streams: vec![RootSeed(0).stream("", &[])] })
        .collect();
    let never = |_: &[TokenId]| None;
    let generated = engine.generate(requests, &sampling, &never).expect("valid tokens");
    let greedy = expected.ints("greedy");
    for (i, (group, want)) in generated.iter().zip(greedy.chunks(16)).enumerate() {
        assert_eq!(group[0].tokens, want, "{name}, {}: row {i}", engine.name());
    }
}

#[test]
fn logits_equal_the_goldens() {
    for (name, folder) in MODELS.iter().filter_map(|name| Some((name, folder(name)?))) {
        let expected = Expected::read(&folder);
        let model = Model::load(folder.as_path()).expect("loadable");
        check_logits(&model, &expected, name, "logits");
        check_logits(&burn(&folder), &expected, name, "logits");
    }
}

#[test]
fn logprobs_and_entropies_equal_the_goldens_however_the_batch_is_cut_and_ordered() {
    for (name, folder) in MODELS.iter().filter_map(|name| Some((name, folder(name)?))) {
        let expected = Expected::read(&folder);
        for (budget, threads) in [(1, 1), (30, 2), (10_000, 1)] {
            let model = Model::load(folder.as_path()).expect("loadable");
            check_stats(&model.with_threads(threads), &expected, budget, name);
        }
        for budget in [1, 60, 10_000] {
            check_stats(&burn(&folder), &expected, budget, name);
        }
    }
}

#[test]
fn gradients_equal_the_goldens_however_the_batch_is_cut_and_ordered() {
    for (name, folder) in MODELS.iter().filter_map(|name| Some((name, folder(name)?))) {
        let expected = Expected::read(&folder);
        for (budget, threads) in [(1, 2), (10_000, 1)] {
            let model = Model::load(folder.as_path()).expect("loadable");
            check_gradients(&model.with_threads(threads), &expected, budget, name, "grad.");
        }
        for (budget, checkpointing) in [(1, false), (60, true), (10_000, false)] {
            let decoder = burn(&folder).with_gradient_checkpointing(checkpointing);
            check_gradients(&decoder, &expected, budget, name, "grad.");
        }
    }
}

/// Log-probs of every row's tokens after its first, from golden logits. `[4, 37, V]`
fn logprobs_of_logits(expected: &Expected, name: &str) -> Vec<Vec<f32>> {
    let rows = expected.rows();
    let logits = expected.floats(name);
    let v = logits.len() / (4 * 37);
    let logprob = |row: usize, place: usize, target: TokenId| {
        let start = (row * 37 + place) * v;
        let logits = &logits[start..start + v];
        let total: f64 = logits.iter().map(|z| f64::from(*z).exp()).sum();
        (f64::from(logits[target as usize]) - total.ln()) as f32
    };
    let of_row = |(index, row): (usize, &Vec<TokenId>)| {
        let first = 37 - row.len();
        (1..row.len()).map(|i| logprob(index, first + i - 1, row[i])).collect()
    };
    rows.iter().enumerate().map(of_row).collect()
}

/// Log-probs, loss and gradients with the golden adapter; and that adapter off and merged are what they say.
fn check_adapter(engine: &mut dyn Engine, folder: &Path, name: &str) {
    let expected = Expected::read(folder);
    let rows = expected.rows();
    let adapter = Adapter::load(folder.join("adapter").as_path(), engine.config());
    engine.set_adapter(Some(adapter.expect("a golden adapter loads")));
    check_logits(engine, &expected, name, "lora_logits");
    let want = logprobs_of_logits(&expected, "lora_logits");
    let n_targets = want.iter().map(Vec::len).sum::<usize>() as f32;
    let compare = |got: &[(Vec<f32>, Vec<f32>)], want: &[Vec<f32>], what: &str| {
        for (got, want) in got.iter().zip(want) {
            let worst = largest_difference(&got.0, want);
            assert!(worst < 1e-4, "{name}: log-probs {what} are off by {worst}");
        }
    };
    for budget in [1, 10_000] {
        let stats = engine.token_stats(&groups(&rows), budget).expect("valid tokens");
        compare(&stats, &want, "with the adapter");
        let loss = -stats.iter().flat_map(|s| &s.0).sum::<f32>() / n_targets;
        let want_loss = expected.floats("lora_loss")[0];
        assert!((loss - want_loss).abs() < 1e-4, "{name}: loss {loss}, not {want_loss}");
        let base = engine.base_token_stats(&groups(&rows), budget).expect("valid tokens");
        compare(&base, &expected.of_targets("logprobs", 36), "with the adapter off");
    }
    check_gradients(engine, &expected, 30, name, "lora_grad.");
    let adapter = engine.merge_adapter().expect("there is one");
    let merged = engine.token_stats(&groups(&rows), 100).expect("valid tokens");
    compare(&merged, &want, "after merging");
    check_logits(engine, &expected, name, "lora_logits");
    engine.unmerge_adapter(adapter);
    let unmerged = engine.base_token_stats(&groups(&rows), 100).expect("valid tokens");
    compare(&unmerged, &expected.of_targets("logprobs", 36), "after unmerging");
    check_logits(engine, &expected, name, "lora_logits");
}

#[test]
fn adapters_of_peft_give_the_goldens_in_both_engines() {
    for (name, folder) in MODELS.iter().filter_map(|name| Some((name, folder(name)?))) {
        let mut model = Model::load(folder.as_path()).expect("loadable");
        check_adapter(&mut model, &folder, &format!("{name}, fused"));
        check_adapter(&mut burn(&folder), &folder, &format!("{name}, burn"));
    }
}

#[test]
fn greedy_continuations_equal_the_goldens() {
    for (name, folder) in MODELS.iter().filter_map(|name| Some((name, folder(name)?))) {
        let expected = Expected::read(&folder);
        check_greedy(&Model::load(folder.as_path()).expect("loadable"), &expected, name);
        check_greedy(&burn(&folder), &expected, name);
    }
}
