//! Matrix products on slices, single-threaded: workers split the batch, not the product.
//!
//! # Invariants
//! - A row of [`matmul_by_row`] depends on that row of the left factor only, bit for bit, so a sequence's
//!   numbers do not depend on what else is in its batch.

use std::cell::RefCell;

use gemm::Parallelism;

/// A read-only matrix: a slice with strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A dense row-major matrix.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        check_extent(data.len(), rows, cols, row_stride);
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transposed view.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// A writable row-major matrix.
#[derive(Debug)]
pub(crate) struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl<'a> MatMut<'a> {
    /// A dense matrix.
    pub(crate) fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A matrix whose rows start `row_stride` elements apart.
    pub(crate) fn strided(
        data: &'a mut [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Self {
        check_extent(data.len(), rows, cols, row_stride);
        Self { data, rows, cols, row_stride }
    }
}

fn check_extent(len: usize, rows: usize, cols: usize, row_stride: usize) {
    let needed = if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + cols };
    assert!(
        needed <= len && (cols <= row_stride || rows <= 1),
        "a {rows} x {cols} matrix with row stride {row_stride} needs {needed} elements, got {len}"
    );
}

/// `out = lhs rhs`, or `out += lhs rhs` when `accumulate`.
///
/// # Panics
/// When the shapes do not fit.
pub(crate) fn matmul(out: MatMut<'_>, lhs: Mat<'_>, rhs: Mat<'_>, accumulate: bool) {
    assert!(
        out.rows == lhs.rows && out.cols == rhs.cols && lhs.cols == rhs.rows,
        "cannot multiply {}x{} by {}x{} into {}x{}",
        lhs.rows,
        lhs.cols,
        rhs.rows,
        rhs.cols,
        out.rows,
        out.cols
    );
    if out.rows == 0 || out.cols == 0 {
        return;
    }
    let (m, n, k) = (out.rows, out.cols, lhs.cols);
    #[expect(unsafe_code, reason = "the gemm crate's entry point takes raw pointers")]
    // SAFETY: `Mat` and `MatMut` are only built by constructors that check that every element lies within
    // their slices, the shapes agree (checked above), and `out` is borrowed mutably, so nothing aliases it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.data.as_mut_ptr(),
            1,
            out.row_stride as isize,
            accumulate,
            lhs.data.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// [`matmul`] with dense factors for which each row of the result depends on its row of `lhs` alone, bit for
/// bit, however many rows there are.
///
/// The `gemm` crate sums products of one row, and those of at most [`SMALL`] elements, in another order; such
/// products are padded with rows of zeros.
pub(crate) fn matmul_by_row(out: &mut [f32], lhs: &[f32], rhs: Mat<'_>, rows: usize, sum: bool) {
    thread_local! {
        static PAD: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    let (n, k) = (rhs.cols, rhs.rows);
    if rows > 1 && rows * n > SMALL {
        return matmul(MatMut::new(out, rows, n), Mat::new(lhs, rows, k), rhs, sum);
    }
    let padded = (SMALL / n + 1).max(2);
    PAD.with_borrow_mut(|pad| {
        pad.clear();
        pad.resize(padded * (n + k), 0.0);
        let (product, factor) = pad.split_at_mut(padded * n);
        factor[..rows * k].copy_from_slice(&lhs[..rows * k]);
        matmul(MatMut::new(product, padded, n), Mat::new(factor, padded, k), rhs, false);
        for (target, value) in out[..rows * n].iter_mut().zip(product.iter()) {
            *target = if sum { *target + value } else { *value };
        }
    });
}

/// Elements up to which the `gemm` crate takes its small-product path.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect()
    }

    #[test]
    fn products_equal_the_definition() {
        for (m, n, k) in [(1, 5, 3), (2, 7, 1), (5, 1, 4), (17, 33, 65), (6, 16, 32)] {
            let (a, b) = (ramp(m * k, 1), ramp(n * k, 2));
            let mut out = ramp(m * n, 3);
            let before = out.clone();
            matmul(MatMut::new(&mut out, m, n), Mat::new(&a, m, k), Mat::new(&b, n, k).t(), true);
            for i in 0..m {
                for j in 0..n {
                    let dot: f32 = (0..k).map(|l| a[i * k + l] * b[j * k + l]).sum();
                    assert!((out[i * n + j] - before[i * n + j] - dot).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        for (n, k) in [(384, 128), (128, 384), (50, 128), (130, 128), (256, 512)] {
            let (a, b) = (ramp(200 * k, 1), ramp(n * k, 2));
            let product = |rows: usize, first: usize| {
                let mut out = vec![0.0; rows * n];
                let lhs = &a[first * k..(first + rows) * k];
                matmul_by_row(&mut out, lhs, Mat::new(&b, n, k).t(), rows, false);
                out
            };
            let whole = product(200, 0);
            for (rows, first) in [(1, 0), (1, 7), (2, 7), (3, 50), (16, 31), (64, 100), (127, 73)] {
                let part = product(rows, first);
                assert_eq!(part, whole[first * n..(first + rows) * n], "{rows} rows from {first}");
            }
        }
    }
}
