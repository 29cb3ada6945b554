//! The measurements of trained models in a study, and the drawings that it shows.
//!
//! [`evaluate()`] gives every score of one run with its passport; [`Gallery`] gathers the drawings of its figures. Both
//! are functions of the weights, the data and a seed.

mod evaluate;
mod gallery;
mod judge;
mod map;
mod recognition;
mod scores;
#[cfg(test)]
mod tests;

/// Is told now and then what is under way, how much of it is done, and of how much.
pub type Watch<'a> = dyn FnMut(&'static str, usize, usize) + 'a;

pub use self::evaluate::{Evaluation, Nearest, Options, Subject, evaluate};
pub use self::gallery::{Gallery, Graded, Neighbour};
pub use self::judge::{Inception, Judge, Source, fingerprint};
pub use self::map::Map;
pub use self::recognition::{ClassScore, Recognition, Transfer};
pub use self::scores::{Passport, Score};
