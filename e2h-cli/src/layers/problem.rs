//! Where a value comes from, and what can be wrong with it.

use std::fmt;
use std::path::PathBuf;

use toml::Value;

use crate::hints::{Failure, did_you_mean};

/// The layer that gave a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The type's default.
    Default,
    /// An embedded preset, by name.
    Preset(String),
    /// A file and a line in it, counted from 1.
    File(PathBuf, usize),
    /// A `--set`.
    Set,
    /// A named flag, as typed.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::File(path, line) => write!(f, "file {}:{line}", path.display()),
            Self::Set => f.write_str("--set"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One mistake in one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The dotted key; empty when the whole layer is meant.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) what: What,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// No such key.
    UnknownKey {
        /// The allowed key that is most like it.
        nearest: Option<String>,
    },
    /// The value is of another type.
    WrongType {
        /// The allowed types, in words.
        expected: String,
        /// The type and value given.
        got: String,
    },
    /// The key belongs to another kind of its table.
    NotOfKind {
        /// The kind chosen.
        kind: String,
    },
    /// The type is right and the value is not.
    BadValue {
        /// The reason, from serde.
        message: String,
    },
    /// The text is not TOML.
    Syntax {
        /// The reason, from the parser.
        message: String,
    },
    /// A file cannot be read.
    Unreadable {
        /// The reason, from the system.
        message: String,
    },
    /// No such preset.
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// All names there are.
        known: Vec<String>,
    },
    /// Files inherit each other in a circle.
    Cycle {
        /// The chain, with its first member again at the end.
        chain: Vec<String>,
    },
    /// A `--set` without `=`.
    NoValue,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.what) {
            // A preset that is not there names itself, and a file that cannot be read has no line.
            (Origin::Preset(_), What::UnknownPreset { .. }) => {}
            (Origin::File(path, _), What::Unreadable { .. }) => write!(f, "{}: ", path.display())?,
            (Origin::File(path, line), _) => write!(f, "{}:{line}: ", path.display())?,
            (origin, _) => write!(f, "{origin}: ")?,
        }
        let key = &self.key;
        match &self.what {
            What::UnknownKey { nearest: None } => write!(f, "unknown key `{key}`"),
            What::UnknownKey { nearest: Some(nearest) } => {
                write!(f, "unknown key `{key}`, did you mean `{nearest}`?")
            }
            What::WrongType { expected, got } => {
                write!(f, "`{key}` must be {expected}, got {got}")
            }
            What::NotOfKind { kind } => write!(f, "`{key}` has no meaning with kind \"{kind}\""),
            What::BadValue { message } if key.is_empty() => f.write_str(message),
            What::BadValue { message } => write!(f, "`{key}`: {message}"),
            What::Syntax { message } => write!(f, "not valid TOML: {message}"),
            What::Unreadable { message } => write!(f, "cannot read: {message}"),
            What::UnknownPreset { name, .. } => write!(f, "there is no preset `{name}`"),
            What::Cycle { chain } => write!(f, "inherits itself: {}", chain.join(" -> ")),
            What::NoValue => write!(f, "`{key}` has no value, write KEY=VALUE"),
        }
    }
}

/// All mistakes of a configuration; at least one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// One line a problem.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A configuration's mistakes are a failure of usage: one on the error line, several below it.
impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        const HINT: &str = "`e2h config show` lists every key with its value";
        match &problems.0[..] {
            [only] => excerpt(only)
                .into_iter()
                .flatten()
                .fold(Self::usage(only).context("configuration"), Self::detail)
                .hint(way_out(only).unwrap_or_else(|| HINT.to_owned())),
            all => all
                .iter()
                .fold(
                    Self::usage(format!("configuration: {} problems", all.len())),
                    |failure, problem| {
                        let failure = failure.detail(problem.to_string());
                        excerpt(problem).into_iter().flatten().fold(failure, Self::detail)
                    },
                )
                .hint(HINT),
        }
    }
}

/// What was meant, where a name is near one that is known, or where the names are listed.
fn way_out(problem: &Problem) -> Option<String> {
    match &problem.what {
        What::UnknownPreset { name, known } => {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
            Some(format!("{near}`e2h config list` shows the presets"))
        }
        What::BadValue { message } => {
            // serde's own words: unknown variant `x`, expected one of `a`, `b`
            let (typed, known) =
                message.split_once("unknown variant ")?.1.split_once(", expected ")?;
            let known = known.split('`').skip(1).step_by(2);
            let near = did_you_mean(typed.trim_matches('`'), known)?;
            Some(format!("did you mean `{near}`?"))
        }
        _ => None,
    }
}

/// The line of the file that a problem is in, and a caret below the place; `None` for other layers.
fn excerpt(problem: &Problem) -> Option<[String; 2]> {
    let Origin::File(path, line) = &problem.origin else { return None };
    let text = std::fs::read_to_string(path).ok()?;
    let shown = text.lines().nth(line - 1)?;
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let at = match &problem.what {
        What::Syntax { .. } => {
            let error = toml::from_str::<toml::Table>(&text).err()?;
            error.span()?.start.saturating_sub(start).min(shown.len())
        }
        _ => problem.key.rsplit('.').next().and_then(|name| shown.find(name)).unwrap_or(0),
    };
    let before = shown.get(..at).unwrap_or_default().chars().count();
    let margin = format!("{line} | ");
    let caret = format!("{:>width$}", "^", width = margin.len() + before + 1);
    Some([format!("{margin}{shown}"), caret])
}

/// A value's type and, where it is short, the value: `string "abc"`.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Table(_) | Value::Array(_) => value.type_str().to_owned(),
        value => format!("{} {value}", value.type_str()),
    }
}
