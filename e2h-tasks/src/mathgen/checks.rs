//! The second computation of every answer, and what holds of all items.
//!
//! Each check starts from the numbers of the statement, or from its text, and reaches the answer by another way than
//! the template: by listing all cases, by inserting the answer, by another theorem, by numeric geometry.

mod algebra;
mod arithmetic;
mod counting;
mod exact;
mod expression;
mod geometry;
mod intermediate;
mod number_theory;
mod precalculus;

use std::collections::{HashMap, HashSet};

use e2h_core::{Error, Level, Outcome, RootSeed, Split, Stream, Task};
use num_rational::BigRational;

use self::exact::{big, close, dot, float, formulas, leibniz, minus, over, polynomial, product, r};
use super::value::{Rational, Surd, Value};
use super::{Item, MathGenConfig, MathGenTask, Subject, Template, templates};

/// An exact number without bounds.
type R = BigRational;
/// Says by a second method whether an item's answer is right.
type Check = fn(&Item) -> bool;

/// Items of each template and level that are computed twice.
const N: usize = 300;

fn checks() -> HashMap<&'static str, Check> {
    let parts: [&[(&str, Check)]; 7] = [
        &arithmetic::CHECKS,
        &algebra::CHECKS,
        &number_theory::CHECKS,
        &counting::CHECKS,
        &geometry::CHECKS,
        &intermediate::CHECKS,
        &precalculus::CHECKS,
    ];
    parts.into_iter().flatten().copied().collect()
}

fn stream(name: &str, level: u16) -> Stream {
    RootSeed(5)
        .stream("mathgen/checks", &[u64::from(level), e2h_core::stable_hash("t", name.as_bytes())])
}

/// `n` items of each template at each of its levels.
fn each(n: usize, mut look: impl FnMut(&Template, u16, &Item)) {
    for template in templates() {
        for level in template.first..=template.last {
            let mut rng = stream(template.name, level);
            for _ in 0..n {
                let item = template.item(Level(level), &mut rng).expect("an item");
                look(template, level, &item);
            }
        }
    }
}

fn task() -> MathGenTask {
    MathGenTask::new(MathGenConfig::default()).expect("valid")
}

#[test]
fn every_answer_is_found_again_by_a_second_method() {
    let checks = checks();
    assert_eq!(checks.len(), templates().count());
    each(N, |template, level, item| {
        assert!(checks[template.name](item), "{} of level {level}: {item:#?}", template.name);
    });
}

#[test]
fn a_wrong_answer_is_found_out_by_the_second_method() {
    let checks = checks();
    let one = Rational::from(1);
    each(20, |template, level, item| {
        let shift = |surd: &Surd| Surd::new(surd.rational + one, surd.coefficient, surd.radicand);
        let shifted = |surds: &[Surd]| surds.iter().map(shift).collect::<Vec<_>>();
        let wrong = match &item.value {
            Value::Number(n) => Value::Number(n + one),
            Value::Pi(n) => Value::Pi(n + one),
            Value::Surd(surd) => Value::Surd(surd.scaled(Rational::new(3, 2))),
            Value::Point(surds) => Value::Point(shifted(surds)),
            Value::List(surds) => Value::List(shifted(surds)),
            Value::Complex(re, im) => Value::Complex(shift(re), *im),
            Value::Polynomial(c) => Value::Polynomial(c.iter().map(|c| c + one).collect()),
            Value::Matrix(rows) => Value::Matrix(
                rows.iter().map(|row| row.iter().map(|c| c + one).collect()).collect(),
            ),
            Value::Numeral { digits, base } => {
                Value::Numeral { digits: [&digits[..], &[1]].concat(), base: *base }
            }
            Value::Intervals(parts) => Value::Intervals(parts[1..].to_vec()),
        };
        let item = Item { value: wrong, ..item.clone() };
        assert!(!checks[template.name](&item), "{} of level {level}: {item:#?}", template.name);
    });
}

#[test]
fn statements_show_the_given_numbers_and_are_well_formed() {
    each(100, |template, _, item| {
        let text = &item.statement;
        let digits: Vec<&str> =
            text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect();
        let mut shown: Vec<i128> = digits.iter().map(|d| d.parse().expect("digits")).collect();
        for number in item.given.iter().map(|n| n.abs()).filter(|&n| n > 1) {
            let at = shown.iter().position(|&n| n == number);
            shown
                .swap_remove(at.unwrap_or_else(|| panic!("{}: {number} in {text}", template.name)));
        }
        for text in [text, &item.answer, &item.steps] {
            assert!(is_balanced(text), "{}: {text}", template.name);
        }
        assert!(!item.answer.contains('$') && item.answer == item.value.latex());
        for odd in ["+ -", "- -", "--", " 1x", "$1x", "(1x", "{1x", "{}", "  ", "+ 0"] {
            assert!(!text.contains(odd), "{}: `{odd}` in {text}", template.name);
        }
        assert!(text.ends_with(['.', '?', '$', '}']), "{}: {text}", template.name);
    });
}

