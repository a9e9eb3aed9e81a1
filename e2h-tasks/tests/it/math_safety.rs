//! No text makes the grader panic or work without bound.

use std::time::{Duration, Instant};

use e2h_tasks::math::{Outcome, aqua, extract, grade, gsm8k};
use proptest::prelude::*;

/// Texts made to hurt, with what they may come to for the gold answer 5.
fn bombs() -> Vec<(&'static str, String)> {
    let nested = |open: &str, close: &str, n| format!("{}5{}", open.repeat(n), close.repeat(n));
    vec![
        ("long text", "a ".repeat(5 << 20)),
        ("long number", "9".repeat(10 << 20)),
        ("long sum", "1+".repeat(4_000) + "1"),
        ("longer sum", "1+".repeat(5 << 20)),
        ("parentheses", nested("(", ")", 100_000)),
        ("a few thousand parentheses", nested("(", ")", 4_000)),
        ("braces", nested("{", "}", 100_000)),
        ("brackets", nested("[", "]", 5_000)),
        ("open brackets", "(".repeat(100_000)),
        ("fractions", format!("{}5", "\\frac{1}{1+".repeat(1_300))),
        ("bare fractions", "\\frac".repeat(3_000)),
        ("roots", nested("\\sqrt{", "}", 2_000)),
        ("some roots", nested("\\sqrt{2+", "}", 60)),
        ("tower", "9^{9^{9^9}}".to_owned()),
        ("tall tower", "9^".repeat(5_000) + "9"),
        ("power", "3^{1000000007}".to_owned()),
        ("negative power", "3^{-1000000007}".to_owned()),
        ("factorial", "(10^{10})!".to_owned()),
        ("factorials", "5".to_owned() + &"!".repeat(5_000)),
        ("many factorials", "2000!+".repeat(1_000) + "1"),
        ("binomial", "\\binom{1000000}{500000}".to_owned()),
        ("sum", "\\sum_{n=1}^{10^9} n".to_owned()),
        ("nested sums", "\\sum_{a=1}^{999} \\sum_{b=1}^{999} \\sum_{c=1}^{999} abc".to_owned()),
        ("expansion", "(a+b+c+d+e+f+g)^{60}".to_owned()),
        ("expansions", "(a+b)(c+d)(f+g)(h+k)(l+m)(n+o)(p+q)(r+s)(t+u)(v+w)(x+y)^{9}".to_owned()),
        ("exponent", "1e999999999".to_owned()),
        ("places", format!("0.{}1", "0".repeat(16_000))),
        ("list", "1,".repeat(7_000)),
        ("set", format!("\\{{{}1\\}}", "\\sqrt{2},".repeat(1_500))),
        ("union", "(1,2)\\cup".repeat(1_500) + "(1,2)"),
        ("signs", "-".repeat(15_999) + "5"),
        ("divisions", "1/".repeat(8_000) + "2"),
        ("marks", "7".to_owned() + &"!%".repeat(5_000)),
        ("degrees", "7".to_owned() + &"°".repeat(5_000)),
        ("powers of factorials", "7".to_owned() + &"!^2".repeat(5_000)),
        ("labels", "is: ".repeat(4_000)),
        ("names", "word=".repeat(3_000) + "5"),
        ("intersections", "(1,2)\\cap".repeat(1_500) + "(1,2)"),
        ("differences", "(1,2)\\setminus".repeat(1_000) + "(1,2)"),
        (
            "many intervals",
            (0..1_500).map(|i| format!("({},{})\\cup", i % 60, i % 60 + 1)).collect::<String>()
                + "(1,2)",
        ),
        ("millions", "7 ".to_owned() + &"million ".repeat(1_500)),
        ("units", "7 ".to_owned() + &"parsecs ".repeat(1_500)),
        ("formulas", "$x$ ".repeat(16_000)),
        ("products of a matrix", "x ".repeat(5_000) + "\\begin{pmatrix} 1 \\end{pmatrix}"),
        (
            "sums of matrices",
            "\\begin{pmatrix} x \\end{pmatrix}+".repeat(400) + "\\begin{pmatrix} 1 \\end{pmatrix}",
        ),
        ("bars", "|".repeat(16_000)),
        ("subscripts", "a_{".repeat(5_000)),
        ("texts", "\\text{".repeat(2_500)),
        ("backslashes", "\\".repeat(16_000)),
        ("dollars", "$".repeat(10 << 20)),
        ("boxes", "\\boxed{".repeat(100_000)),
        ("environments", "\\begin{pmatrix}".repeat(1_000)),
        ("trigonometry", "\\sin".repeat(3_000) + " x"),
        ("sines", "\\sin(1)+".repeat(1_500) + "1"),
        ("zeros", "5".to_owned() + &"\0".repeat(1 << 20)),
        ("matrix power", nested("2\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "", 300)),
    ]
}

#[test]
fn hurtful_texts_get_a_verdict_in_time() {
    // An unoptimised build on a busy machine is given more time; the work is counted all the same.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 40 });
    for (name, text) in bombs() {
        for gold in ["5", "\\frac{\\sqrt{3}}{2}", "x^2+1", "(1,2)", "\\text{ellipse}", "\\{1,2\\}"]
        {
            let start = Instant::now();
            let verdict = grade(gold, &text);
            let took = start.elapsed();
            assert_ne!(verdict.outcome, Outcome::Equal, "{name} for {gold}: {}", verdict.reason);
            assert!(took < limit, "{name} for {gold} took {took:?}: {}", verdict.reason);
            let back = Instant::now();
            let _ = (
                grade(&text, gold),
                gsm8k::grade("5", &text),
                aqua::grade("A", &text),
                extract(&text),
            );
            assert!(back.elapsed() < limit * 4, "{name} as gold took {:?}", back.elapsed());
        }
    }
}

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
