//! The networks that score drawings: a classifier with its features and verdicts, and InceptionV3 where its weights are at hand.

use std::path::{Path, PathBuf};

use inkgrad_kernels::cpu::bytes::little_endian;
use inkgrad_kernels::cpu::simd;
use sha2::{Digest, Sha256};

use super::Watch;
use crate::activations::Activations;
use crate::data::{Dataset, Images};
use crate::features::{self, Cache, hexadecimal};
use crate::infer::Inference;
use crate::metrics::FeatureSource;
use crate::model::{Network, Spec};
use crate::network::classifier::Classifier;
use crate::ranks::{Ranks, Solo, agree, broadcast};
use crate::run::checkpoint::{load_tensors, save_with_sum};
use crate::run::config::{Config, DeviceKind};
use crate::run::disk;
use crate::{Result, trainer};

/// A trained classifier with the names that passports give it.
#[derive(Debug)]
pub struct Judge {
    inference: Inference,
    /// Its description: architecture and width of its features.
    pub name: String,
    /// The SHA-256 of its weights, see [`fingerprint`].
    pub sha256: String,
    /// The network of the scores that most publications give.
    pub inception: Option<Inception>,
}

/// InceptionV3, and where its features are kept.
#[derive(Debug)]
pub struct Inception {
    extractor: features::Extractor,
    cache: Cache,
}

impl Inception {
    /// Takes an extractor, see [`features::Extractor::inception`].
    pub fn new(extractor: features::Extractor, cache: Cache) -> Self {
        Inception { extractor, cache }
    }

    /// Where the features come from.
    pub fn source(&self) -> FeatureSource {
        let features::Provenance { extractor, weights_sha256, resize } = self.extractor.provenance().clone();
        let resize = resize.map(|rule| rule.to_string());
        FeatureSource { name: extractor, weights_sha256: Some(weights_sha256), resize }
    }

    /// Features and logits of drawings; `watch` is told now and then how many are done, and of how many.
    ///
    /// # Errors
    /// Those of [`features::Extractor::features`].
    pub fn features(&mut self, images: &Images, watch: &mut dyn FnMut(usize, usize)) -> Result<features::Features> {
        self.features_among(images, &Solo, watch)
    }

    /// The same by several ranks, each some of the drawings; all get all.
    ///
    /// # Errors
    /// Those of [`features::Extractor::features`], of whichever rank.
    pub fn features_among(
        &mut self,
        images: &Images,
        ranks: &dyn Ranks,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<features::Features> {
        let of = images.len();
        let found = self.extractor.features_among(images, &self.cache, ranks, &mut |done| watch(done, of))?;
        features::to_all(found, ranks)
    }
}

impl Judge {
    /// Takes a trained classifier.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn new(network: Network<f32>, config: &Config, threads: usize) -> Result<Self> {
        let (width, sha256) = (network.features()?, fingerprint(&network));
        let name = format!("{}, {width} features", config.slug().replacen('-', " ", 1));
        Ok(Judge { inference: Inference::new(network, threads), name, sha256, inception: None })
    }

    /// The same with its classifier on a device.
    ///
    /// # Errors
    /// Those of [`Inference::on`].
    pub fn on(self, device: DeviceKind) -> Result<Self> {
        Ok(Judge { inference: self.inference.on(device)?, ..self })
    }

    /// Trains one on the spot, for want of a run: `cnn`, `epochs` passes over the training drawings; or takes the one that
    /// was kept in the folder `kept` when the same drawings and settings were asked for. `watch` is told how many steps are
    /// done, and of how many. Gives the file beside it, where it was found there or is kept now.
    ///
    /// # Errors
    /// If the data has fewer than two classes.
    pub fn train(
        dataset: &Dataset,
        epochs: u64,
        seed: u64,
        threads: usize,
        kept: Option<&Path>,
        watch: &mut Watch,
    ) -> Result<(Self, Source)> {
        Self::train_among(dataset, (epochs, seed), threads, kept, &Solo, watch)
    }

    /// [`Judge::train`] for several ranks: rank 0 trains it, or finds it kept, and gives it to all.
    ///
    /// # Errors
    /// As [`Judge::train`].
    pub fn train_among(
        dataset: &Dataset,
        (epochs, seed): (u64, u64),
        threads: usize,
        kept: Option<&Path>,
        ranks: &dyn Ranks,
        watch: &mut Watch,
    ) -> Result<(Self, Source)> {
        let spec = Spec::of::<Classifier>();
        let defaults = Config::defaults(&spec);
        let config = Config {
            classes: dataset.classes.clone(),
            image: dataset.train.images.extents(),
            data: dataset.name.clone(),
            epochs: Some(epochs),
            batch_size: defaults.batch_size.min(dataset.train.len()),
            seed,
            threads,
            ..defaults
        }
        .with_text("arch", "cnn");
        let made = match ranks.is_root() {
            true => kept_or_trained(dataset, spec, &config, kept, watch),
            false => {
                Network::new(spec, &config).map(|network| (network, Source::Trained { kept: None, damaged: None }))
            }
        };
        let (mut network, source) = agree(ranks, made)?;
        broadcast(ranks, &mut network.params.values);
        Ok((Self::new(network, &config, threads)?, source))
    }

