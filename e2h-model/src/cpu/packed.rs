//! The product of some rows with a weight matrix that is packed beforehand: what decoding computes at every token.
//!
//! A general product packs its factors at every call, which costs more than the product itself when there are few
//! rows. Weights do not change while a batch is decoded, so they are packed once: in panels of some outputs, input by
//! input, as the kernel reads them. A tile of [`ROWS`] rows and one panel keeps its sums in registers.
//!
//! # Invariants
//! - An element is summed input by input, whatever the number of rows and its place in a tile: so a sequence decodes
//!   to the same bits in any batch.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::run_simd;

/// Rows of a tile: with [`VECTORS`] each 12 sums, which with the factors fill 15 of 16 registers.
const ROWS: usize = 6;

/// Vectors of outputs in a panel.
const VECTORS: usize = 2;

/// Most outputs in a panel: two vectors of 512 bits.
const MAX_WIDTH: usize = 32;

/// Cache line, in bytes: panels begin at one.
const LINE: usize = 64;

/// A packed matrix `W: [out, in]`, for `x W^T`.
#[derive(Debug)]
pub(crate) struct Packed {
    n_in: usize,
    n_out: usize,
    data: Vec<f32>,
    /// Where in `data` the panels are: `[panels, in, width]`. The last one is filled up with zeros.
    panels: Range<usize>,
}

impl Packed {
    /// Packs the dense matrix `weight`. `[out, in]`
    ///
    /// # Panics
    /// When `weight` has not whole rows of `n_in`.
    pub(crate) fn new(weight: &[f32], n_in: usize) -> Self {
        let n_out = weight.len() / n_in;
        assert!(weight.len() == n_in * n_out, "{} weights in rows of {n_in}", weight.len());
        let width = run_simd(PanelWidth);
        let len = n_out.div_ceil(width) * width * n_in;
        let mut data = vec![0.0; len + LINE / size_of::<f32>()];
        let start = data.as_ptr().align_offset(LINE).min(data.len() - len);
        let panels = start..start + len;
        let packed = data[panels.clone()].chunks_exact_mut(n_in * width);
        for (panel, rows) in packed.zip(weight.chunks(n_in * width)) {
            for (j, row) in rows.chunks_exact(n_in).enumerate() {
                for (weights, w) in panel.chunks_exact_mut(width).zip(row) {
                    weights[j] = *w;
                }
            }
        }
        Self { n_in, n_out, data, panels }
    }

    /// `y = x W^T`, or `y += x W^T` when `accumulate`.
    ///
    /// # Shapes
    /// - `x`: `[rows, in]`
    /// - `y`: `[rows, out]`
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn product(&self, y: &mut [f32], x: &[f32], rows: usize, accumulate: bool) {
        assert!(
            x.len() == rows * self.n_in && y.len() == rows * self.n_out,
            "cannot multiply {} elements in {rows} rows by {} x {} weights into {}",
            x.len(),
            self.n_out,
            self.n_in,
            y.len()
        );
        run_simd(Product { weight: self, y, x, accumulate });
    }
}

/// Finds the width of a panel on this machine.
struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        VECTORS * S::F32_LANES
    }
}

struct Product<'a> {
    weight: &'a Packed,
    y: &'a mut [f32],
    x: &'a [f32],
    accumulate: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let n_in = self.weight.n_in;
        let panels = &self.weight.data[self.weight.panels.clone()];
        for (index, panel) in panels.chunks_exact(n_in * VECTORS * S::F32_LANES).enumerate() {
            let (panel, _) = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>();
            let tiles = self.x.chunks_exact(ROWS * n_in);
            let rest = tiles.remainder();
            let n_tiles = tiles.len();
            for (tile, x) in tiles.enumerate() {
                let sums = sums::<S, ROWS>(simd, x, panel);
                self.store(simd, tile * ROWS, index, &sums);
            }
            let row = n_tiles * ROWS;
            match rest.len() / n_in {
                0 => {}
                1 => self.store(simd, row, index, &sums::<S, 1>(simd, rest, panel)),
                2 => self.store(simd, row, index, &sums::<S, 2>(simd, rest, panel)),
                3 => self.store(simd, row, index, &sums::<S, 3>(simd, rest, panel)),
                4 => self.store(simd, row, index, &sums::<S, 4>(simd, rest, panel)),
                _ => self.store(simd, row, index, &sums::<S, 5>(simd, rest, panel)),
            }
        }
    }
}

