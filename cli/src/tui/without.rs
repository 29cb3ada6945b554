//! In a program that was built without the live terminal: a line that says how to get it.

use std::convert::Infallible;

use inkgrad_models::trainer::{Observer, Trainer};
use inkgrad_models::{Error, Result};

/// None can be made.
pub struct Live(Infallible);

/// Refuses.
///
/// # Errors
/// Always.
pub fn check() -> Result<()> {
    let problem = "not in this program, expected one built with it: cargo install --locked --path cli --features tui";
    Err(Error::input("--tui", problem))
}

impl Live {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Trainer) -> Result<Self> {
        check()?;
        unreachable!("refused")
    }

    pub fn close(&mut self) {
        match self.0 {}
    }

    pub fn images_per_second(&self) -> f64 {
        match self.0 {}
    }
}

impl Observer for Live {}
