//! Finding the final answer in a whole text.
//!
//! In this order: the last `<answer>` element; whichever comes later of the last `\boxed{}` and the last
//! "final answer is"; "answer is"; the last formula or number.
//!
//! # Source
//! The places are those that Math-Verify and the MATH and GSM8K graders look at; own code.
//! # Deviations
//! 1. Boxes that follow each other within a few words are parts of one answer.
//! # Invariants
//! - Work is linear in the length of the text; only the last [`WINDOW`] bytes are read.

/// The part of a long text that is looked at, in bytes.
const WINDOW: usize = 65_536;

/// The most boxes or formulas that make one answer together.
const MAX_PARTS: usize = 64;

/// The final answer of `text`, if one can be found.
///
/// ```
/// use e2h_tasks::math::extract;
/// assert_eq!(extract("so $x = \\boxed{\\frac{1}{2}}$.").as_deref(), Some("\\frac{1}{2}"));
/// assert_eq!(extract("The answer is 42, I think."), Some("42".to_owned()));
/// ```
pub fn extract(text: &str) -> Option<String> {
    let text = tail(text);
    if let Some(inner) = last_element(text) {
        return extract_from(inner).or_else(|| Some(inner.trim().to_owned()));
    }
    extract_from(text)
}

fn extract_from(text: &str) -> Option<String> {
    let boxed = last_boxes(text);
    let stated = final_statement(text);
    match (boxed, stated) {
        (Some((_, answer)), None) => Some(answer),
        (Some((at, answer)), Some((from, statement))) => {
            if at >= from {
                Some(answer)
            } else {
                formula_or_number(statement).or(Some(answer))
            }
        }
        (None, Some((_, statement))) => formula_or_number(statement),
        (None, None) => formula_or_number(text),
    }
}

/// The end of a long text, cut at a character.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(WINDOW);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

fn last_element(text: &str) -> Option<&str> {
    let start = text.rfind("<answer>")? + "<answer>".len();
    let rest = &text[start..];
    Some(&rest[..rest.find("</answer>").unwrap_or(rest.len())])
}

/// The boxes at the end of the text, and where the last one stands.
fn last_boxes(text: &str) -> Option<(usize, String)> {
    let mut boxes: Vec<(usize, usize, &str)> = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("\\boxed").map(|i| from + i) {
        let open = found + "\\boxed".len();
        let space = text[open..].len() - text[open..].trim_start().len();
        from = open;
        if text[open + space..].starts_with('{') {
            let start = open + space + 1;
            let end = closing(text, start);
            boxes.push((found, (end + 1).min(text.len()), &text[start..end]));
            from = end;
        } else if let Some(c) = text[open..].trim_start().chars().next() {
            let start = open + space;
            boxes.push((found, start + c.len_utf8(), &text[start..start + c.len_utf8()]));
        }
    }
    let (at, _, last) = boxes.last().copied()?;
    let mut parts = vec![last];
    for pair in boxes.windows(2).rev().take(MAX_PARTS) {
        let ((_, end, content), (start, _, _)) = (pair[0], pair[1]);
        if end > start || !joins(&text[end..start]) {
            break;
        }
        if !parts.contains(&content) {
            parts.push(content);
        }
    }
    parts.reverse();
    let label = if parts.len() == 1 { label_before(text, at) } else { "" };
    Some((at, format!("{label}{}", parts.join(", "))))
}

/// `x \in ` before a box says nothing that the box does not; a minus sign or a currency sign does.
fn label_before(text: &str, at: usize) -> &'static str {
    let before = text[..at].trim_end();
    let signed = before.ends_with("$-") || before.ends_with("= -") || before.ends_with("=-");
    if signed { "-" } else { "" }
}

/// True when the text between two boxes makes them parts of one answer.
fn joins(between: &str) -> bool {
    if between.len() > 60 || between.contains("\n\n") || between.contains("\\n\\n") {
        return false;
    }
    let words = super::text::words_key(between);
    let letters = words.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic));
    let mut count = 0;
    let mut joint = false;
    for word in letters {
        count += 1;
        joint |= matches!(word, "and" | "or");
    }
    count == 0 && !between.contains('=') || joint
}

