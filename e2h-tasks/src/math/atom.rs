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
use super::limits::{Res, Stop};
use super::number;
use super::parse::{Parser, product_of};

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
        loop {
            self.fuel.spend(4)?;
            match self.peek() {
                Some(Tok::Sym('!')) if self.peek_at(1) == Some(&Tok::Sym('!')) => {
                    self.at += 2;
                    node = Node::Call(Func::DoubleFactorial, vec![node]);
                    self.too_many_marks(&node)?;
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
                Some(Tok::Sym('^')) => match self.exponent(node)? {
                    (after, true) => node = after,
                    (after, false) => return Ok(after),
                },
                Some(Tok::Sym('_')) => node = self.subscript(node)?,
                _ => return Ok(node),
            }
            if matches!(&node, Node::Percent(a) if matches!(**a, Node::Percent(_))) {
                return Err(Stop::Syntax("two percent signs"));
            }
        }
    }

    /// Nested factorials and the like count as nesting.
    fn too_many_marks(&self, node: &Node) -> Res<()> {
        let (mut depth, mut inner) = (0, node);
        while let Node::Call(_, args) = inner {
            depth += 1;
            match args.first() {
                Some(next) if depth < 8 => inner = next,
                _ => break,
            }
        }
        if depth >= 8 {
            Err(Stop::Limit("too many factorials"))
        } else {
            Ok(())
        }
    }

    /// Reads what follows `^`; `false` when nothing may follow.
    fn exponent(&mut self, base: Node) -> Res<(Node, bool)> {
        self.at += 1;
        if self.eat('∘') || self.eat('°') {
            return Ok((Node::Degree(Box::new(base)), true));
        }
        let number = matches!(base, Node::Num(..) | Node::Neg(_));
        if number && matches!(self.peek(), Some(Tok::Ident(o)) if o == "o") {
            self.at += 1;
            return Ok((Node::Degree(Box::new(base)), true));
        }
        if self.is('{') {
            let inside = (self.peek_at(1).cloned(), self.peek_at(2).cloned());
            match inside {
                (Some(Tok::Sym('∘' | '°')), Some(Tok::Sym('}'))) => {
                    self.at += 3;
                    return Ok((Node::Degree(Box::new(base)), true));
                }
                (Some(Tok::Sym('\'')), Some(Tok::Sym('}'))) => {
                    self.at += 3;
                    return Ok((primed(base)?, true));
                }
                (Some(Tok::Word(word)), Some(Tok::Sym('}')))
                    if matches!(word.as_str(), "th" | "st" | "nd" | "rd") =>
                {
                    self.at += 3;
                    return Ok((base, true));
                }
                _ => {}
            }
        }
        if let Some(Tok::Word(word)) = self.peek() {
            if matches!(word.as_str(), "th" | "st" | "nd" | "rd") {
                self.at += 1;
                return Ok((base, true));
            }
        }
        let exponent = self.deeper(|parser| {
            let mut negative = false;
            while let Some(Tok::Sym(sign @ ('+' | '-'))) = parser.peek() {
                negative ^= *sign == '-';
                parser.at += 1;
            }
            let exponent = if parser.is('{') {
                parser.braces()?
            } else {
                parser.atom()?
            };
            let exponent = if parser.is('^') {
                parser.exponent(exponent)?.0
            } else {
                exponent
            };
            Ok(if negative {
                Node::neg(exponent)
            } else {
                exponent
            })
        })?;
        Ok((Node::Pow(Box::new(base), Box::new(exponent)), true))
    }

    /// A base after a number, or an index after a letter.
    fn subscript(&mut self, node: Node) -> Res<Node> {
        self.at += 1;
        let index = self.raw_index()?;
        match &node {
            Node::Num(value, 0) if value.is_integer() => {
                let base = index
                    .parse()
                    .map_err(|_| Stop::Syntax("a base is not a number"))?;
                number::based(&value.to_integer().to_string(), base)
            }
            Node::Based(digits, 0, _) => {
                let base = index
                    .parse()
                    .map_err(|_| Stop::Syntax("a base is not a number"))?;
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

    fn atom(&mut self) -> Res<Node> {
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
        if plain {
            Ok(Some(digits))
        } else {
            Err(Stop::Syntax("a repetend is not digits"))
        }
    }

    fn name(&mut self, name: &str) -> Res<Node> {
        self.at += 1;
        let close = self.is('(') && !self.tokens.get(self.at).is_some_and(|t| t.spaced);
        // `P(x) = ...` defines a function whatever its letter.
        let defined = matches!(
            (self.peek_at(1), self.peek_at(2), self.peek_at(3)),
            (
                Some(Tok::Ident(_)),
                Some(Tok::Sym(')')),
                Some(Tok::Sym('='))
            )
        );
        let applied = close && (matches!(name, "f" | "g" | "h" | "F" | "G" | "H") || defined);
        if applied {
            self.at += 1;
            return self.applied(name.to_owned());
        }
        // `x1 = 5`: an index written beside its letter.
        if let (Some(Tok::Num(index)), Some(Tok::Sym('='))) = (self.peek(), self.peek_at(1)) {
            if !self.tokens.get(self.at).is_some_and(|t| t.spaced) && !index.contains('.') {
                let name = format!("{name}_{index}");
                self.at += 1;
                return Ok(Node::Var(name));
            }
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

    fn root(&mut self) -> Res<Node> {
        self.at += 1;
        let mut index = Node::int(2);
        if self.eat('[') {
            index = self.sum()?;
            self.expect(']')?;
        }
        let radicand = self.argument()?;
        Ok(Node::Root(Box::new(radicand), Box::new(index)))
    }

    fn call(&mut self, func: Func) -> Res<Node> {
        self.at += 1;
        let mut base = None;
        let mut power = None;
        for _ in 0..2 {
            if self.eat('_') {
                base = Some(self.argument()?);
            } else if self.eat('^') {
                power = Some(self.deeper(|p| {
                    if p.eat('-') {
                        Ok(Node::neg(p.argument()?))
                    } else {
                        p.argument()
                    }
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
        Ok(vec![if negative {
            Node::neg(product)
        } else {
            product
        }])
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
