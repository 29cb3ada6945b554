//! Drawings on the terminal (`--show`): as a picture where it takes pictures, else of half-blocks, each of which is two pixels.

pub mod blocks;
mod protocols;

use std::env;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::Args;
use inkgrad_models::Result;
use inkgrad_models::data::Extents;
use inkgrad_models::image::Picture;

use crate::output;

/// Whether results are drawn on the terminal, too.
#[derive(Debug, Clone, Copy, Args)]
pub struct ShowArgs {
    /// Show drawings on the terminal, too: auto, kitty, iterm2, sixel or blocks [default where given: auto]
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto",
        conflicts_with = "json"
    )]
    show: Option<How>,
}

/// How a terminal is given a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics protocol, which Ghostty has too.
    Kitty,
    /// iTerm2's, which WezTerm has too.
    Iterm,
    /// DEC's sixels: foot, mlterm, contour, xterm where it is built for them.
    Sixel,
    /// Characters: an upper half-block has one colour above and one below.
    Blocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Auto,
    As(Protocol),
}

impl FromStr for How {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => How::Auto,
            "kitty" => How::As(Protocol::Kitty),
            "iterm2" => How::As(Protocol::Iterm),
            "sixel" => How::As(Protocol::Sixel),
            "blocks" => How::As(Protocol::Blocks),
            _ => return Err("expected auto, kitty, iterm2, sixel or blocks".to_owned()),
        })
    }
}

/// The protocol that the environment tells of the terminal: `get` reads a variable. A terminal within a terminal (tmux, screen) passes no
/// pictures on, whatever the outer one can. `None` for one that has no colours or cursor.
fn detect(get: &dyn Fn(&str) -> Option<String>) -> Option<Protocol> {
    let is = |name: &str, values: &[&str]| get(name).is_some_and(|found| values.contains(&found.as_str()));
    let has = |name: &str| get(name).is_some_and(|found| !found.is_empty());
    let term = get("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return None;
    }
    if has("TMUX") || has("STY") || term.starts_with("tmux") || term.starts_with("screen") {
        return Some(Protocol::Blocks);
    }
    if has("KITTY_WINDOW_ID") || term == "xterm-kitty" || term == "xterm-ghostty" || is("TERM_PROGRAM", &["ghostty"]) {
        return Some(Protocol::Kitty);
    }
    if is("TERM_PROGRAM", &["iTerm.app", "WezTerm"]) || is("LC_TERMINAL", &["iTerm2"]) {
        return Some(Protocol::Iterm);
    }
    let sixel =
        ["foot", "mlterm", "contour", "yaft"].iter().any(|name| term.starts_with(name)) || term.contains("sixel");
    Some(if sixel { Protocol::Sixel } else { Protocol::Blocks })
}

/// How many colours half-blocks may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    True,
    /// The 256 of xterm.
    Few,
    /// None are wanted (`NO_COLOR`).
    None,
}

/// The colours that the environment tells of; `get` reads a variable.
pub fn colours(get: &dyn Fn(&str) -> Option<String>) -> Colours {
    if get("NO_COLOR").is_some_and(|found| !found.is_empty()) {
        return Colours::None;
    }
    match get("COLORTERM").as_deref() {
        Some("truecolor" | "24bit") => Colours::True,
        _ => Colours::Few,
    }
}

/// Drawings to be shown.
pub struct Drawings<'a> {
    /// The same as a picture with its titles, for terminals that take pictures.
    pub picture: &'a Picture,
    /// Values in [0, 1]: (N, height, width, channels).
    pub values: &'a [f32],
    /// Of one drawing.
    pub extents: Extents,
    /// Drawings of a row, where rows have a meaning; else as many as fit.
    pub columns: Option<usize>,
    /// Drawings that a line does not part: 2 of pairs, else 1.
    pub together: usize,
}

/// A variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Columns of a terminal that does not tell how wide it is.
const COLUMNS: usize = 80;

impl ShowArgs {
    /// Draws on standard output, if that was asked for and it is a terminal.
    ///
    /// # Errors
    /// If a picture cannot be coded, or standard output is closed.
    pub fn show(self, drawings: &Drawings) -> anyhow::Result<()> {
        let Some(how) = self.show else { return Ok(()) };
        if !io::stdout().is_terminal() {
            output::note("--show: standard output is no terminal, nothing is drawn on it");
            return Ok(());
        }
        let protocol = match how {
            How::As(protocol) => protocol,
            How::Auto => match detect(&variable) {
                Some(protocol) => protocol,
                None => {
                    output::note("--show: TERM says that the terminal draws nothing; --show=blocks draws all the same");
                    return Ok(());
                }
            },
        };
        let width = terminal_size::terminal_size().map_or(COLUMNS, |(terminal_size::Width(width), _)| width.into());
        output::raw(&render(drawings, protocol, width, colours(&variable))?)?;
        Ok(())
    }

    /// Whether it was asked for.
    pub fn asked(self) -> bool {
        self.show.is_some()
    }
}

/// The bytes that draw on a terminal of so many columns.
fn render(drawings: &Drawings, protocol: Protocol, width: usize, colours: Colours) -> Result<Vec<u8>> {
    Ok(match protocol {
        Protocol::Kitty => protocols::kitty(&drawings.picture.to_png()?),
        Protocol::Iterm => protocols::iterm(&drawings.picture.to_png()?),
        Protocol::Sixel => protocols::sixel(drawings.picture),
        Protocol::Blocks => blocks::draw(drawings, width, colours).into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<Protocol> {
        detect(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn terminals_are_told_apart_by_their_environment() {
        let xterm = ("TERM", "xterm-256color");
        assert_eq!(found(&[("TERM", "xterm-kitty")]), Some(Protocol::Kitty));
        assert_eq!(found(&[xterm, ("KITTY_WINDOW_ID", "1")]), Some(Protocol::Kitty));
        assert_eq!(found(&[xterm, ("TERM_PROGRAM", "ghostty")]), Some(Protocol::Kitty));
        assert_eq!(found(&[xterm, ("TERM_PROGRAM", "iTerm.app")]), Some(Protocol::Iterm));
        assert_eq!(found(&[xterm, ("LC_TERMINAL", "iTerm2")]), Some(Protocol::Iterm));
        assert_eq!(found(&[xterm, ("TERM_PROGRAM", "WezTerm")]), Some(Protocol::Iterm));
        assert_eq!(found(&[("TERM", "foot-extra")]), Some(Protocol::Sixel));
        assert_eq!(found(&[xterm]), Some(Protocol::Blocks));
        // Within another terminal nothing of the outer one counts.
        assert_eq!(found(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), Some(Protocol::Blocks));
        assert_eq!(found(&[xterm, ("TMUX", "/tmp/t"), ("TERM_PROGRAM", "iTerm.app")]), Some(Protocol::Blocks));
        assert_eq!((found(&[("TERM", "dumb")]), found(&[])), (None, None));
    }

    #[test]
    fn colours_are_asked_of_the_environment() {
        let of = |variables: &[(&str, &str)]| {
            colours(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("COLORTERM", "truecolor")]), Colours::True);
        assert_eq!(of(&[]), Colours::Few);
        assert_eq!(of(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Colours::None);
    }
}
