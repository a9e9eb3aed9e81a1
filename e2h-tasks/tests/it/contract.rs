//! The contract that every task keeps, checked on every preset.

use std::collections::HashSet;

use e2h_core::{
    Error, LegalPlay, Level, Outcome, Play, PlayConfig, Problem, RootSeed, Split, Task,
};
use e2h_tasks::format;
use e2h_tasks::registry::{self, TaskConfig};
use proptest::prelude::*;

use crate::simulators::{blocksworld_holds, countdown_value};

/// Problems of each level that a test looks at.
const N: usize = 60;

fn players() -> Vec<(&'static str, Box<dyn LegalPlay>)> {
    let build = |name| {
        let config = TaskConfig::named(name).expect("a preset");
        (name, config.legal_play().expect("valid").expect("playable"))
    };
    registry::names().into_iter().map(build).collect()
}

/// All tasks that generate their problems.
fn tasks() -> Vec<(&'static str, Box<dyn Task>)> {
    let configs = registry::task_names().into_iter().map(|name| {
        let config = TaskConfig::named(name).expect("a preset");
        (name, config)
    });
    let generating = configs.filter(|(_, config)| config.generates());
    generating.map(|(name, config)| (name, config.task().expect("valid"))).collect()
}

/// `N` problems of each level, drawn from one stream a level.
fn problems(task: &dyn Task, split: Split) -> Vec<Problem> {
    let draw = |index: usize| {
        let mut rng = RootSeed(11).stream("contract", &[index as u64]);
        let task = &task;
        (0..N)
            .map(move |_| task.generate(Level::at(index), split, &mut rng).expect("a problem"))
            .collect::<Vec<_>>()
    };
    (0..task.levels().len()).flat_map(draw).collect()
}

/// A right answer: of mathematics the answer of the row, whose solution is a derivation.
fn solution(problem: &Problem) -> &str {
    if problem.task == "math-gen" {
        return problem.answer.as_str().expect("a text");
    }
    problem.solution.as_ref().and_then(|solution| solution.as_str()).expect("a reference solution")
}

fn completion(answer: &str) -> String {
    format!(" thought </think> <answer> {answer} </answer>")
}

/// Says by other code whether `answer` solves a problem.
fn solves(problem: &Problem, answer: &str) -> bool {
    match problem.task.as_str() {
        "blocksworld" => return blocksworld_holds(problem, answer),
        // Every answer is computed a second time by the tests of `mathgen`.
        "math-gen" => return answer == problem.answer,
        _ => {}
    }
    let numbers = problem.question.as_array().expect("a list");
    let mut given: Vec<u64> = numbers.iter().map(|n| n.as_u64().expect("a number")).collect();
    given.sort_unstable();
    let (value, used) = countdown_value(answer);
    used == given && (value - problem.answer.as_f64().expect("a number")).abs() < 1e-9
}

#[test]
fn the_same_stream_gives_the_same_problems_and_plays() {
    for (name, task) in tasks() {
        assert_eq!(problems(&*task, Split::Train), problems(&*task, Split::Train), "{name}");
    }
    for (name, task) in compact_players() {
        let config = PlayConfig::default();
        assert_eq!(plays(&*task, &config, 50), plays(&*task, &config, 50), "{name}");
    }
}

#[test]
fn every_problem_is_solved_by_its_solution_as_another_checker_finds_too() {
    for (name, task) in tasks() {
        for split in [Split::Train, Split::Test] {
            for problem in problems(&*task, split) {
                let gold = solution(&problem);
                assert!(solves(&problem, gold), "{name}: {problem:?}");
                let score = task.score(&problem, &completion(gold));
                let full: f64 = score.parts.iter().map(|part| part.weight).sum();
                assert!(score.is_correct(), "{name}: {} {problem:?}", score.reason);
                assert!((score.reward - full).abs() < 1e-12, "{name}: {} of {full}", score.reward);
            }
        }
    }
}

#[test]
fn the_parts_of_every_score_are_those_that_the_task_names() {
    for (name, task) in players() {
        let problem = &problems(&*task, Split::Train)[0];
        for text in [completion(solution(problem)), completion("x"), "no answer".to_owned()] {
            let score = task.score(problem, &text);
            let parts: Vec<&str> = score.parts.iter().map(|part| part.name.as_ref()).collect();
            assert_eq!(parts, task.reward_parts(), "{name}: {text}");
        }
    }
}

