//! The sets of block names.

use e2h_core::Stream;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// A set of block names, as in the published rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameSet {
    /// Twelve colours.
    Colors,
    /// Twenty-four Greek letters, spelt out.
    Greek,
    /// The letters A to Z.
    Alphabets,
    /// `1st` to `12th`.
    Ordinal,
}

impl NameSet {
    /// All sets.
    pub const ALL: [Self; 4] = [Self::Colors, Self::Greek, Self::Alphabets, Self::Ordinal];

    /// The names of the set.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Colors => &[
                "red", "blue", "orange", "yellow", "green", "purple", "pink", "gray", "brown",
                "cyan", "magenta", "emerald",
            ],
            Self::Greek => &[
                "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota",
                "kappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau",
                "upsilon", "phi", "chi", "psi", "omega",
            ],
            Self::Alphabets => &[
                "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P",
                "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z",
            ],
            Self::Ordinal => &[
                "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th", "11th",
                "12th",
            ],
        }
    }

    /// Names for `n` blocks: drawn from the set, or its first `n`.
    pub(super) fn draw(self, n: usize, random: bool, rng: &mut Stream) -> Vec<String> {
        let mut names: Vec<&str> = self.names().to_vec();
        if random {
            names.shuffle(rng);
        }
        names.into_iter().take(n).map(str::to_owned).collect()
    }
}
