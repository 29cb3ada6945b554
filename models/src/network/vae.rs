//! Variational autoencoders: an encoder to (μ, logσ²), and the transposed-convolution decoder that they share.

use inkgrad_engine::nn::{ConvTranspose2d, Embedding, Gru, Linear};
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::convolutions::Convolutions;
use super::{Decoding, Encoding, Training, images_input};
use crate::data::SIDE;
use crate::run::config::Condition;

/// Elements of a latent.
pub const LATENT: usize = 32;

/// An encoder, a decoder, and the weight of the divergence.
#[derive(Debug, Clone)]
pub struct Vae {
    encoder: Encoder,
    decoder: Decoder,
    /// What a class adds to a latent before it is decoded.
    class_embedding: Option<Embedding>,
    beta: f64,
}

impl Vae {
    /// cnn-vae: 865,345 parameters.
    pub fn cnn<T: Float>(params: &mut Params<T>, beta: f64) -> Self {
        Vae { encoder: Encoder::cnn(params, None), decoder: Decoder::new(params, None), class_embedding: None, beta }
    }

    /// rnn-vae: 1,728,065 parameters.
    pub fn rnn<T: Float>(params: &mut Params<T>, beta: f64) -> Self {
        Vae { encoder: Encoder::rnn(params), decoder: Decoder::new(params, None), class_embedding: None, beta }
    }

    /// cvae: 865,505 parameters for five classes, 928,225 where the encoder sees them too.
    pub fn conditional<T: Float>(params: &mut Params<T>, beta: f64, condition: Condition, classes: usize) -> Self {
        let seen = (condition == Condition::Both).then_some(classes);
        let (encoder, decoder) = (Encoder::cnn(params, seen), Decoder::new(params, seen));
        let class_embedding = Some(Embedding::new(params, "class_embedding", classes, LATENT));
        Vae { encoder, decoder, class_embedding, beta }
    }

    /// Whether the decoder is given classes.
    pub(super) fn decoder_sees_classes(&self) -> bool {
        self.class_embedding.is_some()
    }

    /// Whether the encoder is given classes.
    pub(super) fn encoder_sees_classes(&self) -> bool {
        self.encoder.gain.is_some()
    }

    /// BCE + β·KL, summed over the batch, of drawings coded and decoded with `noise`, or with noise drawn each step.
    pub(super) fn training<T: Float>(
        &self,
        tape: &mut Tape<T>,
        batch: usize,
        noise: Option<Tensor>,
    ) -> Result<Training> {
        let images = images_input(tape, batch);
        let labels = self.decoder_sees_classes().then(|| tape.input("labels", [batch]));
        let (mu, logvar) = self.encoder.forward(tape, images, labels)?;
        let z = match noise {
            Some(noise) => tape.reparameterize_with(mu, logvar, noise)?,
            None => tape.reparameterize(mu, logvar)?,
        };
        let logits = self.decode(tape, z, labels)?;
        let bce = tape.bce_with_logits(logits, images)?;
        let kl = tape.gaussian_kl(mu, logvar)?;
        let weighted = if self.beta == 1.0 { kl } else { tape.scale(kl, self.beta)? };
        let loss = tape.add(bce, weighted)?;
        Ok(Training { labels, per: batch as f64, bce: Some(bce), kl: Some(kl), ..Training::new(images, loss) })
    }

    pub(super) fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        let images = images_input(tape, batch);
        let labels = self.encoder_sees_classes().then(|| tape.input("labels", [batch]));
        let (mu, logvar) = self.encoder.forward(tape, images, labels)?;
        Ok(Encoding { images, labels, mu, logvar: Some(logvar) })
    }

    pub(super) fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        let latents = tape.input("latents", [batch, LATENT]);
        let labels = self.decoder_sees_classes().then(|| tape.input("labels", [batch]));
        let logits = self.decode(tape, latents, labels)?;
        Ok(Decoding { latents, labels, images: tape.sigmoid(logits)? })
    }

    /// `z: (B, 32)` and classes to the logits of a drawing, `(B, 28, 28, 1)`.
    fn decode<T: Float>(&self, tape: &mut Tape<T>, z: Tensor, labels: Option<Tensor>) -> Result<Tensor> {
        let z = match (&self.class_embedding, labels) {
            (Some(embedding), Some(labels)) => {
                let class = embedding.forward(tape, labels)?;
                tape.add(z, class)?
            }
            _ => z,
        };
        self.decoder.logits(tape, z, labels)
    }
}

/// Features of a drawing, then μ and logσ².
#[derive(Debug, Clone)]
struct Encoder {
    body: Body,
    /// Where the encoder sees classes: so that what features say of μ and σ can depend on the class, and z need not carry
    /// it.
    gain: Option<ClassGain>,
    fc_mu: Linear,
    fc_logvar: Linear,
}

