//! What a user writes to choose a filter: the table `schedule.filter`.

use e2h_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::filter::{Filter, PassRateFilter, Pools, Vcrl, VcrlConfig};

/// The filters that a configuration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterKind {
    /// The online difficulty filter.
    PassRate,
    /// Variance threshold with a memory of good prompts.
    Vcrl,
    /// Problems weighted by their last pass rate.
    Pools,
}

impl FilterKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::PassRate, Self::Vcrl, Self::Pools];

    /// The word that a configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::PassRate => "pass-rate",
            Self::Vcrl => "vcrl",
            Self::Pools => "pools",
        }
    }

    /// One sentence for a person.
    pub fn about(self) -> &'static str {
        match self {
            Self::PassRate => "only groups of middling pass rate are trained on",
            Self::Vcrl => "low variance is dropped and replaced from a memory",
            Self::Pools => "problems are weighed by their last pass rate",
        }
    }

    /// The keys that belong to this kind.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::PassRate => &["low", "high"],
            Self::Vcrl => &["kappa_start", "kappa", "warmup_steps", "memory"],
            Self::Pools => &["low", "high", "weight"],
        }
    }
}

/// The choice of a filter.
///
/// ```
/// use e2h_core::{GroupOutcome, Level};
/// use e2h_sched::{FilterConfig, FilterKind, ScheduleConfig};
///
/// let filter = FilterConfig { low: Some(0.5), ..FilterConfig::of(FilterKind::PassRate) };
/// let rule = ScheduleConfig { filter: Some(filter), ..ScheduleConfig::default() }.build(4, 1600)?;
/// let group = |n_correct| GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![0.0; 4], advantages: vec![0.0; 4], n_correct,
/// };
/// assert!(!rule.keeps(0, &group(1)) && rule.keeps(0, &group(2)));
/// # Ok::<(), e2h_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// The filter.
    pub kind: FilterKind,
    /// `pass-rate`: least pass rate of a kept group (left out: 0.01). `pools`: highest of the hard pool (0.25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// `pass-rate`: greatest pass rate of a kept group (left out: 0.99). `pools`: highest of the normal pool (0.75).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// `pools`: weight of the hard and the easy pool; left out: 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// `vcrl`: least normalised variance in the first steps; left out: 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kappa_start: Option<f64>,
    /// `vcrl`: least normalised variance after them; left out: 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// `vcrl`: how many steps `kappa_start` holds; left out: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
    /// `vcrl`: most prompts in the memory; left out: 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

impl FilterConfig {
    /// The filter `kind` with every key left out.
    pub fn of(kind: FilterKind) -> Self {
        Self {
            kind,
            low: None,
            high: None,
            weight: None,
            kappa_start: None,
            kappa: None,
            warmup_steps: None,
            memory: None,
        }
    }

    pub(super) fn problems(&self) -> Vec<Error> {
        let mut problems = super::foreign_keys(
            self,
            "filter.",
            self.kind.name(),
            &[&["kind"], self.kind.keys()].concat(),
        );
        problems.extend(self.build().err());
        problems
    }

    pub(super) fn build(&self) -> Result<Filter> {
        Ok(match self.kind {
            FilterKind::PassRate => Filter::PassRate(PassRateFilter::new(
                self.low.unwrap_or(0.01),
                self.high.unwrap_or(0.99),
            )?),
            FilterKind::Pools => Filter::Pools(Pools::new(
                self.low.unwrap_or(0.25),
                self.high.unwrap_or(0.75),
                self.weight.unwrap_or(0.2),
            )?),
            FilterKind::Vcrl => {
                let default = VcrlConfig::default();
                Filter::Vcrl(Vcrl::new(VcrlConfig {
                    kappa_start: self.kappa_start.unwrap_or(default.kappa_start),
                    kappa: self.kappa.unwrap_or(default.kappa),
                    warmup_steps: self.warmup_steps.unwrap_or(default.warmup_steps),
                    memory: self.memory.unwrap_or(default.memory),
                })?)
            }
        })
    }
}
