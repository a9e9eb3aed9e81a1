//! What an adaptive rule would have done on the outcomes of another run.

use e2h_core::{Curriculum, GroupOutcome};
use serde::Serialize;

/// What a rule would have asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// The logged steps.
    pub steps: Vec<u64>,
    /// `probabilities[n][i]`: of level i at `steps[n]`, given the outcomes of the steps before.
    pub probabilities: Vec<Vec<f64>>,
    /// Logged groups.
    pub n_groups: u64,
    /// Logged groups that the rule's filter would have kept.
    pub n_kept: u64,
}

/// The probabilities that `rule` gives at each logged step, fed with the outcomes of the steps before.
///
/// `log` holds (step, groups) in rising order of step. The outcomes are those of the run that was logged: the rule
/// does not choose them, so this shows what it would ask for, not what would have come of it.
///
/// ```
/// use e2h_core::{GroupOutcome, Level};
/// use e2h_sched::{Kind, ScheduleConfig, replay};
///
/// let mut rule = ScheduleConfig::of(Kind::Sec).build(2, 10)?;
/// let group = GroupOutcome {
///     level: Level(0), item: 0, rewards: vec![1.0, 0.0], advantages: vec![1.0, -1.0], n_correct: 1,
/// };
/// let told = replay(rule.as_mut(), [(0, vec![group]), (1, Vec::new())]);
/// // A level that teaches is drawn more often at the next step.
/// assert!(told.probabilities[1][0] > told.probabilities[0][0]);
/// # Ok::<(), e2h_core::Error>(())
/// ```
pub fn replay(
    rule: &mut dyn Curriculum,
    log: impl IntoIterator<Item = (u64, Vec<GroupOutcome>)>,
) -> Replay {
    let mut replay =
        Replay { steps: Vec::new(), probabilities: Vec::new(), n_groups: 0, n_kept: 0 };
    for (step, groups) in log {
        replay.steps.push(step);
        replay.probabilities.push(rule.probs(step));
        replay.n_groups += groups.len() as u64;
        replay.n_kept += groups.iter().filter(|group| rule.keeps(step, group)).count() as u64;
        rule.observe(step, &groups);
    }
    replay
}

/// Half the sum of `|a_i - b_i|`: the share of prompts that would have gone to other levels, in [0, 1].
///
/// A level that one side lacks counts as probability 0.
///
/// ```
/// use e2h_sched::total_variation;
/// assert_eq!(total_variation(&[0.5, 0.5], &[1.0, 0.0]), 0.5);
/// assert_eq!(total_variation(&[1.0], &[0.0, 1.0]), 1.0);
/// ```
pub fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    let at = |row: &[f64], i: usize| row.get(i).copied().unwrap_or(0.0);
    let distance = |i| (at(a, i) - at(b, i)).abs();
    (0..a.len().max(b.len())).map(distance).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;
    use crate::{FilterConfig, FilterKind, Kind, ScheduleConfig, Sec, SecConfig};

    #[test]
    fn a_row_depends_on_earlier_steps_only() {
        let mut sec = Sec::new(2, SecConfig::default()).expect("valid");
        let log = (0..2).map(|step| (step, vec![group(1, 2, 4)]));
        let rows = replay(&mut sec, log).probabilities;
        assert_eq!(rows[0], [0.5, 0.5]);
        assert!((rows[1][0] - 1.0 / (1.0 + 0.5f64.exp())).abs() < 1e-15);
    }

    #[test]
    fn a_replay_counts_what_the_filter_keeps_and_lifts_to_the_floor() {
        let filter = Some(FilterConfig::of(FilterKind::PassRate));
        let config =
            ScheduleConfig { floor: Some(0.1), filter, ..ScheduleConfig::of(Kind::AdaRft) };
        let mut rule = config.build(2, 10).expect("valid");
        let log = [(3, vec![group(0, 2, 4), group(0, 4, 4)]), (4, vec![group(0, 0, 4)])];
        let replay = replay(rule.as_mut(), log);
        assert_eq!((replay.n_groups, replay.n_kept), (3, 1));
        assert_eq!(replay.steps, [3, 4]);
        assert_eq!(replay.probabilities[0], [0.9, 0.1]);
    }

    #[test]
    fn total_variation_by_hand() {
        assert_eq!(total_variation(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
        assert_eq!(total_variation(&[0.5, 0.5], &[0.25, 0.75]), 0.25);
        assert_eq!(total_variation(&[1.0], &[0.5, 0.5]), 0.5);
    }
}