/// The place of the brace that closes the group whose content starts at `start`, or the end of the text.
fn closing(text: &str, start: usize) -> usize {
    let mut depth = 1;
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate().skip(start) {
        match b {
            b'\\' => {
                escaped = !escaped;
                continue;
            }
            b'{' if !escaped => depth += 1,
            b'}' if !escaped => depth -= 1,
            _ => {}
        }
        escaped = false;
        if depth == 0 {
            return i;
        }
    }
    text.len()
}

/// The last sentence that states the answer, and where it stands.
fn final_statement(text: &str) -> Option<(usize, &str)> {
    let lower = text.to_ascii_lowercase();
    let marks = [
        "final answer is",
        "final answer:",
        "final answer**",
        "answer is",
        "answer:",
        "answer should be",
        "####",
    ];
    let found =
        marks.iter().filter_map(|mark| lower.rfind(mark).map(|at| (at + mark.len(), at))).max()?;
    let rest = &text[found.0..];
    let rest = ["i hope it is correct", "<|im_start|>", "<|endoftext|>", "hope this"]
        .iter()
        .filter_map(|end| lower[found.0..].find(end))
        .min()
        .map_or(rest, |end| &rest[..end]);
    let body = rest.trim_start_matches([':', '*', ' ', '\n']);
    let first = body.split("\n\n").next().unwrap_or(body);
    let first = first_sentence(first);
    (!first.trim().is_empty()).then_some((found.1, first))
}

/// The text up to a point that is followed by a capital, outside dollar signs.
fn first_sentence(text: &str) -> &str {
    let mut inside = false;
    let mut ends = false;
    for (i, c) in text.char_indices() {
        match c {
            '$' => inside = !inside,
            '.' if !inside => {
                ends = true;
                continue;
            }
            c if c.is_whitespace() && ends => continue,
            c if c.is_uppercase() && ends && text[..i].ends_with(char::is_whitespace) => {
                return &text[..i];
            }
            _ => {}
        }
        ends = false;
    }
    text
}

/// The answer in a sentence or a short text.
fn formula_or_number(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches("<|im_start|>user").trim();
    let plain = text.trim_matches(|c: char| c == '*' || c == '"' || c.is_whitespace());
    if plain.is_empty() {
        return None;
    }
    let formulas = formulas(plain);
    if formulas.is_empty() && is_short(plain) {
        return Some(plain.to_owned());
    }
    let number = last_number(plain, &formulas);
    let Some(&(start, end, content)) = formulas.last() else {
        return number.map(|(_, _, number)| number);
    };
    if let Some((at, _, number)) = number.filter(|(at, ..)| *at > end) {
        let only_unit = plain[end..at].trim().is_empty();
        if !only_unit {
            return Some(number);
        }
    }
    // Formulas that are joined by `and` or `or` are one answer; a word after the last one is its unit.
    let mut first = start;
    for &(s, e, _) in formulas.iter().rev().skip(1).take(MAX_PARTS) {
        if plain[e..first].len() <= 30 && joins(&plain[e..first]) {
            first = s;
        } else {
            break;
        }
    }
    let after = plain[end..].trim_start().trim_end_matches('.');
    let unit = after.split_whitespace().next().filter(|w| {
        matches!(*w, "%" | "percent" | "pct" | "percentage" | "degrees")
            || super::units::is_unit_word(w) && plain[end..].len() < 20
    });
    let body = if first == start { content.to_owned() } else { plain[first..end].to_owned() };
    Some(match unit {
        Some(unit) => format!("{body} \\text{{ {unit}}}"),
        None => body,
    })
}

