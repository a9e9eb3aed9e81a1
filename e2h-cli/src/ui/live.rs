//! What the live view knows: numbers of the steps so far, kept short.
//!
//! Recent means weigh a step by 1, the step before by 0.8, and so on.

use std::collections::VecDeque;
use std::time::Instant;

use e2h_core::RewardPart;
use e2h_rl::{EvalReport, StepReport};

use super::About;

/// Values that a line of the view keeps.
const KEPT: usize = 400;
/// Messages that are kept.
const MESSAGES: usize = 20;
/// Weight of the past in a recent mean.
const PAST: f64 = 0.8;

/// What the run does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Training,
    Evaluating { done: usize, total: usize },
    Paused,
    Stopping,
}

/// A mean in which the past fades.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    sum: f64,
    weight: f64,
}

impl Recent {
    fn push(&mut self, value: f64) {
        self.sum = PAST * self.sum + value;
        self.weight = PAST * self.weight + 1.0;
    }

    /// The mean; `None` before the first value.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The numbers of a level.
#[derive(Clone, Debug, Default)]
pub(super) struct LevelNow {
    pub(super) prob: f64,
    pub(super) reward: Recent,
    pub(super) accuracy: Recent,
    pub(super) history: VecDeque<f64>,
    pub(super) held_out: Option<f64>,
}

/// The latest completion that is shown.
#[derive(Clone, Debug)]
pub(super) struct SampleNow {
    pub(super) step: u64,
    pub(super) level: usize,
    /// What was asked; empty where that is not known.
    pub(super) question: String,
    pub(super) text: String,
    pub(super) outcome: &'static str,
    pub(super) reward: f64,
    pub(super) parts: Vec<RewardPart>,
}

/// Everything that the view draws.
pub(crate) struct Live {
    pub(super) about: About,
    pub(super) steps: u64,
    pub(super) done: u64,
    pub(super) doing: Doing,
    pub(super) levels: Vec<LevelNow>,
    pub(super) reward: VecDeque<f64>,
    pub(super) loss: VecDeque<f64>,
    pub(super) kl: VecDeque<f64>,
    pub(super) entropy: VecDeque<f64>,
    pub(super) clip: VecDeque<f64>,
    pub(super) no_signal: VecDeque<f64>,
    pub(super) tokens_per_s: Recent,
    pub(super) tokens_each: Recent,
    pub(super) step_s: Recent,
    /// Sampling, scoring, update.
    pub(super) phases_s: [Recent; 3],
    pub(super) sample: Option<SampleNow>,
    pub(super) messages: VecDeque<String>,
    pub(super) started: Instant,
}

fn keep<T>(values: &mut VecDeque<T>, value: T, most: usize) {
    if values.len() == most {
        values.pop_front();
    }
    values.push_back(value);
}

impl Live {
    /// Nothing seen yet.
    pub(crate) fn new(about: About, steps: u64) -> Self {
        let levels = vec![LevelNow::default(); about.levels.len()];
        Self {
            about,
            steps,
            done: 0,
            doing: Doing::Starting,
            levels,
            reward: VecDeque::new(),
            loss: VecDeque::new(),
            kl: VecDeque::new(),
            entropy: VecDeque::new(),
            clip: VecDeque::new(),
            no_signal: VecDeque::new(),
            tokens_per_s: Recent::default(),
            tokens_each: Recent::default(),
            step_s: Recent::default(),
            phases_s: [Recent::default(); 3],
            sample: None,
            messages: VecDeque::new(),
            started: Instant::now(),
        }
    }

    pub(super) fn step(&mut self, report: &StepReport) {
        self.done = report.step + 1;
        self.doing = Doing::Training;
        for (level, now) in self.levels.iter_mut().enumerate() {
            now.prob = report.probs.get(level).copied().unwrap_or(0.0);
            if let Some(reward) = report.mean_reward(Some(level)) {
                now.reward.push(reward);
            }
            if let Some(accuracy) = report.accuracy(Some(level)) {
                now.accuracy.push(accuracy);
                keep(&mut now.history, now.accuracy.mean().unwrap_or(accuracy), KEPT);
            }
        }
        if let Some(reward) = report.mean_reward(None) {
            keep(&mut self.reward, reward, KEPT);
        }
        keep(&mut self.entropy, report.entropy(), KEPT);
        keep(&mut self.no_signal, report.zero_variance_frac(), KEPT);
        if report.update.update_tokens > 0 {
            keep(&mut self.loss, report.update.loss, KEPT);
            keep(&mut self.kl, report.update.kl_k3, KEPT);
            keep(&mut self.clip, report.update.clip_frac, KEPT);
        }
        self.times(report);
        self.sample = sample(report, &self.about.questions).or(self.sample.take());
    }

    fn times(&mut self, report: &StepReport) {
        let n: usize = report.groups.iter().map(Vec::len).sum();
        self.tokens_per_s.push(report.n_tokens() as f64 / report.step_s.max(1e-9));
        self.tokens_each.push(report.n_tokens() as f64 / n.max(1) as f64);
        self.step_s.push(report.step_s);
        let phases = [report.times.rollout_s, report.times.score_s, report.update_s];
        for (recent, seconds) in self.phases_s.iter_mut().zip(phases) {
            recent.push(seconds);
        }
    }

    pub(super) fn evaluated(&mut self, step: u64, report: &EvalReport) {
        for level in &report.levels {
            if let Some(now) = self.levels.get_mut(level.level.index()) {
                now.held_out = Some(level.accuracy);
            }
        }
        let mean = 100.0 * report.train_mean();
        self.doing = Doing::Training;
        self.message(format!("after {step} steps: {mean:.1} % of held-out problems right, greedy"));
    }

    pub(super) fn message(&mut self, text: String) {
        keep(&mut self.messages, text, MESSAGES);
    }

    /// Seconds until the last step, from the recent time a step.
    pub(super) fn left_s(&self) -> Option<f64> {
        Some(self.step_s.mean()? * self.steps.saturating_sub(self.done) as f64)
    }
}

/// The first right completion of the hardest level that has one, or else the first of the hardest level.
fn sample(report: &StepReport, questions: &[Vec<String>]) -> Option<SampleNow> {
    let rollouts = || report.groups.iter().flatten();
    let right = rollouts().filter(|rollout| rollout.score.is_correct());
    let hardest = right.reduce(|best, next| if next.level > best.level { next } else { best });
    let first =
        || rollouts().reduce(|best, next| if next.level > best.level { next } else { best });
    let rollout = hardest.or_else(first)?;
    let question = report
        .picks
        .get(rollout.group)
        .and_then(|pick| questions.get(pick.level.index())?.get(usize::try_from(pick.item).ok()?));
    Some(SampleNow {
        question: question.cloned().unwrap_or_default(),
        step: report.step,
        level: rollout.level.index(),
        text: rollout.text.clone(),
        outcome: rollout.score.outcome.name(),
        reward: rollout.score.reward,
        parts: rollout.score.parts.clone(),
    })
}
