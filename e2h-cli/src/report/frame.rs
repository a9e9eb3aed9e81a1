//! Where things lie in a plot: scales, axes, paths, and labels that keep apart.

use std::fmt::Write as _;

use super::chart::Chart;
use super::format::{Unit, escape, ticks};

/// Where things lie in an SVG, in its units.
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) steps: (f64, f64),
    pub(super) values: (f64, f64),
}

impl Frame {
    pub(super) fn new(chart: &Chart) -> Self {
        let (width, height) = if chart.wide { (1040.0, 300.0) } else { (500.0, 230.0) };
        let margin = match (chart.series.len(), chart.wide) {
            (0 | 1, _) => 14.0,
            (_, true) => 170.0,
            (_, false) => 126.0,
        };
        let first = chart.rows.first().map_or(0.0, |row| row.0 as f64);
        let last = chart.rows.last().map_or(0.0, |row| row.1 as f64);
        Self {
            width,
            height,
            left: 54.0,
            right: width - margin,
            top: 10.0,
            bottom: height - 34.0,
            steps: (first, last),
            values: range(chart),
        }
    }

    /// The place of the middle of some steps.
    pub(super) fn x(&self, row: (u64, u64)) -> f64 {
        let (first, last) = self.steps;
        let middle = (row.0 as f64 + row.1 as f64) / 2.0;
        let share = if last > first { (middle - first) / (last - first) } else { 0.5 };
        self.left + share * (self.right - self.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        self.bottom - (value - low) / (high - low) * (self.bottom - self.top)
    }

    pub(super) fn axes(&self, unit: Unit) -> String {
        let Self { left, right, bottom, .. } = *self;
        let mut svg = String::new();
        for value in ticks(self.values.0, self.values.1, 5) {
            let y = self.y(value);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>\
                 <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 6.0,
                y + 4.0,
                escape(&unit.tick(value))
            );
        }
        let (first, last) = self.steps;
        for step in ticks(first, last, 5).into_iter().filter(|step| step.fract() == 0.0) {
            let _ = writeln!(
                svg,
                "<text class=\"x\" x=\"{:.1}\" y=\"{:.1}\">{step}</text>",
                self.x((step as u64, step as u64)),
                bottom + 16.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"x\" x=\"{:.1}\" y=\"{:.1}\">step</text>",
            (left + right) / 2.0,
            bottom + 30.0
        );
        svg
    }
}

/// The lowest and highest value that a plot shows: of smoothed lines all of the trends, and all but the outermost
/// fiftieth of the values as measured.
fn range(chart: &Chart) -> (f64, f64) {
    let edges = chart.edges();
    let mut values: Vec<f64> = match chart.is_smoothed() {
        true => chart.trends().chain(inner(chart.measured().collect())).collect(),
        false => edges.iter().flatten().flatten().flat_map(|(low, high)| [*low, *high]).collect(),
    };
    values.push(0.0);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if chart.unit == Unit::Share {
        let tops = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8];
        return (0.0, tops.into_iter().find(|top| high <= *top).unwrap_or(1.0));
    }
    let room = if chart.stacked { 0.0 } else { 0.05 * (high - low) };
    match high - low {
        span if span.is_finite() && span > 0.0 => {
            (if low < 0.0 { low - room } else { low }, high + room)
        }
        _ => (0.0, 1.0),
    }
}

/// The values without the fiftieth at each end.
fn inner(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 50;
    values.truncate(values.len() - cut);
    values.split_off(cut)
}

/// Means under a Gaussian window whose deviation is a fortieth of the run; none before the first value, after
/// the last, or where no value is near.
pub(super) fn smooth(sums: &[(f64, f64)]) -> Vec<Option<f64>> {
    let sigma = (sums.len() as f64 / 40.0).max(1.5);
    let reach = (2.5 * sigma).ceil() as usize;
    let at = |i: usize| {
        let near = i.saturating_sub(reach)..(i + reach + 1).min(sums.len());
        let mut mean = (0.0, 0.0);
        for j in near {
            let distance = (j as f64 - i as f64) / sigma;
            let kernel = (-0.5 * distance * distance).exp();
            mean.0 += kernel * sums[j].0;
            mean.1 += kernel * sums[j].1;
        }
        (mean.1 > 0.0).then(|| mean.0 / mean.1)
    };
    let there = |i: &usize| sums[*i].1 > 0.0;
    let first = (0..sums.len()).find(there).unwrap_or(sums.len());
    let last = (0..sums.len()).rev().find(there).unwrap_or(0);
    (0..sums.len()).map(|i| (first..=last).contains(&i).then(|| at(i)).flatten()).collect()
}

/// Moves sorted places at least `gap` apart, within `low..high` where they fit.
pub(super) fn spread(places: &mut [f64], gap: f64, low: f64, high: f64) {
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + gap);
    }
    let mut limit = high;
    for place in places.iter_mut().rev() {
        *place = place.min(limit).max(low);
        limit = *place - gap;
    }
}

/// The first `max` characters.
pub(super) fn shorten(text: &str, max: usize) -> String {
    match text.chars().count() > max {
        true => text.chars().take(max - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A path through the places, broken where there is none.
pub(super) fn path(places: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut d = String::new();
    let mut command = 'M';
    for place in places {
        match place {
            Some((x, y)) => {
                let _ = write!(d, "{command}{x:.1} {y:.1}");
                command = 'L';
            }
            None => command = 'M',
        }
    }
    d
}