/// Braces nest, `\left` and `\right` and environments pair up, dollars are even in number.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    for c in text.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth < 0 {
            return false;
        }
    }
    let count = |word: &str| text.matches(word).count();
    let pairs = [("\\begin{", "\\end{"), ("\\left(", "\\right)"), ("\\left[", "\\right]")];
    let sized = count("\\left(") + count("\\left[") == count("\\right)") + count("\\right]");
    depth == 0
        && count("$").is_multiple_of(2)
        && count("$$").is_multiple_of(2)
        && count(pairs[0].0) == count(pairs[0].1)
        && sized
}

#[test]
fn the_same_question_reads_the_same_word_for_word() {
    let mut seen: HashMap<(&str, u16, Vec<i128>), String> = HashMap::new();
    each(500, |template, _, item| {
        let key = (template.name, item.variant, item.given.clone());
        let text = seen.entry(key).or_insert_with(|| item.statement.clone());
        assert_eq!(*text, item.statement);
    });
}

#[test]
fn numbers_stay_far_from_the_bounds_of_128_bits() {
    let bound = 1_i128 << 80;
    each(200, |template, _, item| {
        let all = match &item.value {
            Value::Number(n) | Value::Pi(n) => vec![*n],
            Value::Polynomial(n) => n.clone(),
            Value::Matrix(rows) => rows.concat(),
            Value::Intervals(_) | Value::Numeral { .. } => Vec::new(),
            _ => item.surds().iter().flat_map(|s| [s.rational, s.coefficient]).collect(),
        };
        let small = |n: &Rational| n.numer().abs() < bound && *n.denom() < bound;
        assert!(all.iter().all(small), "{}: {}", template.name, item.answer);
    });
}

#[test]
fn there_are_templates_for_every_level_of_every_subject() {
    assert!(templates().count() >= 45);
    let names: HashSet<&str> = templates().map(|t| t.name).collect();
    assert_eq!(names.len(), templates().count());
    for subject in Subject::ALL {
        assert!(templates().filter(|t| t.subject == subject).count() >= 5, "{subject}");
        for level in 0..5 {
            let mut served = templates().filter(|t| t.subject == subject && t.serves(Level(level)));
            assert!(served.next().is_some(), "{subject} has nothing for level {level}");
        }
    }
    for level in 0..5 {
        assert!(templates().filter(|t| t.serves(Level(level))).count() >= 8);
    }
}

