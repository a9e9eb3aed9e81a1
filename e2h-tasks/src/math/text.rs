//! Answers in words: keys by which two spellings of the same words are equal.
//!
//! # Source
//! Own work.
//! # Deviations
//! 1. Words are compared without regard to case, punctuation and articles.
//! # Invariants
//! - Keys are made in one pass over the text.

/// The characters of a formula that carry meaning, for a first comparison by form: equal keys are equal
/// answers, other keys say nothing.
pub(crate) fn form_key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    let mut rest = text.trim().trim_end_matches('.');
    while let Some(c) = rest.chars().next() {
        let skip = ["\\left", "\\right", "\\!", "\\,", "\\;", "\\ ", "\\displaystyle", "\\quad"]
            .iter()
            .find(|mark| rest.starts_with(**mark))
            .filter(|mark| {
                let after = rest[mark.len()..].chars().next();
                mark.len() == 2 || !after.is_some_and(|a| a.is_ascii_alphabetic())
            });
        if let Some(mark) = skip {
            rest = &rest[mark.len()..];
        } else if rest.starts_with("\\dfrac") || rest.starts_with("\\tfrac") {
            key.push_str("\\frac");
            rest = &rest[6..];
        } else {
            rest = &rest[c.len_utf8()..];
            if c.is_whitespace() {
                // A space counts only between two letters or two digits.
                let last = key.chars().last().is_some_and(char::is_alphanumeric);
                let next = rest.trim_start().chars().next().is_some_and(char::is_alphanumeric);
                if last && next && !key.ends_with(' ') {
                    key.push(' ');
                }
            } else {
                key.push(c);
            }
        }
    }
    key
}

/// The words of an answer: lower case, without marks, LaTeX text commands and articles.
pub(crate) fn words_key(text: &str) -> String {
    let plain = words(text);
    let words = plain.split(' ').filter(|w| !matches!(*w, "the" | "a" | "an"));
    let key = words.collect::<Vec<_>>().join(" ");
    if key.is_empty() { plain } else { key }
}

/// The words of an answer with its articles.
fn words(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let mut name = String::new();
                while let Some(c) = chars.peek().filter(|c| c.is_ascii_alphabetic()) {
                    name.push(*c);
                    chars.next();
                }
                if name.is_empty() {
                    chars.next();
                    plain.push(' ');
                } else if !super::tables::is_text_command(&name) && !is_wrapper(&name) {
                    plain.push_str(&name);
                    plain.push(' ');
                }
            }
            '.' if plain.ends_with(|c: char| c.is_ascii_digit())
                && chars.peek().is_some_and(char::is_ascii_digit) =>
            {
                plain.push('.');
            }
            '.' | '\'' | '’' | '{' | '}' | '$' => {}
            _ if c.is_alphanumeric() || "+-*/=<>^:%".contains(c) => plain.extend(c.to_lowercase()),
            _ => plain.push(' '),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_wrapper(name: &str) -> bool {
    matches!(name, "boxed" | "left" | "right" | "mathbf" | "quad" | "displaystyle" | "overline")
}

/// The choice letter of an answer such as `(C)`, `C.`, `\textbf{(C) } 42` or `Option C`.
pub(crate) fn choice(text: &str) -> Option<char> {
    let key = words(text);
    let mut words = key.split_whitespace().map(|w| w.trim_end_matches(':'));
    let mut first = words.next()?;
    while matches!(first, "option" | "choice" | "answer" | "is") {
        first = words.next()?;
    }
    let mut letters = first.chars();
    let letter = letters.next().filter(char::is_ascii_lowercase)?;
    if letters.next().is_some() {
        return None;
    }
    let alone = words.next().is_none();
    // The mark ends its word, as in `C) 42` and `\textbf{(C)} 42`.
    let ends = |c: Option<&char>| c.is_none_or(|c| c.is_whitespace() || "}~$*\\".contains(*c));
    let chars: Vec<char> = text.chars().collect();
    let marked = chars.windows(2).enumerate().any(|(i, pair)| {
        pair[0].eq_ignore_ascii_case(&letter) && ").:".contains(pair[1]) && ends(chars.get(i + 2))
    });
    (alone || marked).then(|| letter.to_ascii_uppercase())
}

/// The value of a number word up to twenty.
pub(crate) fn number_word(word: &str) -> Option<i64> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    WORDS.iter().position(|w| *w == word).map(|i| i as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_words_share_a_key() {
        for text in ["\\text{4:30 p.m.}", "4:30 pm", "\\mbox{4:30 PM}"] {
            assert_eq!(words_key(text), "4:30 pm", "{text}");
        }
        assert_eq!(words_key("\\text{ ellipse }"), words_key("(Ellipse)."));
        assert_ne!(words_key("not ellipse"), words_key("ellipse"));
    }

    #[test]
    fn spacing_does_not_change_a_form() {
        assert_eq!(form_key("\\left( 3, \\dfrac{1}{2}\\right)."), form_key("(3,\\frac{1}{2})"));
        assert_ne!(form_key("1 2"), form_key("12"));
        assert_ne!(form_key("\\leftarrow"), form_key("arrow"));
    }

    #[test]
    fn choices_are_read_in_any_dress() {
        for text in ["(C)", "c", "C.", "\\textbf{(C) } 42", "Option C", "\\text{C}", "C: 42"] {
            assert_eq!(choice(text), Some('C'), "{text}");
        }
        assert_eq!(choice("not C"), None);
        assert_eq!(choice("a cat"), None);
    }
}
