//! The program's output: results to standard output, everything else to standard error.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
#[cfg(feature = "tui")]
use std::sync::TryLockError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use inkgrad_models::text;
use serde::Serialize;

pub use crate::target::{
    check as check_target, check_all, check_apart, check_folder, check_outside, check_place, check_unowned,
};

/// A command's result: one JSON object, or text.
pub trait Report: Serialize {
    /// Writes the result for a person.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Whether another process says all that there is to say.
static HUSHED: AtomicBool = AtomicBool::new(false);

/// Prints nothing from here on.
pub fn hush() {
    HUSHED.store(true, Ordering::Relaxed);
}

/// Whether nothing is printed.
pub fn is_hushed() -> bool {
    HUSHED.load(Ordering::Relaxed)
}

/// Prints a result to standard output.
pub fn report(report: &impl Report, json: bool) -> io::Result<()> {
    if is_hushed() {
        return Ok(());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if json {
        serde_json::to_writer(&mut out, report).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        // Names and paths that somebody else chose are among it.
        let mut text = Vec::new();
        report.text(&mut text)?;
        out.write_all(text::escape(&String::from_utf8_lossy(&text), true).as_bytes())
    };
    written.and_then(|()| out.flush()).map_err(stdout_error)
}

/// Prints bytes to standard output as they are.
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(stdout_error)
}

/// An error of writing to standard output, saying so.
pub fn stdout_error(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

/// Whether an error means that the reader of standard output has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Lines that wait while something else is on the terminal.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Prints a line to standard error; where that is closed, there is nobody to tell.
pub fn note(line: impl fmt::Display) {
    if is_hushed() {
        return;
    }
    crate::heartbeat::heard();
    let line = text::message(&line.to_string());
    match &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(held) => held.push(line),
        None => print(&line),
    }
}

fn print(line: &str) {
    // Shown of a test that fails alone.
    #[cfg(test)]
    eprintln!("{line}");
    #[cfg(not(test))]
    let _ = writeln!(io::stderr(), "{line}");
}

/// Keeps lines back from here on.
#[cfg(feature = "tui")]
pub fn hold() {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// The last `n` lines that are kept back.
#[cfg(feature = "tui")]
pub fn held(n: usize) -> Vec<String> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = held.as_deref().unwrap_or_default();
    lines[lines.len().saturating_sub(n)..].to_vec()
}

/// Prints the lines that were kept back, and keeps none from here on.
#[cfg(feature = "tui")]
pub fn release() {
    // Where memory or a signal ends the process, this thread may be in the middle of a line.
    let held = match HELD.try_lock() {
        Ok(mut held) => held.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(TryLockError::WouldBlock) => return,
    };
    held.iter().flatten().for_each(|line| print(line));
}

/// Whether nothing of somebody else's is at `path`: no file, or one with the words by which its maker, a command, is known. No
/// command's words begin with another's.
pub fn may_replace(path: &Path, made_by: &str) -> bool {
    match fs::read(path) {
        Ok(bytes) => bytes.windows(made_by.len()).any(|window| window == made_by.as_bytes()),
        // A file that cannot be read shows its fault when it is written.
        Err(_) => !path.exists(),
    }
}

/// The most drawings in one picture.
pub const PICTURE: usize = 400;

/// The line about a picture, saying where it does not show all drawings.
pub fn picture_line(out: &mut dyn Write, path: Option<&Path>, shown: Option<usize>, of: usize) -> io::Result<()> {
    match (path, shown) {
        (Some(path), Some(shown)) if shown < of => {
            writeln!(out, "{}: a picture of {shown} of the {}", path.display(), thousands(of as u64))
        }
        (Some(path), _) => writeln!(out, "{}: a picture of them", path.display()),
        (None, _) => Ok(()),
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    match word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c)) {
        true if !word.is_empty() => word.to_owned(),
        _ => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A number with its sign, as short as it can be.
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if ["+0", "-0"].contains(&text) { "0".to_owned() } else { text.to_owned() }
}

/// A number with its thousands apart: `20,000`.
pub fn thousands(n: impl Into<u64>) -> String {
    let digits = n.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as a person says it: `8.2 s`, `3 min 10 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    if !(0.0..1e9).contains(&seconds) {
        return "?".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Names as a choice: `a, b or c`.
pub fn one_of(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(["a/b-c.npy", "a b", "it's", ""].map(quoted), ["a/b-c.npy", "'a b'", r"'it'\''s'", "''"]);
    }

    #[test]
    fn numbers_have_their_signs() {
        assert_eq!([-3.0, -0.6, 0.0, -0.001, 1.25].map(signed), ["-3", "-0.6", "0", "0", "+1.25"]);
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0u64, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1.25, 12.6, 190.0, 7500.0].map(duration), ["1.2 s", "13 s", "3 min 10 s", "2 h 5 min"]);
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(duration), ["?"; 3]);
    }
}
