//! Samples of every preset and level, as Markdown.

use e2h_core::{Error, Level, PlayConfig, Prompt, RootSeed, Split};

use crate::registry::{self, TaskConfig};

/// Renders one sample of each level of each preset, and one random play where the style is compact.
///
/// # Errors
/// What the tasks' generators return.
pub fn gallery(seed: RootSeed) -> Result<String, Error> {
    let mut page =
        "# Task gallery\n\nOne problem of each level of each task, as the policy sees it.\n"
            .to_owned();
    for name in registry::names() {
        page.push_str(&format!("\n## `{name}`\n"));
        page.push_str(&task(name, seed)?);
    }
    Ok(page)
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
            text.push_str(&format!("\nA solution:\n\n```text\n{solution}\n```\n"));
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
        assert_eq!(page.matches("### Level").count(), 20);
        assert_eq!(page.matches("### A random play").count(), 2);
    }
}
