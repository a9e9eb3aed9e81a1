//! Work that may not fit into memory: retried on half as many tokens at a time.
//!
//! # Invariants
//! - Each size is tried once; the size that worked stays for the rest of the run.

use crate::{Error, Result, fault};

/// Runs `work` on at most `budget` tokens at a time; each time it runs out of memory the budget is halved.
///
/// # Errors
/// Whatever `work` ran into, out of memory only once the budget is a single token.
pub(crate) fn within<T>(
    budget: &mut usize,
    step: u64,
    mut work: impl FnMut(usize) -> Result<T>,
) -> Result<T> {
    loop {
        let done = match fault::strikes("update", step, "oom") {
            true => Err(e2h_model::Error::OutOfMemory { tokens: *budget, bytes: 0 }.into()),
            false => work(*budget),
        };
        match done {
            Err(Error::Model(e2h_model::Error::OutOfMemory { .. })) if *budget > 1 => *budget /= 2,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_large_over(limit: usize, tried: &mut Vec<usize>) -> (usize, bool) {
        let mut budget = 1000;
        let done = within(&mut budget, 0, |tokens| {
            tried.push(tokens);
            match tokens > limit {
                true => Err(e2h_model::Error::OutOfMemory { tokens, bytes: 4 * tokens }.into()),
                false => Ok(()),
            }
        });
        (budget, done.is_ok())
    }

    #[test]
    fn the_budget_is_halved_until_the_work_fits() {
        let mut tried = Vec::new();
        assert_eq!(too_large_over(300, &mut tried), (250, true));
        assert_eq!(tried, [1000, 500, 250]);
    }

    #[test]
    fn work_that_fits_at_no_size_fails() {
        let mut tried = Vec::new();
        assert_eq!(too_large_over(0, &mut tried), (1, false));
        assert_eq!(tried.last(), Some(&1));
    }
}