    /// Features and logits of drawings.
    ///
    /// # Errors
    /// Those of [`Inference::features`].
    pub fn features(&mut self, images: &Images) -> Result<Activations> {
        self.inference.features(images)
    }

    /// The same by several ranks, each some of the drawings; all get all.
    ///
    /// # Errors
    /// Those of [`Inference::features`], of whichever rank.
    pub fn features_among(&mut self, images: &Images, ranks: &dyn Ranks) -> Result<Activations> {
        self.inference.features_among(images, ranks)
    }

    /// Class probabilities of drawings, `(N, classes)`.
    ///
    /// # Errors
    /// Those of [`Inference::classify`].
    pub fn classify(&mut self, images: &Images) -> Result<Vec<f32>> {
        self.inference.classify(images)
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.inference.network().classes()
    }
}

/// Where a judge that was asked for on the spot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was kept in this file.
    Kept(PathBuf),
    /// It was trained.
    Trained {
        /// It is kept in this file, where it could be.
        kept: Option<PathBuf>,
        /// It was kept in this one, whose contents are no longer those that were written.
        damaged: Option<PathBuf>,
    },
}

/// The judge that is kept in a folder, or one that is trained and kept there.
fn kept_or_trained(
    dataset: &Dataset,
    spec: Spec,
    config: &Config,
    kept: Option<&Path>,
    watch: &mut Watch,
) -> Result<(Network<f32>, Source)> {
    let file = kept.map(|folder| folder.join(format!("{}.safetensors", key(dataset, config))));
    let mut damaged = None;
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        match load(spec, config, file) {
            Some(network) => return Ok((network, Source::Kept(file.clone()))),
            None => damaged = Some(file.clone()),
        }
    }
    let network = trainer::fit(spec, config, &dataset.train, &mut |done, of| watch("steps of the judge", done, of))?;
    // A disk that is full or only reads costs time the next time, and no result.
    let kept = file.filter(|file| {
        let made = file.parent().is_none_or(|folder| disk::create_dir_all(folder).is_ok());
        made && save(config, &network, file).is_ok()
    });
    Ok((network, Source::Trained { kept, damaged }))
}

/// Settings that its weights do not depend on.
const NOT_IN_KEY: [&str; 4] = ["threads", "data", "log_every", "checkpoint_minutes"];

/// Everything that a judge's weights depend on: the drawings, its settings with the program's version, and the instructions, which
/// round differently. So nothing that is kept is ever out of date.
fn key(dataset: &Dataset, config: &Config) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("inkgrad judge 2\n{}\n{}\n", dataset.fingerprint(), simd::isa().name()));
    for (name, value) in config.settings().iter().filter(|(name, _)| !NOT_IN_KEY.contains(&name.as_str())) {
        hash.update(format!("{name} = {value}\n"));
    }
    hexadecimal(hash)
}

/// Keeps a judge in a file.
fn save(config: &Config, network: &Network<f32>, file: &Path) -> Result<()> {
    let metadata = [("format", "pt".to_owned()), ("model", config.model.clone())];
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let list = network.list();
    let tensors: Vec<(&str, &[usize], &[f32])> =
        list.iter().map(|param| (param.name.as_str(), param.shape.dims(), network.params.value(param))).collect();
    save_with_sum(file, &tensors, metadata)
}

/// The judge kept in a file, where that holds the weights that were written.
fn load(spec: Spec, config: &Config, file: &Path) -> Option<Network<f32>> {
    let mut network = Network::new(spec, config).ok()?;
    let tensors = load_tensors(file).ok()?;
    tensors.check_sum().ok()?;
    trainer::fill(&mut network, tensors).ok()?;
    Some(network)
}

/// The identity of weights: the SHA-256 of all parameters' names, shapes and little-endian values, in order.
pub fn fingerprint(network: &Network<f32>) -> String {
    let mut hash = Sha256::new();
    for param in network.list() {
        hash.update(format!("{} {}\n", param.name, param.shape));
        little_endian(network.params.value(&param)).for_each(|bytes| hash.update(bytes));
    }
    hexadecimal(hash)
}
