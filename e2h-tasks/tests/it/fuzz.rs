//! The bodies of the fuzz targets, on texts drawn from a stream: pieces of each target's language, and good inputs with
//! parts cut out, doubled, moved and replaced.

use e2h_core::{RootSeed, Stream};
use rand::RngExt;

use crate::bodies;

/// Texts of each target.
const N: usize = 3_000;

/// Pieces that mean something to one verifier or another.
const PIECES: [&str; 42] = [
    "1",
    "24",
    "0",
    "9",
    "-",
    "+",
    "*",
    "/",
    "^",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\\frac",
    "\\sqrt",
    "\\boxed{",
    "\\text{",
    "$",
    "\\",
    ",",
    ".",
    ";",
    ":",
    "=",
    "<",
    "<answer>",
    "</answer>",
    "</think>",
    "\n",
    " ",
    "A)",
    "or",
    "the ",
    " block",
    "pick up ",
    "stack ",
    "\"",
    "\u{85}",
    "\u{200b}",
    "İ",
];

/// A text made of pieces and of any characters.
fn noise(rng: &mut Stream) -> String {
    let piece = |rng: &mut Stream| match rng.random_range(0..5) {
        0 => char::from_u32(rng.random_range(0..0x3000)).unwrap_or('\u{fffd}').to_string(),
        _ => PIECES[rng.random_range(0..PIECES.len())].to_owned(),
    };
    (0..rng.random_range(0..40)).map(|_| piece(rng)).collect()
}

/// A good input with a few changes.
fn changed(seeds: &[&str], rng: &mut Stream) -> String {
    let pick = |rng: &mut Stream| -> Vec<char> {
        seeds[rng.random_range(0..seeds.len())].chars().collect()
    };
    let mut text = pick(rng);
    for _ in 0..rng.random_range(1..6) {
        let from = rng.random_range(0..=text.len());
        let to = rng.random_range(from..=text.len().min(from + 12));
        let span = text[from..to].to_vec();
        let new: Vec<char> = match rng.random_range(0..5) {
            0 => Vec::new(),
            1 => span.repeat(rng.random_range(2..9)),
            2 => PIECES[rng.random_range(0..PIECES.len())].chars().collect(),
            3 => noise(rng).chars().collect(),
            _ => {
                let other = pick(rng);
                other[rng.random_range(0..=other.len())..].iter().take(20).copied().collect()
            }
        };
        text.splice(from..to, new);
    }
    text.into_iter().collect()
}

/// Runs a target on its good inputs, on changes of them and on noise.
fn exercise(name: &str, seeds: &[&str], n: usize, body: impl Fn(&str)) {
    seeds.iter().for_each(|seed| body(seed));
    let mut rng = RootSeed(8).stream(name, &[]);
    for index in 0..n {
        let text = if index % 3 == 0 { noise(&mut rng) } else { changed(seeds, &mut rng) };
        body(&text);
    }
}

const STATE: &str = "the red block is clear, the blue block is clear, the hand is empty, the red block is on top of \
                     the green block, the green block is on the table and the blue block is on the table\n\
                     the blue block is on top of the red block and the hand is empty";

#[test]
fn the_target_of_countdown_finds_nothing() {
    let seeds =
        ["(100 - 25) / 3 - 7 + 2 * 1", "1 + 2 + 3 + 7 + 25 + 100", "-(2-1)*(100/25)", "7*(3+3/7)"];
    exercise("countdown", &seeds, N, bodies::countdown);
}

#[test]
fn the_target_of_completions_finds_nothing() {
    let seeds = [" so</think>\n<answer> 2 </answer>", "x</think><answer>1</answer>\n"];
    exercise("format", &seeds, N, bodies::completion);
}

#[test]
fn the_targets_of_blocksworld_find_nothing() {
    let plan =
        "unstack the red block from on top of the green block\nput down the red block\n[PLAN END]";
    exercise(
        "plan",
        &[plan, "pick a ; stack a b ; unstack c d ; put c"],
        N,
        bodies::blocksworld_plan,
    );
    exercise("row", &[STATE], N, bodies::blocksworld_row);
}

const ANSWERS: [&str; 12] = [
    "\\frac{\\sqrt{3}}{2}\n\\sqrt{3/4}",
    "[0, 1) \\cup (2, \\infty)\n0 \\le x < 1 or x > 2",
    "x^2 - 2x + 1\n(x-1)^2",
    "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}\n[[1,2],[3,4]]",
    "\\{1, 2, 3\\}\n3, 2 and 1",
    "12\\frac{1}{2}\\%\n0.125",
    "\\$1,000.50\n1000.5 dollars",
    "1101_2\n13_{10}",
    "y = 2x + 3\n2x - y = -3",
    "\\text{Monday}\nmonday",
    "3 + 4i\n4i + 3",
    "0.\\overline{36}\n4/11",
];

#[test]
fn the_targets_of_the_graders_find_nothing() {
    exercise("math", &ANSWERS, N, bodies::math);
    let texts = [
        "so $x = \\boxed{\\frac{1}{2}}$.",
        "The final answer is $\\frac12$. I hope it is correct.",
        "<answer>\\boxed{1}, \\boxed{2}</answer>",
        "18\nShe earns $1,800 a week, so 18.",
        "#### 42",
    ];
    exercise("extract", &texts, N, bodies::final_answer);
    exercise("gsm8k", &texts, N, bodies::numbers);
    let texts = ["The answer is (C) 5 km", "**B**", "Option D, not E", "\\boxed{\\text{A}}"];
    exercise("aqua", &texts, N, bodies::choices);
}

const ROWS: &str = r#"{"id":1,"task":"countdown","numbers":[2,3],"target":6,"text":"2 * 3"}
{"id":"b","task":"math","gold":"\\frac{1}{2}","completion":" so</think><answer>0.5</answer>"}
{"task":"aqua","answer":"C","pred":"(C)"}
{"problem":"How much?","solution":"\\boxed{2}","level":"Level 3"}
"#;

#[test]
fn the_targets_of_rows_find_nothing() {
    exercise("stream", &[ROWS], N, |text| bodies::score_stream(text.as_bytes()));
    exercise("data", &[ROWS], N / 10, |text| bodies::data(text.as_bytes()));
    // Bytes that are no text.
    let mut rng = RootSeed(8).stream("bytes", &[]);
    for _ in 0..N / 10 {
        let mut bytes = changed(&[ROWS], &mut rng).into_bytes();
        for _ in 0..4 {
            let at = rng.random_range(0..=bytes.len());
            bytes.insert(at, rng.random_range(0..=255));
        }
        bodies::score_stream(&bytes);
        bodies::data(&bytes);
    }
}
