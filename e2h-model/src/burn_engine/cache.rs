//! Keys and values of the sequences that are being decoded.
//!
//! All rows end at the same slot, so that one assignment stores a step's keys for all of them; a row that joins later
//! has its prompt moved there. Room for new tokens is made [`BLOCK`] slots at a time; within a block a token is written in place.
//!
//! # Invariants
//! - A row attends to its own prompt and its own tokens: the slots before its prompt and those not yet written
//!   are masked.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::forward::{Attention, MASKED, grouped_attention};
use super::tensors::ints;

/// Slots added when the cache is full: at most this many minus one are computed in vain.
const BLOCK: usize = 32;

/// Keys and values of one layer. `[N, K, S, D]`
struct LayerCache {
    keys: Tensor<4>,
    values: Tensor<4>,
}

/// Keys and values of N rows.
pub(crate) struct KvCache {
    layers: Vec<LayerCache>,
    /// Added to the scores. `[N, 1, 1, S]`, f32
    mask: Tensor<4>,
    /// Slots in use.
    used: usize,
    /// S
    capacity: usize,
}

impl KvCache {
    /// Copies the keys and values of prompts to one row a sample.
    ///
    /// # Shapes
    /// - `layers`: keys and values `[P, K, T, D]`, prompts padded on the right
    /// - `lens`: `[P]` lengths of the prompts in tokens
    /// - `owners`: `[N]` the prompt of each row
    pub(crate) fn from_prompts(
        layers: Vec<(Tensor<4>, Tensor<4>)>,
        lens: &[usize],
        owners: &[usize],
        device: &Device,
    ) -> Self {
        let width = lens.iter().copied().max().unwrap_or(0);
        let (mut source, mut mask) = (Vec::new(), Vec::new());
        for &owner in owners {
            let pad = width - lens[owner];
            // Masked slots take any row: the prompt's first.
            let slots = (0..width).map(|slot| (owner * width + slot.saturating_sub(pad)) as i32);
            source.extend(slots);
            mask.extend((0..width).map(|slot| if slot < pad { MASKED } else { 0.0 }));
        }
        let source = ints(&source, device);
        let place = |x: Tensor<4>| {
            let [p, k, t, d] = x.dims();
            let rows = x.swap_dims(1, 2).reshape([p * t, k * d]);
            let rows = rows.select(0, source.clone()); // [N * T, K * D]
            rows.reshape([owners.len(), t, k, d]).swap_dims(1, 2)
        };
        let layers = layers
            .into_iter()
            .map(|(keys, values)| LayerCache { keys: place(keys), values: place(values) });
        let mask = TensorData::new(mask, [owners.len(), 1, 1, width]);
        Self {
            layers: layers.collect(),
            mask: Tensor::from_data(mask, (device, DType::F32)),
            used: width,
            capacity: width,
        }
    }

    /// Opens the next slot for every row; makes room when there is none.
    pub(crate) fn open_slot(&mut self) {
        if self.used == self.capacity {
            self.capacity += BLOCK;
            for layer in &mut self.layers {
                layer.keys.inplace(|x| widen(x, 2, self.capacity, 0.0));
                layer.values.inplace(|x| widen(x, 2, self.capacity, 0.0));
            }
            self.mask.inplace(|x| widen(x, 3, self.capacity, MASKED));
        }
        let slot = self.used..self.used + 1;
        let [n, ..] = self.mask.dims();
        self.mask.inplace(|mask| mask.slice_fill([0..n, 0..1, 0..1, slot], 0.0));
        self.used += 1;
    }

    /// Keeps the given rows, in their order, and the last `slots` slots in use: no kept row has more.
    pub(crate) fn keep_rows(&mut self, rows: &Tensor<1, Int>, slots: usize) {
        let used = self.used - slots.min(self.used)..self.used;
        for layer in &mut self.layers {
            layer.keys.inplace(|x| x.slice_dim(2, used.clone()).select(0, rows.clone()));
            layer.values.inplace(|x| x.slice_dim(2, used.clone()).select(0, rows.clone()));
        }
        self.mask.inplace(|x| x.slice_dim(3, used.clone()).select(0, rows.clone()));
        self.used = used.len();
        self.capacity = used.len();
    }

    /// The rows of `self`, then those of `other`; neither may have slots that are not in use.
    pub(crate) fn join(self, other: Self) -> Self {
        let width = self.used.max(other.used);
        let both = |a, b, dim, fill| {
            Tensor::cat(vec![pad_front(a, dim, width, fill), pad_front(b, dim, width, fill)], 0)
        };
        let layers = self.layers.into_iter().zip(other.layers).map(|(a, b)| LayerCache {
            keys: both(a.keys, b.keys, 2, 0.0),
            values: both(a.values, b.values, 2, 0.0),
        });
        Self {
            layers: layers.collect(),
            mask: both(self.mask, other.mask, 3, MASKED),
            used: width,
            capacity: width,
        }
    }
}

/// `x` with `size` slots on axis `dim`, the new ones before the old and set to `fill`.
fn pad_front(x: Tensor<4>, dim: usize, size: usize, fill: f32) -> Tensor<4> {
    let mut dims = x.dims();
    if dims[dim] == size {
        return x;
    }
    dims[dim] = size - dims[dim];
    let front = Tensor::full(dims, fill, (&x.device(), x.dtype()));
    Tensor::cat(vec![front, x], dim)
}

/// `x` with `size` slots on axis `dim`, the new ones set to `fill`.
fn widen(x: Tensor<4>, dim: usize, size: usize, fill: f32) -> Tensor<4> {
    let old = x.dims();
    let mut dims = old;
    dims[dim] = size;
    let wide = Tensor::full(dims, fill, (&x.device(), x.dtype()));
    wide.slice_assign(old.map(|n| 0..n), x)
}

/// Decoding: one new token a row, stored in the slot opened last.
impl Attention for KvCache {
    fn attend(
        &mut self,
        layer: usize,
        queries: Tensor<4>,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> Tensor<4> {
        let [n, k, _, d] = keys.dims();
        let slot = [0..n, 0..k, self.used - 1..self.used, 0..d];
        let cache = &mut self.layers[layer];
        cache.keys.inplace(|all| all.slice_assign(slot.clone(), keys));
        cache.values.inplace(|all| all.slice_assign(slot, values));
        grouped_attention(queries, cache.keys.clone(), cache.values.clone(), self.mask.clone())
    }
}
