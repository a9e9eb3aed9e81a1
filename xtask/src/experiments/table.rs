//! The results as Markdown.

use std::fmt::Write;

use super::aggregate::{Measure, Measures, Results, TaskResults};
use super::budget::Ratios;
use crate::stats::Interval;

/// `table.md`.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = format!(
        "# {}\n\n{} of {} runs are in. Numbers are percent of test problems: mean over seeds ± half width \
         of the 95% t-interval; with one seed there is no interval.\n",
        results.title, results.n_done, results.n_cells
    );
    for task in &results.tasks {
        text += &format!("\n## {}\n\nGreedy accuracy.\n\n", task.task);
        text += &level_table(task, |measures| measures.accuracy.as_ref());
        let has_pass = |measures: &Measures| measures.pass_at_k.is_some();
        if task.schedules.iter().any(|schedule| schedule.levels.iter().any(has_pass)) {
            text += "\nPass@k.\n\n";
            text += &level_table(task, |measures| measures.pass_at_k.as_ref());
        }
        text += &paired_table(task, &results.baseline);
        text += &budget_table(task, &results.budget);
    }
    text
}

/// The last lines for a terminal: the comparison of each task in one line a schedule.
pub(super) fn ways(results: &Results) -> String {
    let mut text = format!("{} of {} runs are in\n", results.n_done, results.n_cells);
    for task in &results.tasks {
        for paired in &task.paired {
            let _ = writeln!(
                text,
                "{} {}: {} points against {} on level {}",
                task.task,
                paired.schedule,
                signed(&paired.interval),
                results.baseline,
                task.hard_level
            );
        }
    }
    text
}

fn level_table(task: &TaskResults, pick: impl Fn(&Measures) -> Option<&Measure>) -> String {
    let mut rows = vec![vec!["schedule".to_owned()]];
    for level in &task.levels {
        let ood = if level.ood { " (OOD)" } else { "" };
        rows[0].push(format!("{}{ood}", level.label));
    }
    rows[0].extend(["seeds", "steps", "minutes"].map(str::to_owned));
    let cell = |measures: &Measures| {
        pick(measures).map_or_else(dash, |measure| percent(&measure.interval))
    };
    let mut base = vec!["(before training)".to_owned()];
    base.extend(task.base.iter().map(cell));
    base.extend([dash(), dash(), dash()]);
    rows.push(base);
    for schedule in &task.schedules {
        let mut row = vec![schedule.schedule.clone()];
        row.extend(schedule.levels.iter().map(cell));
        row.push(schedule.seeds.len().to_string());
        row.push(schedule.steps.to_string());
        let minutes = |wall_s: Interval| format!("{:.1}", wall_s.mean / 60.0);
        row.push(schedule.wall_s.map_or_else(dash, minutes));
        rows.push(row);
    }
    render(&rows)
}

fn paired_table(task: &TaskResults, baseline: &str) -> String {
    if task.paired.is_empty() {
        return String::new();
    }
    let hard = task.levels.iter().find(|level| level.level == task.hard_level);
    let label = hard.map_or("", |level| &level.label);
    let mut rows = vec![["schedule", "difference", "p", "seeds"].map(str::to_owned).to_vec()];
    for paired in &task.paired {
        rows.push(vec![
            paired.schedule.clone(),
            signed(&paired.interval),
            paired.p_value.map_or_else(dash, |p| format!("{p:.3}")),
            paired.interval.n.to_string(),
        ]);
    }
    format!(
        "\nGreedy accuracy on level {} ({label}) minus that of {baseline}, in points, paired by seed; p of the \
         paired t-test, not adjusted for the number of rows.\n\n{}",
        task.hard_level,
        render(&rows)
    )
}

fn budget_table(task: &TaskResults, budget: &[Ratios]) -> String {
    let mine: Vec<&Ratios> = budget.iter().filter(|ratios| ratios.task == task.task).collect();
    let Some(first) = mine.first() else {
        return String::new();
    };
    let head = ["schedule", "times the rollouts", "seeds", "never reached"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for ratios in &mine {
        let Interval { mean, half_width, n, .. } = ratios.interval;
        let least = if ratios.censored.is_empty() { "" } else { "at least " };
        let half = half_width.map_or_else(String::new, |half| format!(" ± {half:.1}"));
        rows.push(vec![
            ratios.schedule.clone(),
            format!("{least}{mean:.1}{half}"),
            n.to_string(),
            ratios.censored.len().to_string(),
        ]);
    }
    format!(
        "\nRollouts that {} needs to become as able on the hard level as each schedule at its end; where it never \
         does, its whole length counts, and the mean is a lower bound.\n\n{}",
        first.against,
        render(&rows)
    )
}

fn dash() -> String {
    "–".to_owned()
}

/// `74.1 ± 2.3`, in percent.
fn percent(interval: &Interval) -> String {
    let mean = format!("{:.1}", 100.0 * interval.mean);
    match interval.half_width {
        Some(half) => format!("{mean} ± {:.1}", 100.0 * half),
        None => mean,
    }
}

/// The same with a sign.
fn signed(interval: &Interval) -> String {
    let sign = if interval.mean < 0.0 { "" } else { "+" };
    format!("{sign}{}", percent(interval))
}

/// Rows as a Markdown table; the first is the head, and all columns but the first stand right.
fn render(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|---|{}", "---:|".repeat(row.len().saturating_sub(1)));
        }
    }
    text
}
