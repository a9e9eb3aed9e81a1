//! What the fuzz targets do with a text, one function a target.
//!
//! The fuzzer calls them with what it makes up; a test of `e2h-tasks` calls them with a few thousand texts of its own, so
//! they run everywhere.

use std::io::Write as _;
use std::sync::LazyLock;

use e2h_core::{Level, Problem, RootSeed, Split, Task};
use e2h_tasks::countdown::{Op, expr};
use e2h_tasks::data::{DataSpec, OnBadRow, load};
use e2h_tasks::math::{Options, Outcome, aqua, explain, extract, grade, grade_texts, gsm8k};
use e2h_tasks::score_stream::{ScoreOptions, Scorer};
use e2h_tasks::{format, registry};

/// The text before the first line feed and the text after it; twice the text where there is none.
fn two_lines(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, text))
}

/// The verifier of Countdown expressions, and what it says of their value.
pub fn countdown(text: &str) {
    let numbers = [1, 2, 3, 7, 25, 100];
    let verdict = expr::check(text, &numbers, 24, &Op::ALL);
    let value = expr::value(text, &numbers, &Op::ALL);
    assert_eq!(verdict.is_ok(), value.as_deref() == Ok("24"));
}

/// The reader of completions.
pub fn completion(text: &str) {
    if let Ok(answer) = format::answer(text) {
        assert!(!answer.is_empty() && text.contains(answer));
    }
}

static BLOCKS: LazyLock<Vec<(Box<dyn Task>, Problem)>> = LazyLock::new(|| {
    let build = |name| {
        let task = registry::task(name).expect("a known task");
        let mut rng = RootSeed(0).stream("fuzz", &[]);
        let problem = task.generate(Level(2), Split::Train, &mut rng).expect("a problem");
        (task, problem)
    };
    vec![build("blocksworld"), build("blocksworld-nano")]
});

/// The verifier of Blocksworld plans, in both wordings.
pub fn blocksworld_plan(text: &str) {
    for (task, problem) in BLOCKS.iter() {
        let score = task.score_answer(problem, text);
        assert!(score.reward.is_finite() && score.reward >= 0.0);
        let _ = task.explain(problem, text);
    }
}

/// The reader of Blocksworld states and goals: a line each.
pub fn blocksworld_row(text: &str) {
    let (question, answer) = two_lines(text);
    let (task, problem) = &BLOCKS[0];
    let row = Problem { question: question.into(), answer: answer.into(), ..problem.clone() };
    let canonical = task.canonical(&row);
    assert_eq!(canonical.is_ok(), task.prompt(&row).is_ok());
    for solution in [None, problem.solution.clone()] {
        let row = Problem { solution, ..row.clone() };
        let score = task.score_answer(&row, "pick up the red block\nput down the red block");
        assert!(canonical.is_ok() || score.outcome.name() == "unverifiable");
    }
}

/// The grader of mathematics: gold answer and answer, a line each.
pub fn math(text: &str) {
    let (gold, pred) = two_lines(text);
    let verdict = grade(gold, pred);
    assert_eq!(verdict, grade(gold, pred));
    assert_eq!(explain(gold, pred).len(), 3);
    if gold == pred && gold.contains(|c: char| c.is_ascii_alphanumeric()) {
        assert_ne!(verdict.outcome, Outcome::Different);
    }
}

/// The search for the final answer in a text.
pub fn final_answer(text: &str) {
    let _ = extract(text);
    let _ = grade_texts("$\\frac{1}{2}$", text, Options::default());
}

/// The grader of GSM8K answers: gold answer and text, a line each.
pub fn numbers(text: &str) {
    let (gold, said) = text.split_once('\n').unwrap_or(("18", text));
    let _ = gsm8k::grade(gold, said);
}

/// The grader of choices.
pub fn choices(text: &str) {
    let n_chosen =
        ["A", "B", "C", "D", "E"].iter().filter(|gold| aqua::grade(gold, text).is_equal());
    assert!(n_chosen.count() <= 1);
}

static SCORER: LazyLock<Scorer> = LazyLock::new(|| Scorer::new().explaining(true));

/// The stream of rows: any bytes.
pub fn score_stream(bytes: &[u8]) {
    let mut verdicts = Vec::new();
    let options = ScoreOptions::default();
    let counts =
        e2h_tasks::score_stream::score_stream(&SCORER, options, bytes, &mut verdicts, |_| ());
    let counts = counts.expect("memory can be read and written");
    let n_verdicts = verdicts.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(counts.n_lines, counts.n_blank + counts.n_bad + n_verdicts);
}

/// The readers of rows: a file of any bytes.
pub fn data(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("e2h-fuzz-{}.jsonl", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("writable");
    file.write_all(bytes).expect("writable");
    let spec = DataSpec {
        task: Some("math".to_owned()),
        level: Some(Level(0)),
        bad_rows: OnBadRow::Collect,
        ..DataSpec::at(path.display().to_string())
    };
    if let Ok(rows) = load(&spec) {
        assert_eq!(rows.report.n_read, rows.len() + rows.report.bad.len());
    }
    // A folder for temporary files that loses one is no finding.
    let _ = std::fs::remove_file(&path);
}
