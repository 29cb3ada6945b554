//! Weights from a file: the variant recognised, every tensor checked, batch norm folded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use inkgrad_engine::ops::{Filter, Frozen};
use inkgrad_engine::{Init, Params};

use super::network::{COLOUR, COLOURS, Declared, Graph, LAST, Layer, Layers, Listing};
use super::{FEATURES, Variant};
use crate::run::checkpoint::Tensors;
use crate::{Error, Result, weights};

/// Batch norm's ε in every layer.
const EPSILON: f64 = 1e-3;

/// All weights, packed.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) variant: Variant,
    pub(super) layers: Layers,
    /// The first layer for pictures whose colours differ.
    pub(super) colour: Arc<Frozen<f32>>,
    /// From features to logits, without the bias.
    pub(super) last: Arc<Frozen<f32>>,
    /// The logits' bias.
    pub(super) bias: Vec<f32>,
}

impl Weights {
    /// Reads and packs a file.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let tensors = weights::load(path, None)?.tensors;
        let variant = variant(&tensors, path)?;
        let (listing, expected) = (layers(variant)?, layout(variant)?);
        let ignored = |name: &str| name.starts_with("AuxLogits.") || name.ends_with(".bn.num_batches_tracked");
        let mut values = tensors.without(ignored).take_all(&expected)?.into_iter();
        let mut next = || values.next().unwrap_or_default();

        let mut layers = BTreeMap::new();
        let mut colour = None;
        for layer in listing {
            let [w, scale, shift, mean, variance] = std::array::from_fn(|_| next());
            if let Some(bad) = variance.iter().find(|&&v| v < 0.0) {
                let problem = format!("{}.bn.running_var holds {bad}, expected no negative variance", layer.name);
                return Err(Error::input(path.display(), problem));
            }
            let statistics = [&scale[..], &shift, &mean, &variance];
            colour.get_or_insert_with(|| Arc::new(fold(Filter { inputs: COLOURS, ..layer.filter }, &w, statistics)));
            layers.insert(layer.name, Arc::new(fold(layer.filter, &w, statistics)));
        }
        let (w, bias) = (next(), next());
        let filter = Filter {
            inputs: FEATURES,
            outputs: bias.len(),
            kernel: (1, 1),
            stride: (1, 1),
            padding: (0, 0),
            relu: false,
        };
        let last = Arc::new(Frozen::new(filter, &w, &vec![0.0; bias.len()]));
        let colour = colour.unwrap_or_else(|| Arc::clone(&last));
        Ok(Weights { variant, layers, colour, last, bias })
    }
}

impl Weights {
    /// Declares all layers as parameters, with their values.
    pub(super) fn declare(&self, params: &mut Params<f32>) -> Declared {
        let others = [(COLOUR, &self.colour), (LAST, &self.last)];
        let named = self.layers.iter().map(|(name, layer)| (&**name, layer));
        let mut declared = Declared::new();
        for (name, layer) in named.chain(others) {
            let Filter { inputs, outputs, kernel, .. } = *layer.filter();
            let shape = [outputs, inputs, kernel.0, kernel.1];
            let w = params.declare(format!("{name}.weight"), shape, Init::Constant(0.0));
            let bias = params.declare(format!("{name}.bias"), [outputs], Init::Constant(0.0));
            layer.unpack(params.value_mut(&w));
            params.value_mut(&bias).copy_from_slice(layer.bias());
            declared.insert(name.to_owned(), [w, bias]);
        }
        declared
    }
}

/// Every convolution but the last product, in order.
fn layers(variant: Variant) -> Result<Vec<Layer>> {
    let mut listing = Listing::default();
    Graph { builder: &mut listing, variant }.body(1)?;
    Ok(listing.0)
}

/// The name and shape of every tensor that a file has to have.
pub(super) fn layout(variant: Variant) -> Result<Vec<(String, Vec<usize>)>> {
    let mut expected = Vec::new();
    for layer in layers(variant)? {
        let Filter { outputs, kernel, .. } = layer.filter;
        let inputs = colours(&layer.filter);
        expected.push((format!("{}.conv.weight", layer.name), vec![outputs, inputs, kernel.0, kernel.1]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            expected.push((format!("{}.bn.{part}", layer.name), vec![outputs]));
        }
    }
    expected.push(("fc.weight".to_owned(), vec![variant.classes(), FEATURES]));
    expected.push(("fc.bias".to_owned(), vec![variant.classes()]));
    Ok(expected)
}

/// Colours or channels that a layer's weights in the file have.
fn colours(filter: &Filter) -> usize {
    if filter.inputs == 1 { COLOURS } else { filter.inputs }
}

/// The variant whose logits these weights make.
fn variant(tensors: &Tensors, path: &Path) -> Result<Variant> {
    let problem = match tensors.get("fc.weight") {
        Err(_) => "no tensor fc.weight: these are no weights of InceptionV3".to_owned(),
        Ok(fc) => {
            let known = [Variant::Fid, Variant::Torchvision];
            if let Some(variant) = known.into_iter().find(|variant| fc.shape == [variant.classes(), FEATURES]) {
                return Ok(variant);
            }
            let found: Vec<String> = fc.shape.iter().map(usize::to_string).collect();
            format!(
                "fc.weight is ({}), expected (1008, 2048) of FID's or (1000, 2048) of torchvision's",
                found.join(", ")
            )
        }
    };
    Err(Error::input(path.display(), problem))
}

/// Batch norm after a convolution, (z − mean) · scale / √(variance + ε) + shift, is a convolution with other weights. A
/// first layer that sees three equal colours sees one, with the sum of their weights.
fn fold(filter: Filter, w: &[f32], [scale, shift, mean, variance]: [&[f32]; 4]) -> Frozen<f32> {
    let taps = filter.taps();
    let mut folded = Vec::with_capacity(filter.weights());
    let mut bias = Vec::with_capacity(filter.outputs);
    for (o, w) in w.chunks_exact(colours(&filter) * taps).enumerate() {
        let factor = f64::from(scale[o]) / (f64::from(variance[o]) + EPSILON).sqrt();
        if filter.inputs == 1 {
            let sum = |tap| w.iter().skip(tap).step_by(taps).map(|&w| f64::from(w)).sum::<f64>();
            folded.extend((0..taps).map(|tap| (sum(tap) * factor) as f32));
        } else {
            folded.extend(w.iter().map(|&w| (f64::from(w) * factor) as f32));
        }
        bias.push((f64::from(shift[o]) - f64::from(mean[o]) * factor) as f32);
    }
    Frozen::new(filter, &folded, &bias)
}
