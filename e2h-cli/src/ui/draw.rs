//! Drawing the live view.
//!
//! # Invariants
//! - Every number has its unit beside it or in the head of its column.
//! - Without colour nothing is lost: levels are named, bars have values.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::live::{Doing, Live, SampleNow};
use crate::progress::clock;

/// The levels' colours, those of the report.
const COLOURS: [Color; 6] =
    [Color::Blue, Color::Yellow, Color::Green, Color::Magenta, Color::Cyan, Color::Red];
/// From this width on, levels and health stand side by side.
const WIDE: u16 = 132;
/// Lines of the table of health, with its frame.
const HEALTH: u16 = 8;
/// From this height on, there is room for frames around single lines.
const TALL: u16 = 30;
/// Below this width only what matters most is shown.
const NARROW: u16 = 78;
const KEYS: &str =
    " p pause/go on   e evaluate now   s save now   q stop after this step and save ";
const SHORT_KEYS: &str = " p pause  e evaluate  s save  q quit";

/// Draws everything that there is room for: first the head and the keys, then levels, time, health, a completion.
pub(super) fn draw(frame: &mut Frame<'_>, live: &Live, colour: bool) {
    let paint = Paint { colour };
    let area = frame.area();
    let levels = live.levels.len() as u16 + 3;
    let wide = area.width >= WIDE;
    let time = if area.height >= TALL { 3 } else { 1 };
    let has_health = wide || area.height >= levels + time + HEALTH + 3;
    let tables = match (wide, has_health) {
        (true, _) => levels.max(HEALTH),
        (false, true) => levels + HEALTH,
        (false, false) => levels,
    };
    let [head, tables, time, sample, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(tables),
        Constraint::Length(time),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let [left, right] = if wide {
        Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(tables)
    } else {
        Layout::vertical([Constraint::Length(levels), Constraint::Min(0)]).areas(tables)
    };
    frame.render_widget(Paragraph::new(headline(live, head.width, paint)), head);
    frame.render_widget(boxed("levels", level_table(live, left.width, paint)), left);
    if has_health {
        frame.render_widget(boxed("health", health(live, right.width, paint)), right);
    }
    let split = vec![split(live, time.width, paint)];
    match time.height {
        0 | 1 => frame.render_widget(Paragraph::new(split), time),
        _ => frame.render_widget(boxed("time of a step", split), time),
    }
    draw_sample(frame, sample, live, paint);
    let text = if area.width >= NARROW { KEYS } else { SHORT_KEYS };
    frame.render_widget(Paragraph::new(Span::styled(text, paint.soft())), keys);
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn level(self, level: usize) -> Style {
        if self.colour { Style::new().fg(COLOURS[level % COLOURS.len()]) } else { Style::new() }
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn soft(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

fn boxed(title: &'static str, lines: Vec<Line<'static>>) -> Paragraph<'static> {
    Paragraph::new(lines).block(Block::new().borders(Borders::ALL).title(format!(" {title} ")))
}

/// Title, state, progress and ETA.
fn headline(live: &Live, width: u16, paint: Paint) -> Vec<Line<'static>> {
    let state = match live.doing {
        Doing::Starting => "starting".to_owned(),
        Doing::Training => "training".to_owned(),
        Doing::Evaluating { done, total } => format!("evaluating, {done} of {total} completions"),
        Doing::Paused => "PAUSED".to_owned(),
        Doing::Stopping => "stopping after this step".to_owned(),
    };
    let share = live.done as f64 / live.steps.max(1) as f64;
    let left = live.left_s().map_or_else(|| "?".to_owned(), clock);
    let text = format!(
        " {}/{} steps, {:.0} %, {} gone, {left} to go",
        live.done,
        live.steps,
        100.0 * share,
        clock(live.started.elapsed().as_secs_f64()),
    );
    let room = usize::from(width).saturating_sub(text.chars().count() + 1).min(40);
    vec![
        Line::from(vec![
            Span::styled(format!("{}   ", live.about.title), paint.bold()),
            Span::styled(state, paint.of(Color::Green)),
        ]),
        Line::from(vec![Span::styled(bar(share, room), paint.of(Color::Blue)), Span::raw(text)]),
    ]
}

/// A row a level: how often it is drawn, reward, accuracy in training and on held-out problems.
fn level_table(live: &Live, width: u16, paint: Paint) -> Vec<Line<'static>> {
    let narrow = width < NARROW;
    let labels = live.about.levels.iter().map(|level| level.label.chars().count());
    let (most, rest) = if narrow { (14, 2) } else { (20, 9) };
    let name = labels.max().unwrap_or(0).clamp(8, most) + rest;
    let bar_width = if narrow { 0 } else { 7 };
    let room = usize::from(width).saturating_sub(name + if narrow { 31 } else { 54 });
    let head = match narrow {
        true => format!("{:<name$} {:>6} {:>7} {:>8}", "", "drawn", "right", "held out"),
        false => format!(
            "{:<name$} {:>13}  {:>6}  {:>7}  {:>8}  accuracy so far",
            "", "drawn now", "reward", "right", "held out"
        ),
    };
    let mut lines = vec![Line::from(Span::styled(head, paint.soft()))];
    for (i, (level, about)) in live.levels.iter().zip(&live.about.levels).enumerate() {
        let label: String = about.label.chars().take(name - rest).collect();
        let label = format!("{i} {label}{}", if about.ood && !narrow { " unseen" } else { "" });
        let percent = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", 100.0 * value))
        };
        let share = match about.ood {
            true => "never".to_owned(),
            false => format!("{:.0} %", 100.0 * level.prob),
        };
        let bar = if about.ood { " ".repeat(bar_width) } else { bar(level.prob, bar_width) };
        let reward = level.reward.mean().map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"));
        let reward = if narrow { String::new() } else { format!("  {reward:>6} ") };
        let gap = if narrow { "" } else { " " };
        lines.push(Line::from(vec![
            Span::styled(format!("{label:<name$} "), paint.level(i)),
            Span::styled(format!("{bar}{share:>6}"), paint.level(i)),
            Span::raw(format!(
                "{reward} {:>7}{gap} {:>8}{gap} ",
                percent(level.accuracy.mean()),
                percent(level.held_out)
            )),
            Span::styled(spark(&level.history, room, Some((0.0, 1.0))), paint.level(i)),
        ]));
    }
    lines
}

