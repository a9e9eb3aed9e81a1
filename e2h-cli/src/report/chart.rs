//! A plot over steps: inline SVG, its legend, and the table behind it.
//!
//! Lines show the mean over a few steps faintly and a smoothed trend boldly; stacked areas add their series up.
//! The table holds the values as measured, and the page's script reads them there when the pointer moves.
//!
//! # Invariants
//! - At most [`MAX_ROWS`] points a series, so a page does not grow with the length of a run.
//! - A series differs from its neighbours in colour and in dashes, and carries its name at its end.

use std::fmt::Write as _;

use super::data::Point;
use super::format::{Unit, escape, slug};
use super::frame::{Frame, path, shorten, smooth, spread};

/// Points of a series at most.
pub(super) const MAX_ROWS: usize = 240;
/// Lines with fewer points are drawn without smoothing, with dots.
const MIN_SMOOTHED: usize = 12;
const COLOURS: usize = 7;
const DASHES: usize = 4;

/// A plot over steps.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) unit: Unit,
    /// What is shown, in words.
    pub(super) note: String,
    /// The first and last step of each point.
    pub(super) rows: Vec<(u64, u64)>,
    pub(super) series: Vec<Series>,
    pub(super) stacked: bool,
    /// As wide as the page.
    pub(super) wide: bool,
}

/// One line or area.
pub(super) struct Series {
    name: String,
    style: usize,
    values: Vec<Option<f64>>,
    trend: Option<Vec<Option<f64>>>,
    /// The least and greatest of the runs that the series is the mean of, smoothed like the trend.
    band: Option<Band>,
    /// The same of the values as measured.
    span: Option<Band>,
}

/// A lower and an upper edge at each point.
type Band = Vec<Option<(f64, f64)>>;

/// The name, the style and the values of a series.
pub(super) type Raw = (String, usize, Vec<Point>);

/// The class that gives series `style` its colour and dashes.
pub(super) fn style_class(style: usize) -> String {
    format!("c{} d{}", style % COLOURS, style % DASHES)
}

/// A short line in the colour and dashes of a series.
pub(super) fn swatch(style: usize) -> String {
    format!(
        "<svg class=\"swatch\" viewBox=\"0 0 26 10\" aria-hidden=\"true\">\
         <path class=\"{}\" d=\"M1 5H25\"/></svg>",
        style_class(style)
    )
}

impl Chart {
    /// A plot of `raw`, in means over as many steps as make it fit; series without values are left out.
    pub(super) fn new(title: &str, unit: Unit, note: &str, raw: Vec<Raw>) -> Self {
        let raw: Vec<Raw> = raw.into_iter().filter(|(_, _, points)| !points.is_empty()).collect();
        let steps = || raw.iter().flat_map(|(_, _, points)| points).map(|point| point.step);
        let (first, last) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
        let width = (last - first) / MAX_ROWS as u64 + 1;
        let mut rows: Vec<u64> = steps().map(|step| (step - first) / width).collect();
        rows.sort_unstable();
        rows.dedup();
        let mut series = Vec::new();
        for (name, style, points) in &raw {
            let mut sums = vec![(0.0, 0.0); rows.len()];
            for point in points {
                if let Ok(row) = rows.binary_search(&((point.step - first) / width)) {
                    sums[row].0 += point.value * point.weight;
                    sums[row].1 += point.weight;
                }
            }
            let values = sums.iter().map(|(sum, n)| (*n > 0.0).then(|| sum / n)).collect();
            let trend = (rows.len() >= MIN_SMOOTHED).then(|| smooth(&sums));
            let (name, style) = (name.clone(), *style);
            series.push(Series { name, style, values, trend, band: None, span: None });
        }
        let span = |row: u64| (first + row * width, (first + row * width + width - 1).min(last));
        Self {
            title: title.to_owned(),
            unit,
            note: note.to_owned(),
            rows: rows.into_iter().map(span).collect(),
            series,
            stacked: false,
            wide: false,
        }
    }

