//! Tests of the stream: order, bad lines, hostile input.

use std::io::BufReader;

use e2h_core::{Level, LevelSpec, Problem, Prompt, Split, Stream};
use proptest::prelude::*;

use super::*;

/// The verdict lines, the bad lines and the counts of an input.
fn run(
    task: Option<&str>,
    input: &[u8],
    options: ScoreOptions,
) -> (Vec<Value>, Vec<BadLine>, ScoreCounts) {
    let scorer = task.map_or_else(Scorer::new, |task| Scorer::named(task).expect("known"));
    run_with(&scorer, input, options, 1 << 16)
}

fn run_with(
    scorer: &Scorer,
    input: &[u8],
    options: ScoreOptions,
    buffer: usize,
) -> (Vec<Value>, Vec<BadLine>, ScoreCounts) {
    let (mut output, mut bad) = (Vec::new(), Vec::new());
    let input = BufReader::with_capacity(buffer, input);
    let counts = score_stream(scorer, options, input, &mut output, |line| bad.push(line.clone()));
    let text = String::from_utf8(output).expect("verdicts are UTF-8");
    let verdicts = text.lines().map(|line| serde_json::from_str(line).expect("a verdict is JSON"));
    (verdicts.collect(), bad, counts.expect("slices do not fail"))
}

fn check(task: Option<&str>, row: &str, outcome: &str, reward: f64) {
    let (verdicts, bad, _) = run(task, row.as_bytes(), ScoreOptions::default());
    assert_eq!(bad, [], "{row}");
    assert_eq!(
        (&verdicts[0]["outcome"], &verdicts[0]["reward"]),
        (&outcome.into(), &reward.into()),
        "{row}"
    );
}

const FULL: &str = r#"{"task":"countdown","level":0,"question":[2,3],"answer":6,"completion":"x</think><answer>2*3</answer>"}"#;

