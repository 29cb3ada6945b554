//! The decoder that the variational autoencoders share: a dense layer, then transposed convolutions.

use inkgrad_engine::nn::{ConvTranspose2d, Embedding, Linear};
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::convolutions::{CHANNELS, Stack};
use super::sizes::{self, Count, crop};
use crate::model::{Sizes, Value};

/// x·g of the class, feature by feature: modulation as in FiLM (Perez et al. 2018), without its shift. Gains start from
/// N(0, 1), so that each class begins with features of its own.
#[derive(Debug, Clone)]
pub(super) struct ClassGain(Embedding);

impl ClassGain {
    pub(super) fn new<T: Float>(params: &mut Params<T>, name: &str, classes: usize, width: usize) -> Self {
        ClassGain(Embedding::new(params, name, classes, width))
    }

    /// `x: (B, width)` and `labels: (B)` to `(B, width)`.
    pub(super) fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, labels: Tensor) -> Result<Tensor> {
        let gain = self.0.forward(tape, labels)?;
        tape.mul(x, gain)
    }
}

/// A dense layer, then transposed convolutions to a drawing, the convolutions of [`Stack`] the other way round; with classes, the
/// dense layer's features are weighed by class.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    stack: Stack,
    fc: Linear,
    gain: Option<ClassGain>,
    /// Each but the last doubles the sides.
    deconvs: Vec<ConvTranspose2d>,
}

/// Channels before and after each transposed convolution.
fn pairs(stack: &Stack) -> impl Iterator<Item = (usize, usize)> {
    let channels = stack.channels.iter().rev().copied();
    channels.clone().zip(channels.skip(1).chain([stack.image.channels]))
}

/// The kernel of a transposed convolution with `after` more to come.
fn kernel(after: usize) -> usize {
    if after > 0 { 4 } else { 3 }
}

impl Decoder {
    /// Adds the parameters of a decoder from `latent` numbers.
    pub(super) fn count(count: Count, latent: usize, stack: &Stack, classes: Option<usize>) -> Count {
        let (hidden, layers) = (stack.features(), stack.channels.len());
        let count = count.linear(latent, hidden).embedding(classes.unwrap_or(0), hidden);
        pairs(stack)
            .enumerate()
            .fold(count, |count, (i, (inputs, out))| count.conv(inputs, out, kernel(layers - 1 - i)))
    }

    pub(super) fn new<T: Float>(params: &mut Params<T>, latent: usize, stack: &Stack, classes: Option<usize>) -> Self {
        let (hidden, layers) = (stack.features(), stack.channels.len());
        let fc = Linear::new(params, "decoder.fc", latent, hidden);
        let gain = classes.map(|classes| ClassGain::new(params, "decoder.class_gain", classes, hidden));
        let deconvs = pairs(stack).enumerate().map(|(i, channels)| {
            let after = layers - 1 - i;
            let stride = if after > 0 { 2 } else { 1 };
            ConvTranspose2d::new(params, &format!("decoder.deconv{}", i + 1), channels, kernel(after), stride, 1, 0)
        });
        Decoder { stack: stack.clone(), fc, gain, deconvs: deconvs.collect() }
    }

    /// Reads channels, and those of the pictures, from the weights of a decoder.
    pub(super) fn sizes(sizes: &mut Sizes<'_>) -> Option<usize> {
        let name = |i: usize| format!("decoder.deconv{i}.weight");
        let layers = (1..=sizes::MOST_CONVOLUTIONS).take_while(|&i| sizes.has(&name(i))).count();
        let channels: Option<Vec<u64>> = (1..=layers).rev().map(|i| Some(sizes.extent(&name(i), 0)? as u64)).collect();
        let channels = channels.filter(|channels| !channels.is_empty())?;
        sizes.found(&CHANNELS, Value::List(channels), &name(1));
        sizes.extent(&name(layers), 1)
    }

    /// `z: (B, 32)` and classes to the logits of a drawing, `(B, 28, 28, 1)`.
    pub(super) fn logits<T: Float>(&self, tape: &mut Tape<T>, z: Tensor, labels: Option<Tensor>) -> Result<Tensor> {
        let (batch, (height, width)) = (tape.shape(z).first(), self.stack.grid);
        let x = match (&self.gain, labels) {
            (Some(gain), Some(labels)) => {
                let x = self.fc.forward(tape, z)?;
                let x = gain.forward(tape, x, labels)?;
                tape.relu(x)?
            }
            _ => self.fc.forward_relu(tape, z)?,
        };
        let x = tape.reshape(x, [batch, self.stack.last(), height, width])?;
        let x = tape.channels_last(x)?; // (B, 7, 7, 128)
        let (last, doubling) = self.deconvs.split_last().expect("at least one");
        // (B, 14, 14, 64), (B, 28, 28, 32)
        let x = doubling.iter().try_fold(x, |x, deconv| deconv.forward_relu(tape, x))?;
        let x = last.forward(tape, x)?;
        crop(tape, x, self.stack.image)
    }
}
