//! What training has changed: held-out accuracy before and after, by level.

use std::fmt::Write as _;

use super::chart::{style_class, swatch};
use super::data::{Eval, LevelEval, RunData};
use super::format::{escape, interval, percent, points};
use super::frame::shorten;
use super::seeds::styles;

/// One level of one run, before and after.
struct Lift<'a> {
    before: Option<&'a LevelEval>,
    after: Option<&'a LevelEval>,
}

impl<'a> Lift<'a> {
    fn new(run: &'a RunData, level: usize) -> Self {
        Self {
            before: run.before().and_then(|eval| eval.level(level)),
            after: run.after().and_then(|eval| eval.level(level)),
        }
    }

    /// The difference, once there is an evaluation on both sides.
    fn change(&self) -> Option<f64> {
        Some(self.after?.accuracy - self.before?.accuracy)
    }

    /// True when the two 95% intervals have values in common.
    fn overlaps(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(before, after)| {
            before.interval[0] <= after.interval[1] && after.interval[0] <= before.interval[1]
        })
    }

    fn words(&self) -> String {
        let side = |name: &str, level: Option<&LevelEval>| match level {
            Some(level) => format!(
                "{name} {} (95% interval {}, {} problems)",
                percent(level.accuracy),
                interval(level.interval),
                level.n
            ),
            None => format!("{name}: not evaluated"),
        };
        format!("{}; {}", side("before", self.before), side("after", self.after))
    }
}