#[test]
fn each_kind_of_row_is_judged_by_its_fields() {
    check(None, FULL, "correct", 1.0);
    check(None, &FULL.replace("</answer>", ""), "bad_format", 0.0);
    check(None, r#"{"task":"countdown","numbers":[2,3],"target":6,"text":"2*3"}"#, "correct", 0.9);
    check(
        None,
        r#"{"task":"countdown","numbers":[2,3],"target":6,"text":"2+3","completion":null}"#,
        "wrong",
        0.0,
    );
    check(
        None,
        r#"{"task":"countdown","numbers":"2,3","target":6,"text":"2*3"}"#,
        "unverifiable",
        0.0,
    );
    check(
        Some("countdown-nano"),
        r#"{"question":[2,3],"answer":6,"text":"2 * 3"}"#,
        "correct",
        0.9,
    );
    check(Some("format"), r#"{"completion":"x</think><answer>1</answer>"}"#, "correct", 1.0);
    check(None, r#"{"task":"format","completion":"x<answer>1</answer>"}"#, "bad_format", 0.0);
}

#[test]
fn the_caller_s_task_judges_rows_that_name_it_and_others_go_by_their_name() {
    let start = "the red block is clear, the hand is empty and the red block is on the table";
    let row = |plan: &str| {
        format!(
            r#"{{"task":"blocksworld","init":"{start}","goal":"the hand is holding the red block","pred":"{plan}"}}"#
        )
    };
    check(Some("blocksworld-nano"), &row("pick red"), "correct", 2.0);
    check(Some("blocksworld-nano"), &row("pick up the red block"), "wrong", 0.0);
    check(Some("countdown"), &row("pick up the red block"), "correct", 2.0);
}

#[test]
fn bad_lines_are_reported_in_order_and_the_rest_goes_on() {
    let input = format!(
        "{FULL}\r\nx\n\n  \n[]\n{{\"task\":7}}\n{{\"task\":\"countdwon\"}}\n{{}}\n\
                         {{\"task\":\"countdown\",\"text\":\"1\"}}\n{{\"task\":\"countdown\",\"question\":[],\"text\":1}}\n\
                         {{\"task\":\"format\",\"text\":\"1\"}}\n{FULL}"
    );
    let (verdicts, bad, counts) = run(None, input.as_bytes(), ScoreOptions::default());
    let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [2, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(
        (verdicts.len(), counts.n_lines, counts.n_blank, counts.n_bad, counts.n_correct),
        (2, 12, 2, 8, 2)
    );
    assert!(bad[3].problem.contains("did you mean `countdown`"), "{}", bad[3]);
    assert_eq!(bad[5].to_string(), "line 9: no `question` or `numbers`");
    assert_eq!(bad[4].problem, "no `task` in the row, and none was given");
}

#[test]
fn a_caller_that_counts_lines_gets_one_for_each() {
    let options = ScoreOptions { answer_bad_lines: true, ..ScoreOptions::default() };
    let (verdicts, bad, _) = run(None, format!("x\n{FULL}\n").as_bytes(), options);
    assert_eq!((verdicts.len(), bad.len()), (2, 1));
    assert_eq!(verdicts[0]["outcome"], "unverifiable");
    assert_eq!((&verdicts[0]["id"], &verdicts[0]["correct"]), (&Value::Null, &false.into()));
    assert!(verdicts[0]["reason"].as_str().expect("a text").starts_with("line 1: not JSON"));
}

#[test]
fn verdicts_come_in_the_order_of_the_lines_whatever_the_buffer() {
    let rows: String = (0..2000)
        .map(|i| format!("{{\"id\":{i},\"task\":\"countdown\",\"numbers\":[{i}],\"target\":{},\"text\":\"{i}\"}}\n", i / 2 * 2))
        .collect();
    let scorer = Scorer::new();
    let whole = run_with(&scorer, rows.as_bytes(), ScoreOptions::default(), 1 << 20);
    for (i, verdict) in whole.0.iter().enumerate() {
        assert_eq!((&verdict["id"], &verdict["correct"]), (&i.into(), &(i % 2 == 0).into()));
    }
    assert_eq!(run_with(&scorer, rows.as_bytes(), ScoreOptions::default(), 61), whole);
}

#[test]
fn hostile_lines_are_bad_lines_and_cost_little() {
    let deep = |open: &str, n| open.repeat(n);
    let huge = format!(
        r#"{{"task":"countdown","question":[1],"answer":1,"text":"{}"}}"#,
        "1+".repeat(5_000_000)
    );
    let over = format!(r#"{{"task":"format","completion":"{}"}}"#, "x".repeat(MAX_LINE_BYTES));
    let wide = format!(
        r#"{{"task":"countdown","question":[{}1],"answer":1,"text":"1"}}"#,
        "1,".repeat(2_000_000)
    );
    let lines: [(&[u8], &str); 8] = [
        (huge.as_bytes(), "wrong"),
        (over.as_bytes(), "bad"),
        (wide.as_bytes(), "unverifiable"),
        (&deep("[", 5_000_000).into_bytes(), "bad"),
        (&deep("{\"a\":", 2_000_000).into_bytes(), "bad"),
        (b"{\"task\":\"format\",\"completion\":\"\xff\xfe\"}", "bad"),
        (br#"{"task":"format","completion":"\ud800"}"#, "bad"),
        (br#"{"task":"countdown","question":[1],"answer":1e999,"text":"1"}"#, "bad"),
    ];
    for (line, expected) in lines {
        let mut input = line.to_vec();
        input.extend_from_slice(format!("\n{FULL}").as_bytes());
        let (verdicts, bad, _) = run(None, &input, ScoreOptions::default());
        let n_verdicts = if expected == "bad" { 1 } else { 2 };
        assert_eq!((verdicts.len(), bad.len()), (n_verdicts, 2 - n_verdicts), "{}", line.len());
        let first = if expected == "bad" { "correct" } else { expected };
        assert_eq!(verdicts[0]["outcome"], first);
        assert_eq!(verdicts[n_verdicts - 1]["outcome"], "correct", "the next line is judged");
    }
    assert_eq!(run(None, b"", ScoreOptions::default()).2, ScoreCounts::default());
}

/// A task whose verifier is broken.
struct Broken;

impl Task for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn levels(&self) -> &[LevelSpec] {
        &[]
    }
    fn generate(&self, level: Level, _: Split, _: &mut Stream) -> Result<Problem, Error> {
        Err(Error::NoSuchLevel { task: "broken".to_owned(), level: level.0, last: 0 })
    }
    fn canonical(&self, _: &Problem) -> Result<String, Error> {
        Ok(String::new())
    }
    fn prompt(&self, _: &Problem) -> Result<Prompt, Error> {
        Err(Error::Policy("no prompt".to_owned()))
    }
    fn score(&self, _: &Problem, _: &str) -> Score {
        panic!("this verifier is broken")
    }
    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        let right = problem.answer == answer && problem.extra["kept"] == 1;
        Score::new(Vec::new(), if right { Outcome::Correct } else { Outcome::Wrong }, "")
    }
}

#[test]
fn a_task_of_the_caller_s_own_is_used_and_its_failure_is_unverifiable() {
    let scorer = Scorer::with_task(Box::new(Broken));
    let row = r#"{"question":"q","answer":"a","kept":1,"text":"a"}"#;
    let input = format!("{row}\n{}\n{FULL}", row.replace("text", "completion"));
    let (verdicts, _, counts) =
        run_with(&scorer, input.as_bytes(), ScoreOptions::default(), 1 << 16);
    assert_eq!((counts.n_correct, counts.n_unverifiable, counts.n_bad), (2, 1, 0));
    assert_eq!(verdicts[1]["task"], "broken");
}

/// Lines that are almost rows: good ones with bytes changed, and noise.
fn almost_rows() -> impl Strategy<Value = Vec<u8>> {
    let changed = (prop::collection::vec((0..FULL.len(), any::<u8>()), 0..3)).prop_map(|changes| {
        let mut line = FULL.as_bytes().to_vec();
        for (at, byte) in changes {
            line[at] = byte;
        }
        line
    });
    let noise = prop::collection::vec(any::<u8>(), 0..60);
    let line = prop_oneof![changed, noise];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn every_line_of_any_input_gives_a_verdict_or_is_reported(input in almost_rows(), buffer in 1_usize..300) {
        let scorer = Scorer::named("countdown").expect("known");
        let (verdicts, bad, counts) = run_with(&scorer, &input, ScoreOptions::default(), buffer);
        let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
        let n_filled = lines.iter().filter(|line| !line.iter().all(u8::is_ascii_whitespace)).count();
        prop_assert_eq!(verdicts.len() + bad.len(), n_filled);
        prop_assert_eq!(counts.n_bad as usize, bad.len());
        prop_assert_eq!(counts.n_lines - counts.n_blank, n_filled as u64);
        for line in &bad {
            prop_assert!((line.line as usize) <= lines.len());
        }
    }
}
