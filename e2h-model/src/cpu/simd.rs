//! Element-wise arithmetic that the compiler turns into vector code, and the switch to the best vector
//! instructions of this machine.
//!
//! Kernels are plain loops marked `#[inline(always)]`; [`vectorized!`](vectorized) compiles them once for each
//! instruction set and picks one at run time. Sums use [`LANES`] partial sums in a fixed order, so that they
//! vectorise and give the same bits whatever the instruction set's width.

use std::sync::OnceLock;

use pulp::{Arch, WithSimd};

/// Partial sums of a reduction.
pub(crate) const LANES: usize = 16;

/// Computes an expression, compiled for the best vector instructions at hand.
///
/// A macro, because the closure around the expression must be inlined: what the compiler leaves a function of its own
/// gets the baseline's instructions, which on x86 are 128 bits wide. So functions in it must be `#[inline(always)]`.
macro_rules! vectorized {
    ($body:expr) => {
        $crate::cpu::simd::dispatch(
            #[inline(always)]
            || $body,
        )
    };
}
pub(crate) use vectorized;

/// Runs the closure of [`vectorized!`](vectorized).
#[inline(always)]
pub(crate) fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    arch().dispatch(f)
}

/// Runs a kernel that is written in vectors, with the best vector instructions at hand.
pub(crate) fn run_simd<Op: WithSimd>(kernel: Op) -> Op::Output {
    arch().dispatch(kernel)
}

#[inline(always)]
fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(Arch::new)
}

/// `exp(x)` within 2 units in the last place, without a call or a branch; 0 under -87.3.
///
/// # Source
/// Cephes `expf` (Moshier): `exp(x) = 2^n exp(r)` with `n` the nearest integer to `x / ln 2`, and a
/// polynomial of degree 6 for `exp(r)`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest whole number
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, clamped));
    let poly = 1.987_569_2e-4_f32;
    let poly = poly.mul_add(r, 1.398_2e-3);
    let poly = poly.mul_add(r, 8.333_452e-3);
    let poly = poly.mul_add(r, 4.166_579_6e-2);
    let poly = poly.mul_add(r, 1.666_666_5e-1);
    let poly = poly.mul_add(r, 0.5);
    let value = poly.mul_add(r * r, r) + 1.0;
    // The lowest bits of `shifted` are `n`; a cast would check its range first.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.3 { 0.0 } else { value * power }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn fold(partial: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut partial = partial;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            partial[lane] = combine(partial[lane], partial[lane + width]);
        }
        width /= 2;
    }
    partial[0]
}

/// Sum of `a[i] b[i]`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut partial = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            partial[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        partial[lane] += x * y;
    }
    fold(partial, |x, y| x + y)
}

/// Sum of `f(a[i])`.
#[inline(always)]
pub(crate) fn sum_map(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut partial = [0.0; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for x in chunks {
        for lane in 0..LANES {
            partial[lane] += f(x[lane]);
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        partial[lane] += f(*x);
    }
    fold(partial, |x, y| x + y)
}

/// Largest value; minus infinity for none.
#[inline(always)]
pub(crate) fn max(a: &[f32]) -> f32 {
    let mut partial = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for x in chunks {
        for lane in 0..LANES {
            partial[lane] = if x[lane] > partial[lane] { x[lane] } else { partial[lane] };
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        partial[lane] = if *x > partial[lane] { *x } else { partial[lane] };
    }
    fold(partial, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_three_units_in_the_last_place() {
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3.0 * f64::from(f32::EPSILON), "exp({x}) is off by {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn reductions_agree_with_plain_loops() {
        for n in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 0.3).cos()).collect();
            let exact: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((vectorized!(dot(&a, &b)) - exact).abs() < 1e-5);
            assert!((vectorized!(sum_map(&a, |x| x)) - a.iter().sum::<f32>()).abs() < 1e-5);
            assert_eq!(max(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
