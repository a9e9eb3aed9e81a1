//! The figures of the theory, as SVG text that fits light and dark pages.
//!
//! - [`win_boundary`]: m*(e l, K), with the settings where their fits put them.
//! - [`error_against_bound`]: the mean error of each stage against its mean bound.
//! - [`samples_against_stages`]: samples to the accuracy against K, with 95% intervals.
//!
//! # Invariants
//! - A figure is self-contained: no script, no font, no link.
//! - All text is escaped.

mod chart;

use e2h_core::Result;

use self::chart::{Axis, Chart};
use super::bounds::boundary;
use super::experiment::Report;

/// Errors under this are drawn at it, as a log axis has no zero.
const FLOOR: f64 = 1e-4;

/// The boundary of the win condition for 2 to 6 stages, and the fit of each setting at 3 stages. Over its line a
/// curriculum of K stages wins.
///
/// # Errors
/// As [`boundary`]; not for the range drawn.
pub fn win_boundary(report: &Report) -> Result<String> {
    let mut chart = Chart::new(
        "Where a curriculum needs fewer samples: over the line of its K",
        Axis::linear("e l, the root of the growth of cost from stage to stage", 0.6, 3.4, 0.4),
        Axis::log("m, direct cost over cost of the last stage", 0.1, 100.0),
    );
    for stages in 2..=6 {
        let points = (0..=140).map(|i| {
            let el = 0.6 + 0.02 * f64::from(i);
            Ok((el, boundary(el, 1.0, stages)?))
        });
        let points: Vec<_> = points.collect::<Result<_>>()?;
        chart.line(&format!("K = {stages}"), &points);
    }
    for result in &report.samples {
        if let Some(fit) = result.held_fit {
            chart.dot(&result.name, (fit.accuracy_ratio * fit.scale_ratio, fit.direct_cost));
        }
    }
    Ok(chart.finish())
}

/// The mean error of each stage against its mean bound; under the line the bound holds.
pub fn error_against_bound(report: &Report) -> String {
    let mut chart = Chart::new(
        "Error of a stage against its bound: under the line the bound holds",
        Axis::log("bound on the error of the stage", 0.01, 100.0),
        Axis::log("measured error (at the lower edge: 1e-4 or less)", FLOOR, 10.0),
    );
    chart.line("error = bound", &[(0.01, 0.01), (10.0, 10.0)]);
    for result in &report.convergence {
        let points =
            result.stages.iter().map(|stage| (stage.bound.mean, stage.error.mean.max(FLOOR)));
        chart.dots(&result.name, &points.collect::<Vec<_>>());
    }
    chart.finish()
}

/// Samples to the accuracy against the number of stages, with 95% intervals.
pub fn samples_against_stages(report: &Report) -> String {
    let most = report.plan.samples.iter().map(|setting| setting.max_stages).max().unwrap_or(1);
    let mut chart = Chart::new(
        "Samples to reach the accuracy; K = 1 is learning directly",
        Axis::linear("K, number of stages", 0.5, f64::from(most) + 0.5, 1.0),
        Axis::log("samples", 1e3, 1e7),
    );
    for result in &report.samples {
        let points = result.rows.iter().map(|row| (f64::from(row.stages), row.samples));
        let points: Vec<_> = points.collect();
        let means: Vec<_> =
            points.iter().map(|(stages, samples)| (*stages, samples.mean)).collect();
        chart.line(&result.name, &means);
        for (stages, samples) in points {
            chart.whisker(stages, samples.low(), samples.high());
        }
    }
    chart.finish()
}

#[cfg(test)]
mod tests {
    use e2h_core::RootSeed;

    use super::super::experiment::{Plan, run};
    use super::*;

    fn report() -> Report {
        let mut plan =
            Plan { root: RootSeed(1), convergence_seeds: 2, sample_seeds: 2, ..Plan::default() };
        plan.convergence.truncate(2);
        plan.samples.retain(|setting| setting.name.starts_with("walk"));
        run(&plan).expect("it runs")
    }

    #[test]
    fn each_figure_shows_every_setting_and_is_well_formed() {
        let report = report();
        let figures = [
            win_boundary(&report).expect("in range"),
            error_against_bound(&report),
            samples_against_stages(&report),
        ];
        for figure in &figures {
            assert!(figure.starts_with("<svg ") && figure.ends_with("</svg>\n"));
            assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
            let count = |tag: &str| figure.matches(tag).count();
            assert_eq!(count("<g"), count("</g>"));
            assert_eq!(count("<text"), count("</text>"));
        }
        assert!(figures[0].contains(">walk<") && figures[2].contains(">walk<"));
        assert!(figures[1].contains(">softmax, exact, beta 200<"));
        assert_eq!(figures[0].matches("<polyline").count(), 5);
    }
}
