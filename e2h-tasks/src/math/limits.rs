//! Counted work: what stops a judgement before it is finished.
//!
//! Every loop whose length depends on the input spends [`Fuel`]; one unit is about one machine-word
//! operation on big numbers, or one token or node visited.
//!
//! # Source
//! Own work.
//! # Deviations
//! None.
//! # Invariants
//! - The verdict depends on the texts alone, never on the clock.
//! - With the fuel of [`Fuel::standard`] a judgement ends within some milliseconds.

use std::cell::Cell;

/// The deepest nesting that is read; beyond it a text is over the limits.
pub(crate) const MAX_DEPTH: u32 = 96;
/// The most marks that one value may carry, each of which makes the tree one level deeper.
pub(crate) const MAX_MARKS: u32 = 24;
/// The longest text that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 16_384;
/// The longest text whose white space and marks at both ends are stripped, in bytes.
pub(crate) const MAX_RAW_BYTES: usize = 1 << 18;
/// The largest exact number, in bits.
pub(crate) const MAX_BITS: u64 = 20_000;

/// The fuel of one judgement: some milliseconds at the worst.
const STANDARD: u64 = 300_000;
/// The fuel where a text is longer than [`LONG_BYTES`]: its units are dearer, since there is more to walk over.
const STANDARD_LONG: u64 = STANDARD / 2;
/// Few answers are longer.
const LONG_BYTES: usize = 1_024;

/// Why a computation gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text is not an answer that the grammar knows.
    Syntax(&'static str),
    /// A limit on work or size was met.
    Limit(&'static str),
    /// The expression has no value here: division by zero, logarithm of zero.
    Undefined,
    /// The method at hand does not cover this kind of expression; another may.
    Unsupported,
}

/// The result of a computation that may stop early.
pub(crate) type Res<T> = Result<T, Stop>;

/// The work that is left for one judgement.
#[derive(Debug)]
pub(crate) struct Fuel(Cell<u64>);

impl Fuel {
    /// The fuel of one judgement on a text, or on two, of so many bytes.
    pub(crate) fn standard(n_bytes: usize) -> Self {
        Self(Cell::new(if n_bytes > LONG_BYTES { STANDARD_LONG } else { STANDARD }))
    }

    /// Takes `units` of work.
    ///
    /// # Errors
    /// [`Stop::Limit`] when less is left.
    pub(crate) fn spend(&self, units: u64) -> Res<()> {
        match self.0.get().checked_sub(units) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => {
                self.0.set(0);
                Err(Stop::Limit("the work allowed for one answer is used up"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuel_that_is_used_up_stays_used_up() {
        let fuel = Fuel::standard(9);
        assert!(fuel.spend(STANDARD).is_ok());
        assert!(fuel.spend(1).is_err());
        assert!(fuel.spend(0).is_ok());
    }
}
