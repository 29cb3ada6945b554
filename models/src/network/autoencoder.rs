//! Plain autoencoders: a drawing to a latent and back, by the mean squared error.

use inkgrad_engine::nn::{Conv2d, ConvTranspose2d, Linear, Lstm};
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::{Decoding, Encoding, Training, images_input};
use crate::data::SIDE;

/// An encoder and a decoder.
#[derive(Debug, Clone)]
pub enum Autoencoder {
    /// Over the rows of a drawing.
    Lstm(LstmAe),
    /// Over its patches.
    Cnn(CnnAe),
}

impl Autoencoder {
    /// lstm-ae: 270,208 parameters.
    pub fn lstm<T: Float>(params: &mut Params<T>) -> Self {
        Autoencoder::Lstm(LstmAe::new(params))
    }

    /// cnn-ae: 211,905 parameters.
    pub fn cnn<T: Float>(params: &mut Params<T>) -> Self {
        Autoencoder::Cnn(CnnAe::new(params))
    }

    /// Elements of a latent.
    pub(super) fn latent(&self) -> usize {
        match self {
            Autoencoder::Lstm(_) => LstmAe::LATENT,
            Autoencoder::Cnn(_) => CnnAe::LATENT,
        }
    }

    /// The mean squared error of drawings coded and decoded.
    pub(super) fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Encoding { images, mu: latent, .. } = self.encoding(tape, batch)?;
        let reconstruction = self.decode(tape, latent)?;
        let mse = tape.mse(reconstruction, images)?;
        Ok(Training { mse: Some(mse), ..Training::new(images, mse) })
    }

    pub(super) fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        let images = images_input(tape, batch);
        let latent = match self {
            Autoencoder::Lstm(lstm) => lstm.encode(tape, images)?,
            Autoencoder::Cnn(cnn) => cnn.encode(tape, images)?,
        };
        Ok(Encoding { images, labels: None, mu: latent, logvar: None })
    }

    pub(super) fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        let latents = tape.input("latents", [batch, self.latent()]);
        Ok(Decoding { latents, labels: None, images: self.decode(tape, latents)? })
    }

    /// `latent: (B, latent)` to `(B, 28, 28, 1)`.
    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        match self {
            Autoencoder::Lstm(lstm) => lstm.decode(tape, latent),
            Autoencoder::Cnn(cnn) => cnn.decode(tape, latent),
        }
    }
}

/// A drawing as a sequence of 28 rows of 28 pixels, through the last hidden state, and back.
#[derive(Debug, Clone)]
pub struct LstmAe {
    encoder: Lstm,
    latent: Linear,
    decoder_input: Linear,
    decoder: Lstm,
}

impl LstmAe {
    const LATENT: usize = 128;

    fn new<T: Float>(params: &mut Params<T>) -> Self {
        LstmAe {
            encoder: Lstm::new(params, "encoder", (SIDE, Self::LATENT), 2, false),
            latent: Linear::new(params, "latent", Self::LATENT, Self::LATENT),
            decoder_input: Linear::new(params, "decoder_input", Self::LATENT, Self::LATENT),
            decoder: Lstm::new(params, "decoder", (Self::LATENT, SIDE), 2, false),
        }
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let batch = tape.shape(images).first();
        let rows = tape.reshape(images, [batch, SIDE, SIDE])?;
        let states = self.encoder.forward(tape, rows)?; // (B, 28, 128)
        let last = tape.select(states, SIDE - 1)?;
        self.latent.forward(tape, last)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let step = self.decoder_input.forward(tape, latent)?;
        let steps = tape.repeat(step, SIDE)?; // (B, 28, 128)
        let rows = self.decoder.forward(tape, steps)?; // (B, 28, 28)
        tape.reshape(rows, [batch, SIDE, SIDE, 1])
    }
}

/// Two convolutions to a latent, and two transposed ones back.
#[derive(Debug, Clone)]
pub struct CnnAe {
    conv1: Conv2d,
    conv2: Conv2d,
    encoder_fc: Linear,
    decoder_fc: Linear,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
}

impl CnnAe {
    const LATENT: usize = 64;
    const FEATURES: usize = 32 * 7 * 7;

    fn new<T: Float>(params: &mut Params<T>) -> Self {
        CnnAe {
            conv1: Conv2d::new(params, "encoder.encoder.0", (1, 16), 3, 2, 1),
            conv2: Conv2d::new(params, "encoder.encoder.2", (16, 32), 3, 2, 1),
            encoder_fc: Linear::new(params, "encoder.fc", Self::FEATURES, Self::LATENT),
            decoder_fc: Linear::new(params, "decoder.fc", Self::LATENT, Self::FEATURES),
            deconv1: ConvTranspose2d::new(params, "decoder.decoder.0", (32, 16), 3, 2, 1, 1),
            deconv2: ConvTranspose2d::new(params, "decoder.decoder.2", (16, 1), 3, 2, 1, 1),
        }
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let x = self.conv1.forward_relu(tape, images)?; // (B, 14, 14, 16)
        let x = self.conv2.forward_relu(tape, x)?; // (B, 7, 7, 32)
        let x = tape.channels_first(x)?;
        let x = tape.flatten(x); // (B, 1568), in PyTorch's order
        self.encoder_fc.forward(tape, x)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let x = self.decoder_fc.forward(tape, latent)?;
        let x = tape.reshape(x, [batch, 32, 7, 7])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 32)
        let x = self.deconv1.forward_relu(tape, x)?; // (B, 14, 14, 16)
        let x = self.deconv2.forward(tape, x)?; // (B, 28, 28, 1)
        tape.sigmoid(x)
    }
}
