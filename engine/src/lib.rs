//! Reverse-mode automatic differentiation, written to be read.

pub mod error;

pub use error::{Error, Result};
