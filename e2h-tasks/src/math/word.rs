//! The lexer's rules for letters: keywords, functions, words, and variables side by side.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. A run of four letters or more with a vowel is a word; shorter runs are variables.
//! # Invariants
//! - As in [`super::lex`].

use super::ast::Func;
use super::lex::{Lexer, Tok};
use super::tables;
use super::units::is_unit_word;

/// The most letters that two names of functions have together.
const MAX_NAMES: usize = 24;

impl Lexer {
    pub(crate) fn letters(&mut self) {
        let start = self.at;
        let in_text = self.in_text.last().copied();
        let end = in_text.unwrap_or(self.chars.len());
        let mut stop = start;
        while stop < end && self.chars[stop].is_alphabetic() && plain(self.chars[stop]) {
            stop += 1;
        }
        if stop == start {
            let name = match self.chars[start] {
                'π' => Tok::Sym('π'),
                '∞' => Tok::Sym('∞'),
                c => Tok::Ident(c.to_string()),
            };
            self.at += 1;
            return self.push(name);
        }
        // Words may go on over a hyphen, an apostrophe, digits or the points of `p.m.`.
        if in_text.is_some() {
            while stop < end
                && (self.chars[stop].is_alphanumeric()
                    || "'.-".contains(self.chars[stop])
                        && stop + 1 < end
                        && self.chars[stop + 1].is_alphabetic())
            {
                stop += 1;
            }
        }
        let run: String = self.chars[start..stop].iter().collect();
        self.at = stop;
        self.run(&run, in_text.is_some());
    }

    /// A run of letters: a keyword, a word, a function, or variables side by side.
    fn run(&mut self, run: &str, in_text: bool) {
        let after_value = matches!(
            self.out.tokens.last().map(|t| &t.tok),
            Some(Tok::Num(_) | Tok::Sym(')' | '}' | 'π' | '^' | '°'))
        );
        // `6.02 x 10^23`
        let times = run == "x" && after_value && self.spaced && self.peek(0) == ' ';
        if times && self.peek(1).is_ascii_digit() {
            return self.push(Tok::Sym('*'));
        }
        match run.to_ascii_lowercase().as_str() {
            "and" => return self.push(Tok::And),
            "or" => return self.push(Tok::Or),
            "percent" | "pct" | "percentage" => return self.push(Tok::Sym('%')),
            "degrees" | "degree" | "deg" => return self.push(Tok::Sym('°')),
            "pi" if !in_text || after_value => return self.push(Tok::Sym('π')),
            "inf" | "infinity" | "infty" | "oo" => return self.push(Tok::Sym('∞')),
            "sqrt" => return self.push(Tok::Sqrt),
            "cup" | "union" => return self.push(Tok::Sym('∪')),
            "to" | "through" => return self.push(Tok::Word(run.to_owned())),
            _ => {}
        }
        // `1orx=2`: a word that ran into its neighbours.
        if let Some(rest) = run.strip_prefix("or").filter(|r| after_value && r.len() == 1) {
            self.push(Tok::Or);
            return self.push(Tok::Ident(rest.to_owned()));
        }
        if let Some(func) = tables::function(run).filter(|_| !(in_text && after_value)) {
            return self.push(Tok::Call(func));
        }
        let unit = is_unit_word(run) && (run.len() > 3 || after_value);
        if in_text || unit || is_word(run) {
            return self.push(Tok::Word(run.to_owned()));
        }
        if tables::is_letter_command(run) {
            return self.push(Tok::Ident(format!("\\{run}")));
        }
        let mut rest = run;
        while !rest.is_empty() {
            let prefix = (2..=rest.len().min(6))
                .rev()
                .find_map(|n| rest.get(..n).and_then(|p| prefix_token(p).map(|t| (n, t))));
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let (length, tok) =
                prefix.unwrap_or_else(|| (first, Tok::Ident(rest[..first].to_owned())));
            self.push(tok);
            rest = &rest[length..];
        }
    }
}

/// Letters of which runs are made: all but those that are variables or constants by themselves.
fn plain(c: char) -> bool {
    !('\u{370}'..='\u{3ff}').contains(&c)
}

fn prefix_token(prefix: &str) -> Option<Tok> {
    match prefix {
        "pi" => Some(Tok::Sym('π')),
        "sqrt" => Some(Tok::Sqrt),
        _ => tables::function(prefix)
            .filter(|f| !matches!(f, Func::Min | Func::Max))
            .map(Tok::Call)
            .or_else(|| {
                let greek = prefix.len() > 3 && tables::is_letter_command(prefix);
                greek.then(|| Tok::Ident(format!("\\{prefix}")))
            }),
    }
}

/// True for a run of letters that is read as a word and not as variables side by side.
fn is_word(run: &str) -> bool {
    let vowels = run.chars().filter(|c| "aeiouyAEIOUY".contains(*c)).count();
    let splits = if run.len() <= MAX_NAMES { 2..run.len() } else { 0..0 };
    let function = splits.into_iter().any(|n| {
        let known = |part: Option<&str>| part.is_some_and(|p| prefix_token(p).is_some());
        let short = run.len() <= n + 1 && run.get(..n) != Some("pi");
        known(run.get(..n)) && (short || known(run.get(n..)))
    });
    let common = matches!(
        run,
        "the"
            | "is"
            | "of"
            | "are"
            | "for"
            | "no"
            | "yes"
            | "all"
            | "odd"
            | "not"
            | "Yes"
            | "No"
            | "The"
            | "per"
            | "sq"
            | "one"
            | "two"
            | "ten"
            | "six"
            | "pm"
            | "am"
            | "PM"
            | "AM"
            | "None"
            | "USD"
            | "way"
            | "May"
            | "red"
            | "so"
    );
    common || run.chars().count() >= 4 && vowels > 0 && !function
}
