//! Masks of an adapter's dropout, made on the device: the same numbers as [`Dropout::apply`] makes on the host.
//!
//! The host hashes one number a token; the device goes on from there for every channel, in 64-bit integers.

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use crate::Projection;
use crate::adapter::{Dropout, MIX};

/// What one projection's input is multiplied by: 0, or `1 / (1 - prob)`. `keys: [M]`, result: `[M, width]`, f32
pub(crate) fn mask(
    dropout: Dropout,
    keys: &[u64],
    (layer, projection): (usize, Projection),
    width: usize,
    device: &Device,
) -> Tensor<2> {
    let starts: Vec<i64> =
        keys.iter().map(|key| dropout.start(*key, layer, projection) as i64).collect();
    let starts = TensorData::new(starts, [keys.len(), 1]);
    let starts: Tensor<2, Int> = Tensor::from_data(starts, (device, DType::I64));
    let channels: Tensor<1, Int> = Tensor::arange(0..width as i64, (device, DType::I64));
    let draws = shift_right(mix(starts + channels.unsqueeze::<2>()), 32);
    let kept = draws.greater_equal_elem(dropout.bound() as i64).float();
    kept.cast(FloatDType::F32).mul_scalar(dropout.keep())
}

/// [`adapter::mix`](crate::adapter) of every number.
fn mix(values: Tensor<2, Int>) -> Tensor<2, Int> {
    let [step, first, second] = MIX.map(|constant| constant as i64);
    let z = values.add_scalar(step);
    let z = z.clone().bitwise_xor(shift_right(z, 30)).mul_scalar(first);
    let z = z.clone().bitwise_xor(shift_right(z, 27)).mul_scalar(second);
    z.clone().bitwise_xor(shift_right(z, 31))
}

/// A shift that fills with zeros: that of signed integers fills with the sign.
fn shift_right(values: Tensor<2, Int>, bits: i64) -> Tensor<2, Int> {
    let left = (u64::MAX >> bits) as i64;
    values.bitwise_right_shift_scalar(bits).bitwise_and_scalar(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::row_key;
    use crate::burn_engine::device::read;

    #[test]
    fn masks_are_those_of_the_host() {
        let dropout = Dropout::new(0xFEDC_BA98_7654_3210, 0.3).expect("something is dropped");
        let keys: Vec<u64> = (0..20).map(|i| row_key(i % 2 == 0, i, 7 * i)).collect();
        for (layer, projection) in [(0, Projection::QProj), (27, Projection::DownProj)] {
            let made = mask(dropout, &keys, (layer, projection), 33, &Device::flex());
            let made = read(made).expect("no device fails");
            let mut expected = vec![1.0; keys.len() * 33];
            for (row, key) in expected.chunks_exact_mut(33).zip(&keys) {
                dropout.apply(*key, layer, projection, row);
            }
            assert_eq!(made, expected);
            assert!(made.contains(&0.0));
        }
    }
}
