//! Samples of every task and level, as Markdown.

use e2h_core::{Error, Level, PlayConfig, Problem, Prompt, RootSeed, Split};
use serde_json::{Map, Value, json};

use crate::registry::{self, TaskConfig};

/// The tasks whose rows come from files, each with a row of ours in the layout of its data set.
const ROWS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "math",
        "Let $f(x) = x^2 - 6x + 11$. What is the least value of $f(x)$ for real $x$?",
        "2",
        &[],
    ),
    (
        "gsm8k",
        "A shelf holds 12 jars. Mia puts 3 marbles into each jar and has 5 marbles left. How many marbles did she have?",
        "41",
        &[],
    ),
    (
        "aqua",
        "A train runs 150 km in 2.5 hours. What is its mean speed in km/h?",
        "C",
        &["A)50", "B)55", "C)60", "D)65", "E)75"],
    ),
];

/// Renders one sample of each level of each task, and one random play where the style is compact.
///
/// ```
/// let page = e2h_tasks::gallery::gallery(e2h_core::RootSeed(0))?;
/// assert!(page.contains("## `countdown`"));
/// # Ok::<(), e2h_core::Error>(())
/// ```
///
/// # Errors
/// What the tasks' generators return.
pub fn gallery(seed: RootSeed) -> Result<String, Error> {
    let mut page =
        "# Task gallery\n\nOne problem of each level of each task, as the policy sees it.\n"
            .to_owned();
    for name in registry::task_names() {
        page.push_str(&format!("\n## `{name}`\n"));
        match ROWS.iter().find(|row| row.0 == name) {
            Some(&(_, question, answer, options)) => {
                page.push_str(&row(name, question, answer, options)?);
            }
            None => page.push_str(&task(name, seed)?),
        }
    }
    Ok(page)
}

/// One row of a task whose problems come from files.
fn row(name: &str, question: &str, answer: &str, options: &[&str]) -> Result<String, Error> {
    let task = registry::task(name)?;
    let mut extra = Map::new();
    if !options.is_empty() {
        extra.insert("options".to_owned(), options.into());
    }
    let problem = Problem {
        id: String::new(),
        task: name.to_owned(),
        level: Level(0),
        question: question.into(),
        answer: json!(answer),
        solution: None,
        extra,
    };
    let prompt = render(&task.prompt(&problem)?, true);
    let levels: Vec<&str> = task.levels().iter().map(|spec| spec.label.as_str()).collect();
    let levels = levels.join(", ");
    Ok(format!(
        "\nProblems come from files; the levels are {levels}. A row of our own:\n\n{prompt}\nThe answer:\n\n{}",
        fence(answer)
    ))
}

fn task(name: &str, seed: RootSeed) -> Result<String, Error> {
    let first = |errors: Vec<Error>| errors.into_iter().next();
    let config = TaskConfig::named(name)?;
    let mut text = String::new();
    let task = match config.clone().task() {
        Ok(task) => task,
        Err(errors) => return first(errors).map_or(Ok(text), Err),
    };
    for (index, spec) in task.levels().iter().enumerate() {
        let mut rng = seed.stream("gallery", &[index as u64]);
        let problem = task.generate(Level::at(index), Split::Train, &mut rng)?;
        let ood = if spec.ood { ", out of distribution" } else { "" };
        text.push_str(&format!("\n### Level {index}: {}{ood}\n\n", spec.label));
        text.push_str(&render(&task.prompt(&problem)?, index == 0));
        let solution = problem.solution.as_ref().and_then(|solution| solution.as_str());
        if let Some(solution) = solution {
            text.push_str(&format!("\nA solution:\n\n{}", fence(solution)));
        }
        // Where the solution is a derivation, the answer stands beside it.
        if let (Value::String(answer), "math-gen") = (&problem.answer, task.name()) {
            text.push_str(&format!("\nThe answer:\n\n{}", fence(answer)));
        }
    }
    let player = config.legal_play().ok().flatten();
    if let Some(player) = player.filter(|_| name.ends_with("-nano")) {
        let play =
            player.random_play(&PlayConfig::default(), &mut seed.stream("gallery/play", &[]))?;
        let prompt = player.prompt(&play.problem)?;
        text.push_str("\n### A random play\n\n");
        text.push_str(&fence(&format!(
            "{}\n{}{}",
            prompt.user, prompt.assistant_prefix, play.completion
        )));
    }
    Ok(text)
}

/// The prompt; the system message only where `with_system`, since it is the same for all levels.
fn render(prompt: &Prompt, with_system: bool) -> String {
    let system = prompt.system.as_ref().filter(|_| with_system);
    let system = system.map(|system| format!("[system] {system}\n")).unwrap_or_default();
    fence(&format!("{system}[user] {}\n[assistant] {}", prompt.user, prompt.assistant_prefix))
}

fn fence(text: &str) -> String {
    format!("```text\n{text}\n```\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gallery_is_the_same_each_time_and_shows_every_level() {
        let page = gallery(RootSeed(1)).expect("all presets generate");
        assert_eq!(page, gallery(RootSeed(1)).expect("again"));
        assert_eq!(page.matches("### Level").count(), 25);
        assert_eq!(page.matches("\n## ").count(), registry::task_names().len());
        assert_eq!(page.matches("### A random play").count(), 2);
    }
}
