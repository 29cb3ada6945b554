//! A model to everything around it: trainer, checkpoints, curves, samples, scores and report know [`Model`] and [`Network`]
//! alone, no model by name.
//!
//! Whoever brings a model of their own implements [`Model`] and adds it to the table, [`Models::with`]; the six of this crate
//! are users of the same trait (`network/`). `models/examples/07_own_vae.rs` is one in full.
//!
//! ```
//! use inkgrad_models::prelude::*;
//!
//! /// An autoencoder of one layer.
//! #[derive(Debug)]
//! struct Layer {
//!     image: Extents,
//!     layer: nn::Linear,
//! }
//!
//! impl Model for Layer {
//!     const NAME: &'static str = "layer";
//!     const SUMMARY: &'static str = "every pixel from every pixel";
//!
//!     fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
//!         let image = config.image;
//!         Ok(Layer { image, layer: nn::Linear::new(params, "layer", image.len(), image.len()) })
//!     }
//!
//!     fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
//!         let images = tape.input("images", self.image.batch(batch)); // (B, H, W, C)
//!         let pixels = tape.flatten(images);
//!         let logits = self.layer.forward(tape, pixels)?;
//!         let loss = tape.bce_with_logits(logits, pixels)?;
//!         Ok(Training::sum(images, loss, batch).term("bce", loss))
//!     }
//! }
//!
//! let models = Models::builtin().with::<Layer>();
//! let network = models.build::<f32>(&models.defaults("layer")?)?;
//! assert_eq!(network.params.count(), 784 * 784 + 784);
//! # Ok::<(), Error>(())
//! ```

mod choice;
pub mod config;
mod facts;
mod graph;
mod network;
mod options;
mod overrides;
mod ramp;
mod resolve;
mod settings;
mod sizes;
mod spec;
#[cfg(test)]
mod tests;

use std::fmt;

use inkgrad_engine::{Float, Params, Tape};

pub(crate) use self::choice::choice;
use self::config::Config;
pub use self::graph::{Classification, Decoding, Encoding, MAX_TERMS, Prior, Term, Training, argmax};
use self::network::Graphs;
pub use self::network::Network;
pub use self::options::{Kind, ModelOption, Value};
pub use self::ramp::{Form, Scheduled, WarmUp};
pub use self::settings::{Rule, Setting, option};
pub use self::sizes::Sizes;
pub use self::spec::{Element, Models, Spec, TermFigure};
use crate::Result;

/// A model that can be trained: its parameters, and the graphs that it records. One implementation serves `f32`, in which networks
/// train, and `f64`, in which their gradients are checked.
pub trait Model: fmt::Debug + Send + Sync + Sized + 'static {
    /// Its name on the command line, in configurations and in run folders.
    const NAME: &'static str;
    /// A description of one line, for help and reports.
    const SUMMARY: &'static str;
    /// Its loss, as the axis of a figure says it.
    const LOSS: &'static str = "loss";
    /// Settings of its own, beside those that every run has.
    const OPTIONS: &'static [ModelOption] = &[];
    /// Figures of its terms, beside that of the loss. Terms that none of them shows share a figure.
    const FIGURES: &'static [TermFigure] = &[];

    /// Changes those of the usual settings that it is better trained with.
    fn defaults(_config: &mut Config) {}

    /// Makes its defaults the settings of a short run, of some ten seconds on two cores: four epochs, or a hundred steps.
    fn quick(config: &mut Config) {
        match config.epochs.is_some() {
            true => config.epochs = Some(4),
            false => config.steps = Some(100),
        }
    }

    /// A description with its options as they are, for reports.
    fn describe(_config: &Config) -> String {
        Self::SUMMARY.to_owned()
    }

    /// Reads from the names and shapes of weights the sizes that they have, for options that set sizes: so that weights are
    /// imported whatever their sizes.
    fn sizes(_sizes: &mut Sizes<'_>) {}

    /// Remarks on how it treats the pictures of a configuration, a line each: said at the start of training.
    fn remarks(_config: &Config) -> Vec<String> {
        Vec::new()
    }

    /// Declares its parameters. `config` has its options, the extents of a picture and the classes.
    ///
    /// # Errors
    /// If it cannot be built so, in a line that says what was found and what is expected.
    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self>;

    /// Records the loss of `batch` pictures, and the terms that are to be reported with it. Validation and test losses are measured
    /// with this graph too: noise that it draws is then the same at every measurement.
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training>;

    /// The same with inputs for weights that change from step to step, which training fills ([`Training::scheduled`]);
    /// [`Model::training`] has them as they are in the end. By default nothing changes.
    ///
    /// # Errors
    /// As [`Model::training`].
    fn step<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        self.training(tape, batch)
    }

    /// Records how `batch` pictures become latents; `None` if it does not.
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn encoding<T: Float>(&self, _tape: &mut Tape<T>, _batch: usize) -> Result<Option<Encoding>> {
        Ok(None)
    }

    /// Records how `batch` latents become pictures; `None` if they do not.
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn decoding<T: Float>(&self, _tape: &mut Tape<T>, _batch: usize) -> Result<Option<Decoding>> {
        Ok(None)
    }

    /// Records the prior of latents where it is a mixture that is learnt; `None` for N(0, I).
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn prior<T: Float>(&self, _tape: &mut Tape<T>) -> Result<Option<Prior>> {
        Ok(None)
    }

    /// The numbers of a code, where latents are made of codes of a codebook, one after the other; `None` where they are any numbers.
    fn code_width(&self) -> Option<usize> {
        None
    }

    /// Moves, after a step's update, the parameters that no gradient moves, such as averages over the drawings: `statistics` are the
    /// values of [`Training::statistics`], summed over all drawings of the step. Such parameters are frozen
    /// ([`Params::freeze`]), so that they are kept with the weights and go on after an interruption.
    fn track<T: Float>(&self, _params: &mut Params<T>, _statistics: &[&[T]]) {}

    /// Remarks on its parameters after training, a line each.
    fn trained_remarks<T: Float>(&self, _params: &Params<T>) -> Vec<String> {
        Vec::new()
    }

    /// Records how it tells the classes of `batch` pictures apart; `None` if it does not.
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn classification<T: Float>(&self, _tape: &mut Tape<T>, _batch: usize) -> Result<Option<Classification>> {
        Ok(None)
    }
}
