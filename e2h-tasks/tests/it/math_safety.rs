//! No text makes the grader panic, and equal answers are equal however they are written.

use e2h_tasks::math::{Outcome, aqua, extract, grade, gsm8k};
use proptest::prelude::*;

/// Pieces of LaTeX that, strung together, are now and then well formed.
const PIECES: &[&str] = &[
    "1",
    "2",
    "10",
    "0.5",
    "x",
    "y",
    "i",
    "e",
    "\\pi",
    "+",
    "-",
    "*",
    "/",
    "^",
    "_",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\\{",
    "\\}",
    ",",
    ";",
    "=",
    "<",
    "\\le",
    "\\ne",
    "\\in",
    "\\cup",
    "\\infty",
    "\\frac",
    "\\sqrt",
    "\\text{a}",
    "\\text{ cm}",
    "\\%",
    "^\\circ",
    "!",
    "|",
    "\\pm",
    "\\sin",
    "\\log",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "&",
    "\\\\",
    " ",
    "\\left(",
    "\\right)",
    "\\boxed{",
    "$",
    "\\sum_{k=1}^{9}",
    "\\binom",
    "and",
    "or",
    "'",
    ":",
    "\\overline",
    ".",
    "\\dot",
    "\\approx",
    "_{5}",
    "\\$",
    "°",
    "½",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_text_panics(gold in any::<String>(), pred in any::<String>()) {
        let _ = grade(&gold, &pred);
        let _ = (gsm8k::grade(&gold, &pred), aqua::grade(&gold, &pred), extract(&pred));
    }

    #[test]
    fn no_string_of_pieces_panics_or_differs_from_itself(
        a in prop::collection::vec(prop::sample::select(PIECES), 1..14),
        b in prop::collection::vec(prop::sample::select(PIECES), 1..14),
    ) {
        let (a, b) = (a.concat(), b.concat());
        let _ = grade(&a, &b);
        let _ = (gsm8k::grade(&a, &b), extract(&a));
        if a.chars().any(|c| c.is_ascii_alphanumeric()) {
            prop_assert_ne!(grade(&a, &a).outcome, Outcome::Different);
        }
    }

    #[test]
    fn equal_fractions_are_equal_and_others_are_not(
        num in -999i64..1000, den in 1i64..1000, times in 1i64..50, off in 1i64..9,
    ) {
        let gold = format!("\\frac{{{num}}}{{{den}}}");
        let scaled = format!("\\dfrac{{{}}}{{{}}}", num * times, den * times);
        let other = format!("{}/{}", num * times + off, den * times);
        prop_assert!(grade(&gold, &scaled).is_equal());
        prop_assert_eq!(grade(&gold, &other).outcome, Outcome::Different);
    }

    #[test]
    fn expanded_products_are_equal_and_others_are_not(
        a in -20i64..20, b in -20i64..20, c in -20i64..20, off in 1i64..5,
    ) {
        let product = format!("(x+({a}))(x+({b}))(x+({c}))");
        let sum = |d: i64| {
            let (s, t) = (a + b + c, a * b + b * c + a * c);
            format!("x^3 + ({s})x^2 + ({t}) x + ({})", a * b * c + d)
        };
        prop_assert!(grade(&product, &sum(0)).is_equal());
        prop_assert_eq!(grade(&product, &sum(off)).outcome, Outcome::Different);
    }

    #[test]
    fn nested_radicals_denest(a in 1i64..60, b in 1i64..60) {
        let nested = format!("\\sqrt{{{} + 2\\sqrt{{{}}}}}", a + b, a * b);
        let gold = format!("\\sqrt{{{a}}} + \\sqrt{{{b}}}");
        prop_assert!(grade(&gold, &nested).is_equal());
        let other = format!("\\sqrt{{{} + 2\\sqrt{{{}}}}}", a + b + 1, a * b);
        prop_assert_eq!(grade(&gold, &other).outcome, Outcome::Different);
    }
}
