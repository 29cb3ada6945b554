//! The networks: what is trained, and the graphs that each one can record.

#![expect(clippy::large_enum_variant, reason = "a network is one value, and moves once")]

pub mod autoencoder;
pub mod classifier;
mod convolutions;
#[cfg(test)]
mod tests;
pub mod vae;

use inkgrad_engine::{Float, Param, Params, Tape, Tensor};

use self::autoencoder::Autoencoder;
use self::classifier::Classifier;
use self::vae::Vae;
use crate::data::SIDE;
use crate::run::config::{Arch, Condition, Config, Model};
use crate::{Error, Result};

/// A network with its parameters.
#[derive(Debug, Clone)]
pub struct Network<T> {
    /// All parameters, in PyTorch's `state_dict` order.
    pub params: Params<T>,
    model: Model,
    classes: usize,
    kind: Kind,
}

/// What the parameters belong to.
#[derive(Debug, Clone)]
enum Kind {
    Autoencoder(Autoencoder),
    Vae(Vae),
    Classifier(Classifier),
}

/// The recorded graph of a training step.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    /// Drawings in [0, 1], `(B, 28, 28, 1)`.
    pub images: Tensor,
    /// Classes as whole numbers, `(B)`, for networks that see them.
    pub labels: Option<Tensor>,
    /// The scalar that is differentiated.
    pub loss: Tensor,
    /// What the loss has to be divided by to be the reported one: the batch size where it is a sum, else 1.
    pub per: f64,
    /// Summed binary cross-entropy of the reconstruction.
    pub bce: Option<Tensor>,
    /// Summed divergence from the prior.
    pub kl: Option<Tensor>,
    /// Mean squared error of the reconstruction.
    pub mse: Option<Tensor>,
    /// A classifier's logits, `(B, classes)`.
    pub logits: Option<Tensor>,
}

impl Training {
    /// The graph of a loss that is a mean over `images`; the rest is filled in by struct update.
    fn new(images: Tensor, loss: Tensor) -> Self {
        Training { images, labels: None, loss, per: 1.0, bce: None, kl: None, mse: None, logits: None }
    }

    /// What is read beside the loss after a step.
    pub(crate) fn reported(&self) -> Vec<Tensor> {
        [self.labels, self.bce, self.kl, self.mse, self.logits].into_iter().flatten().collect()
    }
}

/// The class that a row of logits or probabilities is largest for, the first of equal ones.
pub fn argmax<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// The recorded graph of an encoder.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    /// Drawings in [0, 1], `(B, 28, 28, 1)`.
    pub images: Tensor,
    /// Classes, for encoders that see them.
    pub labels: Option<Tensor>,
    /// The latent, or its mean: `(B, latent)`.
    pub mu: Tensor,
    /// Its log-variance.
    pub logvar: Option<Tensor>,
}

/// The recorded graph of a decoder.
#[derive(Debug, Clone, Copy)]
pub struct Decoding {
    /// `(B, latent)`.
    pub latents: Tensor,
    /// Classes, for decoders that see them.
    pub labels: Option<Tensor>,
    /// Drawings, `(B, 28, 28, 1)`; in [0, 1] but for lstm-ae, whose decoder has no last activation.
    pub images: Tensor,
}

/// The recorded graph of a classifier.
#[derive(Debug, Clone, Copy)]
pub struct Classification {
    /// Drawings in [0, 1], `(B, 28, 28, 1)`.
    pub images: Tensor,
    /// The last hidden layer: `(B, 256)` of the `mlp`, `(B, 128)` of the `cnn`.
    pub features: Tensor,
    /// `(B, classes)`.
    pub logits: Tensor,
}

/// Every model that can be built.
pub const MODELS: &[Model] = Model::ALL;