#[test]
fn near_misses_are_wrong() {
    for (name, task) in tasks() {
        for problem in problems(&*task, Split::Test) {
            let gold = solution(&problem);
            let misses: Vec<String> = if problem.task == "math-gen" {
                vec![format!("{gold} + 1"), "none".to_owned()]
            } else if problem.task == "countdown" {
                vec![
                    format!("{gold} + 1"),
                    format!("{gold} - 0"),
                    format!("({gold}"),
                    format!("{gold} = 1"),
                ]
            } else {
                let separator = if gold.contains('\n') { "\n" } else { " ; " };
                let steps: Vec<&str> = gold.split(separator).collect();
                let last = steps[steps.len() - 1];
                let (shorter, doubled) =
                    (steps[1..].join(separator), format!("{gold}{separator}{last}"));
                vec![shorter, doubled, format!("{gold}, done"), format!("1. {gold}")]
            };
            for miss in misses {
                let score = task.score_answer(&problem, &miss);
                assert_eq!(score.outcome, Outcome::Wrong, "{name}: {miss:?} for {problem:?}");
            }
            let unframed = task.score(&problem, gold);
            assert_eq!((unframed.outcome, unframed.reward), (Outcome::BadFormat, 0.0), "{name}");
        }
    }
}

#[test]
fn train_and_test_share_no_problem() {
    for (name, task) in tasks() {
        let canonical = |split| -> HashSet<String> {
            let problems = problems(&*task, split);
            problems.iter().map(|problem| task.canonical(problem).expect("well formed")).collect()
        };
        let (train, test) = (canonical(Split::Train), canonical(Split::Test));
        assert!(train.is_disjoint(&test), "{name}");
        assert!(train.iter().all(|text| Split::of(text) == Split::Train), "{name}");
    }
}

#[test]
fn a_level_that_does_not_exist_is_an_error() {
    for (name, task) in tasks() {
        let error = task.generate(Level(99), Split::Train, &mut RootSeed(0).stream("x", &[]));
        assert!(matches!(error, Err(Error::NoSuchLevel { level: 99, last: 4, .. })), "{name}");
    }
}

#[test]
fn a_malformed_row_is_unverifiable() {
    for (name, task) in tasks() {
        let mut problem = problems(&*task, Split::Train).swap_remove(0);
        problem.question = serde_json::json!({"not": "a question"});
        problem.answer = serde_json::json!({"not": "an answer"});
        let score = task.score(&problem, &completion("1"));
        assert!(matches!(score.outcome, Outcome::Unverifiable { .. }), "{name}");
        assert!(task.prompt(&problem).is_err() && task.canonical(&problem).is_err(), "{name}");
    }
}

fn plays(task: &dyn LegalPlay, config: &PlayConfig, n: usize) -> Vec<Play> {
    let mut rng = RootSeed(21).stream("plays", &[]);
    (0..n).map(|_| task.random_play(config, &mut rng).expect("a play")).collect()
}

#[test]
fn chat_tasks_are_not_played_at_random() {
    for (name, task) in players().into_iter().filter(|(name, _)| !name.ends_with("-nano")) {
        let play = task.random_play(&PlayConfig::default(), &mut RootSeed(3).stream("play", &[]));
        assert!(matches!(play, Err(Error::OutOfRange { .. })), "{name}");
    }
}

/// The players whose prompts are compact.
fn compact_players() -> Vec<(&'static str, Box<dyn LegalPlay>)> {
    players().into_iter().filter(|(name, _)| name.ends_with("-nano")).collect()
}

#[test]
fn every_word_of_compact_prompts_and_plays_is_in_the_vocabulary() {
    for (name, task) in compact_players() {
        let vocabulary = task.vocabulary();
        let words: HashSet<&str> = vocabulary.iter().map(String::as_str).collect();
        assert_eq!(words.len(), vocabulary.len(), "{name}: a word twice");
        let check = |text: &str| {
            for word in text.split_whitespace() {
                assert!(words.contains(word), "{name}: `{word}` in {text:?}");
            }
        };
        for problem in problems(&*task, Split::Test) {
            let prompt = task.prompt(&problem).expect("well formed");
            check(&prompt.user);
            check(&prompt.assistant_prefix);
            check(solution(&problem));
        }
        let config = PlayConfig { hindsight_frac: 0.5, hindsight_max_moves: 9 };
        for play in plays(&*task, &config, 2_000) {
            check(&task.prompt(&play.problem).expect("well formed").user);
            check(&play.completion);
        }
    }
}

