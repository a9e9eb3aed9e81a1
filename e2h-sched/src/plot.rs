//! Pictures of a preview: blocks for a terminal, SVG for a page.

use std::fmt::Write;

use crate::preview::Preview;

/// Eight heights of a cell, and the empty one.
const BLOCKS: [char; 9] = [
    ' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}',
    '\u{2588}',
];

/// Blue to red, legible on light and dark ground; further levels start again.
const COLOURS: [&str; 8] =
    ["#4c78a8", "#72b7b2", "#54a24b", "#eeca3b", "#f58518", "#e45756", "#b279a2", "#9d755d"];

/// Width of the plot area in the SVG, in its units.
const WIDTH: f64 = 600.0;
/// Most columns of the SVG; a longer run is drawn by the means of equal spans.
const MOST_COLUMNS: usize = 150;
/// Height of the plot area in the SVG, in its units.
const HEIGHT: f64 = 240.0;

/// One line a level: a bar of `width` cells over the run, where a full cell is probability 1, and the expected count.
///
/// ```text
/// level 0 |█▇▅▃▂▁▁▁▁▁|   1628 prompts
/// ```
///
/// ```
/// use e2h_core::Level;
/// use e2h_sched::{Fixed, Preview, Shape, terminal};
///
/// let rule = Fixed::new(Shape::Only(Level(0)), 2, 10)?;
/// let picture = terminal(&Preview::new(&rule, 10, 8), 4);
/// assert_eq!(picture, "level 0 |████|       80 prompts\nlevel 1 |    |        0 prompts\n");
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub fn terminal(preview: &Preview, width: usize) -> String {
    let mut text = String::new();
    let last = preview.n_levels().saturating_sub(1).to_string();
    for (level, count) in preview.expected_counts.iter().enumerate() {
        let cells: String = preview.columns(level, width.max(1)).into_iter().map(block).collect();
        let label = format!("{level:>digits$}", digits = last.len());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "level {label} |{cells}| {count:>8.0} prompts");
    }
    text
}

/// The block nearest to `prob`; what is not 0 shows at least the lowest.
fn block(prob: f64) -> char {
    let eighths = (prob * 8.0).round() as usize;
    let least = usize::from(prob > 0.0);
    BLOCKS[eighths.clamp(least, 8)]
}

/// A self-contained SVG: the probabilities stacked over the run, level 0 at the bottom.
///
/// `labels` name the levels in the legend; a level without one is shown by its number. The texts take the page's
/// colour, so the picture fits light and dark pages.
///
/// ```
/// use e2h_core::Level;
/// use e2h_sched::{Fixed, Preview, Shape, svg};
///
/// let rule = Fixed::new(Shape::Only(Level(0)), 2, 10)?;
/// let picture = svg(&Preview::new(&rule, 10, 8), &["short", "long"]);
/// assert!(picture.contains("<title>only: share of the prompts by step</title>"));
/// assert!(picture.contains("short (80 prompts)") && picture.contains("long (0 prompts)"));
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub fn svg(preview: &Preview, labels: &[impl AsRef<str>]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">\n<title>{}</title>\n",
        WIDTH + 190.0,
        HEIGHT + 50.0,
        escape(&format!("{}: share of the prompts by step", preview.name)),
    );
    let n_columns = preview.probabilities.len().min(MOST_COLUMNS);
    // A line has two ends, so a run of one step is drawn as two columns alike.
    let mut lower = vec![0.0; n_columns.max(2)];
    for level in 0..preview.n_levels() {
        let mut probs = preview.columns(level, n_columns);
        probs.resize(lower.len(), probs[0]);
        let upper: Vec<f64> = lower.iter().zip(&probs).map(|(a, b)| a + b).collect();
        let colour = COLOURS[level % COLOURS.len()];
        let _ = writeln!(out, "<path fill=\"{colour}\" d=\"{}\"/>", area(&lower, &upper));
        let number = level.to_string();
        let label = labels.get(level).map_or(number.as_str(), AsRef::as_ref);
        legend(&mut out, level, colour, label, preview.expected_counts[level]);
        lower = upper;
    }
    axes(&mut out, preview.steps);
    out.push_str("</svg>\n");
    out
}

