//! Numbers as they are written: grouped digits, decimal commas, exponents, digits of other bases.
//!
//! # Source
//! Own work; grouping as in SI and in English usage.
//! # Deviations
//! 1. `1,234` is one number outside brackets and two inside; a caller may ask for the other reading.
//! # Invariants
//! - A reading is never longer than the run of digits, marks and spaces that it starts on.

/// How a comma between digits is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comma {
    /// As a group mark where groups of three digits allow it.
    Group,
    /// As a separator of list items.
    Separate,
    /// As a decimal point.
    Point,
}

/// A number that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// Digits with at most one point, and an exponent part `e-5` where there is one.
    pub(crate) text: String,
    /// Characters taken.
    pub(crate) length: usize,
    /// A comma was met that another reading takes differently.
    pub(crate) ambiguous: bool,
}

/// Marks that group digits wherever they stand, longest first.
const MARKS: &[&str] = &[
    "{,}\\!", "{,\\!}", "\\!,\\!", ",\\!\\!", ",\\!", "{\\,}", "\\,", "\\;", "\\ ", "{,}", "~",
    "'", " ",
];

fn starts(chars: &[char], at: usize, mark: &str) -> bool {
    mark.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c))
}

fn digits(chars: &[char], at: usize) -> usize {
    chars[at.min(chars.len())..].iter().take_while(|c| c.is_ascii_digit()).count()
}

/// Reads the number at the start of `chars`.
pub(crate) fn number(chars: &[char], comma: Comma) -> Read {
    let first = digits(chars, 0);
    let mut text: String = chars[..first].iter().collect();
    let (mut at, mut ambiguous) = (first, false);
    if (1..=3).contains(&first) && !(first > 1 && chars[0] == '0') {
        while let Some(start) = next_group(chars, at) {
            text.extend(&chars[start..start + 3]);
            at = start + 3;
        }
    }
    if at == first {
        (at, ambiguous) = commas(chars, first, comma, &mut text);
    }
    if chars.get(at) == Some(&'.') && digits(chars, at + 1) > 0 && !text.contains('.') {
        let end = at + 1 + digits(chars, at + 1);
        text.extend(&chars[at..end]);
        at = end;
    }
    at += exponent(chars, at, &mut text);
    Read { text, length: at, ambiguous }
}

/// The start of the next group of exactly three digits after a group mark.
fn next_group(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at) == Some(&',') && chars.get(at + 1) == Some(&' ') {
        let gap = 1 + chars[at + 1..].iter().take_while(|c| **c == ' ').count();
        let thin = starts(chars, at + gap, "\\!");
        return if thin { next_group_after(chars, at + gap + 2) } else { None };
    }
    let mark = MARKS.iter().find(|mark| starts(chars, at, mark))?;
    let mut start = at + mark.chars().count();
    if mark.starts_with(',') || mark.starts_with('{') {
        while chars.get(start) == Some(&' ') {
            start += 1;
        }
    }
    let whole = digits(chars, start) == 3;
    // `2 100/3` is a mixed number, `1 000x` is not a count.
    let spaced_fraction = *mark == " " && chars.get(start + 3) == Some(&'/');
    (whole && !spaced_fraction).then_some(start)
}

/// The start of a group of three digits after spaces.
fn next_group_after(chars: &[char], at: usize) -> Option<usize> {
    let start = at + chars[at.min(chars.len())..].iter().take_while(|c| **c == ' ').count();
    (digits(chars, start) == 3).then_some(start)
}

/// Reads plain commas after the first `first` digits.
fn commas(chars: &[char], first: usize, comma: Comma, text: &mut String) -> (usize, bool) {
    let brace = starts(chars, first, "{,}");
    let plain = chars.get(first) == Some(&',');
    let after = first + if brace { 3 } else { 1 };
    if first == 0 || !(brace || plain) || digits(chars, after) == 0 {
        return (first, false);
    }
    let mut end = first;
    while chars.get(end) == Some(&',') && digits(chars, end + 1) == 3 {
        end += 4;
    }
    let runs_on = chars.get(end) == Some(&',') && digits(chars, end + 1) > 0;
    let grouped = end > first && !runs_on && first <= 3 && chars[0] != '0';
    let single = chars.get(after + digits(chars, after)) != Some(&',') || brace;
    match comma {
        Comma::Group if grouped => {
            text.extend(chars[first..end].iter().filter(|c| c.is_ascii_digit()));
            (end, true)
        }
        Comma::Group if !brace => (first, true),
        Comma::Separate => (first, true),
        _ if single => {
            let end = after + digits(chars, after);
            text.push('.');
            text.extend(&chars[after..end]);
            (end, true)
        }
        _ => (first, true),
    }
}

/// Reads `e-5` after a number; returns the characters taken.
fn exponent(chars: &[char], at: usize, text: &mut String) -> usize {
    if !matches!(chars.get(at), Some('e' | 'E')) {
        return 0;
    }
    let sign = usize::from(matches!(chars.get(at + 1), Some('+' | '-')));
    let count = digits(chars, at + 1 + sign);
    let ends = !chars.get(at + 1 + sign + count).is_some_and(|c| c.is_alphabetic());
    if count == 0 || !ends || text.is_empty() {
        return 0;
    }
    text.extend(&chars[at..at + 1 + sign + count]);
    1 + sign + count
}

/// The length of digits and capital letters before a subscript, when there is a letter among them.
pub(crate) fn base_digits(chars: &[char]) -> Option<usize> {
    let run = chars.iter().take(64).take_while(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    let length = run.count();
    let letter = chars[..length].iter().any(char::is_ascii_uppercase);
    (letter && chars.get(length) == Some(&'_')).then_some(length)
}

/// Numerator and denominator of a one-character fraction.
pub(crate) fn fraction_sign(c: char) -> Option<(&'static str, &'static str)> {
    Some(match c {
        '½' => ("1", "2"),
        '⅓' => ("1", "3"),
        '⅔' => ("2", "3"),
        '¼' => ("1", "4"),
        '¾' => ("3", "4"),
        '⅕' => ("1", "5"),
        '⅖' => ("2", "5"),
        '⅗' => ("3", "5"),
        '⅘' => ("4", "5"),
        '⅙' => ("1", "6"),
        '⅚' => ("5", "6"),
        '⅛' => ("1", "8"),
        '⅜' => ("3", "8"),
        '⅝' => ("5", "8"),
        '⅞' => ("7", "8"),
        _ => return None,
    })
}

/// The digit of a superscript sign.
pub(crate) fn superscript(c: char) -> Option<char> {
    "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|s| s == c).and_then(|i| char::from_digit(i as u32, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, comma: Comma) -> (String, usize) {
        let chars: Vec<char> = text.chars().collect();
        let read = number(&chars, comma);
        (read.text, read.length)
    }

    #[test]
    fn group_marks_join_groups_of_three() {
        for text in ["12,345", "12\\,345", "12,\\!345", "12{,}345", "12 345", "12, \\! 345"] {
            assert_eq!(read(text, Comma::Group).0, "12345", "{text}");
        }
        assert_eq!(read("12, 345", Comma::Group).0, "12");
        assert_eq!(read("12,34", Comma::Group), ("12".into(), 2));
        assert_eq!(read("3281,3280", Comma::Group).0, "3281");
        assert_eq!(read("12,345", Comma::Separate).0, "12");
        assert_eq!(read("0,111", Comma::Point).0, "0.111");
    }

    #[test]
    fn exponents_belong_to_the_number() {
        assert_eq!(read("6.72e-05", Comma::Group).0, "6.72e-05");
        assert_eq!(read("2ex", Comma::Group).0, "2");
    }
}
