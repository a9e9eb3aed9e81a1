//! A small chart: two axes, series and a legend.

use std::fmt::Write;

const WIDTH: f64 = 790.0;
const HEIGHT: f64 = 420.0;
/// Left, top, right and bottom edge of the plotting area.
const AREA: [f64; 4] = [70.0, 40.0, 520.0, 365.0];
/// Colours that stand out on white and on black.
const COLOURS: [&str; 8] =
    ["#4a90d9", "#e0634f", "#3a9d5d", "#b8860b", "#9a6dd7", "#d1568f", "#2aa5a0", "#808080"];
const STYLE: &str = ".e2h-chart{color:#222;background:#fff;font:12px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.e2h-chart{color:#ddd;background:#14171a}}\
.e2h-chart text{fill:currentColor}.e2h-chart .grid{stroke:currentColor;opacity:.15}\
.e2h-chart .frame{stroke:currentColor;opacity:.6}";

/// One axis.
pub(super) struct Axis {
    label: String,
    low: f64,
    high: f64,
    is_log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis with a tick at each multiple of `step`.
    pub(super) fn linear(label: &str, low: f64, high: f64, step: f64) -> Self {
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Self { label: label.to_owned(), low, high, is_log: false, ticks }
    }

    /// A logarithmic axis with a tick at each power of ten.
    pub(super) fn log(label: &str, low: f64, high: f64) -> Self {
        let exponents = low.log10().ceil() as i32..=high.log10().floor() as i32;
        let ticks = exponents.map(|exponent| 10f64.powi(exponent)).collect();
        Self { label: label.to_owned(), low, high, is_log: true, ticks }
    }

    /// Where `value` lies between the ends, from 0 to 1; what is outside is put on the nearer end.
    fn share(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.is_log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    fn name(&self, tick: f64) -> String {
        if self.is_log && !(0.1..1e3).contains(&tick) {
            format!("1e{}", tick.log10().round())
        } else {
            format!("{}", (tick * 10.0).round() / 10.0)
        }
    }
}

/// A chart under construction.
pub(super) struct Chart {
    x: Axis,
    y: Axis,
    body: String,
    series: usize,
}

impl Chart {
    pub(super) fn new(title: &str, x: Axis, y: Axis) -> Self {
        let mut chart = Self { x, y, body: String::new(), series: 0 };
        let [left, top, right, bottom] = AREA;
        chart.text(left, 22.0, "start", title);
        for tick in chart.x.ticks.clone() {
            let (at, name) = (chart.at(tick, chart.y.low).0, chart.x.name(tick));
            chart.put(&format!("<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>"));
            chart.text(at, bottom + 17.0, "middle", &name);
        }
        for tick in chart.y.ticks.clone() {
            let (at, name) = (chart.at(chart.x.low, tick).1, chart.y.name(tick));
            chart.put(&format!("<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>"));
            chart.text(left - 6.0, at + 4.0, "end", &name);
        }
        let (width, height) = (right - left, bottom - top);
        chart.put(&format!(
            "<rect class=\"frame\" fill=\"none\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
        ));
        let (x_label, y_label) = (chart.x.label.clone(), chart.y.label.clone());
        chart.text((left + right) / 2.0, bottom + 40.0, "middle", &x_label);
        chart.put(&format!("<g transform=\"translate(16 {}) rotate(-90)\">", (top + bottom) / 2.0));
        chart.text(0.0, 0.0, "middle", &y_label);
        chart.put("</g>");
        chart
    }

    /// A new series, drawn as a line.
    pub(super) fn line(&mut self, name: &str, points: &[(f64, f64)]) {
        let colour = self.legend(name);
        let path: Vec<String> = points
            .iter()
            .map(|&(x, y)| {
                let (x, y) = self.at(x, y);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let path = path.join(" ");
        self.put(&format!(
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        ));
    }

    /// A new series of one dot.
    pub(super) fn dot(&mut self, name: &str, point: (f64, f64)) {
        self.dots(name, &[point]);
    }

    /// A new series of dots.
    pub(super) fn dots(&mut self, name: &str, points: &[(f64, f64)]) {
        let colour = self.legend(name);
        let shape = self.series > COLOURS.len();
        for &(x, y) in points {
            let (x, y) = self.at(x, y);
            self.put(&if shape {
                let (x, y) = (x - 4.0, y - 4.0);
                format!(
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\" fill=\"{colour}\"/>"
                )
            } else {
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{colour}\"/>")
            });
        }
    }

    /// An interval in the colour of the last series.
    pub(super) fn whisker(&mut self, x: f64, low: f64, high: f64) {
        let colour = COLOURS[(self.series + COLOURS.len() - 1) % COLOURS.len()];
        let ((x, bottom), (_, top)) = (self.at(x, low), self.at(x, high));
        let (left, right) = (x - 4.0, x + 4.0);
        self.put(&format!(
            "<path d=\"M{x:.1} {bottom:.1}V{top:.1}M{left:.1} {top:.1}H{right:.1}\
             M{left:.1} {bottom:.1}H{right:.1}\" stroke=\"{colour}\" fill=\"none\"/>"
        ));
    }

    /// The whole figure.
    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"e2h-chart\" role=\"img\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\"><style>{STYLE}</style>\n{}</svg>\n",
            self.body
        )
    }

    /// Names a new series in the legend and gives its colour.
    fn legend(&mut self, name: &str) -> &'static str {
        let colour = COLOURS[self.series % COLOURS.len()];
        let y = AREA[1] + 12.0 + 20.0 * self.series as f64;
        let x = AREA[2] + 14.0;
        self.series += 1;
        let (box_y, text_x) = (y - 9.0, x + 16.0);
        self.put(&format!(
            "<rect x=\"{x}\" y=\"{box_y}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
        ));
        self.text(text_x, y, "start", name);
        colour
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, right, bottom] = AREA;
        let (x, y) = (self.x.share(x), self.y.share(y));
        (left + x * (right - left), bottom - y * (bottom - top))
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.put(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn put(&mut self, element: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_between_the_ends_of_their_axis() {
        let log = Axis::log("", 1e-2, 1e2);
        assert!((log.share(1.0) - 0.5).abs() < 1e-12);
        assert_eq!((log.share(0.0), log.share(1e9)), (0.0, 1.0));
        let linear = Axis::linear("", 0.5, 2.5, 1.0);
        assert_eq!((linear.share(1.5), linear.ticks), (0.5, vec![1.0, 2.0]));
    }

    #[test]
    fn text_is_escaped() {
        let chart = Chart::new("a < b & c", Axis::log("", 1.0, 10.0), Axis::log("", 1.0, 10.0));
        assert!(chart.finish().contains("a &lt; b &amp; c"));
    }
}
