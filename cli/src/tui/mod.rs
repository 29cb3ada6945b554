//! The live terminal of `train --tui`: what a run does, on the whole screen, while it trains.
//!
//! The thread that trains writes into an inbox ([`live`]), at most ten times a second; another one owns the terminal, takes the
//! inbox out ([`screen`]) and draws ([`view`]) a [`state::State`], which knows neither terminal nor trainer. Drawings and KL
//! are computed between two steps, for a fiftieth of the time ([`watch`]), on a copy of the network and from a
//! random stream of their own, so that the weights are those of a run that nobody watches.

#[cfg(feature = "tui")]
mod bars;
#[cfg(feature = "tui")]
mod curves;
#[cfg(feature = "tui")]
mod live;
#[cfg(feature = "tui")]
mod numbers;
#[cfg(feature = "tui")]
mod pictures;
#[cfg(feature = "tui")]
mod screen;
#[cfg(feature = "tui")]
mod state;
#[cfg(all(test, feature = "tui"))]
mod tests;
#[cfg(feature = "tui")]
mod theme;
#[cfg(feature = "tui")]
mod view;
#[cfg(feature = "tui")]
mod watch;
#[cfg(not(feature = "tui"))]
mod without;

#[cfg(feature = "tui")]
pub use self::live::{Live, check};
#[cfg(not(feature = "tui"))]
pub use self::without::{Live, check};
