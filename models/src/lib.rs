//! The models of inkgrad and what surrounds them: layers, data, training, run folders.

pub mod data;
pub mod error;
pub mod image;
pub mod run;

pub use error::{Error, Result};
