//! Difficulty levels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A difficulty level: 0 is the easiest, and the levels of a task are contiguous.
///
/// The order is always this number; it is never inferred from another property of a problem.
///
/// ```
/// use e2h_core::Level;
/// let (easy, hard) = (Level(0), Level::at(3));
/// assert!(easy < hard);
/// assert_eq!([10, 20, 30, 40][hard.index()], 40);
/// assert_eq!(hard.to_string(), "level 3");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Level(pub u16);

impl Level {
    /// The level as an index into per-level tables.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The level at `index` of a per-level table.
    ///
    /// # Panics
    /// When `index` exceeds 65,535: no task has that many levels.
    pub fn at(index: usize) -> Self {
        match u16::try_from(index) {
            Ok(level) => Self(level),
            Err(_) => panic!("level index {index} is over {}", u16::MAX),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {}", self.0)
    }
}
