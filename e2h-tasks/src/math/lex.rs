//! From text to tokens: LaTeX, plain-text mathematics and Unicode signs in one token set.
//!
//! Marks that only change looks (`\left`, `\displaystyle`, `\,`, `$`) vanish here, so the parser sees the
//! mathematics alone.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. `x^10` is read as plain text, `x^{10}`; `\frac12` and `\sqrt12` as LaTeX.
//! # Invariants
//! - Every character of the text is visited a bounded number of times.

use super::ast::Func;
use super::limits::{MAX_BYTES, Res, Stop};
use super::numerals::{self, Comma};
use super::tables;
use super::units::is_unit_word;

/// How deeply `\text{...}` may nest.
const MAX_TEXTS: usize = 8;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    /// A decimal number: digits with at most one point.
    Num(String),
    /// Digits and letters before a base subscript.
    Digits(String),
    /// A letter or a named letter.
    Ident(String),
    /// A word.
    Word(String),
    /// A function name.
    Call(Func),
    /// `\frac` and its sizes.
    Frac,
    /// `\binom`.
    Binom,
    /// `\sqrt`.
    Sqrt,
    /// `\overline`: a repetend or a segment.
    Overline,
    /// `\dot` over a digit.
    DotOver,
    /// `\sum`, `\prod`, `\int`, `\lim`.
    Big(Func),
    /// The start of an environment with rows.
    Begin(String),
    /// Its end.
    End(String),
    /// Any other sign; `\n` ends a row, `⦃` and `⦄` are `\{` and `\}`.
    Sym(char),
    /// `and`.
    And,
    /// `or`.
    Or,
}

/// A token and whether white space stands before it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) spaced: bool,
}

/// The tokens of a text and what was seen on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    /// A currency sign was passed over.
    pub(crate) money: bool,
    /// A comma between digits could be read in another way.
    pub(crate) ambiguous: bool,
}

