//! What the NVIDIA driver says of its cards, asked before burn asks: burn's CUDA backend takes a working driver for
//! granted and ends the process where there is none.
//!
//! Kernels are compiled by the LLVM that is linked into the program, so the driver is all that a machine must have.

use super::card::{Card, check_version};

/// The card at `index`, or a sentence that says why it cannot be used.
pub(crate) fn card(index: usize) -> Result<Card, String> {
    use cudarc::driver::result::{device, init};

    #[expect(unsafe_code, reason = "only tries to open the driver's library")]
    let installed = unsafe { cudarc::driver::sys::is_culib_present() };
    if !installed {
        return Err("there is no NVIDIA driver here (its library libcuda is not found)".to_owned());
    }
    let refused = |what: &str, error| format!("the NVIDIA driver {what}: {error}");
    let version = version()?;
    check_version(version)?;
    init().map_err(|error| refused("does not start", error))?;
    let n = device::get_count().map_err(|error| refused("counts no cards", error))?;
    let ordinal = i32::try_from(index).unwrap_or(i32::MAX);
    if ordinal >= n {
        let cards = if n == 1 { "1 card".to_owned() } else { format!("{n} cards") };
        return Err(format!("the NVIDIA driver shows {cards}, counted from 0"));
    }
    let handle = device::get(ordinal).map_err(|error| refused("withholds the card", error))?;
    let name = device::get_name(handle).map_err(|error| refused("withholds the name", error))?;
    #[expect(unsafe_code, reason = "the handle is the driver's own")]
    let bytes = unsafe { device::total_mem(handle) };
    let bytes = bytes.map_err(|error| refused("withholds the memory's size", error))?;
    Ok(Card { name, memory_gib: bytes as f64 / (1_u64 << 30) as f64, driver_cuda: version })
}

/// The CUDA version that the driver supports: 1000 times the major and 10 times the minor number.
fn version() -> Result<i32, String> {
    let mut version = 0;
    #[expect(unsafe_code, reason = "writes one number that outlives the call")]
    let answer = unsafe { cudarc::driver::sys::cuDriverGetVersion(&raw mut version) };
    answer
        .result()
        .map_err(|error| format!("the NVIDIA driver does not say its version: {error}"))?;
    Ok(version)
}
