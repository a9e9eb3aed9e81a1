//! From tokens to a tree: lists, relations, set operations, sums and products.
//!
//! ```text
//! answer   = group { ";" group }
//! group    = item { ("," | "and" | "or") item }
//! item     = relation [unit]
//! relation = sets { sign sets }
//! sets     = sum { ("∪" | "∩" | "∖" | ":") sum }
//! sum      = [sign] product { sign product }
//! product  = power { ["*" | "/"] power }
//! ```
//! `sets` is in [`super::bracket`]; atoms and powers in [`super::atom`]; functions in [`super::call`].
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. `1/2x` is `(1/2)x`, read from left to right.
//! # Invariants
//! - Recursion is bounded by [`MAX_DEPTH`]; work by the fuel.

use super::ast::{Joint, Node, Sign};
use super::lex::{Lexed, Tok, Token};
use super::limits::{Fuel, MAX_DEPTH, Res, Stop};
use super::units::Unit;

/// The parser's state over one token list.
pub(crate) struct Parser<'a> {
    pub(crate) tokens: Vec<Token>,
    pub(crate) at: usize,
    pub(crate) depth: u32,
    /// How many `|` are open.
    pub(crate) bars: u32,
    pub(crate) fuel: &'a Fuel,
}

/// Parses a whole answer.
///
/// # Errors
/// [`Stop::Syntax`] when the tokens are no answer, [`Stop::Limit`] when they nest too deeply.
pub(crate) fn parse(lexed: &Lexed, fuel: &Fuel) -> Res<Node> {
    let mut parser = Parser { tokens: lexed.tokens.clone(), at: 0, depth: 0, bars: 0, fuel };
    fuel.spend(parser.tokens.len() as u64 * 8)?;
    parser.trim();
    if parser.tokens.is_empty() {
        return Err(Stop::Syntax("there is no answer"));
    }
    let node = parser.answer()?;
    if parser.at < parser.tokens.len() {
        return Err(Stop::Syntax("a part of the answer cannot be read"));
    }
    if lexed.money && !matches!(node, Node::Text(_) | Node::Percent(_)) {
        return Ok(with_money(node));
    }
    Ok(node)
}

fn with_money(node: Node) -> Node {
    match node {
        Node::Unit(value, unit) if unit.is_money() => Node::Unit(value, unit),
        Node::List(items, joint) => Node::List(items.into_iter().map(with_money).collect(), joint),
        Node::Rel(mut terms, signs) => {
            if let Some(last) = terms.pop() {
                terms.push(with_money(last));
            }
            Node::Rel(terms, signs)
        }
        value if value.is_expression() => Node::Unit(Box::new(value), Unit::dollars()),
        other => other,
    }
}

