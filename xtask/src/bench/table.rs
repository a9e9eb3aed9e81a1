//! The tables of the benchmark, in Markdown.

use super::{Comparison, Measured, Round, TRAINING};

/// One step for a person.
pub(super) fn step(measured: &Measured) -> String {
    let mut rows = vec![
        ("rollouts", format!("{:.0} tokens/s", measured.rollout_tok_per_s)),
        ("update", format!("{:.0} tokens/s", measured.update_tok_per_s)),
        ("rollout time", format!("{:.3} s", measured.rollout_s)),
        ("step time", format!("{:.3} s", measured.step_s)),
    ];
    rows.extend(measured.backward_s.map(|s| ("forward and backward", format!("{s:.3} s"))));
    rows.extend(measured.optimizer_s.map(|s| ("optimiser", format!("{s:.4} s"))));
    rows.extend(measured.peak_mib.map(|mib| ("peak memory", format!("{mib} MiB"))));
    rows.iter().map(|(name, value)| format!("{name:22}{value}")).collect::<Vec<_>>().join("\n")
}

/// The median over rounds of `value`.
fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => values[n / 2],
        _ => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

/// The comparison of all presets.
pub(super) fn compare(all: &[Comparison]) -> String {
    let mut text = String::from(
        "# A training step, ours beside the peer's\n\n\
         Made by `cargo xtask bench compare`. Medians over rounds; a ratio is taken within a round, ours over theirs.\n\
         The first three columns are equal work: every sequence computes its own prompt, runs to the limit and takes \
         part in the update.\n",
    );
    text +=
        &format!("The last column is the step with `{TRAINING}`: their step time over ours.\n\n");
    text += "| preset | rollouts, tokens/s | update, tokens/s | step, s | step of a training run, s | rounds | load |\n";
    text += "|---|---|---|---|---|---|---|\n";
    for one in all {
        let rounds = &one.rounds;
        let rate = |value: fn(&Measured) -> f64| {
            let (ours, theirs) =
                (median(rounds, |r| value(&r.ours)), median(rounds, |r| value(&r.peer)));
            let ratio = median(rounds, |r| value(&r.ours) / value(&r.peer));
            format!("{ours:.0} / {theirs:.0} = **{ratio:.2}**")
        };
        let time = |ours: fn(&Round) -> f64| {
            let (own, theirs) = (median(rounds, ours), median(rounds, |r| r.peer.step_s));
            let ratio = median(rounds, |r| r.peer.step_s / ours(r));
            format!("{own:.2}, theirs {theirs:.2}: **{ratio:.2}**")
        };
        let loads: Vec<f64> = rounds.iter().filter_map(|r| r.load).collect();
        let low = loads.iter().copied().fold(f64::INFINITY, f64::min);
        let high = loads.iter().copied().fold(0.0, f64::max);
        let work = &rounds[0].ours;
        text += &format!(
            "| {}, {} x ({} + {}) | {} | {} | {} | {} | {} | {low:.1}-{high:.1} |\n",
            one.preset,
            work.sequences,
            work.prompt,
            work.completion,
            rate(|m| m.rollout_tok_per_s),
            rate(|m| m.update_tok_per_s),
            time(|r| r.ours.step_s),
            time(|r| r.training.step_s),
            rounds.len(),
        );
    }
    if let Some(first) = all.first() {
        text += &format!(
            "\nMachine: {}. Load is the one-minute load average before a round.\n",
            first.machine
        );
    }
    text
}

/// Time and memory over sizes.
pub(super) fn scaling(rows: &[(&str, Option<f64>, Measured)], machine: &str) -> String {
    let mut text = String::from(
        "# Time and memory over sizes\n\n\
         Made by `cargo xtask bench scaling`. One quantity differs from the first row.\n\n\
         | work | parameters | rows trained | rollout s | update s | microseconds a trained token | peak MiB | load |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, load, m) in rows {
        let (update_s, tokens) = (m.step_s - m.rollout_s, m.sequences * (m.prompt + m.completion));
        text += &format!(
            "| {name} | {} | {tokens} | {:.3} | {update_s:.3} | {:.1} | {} | {} |\n",
            m.params.unwrap_or(0),
            m.rollout_s,
            update_s / tokens as f64 * 1e6,
            m.peak_mib.map_or("?".to_owned(), |mib| mib.to_string()),
            load.map_or("?".to_owned(), |load| format!("{load:.1}")),
        );
    }
    text += &format!("\nMachine: {machine}.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rate: f64, step_s: f64) -> Measured {
        Measured {
            sequences: 8,
            prompt: 2,
            completion: 3,
            rollout_tok_per_s: rate,
            update_tok_per_s: rate,
            rollout_s: 0.5 * step_s,
            step_s,
            backward_s: None,
            optimizer_s: None,
            drawn_frac: None,
            params: None,
            peak_mib: None,
        }
    }

    #[test]
    fn ratios_are_medians_of_ratios_within_rounds() {
        // Ratios of rates 2, 4 and 3, though the ratio of the medians is 6 / 3.
        let rounds = [(2.0, 1.0), (12.0, 3.0), (12.0, 4.0)].map(|(ours, peer)| Round {
            load: Some(1.0),
            peer: measured(peer, 1.0),
            ours: measured(ours, 0.5),
            training: measured(ours, 0.1),
        });
        let one = Comparison {
            preset: "nano".to_owned(),
            machine: "a machine".to_owned(),
            rounds: rounds.into(),
        };
        let text = compare(&[one]);
        assert!(text.contains("12 / 3 = **3.00**"), "{text}");
        assert!(text.contains("0.50, theirs 1.00: **2.00**"), "{text}");
        assert!(text.contains("0.10, theirs 1.00: **10.00**"), "{text}");
    }
}
