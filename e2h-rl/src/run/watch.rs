//! Warnings with advice: what a person who knows such runs would say on seeing the metrics.
//!
//! # Invariants
//! - Each cause is told once a process, so that a log stays readable.
//! - Warnings depend on the reports of steps only; they change nothing.

use std::collections::HashSet;

use crate::report::StepReport;

/// Steps in a row that a state must last before it is told.
const LASTING: u32 = 5;

/// Something that is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    AllEqual,
    AllTruncated,
    EntropyCollapse,
    KlBlowUp,
    RatioOff,
    NotFinite,
    OutOfMemory,
    Unverifiable,
}

impl Cause {
    const ALL: [Self; 8] = [
        Self::AllEqual,
        Self::AllTruncated,
        Self::EntropyCollapse,
        Self::KlBlowUp,
        Self::RatioOff,
        Self::NotFinite,
        Self::OutOfMemory,
        Self::Unverifiable,
    ];

    /// Whether a step shows it, and for how many steps in a row it must do so.
    fn shows(self, step: &StepReport, first_budget: usize) -> (bool, u32) {
        let update = &step.update;
        match self {
            Self::AllEqual => (step.zero_variance_frac() == 1.0 && step.n_learned == 0, LASTING),
            Self::AllTruncated => (step.truncated_frac() > 0.9, LASTING),
            Self::EntropyCollapse => (step.entropy() < 0.02, LASTING),
            Self::KlBlowUp => (update.kl_k3 > 1.0, 1),
            Self::RatioOff => {
                (update.ratio_mean.is_some_and(|ratio| (ratio - 1.0).abs() > 0.01), 1)
            }
            Self::NotFinite => (update.skipped_updates > 0, 1),
            Self::OutOfMemory => (update.token_budget < first_budget, 1),
            Self::Unverifiable => {
                let all = || step.groups.iter().flatten();
                let failed = all().filter(|r| r.score.outcome.name() == "unverifiable").count();
                (10 * failed > all().count(), 1)
            }
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::AllEqual => {
                "all rollouts of every group have the same reward, so nothing is learned; try easier \
                 levels, a larger train.group_size, or a reward with more parts"
            }
            Self::AllTruncated => {
                "nearly all completions are cut at the token limit; raise train.sampling.max_tokens, or \
                 check that the model knows the answer format"
            }
            Self::EntropyCollapse => {
                "the entropy is near 0, so groups no longer explore; raise train.entropy_coef or \
                 train.clip_eps_high, or lower train.lr"
            }
            Self::KlBlowUp => {
                "the policy is far from the reference (kl over 1 nat a token); raise train.kl_beta or \
                 lower train.lr"
            }
            Self::RatioOff => {
                "at the first update of a step the trainer's log-probs differ from the sampler's; with the \
                 same weights the ratio is 1: check the engine and its precision"
            }
            Self::NotFinite => {
                "an update was skipped because its gradient was not finite; lower train.lr or \
                 train.max_grad_norm if this comes again"
            }
            Self::OutOfMemory => {
                "memory ran out, so the micro-batches are smaller from here on; a lower \
                 train.token_budget avoids the failed tries"
            }
            Self::Unverifiable => {
                "the verifier cannot decide more than a tenth of the completions; they teach nothing: look \
                 at them by `e2h inspect RUN --outcome unverifiable`"
            }
        }
    }
}

/// Watches the steps of a run.
#[derive(Debug)]
pub(super) struct Watch {
    first_budget: usize,
    told: HashSet<Cause>,
    /// How long each cause has lasted, in the order of [`Cause::ALL`].
    lasted: [u32; Cause::ALL.len()],
}

impl Watch {
    /// A watch that has told nothing; `first_budget` is the configured token budget.
    pub(super) fn new(first_budget: usize) -> Self {
        Self { first_budget, told: HashSet::new(), lasted: [0; Cause::ALL.len()] }
    }

    /// The warnings that this step gives rise to, each with its advice.
    pub(super) fn step(&mut self, report: &StepReport) -> Vec<String> {
        let shows = Cause::ALL.map(|cause| cause.shows(report, self.first_budget));
        let due = self.due(shows);
        let step = report.step;
        due.into_iter().map(|cause| format!("warning: step {step}: {}", cause.advice())).collect()
    }

    /// The causes that have lasted long enough and were not told before.
    fn due(&mut self, shows: [(bool, u32); Cause::ALL.len()]) -> Vec<Cause> {
        let mut due = Vec::new();
        for ((cause, (shown, least)), lasted) in
            Cause::ALL.into_iter().zip(shows).zip(&mut self.lasted)
        {
            *lasted = if shown { *lasted + 1 } else { 0 };
            if *lasted >= least && self.told.insert(cause) {
                due.push(cause);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::UpdateStats;
    use crate::rollout::PhaseTimes;

    fn report(update: UpdateStats) -> StepReport {
        StepReport {
            step: 7,
            probs: vec![1.0],
            picks: Vec::new(),
            groups: Vec::new(),
            advantages: Vec::new(),
            kept: Vec::new(),
            n_refills: 0,
            n_replayed: 0,
            n_learned: 0,
            judgement: None,
            update,
            times: PhaseTimes::default(),
            update_s: 0.0,
            ranks_s: None,
            step_s: 0.0,
        }
    }

    #[test]
    fn a_cause_is_told_once_it_has_lasted_and_only_once() {
        let mut watch = Watch::new(8);
        let mut none = [(false, 1); Cause::ALL.len()];
        none[0] = (true, 3);
        assert_eq!(watch.due(none), []);
        assert_eq!(watch.due(none), []);
        assert_eq!(watch.due(none), [Cause::AllEqual]);
        assert_eq!(watch.due(none), []);
    }

    #[test]
    fn each_sign_of_trouble_has_its_warning() {
        let well = UpdateStats { token_budget: 8, ratio_mean: Some(1.0), ..UpdateStats::default() };
        let told = |update: UpdateStats| Watch::new(8).step(&report(update));
        assert!(told(well).is_empty());
        for (update, text) in [
            (UpdateStats { kl_k3: 2.0, ..well }, "raise train.kl_beta"),
            (UpdateStats { ratio_mean: Some(1.2), ..well }, "differ from the sampler's"),
            (UpdateStats { skipped_updates: 1, ..well }, "not finite"),
            (UpdateStats { token_budget: 4, ..well }, "memory ran out"),
        ] {
            let warnings = told(update);
            assert!(warnings.len() == 1 && warnings[0].contains(text), "{text}: {warnings:?}");
            assert!(warnings[0].starts_with("warning: step 7: "));
        }
    }

    #[test]
    fn an_entropy_that_stays_near_zero_is_told() {
        // A report without rollouts has entropy 0.
        let mut watch = Watch::new(0);
        let told: Vec<String> =
            (0..6).flat_map(|_| watch.step(&report(UpdateStats::default()))).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("the entropy is near 0"));
    }
}