/// A line a number that tells whether training is well.
fn health(live: &Live, width: u16, paint: Paint) -> Vec<Line<'static>> {
    let room = usize::from(width).saturating_sub(34);
    let line = |name: &str, values: &VecDeque<f64>, unit: &str, factor: f64, digits: usize| {
        let value = values
            .back()
            .map_or_else(|| "–".to_owned(), |value| format!("{:.digits$}{unit}", factor * value));
        Line::from(vec![
            Span::raw(format!("{name:<10} {value:>17}  ")),
            Span::styled(spark(values, room, None), paint.of(Color::Cyan)),
        ])
    };
    vec![
        line("reward", &live.reward, "", 1.0, 3),
        line("loss", &live.loss, "", 1.0, 4),
        line("KL", &live.kl, " nat", 1.0, 4),
        line("entropy", &live.entropy, " nat a token", 1.0, 2),
        line("clipped", &live.clip, " % of tokens", 100.0, 1),
        line("no signal", &live.no_signal, " % of groups", 100.0, 0),
    ]
}

/// Where the seconds of a step go.
fn split(live: &Live, width: u16, paint: Paint) -> Line<'static> {
    let Some(whole) = live.step_s.mean().filter(|whole| *whole > 0.0) else {
        return Line::from("no step yet");
    };
    let names = ["sampling", "scoring", "update"];
    let mut rest = 1.0;
    let mut shares: Vec<(&str, f64)> = Vec::new();
    for (name, phase) in names.into_iter().zip(&live.phases_s) {
        let share = phase.mean().unwrap_or(0.0) / whole;
        rest -= share;
        shares.push((name, share));
    }
    shares.push(("rest", rest.max(0.0)));
    let parts: Vec<String> =
        shares.iter().map(|(name, share)| format!("{name} {:.0} %", 100.0 * share)).collect();
    let speed = live.tokens_per_s.mean().unwrap_or(0.0);
    let each = match width < WIDE {
        true => String::new(),
        false => format!("  {:.0} tokens each", live.tokens_each.mean().unwrap_or(0.0)),
    };
    let text = format!("  {whole:.2} s a step  {speed:.0} tokens/s{each}  {}", parts.join(", "));
    let room = usize::from(width).saturating_sub(text.chars().count() + 3).min(30);
    let mut spans = Vec::new();
    for (i, (_, share)) in shares.iter().enumerate() {
        let cells = (share * room as f64).round() as usize;
        let fill = ["█", "▓", "▒", "░"][i];
        spans.push(Span::styled(fill.repeat(cells), paint.level(i)));
    }
    spans.push(Span::raw(text));
    Line::from(spans)
}

