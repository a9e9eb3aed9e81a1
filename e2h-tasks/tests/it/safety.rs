//! A verdict in time for every text, from every verifier: work is counted, so that no clock is needed.

use std::time::Duration;

use e2h_core::{Level, Outcome, Problem, RootSeed, Split, Task};
use e2h_tasks::math::{self, extract, grade};
use e2h_tasks::registry;
use e2h_tasks::score_stream::Scorer;
use serde_json::{Map, Value, json};

use crate::bombs::bombs;
use crate::watch::Watch;

/// The longest that a verdict may take; the quickest of a few tries counts.
const LIMIT: Duration = Duration::from_millis(10);
/// Tries before a verdict counts as late.
const TRIES: usize = 8;

/// Fails when `verdict` takes longer than [`LIMIT`] each time.
fn in_time<T>(what: &str, verdict: impl Fn() -> T) -> T {
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let start = Watch::start();
        let found = verdict();
        least = least.min(start.elapsed());
        if least <= LIMIT {
            return found;
        }
    }
    panic!("{what} takes {least:?} or longer");
}

/// A problem of every preset, with an answer text where the task has no generator.
fn asked() -> Vec<(&'static str, Box<dyn Task>, Problem)> {
    let build = |name| {
        let task = registry::task(name).expect("a preset");
        let mut rng = RootSeed(3).stream("safety", &[]);
        let row = |answer: Value| Problem {
            id: String::new(),
            task: task.name().to_owned(),
            level: Level(0),
            question: json!("How much is it?"),
            answer,
            solution: None,
            extra: Map::new(),
        };
        let problem = match name {
            "math" => row(json!("\\frac{\\sqrt{3}}{2}")),
            "gsm8k" => row(json!("18")),
            "aqua" => row(json!("C")),
            _ => task.generate(Level(2), Split::Train, &mut rng).expect("a problem"),
        };
        (name, task, problem)
    };
    registry::task_names().into_iter().map(build).collect()
}

#[test]
fn every_task_judges_hurtful_texts_in_time_and_never_as_right() {
    let bombs = bombs();
    for (name, task, problem) in asked() {
        for (bomb, text) in &bombs {
            let what = format!("{name}: {bomb}");
            let framed = format!(" so</think>\n<answer>{text}</answer>");
            let scores = [
                in_time(&what, || task.score_answer(&problem, text)),
                in_time(&what, || task.score(&problem, text)),
                in_time(&what, || task.score(&problem, &framed)),
            ];
            // A text of choices may well name the right one.
            let may_be_right = name == "aqua" && bomb.contains("choices");
            for score in scores {
                assert!(may_be_right || !score.is_correct(), "{what}: {}", score.reason);
            }
            in_time(&what, || task.explain(&problem, text));
        }
    }
}

#[test]
fn the_graders_judge_hurtful_texts_in_time_whatever_the_gold_answer() {
    let golds = [
        "5",
        "\\frac{\\sqrt{3}}{2}",
        "x^2+1",
        "(1,2)",
        "\\text{ellipse}",
        "\\{1,2\\}",
        "x>3",
        "\\sqrt{2}+\\pi",
    ];
    for (bomb, text) in bombs() {
        for gold in golds {
            let what = format!("{bomb} for {gold}");
            let verdict = in_time(&what, || grade(gold, &text));
            // Commas before a number say nothing: what follows is the answer.
            let is_right = bomb == "commas before a number" && gold == "5";
            let found = verdict.outcome == math::Outcome::Equal;
            assert_eq!(found, is_right, "{what}: {}", verdict.reason);
            in_time(&format!("{gold} for {bomb}"), || grade(&text, gold));
        }
        let other = format!("{text} ");
        in_time(bomb, || grade(&text, &other));
        in_time(bomb, || extract(&text));
        in_time(bomb, || math::gsm8k::grade("5", &text));
        in_time(bomb, || math::aqua::grade("A", &text));
    }
}

#[test]
fn hurtful_rows_are_judged_in_time_or_refused() {
    let nested = |n: usize| "(".repeat(n) + "1" + &")".repeat(n);
    let numbers: Vec<u64> = (0..1_000).map(|i| u64::MAX - i).collect();
    let product = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("/");
    let harmonic = numbers.iter().map(u64::to_string).collect::<Vec<_>>();
    let harmonic = harmonic.chunks(2).map(|pair| pair.join("/")).collect::<Vec<_>>().join("+");
    let blocks: Vec<String> = (0..24).map(|i| format!("the b{i} block")).collect();
    let table =
        blocks.iter().map(|x| format!("{x} is on the table")).collect::<Vec<_>>().join(", ");
    let tower = blocks.windows(2).map(|pair| format!("{} is on top of {}", pair[0], pair[1]));
    let tower = tower.collect::<Vec<_>>().join(", ");
    // The right plan, with a detour, so that a shorter one is searched for.
    let mut plan = "pick up the b0 block\nput down the b0 block\n".to_owned();
    for pair in blocks.windows(2).rev() {
        plan += &format!("pick up {}\nstack {} on top of {}\n", pair[0], pair[0], pair[1]);
    }
    let long = table.repeat(10_000);
    let rows = [
        (
            "correct",
            json!({"task": "countdown", "numbers": [1], "target": 1, "text": nested(30_000)}),
        ),
        (
            "wrong",
            json!({"task": "countdown", "numbers": [1], "target": 1, "text": nested(100_000)}),
        ),
        ("wrong", json!({"task": "countdown", "numbers": numbers, "target": 1, "text": product})),
        ("wrong", json!({"task": "countdown", "numbers": numbers, "target": 1, "text": harmonic})),
        (
            "unverifiable",
            json!({"task": "countdown", "numbers": vec![1; 5_000], "target": 1, "text": "1"}),
        ),
        ("correct", json!({"task": "blocksworld", "init": table, "goal": tower, "text": plan})),
        ("unverifiable", json!({"task": "blocksworld", "init": long, "goal": tower, "text": plan})),
        ("unverifiable", json!({"task": "blocksworld", "init": table, "goal": long, "text": plan})),
        ("wrong", json!({"task": "math", "answer": "9^{9^{9^9}}", "text": "1"})),
        ("unverifiable", json!({"task": "math", "answer": nested(4_000), "text": "2"})),
    ];
    let scorer = Scorer::new().explaining(true);
    for (outcome, row) in rows {
        let line = row.to_string();
        let what: String = line.chars().take(200).collect();
        let verdict = in_time(&what, || scorer.score_line(&line)).expect("a row");
        let known = verdict.outcome == outcome || verdict.outcome == "unverifiable";
        assert!(known, "{what}: {} {}", verdict.outcome, verdict.reason);
    }
}

#[test]
fn what_cannot_be_decided_is_told_from_what_is_wrong_and_from_a_bad_format() {
    let scorer = Scorer::named("math").expect("known");
    let outcome = |key: &str, text: &str| {
        let row = json!({"answer": "3^{1000000008}", key: text});
        scorer.score_line(&row.to_string()).expect("a row").outcome
    };
    assert_eq!(outcome("text", "9^{9^{9^9}}"), "unverifiable");
    assert_eq!(outcome("text", "3^{1000000008}"), "correct");
    assert_eq!(outcome("text", "\\text{cat}"), "wrong");
    assert_eq!(outcome("completion", "9^{9^{9^9}}"), "bad_format");
    let (_, task, problem) = asked().swap_remove(0);
    let mut bad = problem;
    bad.question = json!("not numbers");
    assert!(matches!(task.score_answer(&bad, "1").outcome, Outcome::Unverifiable { .. }));
}
