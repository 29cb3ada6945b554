//! Plain autoencoders: a drawing to a latent and back, by the mean squared error.

use std::fmt;

use inkgrad_engine::nn::{Conv2d, ConvTranspose2d, Linear, Lstm};
use inkgrad_engine::{Float, Params, Tape, Tensor};

use super::images_input;
use super::sizes::{self, Count, crop, flag, list, size, whole};
use crate::Result;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Decoding, Encoding, Model, ModelOption, Sizes, Training, Value};

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
    /// Its options.
    const OPTIONS: &'static [ModelOption];
    /// Steps that it is trained for by default.
    const STEPS: u64;

    /// Reads the sizes of weights, as [`Model::sizes`].
    fn sizes(sizes: &mut Sizes<'_>);

    /// Remarks on the pictures of a configuration, as [`Model::remarks`].
    fn remarks(_config: &Config) -> Vec<String> {
        Vec::new()
    }

    /// Numbers of a latent.
    fn latent(&self) -> usize;

    /// Declares the parameters.
    ///
    /// # Errors
    /// If there is too little memory for the sizes.
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
    const OPTIONS: &'static [ModelOption] = S::OPTIONS;

    fn defaults(config: &mut Config) {
        (config.epochs, config.steps) = (None, Some(S::STEPS));
        config.batch_size = 256;
        config.val_fraction = 0.1;
    }

    fn describe(_: &Config) -> String {
        format!("{}, mean squared error", S::SUMMARY)
    }

    fn sizes(sizes: &mut Sizes<'_>) {
        S::sizes(sizes);
    }

    fn remarks(config: &Config) -> Vec<String> {
        S::remarks(config)
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
        let latents = tape.input("latents", [batch, self.structure.latent()]);
        Ok(Some(Decoding { latents, labels: None, images: self.structure.decode(tape, latents)? }))
    }
}

/// A drawing as a sequence of 28 rows of 28 pixels, through the last hidden state, and back.
#[derive(Debug, Clone)]
pub struct Rows {
    image: Extents,
    latent_width: usize,
    /// Units of the encoder, in each direction.
    hidden: usize,
    bidirectional: bool,
    encoder: Lstm,
    latent: Linear,
    decoder_input: Linear,
    decoder: Lstm,
}

impl Rows {
    const LATENT: ModelOption = size!(latent, 128);
    const HIDDEN: ModelOption = size!(hidden, 128, "units of the encoder's LSTM, in each direction");
    const LAYERS: ModelOption = size!(layers, 2, "layers of each of the two LSTMs");
    const BIDIRECTIONAL: ModelOption = size!(bidirectional, false);
}

impl Structure for Rows {
    const NAME: &'static str = "lstm-ae";
    const SUMMARY: &'static str = "autoencoder of two LSTMs over the rows of a drawing";
    const OPTIONS: &'static [ModelOption] = &[Self::LATENT, Self::HIDDEN, Self::LAYERS, Self::BIDIRECTIONAL];
    const STEPS: u64 = 10_000;

    fn sizes(sizes: &mut Sizes<'_>) {
        const FIRST: &str = "encoder.weight_hh_l0";
        const BACK: &str = "encoder.weight_hh_l0_reverse";
        let name = |layer: usize| format!("encoder.weight_hh_l{layer}");
        let layers = (0..).take_while(|&layer| sizes.has(&name(layer))).count();
        let (Some(latent), Some(hidden)) = (sizes.extent("latent.weight", 0), sizes.extent(FIRST, 1)) else { return };
        let bidirectional = sizes.has(BACK);
        sizes.found(&Self::LATENT, Value::Whole(latent as u64), "latent.weight");
        sizes.found(&Self::HIDDEN, Value::Whole(hidden as u64), FIRST);
        sizes.found(&Self::LAYERS, Value::Whole(layers as u64), &name(layers - 1));
        sizes.found(&Self::BIDIRECTIONAL, Value::Flag(bidirectional), if bidirectional { BACK } else { FIRST });
        // Weights tell the numbers of a row, not how many rows there are.
        if let Some(row) = sizes.extent("encoder.weight_ih_l0", 1).filter(|&row| row != sizes.config().image.row()) {
            sizes.pictures(Extents { height: row, width: row, channels: 1 });
        }
    }

    fn latent(&self) -> usize {
        self.latent_width
    }

    fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent, hidden) = (config.image, whole(config, &Self::LATENT), whole(config, &Self::HIDDEN));
        let (layers, bidirectional) = (whole(config, &Self::LAYERS), flag(config, &Self::BIDIRECTIONAL));
        let (row, last) = (image.row(), (1 + usize::from(bidirectional)) * hidden);
        let count = Count::default().recurrent(4, (row, hidden), layers, bidirectional).linear(last, latent);
        let count = count.linear(latent, hidden).recurrent(4, (hidden, row), layers, false).check::<T>(config)?;
        let rows = Rows {
            image,
            latent_width: latent,
            hidden,
            bidirectional,
            encoder: Lstm::new(params, "encoder", (row, hidden), layers, bidirectional),
            latent: Linear::new(params, "latent", last, latent),
            decoder_input: Linear::new(params, "decoder_input", latent, hidden),
            decoder: Lstm::new(params, "decoder", (hidden, row), layers, false),
        };
        count.settle(params);
        Ok(rows)
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let batch = tape.shape(images).first();
        let rows = tape.reshape(images, [batch, self.image.height, self.image.row()])?;
        let states = self.encoder.forward(tape, rows)?; // (B, 28, 128)
        let last = tape.select(states, self.image.height - 1)?;
        let last = match self.bidirectional {
            false => last,
            // The way back ends at the first row.
            true => {
                let (ahead, first) = (tape.slice(last, 1, 0..self.hidden)?, tape.select(states, 0)?);
                let back = tape.slice(first, 1, self.hidden..2 * self.hidden)?;
                tape.concat(ahead, back)?
            }
        };
        Ok(self.latent.forward(tape, last)?)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let step = self.decoder_input.forward(tape, latent)?;
        // Every step sees the latent and no row: there is no teacher forcing, and nothing drawn is fed back.
        let rows = self.decoder.forward_repeated(tape, step, self.image.height)?; // (B, 28, 28)
        Ok(tape.reshape(rows, self.image.batch(batch))?)
    }
}

