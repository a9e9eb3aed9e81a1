//! What a device can do at best: the two ceilings that measured speeds are compared with.
//!
//! A copy reads and writes a large tensor; its rate is both byte counts over the time. A product of two square matrices
//! of side `n` takes `2 n^3` operations. Both run on random data, after some runs that do not count, and the median of
//! the rest is taken; every run ends with a wait for the device.

use std::time::Instant;

use burn::tensor::{DType, Device, Distribution, Tensor};

use super::device::failed;
use super::{DeviceChoice, Precision};
use crate::Result;

/// Runs that count.
const REPEATS: usize = 9;
/// Runs before: kernels are compiled and their variants measured.
const WARM_UP: usize = 3;

/// The ceilings of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes read plus bytes written, a second.
    pub copy_bytes_per_s: f64,
    /// Operations of a large matrix product in the engine's precision, a second.
    pub matmul_flop_per_s: f64,
}

/// Sizes at which a device is measured: they should fill it and exceed its caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSizes {
    /// Numbers of the copied tensor.
    pub copy: usize,
    /// Side of the multiplied matrices.
    pub matmul: usize,
}

impl LimitSizes {
    /// For a CPU.
    pub const HOST: Self = Self { copy: 1 << 24, matmul: 768 };
    /// For a GPU.
    pub const GPU: Self = Self { copy: 1 << 29, matmul: 8192 };
    /// Says nothing; for tests.
    pub const TINY: Self = Self { copy: 1 << 12, matmul: 16 };
}

/// Measures a device.
///
/// ```
/// use e2h_model::{LimitSizes, Precision, device, limits};
/// let found = limits(&device("cpu")?, Precision::F32, LimitSizes::TINY)?;
/// assert!(found.copy_bytes_per_s > 0.0 && found.matmul_flop_per_s > 0.0);
/// # Ok::<(), e2h_model::Error>(())
/// ```
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) when the device fails.
pub fn limits(choice: &DeviceChoice, precision: Precision, sizes: LimitSizes) -> Result<Limits> {
    let device = &choice.device;
    let dtype = DType::from(precision.dtype());
    let random = |n: usize, m: usize| -> Tensor<2> {
        Tensor::random([n, m], Distribution::Normal(0.0, 1.0), (device, dtype))
    };
    let mut x = random(sizes.copy.div_ceil(1024), 1024);
    let bytes = 2 * x.shape().num_elements() * dtype.size();
    let copy_s = median(device, || x = x.clone().neg())?;
    let n = sizes.matmul;
    let (a, b) = (random(n, n), random(n, n));
    let mut product = None;
    let matmul_s = median(device, || product = Some(a.clone().matmul(b.clone())))?;
    drop(product);
    Ok(Limits {
        copy_bytes_per_s: bytes as f64 / copy_s,
        matmul_flop_per_s: 2.0 * (n as f64).powi(3) / matmul_s,
    })
}

/// The median time of `work` in seconds, the wait for the device included.
fn median(device: &Device, mut work: impl FnMut()) -> Result<f64> {
    let mut times = Vec::new();
    for run in 0..WARM_UP + REPEATS {
        device.sync().map_err(|error| failed(device, error))?;
        let start = Instant::now();
        work();
        device.sync().map_err(|error| failed(device, error))?;
        if run >= WARM_UP {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_limits_in_both_precisions() {
        let choice = crate::device("cpu").expect("always there");
        for precision in [Precision::F32, Precision::Bf16] {
            let found = limits(&choice, precision, LimitSizes::TINY).expect("no device fails");
            for rate in [found.copy_bytes_per_s, found.matmul_flop_per_s] {
                assert!(rate.is_finite() && rate > 0.0, "{found:?}");
            }
        }
    }
}
