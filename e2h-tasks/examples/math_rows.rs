//! Grades a JSONL file of `gold`, `pred` and `truth` rows and prints what is wrong, and the speed.
//!
//! `cargo run --release -p e2h-tasks --example math_rows -- FILE [all|dev|held]`

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use e2h_tasks::math::{Options, Outcome, grade_texts, grade_with};
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let path = arguments.get(1).map_or("rows.jsonl", String::as_str);
    let half = arguments.get(2).map_or("all", String::as_str);
    let out = &mut std::io::stdout().lock();
    let text = std::fs::read_to_string(path)?;
    let rows: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut families: BTreeMap<String, [u32; 4]> = BTreeMap::new();
    let mut slowest = (0.0, String::new());
    let start = Instant::now();
    let mut graded = 0u32;
    for row in &rows {
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        let (gold, pred) = (field("gold"), field("pred"));
        let held = e2h_core::stable_hash("held", gold.as_bytes()) % 2 == 1;
        if half == "dev" && held || half == "held" && !held {
            continue;
        }
        let options = Options {
            relation_for_set: row["allow_set_relation_comp"].as_bool().unwrap_or(true),
            strict_names: row["strict"].as_bool().unwrap_or(true),
            decimals: row["precision"].as_u64().map(|places| places as u32),
        };
        let truth = row["truth"].as_bool().or(row["expected"].as_bool()).unwrap_or(false);
        let whole = row["truth"].is_null();
        let before = Instant::now();
        let verdict =
            if whole { grade_texts(gold, pred, options) } else { grade_with(gold, pred, options) };
        let took = before.elapsed().as_secs_f64();
        if took > slowest.0 {
            slowest = (took, format!("{gold} | {}", pred.chars().take(60).collect::<String>()));
        }
        graded += 1;
        let doubtful = row["doubtful"].as_bool().unwrap_or(false);
        let right = match verdict.outcome {
            Outcome::Equal => truth,
            Outcome::Different => !truth,
            Outcome::Unverifiable => false,
        };
        let family = if whole { field("test") } else { field("family") };
        let counts = families.entry(family.to_owned()).or_default();
        if doubtful {
            counts[3] += u32::from(!right);
            continue;
        }
        counts[0] += 1;
        counts[1] += u32::from(right);
        counts[2] += u32::from(verdict.is_equal() && !truth);
        if !right {
            let short: String =
                pred.chars().rev().take(110).collect::<Vec<_>>().into_iter().rev().collect();
            writeln!(
                out,
                "{family}: {} | {} | {} expected {truth} ({})",
                gold.chars().take(110).collect::<String>().replace('\n', " "),
                short.replace('\n', " "),
                verdict.reason,
                verdict.outcome == Outcome::Unverifiable,
            )?;
        }
    }
    let wall = start.elapsed().as_secs_f64();
    let mut total = [0; 4];
    for (family, counts) in &families {
        writeln!(
            out,
            "{family:30} {:4} right {:4} wrong accepts {} doubtful off {}",
            counts[0], counts[1], counts[2], counts[3]
        )?;
        for (t, c) in total.iter_mut().zip(counts) {
            *t += c;
        }
    }
    writeln!(
        out,
        "total {total:?} accuracy {:.2}%",
        f64::from(total[1]) * 100.0 / f64::from(total[0])
    )?;
    writeln!(
        out,
        "{:.0} rows/s, slowest {:.2} ms: {}",
        f64::from(graded) / wall,
        slowest.0 * 1e3,
        slowest.1
    )?;
    Ok(())
}
