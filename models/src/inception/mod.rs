//! InceptionV3, whose features most published scores compare: both files of weights that are in use.
//!
//! | | FID | torchvision |
//! |---|---|---|
//! | file | `pt_inception-2015-12-05-6726825d.pth` | `inception_v3_google-0cc3c7bd.pth` |
//! | logits | 1008 | 1000 |
//! | average pooling in the blocks counts the padding | no | yes |
//! | pooling in `Mixed_7c` | maximum | average |
//! | input | (v − 128) / 128 of bytes v; 2v / 255 − 1 where resized by `half-pixel`, as in pytorch-fid | 2v / 255 − 1 |
//!
//! Needs a file of weights; which tensors it has to hold can be asked without one.
//!
//! ```
//! use inkgrad_models::inception::{self, Variant};
//!
//! for (variant, classes) in [(Variant::Fid, 1008), (Variant::Torchvision, 1000)] {
//!     let layout = inception::layout(variant)?;
//!     assert!(layout.contains(&("fc.weight".to_owned(), vec![classes, inception::FEATURES])));
//! }
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

mod network;
pub mod resize;
mod weights;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use inkgrad_engine::ops::Window;
use inkgrad_engine::{Params, Tape, Tensor};

use self::network::{COLOURS, Declared, Graph, LAST, Recording};
pub use self::resize::{INPUT, Resampler, Resize};
use self::weights::Weights;
use crate::Result;
use crate::activations::Features;
use crate::data::{Extents, Source};
use crate::error::Error;
use crate::infer::machine::{self, Machine};
use crate::model::config::DeviceKind;

/// Features of a drawing: the mean over the last 8×8 pixels.
pub const FEATURES: usize = 2048;

/// Drawings that go through the network at a time.
const BATCH: usize = 8;

/// Which weights, and so which of the small differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The original TensorFlow weights of FID.
    Fid,
    /// torchvision's.
    Torchvision,
}

impl Variant {
    /// Elements of the logits, which tell the variants apart.
    pub fn classes(self) -> usize {
        match self {
            Variant::Fid => 1008,
            Variant::Torchvision => 1000,
        }
    }

    /// The network's input for a pixel in [0, 1], as the program has it that resizes by this rule.
    fn scale(self, rule: Resize, pixel: f32) -> f32 {
        match (self, rule) {
            (Variant::Fid, Resize::Tf1 | Resize::Bicubic) => (pixel * 255.0 - 128.0) / 128.0,
            (Variant::Fid, Resize::HalfPixel) | (Variant::Torchvision, _) => 2.0 * pixel - 1.0,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Variant::Fid => "fid",
            Variant::Torchvision => "torchvision",
        })
    }
}

/// The name and shape of every tensor that a file of weights has to have, but for `AuxLogits` and counters of batches,
/// which are passed over.
///
/// # Errors
/// None for the shapes that the network is built with.
pub fn layout(variant: Variant) -> Result<Vec<(String, Vec<usize>)>> {
    weights::layout(variant)
}

/// The network with its weights, ready for drawings.
#[derive(Debug)]
pub struct Inception {
    weights: Weights,
    rule: Resize,
    /// Those of the sizes seen last.
    resamplers: Vec<Arc<Resampler>>,
    machine: Machine,
    /// The weights that a device holds; none where the processor computes.
    params: Params<f32>,
    declared: Option<Declared>,
    plan: Option<Compiled>,
}

/// Sizes of pictures whose resamplers are kept.
const SIZES: usize = 64;

/// A picture, and what resizes it.
type Sized = (Arc<Resampler>, Vec<f32>);

/// The channels of a batch: 1 where none of its pictures has colour.
fn channels(pictures: &[(Extents, Vec<f32>)]) -> Result<usize> {
    match pictures.iter().find(|(extents, _)| ![1, COLOURS].contains(&extents.channels)) {
        Some((extents, _)) => {
            Err(Error::input("Inception", format_args!("pictures of {extents}, expected 1 channel or {COLOURS}")))
        }
        None => Ok(pictures.iter().map(|(extents, _)| extents.channels).max().unwrap_or(1)),
    }
}

/// A plan for some number of drawings.
#[derive(Debug)]
struct Compiled {
    batch: usize,
    channels: usize,
    images: Tensor,
    features: Tensor,
    logits: Tensor,
    plan: machine::Compiled,
}

impl Inception {
    /// Loads a `.safetensors` or PyTorch `.pth` file of either variant, for drawings enlarged by `rule`.
    ///
    /// # Errors
    /// If the file cannot be read, or a tensor is missing, unknown or of another shape; `AuxLogits` is passed over.
    pub fn load(path: &Path, rule: Resize, threads: usize) -> Result<Self> {
        Ok(Inception {
            weights: Weights::load(path)?,
            rule,
            resamplers: Vec::new(),
            machine: Machine::new(threads),
            params: Params::new(),
            declared: None,
            plan: None,
        })
    }

