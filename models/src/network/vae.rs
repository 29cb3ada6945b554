//! Variational autoencoders: an encoder to (μ, logσ²), and the transposed-convolution decoder that they share.

use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::{Decoding, Encoding, Training, images_input};
use crate::layers::{Conv2d, ConvTranspose2d, Linear};

/// Elements of a latent.
pub const LATENT: usize = 32;

/// An encoder, a decoder, and the weight of the divergence.
#[derive(Debug, Clone)]
pub struct Vae {
    encoder: CnnEncoder,
    decoder: Decoder,
    beta: f64,
}

impl Vae {
    /// cnn-vae: 865,345 parameters.
    pub fn cnn<T: Float>(params: &mut Params<T>, beta: f64) -> Self {
        Vae { encoder: CnnEncoder::new(params), decoder: Decoder::new(params), beta }
    }

    /// BCE + β·KL, summed over the batch, of drawings coded and decoded with `noise`, or with noise drawn each step.
    pub(super) fn training<T: Float>(
        &self,
        tape: &mut Tape<T>,
        batch: usize,
        noise: Option<Tensor>,
    ) -> Result<Training> {
        let Encoding { images, labels, mu, logvar } = self.encoding(tape, batch)?;
        let logvar = logvar.expect("a variational encoder has a variance");
        let z = match noise {
            Some(noise) => tape.reparameterize_with(mu, logvar, noise)?,
            None => tape.reparameterize(mu, logvar)?,
        };
        let logits = self.decoder.logits(tape, z)?;
        let bce = tape.bce_with_logits(logits, images)?;
        let kl = tape.gaussian_kl(mu, logvar)?;
        let weighted = if self.beta == 1.0 { kl } else { tape.scale(kl, self.beta)? };
        let loss = tape.add(bce, weighted)?;
        Ok(Training { images, labels, loss, per: batch as f64, bce: Some(bce), kl: Some(kl) })
    }

    pub(super) fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        let images = images_input(tape, batch);
        let (mu, logvar) = self.encoder.forward(tape, images)?;
        Ok(Encoding { images, labels: None, mu, logvar: Some(logvar) })
    }

    pub(super) fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Decoding> {
        let latents = tape.input("latents", [batch, LATENT]);
        let logits = self.decoder.logits(tape, latents)?;
        Ok(Decoding { latents, labels: None, images: tape.sigmoid(logits)? })
    }
}

/// Three convolutions, then μ and logσ².
#[derive(Debug, Clone)]
struct CnnEncoder {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
    fc_mu: Linear,
    fc_logvar: Linear,
}

impl CnnEncoder {
    fn new<T: Float>(params: &mut Params<T>) -> Self {
        CnnEncoder {
            conv1: Conv2d::new(params, "encoder.conv1", (1, 32), 3, 2, 1, true),
            conv2: Conv2d::new(params, "encoder.conv2", (32, 64), 3, 2, 1, true),
            conv3: Conv2d::new(params, "encoder.conv3", (64, 128), 3, 1, 1, true),
            fc_mu: Linear::new(params, "encoder.fc_mu", 128 * 7 * 7, LATENT),
            fc_logvar: Linear::new(params, "encoder.fc_logvar", 128 * 7 * 7, LATENT),
        }
    }

    /// `images: (B, 28, 28, 1)` to μ and logσ², `(B, 32)` each.
    fn forward<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.conv1.forward(tape, images)?; // (B, 14, 14, 32)
        let x = self.conv2.forward(tape, x)?; // (B, 7, 7, 64)
        let x = self.conv3.forward(tape, x)?; // (B, 7, 7, 128)
        let x = tape.channels_first(x)?;
        let x = tape.flatten(x); // (B, 6272), in PyTorch's order
        Ok((self.fc_mu.forward(tape, x)?, self.fc_logvar.forward(tape, x)?))
    }
}

/// A dense layer, then three transposed convolutions to a drawing.
#[derive(Debug, Clone)]
struct Decoder {
    fc: Linear,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
    deconv3: ConvTranspose2d,
}

impl Decoder {
    fn new<T: Float>(params: &mut Params<T>) -> Self {
        Decoder {
            fc: Linear::new(params, "decoder.fc", LATENT, 128 * 7 * 7),
            deconv1: ConvTranspose2d::new(params, "decoder.deconv1", (128, 64), 4, 2, 1, 0, true),
            deconv2: ConvTranspose2d::new(params, "decoder.deconv2", (64, 32), 4, 2, 1, 0, true),
            deconv3: ConvTranspose2d::new(params, "decoder.deconv3", (32, 1), 3, 1, 1, 0, false),
        }
    }

    /// `z: (B, 32)` to the logits of a drawing, `(B, 28, 28, 1)`.
    fn logits<T: Float>(&self, tape: &mut Tape<T>, z: Tensor) -> Result<Tensor> {
        let batch = tape.shape(z).first();
        let x = self.fc.forward_relu(tape, z)?;
        let x = tape.reshape(x, [batch, 128, 7, 7])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 128)
        let x = self.deconv1.forward(tape, x)?; // (B, 14, 14, 64)
        let x = self.deconv2.forward(tape, x)?; // (B, 28, 28, 32)
        self.deconv3.forward(tape, x)
    }
}
