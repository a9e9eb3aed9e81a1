//! The live view on a terminal of memory.

use std::borrow::Cow;

use e2h_core::RewardPart;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::draw::draw;
use super::live::{Doing, Live, SampleNow};
use super::{About, LevelAbout, Surroundings, UiArg};

fn live() -> Live {
    let level = |label: &str, ood| LevelAbout { label: label.to_owned(), ood };
    let about = About {
        title: "countdown, gaussian, seed 0, runs/a".to_owned(),
        levels: vec![
            level("2 numbers", false),
            level("3 numbers", false),
            level("6 numbers", true),
        ],
        questions: Vec::new(),
    };
    let mut live = Live::new(about, 200);
    live.done = 50;
    live.doing = Doing::Training;
    live.levels[0].prob = 0.75;
    live.levels[0].held_out = Some(0.625);
    live.loss.extend([-0.02, 0.01, 0.005]);
    live.clip.extend([0.0, 0.125]);
    live.entropy.extend([0.5, 0.4]);
    live.sample = Some(SampleNow {
        step: 49,
        level: 1,
        question: "2, 3, 5 → 10".to_owned(),
        text: "<think> 2 + 3\u{1b}[2J = 5 </think>\n<answer> 2 + 3 </answer>".to_owned(),
        outcome: "correct",
        reward: 1.0,
        parts: vec![RewardPart { name: Cow::Borrowed("format"), value: 1.0, weight: 0.1 }],
    });
    live.message("saved after 50 steps".to_owned());
    live
}

fn drawn(live: &Live, width: u16, height: u16, colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, live, colour)).expect("drawn");
    terminal
}

fn text(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    cells.chunks(width).map(|row| row.concat() + "\n").collect()
}

#[test]
fn the_view_shows_levels_health_time_a_completion_and_the_keys() {
    for (width, height) in [(80, 30), (140, 40)] {
        let text = text(&drawn(&live(), width, height, true));
        for part in [
            "countdown, gaussian, seed 0, runs/a",
            "50/200 steps, 25 %",
            "0 2 numbers",
            "75 %",
            "62.5 %",
            "2 6 numbers unseen",
            "never",
            "12.5 % of tokens",
            "0.40 nat a token",
            "level 1 step 49  correct  reward 1.00 = format 1.00 × 0.10",
            "2, 3, 5 → 10",
            "<answer> 2 + 3 </answer>",
            "saved after 50 steps",
            "p pause/go on   e evaluate now   s save now   q stop",
        ] {
            assert!(text.contains(part), "{part} is missing from\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "an escape sequence of a model was passed on");
    }
}

#[test]
fn without_colour_no_cell_has_one() {
    let coloured = |colour| {
        let terminal = drawn(&live(), 100, 30, colour);
        terminal.backend().buffer().content().iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert_eq!(coloured(false), 0);
    assert!(coloured(true) > 20);
}

#[test]
fn a_small_terminal_shows_what_matters_most() {
    for (width, height) in [(80, 24), (50, 16), (40, 12)] {
        let text = text(&drawn(&live(), width, height, true));
        for part in ["50/200 steps", "0 2 numbers", "75 %", "62.5 %", "never", "p pause", "q "] {
            assert!(text.contains(part), "{part} is missing from\n{text}");
        }
    }
    assert!(text(&drawn(&live(), 80, 24, true)).contains("no signal"));
}

#[test]
fn a_tiny_terminal_and_an_empty_run_are_drawn_without_panic() {
    let mut empty = live();
    empty.sample = None;
    empty.loss.clear();
    for (width, height) in [(1, 1), (20, 5), (60, 12), (300, 100)] {
        drawn(&empty, width, height, true);
        drawn(&live(), width, height, true);
    }
}

#[test]
fn pausing_and_evaluating_are_said() {
    let mut live = live();
    live.doing = Doing::Paused;
    assert!(text(&drawn(&live, 100, 30, true)).contains("PAUSED"));
    live.doing = Doing::Evaluating { done: 3, total: 9 };
    assert!(text(&drawn(&live, 100, 30, true)).contains("evaluating, 3 of 9 completions"));
}

#[test]
fn auto_is_the_live_view_on_a_terminal_and_lines_elsewhere() {
    let at = |terminal, ci| Surroundings { terminal, ci };
    assert_eq!(UiArg::Auto.resolve(at(true, false)), Ok(UiArg::Tui));
    assert_eq!(UiArg::Auto.resolve(at(true, true)), Ok(UiArg::Plain));
    assert_eq!(UiArg::Auto.resolve(at(false, false)), Ok(UiArg::Plain));
    assert_eq!(UiArg::None.resolve(at(true, false)), Ok(UiArg::None));
    assert!(UiArg::Tui.resolve(at(false, false)).is_err());
}
