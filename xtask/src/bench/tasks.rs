//! `cargo xtask bench tasks`: verifiers and generators on one thread, and Math-Verify on the same rows.
//!
//! Our side is the example `bench_tasks` of `e2h-tasks`. The peer is Math-Verify, run by a Python that has it. Both grade
//! the same rows in the same call, one after the other, in seconds of processor time, and the peer's start is not counted.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::{cargo, shell};

/// What the peer does: parse both answers as it asks users to, and verify.
const PEER: &str = r"
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from math_verify import parse, verify
rows = [json.loads(line) for line in open(sys.argv[1])][: int(sys.argv[2])]
verify(parse('$1$'), parse('$1$'))
start = time.process_time()
n = 0
for row in rows:
    try:
        n += verify(parse('$' + row['gold'] + '$'), parse(r'\boxed{' + row['pred'] + '}'))
    except Exception:
        pass
print(json.dumps({'s_per_row': (time.process_time() - start) / len(rows), 'n_rows': len(rows)}))
";

/// Targets on one core: name, least or most, whether more is better.
const TARGETS: [(&str, f64, bool); 4] = [
    ("Countdown answers verified a second", 500_000.0, true),
    ("Blocksworld answers verified a second", 200_000.0, true),
    ("seconds for 100,000 Countdown problems", 5.0, false),
    ("times as fast as Math-Verify", 100.0, true),
];

/// The options of the measurement.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// JSONL rows with `gold` and `pred`; generated ones without it
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// A Python that has math_verify; without it the peer is left out
    #[arg(long, value_name = "PY")]
    python: Option<PathBuf>,
    /// Rows that the peer grades, the first ones
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    peer_rows: usize,
    /// The cargo profile of our side
    #[arg(long, default_value = "release")]
    profile: String,
    /// A built `bench_tasks` to run in place of building one with that profile
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What our side prints.
#[derive(Debug, Deserialize, Serialize)]
struct Ours {
    countdown_verified_per_s: f64,
    blocksworld_verified_per_s: f64,
    countdown_generated_s: f64,
    n_countdown_generated: usize,
    n_math_rows: usize,
    math_s_per_row: f64,
}

/// What the peer prints.
#[derive(Debug, Deserialize, Serialize)]
struct Peer {
    s_per_row: f64,
    n_rows: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    ours: Ours,
    math_verify: Option<Peer>,
    /// Math-Verify's time a row over ours.
    speedup: Option<f64>,
    profile: String,
}

/// Measures both sides and prints what was found.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let shell = shell(root)?;
    let (cargo, profile) = (cargo(), &args.profile);
    let example = ["--quiet", "--package", "e2h-tasks", "--example", "bench_tasks"];
    let ours = |arguments: &[&OsStr]| match &args.program {
        Some(program) => cmd!(shell, "{program} {arguments...}").quiet(),
        None => {
            cmd!(shell, "{cargo} run --profile {profile} {example...} -- {arguments...}").quiet()
        }
    };
    let rows = match &args.rows {
        Some(path) => path.clone(),
        None => {
            let path = root.join("target/bench-tasks-rows.jsonl");
            ours(&["write".as_ref(), path.as_os_str()]).run()?;
            path
        }
    };
    // The rows of both sides are cut to the same number.
    let text = std::fs::read_to_string(&rows)
        .with_context(|| format!("cannot read {}", rows.display()))?;
    let cut: String = text.lines().take(args.peer_rows).map(|line| format!("{line}\n")).collect();
    let rows = root.join("target/bench-tasks-cut.jsonl");
    std::fs::write(&rows, cut).with_context(|| format!("cannot write {}", rows.display()))?;
    let answer = ours(&[rows.as_os_str()]).read()?;
    let ours: Ours = serde_json::from_str(&answer).context("the example's answer")?;
    let math_verify = match &args.python {
        Some(python) => {
            let n = args.peer_rows.to_string();
            let peer = cmd!(shell, "{python} -c {PEER} {rows} {n}").quiet().read();
            let peer =
                peer.context("this Python may lack math_verify: `pip install math-verify`")?;
            Some(serde_json::from_str::<Peer>(&peer).context("the peer's answer")?)
        }
        None => None,
    };
    let speedup = math_verify.as_ref().map(|peer| peer.s_per_row / ours.math_s_per_row);
    let built = args.program.as_ref().map_or(profile.clone(), |path| path.display().to_string());
    let report = Report { ours, math_verify, speedup, profile: built };
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", table(&report)),
    }
    Ok(())
}

/// One line a target.
fn table(report: &Report) -> String {
    let ours = &report.ours;
    let values = [
        Some(ours.countdown_verified_per_s),
        Some(ours.blocksworld_verified_per_s),
        Some(ours.countdown_generated_s * 1e5 / ours.n_countdown_generated as f64),
        report.speedup,
    ];
    let mut text = format!(
        "one thread, profile {}; mathematics: {:.1} us a row over {} rows\n",
        report.profile,
        ours.math_s_per_row * 1e6,
        ours.n_math_rows
    );
    for ((name, target, more), value) in TARGETS.into_iter().zip(values) {
        let found = match value {
            Some(value) => {
                let reached = if more { value >= target } else { value <= target };
                let word = if reached { "reached" } else { "MISSED" };
                format!("{value:>12.1}  target {target}: {word}")
            }
            None => format!("{:>12}  target {target}: give --python", "-"),
        };
        text += &format!("{name:<40}{found}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_reached_targets_from_missed_ones_and_from_those_not_measured() {
        let ours = Ours {
            countdown_verified_per_s: 600_000.0,
            blocksworld_verified_per_s: 100_000.0,
            countdown_generated_s: 0.4,
            n_countdown_generated: 10_000,
            n_math_rows: 2,
            math_s_per_row: 1e-5,
        };
        let profile = "release".to_owned();
        let report = Report { ours, math_verify: None, speedup: None, profile };
        let text = table(&report);
        let ends: Vec<&str> = text.lines().skip(1).filter_map(|l| l.rsplit(": ").next()).collect();
        assert_eq!(ends, ["reached", "MISSED", "reached", "give --python"], "{text}");
    }
}
