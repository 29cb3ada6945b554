//! A model that has been built, whatever model it is.

use std::fmt;
use std::sync::Arc;

use inkgrad_engine::{Float, Param, Params, Tape};

use super::config::Config;
use super::facts::Facts;
use super::{Classification, Decoding, Element, Encoding, Model, Prior, Spec, Training};
use crate::data::Extents;
use crate::{Error, Result};

/// A model's graphs, whatever the model is.
pub(super) trait Graphs<T>: fmt::Debug + Send + Sync {
    fn training(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training>;
    fn step(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training>;
    fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>>;
    fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>>;
    fn prior(&self, tape: &mut Tape<T>) -> Result<Option<Prior>>;
    fn code_width(&self) -> Option<usize>;
    fn track(&self, params: &mut Params<T>, statistics: &[&[T]]);
    fn trained_remarks(&self, params: &Params<T>) -> Vec<String>;
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

    fn code_width(&self) -> Option<usize> {
        Model::code_width(self)
    }

    fn track(&self, params: &mut Params<T>, statistics: &[&[T]]) {
        Model::track(self, params, statistics);
    }

    fn trained_remarks(&self, params: &Params<T>) -> Vec<String> {
        Model::trained_remarks(self, params)
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
    /// [`MAX_TERMS`](super::MAX_TERMS) terms, or a term whose name is taken.
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

    /// The numbers of a code, where latents are made of codes of a codebook.
    pub fn code_width(&self) -> Option<usize> {
        self.graphs.code_width()
    }

    /// Whether there are parameters that statistics of a step move.
    pub(crate) fn tracks(&self) -> bool {
        self.facts.tracks
    }

    /// Moves the parameters that no gradient moves, by statistics of a step.
    pub(crate) fn track(&mut self, statistics: &[&[T]]) {
        self.graphs.track(&mut self.params, statistics);
    }

    /// Remarks on its parameters as they are, a line each.
    pub fn trained_remarks(&self) -> Vec<String> {
        self.graphs.trained_remarks(&self.params)
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
