//! The six models of the study, each a [`Model`](crate::model::Model) like any other.
//!
//! ```
//! use inkgrad_models::prelude::*;
//!
//! let models = Models::builtin();
//! for spec in models.iter() {
//!     let config = Config { classes: ["rabbit", "yoga"].map(str::to_owned).to_vec().into(), ..models.defaults(spec.name)? };
//!     let network = models.build::<f32>(&config)?;
//!     println!("{}: {} parameters", spec.name, network.params.count());
//! }
//! # Ok::<(), Error>(())
//! ```

#![expect(clippy::large_enum_variant, reason = "a model is one value, and moves once")]

pub mod autoencoder;
pub mod classifier;
mod convolutions;
mod decoder;
mod encoder;
pub mod objective;
mod sizes;
#[cfg(test)]
mod tests;
pub mod vae;

use inkgrad_engine::{Float, Tape, Tensor};

use self::autoencoder::{CnnAe, LstmAe};
use self::classifier::Classifier;
use self::vae::{CnnVae, Cvae, RnnVae};
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Models, Spec};
use crate::{Error, Result};

impl Models {
    /// The six models of the study.
    pub fn builtin() -> Self {
        Models::of(vec![
            Spec::of::<LstmAe>(),
            Spec::of::<CnnAe>(),
            Spec::of::<RnnVae>(),
            Spec::of::<CnnVae>(),
            Spec::of::<Cvae>(),
            Spec::of::<Classifier>(),
        ])
    }
}

impl Default for Models {
    fn default() -> Self {
        Self::builtin()
    }
}

/// An input of pictures.
fn images_input<T: Float>(tape: &mut Tape<T>, image: Extents, batch: usize) -> Tensor {
    tape.input("images", image.batch(batch))
}

/// How many classes there are; refuses fewer than two.
fn require_classes(config: &Config) -> Result<usize> {
    match config.classes.len() {
        classes @ 0..2 => {
            let found = if classes == 1 { "1 class" } else { "no classes" };
            Err(Error::input(&config.data, format!("{found}, expected at least 2 for {}", config.model)))
        }
        classes => Ok(classes),
    }
}