#[test]
fn plays_keep_the_format_act_legally_and_are_right_when_their_problem_is_what_they_reached() {
    for (name, task) in compact_players() {
        for play in
            plays(&*task, &PlayConfig { hindsight_frac: 0.5, hindsight_max_moves: 3 }, 3_000)
        {
            let answer = format::answer(&play.completion).expect("the format is kept");
            let score = task.score(&play.problem, &play.completion);
            assert_eq!(score.is_correct(), solves(&play.problem, answer), "{name}: {play:?}");
            let legal = [
                "equals the target",
                "the goal holds",
                "the value is not the target",
                "the goal does not hold at the end",
            ];
            assert!(legal.contains(&&*score.reason), "{name}: {} {play:?}", score.reason);
            let canonical = task.canonical(&play.problem).expect("well formed");
            assert_eq!(Split::of(&canonical), Split::Train, "{name}");
        }
    }
}

#[test]
fn short_plays_are_right_as_often_as_they_are_told_in_hindsight_and_long_ones_by_chance() {
    for (name, task) in compact_players() {
        let share = |hindsight_frac, level: u16| {
            let config = PlayConfig { hindsight_frac, hindsight_max_moves: 1 };
            let plays = plays(&*task, &config, 6_000);
            let of_level: Vec<&Play> =
                plays.iter().filter(|p| p.problem.level == Level(level)).collect();
            let right =
                of_level.iter().filter(|p| task.score(&p.problem, &p.completion).is_correct());
            right.count() as f64 / of_level.len() as f64
        };
        assert_eq!(share(1.0, 0), 1.0, "{name}");
        assert!((0.45..0.65).contains(&share(0.5, 0)), "{name}: {}", share(0.5, 0));
        // Goals of a single fact are met by many a walk among four blocks.
        assert!(share(0.0, 0) < 0.15, "{name}: {}", share(0.0, 0));
        assert!(share(1.0, 4) < 0.2, "{name}: {}", share(1.0, 4));
    }
}

#[test]
fn plays_have_all_sizes_or_those_of_training_alone() {
    for (name, task) in compact_players() {
        let levels: HashSet<Level> = plays(&*task, &PlayConfig::default(), 500)
            .iter()
            .map(|play| play.problem.level)
            .collect();
        assert_eq!(levels.len(), 5, "{name}");
        let config = serde_json::json!({"kind": name, "play_ood": false});
        let config: TaskConfig = serde_json::from_value(config).expect("valid");
        let task = config.legal_play().expect("valid").expect("playable");
        let plays = plays(&*task, &PlayConfig::default(), 500);
        assert!(plays.iter().all(|play| !task.levels()[play.problem.level.index()].ood), "{name}");
    }
}

/// Text made of the pieces that verifiers look for, and of anything else.
fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "the ",
        " block",
        "pick up ",
        "put down ",
        "stack ",
        "unstack ",
        " from on top of ",
        "[PLAN END]",
        "red",
        "a",
        "b",
        "\n",
        ";",
        " ",
        "1",
        "9",
        "0",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        "99999999999999999999",
        "\u{85}",
        "é",
        "İ",
        "\u{1F600}",
    ]);
    let piece = prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn scoring_any_text_returns_a_finite_score(text in hostile_text()) {
        for (name, task) in players() {
            let mut rng = RootSeed(1).stream("hostile", &[]);
            let problem = task.generate(Level(1), Split::Train, &mut rng).expect("a problem");
            for score in [
                task.score(&problem, &text),
                task.score(&problem, &completion(&text)),
                task.score_answer(&problem, &text),
            ] {
                prop_assert!(score.reward.is_finite() && score.reward >= 0.0, "{name}");
                prop_assert!(!matches!(score.outcome, Outcome::Unverifiable { .. }), "{name}");
            }
        }
    }
}
