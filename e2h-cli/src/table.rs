//! The result table of a terminal: one line a level.

use e2h_rl::{Comparison, EvalReport, LevelReport};

/// Accuracy by level, with 95% intervals.
pub(crate) fn one(report: &EvalReport) -> String {
    let mut text = header(&["level", "", "problems", "accuracy", "95% interval"], report);
    for level in &report.levels {
        text += &row(level, &[format!("{:>8}", level.n), percent(level.accuracy), interval(level)]);
        text += &pass(level);
        text.push('\n');
    }
    text + &format!("mean over train levels: {}\n", percent(report.train_mean()).trim())
}

/// Accuracy by level before and after training.
pub(crate) fn before_after(before: &EvalReport, after: &EvalReport) -> String {
    let columns = ["level", "", "problems", "before", "after", "change, points", "95% interval"];
    let mut text = header(&columns, after);
    for level in &after.levels {
        let base = before.levels.iter().find(|base| base.level == level.level);
        let base = base.map_or(0.0, |base| base.accuracy);
        text += &row(
            level,
            &[
                format!("{:>8}", level.n),
                percent(base),
                percent(level.accuracy),
                format!("{:>15}", points(level.accuracy - base)),
                interval(level),
            ],
        );
        text += &pass(level);
        text.push('\n');
    }
    let (base, mean) = (before.train_mean(), after.train_mean());
    let (from, to) = (percent(base), percent(mean));
    text + &format!(
        "mean over train levels: {} -> {} ({} points)\n",
        from.trim(),
        to.trim(),
        points(mean - base).trim()
    )
}

/// Two evaluations by level, with the exact p-value of their difference.
pub(crate) fn paired(found: &Comparison, a: &str, b: &str) -> String {
    let mut text = format!("A  {a}\nB  {b}\n\n");
    text += &format!(
        "{:<14}{:>6}{:>8}{:>10}{:>10}{:>15}{:>9}{:>9}{:>9}\n",
        "task", "level", "pairs", "A", "B", "B - A, points", "only A", "only B", "p"
    );
    for row in &found.rows {
        text += &format!(
            "{:<14}{:>6}{:>8}{:>10}{:>10}{:>15}{:>9}{:>9}{:>9}\n",
            row.task,
            row.level.map_or_else(|| "all".to_owned(), |level| level.to_string()),
            row.n,
            percent(row.accuracy_a),
            percent(row.accuracy_b),
            points(row.accuracy_b - row.accuracy_a),
            row.only_a,
            row.only_b,
            p_value(row.p_value),
        );
    }
    if found.unpaired_a + found.unpaired_b > 0 {
        text += &format!(
            "left out: {} problems of A and {} of B that the other does not have\n",
            found.unpaired_a, found.unpaired_b
        );
    }
    text
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { format!("{p:.0e}") } else { format!("{p:.4}") }
}

fn header(columns: &[&str], report: &EvalReport) -> String {
    let mut text = format!("{:<6}{:<26}", columns[0], columns[1]);
    for column in &columns[2..] {
        let width = if matches!(*column, "95% interval" | "change, points") { 15 } else { 9 };
        text += &format!("{column:>width$} ");
    }
    if let Some(level) = report.levels.first() {
        for pass in &level.pass_at_k {
            text += &format!("{:>9} ", format!("pass@{}", pass.k));
        }
        if level.majority.is_some() {
            text += " majority ";
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn row(level: &LevelReport, cells: &[String]) -> String {
    let ood = if level.ood { " (unseen level)" } else { "" };
    let name = format!("{}{ood}", level.label);
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>9} ")).collect();
    format!("{:<6}{name:<26}{}", level.level.0, cells.concat())
}

fn pass(level: &LevelReport) -> String {
    let votes = level.majority.map(|share| share.value);
    let shares = level.pass_at_k.iter().map(|pass| pass.value).chain(votes);
    shares.map(|share| format!("{:>9} ", percent(share))).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn points(share: f64) -> String {
    format!("{:+.1}", 100.0 * share)
}

fn interval(level: &LevelReport) -> String {
    format!(
        "{:>15}",
        format!("{:.1}..{:.1} %", 100.0 * level.interval[0], 100.0 * level.interval[1])
    )
}
