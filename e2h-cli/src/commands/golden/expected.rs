//! The numbers that another program computed from a small model: `expected.safetensors` of a folder.
//!
//! Rows are padded on the left: `input_ids` and `attention_mask` `[R, T]`; `logits` and `lora_logits` `[R, T, V]`; `logprobs` and
//! `target_mask` `[R, T - 1]`; `entropies` `[R, T]`; `grad.*` and `lora_grad.*` of minus the mean log-prob; `greedy` `[R, n]`.

use std::path::{Path, PathBuf};

use e2h_core::TokenId;
use safetensors::SafeTensors;

use crate::hints::{Failure, Outcome};

const FILE: &str = "expected.safetensors";

/// The folder itself, or those within it that hold expected numbers.
pub(super) fn folders(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let has = |path: &Path| path.join(FILE).is_file();
    if has(dir) {
        return Ok(vec![dir.to_path_buf()]);
    }
    let entries = std::fs::read_dir(dir).map_err(|error| {
        Failure::usage(format!("cannot read {}: {error}", dir.display()))
            .hint(format!("give a folder with config.json, model.safetensors and {FILE}"))
    })?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| has(path));
    found.sort();
    if found.is_empty() {
        return Err(Failure::usage(format!("{} holds no {FILE}", dir.display()))
            .hint("the numbers of another program are compared with, and they are not there"));
    }
    Ok(found)
}

/// The expected numbers of a folder.
pub(super) struct Expected {
    bytes: Vec<u8>,
    /// Tokens of a padded row.
    width: usize,
}

impl Expected {
    /// Reads the folder's file.
    pub(super) fn read(folder: &Path) -> Outcome<Self> {
        let path = folder.join(FILE);
        let failed = |problem: String| Failure::run(format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| failed(error.to_string()))?;
        let ids = file.tensor("input_ids").map_err(|error| failed(error.to_string()))?;
        let width = ids.shape().last().copied().filter(|width| *width > 0);
        let width = width.ok_or_else(|| failed("`input_ids` is empty".to_owned()))?;
        Ok(Self { bytes, width })
    }

    /// The names of all tensors that begin with `prefix`, without it.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        let Ok(file) = SafeTensors::deserialize(&self.bytes) else { return Vec::new() };
        let names = file.names().into_iter();
        names.filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The 4-byte numbers of a tensor, as whole numbers; none where it is not there.
    pub(super) fn ints(&self, name: &str) -> Vec<u32> {
        let Ok(file) = SafeTensors::deserialize(&self.bytes) else { return Vec::new() };
        let Ok(view) = file.tensor(name) else { return Vec::new() };
        let words = view.data().chunks_exact(4);
        words.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    /// The numbers of a tensor; none where it is not there.
    pub(super) fn floats(&self, name: &str) -> Vec<f32> {
        self.ints(name).into_iter().map(f32::from_bits).collect()
    }

    /// The rows without their padding.
    pub(super) fn rows(&self) -> Vec<Vec<TokenId>> {
        let (ids, mask) = (self.ints("input_ids"), self.ints("attention_mask"));
        let rows = ids.chunks(self.width).zip(mask.chunks(self.width));
        rows.map(|(ids, mask)| {
            ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id).collect()
        })
        .collect()
    }

    /// The values of `name` at the places that predict each row's tokens after its first.
    pub(super) fn of_targets(&self, name: &str) -> Vec<f32> {
        let values = self.floats(name);
        let rows = self.rows();
        let columns = values.len() / rows.len().max(1);
        let end = self.width - 1;
        let parts = values.chunks(columns.max(1)).zip(&rows);
        parts.flat_map(|(values, row)| values[end + 1 - row.len()..end].to_vec()).collect()
    }

    /// The logits called `name` of each row's own tokens, row after row.
    pub(super) fn logits(&self, name: &str) -> Vec<Vec<f32>> {
        let (values, rows) = (self.floats(name), self.rows());
        let vocab_size = values.len() / (rows.len() * self.width).max(1);
        let parts = values.chunks((self.width * vocab_size).max(1)).zip(&rows);
        parts
            .map(|(values, row)| values[(self.width - row.len()) * vocab_size..].to_vec())
            .collect()
    }

    /// The greedy continuation of each row.
    pub(super) fn greedy(&self) -> Vec<Vec<TokenId>> {
        let (all, n_rows) = (self.ints("greedy"), self.rows().len());
        all.chunks((all.len() / n_rows.max(1)).max(1)).map(<[TokenId]>::to_vec).collect()
    }
}
