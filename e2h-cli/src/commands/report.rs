//! `e2h report`: one page about a run, or several runs side by side.

use std::path::Path;

use e2h_core::write_atomic;

use crate::args::ReportArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::say;
use crate::report::{RunData, html};

/// The name of the page in a run folder.
const FILE: &str = "report.html";

/// Runs the command.
pub(crate) fn run(args: &ReportArgs) -> Outcome {
    let mut runs = Vec::new();
    for path in &args.runs {
        if !path.join("config.toml").is_file() {
            return Err(Failure::usage(format!("{} is not a run folder", path.display()))
                .hint("give folders that `e2h train` printed"));
        }
        runs.push(RunData::read(path).map_err(Failure::run)?);
    }
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join(FILE),
        (None, _) => FILE.into(),
    };
    write_atomic(&out, html(&runs).as_bytes()).map_err(Failure::run)?;
    say(&format!("wrote {}", out.display()));
    Ok(())
}

/// Writes the page of a finished run into its folder.
pub(crate) fn write(folder: &Path) -> Outcome {
    let data = RunData::read(folder).map_err(Failure::run)?;
    write_atomic(&folder.join(FILE), html(&[data]).as_bytes()).map_err(Failure::run)
}
