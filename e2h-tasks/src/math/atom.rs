//! The parser's lower half: atoms, brackets, powers, functions and subscripts.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. `f`, `g`, `h`, `F`, `G`, `H` right before a parenthesis are functions; other letters multiply.
//! 2. `\sin 2x \cos y` is `\sin(2x) \cos(y)`.
//! # Invariants
//! - As in [`super::parse`].

use num_rational::BigRational;
use num_traits::Zero;

use super::ast::{Const, Func, Node};
use super::lex::Tok;
use super::limits::{MAX_MARKS, Res, Stop};
use super::number;
use super::parse::Parser;

impl Parser<'_> {
    /// An atom with its powers, factorials and subscripts.
    pub(crate) fn power(&mut self) -> Res<Node> {
        self.deeper(|parser| {
            if parser.is_whole_fraction() {
                return parser.plain_fraction();
            }
            let atom = parser.atom()?;
            parser.postfix(atom)
        })
    }

    /// `3 1/2`: the fraction after a whole number binds more tightly than a slash.
    fn is_whole_fraction(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|i| self.tokens.get(i));
        let spaced = self.tokens.get(self.at).is_some_and(|t| t.spaced);
        matches!(before.map(|t| &t.tok), Some(Tok::Num(n)) if !n.contains('.'))
            && spaced
            && matches!(
                (self.peek(), self.peek_at(1), self.peek_at(2)),
                (Some(Tok::Num(_)), Some(Tok::Sym('/')), Some(Tok::Num(_)))
            )
    }

    fn plain_fraction(&mut self) -> Res<Node> {
        let num = self.atom()?;
        self.at += 1;
        let den = self.atom()?;
        Ok(Node::Div(Box::new(num), Box::new(den)))
    }

    fn postfix(&mut self, mut node: Node) -> Res<Node> {
        let mut marks = 0;
        loop {
            self.fuel.spend(4)?;
            marks += 1;
            if marks > MAX_MARKS {
                return Err(Stop::Limit("a value carries too many marks"));
            }
            match self.peek() {
                Some(Tok::Sym('!')) if self.peek_at(1) == Some(&Tok::Sym('!')) => {
                    self.at += 2;
                    node = Node::Call(Func::DoubleFactorial, vec![node]);
                }
                Some(Tok::Sym('!')) => {
                    self.at += 1;
                    node = Node::Call(Func::Factorial, vec![node]);
                }
                Some(Tok::Sym('%')) => {
                    self.at += 1;
                    node = Node::Percent(Box::new(node));
                }
                Some(Tok::Sym('°' | '∘')) => {
                    self.at += 1;
                    node = Node::Degree(Box::new(node));
                }
                Some(Tok::Sym('\'')) => {
                    self.at += 1;
                    node = primed(node)?;
                }
                Some(Tok::Sym('^')) => node = self.exponent(node)?,
                Some(Tok::Sym('_')) => node = self.subscript(node)?,
                _ => return Ok(node),
            }
            if matches!(&node, Node::Percent(a) if matches!(**a, Node::Percent(_))) {
                return Err(Stop::Syntax("two percent signs"));
            }
        }
    }

    /// Reads what follows `^`.
    fn exponent(&mut self, base: Node) -> Res<Node> {
        self.at += 1;
        if self.eat('∘') || self.eat('°') {
            return Ok(Node::Degree(Box::new(base)));
        }
        let number = matches!(base, Node::Num(..) | Node::Neg(_));
        if number && matches!(self.peek(), Some(Tok::Ident(o)) if o == "o") {
            self.at += 1;
            return Ok(Node::Degree(Box::new(base)));
        }
        if self.is('{') {
            let inside = (self.peek_at(1).cloned(), self.peek_at(2).cloned());
            match inside {
                (Some(Tok::Sym('∘' | '°')), Some(Tok::Sym('}'))) => {
                    self.at += 3;
                    return Ok(Node::Degree(Box::new(base)));
                }
                (Some(Tok::Sym('\'')), Some(Tok::Sym('}'))) => {
                    self.at += 3;
                    return primed(base);
                }
                (Some(Tok::Word(word)), Some(Tok::Sym('}')))
                    if matches!(word.as_str(), "th" | "st" | "nd" | "rd") =>
                {
                    self.at += 3;
                    return Ok(base);
                }
                _ => {}
            }
        }
        if let Some(Tok::Word(word)) = self.peek()
            && matches!(word.as_str(), "th" | "st" | "nd" | "rd")
        {
            self.at += 1;
            return Ok(base);
        }
        let exponent = self.deeper(|parser| {
            let mut negative = false;
            while let Some(Tok::Sym(sign @ ('+' | '-'))) = parser.peek() {
                negative ^= *sign == '-';
                parser.at += 1;
            }
            let exponent = if parser.is('{') { parser.braces()? } else { parser.atom()? };
            let exponent = if parser.is('^') { parser.exponent(exponent)? } else { exponent };
            Ok(if negative { Node::neg(exponent) } else { exponent })
        })?;
        Ok(Node::Pow(Box::new(base), Box::new(exponent)))
    }

    /// A base after a number, or an index after a letter.
    fn subscript(&mut self, node: Node) -> Res<Node> {
        self.at += 1;
        let index = self.raw_index()?;
        match &node {
            Node::Num(value, 0) if value.is_integer() => {
                let base = base_of(&index)?;
                number::based(&value.to_integer().to_string(), base)
            }
            Node::Based(digits, 0, _) => {
                let base = base_of(&index)?;
                number::based(digits, base)
            }
            Node::Var(name) => Ok(Node::Var(format!("{name}_{index}"))),
            Node::Const(Const::E) => Ok(Node::Var(format!("e_{index}"))),
            Node::Const(Const::I) => Ok(Node::Var(format!("i_{index}"))),
            _ => Err(Stop::Syntax("a subscript has nothing to stand under")),
        }
    }

    /// A word with a base: `\text{A5}_{11}`.
    pub(crate) fn based_word(&mut self, word: &str) -> Res<Node> {
        self.subscript(Node::Based(word.to_owned(), 0, BigRational::zero()))
    }

    /// The text of a subscript.
    fn raw_index(&mut self) -> Res<String> {
        let mut text = String::new();
        if !self.eat('{') {
            if let Some(tok) = self.peek() {
                push_plain(tok, &mut text);
                self.at += 1;
            }
            return Ok(text);
        }
        let mut depth = 1;
        while let Some(tok) = self.peek() {
            self.fuel.spend(2)?;
            match tok {
                Tok::Sym('{') => depth += 1,
                Tok::Sym('}') => depth -= 1,
                other => push_plain(other, &mut text),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(text);
            }
        }
        Err(Stop::Syntax("a brace is not closed"))
    }

    pub(crate) fn atom(&mut self) -> Res<Node> {
        let Some(tok) = self.peek().cloned() else {
            return Err(Stop::Syntax("the answer breaks off"));
        };
        self.fuel.spend(8)?;
        match tok {
            Tok::Num(text) => self.number(&text),
            Tok::Digits(digits) => {
                self.at += 1;
                Ok(Node::Based(digits, 0, BigRational::zero()))
            }
            Tok::Ident(name) => self.name(&name),
            Tok::Call(func) => self.call(func),
            Tok::Frac => {
                self.at += 1;
                let num = self.argument()?;
                let den = self.argument()?;
                Ok(Node::Div(Box::new(num), Box::new(den)))
            }
            Tok::Binom => {
                self.at += 1;
                let n = self.argument()?;
                let k = self.argument()?;
                Ok(Node::Call(Func::Binomial, vec![n, k]))
            }
            Tok::Sqrt => self.root(),
            Tok::Overline | Tok::DotOver => {
                self.at += 1;
                self.argument()
            }
            Tok::Begin(name) => self.matrix(&name),
            Tok::Big(func) => self.big(func),
            Tok::Word(name) if matches!(self.peek_at(1), Some(Tok::Sym('=' | '∈' | '('))) => {
                self.at += 1;
                if self.eat('(') {
                    return self.applied(name);
                }
                Ok(Node::Var(name))
            }
            Tok::Sym(sign) => self.bracketed(sign),
            _ => Err(Stop::Syntax("a word stands inside mathematics")),
        }
    }

    fn number(&mut self, text: &str) -> Res<Node> {
        self.at += 1;
        let node = number::literal(text, self.fuel)?;
        // A repetend: `0.1\overline{6}`, `0.\dot{3}`, `0.333...`; the point may stand alone.
        let point = self.is('.')
            && matches!(self.peek_at(1), Some(Tok::Overline | Tok::DotOver))
            && !text.contains('.');
        if point || text.contains('.') {
            if point {
                self.at += 1;
            }
            if let Some(repetend) = self.repetend()? {
                return number::repeating(text, &repetend);
            }
            if self.eat('…') {
                return number::continued(text);
            }
        }
        Ok(node)
    }

    /// The digits under `\overline`, or from the first `\dot` to the last.
    fn repetend(&mut self) -> Res<Option<String>> {
        let dotted = self.peek() == Some(&Tok::DotOver);
        if !dotted && self.peek() != Some(&Tok::Overline) {
            return Ok(None);
        }
        let mut digits = String::new();
        while matches!(self.peek(), Some(Tok::Overline | Tok::DotOver)) {
            self.at += 1;
            digits.push_str(&self.raw_index()?);
            if let (true, Some(Tok::Num(between)), Some(Tok::DotOver)) =
                (dotted, self.peek(), self.peek_at(1))
            {
                digits.push_str(between);
                self.at += 1;
            }
        }
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { Ok(Some(digits)) } else { Err(Stop::Syntax("a repetend is not digits")) }
    }

    fn name(&mut self, name: &str) -> Res<Node> {
        self.at += 1;
        let close = self.is('(') && !self.tokens.get(self.at).is_some_and(|t| t.spaced);
        // `P(x) = ...` defines a function whatever its letter.
        let defined = matches!(
            (self.peek_at(1), self.peek_at(2), self.peek_at(3)),
            (Some(Tok::Ident(_)), Some(Tok::Sym(')')), Some(Tok::Sym('=')))
        );
        let applied = close && (matches!(name, "f" | "g" | "h" | "F" | "G" | "H") || defined);
        if applied {
            self.at += 1;
            return self.applied(name.to_owned());
        }
        // `x1 = 5`: an index written beside its letter.
        if let (Some(Tok::Num(index)), Some(Tok::Sym('='))) = (self.peek(), self.peek_at(1))
            && !self.tokens.get(self.at).is_some_and(|t| t.spaced)
            && !index.contains('.')
        {
            let name = format!("{name}_{index}");
            self.at += 1;
            return Ok(Node::Var(name));
        }
        match name {
            "e" => Ok(Node::Const(Const::E)),
            "i" => Ok(Node::Const(Const::I)),
            _ => Ok(Node::Var(name.to_owned())),
        }
    }

    /// The arguments of a function that only has a name, after the opening parenthesis.
    fn applied(&mut self, name: String) -> Res<Node> {
        let inside = self.deeper(Self::answer)?;
        self.expect(')')?;
        Ok(Node::Apply(
            name,
            match inside {
                Node::List(items, _) => items,
                one => vec![one],
            },
        ))
    }
}

fn primed(node: Node) -> Res<Node> {
    match node {
        Node::Var(name) if name.len() < 64 => Ok(Node::Var(format!("{name}'"))),
        _ => Err(Stop::Syntax("a prime has nothing to stand on")),
    }
}

fn push_plain(tok: &Tok, text: &mut String) {
    match tok {
        Tok::Num(part) | Tok::Digits(part) | Tok::Ident(part) | Tok::Word(part) => {
            text.push_str(part)
        }
        Tok::Sym(sign) => text.push(*sign),
        _ => text.push('?'),
    }
}

/// The base that a subscript names, in digits or as a word.
fn base_of(index: &str) -> Res<u32> {
    let word = || super::text::number_word(&index.to_lowercase()).and_then(|n| n.try_into().ok());
    index.parse().ok().or_else(word).ok_or(Stop::Syntax("a base is not a number"))
}
