//! The models of inkgrad and what surrounds them: networks, data, training, run folders.

pub mod activations;
pub mod check;
pub mod data;
pub mod distance;
pub mod error;
pub mod features;
pub mod image;
pub mod inception;
pub mod infer;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod network;
pub mod palette;
pub mod run;
pub mod sample;
pub mod study;
pub mod text;
pub mod trainer;
pub mod tsne;
pub mod weights;

pub use error::{Error, Result};
pub use model::{Model, Models, Network};

#[cfg(test)]
mod property;