    /// The same plot with one line a group of series: their mean in a band from the least to the greatest.
    /// `groups` holds names and the styles of the members; a group of one keeps its line.
    pub(super) fn grouped(mut self, groups: &[(String, Vec<usize>)]) -> Self {
        let n_rows = self.rows.len();
        let mut series = Vec::new();
        for (style, (name, members)) in groups.iter().enumerate() {
            let inside: Vec<&Series> =
                self.series.iter().filter(|one| members.contains(&one.style)).collect();
            let over = |values: &dyn Fn(&Series) -> &Vec<Option<f64>>| -> Vec<Vec<f64>> {
                let at = |i| inside.iter().filter_map(|one| values(one)[i]).collect();
                (0..n_rows).map(at).collect()
            };
            let mean = |values: &Vec<f64>| {
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            };
            let range = |values: &Vec<f64>| {
                let low = values.iter().copied().reduce(f64::min)?;
                Some((low, values.iter().copied().reduce(f64::max)?))
            };
            if inside.is_empty() {
                continue;
            }
            let shown = over(&|one| one.trend.as_ref().unwrap_or(&one.values));
            let measured = over(&|one| &one.values);
            let is_smoothed = inside.iter().any(|one| one.trend.is_some());
            let several = inside.len() > 1;
            series.push(Series {
                name: name.clone(),
                style,
                values: measured.iter().map(mean).collect(),
                trend: is_smoothed.then(|| shown.iter().map(mean).collect()),
                band: several.then(|| shown.iter().map(range).collect()),
                span: several.then(|| measured.iter().map(range).collect()),
            });
        }
        self.series = series;
        self
    }

    /// The same plot as stacked areas.
    pub(super) fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// The same plot as wide as the page.
    pub(super) fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The plot as HTML; nothing when it has no values.
    pub(super) fn html(&self) -> String {
        if self.series.is_empty() {
            return String::new();
        }
        let frame = Frame::new(self);
        let mut page = format!(
            "<figure class=\"chart{}\">\n<figcaption><b>{}</b> <span class=\"unit\">{}</span>\
             <p>{}</p></figcaption>\n",
            if self.wide { " wide" } else { "" },
            escape(&self.title),
            escape(self.unit.name()),
            escape(&self.caption()),
        );
        page += &format!("<div class=\"plot\">{}</div>\n", self.svg(&frame).trim_end());
        page += &self.table(&frame);
        page + "</figure>\n"
    }

    /// The note, and how the lines are made.
    fn caption(&self) -> String {
        let width = self.rows.iter().map(|(first, last)| last - first + 1).max().unwrap_or(1);
        let mut text = self.note.clone();
        if width > 1 {
            let _ = write!(text, " Each point is the mean of {width} steps.");
        }
        if self.is_smoothed() {
            text += " Faint: as measured; bold: smoothed.";
            let (low, high) = Frame::new(self).values;
            if self.measured().any(|value| value < low || value > high) {
                text += " Single peaks leave the picture; the table has them.";
            }
        }
        if self.series.iter().any(|series| series.band.is_some()) {
            text += " Bands: from the lowest seed to the highest.";
        }
        text
    }

    /// The name of the area that faint lines stay in; titles are unique on a page.
    fn clip_id(&self) -> String {
        format!("in-{}", slug(&self.title))
    }

    /// True where a trend is drawn over the values as measured.
    pub(super) fn is_smoothed(&self) -> bool {
        !self.stacked && self.series.iter().any(|series| series.trend.is_some())
    }

