//! What a user writes to choose a curriculum.
//!
//! One flat table: `kind`, and the keys of that kind. A key that is left out takes its default; a key that
//! belongs to another kind is a problem that names it.
//!
//! ```toml
//! kind = "gaussian"
//! mu_exp = 0.5
//! sigma = 0.5
//! floor = 0.0
//!
//! [filter]
//! kind = "pass-rate"
//! ```

mod filter;
mod kind;
mod rule;

pub use filter::{FilterConfig, FilterKind};
pub use kind::Kind;

use std::path::PathBuf;

use e2h_core::{Curriculum, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checks::Checks;
use crate::filter::Filtered;
use crate::fixed::{CosineForm, Point};
use crate::floor::Floored;
use rule::Rule;

/// The choice of a curriculum. The default is E2H-G with `mu_exp = 0.5`, `sigma = 0.5`.
///
/// ```
/// use e2h_sched::{Kind, ScheduleConfig};
///
/// let rule = ScheduleConfig::of(Kind::Classic).build(2, 10)?;
/// assert_eq!((rule.probs(4), rule.probs(5)), (vec![1.0, 0.0], vec![0.0, 1.0]));
///
/// let config: ScheduleConfig = toml::from_str("kind = 'gaussian'\nsigma = 1.0\ntau = 0.5")?;
/// let problems = config.validate(4, 1600);
/// assert_eq!(problems.len(), 1);
/// assert!(problems[0].to_string().starts_with("`tau` is 0.5, but must be left out"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// The rule.
    pub kind: Kind,
    /// Least probability of each level, at most 1 / K; left out: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// `only`: the level. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u16>,
    /// `cosine`: which published formula; left out: `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<CosineForm>,
    /// `gaussian`, `group-dro`: exponent of the progress; left out: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mu_exp: Option<f64>,
    /// `gaussian`, `group-dro`: width in levels; left out: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// `gaussian`: least probability of a level; left out: `2 / (K (K + 1))`; 0 is the paper's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_prob: Option<f64>,
    /// `table`: a file with the rows, read where `rows` is left out; relative to the current folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// `table`: rows of K probabilities, each for an equal share of the steps. Required without `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<f64>>>,
    /// `piecewise`: rows of K probabilities with their first step. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<Point>>,
    /// `piecewise`: straight lines between the points; left out: false, each row holds until the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolate: Option<bool>,
    /// `sec`, `group-dro`: learning rate of Q (left out: 0.5). `adarft`: sensitivity (2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// `sec`, `group-dro`: temperature (left out: 1; the source uses 0.4 for math). `dump`: temperature (0.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tau: Option<f64>,
    /// `adarft`: largest change of the target in a step, in points of 100; left out: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// `adarft`: the pass rate to aim at; left out: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// `dump`: groups that a mean is over (left out: 300). `threshold`: groups that a decision rests on (32).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// `group-dro`: weight of the worst-level part; left out: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w_dro: Option<f64>,
    /// `group-dro`: weight of the SEC part; left out: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w_sec: Option<f64>,
    /// `group-dro`: weight of the gaussian part; left out: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w_gaussian: Option<f64>,
    /// `group-dro`: rate of the worst-level weights; left out: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dro_rate: Option<f64>,
    /// `threshold`: pass rate over which the level is raised; left out: 0.7.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raise: Option<f64>,
    /// `threshold`: pass rate under which the level is lowered; left out: 0.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// `e2h-a`: what a step leaves of older evidence; left out: see [`E2hAConfig`](crate::E2hAConfig), as for the next four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// `e2h-a`: weight of the prior, in groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_groups: Option<f64>,
    /// `e2h-a`: how much readiness multiplies a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<f64>,
    /// `e2h-a`: strength of the pull to the hardest level, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<f64>,
    /// `e2h-a`: share of the prompts spread evenly over all levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explore: Option<f64>,
    /// Which problems and groups are worth the compute; left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterConfig>,
}

