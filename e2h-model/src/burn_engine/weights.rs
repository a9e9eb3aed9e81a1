//! The decoder's weights as burn tensors, under the checkpoint's names.
//!
//! # Invariants
//! - The path of a field, joined by dots, is the checkpoint's name of its tensor; no other mapping exists.
//! - Matrices are `[out, in]`, as in checkpoints. They and the biases have the engine's precision; norm
//!   weights and an adapter's factors are f32 always.

#![expect(non_snake_case, reason = "fields carry the checkpoint's names")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, Tensor, TensorData};

use crate::params::{Layout, TensorSpec};
use crate::{Adapter, ModelConfig, Projection, Result};

use super::device::read;

/// All weights: the root of a checkpoint's names.
#[derive(Module, Debug)]
pub(crate) struct Weights {
    pub model: Backbone,
    /// `None` when the head is the embedding matrix.
    pub lm_head: Option<Linear>,
}

#[derive(Module, Debug)]
pub(crate) struct Backbone {
    pub embed_tokens: Linear,
    pub layers: Vec<Layer>,
    pub norm: Norm,
}

#[derive(Module, Debug)]
pub(crate) struct Layer {
    pub input_layernorm: Norm,
    pub self_attn: SelfAttention,
    pub post_attention_layernorm: Norm,
    pub mlp: Mlp,
}

#[derive(Module, Debug)]
pub(crate) struct SelfAttention {
    pub q_proj: Linear,
    pub k_proj: Linear,
    pub v_proj: Linear,
    pub o_proj: Linear,
    pub q_norm: Option<Norm>,
    pub k_norm: Option<Norm>,
}

#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub gate_proj: Linear,
    pub up_proj: Linear,
    pub down_proj: Linear,
}

/// A matrix, with or without bias; the embedding and the head are matrices too.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// The side path of an adapter, in f32. `[rank, in]`
    pub lora_A: Option<Factor>,
    /// `[out, rank]`
    pub lora_B: Option<Factor>,
    /// Scale of the side path.
    pub lora_scale: f64,
}

/// One factor of a side path.
#[derive(Module, Debug)]
pub(crate) struct Factor {
    pub weight: Param<Tensor<2>>,
}

/// The weight of an RMSNorm, in f32.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
}

impl Linear {
    /// `x W^T + b + s (drop(x) A^T) B^T`; `mask` is what dropout multiplies `x` by.
    ///
    /// # Shapes
    /// - `x`, `mask`: `[M, in]`
    /// - result: `[M, out]`
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        mask: impl FnOnce(usize, &Device) -> Option<Tensor<2>>,
    ) -> Tensor<2> {
        let mut y = x.clone().matmul(self.weight.val().transpose());
        if let Some(bias) = &self.bias {
            y = y + bias.val().unsqueeze();
        }
        let (Some(a), Some(b)) = (&self.lora_A, &self.lora_B) else { return y };
        let x = x.cast(FloatDType::F32);
        let [_, n_in] = x.dims();
        let x = match mask(n_in, &x.device()) {
            Some(mask) => x * mask,
            None => x,
        };
        let h = x.matmul(a.weight.val().transpose());
        let side = h.matmul(b.weight.val().transpose()) * self.lora_scale;
        let dtype = y.dtype();
        y + side.cast(dtype)
    }

    fn set_factors(&mut self, factors: Option<(Param<Tensor<2>>, Param<Tensor<2>>)>, scale: f64) {
        let factor = |weight| Factor { weight };
        (self.lora_A, self.lora_B) = factors.map(|(a, b)| (factor(a), factor(b))).unzip();
        self.lora_scale = scale;
    }
}

impl Layer {
    fn projection(&mut self, projection: Projection) -> &mut Linear {
        match projection {
            Projection::QProj => &mut self.self_attn.q_proj,
            Projection::KProj => &mut self.self_attn.k_proj,
            Projection::VProj => &mut self.self_attn.v_proj,
            Projection::OProj => &mut self.self_attn.o_proj,
            Projection::GateProj => &mut self.mlp.gate_proj,
            Projection::UpProj => &mut self.mlp.up_proj,
            Projection::DownProj => &mut self.mlp.down_proj,
        }
    }
}

