//! The command line's own mistakes in the form of all others: one line, a blank line, a hint.
//!
//! What the parser knows of a mistake, it hands over as facts; the words are made here. Help and version texts
//! are no mistakes and pass as they are.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Failure, Outcome, did_you_mean};

/// What the parser found: arguments, a text to print, or a failure of usage.
pub(crate) enum Parsed<T> {
    /// Arguments.
    Args(T),
    /// A help or version text was asked for.
    Text(clap::Error),
}

/// Sorts what the parser returned. `command` is that of the whole program, `typed` its arguments.
///
/// # Errors
/// A failure of usage.
pub(crate) fn parsed<T>(
    found: Result<T, clap::Error>,
    command: &clap::Command,
    typed: &[String],
) -> Outcome<Parsed<T>> {
    match found {
        Ok(args) => Ok(Parsed::Args(args)),
        Err(error) if error.exit_code() == 0 => Ok(Parsed::Text(error)),
        Err(error) => Err(failure(&error, command, typed)),
    }
}

fn failure(error: &clap::Error, command: &clap::Command, typed: &[String]) -> Failure {
    let (verb, path) = verb(command, typed);
    let help = format!("`{path} --help` shows what there is");
    let failure = Failure::usage(message(error));
    let near =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let near = near.into_iter().find_map(|kind| words(error, kind).first().cloned());
    if let Some(near) = near {
        return failure.hint(format!("did you mean `{near}`? {help}"));
    }
    let valid = words(error, ContextKind::ValidValue);
    if !valid.is_empty() {
        let typed = words(error, ContextKind::InvalidValue).concat();
        let valid_values = valid.iter().map(String::as_str);
        return match did_you_mean(&typed, valid_values).filter(|_| !typed.is_empty()) {
            Some(near) => {
                failure.hint(format!("did you mean `{near}`? There are {}", list(&valid)))
            }
            None => failure.hint(format!("give one of {}", list(&valid))),
        };
    }
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let known = verb.get_subcommands().filter(|verb| !verb.is_hide_set());
            let names: Vec<String> = known.map(|verb| verb.get_name().to_owned()).collect();
            failure.hint(format!("give one of {}; {help}", list(&names)))
        }
        ErrorKind::MissingRequiredArgument => {
            failure.hint(format!("write {}; {help}", usage(verb, &path)))
        }
        _ => failure.hint(help),
    }
}

/// What is wrong, in a line.
fn message(error: &clap::Error) -> String {
    let of = |kind| words(error, kind);
    let one = |kind| of(kind).first().cloned().unwrap_or_default();
    let (arg, value) = (one(ContextKind::InvalidArg), one(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::UnknownArgument => format!("there is no argument `{arg}` here"),
        ErrorKind::InvalidSubcommand => {
            format!("there is no command `{}`", one(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("`{arg}` needs a value"),
        ErrorKind::InvalidValue => format!("`{value}` is no value of `{arg}`"),
        ErrorKind::ValueValidation => {
            let cause =
                std::error::Error::source(error).map_or(String::new(), |e| format!(": {e}"));
            format!("`{value}` is no value of `{arg}`{cause}")
        }
        ErrorKind::ArgumentConflict => {
            let prior = of(ContextKind::PriorArg);
            match prior.is_empty() {
                true => format!("`{arg}` cannot be given together with the others"),
                false => format!("`{arg}` and {} exclude each other", list(&prior)),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = of(ContextKind::InvalidArg);
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!("{} {verb} missing", list(&missing))
        }
        _ => first_paragraph(&error.to_string()),
    }
}

/// The facts of one kind, without the placeholders of their values.
fn words(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// `a`, `b` and `c`.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// The innermost verb that was typed, and its name with those around it: `e2h schedule show`.
fn verb<'a>(command: &'a clap::Command, typed: &[String]) -> (&'a clap::Command, String) {
    let (mut at, mut path) = (command, command.get_name().to_owned());
    for word in typed.iter().skip(1).filter(|word| !word.starts_with('-')) {
        let Some(inner) = at.find_subcommand(word) else { break };
        path = format!("{path} {}", inner.get_name());
        at = inner;
    }
    (at, path)
}

/// The usage line of a verb, in backquotes.
fn usage(verb: &clap::Command, path: &str) -> String {
    let mut verb = verb.clone().bin_name(path);
    let text = verb.render_usage().to_string();
    format!("`{}`", first_paragraph(text.trim_start_matches("Usage: ")))
}

/// The first paragraph without `error: `, on one line.
fn first_paragraph(text: &str) -> String {
    let text = text.trim().trim_start_matches("error: ");
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Args;

    fn text(line: &str) -> String {
        let typed: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let command = Args::command();
        match parsed(Args::try_parse_from(&typed), &command, &typed) {
            Err(failure) => failure.to_string(),
            Ok(_) => panic!("{line} parses"),
        }
    }

    #[test]
    fn a_mistake_is_a_line_and_a_hint() {
        assert_eq!(
            text("e2h train --sed 1"),
            "error: there is no argument `--sed` here\n\n\
             hint: did you mean `--seed`? `e2h train --help` shows what there is"
        );
        assert!(
            text("e2h schedule")
                .starts_with("error: a command is missing\n\nhint: give one of `show`")
        );
        assert_eq!(
            text("e2h trian"),
            "error: there is no command `trian`\n\n\
             hint: did you mean `train`? `e2h --help` shows what there is"
        );
    }

    #[test]
    fn help_is_no_mistake() {
        let typed = ["e2h", "--help"].map(str::to_owned);
        let found = parsed(Args::try_parse_from(&typed), &Args::command(), &typed);
        assert!(matches!(found, Ok(Parsed::Text(_))));
    }
}
