//! The three convolutions that the convolutional encoders and the convolutional classifier begin with.

use inkgrad_engine::nn::Conv2d;
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use crate::data::Extents;

#[derive(Debug, Clone)]
pub(super) struct Convolutions {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
}

impl Convolutions {
    /// Features of a picture: 128 channels on a quarter of its sides, rounded up.
    pub(super) fn features(image: Extents) -> usize {
        128 * image.height.div_ceil(4) * image.width.div_ceil(4)
    }

    /// Parameters named `{prefix}conv1.weight` and so on.
    pub(super) fn new<T: Float>(params: &mut Params<T>, prefix: &str, image: Extents) -> Self {
        Convolutions {
            conv1: Conv2d::new(params, &format!("{prefix}conv1"), (image.channels, 32), 3, 2, 1),
            conv2: Conv2d::new(params, &format!("{prefix}conv2"), (32, 64), 3, 2, 1),
            conv3: Conv2d::new(params, &format!("{prefix}conv3"), (64, 128), 3, 1, 1),
        }
    }

    /// `images: (B, 28, 28, 1)` to `(B, 6272)`, in PyTorch's order; other pictures accordingly.
    pub(super) fn forward<T: Float>(&self, tape: &mut Tape<T>, images: Tensor) -> Result<Tensor> {
        let x = self.conv1.forward_relu(tape, images)?; // (B, 14, 14, 32)
        let x = self.conv2.forward_relu(tape, x)?; // (B, 7, 7, 64)
        let x = self.conv3.forward_relu(tape, x)?; // (B, 7, 7, 128)
        let x = tape.channels_first(x)?;
        Ok(tape.flatten(x))
    }
}
