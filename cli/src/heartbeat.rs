//! A line now and then from a command that would otherwise be silent for long, whatever it is at.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use crate::output;

/// Silence before the first line; before each other one it is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// Commands that tell by themselves how far they are, or wait to be told what to do.
const TELLING: [&str; 2] = ["train", "bench"];

static STARTED: OnceLock<Instant> = OnceLock::new();
/// Milliseconds, since the start, of the last line.
static LAST: AtomicU64 = AtomicU64::new(0);
/// Whether a bar is on the terminal, which moves by itself.
static HAS_BAR: AtomicBool = AtomicBool::new(false);

/// Begins to listen. Where the system gives no thread for that, the command is silent.
pub fn start(command: &str) {
    if TELLING.contains(&command) {
        return;
    }
    let started = *STARTED.get_or_init(Instant::now);
    let command = command.to_owned();
    // Its own stack is all that it takes until it has something to say.
    let _ = Builder::new().name("heartbeat".to_owned()).stack_size(1 << 16).spawn(move || {
        let mut silence = FIRST;
        loop {
            thread::sleep(Duration::from_secs(1));
            let quiet = started.elapsed().saturating_sub(Duration::from_millis(LAST.load(Ordering::Relaxed)));
            if quiet >= silence && !HAS_BAR.load(Ordering::Relaxed) {
                output::note(format_args!("{command}: at work for {} s", started.elapsed().as_secs()));
                silence = (silence * 2).min(LONGEST);
            }
        }
    });
}

/// Something was said.
pub fn heard() {
    if let Some(started) = STARTED.get() {
        LAST.store(started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

/// A bar is shown from here on.
pub fn has_bar() {
    HAS_BAR.store(true, Ordering::Relaxed);
}
