//! Properties of the parsers and verifiers on inputs drawn at random, against code that shares nothing with them.

use std::collections::BTreeSet;

use e2h_core::{Level, Problem, RootSeed, Split, Task};
use e2h_tasks::blocksworld::planner::{Search, shortest_plan};
use e2h_tasks::blocksworld::{Blocksworld, BlocksworldConfig};
use e2h_tasks::countdown::solver::{Arithmetic, Solver};
use e2h_tasks::countdown::{Op, expr};
use e2h_tasks::data::{DataSpec, OnBadRow, load};
use e2h_tasks::format;
use e2h_tasks::math::{aqua, gsm8k};
use proptest::prelude::*;

use crate::simulators::blocksworld_holds;

/// A fraction in lowest terms with a positive denominator.
type Fraction = (i128, i128);

fn fraction(num: i128, den: i128) -> Option<Fraction> {
    let gcd = |mut a: i128, mut b: i128| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a.abs().max(1)
    };
    let divisor = gcd(num, den) * den.signum();
    (den != 0).then(|| (num / divisor, den / divisor))
}

fn combined(op: char, (a, b): Fraction, (c, d): Fraction) -> Option<Fraction> {
    match op {
        '+' => fraction(a * d + c * b, b * d),
        '-' => fraction(a * d - c * b, b * d),
        '*' => fraction(a * c, b * d),
        _ => fraction(a * d, b * c),
    }
}

/// An expression with the numbers that it uses and its value, if it has one.
#[derive(Clone, Debug)]
struct Expression {
    text: String,
    numbers: Vec<u64>,
    value: Option<Fraction>,
}

/// Expressions with every operand in brackets, or signed, or spaced.
fn expressions() -> impl Strategy<Value = Expression> {
    let leaf = (1_u64..30).prop_map(|n| Expression {
        text: n.to_string(),
        numbers: vec![n],
        value: Some((i128::from(n), 1)),
    });
    leaf.prop_recursive(4, 12, 2, |inner| {
        let ops = prop::sample::select(vec!['+', '-', '*', '/']);
        (inner.clone(), ops, inner, 0..4).prop_map(|(a, op, b, dress)| {
            let numbers = [a.numbers, b.numbers].concat();
            let value = a.value.zip(b.value).and_then(|(x, y)| combined(op, x, y));
            let text = match dress {
                0 => format!("({}){op}({})", a.text, b.text),
                1 => format!(" ( {} )  {op}\t( {} )", a.text, b.text),
                2 => format!("(({})){op}(+({}))", a.text, b.text),
                _ => format!("-(-({})){op}--({})", a.text, b.text),
            };
            Expression { text, numbers, value }
        })
    })
}