impl Parser<'_> {
    /// Drops marks of punctuation around the answer.
    fn trim(&mut self) {
        let loose = |token: &Token| matches!(token.tok, Tok::Sym('.' | ',' | ';' | ':' | '\n'));
        while self.tokens.last().is_some_and(loose) {
            self.tokens.pop();
        }
        let n_loose = self.tokens.iter().take_while(|token| loose(token)).count();
        self.tokens.drain(..n_loose);
        if matches!(self.tokens.first().map(|t| &t.tok), Some(Tok::Sym('≈'))) {
            self.tokens.remove(0);
        }
    }

    pub(crate) fn peek(&self) -> Option<&Tok> {
        self.tokens.get(self.at).map(|token| &token.tok)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&Tok> {
        self.tokens.get(self.at + ahead).map(|token| &token.tok)
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.peek() == Some(&Tok::Sym(sign))
    }

    pub(crate) fn eat(&mut self, sign: char) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, sign: char) -> Res<()> {
        if self.eat(sign) { Ok(()) } else { Err(Stop::Syntax("a bracket is not closed")) }
    }

    /// Runs `rule` one level deeper.
    pub(crate) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.fuel.spend(4)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop::Limit("the answer nests too deeply"));
        }
        let result = rule(self);
        self.depth -= 1;
        result
    }

    pub(crate) fn answer(&mut self) -> Res<Node> {
        let mut groups = vec![self.group()?];
        while self.eat(';') || self.eat('\n') {
            if self.at_end_of_list() {
                break;
            }
            groups.push(self.group()?);
        }
        if groups.len() == 1 {
            return Ok(groups.remove(0));
        }
        let groups = groups
            .into_iter()
            .map(|group| match group {
                Node::List(items, Joint::Comma) => Node::Tuple(items, false, false),
                other => other,
            })
            .collect();
        Ok(Node::List(groups, Joint::Comma))
    }

    fn at_end_of_list(&self) -> bool {
        matches!(self.peek(), None | Some(Tok::Sym(')' | ']' | '}' | '⦄' | '⟩' | '.')))
    }

    fn group(&mut self) -> Res<Node> {
        let mut items = vec![self.item()?];
        let mut joint = Joint::Comma;
        loop {
            let comma = self.eat(',');
            let word = match self.peek() {
                Some(Tok::And) | Some(Tok::Sym('∧')) => Some(Joint::And),
                Some(Tok::Or) | Some(Tok::Sym('∨')) => Some(Joint::Or),
                Some(Tok::Sym('&')) if self.depth == 0 => Some(Joint::And),
                _ => None,
            };
            if let Some(word) = word {
                self.at += 1;
                joint = word;
            }
            let adjacent = !comma && word.is_none() && self.starts_tuple_after_tuple(&items);
            if !comma && word.is_none() && !adjacent || self.at_end_of_list() {
                break;
            }
            items.push(self.item()?);
        }
        if items.len() == 1 { Ok(items.remove(0)) } else { Ok(Node::List(items, joint)) }
    }

    /// `(1,2) (3,4)`: tuples side by side are a list.
    fn starts_tuple_after_tuple(&self, items: &[Node]) -> bool {
        self.is('(') && matches!(items.last(), Some(Node::Tuple(..)))
    }

    pub(crate) fn relation(&mut self) -> Res<Node> {
        let mut terms = vec![self.sets()?];
        let mut signs = Vec::new();
        while let Some(sign) = self.sign() {
            signs.push(sign);
            terms.push(if let (Sign::Equal, Some(Tok::Word(_))) = (sign, self.peek()) {
                self.words_first()?
            } else {
                self.sets()?
            });
        }
        if signs.is_empty() { Ok(terms.remove(0)) } else { Ok(Node::Rel(terms, signs)) }
    }

    fn sign(&mut self) -> Option<Sign> {
        let sign = match self.peek()? {
            Tok::Sym('=') => Sign::Equal,
            Tok::Sym('≠') => Sign::NotEqual,
            Tok::Sym('<') => Sign::Less,
            Tok::Sym('≤') => Sign::LessEqual,
            Tok::Sym('>') => Sign::Greater,
            Tok::Sym('≥') => Sign::GreaterEqual,
            Tok::Sym('≈') => Sign::About,
            Tok::Sym('∈') => Sign::In,
            Tok::Sym('≡') => Sign::Other,
            _ => return None,
        };
        self.at += 1;
        Some(sign)
    }

    pub(crate) fn sum(&mut self) -> Res<Node> {
        self.deeper(Self::sum_here)
    }

    fn sum_here(&mut self) -> Res<Node> {
        let mut terms = Vec::new();
        loop {
            let leading = terms.is_empty();
            let mut negative = false;
            let mut either = None;
            let mut signs = 0;
            while let Some(Tok::Sym(sign @ ('+' | '-' | '±' | '∓'))) = self.peek() {
                match sign {
                    '-' => negative = !negative,
                    '±' => either = Some(negative),
                    '∓' => either = Some(!negative),
                    _ => {}
                }
                signs += 1;
                self.at += 1;
            }
            if signs == 0 && !leading {
                break;
            }
            let term = self.product()?;
            terms.push(match either {
                Some(other) => Node::PlusMinus(Box::new(term), other),
                None if negative => Node::neg(term),
                None => term,
            });
            self.fuel.spend(4)?;
        }
        if terms.len() == 1 { Ok(terms.remove(0)) } else { Ok(Node::Sum(terms)) }
    }

    fn product(&mut self) -> Res<Node> {
        let mut factors = vec![self.power()?];
        let mut divisors: Vec<Node> = Vec::new();
        let mut divided = false;
        loop {
            self.fuel.spend(4)?;
            let last = if divided { divisors.last() } else { factors.last() };
            if self.is('*') && self.peek_at(1).is_some() {
                self.at += 1;
                let factor = self.signed_power()?;
                factors.push(factor);
                divided = false;
            } else if self.is('/') && !matches!(self.peek_at(1), Some(Tok::Word(_))) {
                self.at += 1;
                let divisor = self.signed_power()?;
                divisors.push(divisor);
                divided = true;
            } else if self.starts_factor(last) {
                let factor = self.power()?;
                factors.push(factor);
                divided = false;
                if divisors.is_empty() {
                    self.mixed(&mut factors);
                }
            } else if divisors.is_empty() {
                return Ok(product_of(factors));
            } else {
                let (num, den) = (product_of(factors), product_of(divisors));
                return Ok(Node::Div(Box::new(num), Box::new(den)));
            }
        }
    }

    fn signed_power(&mut self) -> Res<Node> {
        let mut negative = false;
        while let Some(Tok::Sym(sign @ ('+' | '-'))) = self.peek() {
            negative ^= *sign == '-';
            self.at += 1;
        }
        let node = self.power()?;
        Ok(if negative { Node::neg(node) } else { node })
    }

    /// Turns `2 1/3` and `2\frac13` into a sum.
    fn mixed(&mut self, factors: &mut Vec<Node>) {
        let [.., Node::Num(whole, 0), part] = factors.as_slice() else {
            return;
        };
        let integer = whole.is_integer();
        let proper = |n: &Node| matches!(n, Node::Num(n, 0) if n.is_integer());
        match part {
            Node::Div(a, b) if integer && proper(a) && proper(b) => {
                let part = factors.pop();
                let whole = factors.pop();
                factors.push(Node::Sum(whole.into_iter().chain(part).collect()));
            }
            _ => {}
        }
    }

    /// True when the next token begins a factor without a sign of multiplication.
    fn starts_factor(&self, last: Option<&Node>) -> bool {
        if matches!(last, Some(Node::Tuple(..) | Node::Set(_))) && self.is_plain_union() {
            return false;
        }
        let after_number = matches!(last, Some(Node::Num(..)));
        match self.peek() {
            Some(Tok::Num(_)) => !after_number || self.is_plain_fraction(),
            Some(
                Tok::Ident(_)
                | Tok::Call(_)
                | Tok::Frac
                | Tok::Binom
                | Tok::Sqrt
                | Tok::Big(_)
                | Tok::Overline
                | Tok::Begin(_)
                | Tok::Digits(_),
            ) => true,
            Some(Tok::Sym('|')) => self.bars == 0,
            Some(Tok::Sym('(')) => {
                !matches!(last, Some(Node::Tuple(..)))
                    && !matches!(self.peek_at(1), Some(Tok::Word(_)))
            }
            Some(Tok::Sym('{' | 'π' | '∞' | '⌊' | '⌈')) => true,
            Some(Tok::Sym('[')) => self.bracket_is_grouping(),
            _ => false,
        }
    }

    /// `3 1/2` after a number: digits, a slash, digits.
    fn is_plain_fraction(&self) -> bool {
        matches!(
            (self.peek(), self.peek_at(1), self.peek_at(2)),
            (Some(Tok::Num(_)), Some(Tok::Sym('/')), Some(Tok::Num(_)))
        )
    }
}

/// A product, or its only factor.
pub(crate) fn product_of(mut factors: Vec<Node>) -> Node {
    if factors.len() == 1 { factors.remove(0) } else { Node::Prod(factors) }
}
