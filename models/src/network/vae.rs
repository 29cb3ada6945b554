//! Variational autoencoders: an encoder to (μ, logσ²), and the transposed-convolution decoder that they share.

use std::fmt;
use std::marker::PhantomData;

use inkgrad_engine::nn::{ConvTranspose2d, Embedding, Gru, Linear};
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::convolutions::Convolutions;
use super::{images_input, quarter, require_classes};
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Decoding, Encoding, Kind, Model, ModelOption, TermFigure, Training};

/// Elements of a latent.
pub const LATENT: usize = 32;

/// `rnn-vae`: 1,728,065 parameters.
pub type RnnVae = Vae<Recurrent>;
/// `cnn-vae`: 865,345 parameters.
pub type CnnVae = Vae<Convolutional>;
/// `cvae`: 865,505 parameters for five classes, 928,225 where the encoder sees them too.
pub type Cvae = Vae<Conditional>;

/// An encoder, a decoder, and the weight of the divergence.
#[derive(Debug, Clone)]
pub struct Vae<V> {
    image: Extents,
    encoder: Encoder,
    decoder: Decoder,
    /// The part of a latent that its class adds before it is decoded.
    class_embedding: Option<Embedding>,
    beta: f64,
    variant: PhantomData<V>,
}

/// The differences between variational autoencoders.
pub trait Variant: fmt::Debug + Send + Sync + Sized + 'static {
    /// The model's name.
    const NAME: &'static str;
    /// The model in one line.
    const SUMMARY: &'static str;
    /// Its options.
    const OPTIONS: &'static [ModelOption] = &[BETA];

    /// Its description with its options, for reports.
    fn describe(config: &Config) -> String;

    /// Declares the parameters.
    ///
    /// # Errors
    /// If the configuration has too few classes.
    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>>;
}

/// The weight of the divergence, β.
const BETA: ModelOption =
    ModelOption { name: "beta", help: "the weight of the KL term", kind: Kind::Number { default: 1.0, least: 0.0 } };

/// Where a cvae's class goes in.
const CONDITION: ModelOption = ModelOption {
    name: "condition",
    help: "where the class goes in: latent (added before decoding), or both (the encoder sees it too)",
    kind: Kind::OneOf(&["latent", "both"]),
};

/// A bidirectional GRU as the encoder.
#[derive(Debug, Clone)]
pub struct Recurrent;

/// Convolutions as the encoder.
#[derive(Debug, Clone)]
pub struct Convolutional;

/// Convolutions as the encoder, and a class that is given.
#[derive(Debug, Clone)]
pub struct Conditional;

impl Variant for Recurrent {
    const NAME: &'static str = "rnn-vae";
    const SUMMARY: &'static str = "variational autoencoder with a bidirectional GRU as its encoder";

    fn describe(_: &Config) -> String {
        "variational autoencoder: bidirectional GRU, transposed convolutions".to_owned()
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        Ok(Vae::new(Encoder::rnn(config, params), Decoder::new(config, params, None)?, None, config))
    }
}

impl Variant for Convolutional {
    const NAME: &'static str = "cnn-vae";
    const SUMMARY: &'static str = "convolutional variational autoencoder";

    fn describe(_: &Config) -> String {
        "variational autoencoder: convolutions, transposed convolutions".to_owned()
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        Ok(Vae::new(Encoder::cnn(config, params, None), Decoder::new(config, params, None)?, None, config))
    }
}

impl Variant for Conditional {
    const NAME: &'static str = "cvae";
    const SUMMARY: &'static str = "cnn-vae that is told the class";
    const OPTIONS: &'static [ModelOption] = &[CONDITION, BETA];

    fn describe(config: &Config) -> String {
        let told = if config.text("condition") == "both" { "encoder and decoder are" } else { "decoder is" };
        format!("cnn-vae whose {told} told the class")
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        let classes = require_classes(config)?;
        let seen = (config.text("condition") == "both").then_some(classes);
        let (encoder, decoder) = (Encoder::cnn(config, params, seen), Decoder::new(config, params, seen)?);
        let class_embedding = Embedding::new(params, "class_embedding", classes, LATENT);
        Ok(Vae::new(encoder, decoder, Some(class_embedding), config))
    }
}