/// Every value of every way to combine all `values`, two at a time.
fn all_values(values: &[Fraction], found: &mut BTreeSet<Fraction>) {
    if let [value] = values {
        found.insert(*value);
        return;
    }
    for i in 0..values.len() {
        for j in (0..values.len()).filter(|&j| j != i) {
            let rest = values.iter().enumerate().filter(|(k, _)| *k != i && *k != j);
            let rest: Vec<Fraction> = rest.map(|(_, value)| *value).collect();
            for op in ['+', '-', '*', '/'] {
                if let Some(value) = combined(op, values[i], values[j]) {
                    all_values(&[&rest[..], &[value]].concat(), found);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn an_expression_is_right_for_its_own_value_and_numbers_and_for_no_others(e in expressions()) {
        let check = |numbers: &[u64], target| expr::check(&e.text, numbers, target, &Op::ALL);
        match e.value {
            None => prop_assert_eq!(check(&e.numbers, 1), Err(expr::Fault::DivisionByZero)),
            Some((value, 1)) => {
                prop_assert_eq!(check(&e.numbers, value), Ok(()));
                prop_assert_eq!(check(&e.numbers, value + 1), Err(expr::Fault::Value));
                let more = [&e.numbers[..], &[7]].concat();
                prop_assert_eq!(check(&more, value), Err(expr::Fault::Unused));
                prop_assert_eq!(check(&e.numbers[1..], value), Err(expr::Fault::NotGiven));
            }
            Some((value, over)) => {
                prop_assert_eq!(check(&e.numbers, value / over), Err(expr::Fault::Value));
                let text = expr::value(&e.text, &e.numbers, &Op::ALL);
                prop_assert_eq!(text, Ok(format!("{value}/{over}")));
            }
        }
    }

    #[test]
    fn a_broken_expression_is_never_right(e in expressions(), at in any::<prop::sample::Index>(), with in "[(){}a^.%=]") {
        let mut text = e.text.clone();
        text.insert_str(at.index(text.len() + 1), &with);
        if let Some((value, 1)) = e.value {
            prop_assert!(expr::check(&text, &e.numbers, value, &Op::ALL).is_err(), "{}", text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_solver_reaches_what_trying_everything_reaches(numbers in prop::collection::vec(1_u64..14, 1..5)) {
        let mut found = BTreeSet::new();
        let values: Vec<Fraction> = numbers.iter().map(|&n| (i128::from(n), 1)).collect();
        all_values(&values, &mut found);
        let whole = found.iter().filter(|(num, den)| *den == 1 && *num >= 0);
        let expected: Vec<u64> = whole.map(|(num, _)| *num as u64).collect();
        let mut solver = Solver::new(&Op::ALL, Arithmetic::Exact);
        prop_assert_eq!(&solver.reachable(&numbers), &expected);
        for &target in expected.iter().step_by(expected.len() / 8 + 1) {
            let text = solver.solve(&numbers, target as i64).expect("reachable");
            prop_assert_eq!(expr::check(&text, &numbers, i128::from(target), &Op::ALL), Ok(()));
            prop_assert!(solver.count(&numbers, target as i64) > 0);
        }
        let beyond = expected.last().map_or(1, |last| last + 1);
        prop_assert_eq!(solver.count(&numbers, beyond as i64), 0);
    }

    #[test]
    fn plans_with_lines_changed_are_right_where_another_simulator_finds_them_so(
        seed in 0_u64..1000, level in 0_u16..5, changes in prop::collection::vec((0_usize..8, 0_usize..8, 0..3), 0..3),
    ) {
        let task = Blocksworld::new(BlocksworldConfig::default()).expect("valid");
        let mut rng = RootSeed(seed).stream("properties", &[]);
        let problem = task.generate(Level(level), Split::Train, &mut rng).expect("a problem");
        let plan = problem.solution.as_ref().and_then(|plan| plan.as_str()).expect("a plan");
        let mut lines: Vec<String> = plan.lines().map(str::to_owned).collect();
        for (from, to, change) in changes {
            let (from, to) = (from % lines.len(), to % lines.len());
            match change {
                0 => lines.swap(from, to),
                1 => lines[from] = lines[to].clone(),
                _ => lines.insert(from, lines[to].clone()),
            }
        }
        let answer = lines.join("\n");
        let score = task.score_answer(&problem, &answer);
        prop_assert_eq!(score.is_correct(), blocksworld_holds(&problem, &answer), "{}", answer);
        if score.is_correct() {
            // The reference plan is a shortest one.
            let n_shortest = plan.lines().count() as f64;
            prop_assert_eq!(score.reward, 1.0 + n_shortest / lines.len() as f64);
        }
    }

    #[test]
    fn a_row_reads_back_whatever_the_order_and_case_of_its_facts(seed in 0_u64..1000, turn in 0_usize..40) {
        let task = Blocksworld::new(BlocksworldConfig::default()).expect("valid");
        let mut rng = RootSeed(seed).stream("properties", &[]);
        let problem = task.generate(Level(2), Split::Test, &mut rng).expect("a problem");
        let question = problem.question.as_str().expect("a text");
        let mut facts: Vec<&str> = question.split(", ").flat_map(|part| part.split(" and ")).collect();
        let n_facts = facts.len();
        facts.rotate_left(turn % n_facts);
        for joint in [", ", " and ", "\n", ".\nand also "] {
            let other = Problem { question: facts.join(joint).into(), ..problem.clone() };
            prop_assert_eq!(task.canonical(&other).expect("a state"), task.canonical(&problem).expect("a state"));
        }
        let instance = Blocksworld::instance(&problem).expect("well formed");
        let Search::Plan(plan) = shortest_plan(&instance.start, &instance.goal, 12, 100_000) else {
            return Err(TestCaseError::fail("no plan"));
        };
        prop_assert_eq!(plan.len(), task.config().levels[2]);
    }
}

/// Tags and other pieces of completions.
fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
    let pieces = [
        "</think>",
        "<answer>",
        "</answer>",
        "<think>",
        "x",
        " ",
        "\n",
        "<",
        "2 * 3",
        "\u{200b}",
        "</",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..9)
}

/// The answer of a completion by counting tags, in texts of the pieces above.
fn counted_answer(text: &str) -> Option<&str> {
    let once = |tag: &str| text.matches(tag).count() == 1;
    if text.contains("<think>") || !["</think>", "<answer>", "</answer>"].into_iter().all(once) {
        return None;
    }
    let (thought, rest) = text.split_once("</think>")?;
    let (between, rest) = rest.split_once("<answer>")?;
    let (answer, after) = rest.split_once("</answer>")?;
    let blank = |text: &str| text.trim().is_empty();
    let says = |text: &str| text.contains(|c: char| !c.is_whitespace() && c != '\u{200b}');
    (says(thought) && blank(between) && says(answer) && blank(after)).then(|| answer.trim())
}

proptest! {
    #[test]
    fn the_format_is_what_counting_tags_says(pieces in pieces()) {
        let text = pieces.concat();
        prop_assert_eq!(format::answer(&text).ok(), counted_answer(&text), "{}", text);
    }

    #[test]
    fn a_number_is_read_in_every_dress_and_no_other_number_is_taken_for_it(n in 0_u64..2_000_000, other in 1_u64..99) {
        let digits = n.to_string();
        let groups: Vec<String> = digits.as_bytes().rchunks(3).rev().map(|g| String::from_utf8_lossy(g).into_owned()).collect();
        let grouped = groups.join(",");
        for said in [
            digits.clone(),
            format!("${grouped}"),
            format!("\\boxed{{{digits}}}"),
            format!("**{grouped}**"),
            format!("{digits}.00"),
            format!("The answer is {grouped}."),
            format!("So she pays {digits} dollars in all."),
        ] {
            prop_assert!(gsm8k::grade(&digits, &said).is_equal(), "{}", said);
            prop_assert!(!gsm8k::grade(&(n + other).to_string(), &said).is_equal(), "{}", said);
        }
    }

    #[test]
    fn a_letter_is_read_in_every_dress_and_two_letters_choose_nothing(at in 0_usize..5, step in 1_usize..5, said in "[f-z]{4,8}") {
        let letters = ["A", "B", "C", "D", "E"];
        let (letter, other) = (letters[at], letters[(at + step) % 5]);
        for text in [
            letter.to_owned(),
            format!("({letter})"),
            format!("{letter}) {said}"),
            format!("\\boxed{{\\text{{{letter}}}}}"),
            format!("Option {letter}"),
            format!("The answer is {letter}."),
        ] {
            prop_assert!(aqua::grade(letter, &text).is_equal(), "{}", text);
            prop_assert!(!aqua::grade(other, &text).is_equal(), "{}", text);
        }
        for text in [format!("{letter} or {other}"), format!("{letter}, {other}"), format!("not {letter}")] {
            prop_assert!(!letters.iter().any(|gold| aqua::grade(gold, &text).is_equal()), "{}", text);
        }
    }

    #[test]
    fn every_line_of_a_file_of_rows_is_kept_or_reported(lines in prop::collection::vec(row_lines(), 0..12)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, lines.concat()).expect("writable");
        let spec = DataSpec { bad_rows: OnBadRow::Collect, ..DataSpec::at(path.display().to_string()) };
        let good = lines.iter().filter(|line| line.starts_with(b"{\"task\"")).count();
        match load(&spec) {
            Ok(rows) => {
                prop_assert_eq!(rows.len(), good);
                prop_assert_eq!(rows.report.n_read, good + rows.report.bad.len());
            }
            Err(_) => prop_assert_eq!(good, 0),
        }
    }
}

/// Good rows, and lines of anything but line feeds that are none.
fn row_lines() -> impl Strategy<Value = Vec<u8>> {
    let good = (1_u64..50, 1_u64..50).prop_map(|(a, b)| {
        let sum = a + b;
        format!("{{\"task\":\"countdown\",\"level\":0,\"question\":[{a},{b}],\"answer\":{sum}}}\n")
            .into_bytes()
    });
    let noise = prop::collection::vec(
        any::<u8>().prop_filter("no line feed", |b| *b != b'\n' && *b != b'{'),
        0..30,
    );
    let noise = noise.prop_map(|mut bytes| {
        bytes.push(b'\n');
        bytes
    });
    prop_oneof![good, noise]
}
