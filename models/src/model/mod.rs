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
use std::sync::Arc;

use inkgrad_engine::{Float, Param, Params, Tape};

pub(crate) use self::choice::choice;
use self::config::Config;
use self::facts::Facts;
pub use self::graph::{Classification, Decoding, Encoding, MAX_TERMS, Prior, Term, Training, argmax};
pub use self::options::{Kind, ModelOption, Value};
pub use self::ramp::{Form, Scheduled, WarmUp};
pub use self::settings::{Rule, Setting, option};
pub use self::sizes::Sizes;
pub use self::spec::{Element, Models, Spec, TermFigure};
use crate::data::Extents;
use crate::{Error, Result};

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

    /// Records how it tells the classes of `batch` pictures apart; `None` if it does not.
    ///
    /// # Errors
    /// If operations and shapes do not fit together.
    fn classification<T: Float>(&self, _tape: &mut Tape<T>, _batch: usize) -> Result<Option<Classification>> {
        Ok(None)
    }
}

/// A model's graphs, whatever the model is.
trait Graphs<T>: fmt::Debug + Send + Sync {
    fn training(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training>;
    fn step(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training>;
    fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>>;
    fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>>;
    fn prior(&self, tape: &mut Tape<T>) -> Result<Option<Prior>>;
    fn classification(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Classification>>;
    fn as_any(&self) -> &dyn std::any::Any;
}

impl<T: Float, M: Model> Graphs<T> for M {
    fn training(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        Model::training(self, tape, batch)
    }

    fn step(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        Model::step(self, tape, batch)
    }

    fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        Model::encoding(self, tape, batch)
    }

    fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        Model::decoding(self, tape, batch)
    }

    fn prior(&self, tape: &mut Tape<T>) -> Result<Option<Prior>> {
        Model::prior(self, tape)
    }

    fn classification(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Classification>> {
        Model::classification(self, tape, batch)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A model that has been built, with its parameters.
#[derive(Debug, Clone)]
pub struct Network<T> {
    /// All parameters, in the order of their declaration: that of PyTorch's `state_dict` for the models of this crate.
    pub params: Params<T>,
    spec: Spec,
    image: Extents,
    classes: usize,
    facts: Facts,
    graphs: Arc<dyn Graphs<T>>,
}

impl<T: Element> Network<T> {
    /// Builds the model `spec` as a configuration describes it, its parameters zero.
    ///
    /// # Errors
    /// The model's own, see [`Model::build`]; if a graph cannot be recorded, or is not what its type says: a loss that is no
    /// single number or depends on no parameter, a shape that does not fit, an input that nobody fills, more than
    /// [`MAX_TERMS`] terms, or a term whose name is taken.
    pub fn new(spec: Spec, config: &Config) -> Result<Self> {
        let mut params = Params::new();
        let graphs = T::build(&spec, config, &mut params)?;
        let facts = Facts::of(&*graphs, spec.name, config.image, config.classes.len())?;
        Ok(Network { params, spec, image: config.image, classes: config.classes.len(), facts, graphs })
    }
}

impl<T: Float> Network<T> {
    /// Its line in the table of models.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The model itself, where it is an `M`.
    pub fn model<M: Model>(&self) -> Option<&M> {
        self.graphs.as_any().downcast_ref()
    }

    /// The extents of the pictures that go in and come out.
    pub fn image(&self) -> Extents {
        self.image
    }

    /// How many classes the training data has; labels lie below.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Draws every parameter anew.
    pub fn initialise(&mut self, seed: u64) {
        self.params.initialise(seed);
    }

    /// The names of the terms that are reported beside the loss, in order.
    pub fn terms(&self) -> &[&'static str] {
        &self.facts.terms
    }

    /// Elements of a latent.
    ///
    /// # Errors
    /// If the model has no encoder.
    pub fn latent(&self) -> Result<usize> {
        self.facts.latent.ok_or_else(|| self.without("latents"))
    }

    /// Whether it codes pictures and decodes them.
    pub fn is_autoencoder(&self) -> bool {
        self.facts.latent.is_some()
    }

    /// Whether it tells classes apart.
    pub fn is_classifier(&self) -> bool {
        self.facts.features.is_some()
    }

    /// Whether its latents have a prior that new ones can be drawn from: N(0, I), unless it is learnt.
    pub fn has_prior(&self) -> bool {
        self.facts.prior
    }

    /// The Gaussians of a prior that is learnt; `None` where it is N(0, I), or there is none.
    pub fn components(&self) -> Option<usize> {
        self.facts.components
    }

    /// Whether classes go in beside pictures or latents: into the decoder, at least.
    pub fn sees_classes(&self) -> bool {
        self.facts.decoder_sees_classes
    }

    /// Whether classes go into the encoder too.
    pub fn encoder_sees_classes(&self) -> bool {
        self.facts.encoder_sees_classes
    }

    /// Elements of a classifier's last hidden layer.
    ///
    /// # Errors
    /// If the model is no classifier.
    pub fn features(&self) -> Result<usize> {
        self.facts.features.ok_or_else(|| self.no_classifier())
    }

    /// Records the loss of `batch` pictures, as it is in the end of training.
    ///
    /// # Errors
    /// See [`Model::training`].
    pub fn training(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        self.graphs.training(tape, batch)
    }

    /// The same with inputs for weights that change from step to step.
    ///
    /// # Errors
    /// See [`Model::step`].
    pub fn step(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        self.graphs.step(tape, batch)
    }

    /// Records the encoder for `batch` pictures.
    ///
    /// # Errors
    /// If the model has none.
    pub fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        self.graphs.encoding(tape, batch)?.ok_or_else(|| self.without("encoder"))
    }

    /// Records the decoder for `batch` latents.
    ///
    /// # Errors
    /// If the model has none.
    pub fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        self.graphs.decoding(tape, batch)?.ok_or_else(|| self.without("decoder"))
    }

    /// Records the prior of latents, where it is a mixture that is learnt; `None` for N(0, I), and for a model without a prior.
    ///
    /// # Errors
    /// See [`Model::prior`].
    pub fn prior(&self, tape: &mut Tape<T>) -> Result<Option<Prior>> {
        if self.facts.components.is_none() { Ok(None) } else { self.graphs.prior(tape) }
    }

    /// Records the features and logits of `batch` pictures.
    ///
    /// # Errors
    /// If the model is no classifier.
    pub fn classification(&self, tape: &mut Tape<T>, batch: usize) -> Result<Classification> {
        self.graphs.classification(tape, batch)?.ok_or_else(|| self.no_classifier())
    }

    fn no_classifier(&self) -> Error {
        Error::input("model", format!("{} does not tell classes apart, expected a classifier", self.spec.name))
    }

    fn without(&self, part: &str) -> Error {
        Error::input("model", format!("{} has no {part}, expected an autoencoder", self.spec.name))
    }

    /// Each parameter's name and shape, in order.
    pub fn layout(&self) -> Vec<(String, Vec<usize>)> {
        self.params.iter().map(|p| (p.name.clone(), p.shape.dims().to_vec())).collect()
    }

    /// The parameters, in order.
    pub fn list(&self) -> Vec<Param> {
        self.params.iter().cloned().collect()
    }
}
