//! The page on which a network runs: its recorded tapes, its weights and some drawings in one file, and a script that replays
//! the one with the others.

mod drawings;
mod half;
mod page;
mod step;
mod tape;
#[cfg(test)]
mod tests;
mod weights;

use inkgrad_engine::{Tape, Tensor};
use inkgrad_models::data::{Dataset, Images};
use inkgrad_models::infer::Inference;
use inkgrad_models::model::Network;
use inkgrad_models::run::config::Config;
use inkgrad_models::{Models, Result};
use serde::Serialize;

use self::drawings::{Codes, Drawings};
pub use self::page::{MADE_BY, render};
use self::tape::Node;
pub use self::weights::Numbers;
use self::weights::Weights;

/// Drawings on which the rounding of weights is measured.
const MEASURED: usize = 20;

/// A page is to stay below 3 MB; beside weights and drawings it has gradients, scripts and the graph.
const MOST: usize = 2_960_000;
const OTHERS: usize = 380_000;

/// Everything that a page knows.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The model's name.
    model: String,
    /// A description of one line.
    description: String,
    /// Where the weights come from.
    origin: String,
    /// The data's name.
    data: String,
    /// The axis of its loss.
    loss: &'static str,
    /// Height, width and channels.
    image: [usize; 3],
    classes: Vec<String>,
    parameters: usize,
    weights: Weights,
    /// The largest difference that rounding made, on drawings of the page.
    pub error: Rounding,
    drawings: Drawings,
    /// None for a model that neither codes pictures nor tells their classes.
    codes: Option<Codes>,
    tapes: Tapes,
    /// Rows of originals and reconstructions, for those who run no scripts.
    #[serde(skip)]
    still: Vec<f32>,
}

/// How far outputs moved when weights were rounded.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rounding {
    /// Drawings compared.
    pub drawings: usize,
    /// Of a pixel decoded, or of a class's probability.
    pub output: f32,
    /// Of an element of a code.
    pub code: f32,
}

#[derive(Debug, Serialize)]
struct Tapes {
    training: step::Training,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<Decoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<Classification>,
}

#[derive(Debug, Serialize)]
struct Encoding {
    nodes: Vec<Node>,
    images: usize,
    labels: Option<usize>,
    mu: usize,
    logvar: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Decoding {
    nodes: Vec<Node>,
    latents: usize,
    labels: Option<usize>,
    images: usize,
}

#[derive(Debug, Serialize)]
struct Classification {
    nodes: Vec<Node>,
    images: usize,
    features: usize,
    logits: usize,
}

/// The contents of a page.
pub struct Subject<'a> {
    /// The models that the program knows.
    pub models: &'a Models,
    /// The network's settings.
    pub config: &'a Config,
    /// The network.
    pub network: Network<f32>,
    /// Where its weights come from, in words.
    pub origin: String,
    /// The drawings that it is shown on.
    pub dataset: &'a Dataset,
    /// How the page holds the weights.
    pub numbers: Numbers,
    /// Threads to compute on.
    pub threads: usize,
}

impl Subject<'_> {
    /// Gathers what the page shows.
    ///
    /// # Errors
    /// If a weight does not fit its place on the page, or the network does not fit the drawings.
    pub fn explain(self) -> Result<Explained> {
        let Subject { models, config, mut network, origin, dataset, numbers, threads } = self;
        let (weights, rounded) = Weights::round(models, config, &network, numbers)?;
        let drawings = Drawings::choose(dataset, MOST.saturating_sub(weights.len() + OTHERS));
        let tapes = Tapes {
            training: step::take(&mut network, &drawings, config.seed)?,
            encoding: network.is_autoencoder().then(|| encoding(&network)).transpose()?,
            decoding: decodes(&network).then(|| decoding(&network)).transpose()?,
            classification: network.is_classifier().then(|| classification(&network)).transpose()?,
        };
        let mut exact = Inference::new(network, threads);
        let mut rounded = Inference::new(rounded, threads);
        let few: Vec<usize> = (0..MEASURED.min(drawings.labels.len())).collect();
        let (images, labels) = (drawings.images.take(&few), &drawings.labels[..few.len()]);
        let (was, is) = (outputs(&mut exact, &images, labels)?, outputs(&mut rounded, &images, labels)?);
        let error = Rounding { drawings: few.len(), output: apart(&was.1, &is.1), code: apart(&was.0, &is.0) };
        let network = exact.network();
        let still = if decodes(network) { is.1 } else { Vec::new() };
        let codes = network.is_autoencoder() || network.is_classifier();
        let codes = codes.then(|| Codes::gather(&mut rounded, &drawings)).transpose()?;
        Ok(Explained {
            model: config.label(),
            description: (network.spec().describe)(config),
            origin,
            data: dataset.name.clone(),
            loss: network.spec().loss,
            image: network.image().into(),
            classes: config.classes.clone(),
            parameters: network.params.count(),
            weights,
            error,
            drawings,
            codes,
            tapes,
            still,
        })
    }
}

/// Whether latents become pictures: an encoder alone may have none that do.
fn decodes(network: &Network<f32>) -> bool {
    network.is_autoencoder() && network.decoding(&mut Tape::new(), 1).is_ok()
}

/// The codes of pictures, and what becomes of them: pictures again, or probabilities; empty for what there is none of.
fn outputs(inference: &mut Inference, images: &Images, labels: &[usize]) -> Result<(Vec<f32>, Vec<f32>)> {
    let network = inference.network();
    let (encoder, decoder) = (network.encoder_sees_classes(), network.sees_classes());
    if network.is_classifier() {
        return Ok((inference.features(images)?.values, inference.classify(images)?));
    }
    let decodes = decodes(network);
    if !network.is_autoencoder() {
        return Ok((Vec::new(), Vec::new()));
    }
    let codes = inference.encode(images, encoder.then_some(labels))?.mu;
    let decoded = if decodes { inference.decode(&codes, decoder.then_some(labels))? } else { Vec::new() };
    Ok((codes, decoded))
}

/// The largest difference.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn encoding(network: &Network<f32>) -> Result<Encoding> {
    let mut tape = Tape::new();
    let graph = network.encoding(&mut tape, 1)?;
    let at = |tensor: Option<Tensor>| tensor.map(Tensor::index);
    let (images, labels, logvar) = (graph.images.index(), at(graph.labels), at(graph.logvar));
    Ok(Encoding { nodes: tape::nodes(&tape), images, labels, mu: graph.mu.index(), logvar })
}

fn decoding(network: &Network<f32>) -> Result<Decoding> {
    let mut tape = Tape::new();
    let graph = network.decoding(&mut tape, 1)?;
    let (latents, labels, images) = (graph.latents.index(), graph.labels.map(Tensor::index), graph.images.index());
    Ok(Decoding { nodes: tape::nodes(&tape), latents, labels, images })
}

fn classification(network: &Network<f32>) -> Result<Classification> {
    let mut tape = Tape::new();
    let graph = network.classification(&mut tape, 1)?;
    let (images, features, logits) = (graph.images.index(), graph.features.index(), graph.logits.index());
    Ok(Classification { nodes: tape::nodes(&tape), images, features, logits })
}
