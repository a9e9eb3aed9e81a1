//! A task of one's own: sums of n numbers, n growing with the level.
//!
//! `cargo run -p e2h-tasks --example custom_task`
#![expect(clippy::print_stdout, reason = "the verdict is this program's output")]

use e2h_core::*;
use e2h_tasks::format;
use rand::RngExt;
use serde_json::json;

struct Sums(Vec<LevelSpec>);

impl Task for Sums {
    fn name(&self) -> &str {
        "sums"
    }
    fn levels(&self) -> &[LevelSpec] {
        &self.0
    }
    fn generate(&self, level: Level, split: Split, rng: &mut Stream) -> Result<Problem> {
        loop {
            let numbers: Vec<i64> =
                (0..level.index() + 2).map(|_| rng.random_range(1..100)).collect();
            let row = json!({"task": "sums", "level": level, "question": numbers,
                             "answer": numbers.iter().sum::<i64>()});
            let problem: Problem = serde_json::from_value(row).expect("a row of this task");
            if Split::of(&self.canonical(&problem)?) == split {
                return Ok(problem); // Training never sees a test problem: its content decides.
            }
        }
    }
    fn canonical(&self, problem: &Problem) -> Result<String> {
        Ok(problem.question.to_string())
    }
    fn prompt(&self, problem: &Problem) -> Result<Prompt> {
        let user = format!("Add {}. End with <answer> sum </answer>.", problem.question);
        Ok(Prompt { system: None, user, assistant_prefix: "<think>".to_owned() })
    }
    fn score(&self, problem: &Problem, completion: &str) -> Score {
        match format::answer(completion) {
            Ok(answer) => self.score_answer(problem, answer),
            Err(fault) => Score::new(Vec::new(), Outcome::BadFormat, fault.reason()),
        }
    }
    fn score_answer(&self, problem: &Problem, answer: &str) -> Score {
        let right = answer.trim().parse::<i64>().ok() == problem.answer.as_i64();
        let outcome = if right { Outcome::Correct } else { Outcome::Wrong };
        Score::new(vec![RewardPart::new("correct", f64::from(u8::from(right)), 1.0)], outcome, "")
    }
}

pub(crate) fn main() -> Result<()> {
    let level = |n: usize| LevelSpec { label: format!("{n} numbers"), ood: n == 5 };
    let task = Sums((2..=5).map(level).collect());
    let problem = task.generate(Level(1), Split::Train, &mut RootSeed(0).stream("sums", &[]))?;
    let right = format!("I add them.</think> <answer> {} </answer>", problem.answer);
    println!("{}: {:?}", task.prompt(&problem)?.user, task.score(&problem, &right).outcome);
    Ok(())
}
