//! The names of the rules and the keys that each of them takes.

use serde::{Deserialize, Serialize};

/// The rules that a configuration can name.
///
/// ```
/// use e2h_sched::Kind;
/// for kind in Kind::ALL {
///     assert_eq!(serde_json::to_value(kind)?, kind.name());
/// }
/// assert_eq!(Kind::default().name(), "gaussian");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every level alike: the paper's "GRPO" baseline.
    Balanced,
    /// One level, `level`.
    Only,
    /// One level after the other: the paper's "CL" baseline.
    Classic,
    /// E2H-C.
    Cosine,
    /// E2H-G.
    #[default]
    Gaussian,
    /// A hat that moves from the easiest level to the hardest.
    Linear,
    /// Given rows of probabilities for equal shares of the steps.
    Table,
    /// Given rows of probabilities from given steps on.
    Piecewise,
    /// Self-Evolving Curriculum: a bandit on the mean absolute advantage.
    Sec,
    /// A target difficulty that follows the pass rate.
    #[serde(rename = "adarft")]
    AdaRft,
    /// Upper confidence bounds on the mean absolute advantage.
    Dump,
    /// Worst-level weights mixed with SEC and the gaussian schedule.
    GroupDro,
    /// A global level that is raised and lowered by the pass rate.
    Threshold,
    /// Our adaptive easy-to-hard curriculum.
    #[serde(rename = "e2h-a")]
    E2hA,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Balanced,
        Self::Only,
        Self::Classic,
        Self::Cosine,
        Self::Gaussian,
        Self::Linear,
        Self::Table,
        Self::Piecewise,
        Self::Sec,
        Self::AdaRft,
        Self::Dump,
        Self::GroupDro,
        Self::Threshold,
        Self::E2hA,
    ];

    /// The word that a configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Only => "only",
            Self::Classic => "classic",
            Self::Cosine => "cosine",
            Self::Gaussian => "gaussian",
            Self::Linear => "linear",
            Self::Table => "table",
            Self::Piecewise => "piecewise",
            Self::Sec => "sec",
            Self::AdaRft => "adarft",
            Self::Dump => "dump",
            Self::GroupDro => "group-dro",
            Self::Threshold => "threshold",
            Self::E2hA => "e2h-a",
        }
    }

    /// One sentence for a person.
    pub fn about(self) -> &'static str {
        match self {
            Self::Balanced => "every level alike (the paper's GRPO baseline)",
            Self::Only => "one level",
            Self::Classic => "one level after the other (the paper's CL baseline)",
            Self::Cosine => "E2H-C: easy weights turn into hard weights along a cosine",
            Self::Gaussian => "E2H-G: a gaussian over the levels moves from easy to hard",
            Self::Linear => "a hat over two levels moves from easy to hard at an even pace",
            Self::Table => "given rows for equal shares of the steps",
            Self::Piecewise => "given rows from given steps on",
            Self::Sec => "a bandit on the mean absolute advantage of each level",
            Self::AdaRft => "a target difficulty follows the pass rate",
            Self::Dump => "upper confidence bounds on the mean absolute advantage",
            Self::GroupDro => "worst-level weights mixed with sec and gaussian",
            Self::Threshold => "one level, raised and lowered by the pass rate",
            Self::E2hA => "E2H-A: easy to hard by what each level still teaches",
        }
    }

    /// True for a rule that learns from outcomes.
    pub fn is_adaptive(self) -> bool {
        matches!(
            self,
            Self::Sec | Self::AdaRft | Self::Dump | Self::GroupDro | Self::Threshold | Self::E2hA
        )
    }

    /// The keys that belong to this kind; every kind also takes `kind`, `floor` and `filter`.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Balanced | Self::Classic | Self::Linear => &[],
            Self::Only => &["level"],
            Self::Cosine => &["form"],
            Self::Gaussian => &["mu_exp", "sigma", "min_prob"],
            Self::Table => &["rows", "file"],
            Self::Piecewise => &["points", "interpolate"],
            Self::Sec => &["alpha", "tau"],
            Self::AdaRft => &["eta", "alpha", "beta"],
            Self::Dump => &["window", "tau"],
            Self::GroupDro => {
                &["w_dro", "w_sec", "w_gaussian", "dro_rate", "alpha", "tau", "mu_exp", "sigma"]
            }
            Self::Threshold => &["raise", "lower", "window"],
            Self::E2hA => &["gamma", "prior_groups", "probe", "pull", "explore"],
        }
    }
}
