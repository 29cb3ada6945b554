//! The models of inkgrad and what surrounds them: networks, data, training, run folders.
//!
//! ```
//! use inkgrad_models::prelude::*;
//!
//! let models = Models::builtin();
//! let mut network = models.build::<f32>(&models.defaults("cnn-vae")?)?;
//! network.initialise(42);
//! assert_eq!((network.params.count(), network.latent()?), (865_345, 32));
//! # Ok::<(), Error>(())
//! ```

pub mod activations;
pub mod check;
pub mod data;
mod digest;
pub mod distance;
pub mod error;
pub mod export;
pub mod features;
pub mod file;
pub mod image;
pub mod inception;
pub mod infer;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod network;
pub mod palette;
mod permutation;
pub mod prelude;
mod protobuf;
pub mod ranks;
mod resample;
pub mod run;
pub mod sample;
pub mod sampler;
pub mod study;
pub mod sweep;
pub mod text;
pub mod trainer;
pub mod tsne;
pub mod walk;
pub mod weights;

pub use error::{Error, Result};
pub use model::{Model, Models, Network};

#[cfg(test)]
mod property;