/// Convolutions of stride 2 to a latent, and transposed ones back.
#[derive(Debug, Clone)]
pub struct Patches {
    image: Extents,
    latent: usize,
    /// The extents of the features that convolutions leave: (height, width).
    grid: (usize, usize),
    /// Channels of these.
    features: usize,
    convs: Vec<Conv2d>,
    encoder_fc: Linear,
    decoder_fc: Linear,
    deconvs: Vec<ConvTranspose2d>,
}

impl Patches {
    const LATENT: ModelOption = size!(latent, 64);
    const CHANNELS: ModelOption = size!(channels, &[16, 32]);
}

impl Structure for Patches {
    const NAME: &'static str = "cnn-ae";
    const SUMMARY: &'static str = "convolutional autoencoder";
    const OPTIONS: &'static [ModelOption] = &[Self::LATENT, Self::CHANNELS];
    const STEPS: u64 = 1_000;

    fn sizes(sizes: &mut Sizes<'_>) {
        const DENSE: &str = "encoder.fc.weight";
        let name = |i: usize| format!("encoder.encoder.{}.weight", 2 * i);
        let channels: Vec<u64> = (0..sizes::MOST_CONVOLUTIONS)
            .map_while(|i| sizes.extent(&name(i), 0))
            .map(|channels| channels as u64)
            .collect();
        let (Some(&last), Some(latent)) = (channels.last(), sizes.extent(DENSE, 0)) else { return };
        let halvings = channels.len();
        sizes.found(&Self::LATENT, Value::Whole(latent as u64), DENSE);
        sizes.found(&Self::CHANNELS, Value::List(channels), &name(halvings - 1));
        if let (Some(input @ (1 | 3)), Some(features)) = (sizes.extent(&name(0), 1), sizes.extent(DENSE, 1)) {
            let pictures = sizes::pictures(sizes.config().image, halvings, features / last as usize, input);
            pictures.into_iter().for_each(|pictures| sizes.pictures(pictures));
        }
    }

    fn remarks(config: &Config) -> Vec<String> {
        sizes::padding(config.image, list(config, &Self::CHANNELS).len()).into_iter().collect()
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent, channels) = (config.image, whole(config, &Self::LATENT), list(config, &Self::CHANNELS));
        let grid = sizes::grid(image, channels.len());
        let last = channels[channels.len() - 1];
        let features = last * grid.0 * grid.1;
        let before = [image.channels].into_iter().chain(channels.iter().copied());
        let ahead: Vec<(usize, usize)> = before.zip(channels.iter().copied()).collect();
        let back: Vec<(usize, usize)> = ahead.iter().rev().map(|&(out, inputs)| (inputs, out)).collect();
        let both = ahead.iter().chain(&back);
        let count = both.fold(Count::default(), |count, &(inputs, out)| count.conv(inputs, out, 3));
        let count = count.linear(features, latent).linear(latent, features).check::<T>(config)?;
        // The keys of an `nn.Sequential` whose odd places have no parameters.
        let conv = |(i, &channels): (usize, &(usize, usize))| {
            Conv2d::new(params, &format!("encoder.encoder.{}", 2 * i), channels, 3, 2, 1)
        };
        let convs = ahead.iter().enumerate().map(conv).collect();
        let encoder_fc = Linear::new(params, "encoder.fc", features, latent);
        let decoder_fc = Linear::new(params, "decoder.fc", latent, features);
        let deconv = |(i, &channels): (usize, &(usize, usize))| {
            ConvTranspose2d::new(params, &format!("decoder.decoder.{}", 2 * i), channels, 3, 2, 1, 1)
        };
        let deconvs = back.iter().enumerate().map(deconv).collect();
        count.settle(params);
        Ok(Patches { image, latent, grid, features: last, convs, encoder_fc, decoder_fc, deconvs })
    }

    fn encode<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        // (B, 14, 14, 16), (B, 7, 7, 32)
        let x = self.convs.iter().try_fold(images, |x, conv| conv.forward_relu(tape, x))?;
        let x = tape.channels_first(x)?;
        let x = tape.flatten(x); // (B, 1568), in PyTorch's order
        Ok(self.encoder_fc.forward(tape, x)?)
    }

    fn decode<T: Float>(&self, tape: &mut Tape<T>, latent: Tensor) -> Result<Tensor> {
        let batch = tape.shape(latent).first();
        let x = self.decoder_fc.forward(tape, latent)?;
        let x = tape.reshape(x, [batch, self.features, self.grid.0, self.grid.1])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 32)
        let (last, before) = self.deconvs.split_last().expect("at least one");
        let x = before.iter().try_fold(x, |x, deconv| deconv.forward_relu(tape, x))?; // (B, 14, 14, 16)
        let x = last.forward(tape, x)?; // (B, 28, 28, 1)
        let x = crop(tape, x, self.image)?;
        Ok(tape.sigmoid(x)?)
    }
}
