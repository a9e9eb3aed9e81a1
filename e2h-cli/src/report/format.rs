//! Numbers and text for a page.

/// Text that stands for itself in HTML, in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // Control characters are not allowed in HTML, and a model may emit any.
            char if char.is_control() && !matches!(char, '\n' | '\t') => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Lower-case letters and digits, with a `-` for the rest.
pub(super) fn slug(title: &str) -> String {
    let parts = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// What the numbers of a plot are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A share of 1, shown in percent.
    Share,
    /// A dimensionless number.
    One,
    /// A number with a unit.
    Of(&'static str),
}

impl Unit {
    /// The value with its unit.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1} %", 100.0 * value),
            Self::One => number(value),
            Self::Of(unit) => format!("{} {unit}", number(value)),
        }
    }

    /// The value of a tick.
    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::Share => format!("{} %", number(100.0 * value)),
            Self::One | Self::Of(_) => number(value),
        }
    }

    /// The unit in words, for a title.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Share => "%",
            Self::One => "dimensionless",
            Self::Of(unit) => unit,
        }
    }
}

/// A number with three significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A difference of shares in percentage points.
pub(super) fn points(share: f64) -> String {
    format!("{:+.1} points", 100.0 * share)
}

/// `12.3–45.6 %`.
pub(super) fn interval([low, high]: [f64; 2]) -> String {
    format!("{:.1}–{:.1} %", 100.0 * low, 100.0 * high)
}

/// `3 h 12 min`, `4 min 5 s` or `6.1 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{} s", number(seconds)),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// About `n` round numbers from `low` to `high`.
pub(super) fn ticks(low: f64, high: f64, n: usize) -> Vec<f64> {
    let rough = (high - low) / n.max(1) as f64;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![low];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        assert_eq!(escape("<think> \"a\" & 'b'"), "&lt;think&gt; &quot;a&quot; &amp; &#39;b&#39;");
        assert_eq!(escape("a\u{1b}b\0\n"), "a\u{fffd}b\u{fffd}\n");
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (123.456, "123"),
            (99_999.4, "99999"),
            (1.5e-7, "1.50e-7"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 199.0, 4), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(ticks(3.0, 3.0, 4), [3.0]);
    }

    #[test]
    fn durations_are_in_words() {
        assert_eq!(duration(6.14), "6.14 s");
        assert_eq!(duration(245.0), "4 min 5 s");
        assert_eq!(duration(11_520.0), "3 h 12 min");
    }
}
