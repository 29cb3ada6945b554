//! Plain autoencoders: a drawing to a latent and back, by the mean squared error.

use std::fmt;

use inkgrad_engine::nn::{Conv2d, ConvTranspose2d, Linear, Lstm};
use inkgrad_engine::{Float, Params, Tape, Tensor};

use super::{images_input, quarter};
use crate::Result;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Decoding, Encoding, Model, Training};

/// `lstm-ae`: 270,208 parameters.
pub type LstmAe = Autoencoder<Rows>;
/// `cnn-ae`: 211,905 parameters.
pub type CnnAe = Autoencoder<Patches>;

/// An encoder and a decoder of one structure, trained alike.
#[derive(Debug, Clone)]
pub struct Autoencoder<S> {
    image: Extents,
    structure: S,
}

/// The differences between autoencoders.
pub trait Structure: fmt::Debug + Send + Sync + Sized + 'static {
    /// The model's name.
    const NAME: &'static str;
    /// The model in one line.
    const SUMMARY: &'static str;
    /// Elements of a latent.
    const LATENT: usize;
    /// Steps that it is trained for by default.
    const STEPS: u64;

    /// Declares the parameters.
    ///
    /// # Errors
    /// If pictures of these extents will not do.
    fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self>;

    /// `images: (B, 28, 28, 1)` to `(B, latent)`.
    ///
    /// # Errors
    /// None for these shapes.
    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor>;

    /// `latent: (B, latent)` to `(B, 28, 28, 1)`.
    ///
    /// # Errors
    /// None for these shapes.
    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor>;
}

impl<S: Structure> Model for Autoencoder<S> {
    const NAME: &'static str = S::NAME;
    const SUMMARY: &'static str = S::SUMMARY;
    const LOSS: &'static str = "mean squared error";

    fn defaults(config: &mut Config) {
        (config.epochs, config.steps) = (None, Some(S::STEPS));
        config.batch_size = 256;
        config.val_fraction = 0.1;
    }

    fn describe(_: &Config) -> String {
        format!("{}, mean squared error", S::SUMMARY)
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        Ok(Autoencoder { image: config.image, structure: S::new(config, params)? })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let images = images_input(tape, self.image, batch);
        let latent = self.structure.encode(tape, images)?;
        let reconstruction = self.structure.decode(tape, latent)?;
        let mse = tape.mse(reconstruction, images)?;
        Ok(Training::mean(images, mse).term("mse", mse))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = images_input(tape, self.image, batch);
        let latent = self.structure.encode(tape, images)?;
        Ok(Some(Encoding { images, labels: None, mu: latent, logvar: None }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, S::LATENT]);
        Ok(Some(Decoding { latents, labels: None, images: self.structure.decode(tape, latents)? }))
    }
}

/// A drawing as a sequence of 28 rows of 28 pixels, through the last hidden state, and back.
#[derive(Debug, Clone)]
pub struct Rows {
    image: Extents,
    encoder: Lstm,
    latent: Linear,
    decoder_input: Linear,
    decoder: Lstm,
}

impl Structure for Rows {
    const NAME: &'static str = "lstm-ae";
    const SUMMARY: &'static str = "autoencoder of two LSTMs over the rows of a drawing";
    const LATENT: usize = 128;
    const STEPS: u64 = 10_000;

    fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let image = config.image;
        Ok(Rows {
            image,
            encoder: Lstm::new(params, "encoder", (image.row(), Self::LATENT), 2, false),
            latent: Linear::new(params, "latent", Self::LATENT, Self::LATENT),
            decoder_input: Linear::new(params, "decoder_input", Self::LATENT, Self::LATENT),
            decoder: Lstm::new(params, "decoder", (Self::LATENT, image.row()), 2, false),
        })
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let batch = tape.shape(images).first();
        let rows = tape.reshape(images, [batch, self.image.height, self.image.row()])?;
        let states = self.encoder.forward(tape, rows)?; // (B, 28, 128)
        let last = tape.select(states, self.image.height - 1)?;
        Ok(self.latent.forward(tape, last)?)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let step = self.decoder_input.forward(tape, latent)?;
        let steps = tape.repeat(step, self.image.height)?; // (B, 28, 128)
        let rows = self.decoder.forward(tape, steps)?; // (B, 28, 28)
        Ok(tape.reshape(rows, self.image.batch(batch))?)
    }
}

/// Two convolutions to a latent, and two transposed ones back.
#[derive(Debug, Clone)]
pub struct Patches {
    /// The extents of the features that convolutions leave: (height, width).
    grid: (usize, usize),
    conv1: Conv2d,
    conv2: Conv2d,
    encoder_fc: Linear,
    decoder_fc: Linear,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
}

impl Structure for Patches {
    const NAME: &'static str = "cnn-ae";
    const SUMMARY: &'static str = "convolutional autoencoder";
    const LATENT: usize = 64;
    const STEPS: u64 = 1_000;

    fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (channels, grid) = (config.image.channels, quarter(config)?);
        let features = 32 * grid.0 * grid.1;
        Ok(Patches {
            grid,
            conv1: Conv2d::new(params, "encoder.encoder.0", (channels, 16), 3, 2, 1),
            conv2: Conv2d::new(params, "encoder.encoder.2", (16, 32), 3, 2, 1),
            encoder_fc: Linear::new(params, "encoder.fc", features, Self::LATENT),
            decoder_fc: Linear::new(params, "decoder.fc", Self::LATENT, features),
            deconv1: ConvTranspose2d::new(params, "decoder.decoder.0", (32, 16), 3, 2, 1, 1),
            deconv2: ConvTranspose2d::new(params, "decoder.decoder.2", (16, channels), 3, 2, 1, 1),
        })
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let x = self.conv1.forward_relu(tape, images)?; // (B, 14, 14, 16)
        let x = self.conv2.forward_relu(tape, x)?; // (B, 7, 7, 32)
        let x = tape.channels_first(x)?;
        let x = tape.flatten(x); // (B, 1568), in PyTorch's order
        Ok(self.encoder_fc.forward(tape, x)?)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let x = self.decoder_fc.forward(tape, latent)?;
        let x = tape.reshape(x, [batch, 32, self.grid.0, self.grid.1])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 32)
        let x = self.deconv1.forward_relu(tape, x)?; // (B, 14, 14, 16)
        let x = self.deconv2.forward(tape, x)?; // (B, 28, 28, 1)
        Ok(tape.sigmoid(x)?)
    }
}