impl<T: Float> Network<T> {
    /// The network that a configuration describes, its parameters zero.
    ///
    /// # Errors
    /// If the model tells classes apart and the configuration has fewer than two.
    pub fn new(config: &Config) -> Result<Self> {
        let &Config { model, beta, .. } = config;
        let classes = config.classes.len();
        if matches!(model, Model::Cvae | Model::Classifier) && classes < 2 {
            let found = if classes == 1 { "1 class" } else { "no classes" };
            return Err(Error::input(&config.data, format!("{found}, expected at least 2 for {model}")));
        }
        let mut params = Params::new();
        let kind = match model {
            Model::LstmAe => Kind::Autoencoder(Autoencoder::lstm(&mut params)),
            Model::CnnAe => Kind::Autoencoder(Autoencoder::cnn(&mut params)),
            Model::RnnVae => Kind::Vae(Vae::rnn(&mut params, beta)),
            Model::CnnVae => Kind::Vae(Vae::cnn(&mut params, beta)),
            Model::Cvae => {
                let condition = config.condition.unwrap_or(Condition::Latent);
                Kind::Vae(Vae::conditional(&mut params, beta, condition, classes))
            }
            Model::Classifier => Kind::Classifier(match config.arch.unwrap_or(Arch::Mlp) {
                Arch::Mlp => Classifier::mlp(&mut params, classes),
                Arch::Cnn => Classifier::cnn(&mut params, classes),
            }),
        };
        Ok(Network { params, model, classes, kind })
    }

    /// What was built.
    pub fn model(&self) -> Model {
        self.model
    }

    /// How many classes the training data has; labels lie below.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Draws every parameter anew.
    pub fn initialise(&mut self, seed: u64) {
        self.params.initialise(seed);
    }

    /// Elements of a latent.
    ///
    /// # Errors
    /// If the network is a classifier.
    pub fn latent(&self) -> Result<usize> {
        match &self.kind {
            Kind::Autoencoder(autoencoder) => Ok(autoencoder.latent()),
            Kind::Vae(_) => Ok(vae::LATENT),
            Kind::Classifier(_) => Err(self.without("latents")),
        }
    }

    /// Whether classes go in beside drawings or latents: into the decoder, at least.
    pub fn sees_classes(&self) -> bool {
        matches!(&self.kind, Kind::Vae(vae) if vae.decoder_sees_classes())
    }

    /// Whether classes go into the encoder too.
    pub fn encoder_sees_classes(&self) -> bool {
        matches!(&self.kind, Kind::Vae(vae) if vae.encoder_sees_classes())
    }

    /// Elements of a classifier's last hidden layer.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn features(&self) -> Result<usize> {
        match &self.kind {
            Kind::Classifier(classifier) => Ok(classifier.features()),
            _ => Err(self.no_classifier()),
        }
    }

    /// Records a training step for `batch` drawings.
    ///
    /// # Errors
    /// None for the shapes that the networks are built with.
    pub fn training(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        self.training_with(tape, batch, None)
    }

    /// Records a training step with `noise: (B, latent)` in place of the noise that a variational network draws; other
    /// networks have no use for it.
    ///
    /// # Errors
    /// If the noise is not of that shape.
    pub fn training_with(&self, tape: &mut Tape<T>, batch: usize, noise: Option<Tensor>) -> Result<Training> {
        Ok(match &self.kind {
            Kind::Autoencoder(autoencoder) => autoencoder.training(tape, batch)?,
            Kind::Vae(vae) => vae.training(tape, batch, noise)?,
            Kind::Classifier(classifier) => classifier.training(tape, batch)?,
        })
    }

    /// Records the encoder for `batch` drawings.
    ///
    /// # Errors
    /// If the network is a classifier.
    pub fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        match &self.kind {
            Kind::Autoencoder(autoencoder) => Ok(autoencoder.encoding(tape, batch)?),
            Kind::Vae(vae) => Ok(vae.encoding(tape, batch)?),
            Kind::Classifier(_) => Err(self.without("encoder")),
        }
    }

    /// Records the decoder for `batch` latents.
    ///
    /// # Errors
    /// If the network is a classifier.
    pub fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        match &self.kind {
            Kind::Autoencoder(autoencoder) => Ok(autoencoder.decoding(tape, batch)?),
            Kind::Vae(vae) => Ok(vae.decoding(tape, batch)?),
            Kind::Classifier(_) => Err(self.without("decoder")),
        }
    }

    /// Records the features and logits of `batch` drawings.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn classification(&self, tape: &mut Tape<T>, batch: usize) -> Result<Classification> {
        match &self.kind {
            Kind::Classifier(classifier) => Ok(classifier.classification(tape, batch)?),
            _ => Err(self.no_classifier()),
        }
    }

    fn no_classifier(&self) -> Error {
        Error::input("model", format!("{} does not tell classes apart, expected a classifier", self.model))
    }

    fn without(&self, part: &str) -> Error {
        Error::input("model", format!("{} has no {part}, expected an autoencoder", self.model))
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

/// An input of drawings.
fn images_input<T: Float>(tape: &mut Tape<T>, batch: usize) -> Tensor {
    tape.input("images", [batch, SIDE, SIDE, 1])
}
