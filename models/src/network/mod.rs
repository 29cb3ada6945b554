//! The networks: what is trained, and the graphs that each one can record.

pub mod vae;

use inkgrad_engine::{Float, Param, Params, Tape, Tensor};

use crate::data::PIXELS;
use crate::run::config::{Config, Model};
use crate::{Error, Result};
use vae::Vae;

/// A network with its parameters.
#[derive(Debug, Clone)]
pub struct Network<T> {
    /// All parameters, in PyTorch's `state_dict` order.
    pub params: Params<T>,
    kind: Kind,
}

/// What the parameters belong to.
#[derive(Debug, Clone)]
enum Kind {
    Vae(Vae),
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
    /// Drawings in [0, 1], `(B, 28, 28, 1)`.
    pub images: Tensor,
}

/// Every model that this version can build.
pub const MODELS: &[Model] = &[Model::CnnVae];

impl<T: Float> Network<T> {
    /// The network that a configuration describes, its parameters zero.
    ///
    /// # Errors
    /// If this version cannot build the model.
    pub fn new(config: &Config) -> Result<Self> {
        let mut params = Params::new();
        let kind = match config.model {
            Model::CnnVae => Kind::Vae(Vae::cnn(&mut params, config.beta)),
            other => {
                let known: Vec<&str> = MODELS.iter().map(|model| model.name()).collect();
                return Err(Error::input(
                    "model",
                    format!("{other} is not in this version, expected one of {}", known.join(", ")),
                ));
            }
        };
        Ok(Network { params, kind })
    }

    /// Draws every parameter anew.
    pub fn initialise(&mut self, seed: u64) {
        self.params.initialise(seed);
    }

    /// Elements of a latent.
    pub fn latent(&self) -> usize {
        match &self.kind {
            Kind::Vae(_) => vae::LATENT,
        }
    }

    /// Whether classes go in.
    pub fn sees_classes(&self) -> bool {
        match &self.kind {
            Kind::Vae(_) => false,
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
        match &self.kind {
            Kind::Vae(vae) => Ok(vae.training(tape, batch, noise)?),
        }
    }

    /// Records the encoder for `batch` drawings.
    ///
    /// # Errors
    /// None for the shapes that the networks are built with.
    pub fn encoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        match &self.kind {
            Kind::Vae(vae) => Ok(vae.encoding(tape, batch)?),
        }
    }

    /// Records the decoder for `batch` latents.
    ///
    /// # Errors
    /// None for the shapes that the networks are built with.
    pub fn decoding(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        match &self.kind {
            Kind::Vae(vae) => Ok(vae.decoding(tape, batch)?),
        }
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
    const { assert!(PIXELS == 28 * 28) };
    tape.input("images", [batch, 28, 28, 1])
}