/// The closed band between two lines of cumulative probability.
fn area(lower: &[f64], upper: &[f64]) -> String {
    let at = |(column, &height): (usize, &f64)| {
        let x = WIDTH * column as f64 / (lower.len() - 1) as f64;
        (format!("{:.1}", 40.0 + x), format!("{:.1}", 10.0 + HEIGHT * (1.0 - height)))
    };
    let there: Vec<_> = upper.iter().enumerate().map(at).collect();
    let back: Vec<_> = lower.iter().enumerate().rev().map(at).collect();
    let corners = [corners(&there), corners(&back)].concat();
    format!("M{}Z", corners.join("L"))
}

/// The points of a line without those inside a level stretch, which change nothing.
fn corners(line: &[(String, String)]) -> Vec<String> {
    let inside = |i: usize| {
        let y = |i: usize| &line[i].1;
        i > 0 && i + 1 < line.len() && y(i - 1) == y(i) && y(i) == y(i + 1)
    };
    (0..line.len())
        .filter(|&i| !inside(i))
        .map(|i| format!("{},{}", line[i].0, line[i].1))
        .collect()
}

fn legend(out: &mut String, level: usize, colour: &str, label: &str, count: f64) {
    let y = 14.0 + 18.0 * level as f64;
    let x = WIDTH + 52.0;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
         <text x=\"{}\" y=\"{}\">{} ({count:.0} prompts)</text>",
        x + 18.0,
        y + 10.0,
        escape(label),
    );
}

fn axes(out: &mut String, steps: u64) {
    let bottom = HEIGHT + 10.0;
    let right = WIDTH + 40.0;
    let _ = writeln!(
        out,
        "<path d=\"M40,10V{bottom}H{right}\" fill=\"none\" stroke=\"currentColor\"/>\n\
         <g text-anchor=\"end\"><text x=\"34\" y=\"14\">1</text><text x=\"34\" y=\"{bottom}\">0</text>\
         <text x=\"{right}\" y=\"{label}\">{last}</text></g>\n\
         <text x=\"40\" y=\"{label}\">0</text>\
         <text x=\"{middle}\" y=\"{label}\" text-anchor=\"middle\">step</text>",
        label = bottom + 18.0,
        middle = 40.0 + WIDTH / 2.0,
        last = steps.saturating_sub(1),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fixed, Shape};

    const NONE: [&str; 0] = [];

    fn classic() -> Preview {
        let schedule = Fixed::new(Shape::Classic, 2, 8).expect("valid");
        Preview::new(&schedule, 8, 10)
    }

    #[test]
    fn the_terminal_plot_is_one_line_a_level() {
        let expected = "level 0 |██  |       40 prompts\nlevel 1 |  ██|       40 prompts\n";
        assert_eq!(terminal(&classic(), 4), expected);
    }

    #[test]
    fn a_small_probability_is_not_drawn_as_none() {
        assert_eq!(block(0.001), '\u{2581}');
        assert_eq!(block(0.0), ' ');
        assert_eq!(block(1.0), '\u{2588}');
    }

    #[test]
    fn the_bands_of_the_svg_fill_the_height_and_labels_are_escaped() {
        let picture = svg(&classic(), &["a < b"]);
        assert_eq!(picture.matches("<path fill=").count(), 2);
        // The top band ends at probability 1, which is y = 10.
        assert!(picture.contains("L640.0,10.0L"), "{picture}");
        assert!(picture.contains("a &lt; b (40 prompts)"));
        assert!(!picture.contains("NaN"));
    }

    #[test]
    fn a_run_of_one_step_is_drawn_over_the_whole_width() {
        let one = Preview::of_table("one", vec![vec![1.0]], 8);
        let band = "M40.0,10.0L640.0,10.0L640.0,250.0L40.0,250.0Z";
        assert!(svg(&one, &NONE).contains(band));
    }

    #[test]
    fn a_level_band_is_drawn_by_its_four_corners() {
        let flat = Preview::of_table("flat", vec![vec![1.0]; 90], 8);
        assert!(svg(&flat, &NONE).contains("M40.0,10.0L640.0,10.0L640.0,250.0L40.0,250.0Z"));
    }

    #[test]
    fn an_empty_preview_draws_only_axes() {
        let empty = Preview::of_table("none", Vec::new(), 8);
        assert_eq!(terminal(&empty, 10), "");
        assert!(!svg(&empty, &NONE).contains("<path fill=\"#"));
    }
}
