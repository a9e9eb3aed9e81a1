//! How a command fails: one line that names the cause, a hint that names the way out, an exit code.
//!
//! ```text
//! error: cannot read runs/a/config.toml: no such file or directory
//!
//! hint: `e2h train --run-dir runs/a` makes the run
//! ```
//!
//! # Source
//! The manners are those of the house style: errors go to stderr, the chain of causes stands on one line,
//! the hint follows after a blank line and has no full stop.
//!
//! # Invariants
//! - The exit code depends on [`FailureKind`] only: 1 run failed, 2 usage or configuration, 130 interrupted.
//! - A failure without details prints exactly one `error:` line.

use std::fmt;
use std::process::ExitCode;

mod parser;

pub(crate) use parser::{Parsed, parsed};

/// What kind of end a command came to; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The run began and failed: exit code 1.
    Run,
    /// The command line or the configuration is wrong: exit code 2.
    Usage,
    /// The user stopped the run: exit code 130.
    Interrupted,
}

/// The end of a command that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    cause: anyhow::Error,
    details: Vec<String>,
    hint: Option<String>,
    said: bool,
}

/// Results of commands.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A run that failed, with exit code 1.
    pub(crate) fn run(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Run, message)
    }

    /// A mistake in the command line or the configuration, with exit code 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// A run that the user stopped, with exit code 130.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Interrupted, message)
    }

    fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            cause: anyhow::anyhow!("{message}"),
            details: Vec::new(),
            hint: None,
            said: false,
        }
    }

    /// Adds the way out. A later hint replaces an earlier one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, with a way to go on where it has none of its own.
    pub(crate) fn or_hint(self) -> Self {
        let hint = match self.kind {
            _ if self.hint.is_some() => return self,
            FailureKind::Usage => "`e2h --help` and `e2h VERB --help` show what there is",
            FailureKind::Run => "`e2h doctor` says what this machine can do",
            FailureKind::Interrupted => return self,
        };
        self.hint(hint)
    }

    /// Adds one indented line below the `error:` line, for failures with several causes.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Puts `context` before the message, as in `context: message`.
    pub(crate) fn context(mut self, context: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.cause = self.cause.context(context);
        self
    }

    /// The same failure, which another process tells the user of.
    pub(crate) fn said(mut self) -> Self {
        self.said = true;
        self
    }

    /// True when this process is to say nothing of it.
    pub(crate) fn is_said(&self) -> bool {
        self.said
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self.kind {
            FailureKind::Run => 1,
            FailureKind::Usage => 2,
            FailureKind::Interrupted => 130,
        }
    }
}

/// The text for stderr, without the final line feed.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FailureKind::Interrupted => write!(f, "interrupted: {:#}", self.cause)?,
            FailureKind::Run | FailureKind::Usage => write!(f, "error: {:#}", self.cause)?,
        }
        for line in &self.details {
            write!(f, "\n  {line}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Any other error is a failed run; its chain of causes is kept.
impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self { kind: FailureKind::Run, cause, details: Vec::new(), hint: None, said: false }
    }
}

/// The candidate nearest to `name`, or none when all are too far to be what was meant.
///
/// Near is a Damerau-Levenshtein distance of at most a third of the longer name's length (at least 1), without
/// regard to case and to the choice between `-` and `_`. The first of equally near candidates wins.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name = plain(name);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = plain(candidate);
            let distance = strsim::damerau_levenshtein(&name, &other);
            let length = name.chars().count().max(other.chars().count());
            (distance <= (length / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_chain_of_causes_is_one_line_and_the_hint_comes_after_a_blank_one() {
        let cause = Err::<(), _>(anyhow::anyhow!("permission denied"))
            .context("cannot read a.toml")
            .context("configuration")
            .expect_err("an error");
        let failure = Failure::from(cause).hint("check who owns a.toml");
        assert_eq!(
            failure.to_string(),
            "error: configuration: cannot read a.toml: permission denied\n\nhint: check who owns a.toml"
        );
    }

    #[test]
    fn several_causes_stand_indented_below_the_error_line() {
        let failure = Failure::usage("2 mistakes").detail("a").detail("b");
        assert_eq!(failure.to_string(), "error: 2 mistakes\n  a\n  b");
    }

    #[test]
    fn each_kind_has_its_exit_code() {
        assert_eq!(Failure::run("x").code(), 1);
        assert_eq!(Failure::usage("x").code(), 2);
        assert_eq!(Failure::interrupted("x").code(), 130);
        assert_eq!(Failure::from(anyhow::anyhow!("x")).code(), 1);
    }

    #[test]
    fn a_failure_keeps_its_own_hint_and_gets_one_where_it_has_none() {
        let own = Failure::usage("x").hint("own").or_hint();
        assert!(own.to_string().ends_with("hint: own"));
        assert!(Failure::run("x").or_hint().to_string().contains("\n\nhint: "));
        assert_eq!(Failure::interrupted("x").or_hint().to_string(), "interrupted: x");
    }

    #[test]
    fn context_goes_before_the_message() {
        let failure = Failure::run("no step was made").context("runs/a");
        assert_eq!(failure.to_string(), "error: runs/a: no step was made");
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["group_size", "learning_rate", "seed"];
        for (typed, expected) in [
            ("grup_size", Some("group_size")),
            ("Group-Size", Some("group_size")),
            ("sede", Some("seed")),
            ("learnin_rat", Some("learning_rate")),
            ("temperature", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(typed, names), expected, "{typed}");
        }
    }
}
