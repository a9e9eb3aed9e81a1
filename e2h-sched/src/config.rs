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
//! ```

use e2h_core::{Curriculum, Error, Level, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checks::Checks;
use crate::fixed::{CosineForm, Fixed, Point, Shape};
use crate::floor::Floored;

/// The rules that a configuration can name.
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
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Balanced,
        Self::Only,
        Self::Classic,
        Self::Cosine,
        Self::Gaussian,
        Self::Linear,
        Self::Table,
        Self::Piecewise,
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
        }
    }

    /// The keys that belong to this kind; every kind also takes `kind` and `floor`.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Balanced | Self::Classic | Self::Linear => &[],
            Self::Only => &["level"],
            Self::Cosine => &["form"],
            Self::Gaussian => &["mu_exp", "sigma", "min_prob"],
            Self::Table => &["rows"],
            Self::Piecewise => &["points", "interpolate"],
        }
    }
}

/// The choice of a curriculum. The default is E2H-G with `mu_exp = 0.5`, `sigma = 0.5`.
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
    /// `gaussian`: exponent of the progress; left out: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mu_exp: Option<f64>,
    /// `gaussian`: width in levels; left out: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// `gaussian`: least probability of a level; left out: `2 / (K (K + 1))`; 0 is the paper's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_prob: Option<f64>,
    /// `table`: rows of K probabilities, each for an equal share of the steps. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<f64>>>,
    /// `piecewise`: rows of K probabilities with their first step. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<Point>>,
    /// `piecewise`: straight lines between the points; left out: false, each row holds until the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolate: Option<bool>,
}

impl ScheduleConfig {
    /// The rule `kind` with every key left out.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
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
        checks.extend(self.foreign_keys());
        match self.shape() {
            Ok(shape) => checks.extend(shape.problems(n_levels)),
            Err(problem) => checks.extend(vec![problem]),
        }
        checks.into_problems()
    }

    /// The curriculum that this configuration describes.
    ///
    /// # Errors
    /// The first of the problems that [`validate`](Self::validate) reports.
    pub fn build(&self, n_levels: usize, total_steps: u64) -> Result<Box<dyn Curriculum>> {
        if let Some(problem) = self.validate(n_levels, total_steps).into_iter().next() {
            return Err(problem);
        }
        let rule: Box<dyn Curriculum> = Box::new(Fixed::new(self.shape()?, n_levels, total_steps)?);
        match self.floor {
            Some(floor) if floor > 0.0 => Ok(Box::new(Floored::new(rule, floor)?)),
            _ => Ok(rule),
        }
    }

    /// Keys that are given but belong to another kind.
    fn foreign_keys(&self) -> Vec<Error> {
        let Ok(Value::Object(given)) = serde_json::to_value(self) else {
            return Vec::new();
        };
        let own = self.kind.keys();
        let mut checks = Checks::default();
        for (key, value) in &given {
            let known = ["kind", "floor"].contains(&key.as_str()) || own.contains(&key.as_str());
            checks.require(known, key, value, self.left_out());
        }
        checks.into_problems()
    }

    fn left_out(&self) -> String {
        let keys: Vec<&str> = self.kind.keys().iter().chain(&["floor"]).copied().collect();
        format!(
            "left out: kind = \"{}\" takes {}",
            self.kind.name(),
            keys.join(", ")
        )
    }

    fn shape(&self) -> Result<Shape> {
        Ok(match self.kind {
            Kind::Balanced => Shape::Balanced,
            Kind::Only => Shape::Only(Level(self.required("level", self.level)?)),
            Kind::Classic => Shape::Classic,
            Kind::Cosine => Shape::Cosine(self.form.unwrap_or_default()),
            Kind::Gaussian => Shape::Gaussian {
                mu_exp: self.mu_exp.unwrap_or(0.5),
                sigma: self.sigma.unwrap_or(0.5),
                min_prob: self.min_prob,
            },
            Kind::Linear => Shape::Linear,
            Kind::Table => Shape::Table(self.required("rows", self.rows.clone())?),
            Kind::Piecewise => Shape::Piecewise {
                points: self.required("points", self.points.clone())?,
                interpolate: self.interpolate.unwrap_or(false),
            },
        })
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::OutOfRange {
            name: name.to_owned(),
            got: "left out".to_owned(),
            expected: format!("given for kind = \"{}\"", self.kind.name()),
        })
    }
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
        let expected = "`sigma` is 0.5, but must be left out: kind = \"cosine\" takes form, floor";
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
    fn every_kind_is_written_by_its_name() {
        for kind in Kind::ALL {
            let text = format!("kind = \"{}\"", kind.name());
            assert_eq!(parse(&text).kind, kind);
        }
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
