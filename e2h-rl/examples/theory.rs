//! The theory against measurements: prints the report as JSON; with a folder as argument, writes the report and the
//! three figures there instead.
//!
//! `cargo run --release -p e2h-rl --example theory [FOLDER]`

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::{env, fs, io};

use e2h_core::write_atomic;
use e2h_rl::theory::experiment::{Plan, run};
use e2h_rl::theory::plot;

fn main() -> Result<(), Box<dyn Error>> {
    let report = run(&Plan::default())?;
    let json = serde_json::to_string_pretty(&report)? + "\n";
    let Some(folder) = env::args().nth(1) else {
        io::stdout().write_all(json.as_bytes())?;
        return Ok(());
    };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for (name, text) in [
        ("theory.json", json),
        ("win_boundary.svg", plot::win_boundary(&report)?),
        ("error_against_bound.svg", plot::error_against_bound(&report)),
        ("samples_against_stages.svg", plot::samples_against_stages(&report)),
    ] {
        write_atomic(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
