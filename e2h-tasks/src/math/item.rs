//! The parser's rules for items of a list: labels before a value, units after it, words alone.
//!
//! # Source
//! Own work.
//! # Deviations
//! None.
//! # Invariants
//! - As in [`super::parse`].

use super::ast::Node;
use super::lex::Tok;
use super::limits::{Res, Stop};
use super::parse::Parser;
use super::units::Unit;

/// The longest unit phrase, in words.
const MAX_WORDS: usize = 12;

impl Parser<'_> {
    /// One item of a list.
    pub(crate) fn item(&mut self) -> Res<Node> {
        self.fuel.spend(8)?;
        if let Some(Tok::Word(_)) = self.peek() {
            return self.words_first();
        }
        let node = self.relation()?;
        self.unit_after(node)
    }

    /// An item that begins with a word: a label before a value, or words alone.
    pub(crate) fn words_first(&mut self) -> Res<Node> {
        self.deeper(Self::words_here)
    }

    fn words_here(&mut self) -> Res<Node> {
        let start = self.at;
        let mut words = Vec::new();
        while let Some(Tok::Word(word)) = self.peek() {
            words.push(word.clone());
            self.at += 1;
        }
        if words.len() == 1 && self.is('_') {
            return self.based_word(&words[0]);
        }
        if words.len() == 1 && words[0].chars().count() <= 5 && self.is('(') {
            self.at = start;
            let node = self.relation()?;
            return self.unit_after(node);
        }
        let label = self.eat(':') || matches!(words.last().map(String::as_str), Some("is" | "are"));
        let money = words.iter().any(|w| matches!(w.as_str(), "USD" | "Rs" | "EUR" | "Rs."));
        let about =
            words.iter().all(|w| matches!(w.as_str(), "about" | "approximately" | "exactly"));
        if (label || money || about) && self.at < self.tokens.len() {
            return self.item();
        }
        if self.is('=') || self.is('∈') {
            self.at = start;
            let node = self.relation()?;
            return self.unit_after(node);
        }
        // Words with numbers among them, such as a date.
        while let Some(Tok::Word(word) | Tok::Num(word) | Tok::Ident(word)) = self.peek() {
            words.push(word.clone());
            self.at += 1;
        }
        Ok(Node::Text(words.join(" ")))
    }

    /// Wraps `node` in the unit that follows it, if one does.
    fn unit_after(&mut self, node: Node) -> Res<Node> {
        let mut words: Vec<(String, i32)> = Vec::new();
        loop {
            self.fuel.spend(4)?;
            if words.len() > MAX_WORDS {
                return Err(Stop::Syntax("too many words follow the value"));
            }
            match self.peek() {
                Some(Tok::Word(word)) => {
                    let modulus = word == "mod";
                    words.push((word.clone(), 1));
                    self.at += 1;
                    if modulus && matches!(self.peek(), Some(Tok::Sym('{') | Tok::Num(_))) {
                        let _ = self.argument()?;
                    }
                }
                Some(Tok::Sym('^')) if !words.is_empty() => {
                    self.at += 1;
                    let power = self.small_power()?;
                    if let Some(last) = words.last_mut() {
                        last.1 = power;
                    }
                }
                Some(Tok::Sym('/')) if !words.is_empty() => {
                    words.push(("/".to_owned(), 1));
                    self.at += 1;
                }
                Some(Tok::Sym('-' | '*' | '.')) if !words.is_empty() => self.at += 1,
                Some(Tok::Ident(name)) if !words.is_empty() => {
                    words.push((name.clone(), 1));
                    self.at += 1;
                }
                Some(Tok::Sym('(')) if matches!(self.peek_at(1), Some(Tok::Word(_))) => {
                    self.at += 1;
                    while matches!(self.peek(), Some(Tok::Word(_) | Tok::Num(_))) {
                        self.at += 1;
                    }
                    self.expect(')')?;
                }
                _ => break,
            }
        }
        if words.is_empty() {
            return Ok(node);
        }
        let node = scaled(node, &mut words);
        if words.is_empty() {
            return Ok(node);
        }
        let clock = words.len() == 1 && matches!(words[0].0.to_lowercase().as_str(), "pm" | "am");
        if clock && matches!(node, Node::Ratio(_)) {
            return Ok(node);
        }
        Ok(with_unit(node, Unit::from_words(&words)))
    }

    /// The exponent of a unit: a small integer, in braces or not.
    fn small_power(&mut self) -> Res<i32> {
        let brace = self.eat('{');
        let minus = self.eat('-');
        let power = match self.peek() {
            Some(Tok::Num(text)) => text.parse().unwrap_or(0),
            _ => 0,
        };
        self.at += 1;
        if brace {
            self.expect('}')?;
        }
        match power {
            1..=6 => Ok(if minus { -power } else { power }),
            _ => Err(Stop::Syntax("a unit has an odd exponent")),
        }
    }
}

/// Puts the unit on the value; of a relation, on its last term.
fn with_unit(node: Node, unit: Unit) -> Node {
    match node {
        Node::Rel(mut terms, signs) => {
            if let Some(last) = terms.pop() {
                terms.push(Node::Unit(Box::new(last), unit));
            }
            Node::Rel(terms, signs)
        }
        value => Node::Unit(Box::new(value), unit),
    }
}

/// Multiplies by `thousand`, `million` and the like, and takes those words away.
fn scaled(node: Node, words: &mut Vec<(String, i32)>) -> Node {
    let mut node = node;
    while let Some((word, _)) = words.first() {
        let factor = match word.to_lowercase().as_str() {
            "hundred" => 100,
            "thousand" => 1_000,
            "million" => 1_000_000,
            "billion" => 1_000_000_000,
            "trillion" => 1_000_000_000_000,
            _ => break,
        };
        words.remove(0);
        node = Node::Prod(vec![node, Node::int(factor)]);
    }
    node
}
