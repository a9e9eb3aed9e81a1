//! The parser's rules for commands with arguments: roots, functions, brace groups.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. `\sin 2x \cos y` is `\sin(2x) \cos(y)`.
//! # Invariants
//! - As in [`super::parse`].

use super::ast::{Func, Node};
use super::lex::Tok;
use super::limits::{Res, Stop};
use super::number;
use super::parse::{Parser, product_of};

impl Parser<'_> {
    /// The argument of a command: a brace group or one character.
    pub(crate) fn argument(&mut self) -> Res<Node> {
        match self.peek() {
            Some(Tok::Sym('{')) => self.deeper(Self::braces),
            Some(Tok::Num(text)) if text.len() > 1 && text.bytes().all(|b| b.is_ascii_digit()) => {
                let (first, rest) = (text[..1].to_owned(), text[1..].to_owned());
                if let Some(token) = self.tokens.get_mut(self.at) {
                    token.tok = Tok::Num(rest);
                    token.spaced = false;
                }
                number::literal(&first, self.fuel)
            }
            Some(Tok::Sym('}' | ')' | ']' | '⦄' | ',')) | None => {
                Err(Stop::Syntax("a command has no argument"))
            }
            _ => self.deeper(Self::atom),
        }
    }

    /// A brace group, with `\over` and `\choose`.
    pub(crate) fn braces(&mut self) -> Res<Node> {
        self.expect('{')?;
        let bars = std::mem::take(&mut self.bars);
        let mut inside = self.answer()?;
        if self.eat('⨸') {
            inside = Node::Div(Box::new(inside), Box::new(self.answer()?));
        } else if self.eat('⨹') {
            inside = Node::Call(Func::Binomial, vec![inside, self.answer()?]);
        }
        self.bars = bars;
        self.expect('}')?;
        Ok(inside)
    }

    pub(crate) fn root(&mut self) -> Res<Node> {
        self.at += 1;
        let mut index = Node::int(2);
        if self.eat('[') {
            index = self.sum()?;
            self.expect(']')?;
        }
        let radicand = self.argument()?;
        Ok(Node::Root(Box::new(radicand), Box::new(index)))
    }

    pub(crate) fn call(&mut self, func: Func) -> Res<Node> {
        self.at += 1;
        let mut base = None;
        let mut power = None;
        for _ in 0..2 {
            if self.eat('_') {
                base = Some(self.argument()?);
            } else if self.eat('^') {
                power = Some(self.deeper(|p| {
                    if p.eat('-') { Ok(Node::neg(p.argument()?)) } else { p.argument() }
                })?);
            }
        }
        let mut args = self.call_arguments()?;
        let mut func = func;
        if let (Func::Log, Some(base)) = (func, base) {
            func = Func::LogBase;
            args.insert(0, base);
        }
        let inverse = power == Some(Node::neg(Node::int(1)));
        let func = match (func, inverse) {
            (Func::Sin, true) => Func::Asin,
            (Func::Cos, true) => Func::Acos,
            (Func::Tan, true) => Func::Atan,
            (func, _) => func,
        };
        let call = Node::Call(func, args);
        Ok(match power {
            Some(power) if !inverse => Node::Pow(Box::new(call), Box::new(power)),
            _ => call,
        })
    }

    /// Arguments in parentheses, or the factors up to the next sign or function.
    fn call_arguments(&mut self) -> Res<Vec<Node>> {
        if self.is('(') || self.is('{') {
            let close = if self.is('(') { ')' } else { '}' };
            self.at += 1;
            let bars = std::mem::take(&mut self.bars);
            let inside = self.deeper(Self::answer)?;
            self.bars = bars;
            self.expect(close)?;
            return Ok(match inside {
                Node::List(items, _) => items,
                one => vec![one],
            });
        }
        let negative = self.eat('-');
        let mut factors = Vec::new();
        loop {
            let more = match self.peek() {
                Some(Tok::Call(_)) => factors.is_empty(),
                Some(
                    Tok::Num(_)
                    | Tok::Ident(_)
                    | Tok::Frac
                    | Tok::Binom
                    | Tok::Sqrt
                    | Tok::Sym('π' | '{'),
                ) => true,
                Some(Tok::Sym('(' | '|' | '∞')) => factors.is_empty(),
                _ => false,
            };
            if !more {
                break;
            }
            let factor = self.power()?;
            factors.push(factor);
        }
        if factors.is_empty() {
            return Err(Stop::Syntax("a function has no argument"));
        }
        let product = product_of(factors);
        Ok(vec![if negative { Node::neg(product) } else { product }])
    }
}
