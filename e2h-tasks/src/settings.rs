//! What the configurations of tasks have in common: lists of levels, and checks that report all problems at once.

use std::ops::RangeInclusive;

use e2h_core::{Error, Level, LevelSpec, Result};

/// The problems found so far in a configuration.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Error>);

impl Checks {
    /// Notes that `name` is `got` and should be `expected`, unless the condition `holds`.
    pub(crate) fn check(
        &mut self,
        holds: bool,
        name: &str,
        got: impl Into<String>,
        expected: &str,
    ) {
        if !holds {
            let (name, expected) = (name.to_owned(), expected.to_owned());
            self.0.push(Error::OutOfRange { name, got: got.into(), expected });
        }
    }

    /// Checks that the weights of a reward's parts are finite and not negative.
    pub(crate) fn weights<const N: usize>(&mut self, weights: [(&str, f64); N]) {
        for (name, weight) in weights {
            let holds = weight.is_finite() && weight >= 0.0;
            self.check(holds, name, weight.to_string(), "finite and at least 0");
        }
    }

    /// All problems; empty when there is none.
    pub(crate) fn done(self) -> Vec<Error> {
        self.0
    }
}

/// The size that sets each level apart, training levels first: how many numbers, how many actions.
pub(crate) struct Levels<'a> {
    train: &'a [usize],
    ood: &'a [usize],
}

impl<'a> Levels<'a> {
    /// Training levels, and levels out of the training distribution.
    pub(crate) fn new(train: &'a [usize], ood: &'a [usize]) -> Self {
        Self { train, ood }
    }

    /// The size of every level.
    pub(crate) fn all(&self) -> Vec<usize> {
        [self.train, self.ood].concat()
    }

    /// The size of one level.
    ///
    /// # Errors
    /// [`NoSuchLevel`](Error::NoSuchLevel).
    pub(crate) fn size(&self, task: &str, level: Level) -> Result<usize> {
        let all = self.all();
        all.get(level.index()).copied().ok_or_else(|| Error::NoSuchLevel {
            task: task.to_owned(),
            level: level.0,
            last: Level::at(all.len().saturating_sub(1)).0,
        })
    }

    /// What the task says of each level; `label` words a size.
    pub(crate) fn specs(&self, label: impl Fn(usize) -> String) -> Vec<LevelSpec> {
        let spec = |ood| {
            let label = &label;
            move |&size: &usize| LevelSpec { label: label(size), ood }
        };
        self.train.iter().map(spec(false)).chain(self.ood.iter().map(spec(true))).collect()
    }

    /// Checks that there is a training level, and that every size is in `range`, as `expected` words it.
    pub(crate) fn check(&self, range: RangeInclusive<usize>, expected: &str, checks: &mut Checks) {
        checks.check(!self.train.is_empty(), "levels", "empty", "one level or more");
        let all = self.all();
        let holds = all.iter().all(|size| range.contains(size));
        checks.check(holds, "levels", format!("{all:?}"), expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_levels_come_first_and_a_level_beyond_the_last_is_an_error() {
        let levels = Levels::new(&[2, 3], &[6]);
        let specs = levels.specs(|n| format!("{n} numbers"));
        let seen: Vec<_> = specs.iter().map(|spec| (spec.label.as_str(), spec.ood)).collect();
        assert_eq!(seen, [("2 numbers", false), ("3 numbers", false), ("6 numbers", true)]);
        assert_eq!(levels.size("x", Level(2)).expect("there"), 6);
        assert!(matches!(levels.size("x", Level(3)), Err(Error::NoSuchLevel { last: 2, .. })));
    }

    #[test]
    fn every_problem_is_reported() {
        let mut checks = Checks::default();
        Levels::new(&[], &[9]).check(1..=8, "from 1 to 8", &mut checks);
        checks.weights([("good", 0.0), ("bad", f64::NAN)]);
        assert_eq!(checks.done().len(), 3);
    }
}
