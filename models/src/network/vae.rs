//! Variational autoencoders: an encoder to (μ, logσ²), and the transposed-convolution decoder that they share.

use std::fmt;
use std::marker::PhantomData;

use inkgrad_engine::nn::Embedding;
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::convolutions::{CHANNELS, Stack};
use super::decoder::Decoder;
use super::encoder::{BIDIRECTIONAL, Encoder, HIDDEN, Heads, LAYERS, Rows};
use super::objective::{
    self, BETA, CAPACITY, CODE_WIDTH, CODES, Codebook, Coded, DOUBLY, FREE_BITS, LIKELIHOOD, Ladder, Noise, OBJECTIVE,
    Objective, PSEUDO_INPUTS, PseudoInputs, SAMPLES, TOP, Time, WARM_UP,
};
use super::sizes::{Count, flag, size, whole};
use super::{images_input, require_classes};
use crate::Error;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Decoding, Encoding, Kind, Model, ModelOption, Prior, Sizes, TermFigure, Training};

/// Numbers of a latent.
const LATENT: ModelOption = size!(latent, 32);

/// The options of an objective, and more.
macro_rules! options {
    ($($more:ident),*) => {
        &[BETA, OBJECTIVE, SAMPLES, DOUBLY, PSEUDO_INPUTS, TOP, CODES, CODE_WIDTH, LIKELIHOOD, WARM_UP, FREE_BITS, CAPACITY, $($more),*]
    };
}

/// `rnn-vae`: 1,728,065 parameters.
pub type RnnVae = Vae<Recurrent>;
/// `cnn-vae`: 865,345 parameters.
pub type CnnVae = Vae<Convolutional>;
/// `cvae`: 865,505 parameters for five classes, 928,225 where the encoder sees them too.
pub type Cvae = Vae<Conditional>;

/// An encoder, a decoder, and what they are trained for.
#[derive(Debug, Clone)]
pub struct Vae<V> {
    image: Extents,
    /// Numbers of a code: of a latent, or of two, one above the other.
    width: usize,
    encoder: Encoder,
    decoder: Decoder,
    /// The part of a latent that its class adds before it is decoded.
    class_embedding: Option<Embedding>,
    objective: Objective,
    variant: PhantomData<V>,
}

/// The differences between variational autoencoders.
pub trait Variant: fmt::Debug + Send + Sync + Sized + 'static {
    /// The model's name.
    const NAME: &'static str;
    /// The model in one line.
    const SUMMARY: &'static str;
    /// Its options.
    const OPTIONS: &'static [ModelOption] = options![LATENT, CHANNELS];

    /// Its description with its options, for reports.
    fn describe(config: &Config) -> String;

    /// Reads the sizes of weights, as [`Model::sizes`].
    fn sizes(sizes: &mut Sizes<'_>) {
        Encoder::sizes(sizes, &LATENT);
        Stack::sizes(sizes, "encoder.", "encoder.fc_mu.weight");
    }

    /// Declares the parameters.
    ///
    /// # Errors
    /// If the configuration has too few classes, or there is too little memory for its sizes.
    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>>;
}

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
    const OPTIONS: &'static [ModelOption] = options![LATENT, CHANNELS, HIDDEN, LAYERS, BIDIRECTIONAL];

    fn describe(config: &Config) -> String {
        let ways = if flag(config, &BIDIRECTIONAL) { "bidirectional " } else { "" };
        format!("variational autoencoder: {ways}GRU, transposed convolutions")
    }

    fn sizes(sizes: &mut Sizes<'_>) {
        let channels = Encoder::sizes(sizes, &LATENT);
        Rows::sizes(sizes, channels);
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        let (latent, stack, rows) = (whole(config, &LATENT), Stack::new(config), Rows::new(config));
        let heads = heads(config);
        let count = Encoder::count_rnn(Count::default(), heads, &rows);
        let count = objective::count(Decoder::count(count, latent, &stack, None), config, latent).check::<T>(config)?;
        let encoder = Encoder::rnn(params, heads, &rows);
        let decoder = Decoder::new(params, latent, &stack, None);
        let vae = Vae::new(params, encoder, decoder, None, config)?;
        count.settle(params);
        Ok(vae)
    }
}

