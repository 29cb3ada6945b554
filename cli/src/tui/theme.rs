//! Colours by meaning, and none where none are wanted (`NO_COLOR`).

use ratatui::style::{Color, Modifier, Style};

use crate::inline::Colours;

/// The colours of a screen. Those with names follow the terminal's own scheme, light or dark.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub colours: Colours,
}

impl Theme {
    fn with(self, colour: Color) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            Colours::True | Colours::Few => Style::new().fg(colour),
        }
    }

    /// Of the drawings trained on.
    pub fn training(self) -> Style {
        self.with(Color::Cyan)
    }

    /// Of those held out.
    pub fn validation(self) -> Style {
        self.with(Color::Yellow)
    }

    /// Of the test set.
    pub fn test(self) -> Style {
        self.with(Color::Magenta)
    }

    /// Of good news.
    pub fn good(self) -> Style {
        self.with(Color::Green)
    }

    /// Of borders, axes and names, behind the rest.
    pub fn dim(self) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::DIM),
            Colours::True | Colours::Few => Style::new().fg(Color::DarkGray),
        }
    }

    /// Titles.
    pub fn title(self) -> Style {
        // Not the colour of the border that it interrupts.
        Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD)
    }

    /// Keys to press.
    pub fn key(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
