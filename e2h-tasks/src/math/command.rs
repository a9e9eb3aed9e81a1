//! The lexer's rules for what begins with a backslash.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. `\\\\frac` is read as `\\frac`: texts that were escaped twice are common.
//! # Invariants
//! - As in [`super::lex`].

use super::ast::Func;
use super::lex::{Lexer, Tok};
use super::limits::{Res, Stop};
use super::tables;

/// How deeply `\text{...}` may nest.
const MAX_TEXTS: usize = 8;

impl Lexer {
    pub(crate) fn command(&mut self) -> Res<()> {
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
        if name == "text" && letter == "i" {
            self.push(Tok::Ident(letter.to_owned()));
            self.at = end + 1;
            return Ok(());
        }
        if matches!(name, "mathrm" | "rm" | "operatorname")
            && matches!(letter, "i" | "e" | "d" | "x" | "y" | "z" | "n" | "k")
        {
            self.push(Tok::Ident(letter.to_owned()));
            self.at = end + 1;
            return Ok(());
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
        self.push(if begins { Tok::Begin(name.to_owned()) } else { Tok::End(name.to_owned()) });
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
