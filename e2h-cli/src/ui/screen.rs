//! The live view on a real terminal: a thread that draws and listens to keys.
//!
//! The view is on stderr's alternate screen, so stdout stays data and the start card is back afterwards.
//!
//! # Invariants
//! - Whoever ends the view calls [`restore`], which does its work once; the panic hook does so before the message.
//! - Nothing draws after [`restore`]: both hold [`DRAWING`].

use std::io::{self, Stderr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use e2h_rl::{EvalReport, Observer, StepReport, Wish};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw::draw;
use super::live::{Doing, Live};

/// True while the view has the terminal.
static OPEN: AtomicBool = AtomicBool::new(false);
/// Held while a frame is drawn and while the terminal is given back.
static DRAWING: Mutex<()> = Mutex::new(());
/// The view is drawn anew this often.
const FRAME: Duration = Duration::from_millis(120);

/// True while the live view has the terminal.
pub(crate) fn is_open() -> bool {
    OPEN.load(Ordering::SeqCst)
}

/// Gives the terminal back, if the view has it.
pub(crate) fn restore() {
    if !OPEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A panic while a frame is drawn comes from the thread that holds the lock, so do not wait for ever.
    let began = Instant::now();
    let mut lock = DRAWING.try_lock();
    while lock.is_err() && began.elapsed() < 2 * FRAME {
        std::thread::sleep(Duration::from_millis(5));
        lock = DRAWING.try_lock();
    }
    let _ = disable_raw_mode();
    let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
}

/// What keys have asked for.
#[derive(Default)]
struct Keys {
    pause: AtomicBool,
    evaluate: AtomicBool,
    save: AtomicBool,
}

/// The live view.
pub(crate) struct Screen {
    live: Arc<Mutex<Live>>,
    keys: Arc<Keys>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal. `stop` is set by the keys `q` and Ctrl-C.
    ///
    /// # Errors
    /// When the terminal cannot be set up.
    pub(super) fn open(live: Live, stop: Arc<AtomicBool>) -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let entered = execute!(io::stderr(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stderr())));
        let terminal = entered.inspect_err(|_| restore())?;
        let (live, keys) = (Arc::new(Mutex::new(live)), Arc::new(Keys::default()));
        let thread = std::thread::Builder::new().name("live view".to_owned()).spawn({
            let (live, keys, stop) = (Arc::clone(&live), Arc::clone(&keys), Arc::clone(&stop));
            move || show(terminal, &live, &keys, &stop)
        });
        let thread = Some(thread.inspect_err(|_| restore())?);
        Ok(Self { live, keys, stop, thread })
    }

    /// Gives the terminal back; returns the messages.
    pub(super) fn close(&mut self) -> Vec<String> {
        restore();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        lock(&self.live).messages.drain(..).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

impl Observer for Screen {
    fn step(&mut self, report: &StepReport) {
        lock(&self.live).step(report);
    }

    fn evaluated(&mut self, step: u64, report: &EvalReport) {
        lock(&self.live).evaluated(step, report);
    }

    fn saved(&mut self, step: u64, _path: &Path) {
        lock(&self.live).message(format!("saved after {step} steps"));
    }

    fn note(&mut self, text: &str) {
        lock(&self.live).message(text.to_owned());
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        lock(&self.live).doing = Doing::Evaluating { done, total };
    }

    fn wish(&mut self) -> Wish {
        while self.keys.pause.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
            lock(&self.live).doing = Doing::Paused;
            std::thread::sleep(Duration::from_millis(50));
        }
        let stop = self.stop.load(Ordering::Relaxed);
        lock(&self.live).doing = if stop { Doing::Stopping } else { Doing::Training };
        Wish {
            save: self.keys.save.swap(false, Ordering::Relaxed),
            evaluate: self.keys.evaluate.swap(false, Ordering::Relaxed),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws and listens until the terminal is given back.
fn show(
    mut terminal: Terminal<CrosstermBackend<Stderr>>,
    live: &Mutex<Live>,
    keys: &Keys,
    stop: &AtomicBool,
) {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    loop {
        {
            let _drawing = lock(&DRAWING);
            if !is_open() {
                return;
            }
            let live = lock(live);
            if terminal.draw(|frame| draw(frame, &live, colour)).is_err() {
                return;
            }
        }
        if !event::poll(FRAME).unwrap_or(false) {
            continue;
        }
        if let Ok(Event::Key(key)) = event::read()
            && key.kind == KeyEventKind::Press
        {
            let interrupt = key.modifiers.contains(KeyModifiers::CONTROL);
            press(key.code, interrupt, live, keys, stop);
        }
    }
}

/// Does what a key asks for.
fn press(code: KeyCode, control: bool, live: &Mutex<Live>, keys: &Keys, stop: &AtomicBool) {
    let message = |text: &str| lock(live).message(text.to_owned());
    match code {
        KeyCode::Char('c') if control => {
            if stop.swap(true, Ordering::Relaxed) {
                restore();
                std::process::exit(130);
            }
            message("stopping after this step; press Ctrl-C again to stop now");
        }
        KeyCode::Char('q') => {
            stop.store(true, Ordering::Relaxed);
            message("stopping after this step; press Ctrl-C to stop now");
        }
        KeyCode::Char('p') => {
            let paused = !keys.pause.fetch_xor(true, Ordering::Relaxed);
            message(if paused { "pausing after this step" } else { "going on" });
        }
        KeyCode::Char('e') => {
            keys.evaluate.store(true, Ordering::Relaxed);
            message("evaluating after this step");
        }
        KeyCode::Char('s') => {
            keys.save.store(true, Ordering::Relaxed);
            message("saving after this step");
        }
        _ => {}
    }
}

/// Makes a panic give the terminal back before its message is printed.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
    });
}
