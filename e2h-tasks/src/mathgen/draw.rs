//! Drawing the numbers of an item, and picking its words.
//!
//! # Source
//! None.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! - Numbers come from the stream alone; words from the given numbers alone.

use e2h_core::Stream;
use rand::RngExt;

use super::pad::{Q, Z};

/// Picks wordings by a hash of the given numbers.
#[derive(Debug)]
pub(super) struct Words(u64);

impl Words {
    /// Words that follow from a hash.
    pub(super) fn new(hash: u64) -> Self {
        Self(hash)
    }

    fn next(&mut self, n: usize) -> usize {
        let n = n as u64;
        let choice = self.0 % n;
        self.0 = (self.0 / n) ^ (self.0 << 40);
        usize::try_from(choice).unwrap_or_default()
    }

    /// One of the texts.
    pub(super) fn pick<const N: usize>(&mut self, texts: [String; N]) -> String {
        let index = self.next(N);
        texts.into_iter().nth(index).unwrap_or_default()
    }

    /// One of the words; the list is not empty.
    pub(super) fn word<T: Copy>(&mut self, words: &[T]) -> T {
        words[self.next(words.len())]
    }
}

/// Draws the numbers of an item.
#[derive(Debug)]
pub(super) struct Draw<'a>(pub(super) &'a mut Stream);

impl Draw<'_> {
    /// A whole number from `low` to `high`, both included.
    pub(super) fn int(&mut self, low: i64, high: i64) -> Z {
        self.0.random_range(low..=high).into()
    }

    /// A whole number from `-size` to `size`, other than 0.
    pub(super) fn nonzero(&mut self, size: i64) -> Z {
        let number = self.int(1, size);
        if self.coin() { number } else { -number }
    }

    /// `n` whole numbers from `low` to `high`.
    pub(super) fn ints(&mut self, n: usize, low: i64, high: i64) -> Vec<Z> {
        (0..n).map(|_| self.int(low, high)).collect()
    }

    /// True half of the time.
    pub(super) fn coin(&mut self) -> bool {
        self.0.random_bool(0.5)
    }

    /// One of the choices; the list is not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())]
    }
}

/// The whole number of a rational that is known to be one.
pub(super) fn whole(number: Q) -> Option<Z> {
    number.is_integer().then(|| *number.numer())
}

/// `number` when its denominator is at most `max`.
pub(super) fn clean(number: Q, max: Z) -> Option<Q> {
    (*number.denom() <= max).then_some(number)
}

/// Whole numbers as rationals.
pub(super) fn rationals(numbers: &[Z]) -> Vec<Q> {
    numbers.iter().map(|&number| number.into()).collect()
}

/// True when no number stands twice.
pub(super) fn distinct(numbers: &[Z]) -> bool {
    numbers.iter().enumerate().all(|(i, number)| !numbers[..i].contains(number))
}
