//! A model's graphs recorded once, when it is built: what they tell, and whether they keep the promises that trainer, samples and
//! scores rest on.

use inkgrad_engine::{Float, Shape, Tape, Tensor};

use super::graph::RECORD_KEYS;
use super::{Classification, Decoding, Encoding, Graphs, MAX_TERMS, Prior, Training};
use crate::data::Extents;
use crate::{Error, Result};

/// Pictures of the recorded graphs: more than one, so that an axis that is not the batch's shows, and two numbers of them, so that a
/// graph shows that is made for one alone.
const BATCHES: [usize; 2] = [2, 3];

/// Facts about a model that its graphs tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) terms: Vec<&'static str>,
    /// Whether parameters are moved by statistics of a step.
    pub(super) tracks: bool,
    pub(super) latent: Option<usize>,
    /// Whether latents have a prior that new ones can be drawn from.
    pub(super) prior: bool,
    /// The Gaussians of a prior that is learnt; none of N(0, I).
    pub(super) components: Option<usize>,
    pub(super) encoder_sees_classes: bool,
    pub(super) decoder_sees_classes: bool,
    pub(super) features: Option<usize>,
}

impl Facts {
    /// Records every graph of the model `name` for pictures of `image` in `classes` classes.
    ///
    /// # Errors
    /// Where a graph cannot be recorded, or is not what its type promises: a line that names model, graph, found and expected.
    pub(super) fn of<T: Float>(graphs: &dyn Graphs<T>, name: &str, image: Extents, classes: usize) -> Result<Facts> {
        let of = |batch| Self::of_batch(graphs, name, (batch, image), classes);
        let facts = of(BATCHES[0])?;
        of(BATCHES[1]).map(|_| facts)
    }

    fn of_batch<T: Float>(
        graphs: &dyn Graphs<T>,
        name: &str,
        (batch, image): (usize, Extents),
        classes: usize,
    ) -> Result<Facts> {
        let new = |graph| Recorded { model: name, graph, batch, image, tape: Tape::new() };
        let mut facts = Facts::default();
        let mut graph = new("training");
        let training = graph.record(|tape| graphs.training(tape, batch))?;
        graph.check_training(&training)?;
        facts.tracks = !training.statistics.is_empty();
        facts.terms = training.terms.iter().map(|term| term.name).collect();
        let mut graph = new("step");
        let step = graph.record(|tape| graphs.step(tape, batch))?;
        graph.check_training(&step)?;
        let named: Vec<&str> = step.terms.iter().map(|term| term.name).collect();
        if named != facts.terms {
            let (found, expected) = (named.join(", "), facts.terms.join(", "));
            return graph.problem(format_args!("the terms {found}, expected those of training: {expected}"));
        }

        let mut graph = new("encoding");
        if let Some(encoding) = graph.record(|tape| graphs.encoding(tape, batch))? {
            facts.latent = Some(graph.check_encoding(&encoding)?);
            facts.prior = encoding.logvar.is_some();
            facts.encoder_sees_classes = encoding.labels.is_some();
        }
        let mut graph = new("decoding");
        match graph.record(|tape| graphs.decoding(tape, batch))? {
            Some(decoding) => {
                graph.check_decoding(&decoding, facts.latent)?;
                facts.decoder_sees_classes = decoding.labels.is_some();
            }
            None => facts.prior = false,
        }
        let mut graph = new("prior");
        if let Some(prior) = graph.record(|tape| graphs.prior(tape))? {
            facts.components = Some(graph.check_prior(prior, &facts)?);
        }
        let mut graph = new("classification");
        if let Some(classification) = graph.record(|tape| graphs.classification(tape, batch))? {
            facts.features = Some(graph.check_classification(&classification, classes)?);
        }
        Ok(facts)
    }
}

/// One graph of a model under examination.
struct Recorded<'a, T> {
    model: &'a str,
    graph: &'static str,
    batch: usize,
    image: Extents,
    tape: Tape<T>,
}

impl<'a, T: Float> Recorded<'a, T> {
    fn record<G>(&mut self, record: impl FnOnce(&mut Tape<T>) -> Result<G>) -> Result<G> {
        record(&mut self.tape).map_err(|error| Error::input(self.model, format_args!("{}: {error}", self.graph)))
    }

    fn problem<O>(&self, problem: impl std::fmt::Display) -> Result<O> {
        Err(Error::input(self.model, format_args!("{}: {problem}", self.graph)))
    }

    /// The shape of a tensor of the graph.
    fn shape(&self, what: &str, x: Tensor) -> Result<Shape> {
        match self.tape.owns(x) {
            true => Ok(self.tape.shape(x)),
            false => self.problem(format_args!("{what} is of another tape, expected one of the tape that was given")),
        }
    }

    fn expect_shape(&self, what: &str, x: Tensor, expected: impl Into<Shape>) -> Result<()> {
        match (self.shape(what, x)?, expected.into()) {
            (found, expected) if found == expected => Ok(()),
            (found, expected) => self.problem(format_args!("{what} is {found}, expected {expected}")),
        }
    }

