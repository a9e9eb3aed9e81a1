//! What a template is, and the items it makes.
//!
//! # Source
//! The seven subjects and five levels are those of MATH (Hendrycks and others, 2021); the templates are ours.
//!
//! # Deviations
//! 1. A level is a band of counted work ([`super::pad`]), not a human rating.
//!
//! # Invariants
//! - An item is a function of the template, the level and the stream.
//! - Two items of a template with the same variant and the same given numbers have the same statement.

use std::fmt;

use e2h_core::{Error, Level, Result, Stream};
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::pad::Pad;
use super::value::Value;
use super::{
    NAME, algebra, counting, functions, geometry, intermediate, number_theory, polynomials,
    prealgebra, precalculus, probability, residues, space, triangles,
};

/// Draws made before a template gives up.
const MAX_ATTEMPTS: u64 = 100_000;

/// A subject of MATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Prealgebra.
    Prealgebra,
    /// Algebra.
    Algebra,
    /// Number Theory.
    NumberTheory,
    /// Counting & Probability.
    Counting,
    /// Geometry.
    Geometry,
    /// Intermediate Algebra.
    Intermediate,
    /// Precalculus.
    Precalculus,
}

impl Subject {
    /// All subjects.
    pub const ALL: [Self; 7] = [
        Self::Prealgebra,
        Self::Algebra,
        Self::NumberTheory,
        Self::Counting,
        Self::Geometry,
        Self::Intermediate,
        Self::Precalculus,
    ];

    /// The subject's name as MATH writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Prealgebra => "Prealgebra",
            Self::Algebra => "Algebra",
            Self::NumberTheory => "Number Theory",
            Self::Counting => "Counting & Probability",
            Self::Geometry => "Geometry",
            Self::Intermediate => "Intermediate Algebra",
            Self::Precalculus => "Precalculus",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// Statement and answer as a template returns them; `None` for numbers that do not come out clean.
pub(super) type Made = Option<(String, Value)>;

/// Draws the numbers of a level and works the answer out on the pad.
pub(super) type Make = fn(usize, &mut Draw<'_>, &Pad) -> Made;

/// A family of problems.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The template's name, unique among all.
    pub name: &'static str,
    /// Its subject.
    pub subject: Subject,
    /// The first level that it serves.
    pub first: u16,
    /// The last level that it serves.
    pub last: u16,
    make: Make,
}

/// One problem with its answer and solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The template's name.
    pub template: &'static str,
    /// The subject.
    pub subject: Subject,
    /// The problem, with mathematics between dollar signs.
    pub statement: String,
    /// The answer in LaTeX, without dollar signs.
    pub answer: String,
    /// The answer's exact value.
    pub value: Value,
    /// A short worked solution.
    pub steps: String,
    /// The work of the solution, in digit operations; see the module's measure.
    pub work: u64,
    /// Which of the template's questions is asked.
    pub variant: u16,
    /// The numbers of the statement, as far as they are not 0 or 1, with their signs.
    pub given: Vec<i128>,
}

impl Template {
    pub(super) const fn new(
        name: &'static str,
        subject: Subject,
        levels: (u16, u16),
        make: Make,
    ) -> Self {
        let (first, last) = levels;
        Self { name, subject, first, last, make }
    }

    /// True when the template has problems of `level`.
    pub fn serves(&self, level: Level) -> bool {
        (self.first..=self.last).contains(&level.0)
    }

    /// Draws one item of `level`.
    ///
    /// # Errors
    /// [`NoSuchLevel`](Error::NoSuchLevel) when the template does not serve the level,
    /// [`Exhausted`](Error::Exhausted) when no draw comes out clean.
    pub fn item(&self, level: Level, rng: &mut Stream) -> Result<Item> {
        if !self.serves(level) {
            return Err(Error::NoSuchLevel {
                task: format!("{NAME}/{}", self.name),
                level: level.0,
                last: self.last,
            });
        }
        let mut draw = Draw(rng);
        for _ in 0..MAX_ATTEMPTS {
            let pad = Pad::default();
            if let Some((statement, value)) = (self.make)(level.index(), &mut draw, &pad) {
                return Ok(self.finish(statement, value, pad));
            }
        }
        Err(Error::Exhausted {
            task: NAME.to_owned(),
            what: format!("clean `{}` of {level}", self.name),
            attempts: MAX_ATTEMPTS,
        })
    }

    fn finish(&self, statement: String, value: Value, pad: Pad) -> Item {
        let (work, mut steps, variant, given) = pad.finish();
        let answer = value.latex();
        steps.push(format!("The answer is ${answer}$."));
        Item {
            template: self.name,
            subject: self.subject,
            statement,
            answer,
            value,
            steps: steps.join(" "),
            work,
            variant,
            given,
        }
    }
}

/// All templates, by subject.
pub fn templates() -> impl Iterator<Item = &'static Template> {
    let parts: [&'static [Template]; 13] = [
        &prealgebra::TEMPLATES,
        &algebra::TEMPLATES,
        &functions::TEMPLATES,
        &number_theory::TEMPLATES,
        &residues::TEMPLATES,
        &counting::TEMPLATES,
        &probability::TEMPLATES,
        &geometry::TEMPLATES,
        &triangles::TEMPLATES,
        &intermediate::TEMPLATES,
        &polynomials::TEMPLATES,
        &precalculus::TEMPLATES,
        &space::TEMPLATES,
    ];
    parts.into_iter().flatten()
}
