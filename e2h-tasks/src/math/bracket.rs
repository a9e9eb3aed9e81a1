//! Set operations, and brackets of all kinds: tuples, intervals, sets, absolute values, matrices, big operators.
//!
//! # Source
//! Own work.
//! # Deviations
//! None.
//! # Invariants
//! - As in [`super::parse`].

use super::ast::{Const, Func, Node};
use super::lex::Tok;
use super::limits::{MAX_MARKS, Res, Stop};
use super::parse::Parser;

impl Parser<'_> {
    pub(crate) fn sets(&mut self) -> Res<Node> {
        let mut node = self.sum()?;
        let mut removed = 0;
        loop {
            if self.eat('∪') || self.eat_plain_union(&node) {
                let right = self.sum()?;
                node = match node {
                    Node::Union(mut parts) => {
                        parts.push(right);
                        Node::Union(parts)
                    }
                    left => Node::Union(vec![left, right]),
                };
            } else if self.eat('∩') {
                let right = self.sum()?;
                node = match node {
                    Node::Intersection(mut parts) => {
                        parts.push(right);
                        Node::Intersection(parts)
                    }
                    left => Node::Intersection(vec![left, right]),
                };
            } else if self.eat('∖') {
                removed += 1;
                if removed > MAX_MARKS {
                    return Err(Stop::Limit("too many differences of sets"));
                }
                node = Node::Without(Box::new(node), Box::new(self.sum()?));
            } else if self.is(':') && self.peek_at(1).is_some() {
                self.at += 1;
                let right = self.sum()?;
                node = match node {
                    Node::Ratio(mut parts) => {
                        parts.push(right);
                        Node::Ratio(parts)
                    }
                    left => Node::Ratio(vec![left, right]),
                };
            } else {
                return Ok(node);
            }
            self.fuel.spend(8)?;
        }
    }

    /// `(1,2) U (3,4)`.
    fn eat_plain_union(&mut self, left: &Node) -> bool {
        let set = matches!(left, Node::Tuple(..) | Node::Set(_) | Node::Union(_));
        let found = set && self.is_plain_union();
        self.at += usize::from(found);
        found
    }

    pub(crate) fn is_plain_union(&self) -> bool {
        matches!(self.peek(), Some(Tok::Ident(u)) if u == "U")
            && matches!(self.peek_at(1), Some(Tok::Sym('(' | '[' | '⦃')))
    }

    /// `2[x + 1]`: no comma before the closing bracket.
    pub(crate) fn bracket_is_grouping(&self) -> bool {
        let inner = self.tokens[self.at..].iter().take(64).map(|t| &t.tok);
        for tok in inner {
            match tok {
                Tok::Sym(',' | ';') => return false,
                Tok::Sym(']') => return true,
                _ => {}
            }
        }
        false
    }

    /// An atom that begins with `sign`.
    pub(crate) fn bracketed(&mut self, sign: char) -> Res<Node> {
        let node = match sign {
            '(' | '[' | ']' => return self.tuple(sign == '['),
            '⟨' => {
                self.at += 1;
                let inside = self.inside('⟩')?;
                return Ok(Node::Tuple(items(inside), false, false));
            }
            '⦃' => return self.set(),
            '{' => return self.deeper(Self::braces),
            '|' => {
                let double = self.peek_at(1) == Some(&Tok::Sym('|'));
                self.at += 1 + usize::from(double);
                self.bars += 1;
                let inside = self.deeper(Self::sum)?;
                self.bars -= 1;
                if double {
                    self.expect('|')?;
                }
                self.expect('|')?;
                return Ok(Node::Call(Func::Abs, vec![inside]));
            }
            '⌊' | '⌈' => {
                self.at += 1;
                let inside = self.inside(if sign == '⌊' { '⌋' } else { '⌉' })?;
                let func = if sign == '⌊' { Func::Floor } else { Func::Ceil };
                return Ok(Node::Call(func, vec![inside]));
            }
            'π' => Node::Const(Const::Pi),
            '∞' => Node::Const(Const::Infinity),
            '∅' => Node::Empty,
            'ℝ' => Node::Reals,
            '…' => Node::Var("…".to_owned()),
            _ => return Err(Stop::Syntax("a sign stands where a value should be")),
        };
        self.at += 1;
        Ok(node)
    }

    fn inside(&mut self, close: char) -> Res<Node> {
        let bars = std::mem::take(&mut self.bars);
        let inside = self.deeper(Self::answer)?;
        self.bars = bars;
        self.expect(close)?;
        Ok(inside)
    }

    fn tuple(&mut self, open_square: bool) -> Res<Node> {
        self.at += 1;
        let bars = std::mem::take(&mut self.bars);
        let inside = self.deeper(Self::answer)?;
        self.bars = bars;
        let close_square = self.is(']');
        // `]0, 1[` is the open interval.
        if !close_square && !self.is(')') && !self.is('[') {
            return Err(Stop::Syntax("a bracket is not closed"));
        }
        self.at += 1;
        match inside {
            Node::List(items, super::ast::Joint::Comma) => {
                if open_square && close_square && items.iter().all(is_square_row) {
                    return Ok(Node::Matrix(items.into_iter().map(row_items).collect()));
                }
                Ok(Node::Tuple(items, open_square, close_square))
            }
            one if open_square != close_square => {
                let _ = one;
                Err(Stop::Syntax("the brackets do not match"))
            }
            one => Ok(one),
        }
    }

    fn set(&mut self) -> Res<Node> {
        self.at += 1;
        if self.eat('⦄') {
            return Ok(Node::Empty);
        }
        // `\{x : x > 3\}` and `\{x | x > 3\}`: the condition says it all.
        let named = matches!(self.peek(), Some(Tok::Ident(_)));
        let mark = if matches!(self.peek_at(1), Some(Tok::Sym('∈'))) { 3 } else { 1 };
        if named && matches!(self.peek_at(mark), Some(Tok::Sym(':' | '|'))) {
            self.at += mark + 1;
            return self.inside('⦄');
        }
        let inside = self.inside('⦄')?;
        Ok(Node::Set(items(inside)))
    }

    /// The rows of an environment up to its end.
    pub(crate) fn matrix(&mut self, name: &str) -> Res<Node> {
        self.at += 1;
        let bars = std::mem::take(&mut self.bars);
        let mut rows = vec![Vec::new()];
        loop {
            self.fuel.spend(8)?;
            match self.peek() {
                Some(Tok::End(end)) if end == name => {
                    self.at += 1;
                    break;
                }
                Some(Tok::Sym('\n')) => {
                    self.at += 1;
                    rows.push(Vec::new());
                }
                Some(Tok::Sym('&')) => self.at += 1,
                None => return Err(Stop::Syntax("an environment is not closed")),
                Some(Tok::Ident(rule)) if rule == "\\hline" => self.at += 1,
                Some(_) => {
                    let entry = self.deeper(Self::sum)?;
                    let closed = matches!(
                        self.peek(),
                        None | Some(Tok::Sym('&' | '\n' | ',' | '.')) | Some(Tok::End(_))
                    );
                    if !closed {
                        return Err(Stop::Syntax("a matrix entry cannot be read"));
                    }
                    let _ = self.eat(',') || self.eat('.');
                    if let Some(row) = rows.last_mut() {
                        row.push(entry);
                    }
                }
            }
        }
        self.bars = bars;
        rows.retain(|row| !row.is_empty());
        let width = rows.first().map_or(0, Vec::len);
        if width == 0 || rows.iter().any(|row| row.len() != width) || name == "cases" {
            return Err(Stop::Syntax("a matrix has uneven rows"));
        }
        Ok(Node::Matrix(rows))
    }

    /// `\sum_{k=0}^{n} body` and its like.
    pub(crate) fn big(&mut self, func: Func) -> Res<Node> {
        self.at += 1;
        let mut args = vec![Node::Text(String::new()), Node::Text(String::new())];
        for _ in 0..2 {
            if self.eat('_') {
                args[0] = self.argument()?;
            } else if self.eat('^') {
                args[1] = self.argument()?;
            }
        }
        let mut factors = vec![self.power()?];
        while matches!(
            self.peek(),
            Some(
                Tok::Num(_)
                    | Tok::Ident(_)
                    | Tok::Frac
                    | Tok::Sqrt
                    | Tok::Binom
                    | Tok::Call(_)
                    | Tok::Sym('(' | '{' | 'π' | '/' | '*')
            )
        ) {
            let divide = self.eat('/');
            let _ = self.eat('*');
            let factor = self.power()?;
            factors.push(if divide {
                Node::Div(Box::new(Node::int(1)), Box::new(factor))
            } else {
                factor
            });
        }
        args.push(super::parse::product_of(factors));
        Ok(Node::Call(func, args))
    }
}

fn items(node: Node) -> Vec<Node> {
    match node {
        Node::List(items, _) => items,
        one => vec![one],
    }
}

fn is_square_row(node: &Node) -> bool {
    matches!(node, Node::Tuple(_, true, true))
}

fn row_items(node: Node) -> Vec<Node> {
    match node {
        Node::Tuple(items, ..) => items,
        other => vec![other],
    }
}
