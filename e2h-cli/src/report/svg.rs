//! The plots of a page as files of their own.
//!
//! A plot is cut out of the page as it stands there. Its style is written with plain colours, since programs other
//! than browsers know no CSS variables; the colours are those of the light page.

use std::fmt::Write as _;

use super::format::slug;

/// The colours of the light page, in the order of the style classes.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#c05a92", "#b07a00", "#2b9fd6", "#50545c"];
/// The dashes, in the order of the style classes.
const DASHES: [&str; 4] = ["none", "9 4", "2.5 3", "10 3 2.5 3"];

/// The name and the text of each plot of a page, in its order. Names are unique.
pub(crate) fn plots(page: &str) -> Vec<(String, String)> {
    let mut plots: Vec<(String, String)> = Vec::new();
    for figure in page.split("<figure").skip(1) {
        let figure = figure.split("</figure>").next().unwrap_or_default();
        let cut = figure.find("<svg viewBox").zip(figure.find("</svg>"));
        let Some(svg) = cut.and_then(|(from, to)| figure.get(from..to)) else { continue };
        let title = svg.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let stem = slug(title.map_or("plot", |(title, _)| title));
        let same = plots.iter().filter(|(name, _)| {
            name.strip_prefix(&stem).is_some_and(|rest| {
                rest.is_empty() || rest.trim_start_matches("-n").parse::<u32>().is_ok()
            })
        });
        let name = match same.count() {
            0 => stem,
            n => format!("{stem}-n{}", n + 1),
        };
        plots.push((name, standalone(svg)));
    }
    plots
}

/// The SVG without its end tag, as a whole file.
fn standalone(svg: &str) -> String {
    let body = svg.strip_prefix("<svg").unwrap_or(svg);
    let Some((head, body)) = body.split_once('>') else { return String::new() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"{head}>\n<style>{}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{body}</svg>\n",
        style()
    )
}

fn style() -> String {
    let mut css = "text{font:12px sans-serif;fill:#62656d}path{fill:none;stroke-linejoin:round}\
                   .x{text-anchor:middle}.y,.label{text-anchor:end}.grid{stroke:#e3e1da}\
                   .leader{stroke:#62656d;stroke-width:.7}.cursor,.hit{visibility:hidden}\
                   .label,.end,.group{fill:#1c1d20;font-size:13px}.end,.group,.name{font-weight:600}\
                   .series,.way{stroke-width:2.4}.raw{opacity:.38}.band{fill-opacity:.16;stroke:none}\
                   circle.before{fill:#fff}"
        .to_owned();
    for (i, colour) in COLOURS.iter().enumerate() {
        let _ = write!(
            css,
            ".series.c{i},.raw.c{i},.c{i} .way,.c{i} .whisker,.c{i} circle{{stroke:{colour}}}\
             .area.c{i},.band.c{i},text.name.c{i},circle.c{i},.c{i} circle.after{{fill:{colour}}}"
        );
    }
    for (i, dash) in DASHES.iter().enumerate() {
        let _ = write!(css, ".series.d{i}{{stroke-dasharray:{dash}}}");
    }
    css + ".band{stroke:none!important}.area{stroke:#fff!important;stroke-dasharray:none!important}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plot_is_a_file_with_a_name_of_its_own() {
        let figure =
            "<figure><svg viewBox=\"0 0 1 1\"><title>Level 0: a</title><path/></svg></figure>";
        let plots = plots(&format!("<svg class=\"swatch\"></svg>{figure}{figure}"));
        let names: Vec<&str> = plots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["level-0-a", "level-0-a-n2"]);
        assert!(plots[0].1.starts_with("<svg xmlns=") && plots[0].1.ends_with("</svg>\n"));
        assert!(!plots[0].1.contains("var("));
    }
}