#[derive(Debug, Clone)]
enum Body {
    Cnn(Convolutions),
    /// Both ways over the rows of a drawing.
    Rnn(Gru),
}

impl Encoder {
    /// Three convolutions; with `classes`, their features are weighed by class.
    fn cnn<T: Float>(params: &mut Params<T>, classes: Option<usize>) -> Self {
        let body = Body::Cnn(Convolutions::new(params, "encoder."));
        Self::with_heads(params, body, classes, Convolutions::FEATURES)
    }

    /// A GRU of 256 units in each direction, all of its outputs as features.
    fn rnn<T: Float>(params: &mut Params<T>) -> Self {
        const UNITS: usize = 256;
        let body = Body::Rnn(Gru::new(params, "encoder.gru", (SIDE, UNITS), 1, true));
        Self::with_heads(params, body, None, SIDE * 2 * UNITS)
    }

    fn with_heads<T: Float>(params: &mut Params<T>, body: Body, classes: Option<usize>, width: usize) -> Self {
        let gain = classes.map(|classes| ClassGain::new(params, "encoder.class_gain", classes, width));
        Encoder {
            body,
            gain,
            fc_mu: Linear::new(params, "encoder.fc_mu", width, LATENT),
            fc_logvar: Linear::new(params, "encoder.fc_logvar", width, LATENT),
        }
    }

    /// `images: (B, 28, 28, 1)` and classes to μ and logσ², `(B, 32)` each.
    fn forward<T: Float>(
        &self,
        tape: &mut Tape<T>,
        images: Tensor,
        labels: Option<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let features = match &self.body {
            Body::Cnn(convolutions) => convolutions.forward(tape, images)?, // (B, 6272)
            Body::Rnn(gru) => {
                let batch = tape.shape(images).first();
                let rows = tape.reshape(images, [batch, SIDE, SIDE])?;
                let states = gru.forward(tape, rows)?; // (B, 28, 512)
                tape.flatten(states) // (B, 14336)
            }
        };
        let features = match (&self.gain, labels) {
            (Some(gain), Some(labels)) => gain.forward(tape, features, labels)?,
            _ => features,
        };
        Ok((self.fc_mu.forward(tape, features)?, self.fc_logvar.forward(tape, features)?))
    }
}

/// x·g of the class, feature by feature: modulation as in FiLM (Perez et al. 2018), without its shift. Gains start from
/// N(0, 1), so that each class begins with features of its own.
#[derive(Debug, Clone)]
struct ClassGain(Embedding);

impl ClassGain {
    fn new<T: Float>(params: &mut Params<T>, name: &str, classes: usize, width: usize) -> Self {
        ClassGain(Embedding::new(params, name, classes, width))
    }

    /// `x: (B, width)` and `labels: (B)` to `(B, width)`.
    fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, labels: Tensor) -> Result<Tensor> {
        let gain = self.0.forward(tape, labels)?;
        tape.mul(x, gain)
    }
}

/// A dense layer, then three transposed convolutions to a drawing; with classes, the dense layer's features are weighed by
/// class.
#[derive(Debug, Clone)]
struct Decoder {
    fc: Linear,
    gain: Option<ClassGain>,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
    deconv3: ConvTranspose2d,
}

impl Decoder {
    const HIDDEN: usize = 128 * 7 * 7;

    fn new<T: Float>(params: &mut Params<T>, classes: Option<usize>) -> Self {
        Decoder {
            fc: Linear::new(params, "decoder.fc", LATENT, Self::HIDDEN),
            gain: classes.map(|classes| ClassGain::new(params, "decoder.class_gain", classes, Self::HIDDEN)),
            deconv1: ConvTranspose2d::new(params, "decoder.deconv1", (128, 64), 4, 2, 1, 0),
            deconv2: ConvTranspose2d::new(params, "decoder.deconv2", (64, 32), 4, 2, 1, 0),
            deconv3: ConvTranspose2d::new(params, "decoder.deconv3", (32, 1), 3, 1, 1, 0),
        }
    }

    /// `z: (B, 32)` and classes to the logits of a drawing, `(B, 28, 28, 1)`.
    fn logits<T: Float>(&self, tape: &mut Tape<T>, z: Tensor, labels: Option<Tensor>) -> Result<Tensor> {
        let batch = tape.shape(z).first();
        let x = match (&self.gain, labels) {
            (Some(gain), Some(labels)) => {
                let x = self.fc.forward(tape, z)?;
                let x = gain.forward(tape, x, labels)?;
                tape.relu(x)?
            }
            _ => self.fc.forward_relu(tape, z)?,
        };
        let x = tape.reshape(x, [batch, 128, 7, 7])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 128)
        let x = self.deconv1.forward_relu(tape, x)?; // (B, 14, 14, 64)
        let x = self.deconv2.forward_relu(tape, x)?; // (B, 28, 28, 32)
        self.deconv3.forward(tape, x)
    }
}
