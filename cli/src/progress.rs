//! How a run under way shows itself: a bar on a terminal, else a line every few seconds.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use inkgrad_models::run::records::Record;
use inkgrad_models::trainer::{Observer, Progress};

use crate::{heartbeat, interrupt, output};

/// Time between two lines where there is no bar.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The bar takes the columns that the words leave; at 80 there are some.
const BAR: &str = "{wide_bar} {pos}/{len}, {msg}";

/// A bar on standard error, hidden where that is no terminal.
pub fn bar(template: &str) -> ProgressBar {
    let target =
        if output::is_hushed() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let bar = ProgressBar::with_draw_target(None, target);
    if !bar.is_hidden() {
        heartbeat::has_bar();
    }
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Prints a line above a bar, or by itself where the bar is hidden.
pub fn line(bar: &ProgressBar, line: &str) {
    // `println` draws nothing where the bar is hidden.
    if bar.is_hidden() { output::note(line) } else { bar.println(line) }
}

/// Watches work of many equal parts: a bar with the time left on a terminal, else a line every few seconds.
pub struct Parts {
    bar: ProgressBar,
    /// The parts.
    name: &'static str,
    started: Instant,
    shown: Instant,
    total: usize,
}

impl Parts {
    /// For `total` parts called `name`.
    pub fn new(name: &'static str, total: usize) -> Self {
        let bar = bar(&format!("{{wide_bar}} {{pos}}/{{len}} {name}, {{msg}}"));
        bar.set_length(total as u64);
        let now = Instant::now();
        Parts { bar, name, started: now, shown: now, total }
    }

    /// Says that `done` parts are done.
    pub fn advance(&mut self, done: usize) {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let left = output::duration(seconds * (self.total - done) as f64 / done.max(1) as f64);
        let state = format!("{:.0} a second, {left} left", done as f64 / seconds);
        if !self.bar.is_hidden() {
            self.bar.set_position(done as u64);
            self.bar.set_message(state);
        } else if self.shown.elapsed() >= INTERVAL {
            self.shown = Instant::now();
            output::note(format_args!("{done}/{} {}, {state}", self.total, self.name));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Watches one piece of work after the other: is told what it is, how many parts are done, and of how many.
pub fn parts() -> impl FnMut(&'static str, usize, usize) {
    let mut shown: Option<Parts> = None;
    move |name, done, total| {
        if shown.as_ref().is_some_and(|parts| (parts.name, parts.total) != (name, total))
            && let Some(parts) = shown.take()
        {
            // It ended before its last part.
            parts.finish();
        }
        shown.get_or_insert_with(|| Parts::new(name, total)).advance(done);
        if done >= total
            && let Some(parts) = shown.take()
        {
            parts.finish();
        }
    }
}

/// Watches data being read to be known again: is told how many drawings are done, and of how many.
pub fn hashing() -> impl FnMut(usize, usize) {
    let mut watch = parts();
    move |done, total| watch("drawings hashed", done, total)
}

/// How fast a run is, its evaluations not counted.
pub struct Pace {
    /// When the last step or record ended.
    mark: Instant,
    /// Time in steps.
    busy: Duration,
    /// Steps before this sitting.
    first: u64,
    drawings: u64,
}

impl Pace {
    /// Of a run that has taken `done` steps.
    pub fn new(done: u64) -> Self {
        Pace { mark: Instant::now(), busy: Duration::ZERO, first: done, drawings: 0 }
    }

    /// Says that steps have been taken, on so many drawings.
    pub fn step(&mut self, drawings: usize) {
        self.busy += self.mark.elapsed();
        self.drawings += drawings as u64;
        self.rest();
    }

    /// Says that the time since the last step was spent on something else.
    pub fn rest(&mut self) {
        self.mark = Instant::now();
    }

    /// Drawings trained on a second.
    pub fn images_per_second(&self) -> f64 {
        self.drawings as f64 / self.busy.as_secs_f64().max(1e-9)
    }

    /// Seconds that a step takes.
    pub fn seconds_per_step(&self, progress: &Progress) -> f64 {
        self.busy.as_secs_f64() / (progress.step - self.first).max(1) as f64
    }

    /// Seconds until all steps are taken.
    pub fn left(&self, progress: &Progress) -> f64 {
        self.seconds_per_step(progress) * (progress.total - progress.step) as f64
    }
}

/// Watches a run and stops it when the user asks.
pub struct Reporter {
    /// Hidden where standard error is no terminal.
    bar: ProgressBar,
    pace: Pace,
    shown: Instant,
}

impl Reporter {
    /// A reporter for a run that has taken `done` of `total` steps.
    pub fn new(done: u64, total: u64) -> Self {
        let bar = bar(BAR);
        bar.set_length(total);
        bar.set_position(done);
        Reporter { bar, pace: Pace::new(done), shown: Instant::now() }
    }

    /// Drawings trained on a second, evaluations not counted.
    pub fn images_per_second(&self) -> f64 {
        self.pace.images_per_second()
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Loss, speed and time left.
    fn state(&self, progress: &Progress) -> String {
        let left = output::duration(self.pace.left(progress));
        state(progress.epoch, progress.loss, self.images_per_second(), &left)
    }
}

/// The words behind a run's bar and counts.
fn state(epoch: f64, loss: f64, speed: f64, left: &str) -> String {
    format!("epoch {epoch:.2}, loss {}, {speed:.0} images/s, {left} left", number(loss))
}

impl Observer for Reporter {
    fn link(&mut self, how: &str) {
        line(&self.bar, how);
    }

    fn step(&mut self, progress: &Progress) {
        self.pace.step(progress.drawings);
        if !self.bar.is_hidden() {
            self.bar.set_position(progress.step);
            self.bar.set_message(self.state(progress));
        } else if self.shown.elapsed() >= INTERVAL {
            self.shown = Instant::now();
            output::note(format_args!("step {}/{}, {}", progress.step, progress.total, self.state(progress)));
        }
    }

    fn record(&mut self, record: &Record) {
        line(&self.bar, &record_line(record));
        self.pace.rest();
    }

    fn stop(&self) -> bool {
        interrupt::requested()
    }
}

/// A record as the log has it.
pub fn record_line(record: &Record) -> String {
    format!("step {}, epoch {:.2}, {}: {}", record.step, record.epoch, record.split.name(), losses(record))
}

/// The losses of a record: `loss 184.16, bce 141.93, kl 42.23`.
pub fn losses(record: &Record) -> String {
    let mut text = format!("loss {}", number(record.loss));
    for (name, value) in &record.terms.0 {
        let _ = write!(text, ", {name} {}", number(*value));
    }
    text
}

/// A loss with four digits that count: they range from 0.01 to 500.
pub fn number(value: f64) -> String {
    match value.abs() {
        1e12.. => format!("{value:.3e}"),
        100.0.. => format!("{value:.2}"),
        1.0..100.0 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fit_80_columns() {
        // A run of a week, at its slowest and at its fastest.
        for (epoch, loss, speed, left) in
            [(9_999.99, 1_234.56, 9.0, "167 h 59 min"), (0.01, -0.00123, 123_456.0, "59 min 59 s")]
        {
            let words = format!(" 999999/999999, {}", state(epoch, loss, speed, left));
            assert!(words.len() <= 76, "{} columns, of which a bar needs a few: {words}", words.len());
        }
        let longest = " 100000/100000 drawings through InceptionV3, 123 a second, 59 min 59 s left";
        assert!(longest.len() <= 76);
    }
}