impl Weights {
    /// Copies an adapter to the device, in place of the one that was there.
    pub(crate) fn set_adapter(&mut self, adapter: &Adapter, device: &Device) {
        let (layout, params) = (adapter.layout(), adapter.params());
        let scale = f64::from(adapter.config().scale());
        for (index, layer) in self.model.layers.iter_mut().enumerate() {
            for projection in Projection::ALL {
                let factor = |name: &str| {
                    let path = projection.path();
                    let spec = layout.get(&format!("model.layers.{index}.{path}.{name}.weight"))?;
                    Some(to_device(spec, params, device, FloatDType::F32))
                };
                let factors = factor("lora_A").zip(factor("lora_B"));
                layer.projection(projection).set_factors(factors, scale);
            }
        }
    }

    /// The same tensors without an adapter.
    pub(crate) fn without_adapter(mut self) -> Self {
        for layer in &mut self.model.layers {
            for projection in Projection::ALL {
                layer.projection(projection).set_factors(None, 0.0);
            }
        }
        self
    }
}

fn to_device<const D: usize>(
    spec: &TensorSpec,
    params: &[f32],
    device: &Device,
    dtype: FloatDType,
) -> Param<Tensor<D>> {
    let data = TensorData::new(params[spec.range.clone()].to_vec(), spec.shape.clone());
    Param::from_tensor(Tensor::from_data(data, (device, DType::from(dtype))))
}

/// Flat weights on the host, and where their tensors go.
pub(crate) struct Source<'a> {
    pub config: &'a ModelConfig,
    pub layout: &'a Layout,
    pub params: &'a [f32],
    pub device: &'a Device,
    pub dtype: FloatDType,
    /// True where autodiff is not to track them.
    pub frozen: bool,
}

impl Source<'_> {
    /// Copies all weights to the device. A device with autodiff tracks them.
    pub(crate) fn weights(&self) -> Weights {
        let layers = 0..self.config.n_layers;
        Weights {
            model: Backbone {
                embed_tokens: self.linear("model.embed_tokens"),
                layers: layers.map(|i| self.layer(&format!("model.layers.{i}"))).collect(),
                norm: self.norm("model.norm"),
            },
            lm_head: (!self.config.tied_head).then(|| self.linear("lm_head")),
        }
    }

    fn layer(&self, path: &str) -> Layer {
        let attention = |part: &str| self.linear(&format!("{path}.self_attn.{part}"));
        let head_norm = |part: &str| {
            let norm = || self.norm(&format!("{path}.self_attn.{part}"));
            self.config.qk_norm().then(norm)
        };
        let mlp = |part: &str| self.linear(&format!("{path}.mlp.{part}"));
        Layer {
            input_layernorm: self.norm(&format!("{path}.input_layernorm")),
            self_attn: SelfAttention {
                q_proj: attention("q_proj"),
                k_proj: attention("k_proj"),
                v_proj: attention("v_proj"),
                o_proj: attention("o_proj"),
                q_norm: head_norm("q_norm"),
                k_norm: head_norm("k_norm"),
            },
            post_attention_layernorm: self.norm(&format!("{path}.post_attention_layernorm")),
            mlp: Mlp {
                gate_proj: mlp("gate_proj"),
                up_proj: mlp("up_proj"),
                down_proj: mlp("down_proj"),
            },
        }
    }

    fn linear(&self, path: &str) -> Linear {
        let bias = self.layout.get(&format!("{path}.bias"));
        Linear {
            weight: self.tensor(self.spec(&format!("{path}.weight")), self.dtype),
            bias: bias.map(|spec| self.tensor(spec, self.dtype)),
            lora_A: None,
            lora_B: None,
            lora_scale: 0.0,
        }
    }

    fn norm(&self, path: &str) -> Norm {
        let spec = self.spec(&format!("{path}.weight"));
        Norm { weight: self.tensor(spec, FloatDType::F32) }
    }

    fn spec(&self, name: &str) -> &TensorSpec {
        match self.layout.get(name) {
            Some(spec) => spec,
            None => panic!("the layout has no tensor `{name}`"),
        }
    }

    fn tensor<const D: usize>(&self, spec: &TensorSpec, dtype: FloatDType) -> Param<Tensor<D>> {
        let param = to_device(spec, self.params, self.device, dtype);
        if self.frozen { param.set_require_grad(false) } else { param }
    }
}