/// True for a text that is an answer and not a sentence.
fn is_short(text: &str) -> bool {
    let letters = |w: &str| w.chars().filter(|c| c.is_alphabetic()).count();
    let words = text
        .split_whitespace()
        .map(|w| w.trim_matches(|c: char| c.is_ascii_punctuation()))
        .filter(|w| *w == "I" || letters(w) > 1 && !w.contains('\\'))
        .filter(|w| !matches!(*w, "and" | "or" | "percent" | "pct" | "dollars" | "degrees"))
        .filter(|w| !super::units::is_unit_word(w))
        .count();
    let sentence = text.contains(": ") || text.split_whitespace().count() > 12;
    words <= 1 && !sentence || !text.chars().any(|c| c.is_ascii_digit() || c == '\\') && words <= 4
}

/// The formulas of a text: start, end and content of each.
fn formulas(text: &str) -> Vec<(usize, usize, &str)> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (open, close): (usize, &str) = match rest {
            [b'\\', b'$', ..] => {
                at += 2;
                continue;
            }
            [b'$', b'$', ..] => (2, "$$"),
            [b'$', ..] => (1, "$"),
            [b'\\', b'(', ..] => (2, "\\)"),
            [b'\\', b'[', ..] => (2, "\\]"),
            _ => {
                at += 1;
                continue;
            }
        };
        let start = at + open;
        let Some(length) = find_unescaped(&text[start..], close) else {
            break;
        };
        let content = text[start..start + length].trim();
        let end = start + length + close.len();
        // `$5 and $6`: a dollar before a digit that is not closed by one near by is money.
        if !(content.is_empty() || close == "$" && is_money_gap(content)) {
            out.push((at, end, content));
            at = end;
        } else if close == "$" && is_money_gap(content) {
            at = start;
        } else {
            at = end;
        }
    }
    out
}

fn find_unescaped(text: &str, close: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(i) = text[from..].find(close).map(|i| from + i) {
        if close.starts_with('\\') || !text[..i].ends_with('\\') {
            return Some(i);
        }
        from = i + 1;
    }
    None
}

/// True for words between two dollar signs.
fn is_money_gap(content: &str) -> bool {
    content.starts_with(|c: char| c.is_ascii_digit())
        && content.split_whitespace().filter(|w| w.chars().all(char::is_alphabetic)).count() > 2
}

/// The last number outside formulas, with its sign and what hangs on it.
fn last_number(text: &str, formulas: &[(usize, usize, &str)]) -> Option<(usize, usize, String)> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut end = chars.len();
    // Formulas are in order, so the last one that begins before the place is the one that may hold it.
    let mut before = formulas.len();
    while end > 0 {
        let (at, c) = chars[end - 1];
        while before > 0 && formulas[before - 1].0 > at {
            before -= 1;
        }
        let inside = before > 0 && formulas[before - 1].1 > at;
        let exponent =
            end < chars.len() && c.is_ascii_digit() && end > 1 && chars[end - 2].1 == '^';
        if inside || !c.is_ascii_digit() || exponent {
            end -= 1;
            continue;
        }
        let mut start = end;
        while start > 0 && is_number_part(&chars, start - 1) {
            start -= 1;
        }
        if start > 0 && chars[start - 1].1.is_alphabetic() {
            end = start - 1;
            continue;
        }
        let from = chars[start].0;
        let to = chars.get(end).map_or(text.len(), |(i, _)| *i);
        let percent = text[to..].trim_start().starts_with(['%']) || text[to..].starts_with("\\%");
        let number = text[from..to].trim_matches([',', '.', ' ', '/', ':']).to_owned();
        let leading_point = start > 0
            && chars[start - 1].1 == '.'
            && text[from..].starts_with(|c: char| c.is_ascii_digit());
        let number = if leading_point { format!(".{number}") } else { number };
        return Some((from, to, if percent { format!("{number}\\%") } else { number }));
    }
    None
}

fn is_number_part(chars: &[(usize, char)], i: usize) -> bool {
    let c = chars[i].1;
    let digit = |j: usize| chars.get(j).is_some_and(|(_, c)| c.is_ascii_digit());
    let before = i > 0 && digit(i - 1);
    match c {
        _ if c.is_ascii_digit() => true,
        '.' | ',' | '/' | ':' => digit(i + 1) && (before || c == '.'),
        '-' | '−' => digit(i + 1) && !before,
        ' ' => false,
        _ => false,
    }
}
