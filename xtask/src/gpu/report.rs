//! `cargo xtask gpu report`: the figures of a `gpu.json` as the last section of docs/GPU.md.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The heading that the figures follow, to the end of the page.
const HEADING: &str = "## What was measured";

/// `cargo xtask gpu report`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What run.sh has left
    #[arg(value_name = "FILE")]
    json: PathBuf,
    /// The page whose last section is replaced; figures of a CPU are refused in docs/GPU.md
    #[arg(long, value_name = "FILE", default_value = "docs/GPU.md")]
    out: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let text = fs::read_to_string(&args.json).with_context(|| args.json.display().to_string())?;
    let measured: Value =
        serde_json::from_str(&text).with_context(|| args.json.display().to_string())?;
    let page = root.join("docs/GPU.md");
    let out = root.join(&args.out);
    let on_gpu = measured["device"].as_str().is_some_and(|device| device.starts_with("cuda"));
    ensure!(
        on_gpu || out != page,
        "{} is of the device {}, not of a GPU; give another file with --out",
        args.json.display(),
        measured["device"]
    );
    let old = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let kept = old.split(HEADING).next().unwrap_or_default();
    fs::write(&out, format!("{kept}{}", section(&measured)))
        .with_context(|| out.display().to_string())?;
    eprintln!("{}", out.display());
    Ok(())
}

/// The section with all figures.
fn section(measured: &Value) -> String {
    let mut text = format!("{HEADING}\n\n");
    let word = |key: &str| measured[key].as_str().unwrap_or_default().trim().to_owned();
    let card = match word("card") {
        card if card.is_empty() => format!("no card; {}", word("processor")),
        card => card,
    };
    let _ = writeln!(
        text,
        "Card, memory, driver: {card}.\nDate {}, commit {}, device `{}`, size `{}`.\n",
        word("date"),
        word("commit"),
        word("device"),
        word("size")
    );
    let pieces = measured["pieces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let done: Vec<&Value> = pieces.iter().filter(|piece| piece["code"] == 0).collect();
    goldens(&mut text, &pieces.iter().collect::<Vec<_>>());
    speeds(&mut text, &done);
    trainings(&mut text, &done);
    failures(&mut text, pieces);
    text.push_str("### Commands\n\n```console\n");
    for piece in &done {
        let _ = writeln!(text, "$ {}", piece["command"].as_str().unwrap_or_default());
    }
    text.push_str("```\n");
    text
}

/// Results of pieces whose names begin with `prefix`.
fn results<'a>(done: &[&'a Value], prefix: &str) -> Vec<(&'a Value, &'a Value)> {
    let named = |piece: &&&Value| {
        piece["piece"].as_str().is_some_and(|name| name.starts_with(prefix))
            && piece["result"].is_object()
    };
    done.iter().filter(named).map(|piece| (*piece, &piece["result"])).collect()
}

fn goldens(text: &mut String, done: &[&Value]) {
    let found = results(done, "golden-");
    if found.is_empty() {
        return;
    }
    text.push_str(
        "### Against another program's numbers\n\n\
         | model | engine | dtype | logits | log-probs | gradients | LoRA gradients | greedy | sampler-trainer gap | \
         two runs differ by | over its tolerance |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for row in found.iter().flat_map(|(_, result)| result["rows"].as_array().into_iter().flatten())
    {
        let number = |key: &str| match row[key].as_f64() {
            Some(value) => format!("{value:.1e}"),
            None => "-".to_owned(),
        };
        let over = row["over"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1}% | {} | {} | {} |",
            row["model"].as_str().unwrap_or_default(),
            row["engine"].as_str().unwrap_or_default(),
            row["dtype"].as_str().unwrap_or_default(),
            number("logits"),
            number("logprobs"),
            number("gradients"),
            number("lora_gradients"),
            100.0 * row["greedy"].as_f64().unwrap_or(0.0),
            number("gap_mean"),
            number("repeat"),
            over.collect::<Vec<_>>().join(", "),
        );
    }
    text.push('\n');
}

fn speeds(text: &mut String, done: &[&Value]) {
    let mut rows = results(done, "bench-");
    rows.extend(results(done, "peer-"));
    if rows.is_empty() {
        return;
    }
    let limits = rows.iter().find_map(|(_, result)| {
        Some((result["copy_bytes_per_s"].as_f64()?, result["matmul_flop_per_s"].as_f64()?))
    });
    text.push_str("### Speed\n\n");
    if let Some((copy, matmul)) = limits {
        let _ = writeln!(
            text,
            "Measured limits: a copy moves {:.1} GB/s (read plus written), a large product runs at {:.2} TFLOP/s.\n\
             A share is of the bound that these limits give for the same work; `e2h bench` says how it is counted.\n",
            copy / 1e9,
            matmul / 1e12
        );
    }
    text.push_str(
        "| piece | dtype | sequences | tokens | rollout tok/s | of the bound | update tok/s | of the bound | step s | peak \
         GPU MiB |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (piece, result) in &rows {
        let number = |key: &str, digits: usize| match result[key].as_f64() {
            Some(value) => format!("{value:.digits$}"),
            None => "-".to_owned(),
        };
        let share = |key: &str| match result[key].as_f64() {
            Some(value) => format!("{:.0}%", 100.0 * value),
            None => "-".to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} + {} | {} | {} | {} | {} | {} | {} |",
            piece["piece"].as_str().unwrap_or_default(),
            result["dtype"].as_str().unwrap_or("-"),
            result["sequences"],
            result["prompt"],
            result["completion"],
            number("rollout_tok_per_s", 0),
            share("rollout_share"),
            number("update_tok_per_s", 0),
            share("update_share"),
            number("step_s", 3),
            piece["peak_gpu_mib"].as_u64().map_or("-".to_owned(), |mib| mib.to_string()),
        );
    }
    text.push('\n');
}

