//! Measures, on one core, how many completions are judged and problems generated a second.
//!
//! Run with `cargo run --release -p e2h-tasks --example verify_speed`; add `gallery` to print the gallery instead.

use std::collections::HashSet;
use std::error::Error;
use std::time::Instant;

use e2h_core::{Level, PlayConfig, Problem, RootSeed, Split, Task};
use e2h_tasks::blocksworld::planner::{Search, shortest_plan};
use e2h_tasks::blocksworld::{Blocksworld, BlocksworldConfig};
use e2h_tasks::countdown::{Countdown, CountdownConfig};
use e2h_tasks::registry::TaskConfig;
use e2h_tasks::{gallery, registry};

/// Prints the rate of `n` calls.
#[expect(clippy::print_stdout, reason = "the result of the program")]
fn rate(what: &str, n: usize, mut call: impl FnMut(usize)) {
    let start = Instant::now();
    (0..n).for_each(&mut call);
    let elapsed_s = start.elapsed().as_secs_f64();
    println!(
        "{what:<44} {:>12.0} /s   {:>9.3} us",
        n as f64 / elapsed_s,
        elapsed_s / n as f64 * 1e6
    );
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).is_some_and(|arg| arg == "gallery") {
        print!("{}", gallery::gallery(RootSeed(0))?);
        return Ok(());
    }
    for name in registry::names() {
        let task = TaskConfig::named(name)?.task().map_err(|_| "invalid preset")?;
        for (index, spec) in task.levels().iter().enumerate() {
            let mut rng = RootSeed(0).stream("speed", &[index as u64]);
            let mut problems: Vec<Problem> = Vec::new();
            let label = format!("{name}: generate, {}", spec.label);
            rate(&label, 2_000, |_| {
                problems.extend(task.generate(Level::at(index), Split::Train, &mut rng).ok());
            });
            verify(name, task.as_ref(), &problems);
        }
    }
    for name in ["countdown-nano", "blocksworld-nano"] {
        let player = TaskConfig::named(name)?.legal_play().map_err(|_| "invalid preset")?;
        let player = player.ok_or("not playable")?;
        let mut rng = RootSeed(0).stream("play", &[]);
        let mut n_words = 0;
        rate(&format!("{name}: random play"), 20_000, |_| {
            let play = player.random_play(&PlayConfig::default(), &mut rng);
            n_words += play.map_or(0, |play| play.completion.split_whitespace().count());
        });
        println!("{name}: mean words of a play {:.1}", f64::from(n_words as u32) / 20_000.0);
    }
    planner()?;
    distinct()?;
    fractions()
}

/// Judges a right completion of each problem again and again.
fn verify(name: &str, task: &dyn Task, problems: &[Problem]) {
    let completions: Vec<(Problem, String)> = problems
        .iter()
        .map(|problem| {
            let solution = problem.solution.as_ref().and_then(|s| s.as_str()).unwrap_or_default();
            (problem.clone(), format!(" so</think>\n<answer>{solution}</answer>"))
        })
        .collect();
    let mut n_correct = 0;
    rate(&format!("{name}: score"), 200_000, |i| {
        let (problem, completion) = &completions[i % completions.len()];
        n_correct += usize::from(task.score(problem, completion).is_correct());
    });
}

/// Plans for eight blocks.
fn planner() -> Result<(), Box<dyn Error>> {
    for length in [8, 10, 12] {
        let config = BlocksworldConfig {
            levels: vec![length],
            ood_levels: Vec::new(),
            min_blocks: 8,
            max_blocks: 8,
            ..BlocksworldConfig::default()
        };
        let task = Blocksworld::new(config).map_err(|_| "invalid configuration")?;
        let mut rng = RootSeed(0).stream("planner", &[]);
        let problems: Result<Vec<Problem>, _> =
            (0..100).map(|_| task.generate(Level(0), Split::Train, &mut rng)).collect();
        let instances: Result<Vec<_>, _> = problems?.iter().map(Blocksworld::instance).collect();
        let instances = instances?;
        rate(&format!("8 blocks: shortest plan of {length}"), 1_000, |i| {
            let instance = &instances[i % instances.len()];
            let found = shortest_plan(&instance.start, &instance.goal, usize::MAX, 1_000_000);
            assert!(matches!(found, Search::Plan(plan) if plan.len() == length));
        });
    }
    Ok(())
}

/// How many different test problems the small worlds have, by level.
#[expect(clippy::print_stdout, reason = "the result of the program")]
fn distinct() -> Result<(), Box<dyn Error>> {
    for name in ["countdown-nano", "blocksworld-nano"] {
        let task = TaskConfig::named(name)?.task().map_err(|_| "invalid preset")?;
        for (index, spec) in task.levels().iter().enumerate() {
            let mut rng = RootSeed(0).stream("distinct", &[index as u64]);
            let mut seen = HashSet::new();
            for _ in 0..5_000 {
                let problem = task.generate(Level::at(index), Split::Test, &mut rng)?;
                seen.insert(task.canonical(&problem)?);
            }
            println!("{name}, {}: {} different among 5,000 test problems", spec.label, seen.len());
        }
    }
    Ok(())
}

/// The share of generated problems that are smaller problems with padding, by level.
#[expect(clippy::print_stdout, reason = "the result of the program")]
fn fractions() -> Result<(), Box<dyn Error>> {
    for config in [CountdownConfig::default(), CountdownConfig::nano()] {
        let task = Countdown::new(config.clone()).map_err(|_| "invalid configuration")?;
        for (index, n) in config.all_levels().into_iter().enumerate() {
            let mut rng = RootSeed(0).stream("padded", &[index as u64]);
            let mut n_padded = 0;
            for _ in 0..300 {
                let problem = task.generate(Level::at(index), Split::Train, &mut rng)?;
                let instance = Countdown::instance(&problem)?;
                let target = u64::try_from(instance.target)?;
                n_padded += usize::from(e2h_tasks::countdown::solver::is_padded(
                    &instance.numbers,
                    target,
                    &config.operators,
                ));
            }
            println!("{:?}, {n} numbers: {n_padded} of 300 problems are padded", config.style);
        }
    }
    Ok(())
}