impl<V: Variant> Model for Vae<V> {
    const NAME: &'static str = V::NAME;
    const SUMMARY: &'static str = V::SUMMARY;
    const LOSS: &'static str = "loss per image (nats)";
    const OPTIONS: &'static [ModelOption] = V::OPTIONS;
    const FIGURES: &'static [TermFigure] = &[TermFigure {
        file: "components",
        title: "reconstruction and KL",
        panels: &[("bce", "BCE per image"), ("kl", "KL per image")],
    }];

    fn describe(config: &Config) -> String {
        V::describe(config)
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Self> {
        V::build(config, params)
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Training> {
        self.training_with(tape, batch, None)
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Option<Encoding>> {
        let images = images_input(tape, self.image, batch);
        let labels = self.encoder.gain.is_some().then(|| tape.input("labels", [batch]));
        let (mu, logvar) = self.encoder.forward(tape, images, labels)?;
        Ok(Some(Encoding { images, labels, mu, logvar: Some(logvar) }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, LATENT]);
        let labels = self.class_embedding.is_some().then(|| tape.input("labels", [batch]));
        let logits = self.decode(tape, latents, labels)?;
        Ok(Some(Decoding { latents, labels, images: tape.sigmoid(logits)? }))
    }
}

impl<V> Vae<V> {
    fn new(encoder: Encoder, decoder: Decoder, class_embedding: Option<Embedding>, config: &Config) -> Self {
        let (image, beta) = (config.image, config.number("beta"));
        Vae { image, encoder, decoder, class_embedding, beta, variant: PhantomData }
    }

    /// BCE + β·KL, summed over the batch, of drawings coded and decoded with `noise: (B, 32)`, or with noise drawn each step.
    ///
    /// # Errors
    /// If the noise is not of that shape.
    pub fn training_with<T: Float>(
        &self,
        tape: &mut Tape<T>,
        batch: usize,
        noise: Option<Tensor>,
    ) -> crate::Result<Training> {
        let images = images_input(tape, self.image, batch);
        let labels = self.class_embedding.is_some().then(|| tape.input("labels", [batch]));
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
        Ok(Training::sum(images, loss, batch).labels(labels).term("bce", bce).term("kl", kl))
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
    fn cnn<T: Float>(config: &Config, params: &mut Params<T>, classes: Option<usize>) -> Self {
        let body = Body::Cnn(Convolutions::new(params, "encoder.", config.image));
        Self::with_heads(params, body, classes, Convolutions::features(config.image))
    }

    /// A GRU of 256 units in each direction, all of its outputs as features.
    fn rnn<T: Float>(config: &Config, params: &mut Params<T>) -> Self {
        const UNITS: usize = 256;
        let body = Body::Rnn(Gru::new(params, "encoder.gru", (config.image.row(), UNITS), 1, true));
        Self::with_heads(params, body, None, config.image.height * 2 * UNITS)
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
                let [batch, height, width, channels] = *tape.shape(images).dims() else { unreachable!("four axes") };
                let rows = tape.reshape(images, [batch, height, width * channels])?;
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
    /// The extents of the features that the dense layer makes: (height, width).
    grid: (usize, usize),
    fc: Linear,
    gain: Option<ClassGain>,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
    deconv3: ConvTranspose2d,
}

impl Decoder {
    fn new<T: Float>(config: &Config, params: &mut Params<T>, classes: Option<usize>) -> crate::Result<Self> {
        let grid = quarter(config)?;
        let hidden = 128 * grid.0 * grid.1;
        Ok(Decoder {
            grid,
            fc: Linear::new(params, "decoder.fc", LATENT, hidden),
            gain: classes.map(|classes| ClassGain::new(params, "decoder.class_gain", classes, hidden)),
            deconv1: ConvTranspose2d::new(params, "decoder.deconv1", (128, 64), 4, 2, 1, 0),
            deconv2: ConvTranspose2d::new(params, "decoder.deconv2", (64, 32), 4, 2, 1, 0),
            deconv3: ConvTranspose2d::new(params, "decoder.deconv3", (32, config.image.channels), 3, 1, 1, 0),
        })
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
        let x = tape.reshape(x, [batch, 128, self.grid.0, self.grid.1])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 128)
        let x = self.deconv1.forward_relu(tape, x)?; // (B, 14, 14, 64)
        let x = self.deconv2.forward_relu(tape, x)?; // (B, 28, 28, 32)
        self.deconv3.forward(tape, x)
    }
}
