//! What an adaptive rule would have done on the outcomes of another run.

use e2h_core::{Curriculum, GroupOutcome};

/// The probabilities that `rule` gives at each logged step, fed with the outcomes of the steps before.
///
/// `log` holds (step, groups) in rising order of step. The outcomes are those of the run that was logged: the rule
/// does not choose them, so this shows what it would ask for, not what would have come of it.
pub fn replay(
    rule: &mut dyn Curriculum,
    log: impl IntoIterator<Item = (u64, Vec<GroupOutcome>)>,
) -> Vec<Vec<f64>> {
    let mut probabilities = Vec::new();
    for (step, groups) in log {
        probabilities.push(rule.probs(step));
        rule.observe(step, &groups);
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::fixture::group;
    use crate::{Sec, SecConfig};

    #[test]
    fn a_row_depends_on_earlier_steps_only() {
        let mut sec = Sec::new(2, SecConfig::default()).expect("valid");
        let log = (0..2).map(|step| (step, vec![group(1, 2, 4)]));
        let rows = replay(&mut sec, log);
        assert_eq!(rows[0], [0.5, 0.5]);
        assert!((rows[1][0] - 1.0 / (1.0 + 0.5f64.exp())).abs() < 1e-15);
    }
}
