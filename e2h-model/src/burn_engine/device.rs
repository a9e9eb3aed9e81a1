//! Where tensors live: the device by name, and reads from it.

use burn::tensor::{Device, Tensor};

use crate::{Error, Result};

/// A device, and why it was chosen.
#[derive(Clone, Debug)]
pub struct DeviceChoice {
    /// The device, without autodiff.
    pub device: Device,
    /// `cpu`, `cuda:0`, ...
    pub name: String,
    /// Why this one, for a person.
    pub reason: String,
}

/// The device called `name`: `cpu`, `cuda`, `cuda:1`, or `auto`, which takes the first CUDA device and falls
/// back to the CPU.
///
/// ```
/// let choice = e2h_model::device("cpu")?;
/// assert_eq!((choice.name.as_str(), choice.reason.as_str()), ("cpu", "asked for"));
/// # Ok::<(), e2h_model::Error>(())
/// ```
///
/// # Errors
/// [`Error::Device`] for an unknown name, a CUDA device that is not there, or a build without the feature
/// `cuda`.
pub fn device(name: &str) -> Result<DeviceChoice> {
    match name {
        "cpu" => Ok(cpu("asked for")),
        "auto" => Ok(cuda(0, "the first CUDA device")
            .unwrap_or_else(|why| cpu(format!("no CUDA device can be used: {why}")))),
        "cuda" => cuda(0, "asked for").map_err(|reason| Error::device(name, reason)),
        _ => {
            let index = name.strip_prefix("cuda:").and_then(|i| i.parse().ok());
            let Some(index) = index else {
                let problem = "is not a device (known: auto, cpu, cuda, cuda:0, cuda:1, ...)";
                return Err(Error::device(name, problem));
            };
            cuda(index, "asked for").map_err(|reason| Error::device(name, reason))
        }
    }
}

fn cpu(reason: impl Into<String>) -> DeviceChoice {
    DeviceChoice { device: Device::flex(), name: "cpu".to_owned(), reason: reason.into() }
}

/// CUDA device `index`, or why it cannot be had.
#[cfg(feature = "cuda")]
fn cuda(index: usize, reason: &str) -> std::result::Result<DeviceChoice, String> {
    let card = super::driver::card(index)?;
    super::kernels::keep();
    Ok(DeviceChoice {
        device: Device::cuda(index),
        name: format!("cuda:{index}"),
        reason: format!("{reason}: {}", card.describe()),
    })
}

/// CUDA device `index`, or why it cannot be had.
#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize, _reason: &str) -> std::result::Result<DeviceChoice, String> {
    Err("this build has no CUDA; build with `--features cuda`".to_owned())
}

/// The error of a device that failed.
pub(crate) fn failed(device: &Device, error: impl std::fmt::Display) -> Error {
    Error::device(format!("{device:?}"), error.to_string())
}

/// Reads a tensor's elements in row-major order. Waits for the device.
///
/// # Errors
/// [`Error::Device`] when the device fails.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let device = tensor.device();
    tensor.try_into_vec_as::<f32>().map_err(|error| failed(&device, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_refused_with_the_known_ones_named() {
        for name in ["gpu", "cuda:", "cuda:x", ""] {
            let error = device(name).expect_err("not a device").to_string();
            assert!(error.contains("known: auto, cpu, cuda"), "{error}");
        }
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn a_card_that_is_not_there_is_refused_and_auto_says_why() {
        let refused = device("cuda:99").expect_err("nobody has a hundred cards").to_string();
        assert!(refused.contains("NVIDIA driver"), "{refused}");
        let choice = device("auto").expect("always a device");
        assert!(choice.name != "cpu" || choice.reason.contains("NVIDIA driver"), "{choice:?}");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_the_feature_cuda_is_refused_and_auto_says_why_it_is_the_cpu() {
        for name in ["cuda", "cuda:1"] {
            let error = device(name).expect_err("no CUDA").to_string();
            assert!(error.contains("--features cuda"), "{error}");
        }
        let choice = device("auto").expect("always a device");
        assert_eq!(choice.name, "cpu");
        assert!(choice.reason.contains("--features cuda"), "{}", choice.reason);
    }
}