/// The levels of all evaluations of all runs.
pub(super) fn levels(runs: &[RunData]) -> Vec<usize> {
    let evals = runs.iter().flat_map(|run| &run.evals);
    let mut levels: Vec<usize> =
        evals.flat_map(|eval| &eval.levels).map(|level| level.level).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

/// The longest name that a run has for the level.
pub(super) fn level_name(runs: &[RunData], level: usize) -> String {
    let names = runs.iter().map(|run| run.level_name(level));
    let longest = names.max_by_key(String::len).unwrap_or_default();
    if is_unseen(runs, level) { format!("{longest} (unseen)") } else { longest }
}

/// The mean over train levels in large type: `12.0 % → 58.5 %`.
pub(super) fn headline(run: &RunData) -> String {
    let mean = |eval: Option<&Eval>| eval.and_then(Eval::train_mean);
    let (before, after) = (mean(run.before()), mean(run.after()));
    let (numbers, change) = match (before, after) {
        (Some(before), Some(after)) => (
            format!("<span class=\"was\">{}</span> → {}", percent(before), percent(after)),
            points(after - before),
        ),
        (Some(before), None) => (percent(before), "before training".to_owned()),
        (None, Some(after)) => (percent(after), "no evaluation before training".to_owned()),
        (None, None) => return "<p class=\"none\">No evaluation yet.</p>\n".to_owned(),
    };
    let after = run.after().map_or(String::new(), |eval| format!(" after {} steps", eval.step));
    format!(
        "<p class=\"big\">{numbers} <span class=\"change\">{change}</span></p>\n\
         <p class=\"sub\">greedy accuracy on held-out problems, mean over the levels trained \
         on{after}</p>\n"
    )
}

/// The plot and the tables of all runs.
pub(super) fn section(runs: &[RunData], names: &[String]) -> String {
    let levels = levels(runs);
    if levels.is_empty() {
        return String::new();
    }
    let (unseen, trained): (Vec<usize>, Vec<usize>) =
        levels.iter().partition(|level| is_unseen(runs, **level));
    let mut html = format!(
        "<section><h2>Before and after</h2>\n\
         <p>Held-out problems, greedy decoding. Hollow: before training. Filled: after. \
         Bars: 95% intervals.</p>\n<div class=\"lift\">\n{}{}</div></section>\n",
        plot(runs, names, &levels),
        table(runs, names, &trained, true)
    );
    if !unseen.is_empty() {
        html += &format!(
            "<section><h2>Unseen levels</h2>\n<p>Levels that training never drew (out of distribution): what \
             was learned, on problems harder than any practised.</p>\n{}</section>\n",
            table(runs, names, &unseen, false)
        );
    }
    html
}

/// True for a level that is out of the training distribution.
fn is_unseen(runs: &[RunData], level: usize) -> bool {
    let evals = runs.iter().flat_map(|run| &run.evals);
    evals.flat_map(|eval| &eval.levels).any(|entry| entry.level == level && entry.ood)
}

/// One line a level and run, from the hollow circle to the filled one.
fn plot(runs: &[RunData], names: &[String], levels: &[usize]) -> String {
    let several = runs.len() > 1;
    let (row, gap) = if several { (26.0, 30.0) } else { (42.0, 0.0) };
    let (left, right, top) = (196.0, 560.0, 24.0);
    let bottom = top + levels.len() as f64 * (gap + row * runs.len() as f64);
    let (width, height) = (700.0, bottom + 40.0);
    let x = |share: f64| left + share.clamp(0.0, 1.0) * (right - left);
    let mut svg = format!(
        "<figure class=\"dumbbell\"><div class=\"plot\"><svg viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>Accuracy before and after training, by level</title>\n"
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{0:.1} {top}V{bottom}\"/>\
             <text class=\"x\" x=\"{0:.1}\" y=\"{1:.1}\">{2:.0} %</text>",
            x(share),
            bottom + 18.0,
            100.0 * share
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"x\" x=\"{:.1}\" y=\"{:.1}\">greedy accuracy</text>",
        (left + right) / 2.0,
        bottom + 34.0
    );
    let styles = styles(runs);
    let mut y = top;
    for level in levels {
        let name = level_name(runs, *level);
        if several {
            y += gap;
            let _ = writeln!(
                svg,
                "<text class=\"group\" x=\"0\" y=\"{:.1}\">{}</text>",
                y - 8.0,
                escape(&name)
            );
        }
        for (j, run) in runs.iter().enumerate() {
            let (style, label) =
                if several { (styles[j], names[j].as_str()) } else { (*level, name.as_str()) };
            let lift = Lift::new(run, *level);
            let _ = writeln!(
                svg,
                "<g class=\"{}\"><title>{}: {}</title>\
                 <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>{}</g>",
                style_class(style),
                escape(label),
                escape(&lift.words()),
                left - 12.0,
                y + row / 2.0 + 4.0,
                escape(&shorten(label, 28)),
                mark(&lift, y + row / 2.0, &x, right + 14.0)
            );
            y += row;
        }
    }
    svg + "</svg></div></figure>\n"
}

/// The circles of a line, their intervals, and the values at its end.
fn mark(lift: &Lift<'_>, y: f64, x: &dyn Fn(f64) -> f64, end: f64) -> String {
    let mut svg = String::new();
    if let (Some(before), Some(after)) = (lift.before, lift.after) {
        let (from, to) = (x(before.accuracy), x(after.accuracy));
        let _ = write!(svg, "<path class=\"way\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>");
    }
    let sides = [(lift.before, "before", 6.0), (lift.after, "after", -6.0)];
    for (side, class, shift) in sides {
        let Some(level) = side else { continue };
        let [low, high] = level.interval.map(x);
        let _ = write!(
            svg,
            "<path class=\"whisker {class}\" d=\"M{low:.1} {0:.1}H{high:.1}M{low:.1} {1:.1}v6M{high:.1} \
             {1:.1}v6\"/><circle class=\"{class}\" cx=\"{2:.1}\" cy=\"{y:.1}\" r=\"6\"/>",
            y + 1.8 * shift,
            y + 1.8 * shift - 3.0,
            x(level.accuracy)
        );
    }
    let value = |side: Option<&LevelEval>| side.map_or("–".to_owned(), |l| percent(l.accuracy));
    let text = match (lift.before, lift.after) {
        (_, None) => value(lift.before),
        (before, after) => format!("{} → {}", value(before), value(after)),
    };
    let _ = write!(svg, "<text class=\"end\" x=\"{end:.1}\" y=\"{:.1}\">{text}</text>", y + 4.0);
    svg
}

/// A row a level, or for several runs a row a level and run; below them the means over train levels.
fn table(runs: &[RunData], names: &[String], levels: &[usize], with_mean: bool) -> String {
    let several = runs.len() > 1;
    let styles = styles(runs);
    let mut html =
        "<div class=\"scroll\"><table class=\"before-after\">\n<thead><tr><th class=\"left\">level\
                    <th>problems<th>before<th>after<th>change</thead>\n<tbody>\n"
            .to_owned();
    for level in levels {
        let name = escape(&level_name(runs, *level));
        if several {
            let _ = writeln!(html, "<tr class=\"group\"><th colspan=\"5\" class=\"left\">{name}");
        }
        for (i, run) in runs.iter().enumerate() {
            let head = match several {
                true => format!("{}{}", swatch(styles[i]), escape(&names[i])),
                false => format!("{}{name}", swatch(*level)),
            };
            let cells = cells(&Lift::new(run, *level));
            let _ = writeln!(html, "<tr><td class=\"left\">{head}{cells}");
        }
    }
    if with_mean {
        html += &means(runs, names);
    }
    html += "</tbody></table></div>\n";
    html + "<p class=\"sub\">Small figures: 95% intervals. ≈ marks a change whose two intervals overlap: it \
            may be chance.</p>\n"
}

/// The means over the levels that are trained on, a row a run.
fn means(runs: &[RunData], names: &[String]) -> String {
    let several = runs.len() > 1;
    let styles = styles(runs);
    let mut html = String::new();
    if several {
        html += "<tr class=\"group\"><th colspan=\"5\" class=\"left\">mean over train levels\n";
    }
    for (i, run) in runs.iter().enumerate() {
        let head = match several {
            true => format!("{}{}", swatch(styles[i]), escape(&names[i])),
            false => "mean over train levels".to_owned(),
        };
        let before = run.before().and_then(Eval::train_mean);
        let after = run.after().and_then(Eval::train_mean);
        let change = before.zip(after).map(|(before, after)| after - before);
        let [before, after, change] = [before.map(percent), after.map(percent), change.map(points)]
            .map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
        let _ = writeln!(
            html,
            "<tr class=\"mean\"><td class=\"left\">{head}<td><td>{before}<td>{after}<td>{change}"
        );
    }
    html
}

fn cells(lift: &Lift<'_>) -> String {
    let none = || "–".to_owned();
    let with_interval = |level: Option<&LevelEval>| {
        level.map_or_else(none, |level| {
            let (accuracy, bounds) = (percent(level.accuracy), interval(level.interval));
            format!("<b>{accuracy}</b> <span class=\"bounds\">{bounds}</span>")
        })
    };
    let change = lift.change().map(|change| {
        let mark = if lift.overlaps() { "≈ " } else { "" };
        format!("{mark}{}", points(change))
    });
    let n = lift.after.or(lift.before).map_or_else(none, |level| level.n.to_string());
    format!(
        "<td>{n}<td>{}<td>{}<td>{}",
        with_interval(lift.before),
        with_interval(lift.after),
        change.unwrap_or_else(none)
    )
}