#[test]
fn the_kinds_of_answers_are_mixed() {
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    let (task, mut rng, n) = (task(), RootSeed(8).stream("kinds", &[]), 5_000);
    for i in 0..n {
        let item = task.item(Level(i % 5), &mut rng).expect("an item");
        *kinds.entry(item.value.kind()).or_default() += 1;
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    assert!(kinds.values().all(|&count| 2 * count < usize::from(n)), "{kinds:?}");
}

#[test]
fn work_rises_with_the_level_over_all_templates_and_within_each() {
    let mut sums = [(0, 0); 5];
    let mut means: HashMap<(&str, u16), f64> = HashMap::new();
    each(300, |template, level, item| {
        let sum = &mut sums[usize::from(level)];
        *sum = (sum.0 + item.work, sum.1 + 1);
        *means.entry((template.name, level)).or_default() += item.work as f64 / 300.0;
    });
    let overall = sums.map(|(work, n)| work as f64 / f64::from(n));
    assert!(overall.windows(2).all(|w| w[1] > 1.3 * w[0]), "{overall:?}");
    let mut falls = Vec::new();
    for template in templates() {
        for level in template.first..template.last {
            let pair = [level, level + 1].map(|level| means[&(template.name, level)]);
            if pair[0] >= pair[1] {
                falls.push((template.name, level, pair));
            }
        }
    }
    assert!(falls.is_empty(), "{falls:?}");
}

#[test]
fn the_most_frequent_answer_of_a_level_is_seldom_right() {
    let task = task();
    for level in 0..5 {
        let mut rng = RootSeed(3).stream("guess", &[u64::from(level)]);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for _ in 0..2_000 {
            let answer = task.item(Level(level), &mut rng).expect("an item").answer;
            *counts.entry(answer).or_default() += 1;
        }
        let most = counts.values().max().copied().unwrap_or(0);
        assert!(most * 100 <= 2_000 * 4, "{most} of 2,000 answers of level {level} are the same");
    }
}

#[test]
fn at_least_95_of_100_statements_of_a_level_are_different() {
    let task = task();
    for level in 0..5 {
        let mut rng = RootSeed(3).stream("distinct", &[u64::from(level)]);
        let draw = |_| task.generate(Level(level), Split::Train, &mut rng).expect("a problem");
        let texts: HashSet<String> = (0..2_000).map(draw).map(|p| p.question.to_string()).collect();
        assert!(texts.len() >= 1_900, "level {level}: {} of 2,000", texts.len());
    }
}

#[test]
fn the_same_stream_gives_the_same_problems_and_the_splits_are_disjoint() {
    let task = task();
    let draw = |split, level: u16| -> Vec<_> {
        let mut rng = RootSeed(9).stream("split", &[u64::from(level)]);
        (0..300).map(|_| task.generate(Level(level), split, &mut rng).expect("a problem")).collect()
    };
    for level in 0..5 {
        let (train, test) = (draw(Split::Train, level), draw(Split::Test, level));
        assert_eq!(train, draw(Split::Train, level));
        let canonical = |p: &e2h_core::Problem| task.canonical(p).expect("well formed");
        let train: HashSet<String> = train.iter().map(canonical).collect();
        assert!(train.iter().all(|text| Split::of(text) == Split::Train));
        assert!(
            test.iter()
                .all(|p| !train.contains(&canonical(p)) && Split::of(&canonical(p)) == Split::Test)
        );
    }
}

#[test]
fn the_answer_scores_in_full_and_others_do_not() {
    let (task, mut rng) = (task(), RootSeed(2).stream("score", &[]));
    for i in 0..500 {
        let problem = task.generate(Level(i % 5), Split::Test, &mut rng).expect("a problem");
        let answer = problem.answer.as_str().expect("a text");
        let frame = |answer: &str| format!(" so</think>\n<answer> {answer} </answer>");
        let right = task.score(&problem, &frame(answer));
        assert!(right.is_correct() && (right.reward - 1.0).abs() < 1e-12, "{problem:?}");
        assert!(task.score_answer(&problem, answer).is_correct());
        let wrong = task.score(&problem, &frame(&format!("{answer} + 1")));
        assert_eq!(wrong.outcome, Outcome::Wrong);
        assert!((wrong.reward - 0.1).abs() < 1e-12);
        let bare = task.score(&problem, answer);
        assert_eq!((bare.outcome, bare.reward), (Outcome::BadFormat, 0.0));
    }
}

#[test]
fn prompts_end_in_the_common_prefix_and_malformed_rows_are_named() {
    let (task, mut rng) = (task(), RootSeed(2).stream("prompt", &[]));
    let mut problem = task.generate(Level(2), Split::Train, &mut rng).expect("a problem");
    let prompt = task.prompt(&problem).expect("well formed");
    assert_eq!(prompt.assistant_prefix, "Let me solve this step by step.\n<think>");
    assert!(
        prompt.system.is_some()
            && prompt.user.starts_with(problem.question.as_str().expect("text"))
    );
    problem.answer = 3.into();
    assert!(matches!(task.score_answer(&problem, "3").outcome, Outcome::Unverifiable { .. }));
    problem.question = 3.into();
    assert!(task.prompt(&problem).is_err() && task.canonical(&problem).is_err());
    let error = task.generate(Level(5), Split::Train, &mut rng);
    assert!(matches!(error, Err(Error::NoSuchLevel { level: 5, last: 4, .. })));
}

#[test]
fn subjects_can_be_chosen_and_bad_choices_are_refused() {
    let config = |subjects: &[Subject]| MathGenConfig {
        subjects: subjects.to_vec(),
        ..MathGenConfig::default()
    };
    for subject in Subject::ALL {
        let task = MathGenTask::new(config(&[subject])).expect("valid");
        let mut rng = RootSeed(4).stream("subject", &[]);
        for level in 0..5 {
            assert_eq!(task.item(Level(level), &mut rng).expect("an item").subject, subject);
        }
    }
    assert!(MathGenTask::new(config(&[])).is_err());
    let bad =
        MathGenConfig { format_weight: f64::NAN, ..config(&[Subject::Algebra, Subject::Algebra]) };
    assert_eq!(bad.validate().len(), 2);
    assert!(serde_json::from_str::<MathGenConfig>(r#"{"subject": []}"#).is_err());
}