    /// All values as measured.
    pub(super) fn measured(&self) -> impl Iterator<Item = f64> + '_ {
        self.series.iter().flat_map(|series| series.values.iter().copied().flatten())
    }

    /// The values of all trends, and the edges of the bands around them.
    pub(super) fn trends(&self) -> impl Iterator<Item = f64> + '_ {
        self.series.iter().flat_map(|series| {
            let band = series.band.iter().flatten().flatten().flat_map(|(low, high)| [*low, *high]);
            series.trend.iter().flatten().copied().flatten().chain(band)
        })
    }

    /// The series' lower and upper edges at each point; a line has its value as both.
    pub(super) fn edges(&self) -> Vec<Vec<Option<(f64, f64)>>> {
        let mut base = vec![0.0; self.rows.len()];
        let mut edges = Vec::new();
        for series in &self.series {
            let points =
                series.values.iter().zip(&mut base).enumerate().map(|(i, (value, base))| {
                    if !self.stacked {
                        let band = series.band.as_ref().and_then(|band| band[i]);
                        return value.map(|v| band.map_or((v, v), |(l, h)| (l.min(v), h.max(v))));
                    }
                    let low = *base;
                    *base += value.unwrap_or(0.0);
                    Some((low, *base))
                });
            edges.push(points.collect());
        }
        edges
    }

    fn svg(&self, frame: &Frame) -> String {
        let Frame { width, height, left, right, top, bottom, .. } = *frame;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" tabindex=\"0\" data-left=\"{left}\" \
             data-right=\"{right}\">\n<title>{}</title>\n<desc>{}</desc>\n",
            escape(&self.title),
            escape(&self.summary()),
        );
        let _ = writeln!(
            svg,
            "<clipPath id=\"{}\"><rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\"/></clipPath>",
            self.clip_id(),
            right - left,
            bottom - top
        );
        svg += &frame.axes(self.unit);
        for series in &self.series {
            svg += &self.band(series, frame);
        }
        for (series, edges) in self.series.iter().zip(self.edges()) {
            svg += &self.mark(series, &edges, frame);
        }
        svg += &self.names(frame);
        let _ = writeln!(
            svg,
            "<path class=\"cursor\" d=\"M0 {top}V{bottom}\"/>\
             <rect class=\"hit\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\">\
             <title></title></rect>\n</svg>",
            right - left,
            bottom - top
        );
        svg
    }

    /// The band of a series, one area for each stretch without a gap.
    fn band(&self, series: &Series, frame: &Frame) -> String {
        let Some(band) = &series.band else { return String::new() };
        let mut svg = String::new();
        let places: Vec<(usize, (f64, f64))> = band
            .iter()
            .enumerate()
            .filter_map(|(i, edges)| edges.map(|edges| (i, edges)))
            .collect();
        for stretch in places.chunk_by(|a, b| a.0 + 1 == b.0) {
            let upper = stretch.iter().map(|(i, (_, high))| (*i, *high));
            let lower = stretch.iter().rev().map(|(i, (low, _))| (*i, *low));
            let outline =
                upper.chain(lower).map(|(i, v)| Some((frame.x(self.rows[i]), frame.y(v))));
            let _ = writeln!(
                svg,
                "<path class=\"band {}\" d=\"{}Z\"/>",
                style_class(series.style),
                path(outline)
            );
        }
        svg
    }

    /// One series as an area, or as a line with its trend.
    fn mark(&self, series: &Series, edges: &[Option<(f64, f64)>], frame: &Frame) -> String {
        let class = style_class(series.style);
        let place = |i: usize, value: f64| (frame.x(self.rows[i]), frame.y(value));
        if self.stacked {
            let upper = edges.iter().enumerate().filter_map(|(i, e)| e.map(|e| place(i, e.1)));
            let lower = edges.iter().enumerate().rev();
            let lower = lower.filter_map(|(i, e)| e.map(|e| place(i, e.0)));
            let mut outline: Vec<(f64, f64)> = upper.collect();
            if let [only] = outline[..] {
                outline = vec![(only.0 - 12.0, only.1), (only.0 + 12.0, only.1)];
                let low = frame.y(edges[0].map_or(0.0, |edge| edge.0));
                outline.extend([(only.0 + 12.0, low), (only.0 - 12.0, low)]);
            } else {
                outline.extend(lower);
            }
            let d = path(outline.into_iter().map(Some));
            return format!("<path class=\"series area {class}\" d=\"{d}Z\"/>\n");
        }
        let line = |values: &[Option<f64>]| {
            path(values.iter().enumerate().map(|(i, value)| value.map(|value| place(i, value))))
        };
        match &series.trend {
            Some(trend) => format!(
                "<path class=\"raw {class}\" clip-path=\"url(#{})\" d=\"{}\"/>\n\
                 <path class=\"series {class}\" d=\"{}\"/>\n",
                self.clip_id(),
                line(&series.values),
                line(trend)
            ),
            None => {
                let mut svg =
                    format!("<path class=\"series {class}\" d=\"{}\"/>\n", line(&series.values));
                for (i, value) in series.values.iter().enumerate() {
                    if let Some((x, y)) = value.map(|value| place(i, value)) {
                        let _ = writeln!(
                            svg,
                            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
                        );
                    }
                }
                svg
            }
        }
    }

    /// The names of the series at their ends, moved apart; a lone series needs none.
    fn names(&self, frame: &Frame) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let edges = self.edges();
        let mut ends: Vec<(f64, f64, &Series)> = Vec::new();
        for (series, edges) in self.series.iter().zip(&edges) {
            let values = series.trend.as_ref().unwrap_or(&series.values);
            let last = |i: &usize| {
                if self.stacked { edges[*i].is_some() } else { values[*i].is_some() }
            };
            let Some(i) = (0..self.rows.len()).rev().find(last) else {
                continue;
            };
            let middle = edges[i].map(|(low, high)| (low + high) / 2.0);
            let at = if self.stacked { middle } else { values[i] };
            ends.push((frame.x(self.rows[i]), frame.y(at.unwrap_or(0.0)), series));
        }
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut labels: Vec<f64> = ends.iter().map(|end| end.1).collect();
        spread(&mut labels, 14.0, frame.top, frame.bottom);
        let mut svg = String::new();
        for ((x, y, series), label) in ends.iter().zip(labels) {
            let right = frame.right;
            let _ = writeln!(
                svg,
                "<path class=\"leader\" d=\"M{x:.1} {y:.1}L{:.1} {label:.1}\"/>\
                 <text class=\"name {}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                right + 6.0,
                style_class(series.style),
                right + 9.0,
                label + 4.0,
                escape(&shorten(&series.name, if self.wide { 24 } else { 17 }))
            );
        }
        svg
    }

    /// The plotted values as a table, closed at first.
    fn table(&self, frame: &Frame) -> String {
        let mut html =
            "<details><summary>table</summary><div class=\"scroll\"><table>\n<thead><tr><th>step"
                .to_owned();
        for series in &self.series {
            let _ = write!(
                html,
                "<th class=\"{}\">{}",
                style_class(series.style),
                escape(&series.name)
            );
        }
        html += "</thead>\n<tbody>\n";
        for (i, row) in self.rows.iter().enumerate() {
            let steps = match row.0 == row.1 {
                true => row.0.to_string(),
                false => format!("{}–{}", row.0, row.1),
            };
            let _ = write!(html, "<tr data-x=\"{:.1}\"><td>{steps}", frame.x(*row));
            for series in &self.series {
                let value = series.values[i].map_or("–".to_owned(), |v| self.unit.show(v));
                let span = series.span.as_ref().and_then(|span| span[i]);
                let span = span.map_or(String::new(), |(low, high)| {
                    format!(" ({} to {})", self.unit.show(low), self.unit.show(high))
                });
                let _ = write!(html, "<td>{value}{span}");
            }
            html.push('\n');
        }
        html + "</tbody></table></div></details>\n"
    }

    /// Where each series begins and ends, for those who do not see the plot.
    fn summary(&self) -> String {
        let ends = |series: &Series| {
            let shown = series.trend.as_ref().unwrap_or(&series.values);
            let mut values = shown.iter().flatten();
            let first = values.next().copied().unwrap_or(0.0);
            let last = values.next_back().copied().unwrap_or(first);
            let (first, last) = (self.unit.show(first), self.unit.show(last));
            format!("{}: {first} at first, {last} at last.", series.name)
        };
        self.series.iter().map(ends).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        let point =
            |(step, value): (usize, &f64)| Point { step: step as u64, value: *value, weight: 1.0 };
        values.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_long_series_becomes_means_of_a_few_steps() {
        let values: Vec<f64> = (0..2000).map(f64::from).collect();
        let chart = Chart::new("t", Unit::One, "", vec![("s".to_owned(), 0, points(&values))]);
        assert!(chart.rows.len() <= MAX_ROWS && chart.rows.len() > MAX_ROWS / 2);
        assert_eq!(chart.rows[0], (0, 8));
        assert_eq!(chart.series[0].values[0], Some(4.0));
        assert_eq!(chart.rows.last().map(|row| row.1), Some(1999));
    }

    #[test]
    fn a_group_is_the_mean_of_its_runs_in_a_band_from_the_least_to_the_greatest() {
        let raw = |i: usize, v: f64| (format!("run {i}"), i, points(&[v; 3]));
        let chart = Chart::new("t", Unit::One, "", vec![raw(0, 1.0), raw(1, 3.0), raw(2, 7.0)]);
        let groups = [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![2])];
        let chart = chart.grouped(&groups);
        assert_eq!(chart.series.len(), 2);
        assert_eq!(chart.series[0].values[1], Some(2.0));
        assert_eq!(chart.series[0].band.as_ref().expect("a band")[1], Some((1.0, 3.0)));
        assert!(chart.series[1].band.is_none());
        let html = chart.html();
        assert_eq!(html.matches("class=\"band ").count(), 1);
        assert!(html.contains("2 (1 to 3)"));
    }

    #[test]
    fn smoothing_keeps_a_constant_and_weighs_by_weight() {
        let flat = smooth(&[(6.0, 2.0); 20]);
        assert!(flat.iter().all(|v| v.is_some_and(|v| (v - 3.0).abs() < 1e-12)));
        let mut sums = vec![(0.0, 1.0); 20];
        sums[10] = (1e6, 1e6);
        assert!(smooth(&sums)[10].is_some_and(|v| v > 0.99));
    }

    #[test]
    fn labels_are_moved_apart_and_stay_inside() {
        let mut places = [100.0, 101.0, 102.0];
        spread(&mut places, 14.0, 10.0, 110.0);
        assert_eq!(places, [82.0, 96.0, 110.0]);
    }

    #[test]
    fn a_gap_breaks_a_path() {
        let places = [Some((0.0, 1.0)), None, Some((2.0, 3.0)), Some((4.0, 5.0))];
        assert_eq!(path(places.into_iter()), "M0.0 1.0M2.0 3.0L4.0 5.0");
    }

    #[test]
    fn a_constant_series_is_drawn_without_nan() {
        let chart = Chart::new("t", Unit::One, "", vec![("s".to_owned(), 0, points(&[0.0; 30]))]);
        assert!(!chart.html().contains("NaN"));
        assert!(Chart::new("t", Unit::One, "", Vec::new()).html().is_empty());
    }
}