impl ScheduleConfig {
    /// The rule `kind` with every key left out.
    pub fn of(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Every problem of this configuration for `n_levels` levels and `total_steps` steps; empty when
    /// [`build`](Self::build) succeeds.
    pub fn validate(&self, n_levels: usize, total_steps: u64) -> Vec<Error> {
        let mut checks = Checks::default();
        checks.at_least_one("n_levels", n_levels as u64);
        checks.at_least_one("total_steps", total_steps);
        if let Some(floor) = self.floor {
            checks.floor("floor", floor, n_levels);
        }
        let own = [&["kind", "floor", "filter"], self.kind.keys()].concat();
        checks.extend(foreign_keys(self, "", self.kind.name(), &own));
        match Rule::of(self) {
            Ok(rule) => checks.extend(rule.problems(n_levels)),
            Err(problem) => checks.extend(vec![problem]),
        }
        if let Some(filter) = &self.filter {
            checks.extend(filter.problems());
        }
        checks.into_problems()
    }

    /// The curriculum that this configuration describes: the rule, under its filter, over its floor.
    ///
    /// # Errors
    /// The first of the problems that [`validate`](Self::validate) reports.
    pub fn build(&self, n_levels: usize, total_steps: u64) -> Result<Box<dyn Curriculum>> {
        if let Some(problem) = self.validate(n_levels, total_steps).into_iter().next() {
            return Err(problem);
        }
        let mut built = Rule::of(self)?.build(n_levels, total_steps)?;
        if let Some(filter) = &self.filter {
            built = Box::new(Filtered::new(built, filter.build()?));
        }
        if let Some(floor) = self.floor.filter(|&floor| floor > 0.0) {
            built = Box::new(Floored::new(built, floor)?);
        }
        Ok(built)
    }
}

/// The keys that `config` gives although they are not among the `own` keys of `kind`.
fn foreign_keys(config: &impl Serialize, prefix: &str, kind: &str, own: &[&str]) -> Vec<Error> {
    let Ok(Value::Object(given)) = serde_json::to_value(config) else {
        return Vec::new();
    };
    let takes = own.iter().filter(|&&key| key != "kind").copied();
    let takes = takes.collect::<Vec<_>>().join(", ");
    let mut checks = Checks::default();
    for (key, value) in given.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
        let expected = format!("left out: {prefix}kind = \"{kind}\" takes {takes}");
        checks.require(false, &format!("{prefix}{key}"), value, expected);
    }
    checks.into_problems()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ScheduleConfig {
        toml::from_str(text).expect("a valid table")
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = parse(text).validate(4, 100);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_is_the_papers_gaussian() {
        let config = parse("");
        let probs = config.build(4, 10).expect("valid").probs(0);
        assert!((probs[0] - 0.628_322_133_979_881_7).abs() < 1e-12);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<ScheduleConfig>("sigmaa = 1").expect_err("no such key");
        assert!(error.to_string().contains("sigmaa"), "{error}");
    }

    #[test]
    fn a_key_of_another_kind_is_named() {
        let problems = problems("kind = \"cosine\"\nsigma = 0.5");
        let expected =
            "`sigma` is 0.5, but must be left out: kind = \"cosine\" takes floor, filter, form";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn a_missing_required_key_is_named() {
        let expected = "`level` is left out, but must be given for kind = \"only\"";
        assert_eq!(problems("kind = \"only\""), [expected]);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = problems("sigma = 0.0\nmin_prob = 0.3\nfloor = -1.0\nlevel = 2");
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn every_adaptive_kind_builds_and_its_keys_are_its_own() {
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_adaptive()) {
            let rule = ScheduleConfig::of(kind).build(4, 100).expect("defaults are valid");
            assert_eq!(rule.name(), kind.name());
            for key in kind.keys() {
                let value = if *key == "window" { "0" } else { "-1.0" };
                let problems = problems(&format!("kind = \"{}\"\n{key} = {value}", kind.name()));
                assert!(problems[0].contains(key), "{key}: {problems:?}");
            }
        }
    }

    #[test]
    fn a_filter_and_a_floor_go_on_top_of_any_rule() {
        let text = "kind = \"sec\"\nfloor = 0.1\nfilter = { kind = \"vcrl\", kappa = 0.5 }";
        let rule = parse(text).build(4, 100).expect("valid");
        assert_eq!(rule.name(), "sec");
        assert_eq!(toml::to_string(&parse(text)).map(|text| parse(&text)), Ok(parse(text)));
    }

    #[test]
    fn a_key_of_another_filter_is_named() {
        let problems = problems("filter = { kind = \"vcrl\", low = 0.5 }");
        let expected = "`filter.low` is 0.5, but must be left out: filter.kind = \"vcrl\" takes \
                        kappa_start, kappa, warmup_steps, memory";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn every_kind_is_written_by_its_name() {
        for kind in Kind::ALL {
            let text = format!("kind = \"{}\"", kind.name());
            assert_eq!(parse(&text).kind, kind);
        }
    }

    #[test]
    fn a_table_is_read_from_its_file() {
        let path = std::env::temp_dir().join(format!("e2h-rows-{}.csv", std::process::id()));
        std::fs::write(&path, "1 0 0 0\n0 0 0 1\n").expect("writable");
        let config = ScheduleConfig { file: Some(path.clone()), ..ScheduleConfig::of(Kind::Table) };
        let rule = config.build(4, 100).expect("valid");
        assert_eq!(rule.probs(99), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(config.validate(3, 100).len(), 2, "both rows are of four levels");
        std::fs::remove_file(&path).expect("removable");
        assert_eq!(config.validate(4, 100).len(), 1, "the file is gone");
    }

    #[test]
    fn points_are_written_as_a_list_of_tables() {
        let config = parse(
            "kind = \"piecewise\"\n\
             points = [{ step = 0, probs = [1, 0] }, { step = 5, probs = [0.5, 0.5] }]",
        );
        let probs = config.build(2, 10).expect("valid").probs(7);
        assert_eq!(probs, [0.5, 0.5]);
        let text = toml::to_string(&config).expect("tables serialise");
        assert_eq!(parse(&text), config);
    }
}
