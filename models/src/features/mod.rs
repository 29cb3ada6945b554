//! What the scores compare: a network's features of drawings, made once and kept on disk.

mod cache;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::cache::{Cache, caches};
use crate::data::Images;
use crate::inception::{Inception, Resize};
use crate::infer::Inference;
use crate::model::Models;
use crate::trainer::{Opened, Which};
use crate::{Error, Result};

/// Features and logits of drawings.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Elements of one drawing's features.
    pub width: usize,
    /// `(N, width)`.
    pub values: Vec<f32>,
    /// The last layer's products without its bias, `(N, classes)`: what torch-fidelity's Inception Score takes.
    pub unbiased: Vec<f32>,
    /// The last layer's bias, `(classes)`.
    pub bias: Vec<f32>,
}

impl Features {
    /// How many drawings.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of one drawing's logits.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// The logits as the network gives them, `(N, classes)`.
    pub fn logits(&self) -> Vec<f32> {
        let rows = self.unbiased.chunks_exact(self.classes().max(1));
        rows.flat_map(|row| row.iter().zip(&self.bias).map(|(product, bias)| product + bias)).collect()
    }
}

/// What made some features: the part of a score's passport that is about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passport {
    /// `inception-fid`, `inception-torchvision`, `classifier-mlp` or `classifier-cnn`.
    pub extractor: String,
    /// SHA-256 of the file of weights, in hexadecimal.
    pub weights_sha256: String,
    /// How drawings are enlarged, where they are.
    pub resize: Option<Resize>,
}

/// A network that makes features.
#[derive(Debug)]
pub struct Extractor {
    network: Network,
    passport: Passport,
}

#[derive(Debug)]
enum Network {
    Inception(Box<Inception>),
    Classifier(Box<Inference>),
}

impl Extractor {
    /// InceptionV3 with the weights in a `.safetensors` or `.pth` file, for drawings enlarged by `rule`: 2048 features.
    ///
    /// # Errors
    /// If the file cannot be read, or is not what either variant of the network needs.
    pub fn inception(weights: &Path, rule: Resize, threads: usize) -> Result<Self> {
        let network = Inception::load(weights, rule, threads)?;
        let extractor = format!("inception-{}", network.variant());
        let passport = Passport { extractor, weights_sha256: sha256(weights)?, resize: Some(rule) };
        Ok(Extractor { network: Network::Inception(Box::new(network)), passport })
    }

    /// The classifier of a run with the weights asked for, see [`Opened::open`]; of this program's own, 256 features of the
    /// `mlp`, 128 of the `cnn`. Beside it the line that says which weights are used, where there is a choice.
    ///
    /// # Errors
    /// If the folder holds no run, or another model's.
    pub fn classifier(
        models: &Models,
        run: &Path,
        weights: Option<Which>,
        threads: usize,
    ) -> Result<(Self, Option<String>)> {
        let opened = Opened::open(models, run, weights)?;
        let note = opened.note();
        let Opened { config, network, file, .. } = opened;
        if !network.is_classifier() {
            return Err(Error::input(run.display(), format!("holds {}, expected a classifier", config.model)));
        }
        let passport = Passport { extractor: config.slug(), weights_sha256: sha256(&file)?, resize: None };
        let network = Network::Classifier(Box::new(Inference::new(network, threads)));
        Ok((Extractor { network, passport }, note))
    }

    /// What makes the features.
    pub fn passport(&self) -> &Passport {
        &self.passport
    }

    /// The features of drawings, from the cache where it has them. `watch` is told now and then how many drawings are done.
    ///
    /// # Errors
    /// If the cache's folder cannot be made. Features that it then has no room for are given without being kept.
    pub fn features(&mut self, images: &Images, cache: &Cache, watch: &mut dyn FnMut(usize)) -> Result<Features> {
        let key = cache.key(&self.passport, images);
        if let Some(found) = cache.load(&key) {
            watch(images.len());
            return Ok(found);
        }
        cache.prepare()?;
        let features = match &mut self.network {
            Network::Inception(network) => network.features(images, watch)?,
            Network::Classifier(network) => {
                let features = network.unbiased_features(images)?;
                watch(images.len());
                features
            }
        };
        // A full disk costs time the next time, and no result.
        let _ = cache.store(&key, &features);
        Ok(features)
    }
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hexadecimal(digest)),
            Ok(n) => digest.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path)(error)),
        }
    }
}

/// A finished digest in hexadecimal.
pub(crate) fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
