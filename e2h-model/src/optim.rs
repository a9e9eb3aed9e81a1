//! AdamW over flat parameters, with gradient clipping by global norm.
//!
//! # Source
//! Loshchilov and Hutter 2019, algorithm 2; clipping as in Pascanu et al. 2013.
//!
//! # Deviations
//! - Weight decay leaves norm weights and biases alone, as is usual for transformers.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cpu::simd::{sum_map, vectorized};
use crate::params::Layout;

/// Elements that a thread takes at a time; a tensor of no more stays on the caller's thread.
const PART: usize = 1 << 18;

/// The constants of AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Share of a matrix weight that is taken off per unit of learning rate.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    /// The defaults of PyTorch's AdamW, without decay, as TRL trains.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Optimiser state: two moments a parameter, in f32.
///
/// ```
/// use e2h_model::{AdamW, AdamWConfig, ValueHead};
///
/// let mut head = ValueHead::new(3);
/// let mut optimizer = AdamW::new(AdamWConfig::default(), head.params().len());
/// // The first update moves each parameter by the learning rate, whatever the size of its gradient.
/// let grads = [0.5, -20.0, 0.0, 0.001];
/// head.update_params(|layout, params| optimizer.update(layout, params, &grads, 0.1));
/// let expected = [-0.1, 0.1, 0.0, -0.1];
/// assert!(head.params().iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    config: AdamWConfig,
    /// Updates made so far.
    pub n_updates: u64,
    /// First moments, in the layout of the parameters.
    pub m: Vec<f32>,
    /// Second moments, in the layout of the parameters.
    pub v: Vec<f32>,
}

impl AdamW {
    /// Fresh state for `n_params` parameters.
    pub fn new(config: AdamWConfig, n_params: usize) -> Self {
        Self { config, n_updates: 0, m: vec![0.0; n_params], v: vec![0.0; n_params] }
    }

    /// One update of `params` along `grads` with learning rate `lr`.
    ///
    /// # Panics
    /// When a buffer has not the length of the state.
    pub fn update(&mut self, layout: &Layout, params: &mut [f32], grads: &[f32], lr: f64) {
        let n = self.m.len();
        assert!(params.len() == n && grads.len() == n, "buffers of another shape");
        self.n_updates += 1;
        let AdamWConfig { beta1, beta2, eps, weight_decay } = self.config;
        let power = i32::try_from(self.n_updates).unwrap_or(i32::MAX);
        let correction1 = 1.0 - beta1.powi(power);
        let correction2 = (1.0 - beta2.powi(power)).sqrt();
        let (rate, eps) = ((lr / correction1) as f32, eps as f32);
        let (b1, b2, root) = (beta1 as f32, beta2 as f32, (1.0 / correction2) as f32);
        for spec in &layout.tensors {
            let decay = if spec.is_vector() { 0.0 } else { lr * weight_decay };
            let keep = (1.0 - decay) as f32;
            let range = spec.range.clone();
            let (m, v) = (&mut self.m[range.clone()], &mut self.v[range.clone()]);
            let (p, g) = (&mut params[range.clone()], &grads[range]);
            let part = |p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]| {
                vectorized!({
                    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                        *m = b1 * *m + (1.0 - b1) * g;
                        *v = b2 * *v + (1.0 - b2) * g * g;
                        *p = *p * keep - rate * *m / (v.sqrt() * root + eps);
                    }
                });
            };
            if p.len() <= PART {
                part(p, g, m, v);
                continue;
            }
            let parts = p.par_chunks_mut(PART).zip(g.par_chunks(PART));
            let parts = parts.zip(m.par_chunks_mut(PART)).zip(v.par_chunks_mut(PART));
            parts.for_each(|(((p, g), m), v)| part(p, g, m, v));
        }
    }
}

/// 2-norm of a gradient.
pub fn global_norm(grads: &[f32]) -> f64 {
    // Blocks keep the f32 partial sums short.
    let square = |part: &[f32]| f64::from(vectorized!(sum_map(part, |g| g * g)));
    if grads.len() <= 4 * PART {
        return grads.chunks(4096).map(square).sum::<f64>().sqrt();
    }
    // Added up in the order of the blocks, whichever thread computed them.
    let parts = grads.par_chunks(4096).with_min_len(PART / 4096);
    parts.map(square).collect::<Vec<f64>>().iter().sum::<f64>().sqrt()
}

/// Scales `grads` so that its norm is at most `max_norm`; returns the norm before. A norm that is not finite
/// is returned as it is, and nothing is scaled.
///
/// ```
/// use e2h_model::{clip_global_norm, global_norm};
/// let mut grads = [3.0, 4.0];
/// assert_eq!(clip_global_norm(&mut grads, 1.0), 5.0);
/// assert!((grads[0] - 0.6).abs() < 1e-6 && (global_norm(&grads) - 1.0).abs() < 1e-6);
/// // A norm within the bound changes nothing.
/// clip_global_norm(&mut grads, 2.0);
/// assert!((grads[1] - 0.8).abs() < 1e-6);
/// ```
pub fn clip_global_norm(grads: &mut [f32], max_norm: f64) -> f64 {
    let norm = global_norm(grads);
    if norm.is_finite() && norm > max_norm {
        let scale = (max_norm / norm) as f32;
        vectorized!(grads.iter_mut().for_each(|g| *g *= scale));
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelConfig;

    #[test]
    fn the_first_updates_equal_a_hand_worked_example() {
        let layout = Layout::new(&ModelConfig::nano(8));
        let config = AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() };
        let n = layout.n_params();
        let (mut adam, mut params) = (AdamW::new(config, n), vec![1.0; n]);
        let grads = vec![0.5; n];
        adam.update(&layout, &mut params, &grads, 0.01);
        // Bias-corrected moments are g and g^2, so the step is lr; matrices also lose lr * decay.
        let vector = layout.get("model.norm.weight").expect("a norm").range.start;
        assert!((params[0] - (1.0 - 0.001 - 0.01)).abs() < 1e-6, "{}", params[0]);
        assert!((params[vector] - 0.99).abs() < 1e-6, "{}", params[vector]);
        adam.update(&layout, &mut params, &vec![-0.5; n], 0.01);
        // m = (0.9 * 0.05 - 0.05) / (1 - 0.81) = -0.0263, sqrt(v) = 0.5: the step is 0.01 * -0.0526.
        let expect = 0.99 + 0.01 * (0.005 / 0.19) / 0.5;
        assert!((params[vector] - expect).abs() < 1e-6, "{} {expect}", params[vector]);
    }

    #[test]
    fn clipping_scales_to_the_bound_and_reports_the_norm_before() {
        let mut grads = vec![3.0, 4.0];
        assert!((clip_global_norm(&mut grads, 1.0) - 5.0).abs() < 1e-12);
        assert!((global_norm(&grads) - 1.0).abs() < 1e-6);
        assert!((clip_global_norm(&mut grads, 1.0) - 1.0).abs() < 1e-6);
        let mut broken = vec![f32::NAN, 1.0];
        assert!(clip_global_norm(&mut broken, 1.0).is_nan());
    }
}
