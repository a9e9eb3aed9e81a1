//! A schedule, a filter and a floor on top of each other, for every pair of rule and filter.

use e2h_core::{Curriculum, GroupOutcome, Level, ProblemSampler, RootSeed};
use e2h_sched::{FilterConfig, FilterKind, Kind, LevelSampler, Picking, ScheduleConfig};
use proptest::prelude::*;

const LEVELS: usize = 3;
const STEPS: u64 = 40;
const FLOOR: f64 = 0.1;

/// A group of 8 rollouts with `n_correct` right, and advantages of +1 and -1.
fn group(level: u16, item: u64, n_correct: u32) -> GroupOutcome {
    let rewards: Vec<f64> = (0..8).map(|i| f64::from(u8::from(i < n_correct))).collect();
    let mixed = n_correct > 0 && n_correct < 8;
    let advantage = |reward: &f64| if mixed { 2.0 * reward - 1.0 } else { 0.0 };
    let advantages = rewards.iter().map(advantage).collect();
    GroupOutcome { level: Level(level), item, rewards, advantages, n_correct }
}

fn config(kind: Kind) -> ScheduleConfig {
    let row = vec![0.5, 0.25, 0.25];
    let mut config = ScheduleConfig::of(kind);
    match kind {
        Kind::Only => config.level = Some(1),
        Kind::Table => config.rows = Some(vec![row]),
        Kind::Piecewise => config.points = Some(vec![e2h_sched::Point { step: 0, probs: row }]),
        _ => {}
    }
    config
}

fn build(config: &ScheduleConfig) -> Box<dyn Curriculum> {
    config.build(LEVELS, STEPS).expect("a valid schedule")
}

fn filters() -> [Option<FilterKind>; 4] {
    [None, Some(FilterKind::PassRate), Some(FilterKind::Vcrl), Some(FilterKind::Pools)]
}

#[test]
fn a_floor_lifts_what_the_filtered_rule_gives_and_leaves_the_filter_alone() {
    let filter = FilterConfig { kappa: Some(0.5), ..FilterConfig::of(FilterKind::Vcrl) };
    let plain = ScheduleConfig { filter: Some(filter), ..config(Kind::Classic) };
    let mut plain_rule = build(&plain);
    let mut rule = build(&ScheduleConfig { floor: Some(FLOOR), ..plain });
    assert_eq!(plain_rule.probs(0), [1.0, 0.0, 0.0]);
    for (prob, expected) in rule.probs(0).iter().zip([0.8, 0.1, 0.1]) {
        assert!((prob - expected).abs() < 1e-15);
    }
    let groups = [group(0, 7, 4), group(1, 3, 8)];
    for rule in [&mut plain_rule, &mut rule] {
        assert_eq!(groups.each_ref().map(|group| rule.keeps(30, group)), [true, false]);
        rule.observe(30, &groups);
        assert_eq!(rule.refill(31), Some((Level(0), 7)), "the kept prompt comes again");
        assert_eq!(rule.refill(31), None);
    }
}

#[test]
fn pools_weigh_problems_under_any_rule_and_floor() {
    let filter = Some(FilterConfig::of(FilterKind::Pools));
    let mut rule = build(&ScheduleConfig { filter, floor: Some(FLOOR), ..config(Kind::Sec) });
    rule.observe(0, &[group(0, 5, 8), group(0, 6, 4)]);
    assert_eq!([5, 6, 7].map(|item| rule.item_weight(1, Level(0), item)), [0.2, 1.0, 1.0]);
}

#[test]
fn an_adaptive_rule_learns_from_the_groups_that_its_filter_drops() {
    let filter = Some(FilterConfig::of(FilterKind::PassRate));
    let mut rule = build(&ScheduleConfig { filter, ..config(Kind::Threshold) });
    let solved = group(0, 0, 8);
    assert!(!rule.keeps(0, &solved));
    for step in 0..4 {
        rule.observe(step, &vec![solved.clone(); 8]);
    }
    assert_eq!(rule.probs(4), [0.0, 1.0, 0.0], "32 solved groups raise the level");
}

#[test]
fn every_rule_takes_every_filter_and_floor_and_saves_the_whole_exactly() {
    for kind in Kind::ALL {
        for filter in filters() {
            let filter = filter.map(FilterConfig::of);
            let config = ScheduleConfig { filter, floor: Some(FLOOR), ..config(kind) };
            let (mut first, mut second) = (build(&config), build(&config));
            let mut draws = LevelSampler::new(RootSeed(5), &[9; LEVELS], Picking::Independent)
                .expect("three pools");
            let go = |rule: &mut dyn Curriculum, draws: &mut LevelSampler, step: u64| {
                let picks = draws.draw(rule, step, 6).expect("drawable");
                let groups: Vec<GroupOutcome> = picks
                    .iter()
                    .map(|pick| group(pick.level.0, pick.item, ((pick.item + step) % 9) as u32))
                    .collect();
                rule.observe(step, &groups);
                (picks, rule.probs(step + 1), rule.refill(step + 1))
            };
            for step in 0..20 {
                go(first.as_mut(), &mut draws, step);
            }
            let text = serde_json::to_string(&first.state()).expect("states serialise");
            second.restore(&serde_json::from_str(&text).expect("JSON")).expect("the same rule");
            let mut again = draws.clone();
            for step in 20..STEPS {
                let one = go(first.as_mut(), &mut draws, step);
                let other = go(second.as_mut(), &mut again, step);
                assert_eq!(one, other, "{} at step {step}", kind.name());
            }
        }
    }
}

proptest! {
    #[test]
    fn the_floor_holds_over_any_rule_filter_and_evidence(
        kind in 0..Kind::ALL.len(), filter in 0usize..4, floor in 0.0..(1.0 / LEVELS as f64),
        outcomes in prop::collection::vec((0u16..LEVELS as u16, 0u64..9, 0u32..=8), 0..60),
    ) {
        let filter = filters()[filter].map(FilterConfig::of);
        let config = ScheduleConfig { filter, floor: Some(floor), ..config(Kind::ALL[kind]) };
        let mut rule = build(&config);
        for (step, chunk) in outcomes.chunks(4).enumerate() {
            let groups: Vec<GroupOutcome> =
                chunk.iter().map(|&(level, item, n)| group(level, item, n)).collect();
            rule.observe(step as u64, &groups);
            let probs = rule.probs(step as u64 + 1);
            prop_assert!((probs.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{:?}", probs);
            prop_assert!(probs.iter().all(|&prob| prob >= floor - 1e-12), "{:?}", probs);
            for group in &groups {
                let weight = rule.item_weight(step as u64, group.level, group.item);
                prop_assert!((0.0..=1.0).contains(&weight));
            }
        }
    }
}
