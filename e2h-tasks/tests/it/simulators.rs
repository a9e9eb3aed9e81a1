//! Checkers that share no code with the tasks: they read the rows' own texts.

use std::collections::HashMap;

use e2h_core::Problem;

/// Plays a plan in either wording on the state of a Blocksworld row; true when it is legal and the goal holds.
///
/// Block names are read in lower case. `on[x]` is what x is on: a block, `table` or `hand`.
pub(crate) fn blocksworld_holds(problem: &Problem, plan: &str) -> bool {
    let facts = |text: &str| -> Vec<String> {
        let text =
            text.to_lowercase().replace(" and ", ", ").replace(" block", "").replace("the ", "");
        text.split(", ").map(str::to_owned).collect()
    };
    let place = |fact: &str| -> Option<(String, String)> {
        if let Some(x) = fact.strip_prefix("hand is holding ") {
            return Some((x.to_owned(), "hand".to_owned()));
        }
        let (x, y) = fact.split_once(" is on ")?;
        Some((x.to_owned(), y.trim_start_matches("top of ").to_owned()))
    };
    let question = problem.question.as_str().expect("a text");
    let mut on: HashMap<String, String> = facts(question).iter().filter_map(|f| place(f)).collect();
    for step in plan.to_lowercase().split(['\n', ';']) {
        let skipped = ["up", "down", "from", "on", "top", "of", "the", "block"];
        let words: Vec<&str> = step.split_whitespace().filter(|w| !skipped.contains(w)).collect();
        let held = on.iter().find(|(_, y)| *y == "hand").map(|(x, _)| x.clone());
        let clear = |x: &str| !on.values().any(|y| y == x);
        let at = |x: &str, y: &str| on.get(x).is_some_and(|place| place == y);
        let (x, to) = match words[..] {
            ["pick", x] if held.is_none() && clear(x) && at(x, "table") => (x, "hand"),
            ["unstack", x, y] if held.is_none() && clear(x) && at(x, y) => (x, "hand"),
            ["put", x] if held.as_deref() == Some(x) => (x, "table"),
            ["stack", x, y] if held.as_deref() == Some(x) && x != y && clear(y) => (x, y),
            _ => return false,
        };
        on.insert(x.to_owned(), to.to_owned());
    }
    let goal = problem.answer.as_str().expect("a text");
    facts(goal).iter().all(|f| place(f).is_some_and(|(x, y)| on.get(&x) == Some(&y)))
}

/// The value of a Countdown expression with brackets and precedence, by recursive descent in floats, with
/// the numbers that it uses, ascending.
pub(crate) fn countdown_value(text: &str) -> (f64, Vec<u64>) {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut parser = Parser { text: text.as_bytes(), at: 0, numbers: Vec::new() };
    let value = parser.sum();
    assert_eq!(parser.at, text.len(), "{text} is read to its end");
    parser.numbers.sort_unstable();
    (value, parser.numbers)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    numbers: Vec<u64>,
}

impl Parser<'_> {
    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn sum(&mut self) -> f64 {
        let mut value = self.product();
        loop {
            if self.next_is(b'+') {
                value += self.product();
            } else if self.next_is(b'-') {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> f64 {
        let mut value = self.operand();
        loop {
            if self.next_is(b'*') {
                value *= self.operand();
            } else if self.next_is(b'/') {
                value /= self.operand();
            } else {
                return value;
            }
        }
    }

    fn operand(&mut self) -> f64 {
        if self.next_is(b'(') {
            let value = self.sum();
            assert!(self.next_is(b')'), "a closing bracket");
            return value;
        }
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.text[start..self.at]).expect("ASCII");
        let number: u64 = digits.parse().expect("a number");
        self.numbers.push(number);
        number as f64
    }
}
