//! The values of a value head on the CPU, forward and backward.
//!
//! `v = w . h + b`; backward `d_h += d_v w`, `d_w += d_v h`, `d_b += d_v`.

use super::forward::Workspace;
use super::simd::{dot, vectorized};
use crate::ValueHead;
use crate::batch::Query;

/// The value at each query, over the output of a forward pass.
pub(crate) fn values(head: &ValueHead, hidden: &[f32], queries: &[Query]) -> Vec<f32> {
    let (weight, bias) = (head.weight(), head.bias());
    let value = |query: &Query| dot(&hidden[rows(query, weight.len())], weight) + bias;
    vectorized!(queries.iter().map(value).collect())
}

/// Backward of [`values`]: adds to `workspace.d_hidden` and to the head's gradient.
pub(crate) fn values_backward(
    head: &ValueHead,
    grads: &mut [f32],
    workspace: &mut Workspace,
    queries: &[Query],
    d_values: &[f32],
) {
    let weight = head.weight();
    let (d_weight, d_bias) = grads.split_at_mut(weight.len());
    for (query, &d_value) in queries.iter().zip(d_values) {
        let rows = rows(query, weight.len());
        let hidden = &workspace.hidden[rows.clone()];
        let d_hidden = &mut workspace.d_hidden[rows];
        for (((d_w, d_h), w), h) in d_weight.iter_mut().zip(d_hidden).zip(weight).zip(hidden) {
            *d_w += d_value * h;
            *d_h += d_value * w;
        }
        d_bias[0] += d_value;
    }
}

/// Where the hidden state of a query lies.
fn rows(query: &Query, width: usize) -> std::ops::Range<usize> {
    query.row * width..(query.row + 1) * width
}
