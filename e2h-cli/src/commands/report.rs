//! `e2h report`: one page about a run, or several runs side by side.

use std::path::Path;

use e2h_core::write_atomic;

use crate::args::ReportArgs;
use crate::hints::{Failure, Outcome};
use crate::progress::say;
use crate::report::{RunData, html, plots};

mod watch;

/// The name of the page in a run folder.
const FILE: &str = "report.html";

/// Runs the command.
pub(crate) fn run(args: &ReportArgs) -> Outcome {
    if args.watch {
        return watch::serve(&args.runs, args.port);
    }
    let mut runs = Vec::new();
    for path in &args.runs {
        runs.push(read(path)?);
    }
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join(FILE),
        (None, _) => FILE.into(),
    };
    let page = html(&runs);
    write_atomic(&out, page.as_bytes()).map_err(|error| {
        Failure::from(anyhow::Error::new(error))
            .hint("--out names a file in a folder that is there and can be written to")
    })?;
    say(&format!("wrote {}", out.display()));
    if let Some(folder) = &args.svg {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::run(format!("cannot create {}: {error}", folder.display()))
                .hint("give a folder that can be written to")
        })?;
        let plots = plots(&page);
        for (name, svg) in &plots {
            let path = folder.join(format!("{name}.svg"));
            write_atomic(&path, svg.as_bytes()).map_err(Failure::run)?;
        }
        say(&format!("wrote {} plots to {}", plots.len(), folder.display()));
    }
    Ok(())
}

/// The files of a run.
///
/// # Errors
/// A failure of usage when the folder is none of a run.
pub(crate) fn read(path: &Path) -> Outcome<RunData> {
    if !path.join("config.toml").is_file() {
        return Err(Failure::usage(format!("{} is not a run folder", path.display()))
            .hint("give folders that `e2h train` printed"));
    }
    RunData::read(path).map_err(Failure::run)
}

/// Writes the page of a finished run into its folder.
pub(crate) fn write(folder: &Path) -> Outcome {
    let data = RunData::read(folder).map_err(Failure::run)?;
    write_atomic(&folder.join(FILE), html(&[data]).as_bytes()).map_err(Failure::run)
}
