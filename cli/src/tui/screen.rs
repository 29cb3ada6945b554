//! The side of the thread that owns the terminal: keys, news, and drawing.

use std::io::{self, Stderr};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::live::Inbox;
use super::state::State;
use super::theme::Theme;
use super::view;
use crate::{interrupt, output, terminal};

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(200);
/// Lines of the log that are at hand.
const LOG: usize = 4;

/// The request that a key makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Stop,
    NextCurve,
    NextSheet,
    Help,
}

/// The meaning of a key, if it has one. Ctrl-C arrives as a key, since the terminal is in raw mode.
pub fn action(key: KeyEvent) -> Option<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        _ if key.kind == KeyEventKind::Release => None,
        KeyCode::Char('c') if control => Some(Action::Stop),
        _ if control => None,
        KeyCode::Char('q') => Some(Action::Stop),
        KeyCode::Tab => Some(Action::NextCurve),
        KeyCode::Char('s') => Some(Action::NextSheet),
        KeyCode::Char('?' | 'h') => Some(Action::Help),
        _ => None,
    }
}

/// Draws until the inbox is closed.
pub fn run(mut state: State, theme: Theme, inbox: &Mutex<Inbox>) {
    let Ok(mut terminal) = Terminal::new(CrosstermBackend::new(io::stderr())) else { return };
    let mut changed = true;
    // Where no keys can be had, signals still stop the run.
    let mut keys = true;
    loop {
        let (news, closed) = {
            let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut inbox.news), inbox.closed)
        };
        if closed {
            return;
        }
        changed |= !news.is_empty();
        state.apply(news);
        let log = output::held(LOG);
        let stopping = interrupt::requested();
        changed |= log != state.log || stopping != state.stopping;
        (state.log, state.stopping) = (log, stopping);
        if std::mem::take(&mut changed) && !draw(&mut terminal, &state, theme) {
            return;
        }
        match keys.then(|| event::poll(FRAME)) {
            Some(Ok(true)) => match event::read() {
                Ok(event) => {
                    changed = true;
                    answer(&mut state, event);
                }
                Err(_) => keys = false,
            },
            Some(Ok(false)) => {}
            Some(Err(_)) | None => {
                keys = false;
                thread::sleep(FRAME);
            }
        }
    }
}

/// Does what a key asks for.
fn answer(state: &mut State, event: Event) {
    let Event::Key(key) = event else { return };
    match action(key) {
        Some(Action::Stop) => interrupt::request(),
        Some(Action::NextCurve) => state.next_curve(),
        Some(Action::NextSheet) => state.next_sheet(),
        Some(Action::Help) => state.help = !state.help,
        // Any other key takes the help away.
        None => state.help = false,
    }
}

/// Draws a frame. Returns whether there is still a terminal to draw on.
fn draw(terminal: &mut Terminal<CrosstermBackend<Stderr>>, state: &State, theme: Theme) -> bool {
    let frame = || {
        let drawn = terminal.draw(|frame| view::draw(state, frame.area(), theme, frame.buffer_mut()));
        drawn.is_ok()
    };
    terminal::draw(frame).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_meanings() {
        let key = |code, modifiers| action(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Stop));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Stop));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
        assert_eq!(key(KeyCode::Tab, KeyModifiers::NONE), Some(Action::NextCurve));
        assert_eq!(key(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
    }
}
