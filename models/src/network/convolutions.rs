//! The convolutions that the convolutional encoders and the convolutional classifier begin with.

use inkgrad_engine::nn::Conv2d;
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::sizes::{self, Count, list, size};
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{ModelOption, Sizes, Value};

/// The channels after each convolution.
pub(super) const CHANNELS: ModelOption = size!(channels, &[32, 64, 128]);

/// Convolutions with a kernel of 3, all but the last with stride 2.
#[derive(Debug, Clone)]
pub(super) struct Convolutions(Vec<Conv2d>);

/// The extents of what [`Convolutions`] make of a picture, and of what a decoder makes pictures of again.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    /// Of pictures.
    pub(super) image: Extents,
    /// After each convolution.
    pub(super) channels: Vec<usize>,
    /// Of the features: (height, width).
    pub(super) grid: (usize, usize),
}

impl Stack {
    /// As a configuration has it.
    pub(super) fn new(config: &Config) -> Self {
        let (image, channels) = (config.image, list(config, &CHANNELS));
        Stack { image, grid: sizes::grid(image, channels.len() - 1), channels }
    }

    /// Channels of the features.
    pub(super) fn last(&self) -> usize {
        self.channels[self.channels.len() - 1]
    }

    /// Features of a picture: the last channels on a grid of a quarter of its sides (with three convolutions), rounded up.
    pub(super) fn features(&self) -> usize {
        self.last() * self.grid.0 * self.grid.1
    }

    /// Channels before and after each convolution.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let before = [self.image.channels].into_iter().chain(self.channels.iter().copied());
        before.zip(self.channels.iter().copied()).collect()
    }

    /// A remark on pictures that do not halve evenly.
    pub(super) fn remark(config: &Config) -> Option<String> {
        sizes::padding(config.image, list(config, &CHANNELS).len() - 1)
    }

    /// Adds the convolutions' parameters.
    pub(super) fn count(&self, count: Count) -> Count {
        self.pairs().into_iter().fold(count, |count, (inputs, out)| count.conv(inputs, out, 3))
    }

    /// Reads channels, and pictures, from weights whose first dense layer has the features of `dense` on its second axis.
    pub(super) fn sizes(sizes: &mut Sizes<'_>, prefix: &str, dense: &str) {
        let channels: Vec<u64> = (1..=sizes::MOST_CONVOLUTIONS)
            .map_while(|i| sizes.extent(&format!("{prefix}conv{i}.weight"), 0))
            .map(|channels| channels as u64)
            .collect();
        let Some(&last) = channels.last() else { return };
        let first = format!("{prefix}conv1.weight");
        let (halvings, input) = (channels.len() - 1, sizes.extent(&first, 1));
        sizes.found(&CHANNELS, Value::List(channels), &format!("{prefix}conv{}.weight", halvings + 1));
        if let (Some(input @ (1 | 3)), Some(features)) = (input, sizes.extent(dense, 1)) {
            let pictures = sizes::pictures(sizes.config().image, halvings, features / last as usize, input);
            pictures.into_iter().for_each(|pictures| sizes.pictures(pictures));
        }
    }
}

impl Convolutions {
    /// Parameters named `{prefix}conv1.weight` and so on.
    pub(super) fn new<T: Float>(params: &mut Params<T>, prefix: &str, stack: &Stack) -> Self {
        let pairs = stack.pairs();
        let layers = pairs.iter().enumerate().map(|(i, &channels)| {
            let stride = if i + 1 < pairs.len() { 2 } else { 1 };
            Conv2d::new(params, &format!("{prefix}conv{}", i + 1), channels, 3, stride, 1)
        });
        Convolutions(layers.collect())
    }

    /// `images: (B, 28, 28, 1)` to `(B, 6272)`, in PyTorch's order; other pictures accordingly.
    pub(super) fn forward<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        // (B, 14, 14, 32), (B, 7, 7, 64), (B, 7, 7, 128)
        let x = self.0.iter().try_fold(images, |x, layer| layer.forward_relu(tape, x))?;
        let x = tape.channels_first(x)?;
        Ok(tape.flatten(x))
    }
}
