//! The verifier of Countdown expressions.
//!
//! Grammar: `sum = term (("+" | "-") term)*`, `term = factor (("*" | "/") factor)*`,
//! `factor = ("+" | "-")* (number | "(" sum ")")`, with ASCII white space between tokens. A number is `0` or
//! ASCII digits without a leading zero. The expression must use each given number exactly once and be equal
//! to the target as a rational number.
//!
//! # Deviations
//! 1. The reference evaluates Python: it takes `**`, `//` and decimals and compares floats. Here none of these
//!    is an expression, and the comparison is exact.
//!
//! # Invariants
//! - One pass with two explicit stacks: no recursion, so nesting cannot overflow anything.
//! - An answer of more than [`MAX_BYTES`] is refused unread, and reading stops at the first literal that is not
//!   a number still to be used, so no more values are computed than there are numbers.

use super::{Op, value::Fraction};

/// Longest answer that is read, in bytes.
pub const MAX_BYTES: usize = 65_536;

/// Why an expression is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer is longer than [`MAX_BYTES`].
    TooLong,
    /// The text is not an expression of the grammar.
    Syntax,
    /// An operator is not among those that the task allows.
    Operator,
    /// A literal is not among the given numbers, or is used too often.
    NotGiven,
    /// A given number is not used.
    Unused,
    /// A divisor is zero.
    DivisionByZero,
    /// The value is not the target.
    Value,
}

impl Fault {
    /// The fault in a few words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the answer is too long",
            Self::Syntax => "the answer is not an expression",
            Self::Operator => "an operator is not allowed",
            Self::NotGiven => "a number is not given, or used too often",
            Self::Unused => "a number is not used",
            Self::DivisionByZero => "a division by zero",
            Self::Value => "the value is not the target",
        }
    }
}

/// What stands on the operator stack.
#[derive(Clone, Copy, PartialEq)]
enum Pending {
    Open,
    Negate,
    Binary(Op),
}

/// Checks that `text` uses each of `numbers` once, with the `allowed` operators, and equals `target`.
///
/// ```
/// use e2h_tasks::countdown::Op;
/// use e2h_tasks::countdown::expr::{Fault, check};
/// let numbers = [3, 5, 7];
/// assert_eq!(check("(7 - 3) * 5", &numbers, 20, &Op::ALL), Ok(()));
/// assert_eq!(check("7 * 5", &numbers, 35, &Op::ALL), Err(Fault::Unused));
/// assert_eq!(check("7 * 5 - 3 - 3", &numbers, 29, &Op::ALL), Err(Fault::NotGiven));
/// ```
///
/// # Errors
/// The first [`Fault`] found.
pub fn check(text: &str, numbers: &[u64], target: i128, allowed: &[Op]) -> Result<(), Fault> {
    match evaluate(text, numbers, allowed)?.equals(target) {
        true => Ok(()),
        false => Err(Fault::Value),
    }
}

/// The value of an expression that uses each of `numbers` once, as a text: `24`, `-7/2`.
///
/// ```
/// use e2h_tasks::countdown::{Op, expr::value};
/// assert_eq!(value("7 / 2 - 7", &[2, 7, 7], &Op::ALL).as_deref(), Ok("-7/2"));
/// ```
///
/// # Errors
/// The first [`Fault`] found.
pub fn value(text: &str, numbers: &[u64], allowed: &[Op]) -> Result<String, Fault> {
    evaluate(text, numbers, allowed).map(|value| value.to_string())
}

fn evaluate(text: &str, numbers: &[u64], allowed: &[Op]) -> Result<Fraction, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::TooLong);
    }
    let bytes = text.as_bytes();
    let mut numbers_left = numbers.to_vec();
    numbers_left.sort_unstable();
    let mut used = vec![false; numbers_left.len()];
    let mut n_used = 0;
    let mut values: Vec<Fraction> = Vec::with_capacity(8);
    let mut pending: Vec<Pending> = Vec::with_capacity(16);
    let mut wants_operand = true;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {}
            b'0'..=b'9' if wants_operand => {
                let (literal, end) = literal(bytes, at - 1)?;
                at = end;
                mark_used(&numbers_left, &mut used, literal)?;
                n_used += 1;
                values.push(Fraction::whole(i128::from(literal)));
                negate(&mut values, &mut pending);
                wants_operand = false;
            }
            b'(' if wants_operand => pending.push(Pending::Open),
            b'+' if wants_operand => {}
            b'-' if wants_operand => pending.push(Pending::Negate),
            b')' if !wants_operand => {
                reduce(&mut values, &mut pending, 0)?;
                if pending.pop() != Some(Pending::Open) {
                    return Err(Fault::Syntax);
                }
                negate(&mut values, &mut pending);
            }
            b'+' | b'-' | b'*' | b'/' if !wants_operand => {
                let op = Op::from_byte(byte).ok_or(Fault::Syntax)?;
                if !allowed.contains(&op) {
                    return Err(Fault::Operator);
                }
                reduce(&mut values, &mut pending, op.precedence())?;
                pending.push(Pending::Binary(op));
                wants_operand = true;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    if wants_operand {
        return Err(Fault::Syntax);
    }
    reduce(&mut values, &mut pending, 0)?;
    match (values.pop(), pending.is_empty()) {
        (Some(_), true) if n_used < numbers.len() => Err(Fault::Unused),
        (Some(value), true) => Ok(value),
        _ => Err(Fault::Syntax),
    }
}