    /// The width of `x: (B, width)`.
    fn width(&self, what: &str, x: Tensor) -> Result<usize> {
        let found = self.shape(what, x)?;
        match *found.dims() {
            [batch, width] if batch == self.batch => Ok(width),
            _ => self.problem(format_args!("{what} is {found}, expected ({}, width)", self.batch)),
        }
    }

    /// Checks that nothing but `filled` has to be filled before a run.
    fn check_inputs(&self, filled: &[Option<Tensor>]) -> Result<()> {
        let filled: Vec<Tensor> = filled.iter().copied().flatten().collect();
        match self.tape.inputs().find(|(x, _)| !filled.contains(x)) {
            None => Ok(()),
            Some((_, name)) => self.problem(format_args!(
                "nobody fills the input `{name}`, expected those of the graph's type alone; noise and constants come from an \
                 operation"
            )),
        }
    }

    fn check_images(&self, images: Tensor, labels: Option<Tensor>) -> Result<()> {
        self.expect_shape("images", images, self.image.batch(self.batch))?;
        labels.map_or(Ok(()), |labels| self.expect_shape("labels", labels, [self.batch]))
    }

    fn check_training(&self, training: &Training) -> Result<()> {
        for term in training.reported() {
            let shape = self.shape(term.name, term.tensor)?;
            if shape.len() != 1 {
                let name = term.name;
                return self.problem(format_args!("`{name}` is {shape}, expected a single number: `Tape::sum` it"));
            }
            if !(term.per > 0.0 && term.per.is_finite()) {
                let (name, per) = (term.name, term.per);
                return self.problem(format_args!("`{name}` is reported per {per}, expected a finite number above 0"));
            }
        }
        for &statistic in &training.statistics {
            self.shape("a statistic", statistic)?;
        }
        self.check_images(training.images, training.labels)?;
        let mut filled = vec![Some(training.images), training.labels];
        for scheduled in &training.scheduled {
            self.expect_shape("a scheduled input", scheduled.tensor, Shape::SCALAR)?;
            filled.push(Some(scheduled.tensor));
        }
        self.check_inputs(&filled)?;
        if !self.tape.has_parameters(training.loss.tensor) {
            return self.problem("the loss depends on no parameter, so that there is nothing to train");
        }
        if training.terms.len() > MAX_TERMS {
            let found = training.terms.len();
            return self.problem(format_args!("{found} terms beside the loss, expected at most {MAX_TERMS}"));
        }
        let names: Vec<&str> = training.terms.iter().map(|term| term.name).collect();
        for (i, name) in names.iter().enumerate() {
            if !is_key(name) {
                return self
                    .problem(format_args!("a term `{name}`, expected lower-case letters, digits and underscores"));
            }
            if RECORD_KEYS.contains(name) {
                return self
                    .problem(format_args!("a term `{name}`, which every record has already, expected another name"));
            }
            if names[..i].contains(name) {
                return self.problem(format_args!("two terms `{name}`, expected a name of its own for each"));
            }
        }
        Ok(())
    }

    /// Gives the elements of a latent.
    fn check_encoding(&self, encoding: &Encoding) -> Result<usize> {
        let latent = self.width("mu", encoding.mu)?;
        if let Some(logvar) = encoding.logvar {
            self.expect_shape("logvar", logvar, [self.batch, latent])?;
        }
        self.check_images(encoding.images, encoding.labels)?;
        self.check_inputs(&[Some(encoding.images), encoding.labels])?;
        Ok(latent)
    }

    fn check_decoding(&self, decoding: &Decoding, latent: Option<usize>) -> Result<()> {
        let width = self.width("latents", decoding.latents)?;
        if let Some(latent) = latent.filter(|&latent| latent != width) {
            return self.problem(format_args!("latents of {width} numbers, expected {latent} as the encoder makes"));
        }
        if let Some(labels) = decoding.labels {
            self.expect_shape("labels", labels, [self.batch])?;
        }
        self.expect_shape("images", decoding.images, self.image.batch(self.batch))?;
        self.check_inputs(&[Some(decoding.latents), decoding.labels])
    }

    /// Gives the Gaussians of a mixture.
    fn check_prior(&self, prior: Prior, facts: &Facts) -> Result<usize> {
        let Some(latent) = facts.latent.filter(|_| facts.prior) else {
            return self
                .problem("a prior of latents that have no distribution, expected an encoder with log-variances");
        };
        let components = self.shape("mu", prior.mu)?.first();
        self.expect_shape("mu", prior.mu, [components, latent])?;
        self.expect_shape("logvar", prior.logvar, [components, latent])?;
        self.check_inputs(&[])?;
        Ok(components)
    }

    /// Gives the elements of the last hidden layer.
    fn check_classification(&self, graph: &Classification, classes: usize) -> Result<usize> {
        self.expect_shape("logits", graph.logits, [self.batch, classes])?;
        self.check_images(graph.images, None)?;
        self.check_inputs(&[Some(graph.images)])?;
        self.width("features", graph.features)
    }
}

/// Whether a name can be a key of records and configurations: lower-case letters, digits and underscores, a letter first.
pub(super) fn is_key(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
