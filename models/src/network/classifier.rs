//! Classifiers of drawings, by the cross-entropy of their logits.

use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Result, Tape};

use super::convolutions::Convolutions;
use super::{Classification, Training, images_input};
use crate::data::PIXELS;

/// Units of the `mlp`'s hidden layers.
const MLP: usize = 256;
/// Units of the `cnn`'s hidden layer.
const CNN: usize = 128;

/// Layers to the features of a drawing, and one from there to a logit a class.
#[derive(Debug, Clone)]
pub struct Classifier {
    body: Body,
    last: Linear,
}

#[derive(Debug, Clone)]
enum Body {
    /// Two hidden layers.
    Mlp(Linear, Linear),
    /// The convolutions of cnn-vae and a hidden layer.
    Cnn(Convolutions, Linear),
}

impl Classifier {
    /// `--arch mlp`: 268,037 parameters for five classes.
    pub fn mlp<T: Float>(params: &mut Params<T>, classes: usize) -> Self {
        // The keys of an `nn.Sequential` whose even places have no parameters.
        let first = Linear::new(params, "model.1", PIXELS, MLP);
        let second = Linear::new(params, "model.3", MLP, MLP);
        Classifier { body: Body::Mlp(first, second), last: Linear::new(params, "model.5", MLP, classes) }
    }

    /// `--arch cnn`: 896,261 parameters for five classes.
    pub fn cnn<T: Float>(params: &mut Params<T>, classes: usize) -> Self {
        let convolutions = Convolutions::new(params, "");
        let fc1 = Linear::new(params, "fc1", Convolutions::FEATURES, CNN);
        Classifier { body: Body::Cnn(convolutions, fc1), last: Linear::new(params, "fc2", CNN, classes) }
    }

    /// Elements of the last hidden layer.
    pub(super) fn features(&self) -> usize {
        match &self.body {
            Body::Mlp(..) => MLP,
            Body::Cnn(..) => CNN,
        }
    }

    /// The mean cross-entropy of a batch.
    pub(super) fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Classification { images, logits, .. } = self.classification(tape, batch)?;
        let labels = tape.input("labels", [batch]);
        let loss = tape.softmax_cross_entropy(logits, labels)?;
        Ok(Training { labels: Some(labels), logits: Some(logits), ..Training::new(images, loss) })
    }

    pub(super) fn classification<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Classification> {
        let images = images_input(tape, batch);
        let features = match &self.body {
            Body::Mlp(first, second) => {
                let x = tape.flatten(images);
                let x = first.forward_relu(tape, x)?;
                second.forward_relu(tape, x)? // (B, 256)
            }
            Body::Cnn(convolutions, fc1) => {
                let x = convolutions.forward(tape, images)?;
                fc1.forward_relu(tape, x)? // (B, 128)
            }
        };
        Ok(Classification { images, features, logits: self.last.forward(tape, features)? })
    }
}