    /// The same network on a device, to which its weights are copied: its results are the processor's but for rounding.
    ///
    /// # Errors
    /// [`Error::Input`] if the device cannot be used or has too little memory.
    pub fn on(self, device: DeviceKind) -> Result<Self> {
        let (mut params, mut declared) = (Params::new(), None);
        if device != DeviceKind::Cpu {
            declared = Some(self.weights.declare(&mut params));
        }
        Ok(Inception { machine: self.machine.on(device, &params)?, params, declared, plan: None, ..self })
    }

    /// Which weights these are.
    pub fn variant(&self) -> Variant {
        self.weights.variant
    }

    /// The features and logits of pictures of any sizes, grey or in colour. `watch` is told after every 8 how many are done.
    ///
    /// # Errors
    /// Where a picture cannot be read, or has neither 1 channel nor 3.
    pub fn features(&mut self, images: &dyn Source, watch: &mut dyn FnMut(usize)) -> Result<Features> {
        let (n, classes) = (images.len(), self.weights.bias.len());
        let mut features = Features {
            width: FEATURES,
            values: Vec::with_capacity(n * FEATURES),
            unbiased: Vec::with_capacity(n * classes),
            bias: self.weights.bias.clone(),
        };
        let (variant, rule) = (self.weights.variant, self.rule);
        for first in (0..n).step_by(BATCH) {
            let pictures = (first..n.min(first + BATCH)).map(|i| images.picture(i)).collect::<Result<Vec<_>>>()?;
            let channels = channels(&pictures)?;
            let pictures: Vec<Sized> = pictures.into_iter().map(|picture| self.sized(picture, channels)).collect();
            self.prepare(pictures.len(), channels)?;
            let enlarge = |i: usize, [input]: [&mut [f32]; 1]| {
                let (resampler, picture): &Sized = &pictures[i];
                resampler.apply(picture, input);
                input.iter_mut().for_each(|pixel| *pixel = variant.scale(rule, *pixel));
            };
            let compiled = self.plan.as_mut().expect("prepared above");
            self.machine.fill(&mut compiled.plan, compiled.images, |pool, input| {
                pool.enter(|team| team.pieces([(input, INPUT * INPUT * channels)], enlarge));
            })?;
            self.machine.forward(&mut compiled.plan, &self.params)?;
            self.machine.read(&compiled.plan, compiled.features, &mut features.values)?;
            self.machine.read(&compiled.plan, compiled.logits, &mut features.unbiased)?;
            watch(first + pictures.len());
        }
        Ok(features)
    }

    /// A picture with as many channels, and what resizes it.
    fn sized(&mut self, (extents, values): (Extents, Vec<f32>), channels: usize) -> Sized {
        let values = match (extents.channels, channels) {
            (1, 3) => values.into_iter().flat_map(|v| [v; 3]).collect(),
            _ => values,
        };
        let extents = Extents { channels, ..extents };
        if let Some(known) = self.resamplers.iter().find(|known| known.extents() == extents) {
            return (Arc::clone(known), values);
        }
        if self.resamplers.len() >= SIZES {
            self.resamplers.clear();
        }
        let new = Arc::new(Resampler::new(self.rule, extents));
        self.resamplers.push(Arc::clone(&new));
        (new, values)
    }

    /// Has a plan for `batch` pictures with as many channels in place of that for others.
    fn prepare(&mut self, batch: usize, channels: usize) -> Result<()> {
        if self.plan.as_ref().is_some_and(|plan| (plan.batch, plan.channels) == (batch, channels)) {
            return Ok(());
        }
        if let Some(other) = self.plan.take() {
            self.machine.release(other.plan)?;
        }
        self.plan = Some(self.compile(batch, channels)?);
        Ok(())
    }

    /// Records and plans the network for `batch` pictures with as many channels.
    fn compile(&mut self, batch: usize, channels: usize) -> Result<Compiled> {
        let mut tape = Tape::new();
        let images = tape.input("images", [batch, INPUT, INPUT, channels]);
        let Weights { layers, colour, last, variant, .. } = &self.weights;
        let mut builder = Recording { tape: &mut tape, layers, colour, declared: self.declared.as_ref() };
        let x = Graph { builder: &mut builder, variant: *variant }.body(images)?; // (B, 8, 8, 2048)
        let shape = builder.tape.shape(x);
        let window = Window { kernel: (shape.dims()[1], shape.dims()[2]), stride: (1, 1), padding: (0, 0) };
        let features = builder.tape.avg_pool2d(x, window, true)?; // (B, 1, 1, 2048)
        let logits = builder.with(features, LAST, last)?; // (B, 1, 1, classes)
        let plan = self.machine.compile(tape, &[features, logits], &self.params)?;
        Ok(Compiled { batch, channels, images, features, logits, plan })
    }
}