/// Reads the literal at `start`; returns it with the index after it.
fn literal(bytes: &[u8], start: usize) -> Result<(u64, usize), Fault> {
    let mut end = start;
    let mut value: Option<u64> = Some(0);
    while let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
        value = value.and_then(|v| v.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        end += 1;
    }
    if bytes[start] == b'0' && end > start + 1 {
        return Err(Fault::Syntax);
    }
    // A literal over 64 bits cannot be one of the numbers.
    value.map(|value| (value, end)).ok_or(Fault::NotGiven)
}

/// Takes one unused copy of `literal` from the sorted `numbers`.
fn mark_used(numbers: &[u64], used: &mut [bool], literal: u64) -> Result<(), Fault> {
    let first = numbers.partition_point(|&number| number < literal);
    let copies = numbers[first..].partition_point(|&number| number == literal);
    // Copies are used from the left, so the first unused one is found by bisection as well.
    let n_used = used[first..first + copies].partition_point(|&used| used);
    if n_used == copies {
        return Err(Fault::NotGiven);
    }
    used[first + n_used] = true;
    Ok(())
}

/// Applies the signs that stand before the operand just completed.
fn negate(values: &mut [Fraction], pending: &mut Vec<Pending>) {
    while pending.last() == Some(&Pending::Negate) {
        pending.pop();
        if let Some(value) = values.last_mut() {
            *value = std::mem::replace(value, Fraction::whole(0)).negated();
        }
    }
}

/// Applies the pending binary operators of at least the given precedence, down to the last open bracket.
fn reduce(values: &mut Vec<Fraction>, pending: &mut Vec<Pending>, floor: u8) -> Result<(), Fault> {
    while let Some(&Pending::Binary(op)) = pending.last()
        && op.precedence() >= floor
    {
        pending.pop();
        let (Some(right), Some(left)) = (values.pop(), values.pop()) else {
            return Err(Fault::Syntax);
        };
        values.push(left.apply(op, right).ok_or(Fault::DivisionByZero)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, numbers: &[u64], target: i128) -> Result<(), Fault> {
        check(text, numbers, target, &Op::ALL)
    }

    #[test]
    fn precedence_signs_and_exact_fractions_are_those_of_arithmetic() {
        assert_eq!(verdict("7*(3+3/7)", &[3, 3, 7, 7], 24), Ok(()));
        assert_eq!(verdict("2+3*4", &[2, 3, 4], 14), Ok(()));
        assert_eq!(verdict("10-4-3", &[3, 4, 10], 3), Ok(()));
        assert_eq!(verdict("8/4/2", &[2, 4, 8], 1), Ok(()));
        assert_eq!(verdict("-(3-+-5)", &[3, 5], -8), Ok(()));
        assert_eq!(verdict("5+1/1000/1000", &[1, 5, 1000, 1000], 5), Err(Fault::Value));
    }

    #[test]
    fn each_fault_has_its_name() {
        for text in
            ["2**3", "2//3", "1.5", "(2", "2)", "2(3)", "2 3", "()", "", "+", "2\u{2003}+3", "03"]
        {
            assert_eq!(verdict(text, &[1, 2, 3], 8), Err(Fault::Syntax), "{text}");
        }
        assert_eq!(verdict("2+2", &[2, 3], 4), Err(Fault::NotGiven));
        assert_eq!(verdict("2", &[2, 3], 2), Err(Fault::Unused));
        assert_eq!(verdict("2/(3-3)", &[2, 3, 3], 2), Err(Fault::DivisionByZero));
        assert_eq!(check("2*3", &[2, 3], 6, &[Op::Add]), Err(Fault::Operator));
    }

    #[test]
    fn hostile_sizes_get_a_verdict_at_once() {
        let nested = "(".repeat(100_000) + "1" + &")".repeat(100_000);
        assert_eq!(verdict(&nested, &[1], 1), Err(Fault::TooLong));
        assert_eq!(verdict(&"-".repeat(10_000_000), &[1], 1), Err(Fault::TooLong));
        let deep = "(".repeat(30_000) + "1" + &")".repeat(30_000);
        assert_eq!(verdict(&deep, &[1], 1), Ok(()));
        assert_eq!(verdict(&"9".repeat(60_000), &[9], 9), Err(Fault::NotGiven));
        let numbers = vec![u64::MAX; 3_000];
        let text = vec![u64::MAX.to_string(); 3_000].join("/");
        assert_eq!(verdict(&text, &numbers, 1), Err(Fault::Value));
    }
}
