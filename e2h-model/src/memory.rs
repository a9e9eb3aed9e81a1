//! Whether a backward pass can have the memory that it needs, asked before it begins.
//!
//! A failed allocation in the middle of a pass would end the process. So the room is reserved once, untouched, and
//! given back; a limit on the address space shows here as an error that a caller can answer with a smaller pass.
//!
//! # Deviations
//! - The size is an estimate from above of what each worker holds. A system that promises more memory than it has
//!   can still end the process later.

use crate::{Error, ModelConfig, Result};

/// Reserves what `n_workers` need for slices of up to `rows` rows, and gives it back.
///
/// # Errors
/// [`Error::OutOfMemory`] when the system refuses.
pub(crate) fn reserve(
    config: &ModelConfig,
    rows: usize,
    n_params: usize,
    n_workers: usize,
) -> Result<()> {
    let layer = 12 * config.hidden_size + 6 * config.intermediate_size;
    let floats = rows
        .saturating_mul(layer.saturating_mul(config.n_layers + 2))
        .saturating_add(n_params)
        .saturating_mul(n_workers);
    let mut room: Vec<f32> = Vec::new();
    room.try_reserve_exact(floats)
        .map_err(|_| Error::OutOfMemory { tokens: rows, bytes: floats.saturating_mul(4) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_no_machine_can_hold_is_an_error() {
        let config = ModelConfig::nano(100);
        assert!(reserve(&config, 100, 1000, 2).is_ok());
        let refused = reserve(&config, usize::MAX / 8, 1000, 2);
        assert!(matches!(refused, Err(Error::OutOfMemory { .. })), "{refused:?}");
    }
}