impl Product<'_> {
    /// Writes the sums of one tile from `row` on, or adds them.
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, row: usize, panel: usize, sums: &[[S::f32s; VECTORS]]) {
        let (n_out, width) = (self.weight.n_out, VECTORS * S::F32_LANES);
        let first = panel * width;
        let len = width.min(n_out - first);
        let mut last = [0.0; MAX_WIDTH];
        for (i, sums) in sums.iter().enumerate() {
            let start = (row + i) * n_out + first;
            let target = &mut self.y[start..start + len];
            // The last panel may be narrower than a tile, and goes through a whole one.
            let whole = if len == width { target } else { &mut last[..width] };
            let vectors = S::as_mut_simd_f32s(whole).0;
            if self.accumulate && len == width {
                for (y, sum) in vectors.iter_mut().zip(sums) {
                    *y = simd.add_f32s(*y, *sum);
                }
                continue;
            }
            for (y, sum) in vectors.iter_mut().zip(sums) {
                *y = *sum;
            }
            if len < width {
                for (y, sum) in self.y[start..start + len].iter_mut().zip(&last) {
                    *y = if self.accumulate { *y + sum } else { *sum };
                }
            }
        }
    }
}

/// The products of `R` rows with one panel, input by input.
#[inline(always)]
fn sums<S: Simd, const R: usize>(
    simd: S,
    x: &[f32],
    panel: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; R] {
    let n_in = panel.len();
    let mut rows: [&[f32]; R] = [&[]; R];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * n_in..][..n_in];
    }
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
    for k in 0..n_in {
        let weights = panel[k];
        for i in 0..R {
            let factor = simd.splat_f32s(rows[i][k]);
            for j in 0..VECTORS {
                sums[i][j] = simd.mul_add_f32s(factor, weights[j], sums[i][j]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn packed_products_equal_the_definition() {
        for (rows, n_in, n_out) in [(1, 5, 3), (4, 32, 16), (7, 65, 50), (13, 96, 129)] {
            let (x, w) = (wave(rows * n_in, 0.7), wave(n_in * n_out, 0.3));
            let packed = Packed::new(&w, n_in);
            let before = wave(rows * n_out, 0.1);
            let (mut set, mut added) = (before.clone(), before.clone());
            packed.product(&mut set, &x, rows, false);
            packed.product(&mut added, &x, rows, true);
            for i in 0..rows {
                for j in 0..n_out {
                    let dot: f32 = (0..n_in).map(|k| x[i * n_in + k] * w[j * n_in + k]).sum();
                    let place = i * n_out + j;
                    assert!((set[place] - dot).abs() < 1e-4);
                    assert!((added[place] - before[place] - dot).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        for (n_in, n_out) in [(128, 384), (65, 50), (576, 7)] {
            let (x, w) = (wave(40 * n_in, 0.7), wave(n_in * n_out, 0.3));
            let packed = Packed::new(&w, n_in);
            let product = |first: usize, rows: usize| {
                let mut y = vec![0.0; rows * n_out];
                packed.product(&mut y, &x[first * n_in..(first + rows) * n_in], rows, false);
                y
            };
            let whole = product(0, 40);
            for (first, rows) in [(0, 1), (7, 2), (11, 5), (3, 8), (1, 39)] {
                assert_eq!(product(first, rows), whole[first * n_out..(first + rows) * n_out]);
            }
        }
    }
}