/// Cuts `text` into tokens; `comma` says how a comma between digits is read.
///
/// # Errors
/// [`Stop::Limit`] for a text that is too long, [`Stop::Syntax`] for an unknown environment.
pub(crate) fn lex(text: &str, comma: Comma) -> Res<Lexed> {
    if text.len() > MAX_BYTES {
        return Err(Stop::Limit("the text is too long"));
    }
    let mut lexer = Lexer {
        chars: text
            .chars()
            .map(|c| tables::plain_char(c).unwrap_or(c))
            .collect(),
        at: 0,
        comma,
        in_text: Vec::new(),
        brackets: 0,
        spaced: false,
        has_rows: text.contains("\\begin"),
        out: Lexed::default(),
    };
    let dollars = text.matches('$').count() - text.matches("\\$").count();
    lexer.out.money = dollars % 2 == 1;
    while lexer.at < lexer.chars.len() {
        lexer.step()?;
    }
    Ok(lexer.out)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    comma: Comma,
    /// Ends of the `\text{...}` arguments that are open.
    in_text: Vec<usize>,
    brackets: i32,
    spaced: bool,
    has_rows: bool,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn push(&mut self, tok: Tok) {
        let spaced = std::mem::take(&mut self.spaced);
        self.out.tokens.push(Token { tok, spaced });
    }

    fn sign(&mut self, length: usize, sign: char) {
        match sign {
            '(' | '[' | '⦃' | '⟨' => self.brackets += 1,
            ')' | ']' | '⦄' | '⟩' => self.brackets -= 1,
            _ => {}
        }
        self.push(Tok::Sym(sign));
        self.at += length;
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
        self.spaced = true;
    }

    fn step(&mut self) -> Res<()> {
        while self.in_text.last().is_some_and(|&end| self.at >= end) {
            self.in_text.pop();
            self.spaced = true;
        }
        let c = self.peek(0);
        match c {
            _ if c.is_whitespace() || is_invisible(c) => self.skip(1),
            '$' | '#' | '`' | '"' | '“' | '”' => self.skip(1),
            '€' | '₹' => {
                self.out.money = true;
                self.skip(1);
            }
            '\\' => self.command()?,
            _ if c.is_ascii_digit() => self.number(),
            '.' if self.peek(1).is_ascii_digit() => self.number(),
            '.' if self.peek(1) == '.' && self.peek(2) == '.' => self.sign(3, '…'),
            _ if c.is_alphabetic() => self.letters(),
            '~' => self.skip(1),
            '*' if self.peek(1) == '*' => self.sign(2, '^'),
            '<' if self.peek(1) == '=' => self.sign(2, '≤'),
            '>' if self.peek(1) == '=' => self.sign(2, '≥'),
            '!' if self.peek(1) == '=' => self.sign(2, '≠'),
            '=' if self.peek(1) == '=' => self.sign(2, '='),
            '=' if self.peek(1) == '>' => self.sign(2, '≡'),
            '-' if self.peek(1) == '>' => self.sign(2, '≡'),
            '+' if self.peek(1) == '/' && self.peek(2) == '-' => self.sign(3, '±'),
            '√' => {
                self.push(Tok::Sqrt);
                self.at += 1;
            }
            _ => self.other(c),
        }
        Ok(())
    }

    /// Superscript digits, fraction signs and plain signs.
    fn other(&mut self, c: char) {
        if let Some((num, den)) = numerals::fraction_sign(c) {
            self.push(Tok::Frac);
            self.push(Tok::Num(num.to_owned()));
            self.push(Tok::Num(den.to_owned()));
            self.at += 1;
        } else if let Some(digit) = numerals::superscript(c) {
            self.push(Tok::Sym('^'));
            self.push(Tok::Num(digit.to_string()));
            self.at += 1;
        } else {
            self.sign(1, c);
        }
    }

    fn number(&mut self) {
        if let Some(length) = numerals::base_digits(&self.chars[self.at..]) {
            let digits = self.chars[self.at..self.at + length].iter().collect();
            self.push(Tok::Digits(digits));
            self.at += length;
            return;
        }
        let mode = if self.brackets > 0 && self.comma == Comma::Group {
            Comma::Separate
        } else {
            self.comma
        };
        let read = numerals::number(&self.chars[self.at..], mode);
        self.out.ambiguous |= read.ambiguous;
        self.push(Tok::Num(read.text));
        self.at += read.length;
    }

    fn letters(&mut self) {
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
        if let Some(rest) = run
            .strip_prefix("or")
            .filter(|r| after_value && r.len() == 1)
        {
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

    fn command(&mut self) -> Res<()> {
        let next = self.peek(1);
        if next == '\\' {
            let name = self.name_at(self.at + 2);
            if !self.has_rows && (is_known(&name) || matches!(self.peek(2), '(' | ')' | '[' | '%'))
            {
                self.at += 1;
                return Ok(());
            }
            self.at += 2;
            if self.peek(0) == '[' && self.has_rows {
                self.skip_group('[', ']');
            }
            self.push(Tok::Sym('\n'));
            return Ok(());
        }
        if next.is_ascii_alphabetic() {
            let name = self.name_at(self.at + 1);
            self.at += 1 + name.len();
            return self.named(&name);
        }
        match next {
            '{' => self.sign(2, '⦃'),
            '}' => self.sign(2, '⦄'),
            '%' => self.sign(2, '%'),
            '|' => self.sign(2, '|'),
            '$' => {
                self.out.money = true;
                self.skip(2);
            }
            '!' => self.at += 2,
            '\0' => self.skip(1),
            _ => self.skip(2),
        }
        Ok(())
    }

    fn name_at(&self, start: usize) -> String {
        self.chars[start.min(self.chars.len())..]
            .iter()
            .take(40)
            .take_while(|c| c.is_ascii_alphabetic())
            .collect()
    }

    fn named(&mut self, name: &str) -> Res<()> {
        match name {
            "frac" | "dfrac" | "tfrac" | "cfrac" | "nicefrac" | "sfrac" => self.push(Tok::Frac),
            "binom" | "dbinom" | "tbinom" => self.push(Tok::Binom),
            "sqrt" => self.push(Tok::Sqrt),
            "overline" => self.push(Tok::Overline),
            "dot" => self.push(Tok::DotOver),
            "sum" => self.push(Tok::Big(Func::Series)),
            "prod" => self.push(Tok::Big(Func::Product)),
            "int" => self.push(Tok::Big(Func::Integral)),
            "lim" => self.push(Tok::Big(Func::Limit)),
            "begin" | "end" => return self.environment(name == "begin"),
            "mathbb" | "Bbb" => {
                let argument = self.group('{', '}');
                self.push(if argument.as_deref() == Some("R") {
                    Tok::Sym('ℝ')
                } else {
                    Tok::Ident(argument.unwrap_or_default())
                });
            }
            "phantom" | "hphantom" | "vphantom" | "hspace" | "vspace" | "color" | "label" => {
                if self.group('{', '}').is_none() {
                    while self.peek(0).is_whitespace() {
                        self.at += 1;
                    }
                    self.at += 1;
                }
            }
            "not" => {
                while self.peek(0).is_whitespace() {
                    self.at += 1;
                }
                if self.peek(0) == '=' {
                    self.sign(1, '≠');
                }
            }
            "left" | "right" => {
                self.spaced = true;
                if self.peek(0) == '.' {
                    self.at += 1;
                }
            }
            "textdollar" | "dollar" => self.out.money = true,
            "pmod" | "bmod" | "mod" => self.push(Tok::Word("mod".to_owned())),
            _ if tables::is_text_command(name) => return self.text_argument(name),
            _ if tables::is_decoration(name) => self.spaced = true,
            _ => self.other_name(name),
        }
        Ok(())
    }

    fn other_name(&mut self, name: &str) {
        if let Some(tok) = tables::command_sign(name) {
            let Tok::Sym(sign) = tok else {
                return self.push(tok);
            };
            self.sign(0, sign);
        } else if let Some(func) = tables::function(name) {
            self.push(Tok::Call(func));
        } else {
            self.push(Tok::Ident(format!("\\{name}")));
        }
    }

    /// Opens the argument of `\text` and its like.
    fn text_argument(&mut self, name: &str) -> Res<()> {
        while self.peek(0) == ' ' {
            self.at += 1;
        }
        if self.peek(0) != '{' {
            return Ok(());
        }
        if self.in_text.len() >= MAX_TEXTS {
            return Err(Stop::Limit("texts nest too deeply"));
        }
        let end = self.closing(self.at, '{', '}');
        let content: String = self.chars[self.at + 1..end].iter().take(16).collect();
        let letter = content.trim();
        if matches!(name, "mathrm" | "rm" | "operatorname") {
            if matches!(letter, "i" | "e" | "d" | "x" | "y" | "z" | "n" | "k") {
                self.push(Tok::Ident(letter.to_owned()));
                self.at = end + 1;
                return Ok(());
            }
        }
        // The closing brace is blanked so that the text ends before it.
        if let Some(brace) = self.chars.get_mut(end) {
            *brace = ' ';
        }
        self.at += 1;
        self.spaced = true;
        self.in_text.push(end);
        Ok(())
    }

    fn environment(&mut self, begins: bool) -> Res<()> {
        let name = self.group('{', '}').unwrap_or_default();
        let name = name.trim_end_matches('*');
        match name {
            "array" | "tabular" => {
                if begins {
                    let _ = self.group('[', ']');
                    let _ = self.group('{', '}');
                }
            }
            "pmatrix" | "bmatrix" | "Bmatrix" | "vmatrix" | "Vmatrix" | "matrix"
            | "smallmatrix" | "cases" => {}
            "align" | "aligned" | "equation" | "gather" | "gathered" | "split" | "center"
            | "flalign" | "multline" => return Ok(()),
            _ => return Err(Stop::Syntax("an unknown environment")),
        }
        self.push(if begins {
            Tok::Begin(name.to_owned())
        } else {
            Tok::End(name.to_owned())
        });
        Ok(())
    }

    /// Takes a bracketed argument that comes next.
    fn group(&mut self, open: char, close: char) -> Option<String> {
        while self.peek(0) == ' ' {
            self.at += 1;
        }
        if self.peek(0) != open {
            return None;
        }
        let end = self.closing(self.at, open, close);
        let content = self.chars[self.at + 1..end].iter().collect();
        self.at = (end + 1).min(self.chars.len());
        Some(content)
    }

    fn skip_group(&mut self, open: char, close: char) {
        let _ = self.group(open, close);
    }

    /// The place of the bracket that closes the one at `start`, or the end of the text.
    fn closing(&self, start: usize, open: char, close: char) -> usize {
        let mut depth = 0;
        for (i, &c) in self.chars.iter().enumerate().skip(start) {
            if c == open {
                depth += 1;
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
        }
        self.chars.len()
    }
}

fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Letters of which runs are made: all but those that are variables or constants by themselves.
fn plain(c: char) -> bool {
    !('\u{370}'..='\u{3ff}').contains(&c)
}

fn is_known(name: &str) -> bool {
    matches!(
        name,
        "frac"
            | "dfrac"
            | "tfrac"
            | "sqrt"
            | "begin"
            | "end"
            | "overline"
            | "binom"
            | "sum"
            | "int"
    ) || tables::is_decoration(name)
        || tables::is_text_command(name)
        || tables::command_sign(name).is_some()
        || tables::is_letter_command(name)
        || tables::function(name).is_some()
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
    let function = (2..run.len()).any(|n| {
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