fn trainings(text: &mut String, done: &[&Value]) {
    let found = results(done, "train-");
    if found.is_empty() {
        return;
    }
    text.push_str(
        "### Trainings\n\nAccuracy by level before and after, easiest first; the last level is never trained on.\n\n\
         | task | schedule | steps | seconds | before | after |\n| --- | --- | ---: | ---: | --- | --- |\n",
    );
    for (_, result) in found {
        let levels = result["levels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let column = |key: &str| {
            let percent = |level: &Value| match level[key].as_f64() {
                Some(value) => format!("{:.0}", 100.0 * value),
                None => "-".to_owned(),
            };
            levels.iter().map(percent).collect::<Vec<_>>().join(" / ")
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {} | {} |",
            result["task"].as_str().unwrap_or_default(),
            result["schedule"].as_str().unwrap_or_default(),
            result["steps"],
            result["wall_s"].as_f64().unwrap_or(0.0),
            column("base_accuracy"),
            column("accuracy"),
        );
    }
    text.push('\n');
}

fn failures(text: &mut String, pieces: &[Value]) {
    let bad: Vec<&Value> = pieces.iter().filter(|piece| piece["code"] != 0).collect();
    if bad.is_empty() {
        return;
    }
    text.push_str("### What failed\n\n");
    for piece in bad {
        let _ = writeln!(
            text,
            "- {}, exit code {}: `{}`",
            piece["piece"].as_str().unwrap_or_default(),
            piece["code"],
            piece["stderr"].as_str().unwrap_or_default().trim().replace('`', "'")
        );
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured() -> Value {
        json!({
            "device": "cpu", "size": "tiny", "card": "", "processor": "A processor", "date": "2026-11-25",
            "commit": "abc", "left": 0, "failed": 1, "pieces": [
                {"piece": "golden-f32", "code": 0, "seconds": 2, "peak_gpu_mib": null, "command": "e2h golden goldens",
                 "stderr": "", "result": {"device": "cpu", "rows": [{"model": "qwen2", "engine": "burn", "dtype": "f32",
                 "logits": 1e-6, "logprobs": 2e-6, "gradients": 3e-5, "lora_gradients": null, "greedy": 1.0,
                 "gap_mean": 1e-7, "repeat": 0.0, "over": ["greedy"]}]}},
                {"piece": "bench-nano", "code": 0, "seconds": 2, "peak_gpu_mib": 120, "command": "e2h bench", "stderr": "",
                 "result": {"dtype": "f32", "sequences": 4, "prompt": 6, "completion": 5, "rollout_tok_per_s": 100.4,
                 "rollout_share": 0.25, "update_tok_per_s": null, "update_share": null, "step_s": null,
                 "copy_bytes_per_s": 2e10, "matmul_flop_per_s": 1e12}},
                {"piece": "train-countdown-only", "code": 0, "seconds": 9, "peak_gpu_mib": null, "command": "e2h train",
                 "stderr": "", "result": {"task": "countdown", "schedule": "only", "steps": 2, "wall_s": 3.2,
                 "levels": [{"base_accuracy": 0.25, "accuracy": 0.5}, {"base_accuracy": null, "accuracy": 0.0}]}},
                {"piece": "sft-countdown", "code": 1, "seconds": 1, "peak_gpu_mib": null, "command": "e2h sft",
                 "stderr": "error: `x`", "result": null},
            ]
        })
    }

    #[test]
    fn every_kind_of_piece_becomes_a_row_and_a_failure_is_told() {
        let text = section(&measured());
        for line in [
            "Card, memory, driver: no card; A processor.",
            "| qwen2 | burn | f32 | 1.0e-6 | 2.0e-6 | 3.0e-5 | - | 100.0% | 1.0e-7 | 0.0e0 | greedy |",
            "Measured limits: a copy moves 20.0 GB/s (read plus written), a large product runs at 1.00 TFLOP/s.",
            "| bench-nano | f32 | 4 | 6 + 5 | 100 | 25% | - | - | - | 120 |",
            "| countdown | only | 2 | 3 | 25 / - | 50 / 0 |",
            "- sft-countdown, exit code 1: `error: 'x'`",
            "$ e2h golden goldens",
        ] {
            assert!(text.lines().any(|other| other == line), "no line {line:?} in\n{text}");
        }
    }

    #[test]
    fn figures_of_a_cpu_are_refused_in_the_page_about_gpus() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/gpu-report");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("docs")).expect("a folder");
        let page = format!("# GPU\n\nWords.\n\n{HEADING}\n\nNothing.\n");
        fs::write(root.join("docs/GPU.md"), &page).expect("a file");
        let json = root.join("gpu.json");
        fs::write(&json, measured().to_string()).expect("a file");
        let refused = run(&root, &Args { json: json.clone(), out: "docs/GPU.md".into() });
        assert!(refused.is_err_and(|error| error.to_string().contains("not of a GPU")));
        run(&root, &Args { json, out: "cpu.md".into() }).expect("written");
        let text = fs::read_to_string(root.join("cpu.md")).expect("a page");
        assert!(text.starts_with("# GPU\n\nWords.\n\n") && !text.contains("Nothing."), "{text}");
        assert_eq!(fs::read_to_string(root.join("docs/GPU.md")).expect("a page"), page);
    }
}
