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
        chars: text.chars().map(|c| tables::plain_char(c).unwrap_or(c)).collect(),
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

/// The lexer's state over one text.
pub(crate) struct Lexer {
    pub(crate) chars: Vec<char>,
    pub(crate) at: usize,
    pub(crate) comma: Comma,
    /// Ends of the `\text{...}` arguments that are open.
    pub(crate) in_text: Vec<usize>,
    pub(crate) brackets: i32,
    pub(crate) spaced: bool,
    pub(crate) has_rows: bool,
    pub(crate) out: Lexed,
}

impl Lexer {
    pub(crate) fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    pub(crate) fn push(&mut self, tok: Tok) {
        let spaced = std::mem::take(&mut self.spaced);
        self.out.tokens.push(Token { tok, spaced });
    }

    pub(crate) fn sign(&mut self, length: usize, sign: char) {
        match sign {
            '(' | '[' | '⦃' | '⟨' => self.brackets += 1,
            ')' | ']' | '⦄' | '⟩' => self.brackets -= 1,
            _ => {}
        }
        self.push(Tok::Sym(sign));
        self.at += length;
    }

    pub(crate) fn skip(&mut self, length: usize) {
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
            '.' if self.peek(1) == '\\'
                && matches!(self.peek(2), 'o' | 'd')
                && !matches!(self.out.tokens.last().map(|t| &t.tok), Some(Tok::Num(_))) =>
            {
                self.push(Tok::Num("0".to_owned()));
                self.sign(1, '.');
            }
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
}

fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}
