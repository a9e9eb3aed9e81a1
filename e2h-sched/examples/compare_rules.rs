//! Ranks the rules on families of synthetic learners.
//!
//! `cargo run --release -p e2h-sched --example compare_rules -- [SEEDS]` prints a Markdown table a family.
#![expect(clippy::print_stdout, reason = "the table is this program's output")]

use e2h_core::Result;
use e2h_sched::simulate::{Budget, LearnerConfig, Outcome, compare};
use e2h_sched::{CosineForm, FilterConfig, FilterKind, Kind, ScheduleConfig};

const BUDGET: Budget = Budget { steps: 400, prompts: 8, group_size: 8 };

fn rules() -> Vec<(&'static str, ScheduleConfig)> {
    let of = ScheduleConfig::of;
    let gaussian = |mu_exp, sigma| ScheduleConfig {
        mu_exp: Some(mu_exp),
        sigma: Some(sigma),
        ..of(Kind::Gaussian)
    };
    let filtered =
        |kind, filter| ScheduleConfig { filter: Some(FilterConfig::of(filter)), ..of(kind) };
    vec![
        ("balanced", of(Kind::Balanced)),
        ("only hard", ScheduleConfig { level: Some(3), ..of(Kind::Only) }),
        ("classic", of(Kind::Classic)),
        ("linear", of(Kind::Linear)),
        ("cosine", of(Kind::Cosine)),
        ("cosine, paper", ScheduleConfig { form: Some(CosineForm::Paper), ..of(Kind::Cosine) }),
        ("gaussian .25 .75", gaussian(0.25, 0.75)),
        ("gaussian .5 .5", gaussian(0.5, 0.5)),
        ("gaussian .75 .25", gaussian(0.75, 0.25)),
        ("balanced + vcrl", filtered(Kind::Balanced, FilterKind::Vcrl)),
        ("balanced + pools", filtered(Kind::Balanced, FilterKind::Pools)),
        ("gaussian .5 .5 + vcrl", filtered(Kind::Gaussian, FilterKind::Vcrl)),
        ("sec", of(Kind::Sec)),
        ("adarft", of(Kind::AdaRft)),
        ("dump", of(Kind::Dump)),
        ("group-dro", of(Kind::GroupDro)),
        ("threshold", of(Kind::Threshold)),
        ("e2h-a", of(Kind::E2hA)),
        ("e2h-a + pools", filtered(Kind::E2hA, FilterKind::Pools)),
    ]
}

fn families() -> Vec<(String, LearnerConfig)> {
    let mut families = Vec::new();
    for (pace, rate) in [("slow", 0.06), ("fast", 0.2)] {
        for (link, transfer) in [("weak transfer", 0.2), ("strong transfer", 0.6)] {
            for (spacing, gap) in [("near levels", 1.5), ("far levels", 3.0)] {
                let learner = LearnerConfig {
                    difficulties: (0..4).map(|level| f64::from(level) * gap).collect(),
                    rate,
                    transfer,
                    ..LearnerConfig::default()
                };
                families.push((format!("{pace}, {link}, {spacing}"), learner));
            }
        }
    }
    let odd = |name: &str, learner: LearnerConfig| (name.to_owned(), learner);
    let default = LearnerConfig::default;
    families.extend([
        odd(
            "hardest level out of reach",
            LearnerConfig { difficulties: vec![0.0, 1.5, 3.0, 12.0], transfer: 0.2, ..default() },
        ),
        odd("strong forgetting", LearnerConfig { forgetting: 0.02, ..default() }),
        odd("mixed problems in a level", LearnerConfig { item_spread: 2.0, ..default() }),
        odd("uneven steps", LearnerConfig { difficulties: vec![-1.0, 0.0, 4.0, 5.0], ..default() }),
    ]);
    families
}

fn main() -> Result<()> {
    let seeds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let n_seeds: u64 = seeds.unwrap_or(64);
    let (names, configs): (Vec<_>, Vec<_>) = rules().into_iter().unzip();
    let mut hard_ranks = vec![0.0; names.len()];
    let mut average_ranks = vec![0.0; names.len()];
    let mut hard_means = vec![0.0; names.len()];
    let mut average_means = vec![0.0; names.len()];
    let families = families();
    for (family, learner) in &families {
        let outcomes = compare(&configs, learner, BUDGET, n_seeds)?;
        println!(
            "\n{family}\n\n| rule | hard % | average % | zero-variance % |\n|---|---|---|---|"
        );
        let hard = ranks(&outcomes, |outcome| outcome.hard.mean);
        let average = ranks(&outcomes, |outcome| outcome.average.mean);
        for (i, outcome) in outcomes.iter().enumerate() {
            let Outcome { hard, average, zero_variance, .. } = outcome;
            println!("| {} | {hard} | {average} | {zero_variance} |", names[i]);
            hard_means[i] += hard.mean / families.len() as f64;
            average_means[i] += average.mean / families.len() as f64;
        }
        for i in 0..names.len() {
            hard_ranks[i] += hard[i] / families.len() as f64;
            average_ranks[i] += average[i] / families.len() as f64;
        }
    }
    println!("\nall families, {n_seeds} seeds each\n");
    println!(
        "| rule | hard % | average % | mean rank hard | mean rank average |\n|---|---|---|---|---|"
    );
    for (i, name) in names.iter().enumerate() {
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} |",
            100.0 * hard_means[i],
            100.0 * average_means[i],
            hard_ranks[i],
            average_ranks[i]
        );
    }
    Ok(())
}

/// 1 for the best; the number of better rules plus 1.
fn ranks(outcomes: &[Outcome], value: impl Fn(&Outcome) -> f64) -> Vec<f64> {
    let better = |mine: f64| outcomes.iter().filter(|other| value(other) > mine).count();
    outcomes.iter().map(|outcome| (better(value(outcome)) + 1) as f64).collect()
}
