//! A curriculum of one's own: each level until half of its rollouts are right, then the next.
//!
//! `cargo run -p e2h-sched --example custom_curriculum`
#![expect(clippy::print_stdout, reason = "the picture is this program's output")]

use e2h_core::{Curriculum, GroupOutcome, Level};
use e2h_sched::{Preview, terminal};

struct Ladder {
    n_levels: usize,
    at: usize,
}

impl Curriculum for Ladder {
    fn name(&self) -> &str {
        "ladder"
    }
    fn n_levels(&self) -> usize {
        self.n_levels
    }
    fn probs(&self, _step: u64) -> Vec<f64> {
        (0..self.n_levels).map(|level| f64::from(u8::from(level == self.at))).collect()
    }
    fn observe(&mut self, _step: u64, groups: &[GroupOutcome]) {
        let mean = groups.iter().map(GroupOutcome::pass_rate).sum::<f64>() / groups.len() as f64;
        if mean >= 0.5 && self.at + 1 < self.n_levels {
            self.at += 1;
        }
    }
}

pub(crate) fn main() {
    let mut ladder = Ladder { n_levels: 3, at: 0 };
    println!("{}", terminal(&Preview::new(&ladder, 60, 8), 60));
    let rewards = vec![1.0, 1.0, 0.0];
    let (level, advantages) = (Level(0), vec![0.7, 0.7, -1.4]);
    ladder.observe(0, &[GroupOutcome { level, item: 0, rewards, advantages, n_correct: 2 }]);
    println!("after a good step: {:?}", ladder.probs(1));
}
