//! The whole terminal, taken and given back: whatever ends the process, but SIGKILL, leaves it as it was.

#[cfg(feature = "tui")]
pub use self::whole::{draw, restore, take};

/// Nothing takes the terminal in a program without the feature `tui`.
#[cfg(not(feature = "tui"))]
pub fn restore() {}

#[cfg(feature = "tui")]
mod whole {
    use std::io;
    use std::panic;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, Once, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use ratatui::crossterm::cursor::{Hide, Show};
    use ratatui::crossterm::execute;
    use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

    use crate::output;

    /// Whether the terminal is taken.
    static TAKEN: AtomicBool = AtomicBool::new(false);
    /// Held while something is drawn.
    static DRAWING: Mutex<()> = Mutex::new(());

    /// A terminal that takes longer to draw than this is not waited for.
    const PATIENCE: Duration = Duration::from_millis(300);

    /// Takes the terminal that standard error is on: its second screen, keys as they are pressed, no cursor. Lines of
    /// [`output::note`] wait until it is given back. A panic gives it back before it tells of itself.
    ///
    /// # Errors
    /// If it has no second screen, or its keys cannot be had.
    pub fn take() -> io::Result<()> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                previous(info);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        output::hold();
        let entered = execute!(io::stderr(), EnterAlternateScreen, Hide);
        entered.inspect_err(|_| restore())
    }

    /// Gives the terminal back, if it was taken, and prints the lines that waited.
    pub fn restore() {
        if !TAKEN.swap(false, Ordering::SeqCst) {
            return;
        }
        // Not blocking: it may be this thread that was drawing, and panicked.
        let asked = Instant::now();
        let mut drawing = DRAWING.try_lock();
        while drawing.is_err() && asked.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
            drawing = DRAWING.try_lock();
        }
        let _ = execute!(io::stderr(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
        output::release();
    }

    /// Draws, if the terminal is still taken; it is not given back midway.
    pub fn draw<T>(draw: impl FnOnce() -> T) -> Option<T> {
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        TAKEN.load(Ordering::SeqCst).then(draw)
    }
}

#[cfg(all(test, feature = "tui"))]
mod tests {
    use std::env;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::output;

    /// Run by [`a_panic_gives_the_terminal_back`] on a terminal of its own.
    #[test]
    #[ignore = "takes the terminal and panics"]
    fn panics() {
        take().unwrap();
        output::note("a line that waited");
        draw(|| panic!("while drawing")).unwrap();
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let test = format!(
            "'{}' --ignored --exact --nocapture terminal::tests::panics",
            env::current_exe().unwrap().display()
        );
        let line = format!("stty -a > before; {test}; stty -a > after");
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(place.path()).stdin(Stdio::null());
        let Ok(output) = command.env("TERM", "xterm").output() else {
            eprintln!("not checked: no script here to make a terminal");
            return;
        };
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let places = ["\x1b[?1049h", "\x1b[?1049l", "a line that waited", "while drawing"].map(|part| shown.find(part));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {shown:?}");
        let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"));
    }
}
