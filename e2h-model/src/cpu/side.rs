//! The side paths of adapters on the CPU, forward and backward; and what a pass computes with.
//!
//! Forward `y += s h B^T` with `h = drop(x) A^T`. Backward, with `d_h = s d_y B`: `d_B += s d_y^T h`,
//! `d_A += d_h^T drop(x)`, `d_x += drop(d_h A)`. The frozen weight beside it gets no gradient.
//!
//! # Invariants
//! - As everywhere on the decoding path, a row's numbers do not depend on the rows beside it.

use super::forward::sized;
use super::linalg::{Mat, MatMut, matmul, matmul_by_row};
use super::simd::vectorized;
use crate::adapter::{Adapter, Dropout, Projection};

/// The weights that a pass computes with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a> {
    /// The decoder's flat weights.
    pub base: &'a [f32],
    /// The adapter, when there is one and it is on.
    pub adapter: Option<&'a Adapter>,
    /// What the adapter drops; `None` outside training.
    pub dropout: Option<Dropout>,
}

impl<'a> Weights<'a> {
    pub(crate) fn side(&self, layer: usize, projection: Projection) -> Option<Side<'a>> {
        let adapter = self.adapter?;
        adapter.factors(layer, projection)?;
        Some(Side { adapter, dropout: self.dropout, layer, projection })
    }
}

/// Where a pass adds its gradients: to all weights, or to the adapter alone.
pub(crate) enum Grads<'a> {
    /// Of the decoder's flat weights.
    Base(&'a mut [f32]),
    /// Of the adapter's flat factors.
    Adapter(&'a mut [f32]),
}

impl Grads<'_> {
    /// The gradient of a part of the decoder's weights, unless they are frozen.
    pub(crate) fn base(&mut self, range: &std::ops::Range<usize>) -> Option<&mut [f32]> {
        match self {
            Self::Base(grads) => Some(&mut grads[range.clone()]),
            Self::Adapter(_) => None,
        }
    }
}

/// One side path.
pub(crate) struct Side<'a> {
    adapter: &'a Adapter,
    dropout: Option<Dropout>,
    layer: usize,
    projection: Projection,
}

/// Some columns of the rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// Width of the whole rows.
    pub width: usize,
    pub start: usize,
    pub len: usize,
}

/// Buffers of side paths, reused from one to the next.
#[derive(Debug, Default)]
pub(crate) struct SideBuffers {
    dropped: Vec<f32>,
    h: Vec<f32>,
    d_h: Vec<f32>,
    out: Vec<f32>,
}

impl Side<'_> {
    fn a(&self, n_in: usize) -> Mat<'_> {
        let factors = self.factors();
        Mat::new(&self.adapter.params[factors.a.clone()], self.rank(), n_in)
    }

    fn b(&self, n_out: usize) -> Mat<'_> {
        let factors = self.factors();
        Mat::new(&self.adapter.params[factors.b.clone()], n_out, self.rank())
    }

    fn factors(&self) -> &crate::adapter::Factors {
        match self.adapter.factors(self.layer, self.projection) {
            Some(factors) => factors,
            None => panic!("a side path without factors"),
        }
    }

    fn rank(&self) -> usize {
        self.adapter.config().rank
    }

    /// `x`, or its copy with the dropped inputs set to 0.
    fn drop<'b>(&self, x: &'b [f32], keys: &[u64], buffer: &'b mut Vec<f32>) -> &'b [f32] {
        if self.dropout.is_none() {
            return x;
        }
        buffer.clear();
        buffer.extend_from_slice(x);
        self.mask(buffer, keys);
        buffer
    }

    fn mask(&self, x: &mut [f32], keys: &[u64]) {
        if let Some(dropout) = self.dropout {
            for (row, key) in x.chunks_exact_mut(x.len() / keys.len()).zip(keys) {
                dropout.apply(*key, self.layer, self.projection, row);
            }
        }
    }

    /// Adds the side path's output to some columns of `y`.
    ///
    /// # Shapes
    /// - `y`: `[M, width]`
    /// - `x`: `[M, in]`
    /// - `keys`: `[M]` names of the rows, for dropout
    pub(crate) fn add(
        &self,
        y: &mut [f32],
        columns: Columns,
        x: &[f32],
        keys: &[u64],
        buffers: &mut SideBuffers,
    ) {
        let rows = y.len() / columns.width;
        let (n_in, scale) = (x.len() / rows, self.adapter.config().scale());
        let dropped = self.drop(x, keys, &mut buffers.dropped);
        let h = sized(&mut buffers.h, rows * self.rank());
        matmul_by_row(h, dropped, self.a(n_in).t(), rows, false);
        let out = sized(&mut buffers.out, rows * columns.len);
        matmul_by_row(out, h, self.b(columns.len).t(), rows, false);
        vectorized!({
            for (y, out) in y.chunks_exact_mut(columns.width).zip(out.chunks_exact(columns.len)) {
                for (y, o) in y[columns.start..].iter_mut().zip(out) {
                    *y += scale * o;
                }
            }
        });
    }

    /// First half of the backward pass: adds to the gradient of the side path's input, and keeps `d_h`.
    pub(crate) fn backward_input(
        &self,
        d_x: &mut [f32],
        d_y: &[f32],
        columns: Columns,
        keys: &[u64],
        buffers: &mut SideBuffers,
    ) {
        let rows = d_y.len() / columns.width;
        let (n_in, rank, scale) = (d_x.len() / rows, self.rank(), self.adapter.config().scale());
        let d_y = Mat::strided(&d_y[columns.start..], rows, columns.len, columns.width);
        let d_h = sized(&mut buffers.d_h, rows * rank);
        matmul(MatMut::new(d_h, rows, rank), d_y, self.b(columns.len), false);
        d_h.iter_mut().for_each(|d| *d *= scale);
        let d_h = Mat::new(d_h, rows, rank);
        if self.dropout.is_none() {
            return matmul(MatMut::new(d_x, rows, n_in), d_h, self.a(n_in), true);
        }
        let out = sized(&mut buffers.out, rows * n_in);
        matmul(MatMut::new(out, rows, n_in), d_h, self.a(n_in), false);
        self.mask(out, keys);
        super::ops::add(d_x, out);
    }

    /// Second half: adds to the gradients of the factors. Must follow [`Self::backward_input`] with the same
    /// `d_y`.
    pub(crate) fn backward_factors(
        &self,
        grads: &mut Grads<'_>,
        d_y: &[f32],
        columns: Columns,
        x: &[f32],
        keys: &[u64],
        buffers: &mut SideBuffers,
    ) {
        let Grads::Adapter(grads) = grads else { return };
        let rows = d_y.len() / columns.width;
        let (n_in, rank, scale) = (x.len() / rows, self.rank(), self.adapter.config().scale());
        let factors = self.factors();
        let dropped = Mat::new(self.drop(x, keys, &mut buffers.dropped), rows, n_in);
        let h = sized(&mut buffers.h, rows * rank);
        matmul(MatMut::new(h, rows, rank), dropped, self.a(n_in).t(), false);
        h.iter_mut().for_each(|h| *h *= scale);
        let d_y = Mat::strided(&d_y[columns.start..], rows, columns.len, columns.width);
        let d_b = MatMut::new(&mut grads[factors.b.clone()], columns.len, rank);
        matmul(d_b, d_y.t(), Mat::new(h, rows, rank), true);
        let d_a = MatMut::new(&mut grads[factors.a.clone()], rank, n_in);
        matmul(d_a, Mat::new(&buffers.d_h, rows, rank).t(), dropped, true);
    }
}
