//! Compares the losses with a file of known values and gradients: `golden_losses FILE`.
//!
//! `cargo xtask golden losses FILE` runs it. It prints the largest differences, a line a loss, and fails when one is
//! over its tolerance: 1e-9 for the loss code in f64, 1e-5 through a decoder in f32.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use e2h_rl::loss::golden::{Case, Difference, GoldenFile};

const TOLERANCE_F64: f64 = 1e-9;
const TOLERANCE_F32: f64 = 1e-5;

/// The largest differences in f64 and in f32 of the cases of one name.
#[derive(Default)]
struct Largest {
    n: usize,
    f64: [f64; 2],
    f32: [f64; 2],
}

impl Largest {
    fn take(&mut self, case: &Case) -> Result<(), e2h_rl::Error> {
        let larger = |most: &mut [f64; 2], got: Difference| {
            *most = [most[0].max(got.loss), most[1].max(got.grad)];
        };
        self.n += 1;
        larger(&mut self.f64, case.compare());
        larger(&mut self.f32, case.compare_through_model()?);
        Ok(())
    }

    fn holds(&self) -> bool {
        self.f64.iter().all(|d| *d < TOLERANCE_F64) && self.f32.iter().all(|d| *d < TOLERANCE_F32)
    }
}

fn compare(path: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let file: GoldenFile =
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let mut table: BTreeMap<String, Largest> = BTreeMap::new();
    for case in &file.cases {
        table.entry(case.name()).or_default().take(case)?;
        table.entry("~ all".to_owned()).or_default().take(case)?;
    }
    println!("{} cases of {}", file.cases.len(), file.source);
    println!("largest absolute differences   cases  loss f64  grad f64  loss f32  grad f32");
    for (name, most) in &table {
        let ([loss, grad], [loss32, grad32]) = (most.f64, most.f32);
        let n = most.n;
        println!("{name:<30} {n:>5}  {loss:8.1e}  {grad:8.1e}  {loss32:8.1e}  {grad32:8.1e}");
    }
    Ok(!table.is_empty() && table.values().all(Largest::holds))
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("error: no file given\n\nhint: golden_losses FILE");
        return ExitCode::from(2);
    };
    match compare(&path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!(
                "error: a difference is over {TOLERANCE_F64:e} in f64 or {TOLERANCE_F32:e} in f32"
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
