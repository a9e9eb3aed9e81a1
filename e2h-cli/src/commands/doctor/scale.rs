//! `e2h doctor scale`: where more ranks stop paying.
//!
//! A step that takes `T` seconds on one rank takes on N ranks
//!
//! `T_N = T (1 - s) / N + T s + 2 (N - 1) / N * b / w + 2 (N - 1) l`
//!
//! `s` is the share that every rank does alike (scoring, the optimiser, files), `b` the bytes of the gradient in f32,
//! `w` a link's bytes a second, `l` its latency in seconds. The third term is the reduce-scatter and all-gather of
//! `e2h-rl`'s ranks, one update a step; the fourth its messages. Completions are exchanged too: 8 bytes a token,
//! thousands of times less than a gradient.
//!
//! Twice the ranks pay when they make the step at least a third faster; a rank needs at least one prompt.
//!
//! # Deviations
//! - Ranks are taken to be equally fast, and rollouts to divide evenly. The longest completion of a step bounds it
//!   from below, which the model leaves out.
//! - Nothing of the reduction is hidden behind the backward pass, as it is here.

use serde_json::{Value, json};

use crate::hints::{Failure, Outcome};
use crate::progress::out;

/// Doubling the ranks pays from this speed-up on.
const PAYS: f64 = 4.0 / 3.0;
/// Ranks in the table.
const RANKS: [u32; 3] = [2, 8, 64];

/// `e2h doctor scale`
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScaleArgs {
    /// Seconds of a step on one rank: `time/step_s` of a run
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub step_s: f64,
    /// Share of the step that every rank does alike
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub serial: f64,
    /// Prompts a step
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub prompts: u32,
    /// Trained parameters, in place of the table's models
    #[arg(long, value_name = "N")]
    pub params: Option<f64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Something between ranks.
struct Link {
    name: &'static str,
    bytes_a_s: f64,
    latency_s: f64,
}

/// Usual links, at four fifths of their nominal speed, with the latency of an MPI message on them.
const LINKS: [Link; 4] = [
    Link { name: "1 Gbit Ethernet", bytes_a_s: 0.1e9, latency_s: 50e-6 },
    Link { name: "10 Gbit Ethernet", bytes_a_s: 1.0e9, latency_s: 30e-6 },
    Link { name: "100 Gbit InfiniBand", bytes_a_s: 10.0e9, latency_s: 3e-6 },
    Link { name: "NVLink 4", bytes_a_s: 360.0e9, latency_s: 3e-6 },
];

/// What is trained.
struct Trained {
    name: String,
    params: f64,
}

/// Width, feed-forward width, keys' width, layers and weights of a model.
struct Shape {
    name: &'static str,
    width: f64,
    feed_forward: f64,
    kv_width: f64,
    layers: f64,
    params: f64,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "Qwen2.5-1.5B",
        width: 1536.0,
        feed_forward: 8960.0,
        kv_width: 256.0,
        layers: 28.0,
        params: 1.544e9,
    },
    Shape {
        name: "Qwen2.5-3B",
        width: 2048.0,
        feed_forward: 11_008.0,
        kv_width: 256.0,
        layers: 36.0,
        params: 3.086e9,
    },
];

/// Rank of the table's adapters, on all seven projections.
const LORA_RANK: f64 = 16.0;

impl Shape {
    /// Parameters of an adapter on all projections.
    fn adapter(&self) -> f64 {
        let (width, kv, wide) = (self.width, self.kv_width, self.feed_forward);
        let attention = 2.0 * (width + width) + 2.0 * (width + kv);
        LORA_RANK * self.layers * (attention + 3.0 * (width + wide))
    }
}

/// A step, as far as the model goes.
struct Step<'a> {
    args: &'a ScaleArgs,
    link: &'a Link,
    bytes: f64,
}

impl Step<'_> {
    /// Seconds of the reduction on `ranks` ranks.
    fn reduction_s(&self, ranks: u32) -> f64 {
        let others = f64::from(ranks) - 1.0;
        let share = 2.0 * others / f64::from(ranks);
        share * self.bytes / self.link.bytes_a_s + 2.0 * others * self.link.latency_s
    }

    /// Seconds of the whole step.
    fn seconds(&self, ranks: u32) -> f64 {
        let (step, serial) = (self.args.step_s, self.args.serial);
        step * (1.0 - serial) / f64::from(ranks) + step * serial + self.reduction_s(ranks)
    }

    /// The most ranks, a power of two, up to which each doubling pays.
    fn most(&self) -> u32 {
        let mut ranks = 1;
        while 2 * ranks <= self.args.prompts.min(1 << 20)
            && self.seconds(ranks) / self.seconds(2 * ranks) >= PAYS
        {
            ranks *= 2;
        }
        ranks
    }
}

