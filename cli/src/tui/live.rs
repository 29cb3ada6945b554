//! The side of the thread that trains: it watches the run and leaves its news in an inbox.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use inkgrad_models::run::config::DeviceKind;
use inkgrad_models::run::records::Record;
use inkgrad_models::trainer::{Observer, Progress, Trainer};
use inkgrad_models::{Error, Result, text};

use super::screen;
use super::state::{News, Now, State};
use super::theme::Theme;
use super::watch::Watch;
use crate::inline::{colours, variable};
use crate::progress::{Pace, record_line};
use crate::{interrupt, output, terminal};

/// Time between two pieces of news, records aside.
const INTERVAL: Duration = Duration::from_millis(100);

/// News on their way to the screen.
#[derive(Default)]
pub struct Inbox {
    pub news: News,
    pub closed: bool,
}

/// Watches a run on the whole terminal, and stops it when the user asks.
pub struct Live {
    inbox: Arc<Mutex<Inbox>>,
    screen: Option<JoinHandle<()>>,
    pace: Pace,
    watch: Watch,
    told: Instant,
    /// Whether gradients are here.
    here: bool,
    earlier: f64,
    opened: Instant,
    between: Between,
}

/// The loss of the steps between two pieces of news, from the means since the last record.
struct Between {
    /// Drawings since the last record, and the sum of their losses, when last told. `None` before the first record of a run that
    /// was resumed: the drawings before are not known.
    told: Option<(f64, f64)>,
    drawings: f64,
}

impl Between {
    fn step(&mut self, progress: &Progress) {
        self.drawings += progress.drawings as f64;
    }

    fn record(&mut self) {
        *self = Between { told: Some((0.0, 0.0)), drawings: 0.0 };
    }

    /// The mean loss since the last time.
    fn take(&mut self, progress: &Progress) -> Option<f64> {
        let (drawings, sum) = self.told?;
        let now = (self.drawings, progress.loss * self.drawings);
        self.told = Some(now);
        (now.0 > drawings).then(|| (now.1 - sum) / (now.0 - drawings))
    }
}

/// Whether there is a terminal to take.
///
/// # Errors
/// If standard error is none, or `TERM` says that it cannot move its cursor.
pub fn check() -> Result<()> {
    let without = "without --tui the run prints lines";
    if !io::stderr().is_terminal() {
        return Err(Error::input("--tui", format!("standard error is no terminal, expected one; {without}")));
    }
    match variable("TERM").filter(|term| !term.is_empty()) {
        Some(term) if term != "dumb" => Ok(()),
        term => {
            let term = term.unwrap_or_default();
            let problem = format!("TERM is `{term}`, expected a terminal that can move its cursor; {without}");
            Err(Error::input("--tui", problem))
        }
    }
}

impl Live {
    /// Takes the terminal for a run.
    ///
    /// # Errors
    /// If the terminal or a thread cannot be had, or drawings to look at cannot be read.
    pub fn open(trainer: &Trainer) -> anyhow::Result<Self> {
        let watch = Watch::new(trainer)?;
        let (config, done) = (trainer.config(), trainer.steps_done());
        let label = |text: &str| text::escape(text, false);
        let mut state = State {
            title: label(&format!("{} on {}", config.model, trainer.dataset().name)),
            run: label(&trainer.folder().path().display().to_string()),
            rate: trainer.next_rate(),
            now: Now { step: done, total: trainer.total_steps(), epoch: trainer.epoch(), ..Now::default() },
            ..State::default()
        };
        let records = if done == 0 { Vec::new() } else { trainer.records()? };
        state.apply(News { records, ..News::default() });
        let theme = Theme { colours: colours(&variable) };
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        terminal::take().map_err(|error| Error::input("--tui", format!("the terminal cannot be taken: {error}")))?;
        let theirs = Arc::clone(&inbox);
        let screen = thread::Builder::new().name("screen".to_owned()).spawn(move || screen::run(state, theme, &theirs));
        let screen = screen.inspect_err(|_| terminal::restore());
        Ok(Live {
            inbox,
            screen: Some(screen.map_err(|error| anyhow::anyhow!("no thread to draw with: {error}"))?),
            pace: Pace::new(done),
            watch,
            told: Instant::now(),
            here: config.device == DeviceKind::Cpu,
            earlier: trainer.seconds(),
            opened: Instant::now(),
            between: Between { told: (done == 0).then_some((0.0, 0.0)), drawings: 0.0 },
        })
    }

    /// Drawings trained on a second, evaluations not counted.
    pub fn images_per_second(&self) -> f64 {
        self.pace.images_per_second()
    }

    /// Gives the terminal back and prints the lines that waited.
    pub fn close(&mut self) {
        self.tell(|inbox| inbox.closed = true);
        if let Some(screen) = self.screen.take() {
            // If it panicked, that has been printed.
            let _ = screen.join();
        }
        terminal::restore();
    }

    fn tell(&self, tell: impl FnOnce(&mut Inbox)) {
        tell(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}

impl Observer for Live {
    fn step(&mut self, progress: &Progress) {
        self.pace.step(progress.drawings);
        self.between.step(progress);
        let first = progress.step <= 1;
        if self.told.elapsed() < INTERVAL && !first {
            return;
        }
        self.told = Instant::now();
        let recent = self.between.take(progress).map(|loss| (progress.epoch, loss));
        let now = Now {
            step: progress.step,
            total: progress.total,
            epoch: progress.epoch,
            loss: progress.loss,
            images_per_second: self.pace.images_per_second(),
            steps_per_second: 1.0 / self.pace.seconds_per_step(progress).max(1e-9),
            elapsed: self.earlier + self.opened.elapsed().as_secs_f64(),
            left: self.pace.left(progress),
        };
        self.tell(|inbox| {
            inbox.news.now = Some(now);
            inbox.news.recent.extend(recent);
        });
    }

    fn record(&mut self, record: &Record) {
        output::note(record_line(record));
        self.tell(|inbox| {
            inbox.news.rate = record.lr.or(inbox.news.rate);
            inbox.news.records.push(record.clone());
        });
        self.between.record();
        self.pace.rest();
    }

    fn look(&mut self, trainer: &Trainer) {
        let network = trainer.network();
        let norm = if self.here { self.watch.norm(&network.params) } else { None };
        let look = self.watch.look(network);
        if norm.is_some() || look.is_some() {
            let rate = trainer.next_rate();
            self.tell(|inbox| {
                inbox.news.norms.extend(norm);
                inbox.news.rate = Some(rate);
                inbox.news.look = look.or(inbox.news.look.take());
            });
        }
        self.pace.rest();
    }

    fn stop(&self) -> bool {
        interrupt::requested()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_between_news_come_from_the_means() {
        let progress = |loss, drawings| Progress { step: 2, total: 9, epoch: 0.5, loss, drawings };
        let mut between = Between { told: Some((0.0, 0.0)), drawings: 0.0 };
        let mut tell = |progress: Progress| {
            between.step(&progress);
            between.take(&progress)
        };
        // Of 10 drawings of loss 8, then of 30 of loss 4: the mean of all is 5.
        assert_eq!(
            (tell(progress(8.0, 10)), tell(progress(5.0, 30)), tell(progress(5.0, 0))),
            (Some(8.0), Some(4.0), None)
        );
        between.record();
        between.step(&progress(3.0, 10));
        assert_eq!(between.take(&progress(3.0, 10)), Some(3.0));
        let mut resumed = Between { told: None, drawings: 0.0 };
        resumed.step(&progress(3.0, 10));
        assert_eq!(resumed.take(&progress(3.0, 10)), None);
    }
}
