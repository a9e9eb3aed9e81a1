//! Small tensors from host slices.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Indices or token ids. `[n]`
pub(crate) fn ints(values: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Numbers in f32. `[n]`
pub(crate) fn floats(values: &[f32], device: &Device) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, DType::F32))
}