/// Runs the command.
pub(crate) fn run(args: &ScaleArgs) -> Outcome {
    let sound = args.step_s > 0.0 && (0.0..=1.0).contains(&args.serial) && args.prompts > 0;
    if !sound || args.params.is_some_and(|params| !(params >= 1.0 && params.is_finite())) {
        return Err(Failure::usage("a size is out of range")
            .hint("--step-s and --params are over 0, --serial from 0 to 1, --prompts at least 1"));
    }
    match args.json {
        true => out(&serde_json::to_string_pretty(&rows(args)).unwrap_or_default()),
        false => out(&page(args)),
    }
    Ok(())
}

/// What the table is about.
fn trained(args: &ScaleArgs) -> Vec<Trained> {
    match args.params {
        Some(params) => vec![Trained { name: format!("{params:e} parameters"), params }],
        None => {
            let of = |shape: &Shape| {
                let lora = format!("{} LoRA {LORA_RANK}", shape.name);
                let full = format!("{} full", shape.name);
                [
                    Trained { name: lora, params: shape.adapter() },
                    Trained { name: full, params: shape.params },
                ]
            };
            SHAPES.iter().flat_map(of).collect()
        }
    }
}

fn rows(args: &ScaleArgs) -> Vec<Value> {
    let mut rows = Vec::new();
    for trained in trained(args) {
        for link in &LINKS {
            let bytes = 4.0 * trained.params;
            let step = Step { args, link, bytes };
            let at = |ranks: u32| {
                json!({
                    "ranks": ranks, "reduction_s": step.reduction_s(ranks), "step_s": step.seconds(ranks),
                    "efficiency": args.step_s / (f64::from(ranks) * step.seconds(ranks)),
                })
            };
            rows.push(json!({
                "trained": trained.name, "gradient_bytes": bytes, "link": link.name,
                "at": RANKS.map(at), "pays_up_to": step.most(),
            }));
        }
    }
    rows
}

/// The table for a person.
fn page(args: &ScaleArgs) -> String {
    let mut lines = vec![
        ["trained", "gradient", "link", "2 ranks", "8 ranks", "64 ranks", "pays up to"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows(args) {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let mut line = vec![
            text("trained"),
            format!("{:.2} GB", row["gradient_bytes"].as_f64().unwrap_or(0.0) / 1e9),
            text("link"),
        ];
        for at in row["at"].as_array().into_iter().flatten() {
            line.push(format!("{:.0} %", 100.0 * at["efficiency"].as_f64().unwrap_or(0.0)));
        }
        line.push(match row["pays_up_to"].as_u64() {
            Some(1) => "1 rank".to_owned(),
            ranks => format!("{} ranks", ranks.unwrap_or(0)),
        });
        lines.push(line);
    }
    format!(
        "A step of {} s on one rank, {} prompts; efficiency on N ranks:\n\n{}",
        args.step_s,
        args.prompts,
        markdown(&lines)
    )
}

/// Rows as a Markdown table, the first one as its head.
fn markdown(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let Some(head) = rows.first() else { return String::new() };
    let rule = format!("|{}", " --- |".repeat(head.len()));
    let body = rows[1..].iter().map(|row| line(row));
    std::iter::once(line(head)).chain([rule]).chain(body).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ScaleArgs {
        ScaleArgs { step_s: 30.0, serial: 0.02, prompts: 64, params: None, json: false }
    }

    #[test]
    fn adapters_have_the_size_that_peft_gives_them() {
        // PEFT, rank 16 on all seven projections: 18,464,768 and 29,933,568 parameters.
        let sizes = SHAPES.map(|shape| shape.adapter());
        assert_eq!(sizes, [18_464_768.0, 29_933_568.0]);
    }

    #[test]
    fn a_reduction_takes_what_its_bytes_take() {
        let link = Link { name: "", bytes_a_s: 1e9, latency_s: 0.0 };
        let args = args();
        let step = Step { args: &args, link: &link, bytes: 4e9 };
        assert!((step.reduction_s(2) - 4.0).abs() < 1e-12);
        assert!((step.reduction_s(8) - 7.0).abs() < 1e-12);
        assert_eq!(step.reduction_s(1), 0.0);
        assert!((step.seconds(1) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_reduction_the_prompts_and_what_all_do_alike_are_the_bound() {
        let link = Link { name: "", bytes_a_s: 1e18, latency_s: 0.0 };
        let most = |serial, prompts| {
            let args = ScaleArgs { serial, prompts, ..args() };
            Step { args: &args, link: &link, bytes: 1.0 }.most()
        };
        assert_eq!(most(0.0, 64), 64);
        assert_eq!(most(0.0, 40), 32);
        assert_eq!(most(1.0, 64), 1);
        // Amdahl: 1 / (s + (1 - s) / N).
        // 16 ranks take 0.156 of a step and 32 take 0.128: a ratio of 1.22.
        assert_eq!(most(0.1, 1 << 20), 16);
    }

    #[test]
    fn the_page_on_scale_has_the_table() {
        let page = page(&args());
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
        let document = include_str!("../../../../docs/scale.md");
        assert!(document.contains(&table.join("\n")), "docs/scale.md lacks:\n{page}");
    }
}
