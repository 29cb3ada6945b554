//! Classifiers of drawings, by the cross-entropy of their logits.

use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Tape};

use super::convolutions::Convolutions;
use super::{images_input, require_classes};
use crate::Result;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Classification, Kind, Model, ModelOption, TermFigure, Training};

/// Units of the `mlp`'s hidden layers.
const MLP: usize = 256;
/// Units of the `cnn`'s hidden layer.
const CNN: usize = 128;

/// Layers to the features of a drawing, and one from there to a logit a class: for five classes of drawings 268,037 parameters as an
/// `mlp`, 896,261 as a `cnn`.
#[derive(Debug, Clone)]
pub struct Classifier {
    image: Extents,
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

impl Model for Classifier {
    const NAME: &'static str = "classifier";
    const SUMMARY: &'static str = "tells the classes apart";
    const LOSS: &'static str = "cross-entropy";
    const OPTIONS: &'static [ModelOption] = &[ModelOption {
        name: "arch",
        help: "the architecture: mlp (two hidden layers of 256) or cnn (the convolutions of cnn-vae and a hidden layer of 128)",
        kind: Kind::OneOf(&["mlp", "cnn"]),
    }];
    const FIGURES: &'static [TermFigure] =
        &[TermFigure { file: "accuracy", title: "accuracy", panels: &[("accuracy", "accuracy")] }];

    fn defaults(config: &mut Config) {
        config.epochs = Some(10);
    }

    fn quick(config: &mut Config) {
        config.epochs = Some(5);
    }

    fn describe(config: &Config) -> String {
        match config.text("arch") {
            "cnn" => "three convolutions and a hidden layer of 128",
            _ => "two hidden layers of 256",
        }
        .to_owned()
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, classes) = (config.image, require_classes(config)?);
        let (body, last) = if config.text("arch") == "cnn" {
            let convolutions = Convolutions::new(params, "", image);
            let fc1 = Linear::new(params, "fc1", Convolutions::features(image), CNN);
            (Body::Cnn(convolutions, fc1), Linear::new(params, "fc2", CNN, classes))
        } else {
            // The keys of an `nn.Sequential` whose even places have no parameters.
            let first = Linear::new(params, "model.1", image.len(), MLP);
            let second = Linear::new(params, "model.3", MLP, MLP);
            (Body::Mlp(first, second), Linear::new(params, "model.5", MLP, classes))
        };
        Ok(Classifier { image, body, last })
    }

    /// The mean cross-entropy of a batch.
    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Classification { images, logits, .. } = self.record(tape, batch)?;
        let labels = tape.input("labels", [batch]);
        let loss = tape.softmax_cross_entropy(logits, labels)?;
        let correct = tape.correct(logits, labels)?;
        Ok(Training::mean(images, loss).labels(labels).term_per("accuracy", correct, batch as f64))
    }

    fn classification<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Classification>> {
        self.record(tape, batch).map(Some)
    }
}

impl Classifier {
    fn record<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Classification> {
        let images = images_input(tape, self.image, batch);
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
