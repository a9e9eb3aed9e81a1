//! The values of a value head on a device, forward and backward, in f32 whatever the engine's precision.
//!
//! `v = w . h + b`; backward `d_h = d_v w`, `d_w = sum d_v h`, `d_b = sum d_v`. As the language model's head, it is
//! kept out of autodiff: its gradient joins that of the hidden states before they go back.

use burn::tensor::{Device, FloatDType, Tensor};

use super::device::read;
use super::tensors::floats;
use crate::{Result, ValueHead};

/// A value head whose weights are on a device.
pub(crate) struct DeviceHead {
    /// `[1, C]`
    weight: Tensor<2>,
    bias: f32,
}

impl DeviceHead {
    pub(crate) fn new(head: &ValueHead, device: &Device) -> Self {
        let weight = floats(head.weight(), device).reshape([1, head.width()]);
        Self { weight, bias: head.bias() }
    }

    /// The value of each hidden state. `[Q, C]` to `[Q]`
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the device fails.
    pub(crate) fn values(&self, hidden: Tensor<2>) -> Result<Vec<f32>> {
        let values = hidden.cast(FloatDType::F32).matmul(self.weight.clone().transpose());
        Ok(read(values)?.into_iter().map(|value| value + self.bias).collect())
    }

    /// The gradient of the hidden states, and that of the head, weights then bias. `([Q, C], [C + 1])`
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the device fails.
    pub(crate) fn backward(
        &self,
        hidden: Tensor<2>,
        d_values: &[f32],
    ) -> Result<(Tensor<2>, Vec<f32>)> {
        let dtype = hidden.dtype();
        let d_values_column = floats(d_values, &self.weight.device()).reshape([d_values.len(), 1]);
        let d_hidden = d_values_column.clone().matmul(self.weight.clone()).cast(dtype);
        let d_weight = d_values_column.transpose().matmul(hidden.cast(FloatDType::F32)); // [1, C]
        let mut d_head = read(d_weight)?;
        d_head.push(d_values.iter().sum());
        Ok((d_hidden, d_head))
    }
}
