//! Classifiers of drawings, by the cross-entropy of their logits.

use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Tape};

use super::convolutions::{CHANNELS, Convolutions, Stack};
use super::sizes::{self, Count, refuse, size, whole};
use super::{images_input, require_classes};
use crate::Result;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Classification, Kind, Model, ModelOption, Sizes, TermFigure, Training, Value};

/// Units of a hidden layer, of the `mlp` where it is not given.
const HIDDEN: ModelOption = size!(hidden, 256, "units of each hidden layer [default: 256 of an mlp, 128 of a cnn]");
/// Those of the `cnn` where they are not given.
const CNN: usize = 128;
/// Hidden layers of the `mlp`.
const LAYERS: ModelOption = size!(layers, 2, "hidden layers of an mlp");

/// Units of a hidden layer.
fn hidden(config: &Config) -> usize {
    match config.text("arch") == "cnn" && !config.options.contains_key(HIDDEN.name) {
        true => CNN,
        false => whole(config, &HIDDEN),
    }
}

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
    /// Hidden layers.
    Mlp(Vec<Linear>),
    /// The convolutions of cnn-vae and a hidden layer.
    Cnn(Convolutions, Linear),
}

impl Model for Classifier {
    const NAME: &'static str = "classifier";
    const SUMMARY: &'static str = "tells the classes apart";
    const LOSS: &'static str = "cross-entropy";
    const OPTIONS: &'static [ModelOption] = &[
        ModelOption {
            name: "arch",
            help: "the architecture: mlp (two hidden layers of 256) or cnn (the convolutions of cnn-vae and a hidden layer of 128)",
            kind: Kind::OneOf(&["mlp", "cnn"]),
        },
        HIDDEN,
        LAYERS,
        CHANNELS,
    ];
    const FIGURES: &'static [TermFigure] =
        &[TermFigure { file: "accuracy", title: "accuracy", panels: &[("accuracy", "accuracy")] }];

    fn defaults(config: &mut Config) {
        config.epochs = Some(10);
    }

    fn quick(config: &mut Config) {
        config.epochs = Some(5);
    }

    fn describe(config: &Config) -> String {
        let words = |n: usize, what: &str| match n {
            1 => format!("a {what}"),
            2 => format!("two {what}s"),
            3 => format!("three {what}s"),
            n => format!("{n} {what}s"),
        };
        let hidden = hidden(config);
        match config.text("arch") {
            "cnn" => {
                let convolutions = words(sizes::list(config, &CHANNELS).len(), "convolution");
                format!("{convolutions} and a hidden layer of {hidden}")
            }
            _ => format!("{} of {hidden}", words(whole(config, &LAYERS), "hidden layer")),
        }
    }

    fn sizes(sizes: &mut Sizes<'_>) {
        let whole = |n: usize| Value::Whole(n as u64);
        if sizes.config().text("arch") == "cnn" {
            Stack::sizes(sizes, "", "fc1.weight");
            if let Some(hidden) = sizes.extent("fc1.weight", 0) {
                sizes.found_beside(&HIDDEN, whole(CNN), whole(hidden), "fc1.weight");
            }
            return;
        }
        let name = |layer: usize| format!("model.{}.weight", 2 * layer + 1);
        let layers = (0..).take_while(|&layer| sizes.has(&name(layer + 1))).count();
        if let Some(hidden) = sizes.extent(&name(0), 0).filter(|_| layers > 0) {
            sizes.found(&HIDDEN, whole(hidden), &name(0));
            sizes.found(&LAYERS, whole(layers), &name(layers));
        }
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, classes, hidden) = (config.image, require_classes(config)?, hidden(config));
        let (body, last, count) = if config.text("arch") == "cnn" {
            refuse(config, &LAYERS, "for a cnn, expected only for --arch mlp")?;
            let stack = Stack::new(config);
            let count = stack.count(Count::default()).linear(stack.features(), hidden).linear(hidden, classes);
            count.check::<T>(config)?;
            let convolutions = Convolutions::new(params, "", &stack);
            let fc1 = Linear::new(params, "fc1", stack.features(), hidden);
            (Body::Cnn(convolutions, fc1), Linear::new(params, "fc2", hidden, classes), count)
        } else {
            refuse(config, &CHANNELS, "for an mlp, expected only for --arch cnn")?;
            let layers = whole(config, &LAYERS);
            let inputs = |layer: usize| if layer == 0 { image.len() } else { hidden };
            let count = (0..layers).fold(Count::default(), |count, layer| count.linear(inputs(layer), hidden));
            let count = count.linear(hidden, classes).check::<T>(config)?;
            // The keys of an `nn.Sequential` whose even places have no parameters.
            let name = |layer: usize| format!("model.{}", 2 * layer + 1);
            let body = (0..layers).map(|layer| Linear::new(params, &name(layer), inputs(layer), hidden)).collect();
            (Body::Mlp(body), Linear::new(params, &name(layers), hidden, classes), count)
        };
        count.settle(params);
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
            Body::Mlp(layers) => {
                let x = tape.flatten(images);
                layers.iter().try_fold(x, |x, layer| layer.forward_relu(tape, x))? // (B, 256)
            }
            Body::Cnn(convolutions, fc1) => {
                let x = convolutions.forward(tape, images)?;
                fc1.forward_relu(tape, x)? // (B, 128)
            }
        };
        Ok(Classification { images, features, logits: self.last.forward(tape, features)? })
    }
}