/// Gradients of all weights on the device, summed over micro-batches.
#[derive(Default)]
pub(crate) struct GradSum {
    /// One flat f32 tensor a tensor of the layout; empty before the first addition.
    sums: Vec<Option<Tensor<1>>>,
}

impl GradSum {
    /// Adds what the backward pass left for each weight; takes it out of `grads`.
    pub(crate) fn add(&mut self, layout: &Layout, weights: &Weights, grads: &mut Gradients) {
        weights.visit(&mut GradVisitor { layout, grads, sum: self, path: Vec::new() });
    }

    /// [`Self::add`] for the part of the weights whose names begin with `path`.
    pub(crate) fn add_part<M: Module>(
        &mut self,
        layout: &Layout,
        path: &str,
        part: &M,
        grads: &mut Gradients,
    ) {
        part.visit(&mut GradVisitor { layout, grads, sum: self, path: vec![path.to_owned()] });
    }

    /// Adds `grad` to the gradient of the tensor called `name`.
    pub(crate) fn add_one<const D: usize>(&mut self, layout: &Layout, name: &str, grad: Tensor<D>) {
        let Some(index) = layout.index(name) else {
            panic!("the layout has no tensor `{name}`");
        };
        let n = grad.shape().num_elements();
        let grad = grad.cast(FloatDType::F32).reshape([n]);
        self.sums.resize_with(layout.tensors.len(), || None);
        self.sums[index] = Some(match self.sums[index].take() {
            Some(sum) => sum + grad,
            None => grad,
        });
    }

    /// Reads the sums and adds them to the flat gradient `total`.
    pub(crate) fn add_to(self, layout: &Layout, total: &mut [f32]) -> Result<()> {
        for (spec, sum) in layout.tensors.iter().zip(self.sums) {
            if let Some(sum) = sum {
                crate::cpu::ops::add(&mut total[spec.range.clone()], &read(sum)?);
            }
        }
        Ok(())
    }
}

struct GradVisitor<'a> {
    layout: &'a Layout,
    grads: &'a mut Gradients,
    sum: &'a mut GradSum,
    path: Vec<String>,
}

impl ModuleVisitor for GradVisitor<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = param.val().grad_remove(self.grads) {
            self.sum.add_one(self.layout, &self.path.join("."), grad);
        }
    }
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::*;
    use crate::Family;

    struct Names(Vec<String>, Vec<String>);

    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let shape = param.shape();
            self.1.push(format!("{} {:?}", self.0.join("."), shape.as_slice()));
        }
    }

    #[test]
    fn paths_and_shapes_of_the_fields_are_those_of_the_checkpoint() {
        for (family, tied_head, qkv_bias) in [
            (Family::Llama, false, false),
            (Family::Qwen2, true, true),
            (Family::Qwen3, true, false),
        ] {
            let config =
                ModelConfig { family, tied_head, qkv_bias, n_kv_heads: 2, ..ModelConfig::nano(20) };
            let layout = Layout::new(&config);
            let source = Source {
                params: &layout.init(&config, &mut RootSeed(1).stream("init", &[])),
                config: &config,
                layout: &layout,
                device: &Device::flex(),
                dtype: FloatDType::F32,
                frozen: false,
            };
            let mut names = Names(Vec::new(), Vec::new());
            source.weights().visit(&mut names);
            names.1.sort();
            let mut expected: Vec<_> = layout
                .tensors
                .iter()
                .map(|spec| format!("{} {:?}", spec.name, spec.shape))
                .collect();
            expected.sort();
            assert_eq!(names.1, expected);
        }
    }
}