/// A completion with its reward, above the newest messages.
fn draw_sample(frame: &mut Frame<'_>, area: Rect, live: &Live, paint: Paint) {
    // A completion needs a frame and two lines; where that is too much, the messages have all the room.
    let messages = live.messages.len().min(3) as u16;
    let [text, log] = match area.height {
        0..4 => [Rect { height: 0, ..area }, area],
        _ => Layout::vertical([Constraint::Min(3), Constraint::Length(messages)]).areas(area),
    };
    let messages = messages.min(log.height);
    let lines = live.sample.as_ref().map_or_else(
        || vec![Line::from("no completion yet")],
        |sample| sample_lines(sample, paint),
    );
    frame.render_widget(boxed("a completion", lines).wrap(Wrap { trim: false }), text);
    let skip = live.messages.len() - usize::from(messages);
    let lines: Vec<Line<'_>> = live
        .messages
        .iter()
        .skip(skip)
        .map(|text| Line::from(Span::styled(format!(" {text}"), paint.soft())))
        .collect();
    frame.render_widget(Paragraph::new(lines), log);
}

fn sample_lines(sample: &SampleNow, paint: Paint) -> Vec<Line<'static>> {
    let parts: Vec<String> = sample
        .parts
        .iter()
        .map(|part| format!("{} {:.2} × {:.2}", part.name, part.value, part.weight))
        .collect();
    let verdict = if sample.outcome == "correct" { Color::Green } else { Color::Red };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("level {} ", sample.level), paint.level(sample.level)),
        Span::raw(format!("step {}  ", sample.step)),
        Span::styled(sample.outcome.replace('_', " "), paint.of(verdict)),
        Span::raw(format!("  reward {:.2} = {}", sample.reward, parts.join(" + "))),
    ])];
    // Control characters of a model must not reach the terminal.
    let clean = |line: &str| -> String {
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    if !sample.question.is_empty() {
        lines.push(Line::from(Span::styled(clean(&sample.question), paint.bold())));
    }
    lines.extend(sample.text.lines().map(|line| Line::from(clean(line))));
    lines
}

/// A bar of `width` cells, in eighths.
fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    let missing = width.saturating_sub(text.chars().count());
    text + &"·".repeat(missing)
}

/// The newest values as columns of eight heights, between `range` or their own extremes.
fn spark(values: &VecDeque<f64>, width: usize, range: Option<(f64, f64)>) -> String {
    let shown = || values.iter().skip(values.len().saturating_sub(width)).filter(|v| v.is_finite());
    let (low, high) = range.unwrap_or_else(|| {
        (
            shown().copied().fold(f64::INFINITY, f64::min),
            shown().copied().fold(f64::NEG_INFINITY, f64::max),
        )
    });
    let cell = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(share.clamp(0.0, 1.0) * 7.0).round() as usize]
    };
    shown().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_asked_and_its_filling_follows_the_share() {
        assert_eq!(bar(0.0, 4), "····");
        assert_eq!(bar(0.5, 4), "██··");
        assert_eq!(bar(0.56, 4), "██▎·");
        assert_eq!(bar(1.7, 4), "████");
    }

    #[test]
    fn a_sparkline_shows_the_newest_values_between_their_extremes() {
        let values: VecDeque<f64> = [9.0, -1.0, 0.0, 1.0].into();
        assert_eq!(spark(&values, 3, None), "▁▅█");
        assert_eq!(spark(&[2.0, 2.0].into(), 9, None), "▁▁");
        assert_eq!(spark(&[f64::NAN, 1.0].into(), 9, Some((0.0, 1.0))), "█");
    }
}