impl Variant for Convolutional {
    const NAME: &'static str = "cnn-vae";
    const SUMMARY: &'static str = "convolutional variational autoencoder";

    fn describe(_: &Config) -> String {
        "variational autoencoder: convolutions, transposed convolutions".to_owned()
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        let (latent, stack) = (whole(config, &LATENT), Stack::new(config));
        let heads = heads(config);
        let count = Encoder::count_cnn(Count::default(), heads, &stack, None);
        let count = objective::count(Decoder::count(count, latent, &stack, None), config, latent).check::<T>(config)?;
        let encoder = Encoder::cnn(params, heads, &stack, None);
        let decoder = Decoder::new(params, latent, &stack, None);
        let vae = Vae::new(params, encoder, decoder, None, config)?;
        count.settle(params);
        Ok(vae)
    }
}

impl Variant for Conditional {
    const NAME: &'static str = "cvae";
    const SUMMARY: &'static str = "cnn-vae that is told the class";
    const OPTIONS: &'static [ModelOption] = options![CONDITION, LATENT, CHANNELS];

    fn describe(config: &Config) -> String {
        let told = if config.text("condition") == "both" { "encoder and decoder are" } else { "decoder is" };
        format!("cnn-vae whose {told} told the class")
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Vae<Self>> {
        let classes = require_classes(config)?;
        let seen = (config.text("condition") == "both").then_some(classes);
        let (latent, stack) = (whole(config, &LATENT), Stack::new(config));
        let heads = heads(config);
        let count = Encoder::count_cnn(Count::default(), heads, &stack, seen).embedding(classes, latent);
        let count = objective::count(Decoder::count(count, latent, &stack, seen), config, latent).check::<T>(config)?;
        let encoder = Encoder::cnn(params, heads, &stack, seen);
        let decoder = Decoder::new(params, latent, &stack, seen);
        let class_embedding = Embedding::new(params, "class_embedding", classes, latent);
        let vae = Vae::new(params, encoder, decoder, Some(class_embedding), config)?;
        count.settle(params);
        Ok(vae)
    }
}

/// The outputs that the encoder makes of features.
fn heads(config: &Config) -> Heads {
    Heads { latent: whole(config, &LATENT), variances: objective::has_variances(config) }
}

impl<V: Variant> Model for Vae<V> {
    const NAME: &'static str = V::NAME;
    const SUMMARY: &'static str = V::SUMMARY;
    const LOSS: &'static str = "loss per image (nats)";
    const OPTIONS: &'static [ModelOption] = V::OPTIONS;
    const FIGURES: &'static [TermFigure] = &[TermFigure {
        file: "components",
        title: "reconstruction and KL",
        panels: &[("bce", "BCE per image"), ("nll", "−ln p(x|z) per image"), ("kl", "KL per image")],
    }];

    fn describe(config: &Config) -> String {
        V::describe(config)
    }

    fn sizes(sizes: &mut Sizes<'_>) {
        V::sizes(sizes);
        PseudoInputs::sizes(sizes);
        Ladder::sizes(sizes);
        Codebook::sizes(sizes);
    }

    fn remarks(config: &Config) -> Vec<String> {
        Stack::remark(config).into_iter().collect()
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> crate::Result<Self> {
        V::build(config, params)
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Training> {
        self.record(tape, batch, Noise::default(), Time::End)
    }

    fn step<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Training> {
        self.record(tape, batch, Noise::default(), Time::Step)
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Option<Encoding>> {
        let images = images_input(tape, self.image, batch);
        let labels = self.encoder.sees_classes().then(|| tape.input("labels", [batch]));
        let coded = self.encoder.forward(tape, images, labels)?;
        let (mu, logvar) = self.objective.code(tape, coded)?;
        Ok(Some(Encoding { images, labels, mu, logvar }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> crate::Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, self.width]);
        let labels = self.class_embedding.is_some().then(|| tape.input("labels", [batch]));
        let z = self.objective.decoded(tape, latents)?;
        let logits = self.decode(tape, z, labels)?;
        Ok(Some(Decoding { latents, labels, images: tape.sigmoid(logits)? }))
    }

    fn prior<T: Float>(&self, tape: &mut Tape<T>) -> crate::Result<Option<Prior>> {
        let Some(pseudo) = self.objective.pseudo_inputs() else { return Ok(None) };
        let pictures = pseudo.pictures(tape)?;
        let (mu, logvar) = self.encoder.forward(tape, pictures, None)?;
        Ok(logvar.map(|logvar| Prior { mu, logvar }))
    }

    fn code_width(&self) -> Option<usize> {
        self.objective.codebook().map(Codebook::width)
    }

    fn track<T: Float>(&self, params: &mut Params<T>, statistics: &[&[T]]) {
        if let (Some(codebook), &[n, s]) = (self.objective.codebook(), statistics) {
            codebook.track(params, n, s);
        }
    }

    fn trained_remarks<T: Float>(&self, params: &Params<T>) -> Vec<String> {
        self.objective.codebook().and_then(|codebook| codebook.remark(params)).into_iter().collect()
    }
}

impl<V> Vae<V> {
    fn new<T: Float>(
        params: &mut Params<T>,
        encoder: Encoder,
        decoder: Decoder,
        class_embedding: Option<Embedding>,
        config: &Config,
    ) -> crate::Result<Self> {
        let (image, latent) = (config.image, whole(config, &LATENT));
        let objective = Objective::new(config, latent, params)?;
        let width = objective.width(latent);
        if encoder.sees_classes() && objective.pseudo_inputs().is_some() {
            let problem =
                "vamp with an encoder that sees classes, which pseudo-inputs have none of, expected --condition latent";
            return Err(Error::input("--objective", problem));
        }
        Ok(Vae { image, width, encoder, decoder, class_embedding, objective, variant: PhantomData })
    }

    /// The codebook that latents are made of, where they are.
    #[cfg(test)]
    pub(super) fn codebook(&self) -> Option<&Codebook> {
        self.objective.codebook()
    }

    /// The loss of drawings coded and decoded with `noise: (B, 32)`, or with noise drawn each step: by default BCE + β·KL, summed
    /// over the batch.
    ///
    /// # Errors
    /// If the noise is not of that shape.
    pub fn training_with<T: Float>(
        &self,
        tape: &mut Tape<T>,
        batch: usize,
        noise: Option<Tensor>,
    ) -> crate::Result<Training> {
        self.record(tape, batch, Noise { latents: noise, prior: None }, Time::End)
    }

    /// The same with any noise given, and with the weights of a step or of the end of training.
    ///
    /// # Errors
    /// If noise has another shape than the objective wants.
    pub fn record<T: Float>(
        &self,
        tape: &mut Tape<T>,
        batch: usize,
        noise: Noise,
        time: Time,
    ) -> crate::Result<Training> {
        let images = images_input(tape, self.image, batch);
        let labels = self.class_embedding.is_some().then(|| tape.input("labels", [batch]));
        let (mu, logvar) = self.encoder.forward(tape, images, labels)?;
        let decode = |tape: &mut Tape<T>, z: Tensor, labels: Option<Tensor>| self.decode(tape, z, labels);
        let encode = |tape: &mut Tape<T>, pictures: Tensor| self.encoder.forward(tape, pictures, None);
        let coded = Coded { batch, images, labels, mu, logvar, decode: &decode, encode: &encode };
        self.objective.record(tape, &coded, noise, time)
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
