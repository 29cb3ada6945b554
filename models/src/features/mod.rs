//! The material of scores: a network's features of drawings, made once and kept on disk.
//!
//! ```
//! use inkgrad_models::data::builtin;
//! use inkgrad_models::features::{Cache, Extractor};
//! use inkgrad_models::prelude::*;
//!
//! let folder = tempfile::tempdir().expect("a folder");
//! let (data, run) = (folder.path().join("data"), folder.path().join("classifier"));
//! write_course(&builtin(40, 1)?, &data)?;
//! let models = Models::builtin();
//! let defaults = models.defaults("classifier")?;
//! let config = Config { data: data.display().to_string(), epochs: None, steps: Some(2), batch_size: 8, ..defaults };
//! Trainer::start(&models, config, &run, false)?.0.run(&mut ())?;
//!
//! let (mut extractor, _) = Extractor::classifier(&models, &run, None, 1)?;
//! let images = builtin(10, 2)?.train.images;
//! let features = extractor.features(&images, &Cache::none(), &mut |_| {})?;
//! assert_eq!((features.len(), features.width), (images.len(), 256));
//! # Ok::<(), Error>(())
//! ```

mod cache;

use std::ops::Range;
use std::path::Path;

use serde::Serialize;

pub use self::cache::{Cache, caches};
pub use crate::activations::Features;
pub use crate::data::pictures;
use crate::data::pictures::Pictures;
use crate::data::{Images, Source};
pub(crate) use crate::digest::hexadecimal;
pub use crate::digest::sha256;
use crate::inception::{self, Inception, Resize};
use crate::infer::Inference;
use crate::model::Models;
use crate::model::config::Device;
use crate::ranks::{Ranks, agree, any};
use crate::trainer::{Opened, Which};
use crate::{Error, Result};

/// Where features come from: the part of a score's passport that is about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
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
    provenance: Provenance,
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
        let provenance = Provenance { extractor, weights_sha256: sha256(weights)?, resize: Some(rule) };
        Ok(Extractor { network: Network::Inception(Box::new(network)), provenance })
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
        let provenance = Provenance { extractor: config.slug(), weights_sha256: sha256(&file)?, resize: None };
        let network = Network::Classifier(Box::new(Inference::new(network, threads)));
        Ok((Extractor { network, provenance }, note))
    }

    /// The same with its network on a device.
    ///
    /// # Errors
    /// Those of [`Inference::on`]; for InceptionV3, whose operations have kernels for the processor alone.
    pub fn on(self, device: Device) -> Result<Self> {
        let network = match self.network {
            Network::Classifier(network) => Network::Classifier(Box::new(network.on(device)?)),
            Network::Inception(_) if device != Device::Cpu => {
                let problem = format!("{device}: InceptionV3 has no kernels for a GPU, expected cpu");
                return Err(Error::input("--device", problem));
            }
            network => network,
        };
        Ok(Extractor { network, ..self })
    }

    /// Where the features come from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The features of the pictures in a folder, in their order, from the cache where it has them. InceptionV3 takes pictures
    /// of any sizes, which its rule resizes; a classifier those that it was trained on.
    ///
    /// # Errors
    /// If a file is no picture, or not what the network is for; those of [`Extractor::features`].
    pub fn folder_features(
        &mut self,
        pictures: &Pictures,
        cache: &Cache,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Features> {
        let key = cache.folder_key(&self.provenance, pictures)?;
        if let Some(found) = cache.load(&key) {
            watch(pictures.len());
            return Ok(found);
        }
        cache.prepare()?;
        let features = match &mut self.network {
            Network::Inception(network) => network.features(pictures, watch)?,
            Network::Classifier(network) => {
                let images = pictures::same_size(&[pictures], &mut |_| {})?.remove(0);
                let (found, expected) = (images.extents(), network.network().image());
                if found != expected {
                    let problem = format!("pictures of {found}, expected {expected} as in the classifier's training");
                    return Err(Error::input(pictures.folder().display(), problem));
                }
                let features = network.unbiased_features(&images)?;
                watch(images.len());
                features
            }
        };
        // As with arrays.
        let _ = cache.store(&key, &features);
        Ok(features)
    }

    /// Numbers of a row of features.
    ///
    /// # Errors
    /// None for networks that could be loaded.
    pub fn width(&self) -> Result<usize> {
        match &self.network {
            Network::Inception(_) => Ok(inception::FEATURES),
            Network::Classifier(network) => network.network().features(),
        }
    }

    /// The features of drawings, from the cache where it has them. `watch` is told now and then how many drawings are done.
    ///
    /// # Errors
    /// If the cache's folder cannot be made. Features that it then has no room for are given without being kept.
    pub fn features(&mut self, images: &Images, cache: &Cache, watch: &mut dyn FnMut(usize)) -> Result<Features> {
        let key = cache.key(&self.provenance, images);
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

    /// The same by several ranks, each some of the drawings: rank 0 looks into the cache, gets the features and keeps them. Others
    /// get none.
    ///
    /// # Errors
    /// As [`Extractor::features`], of whichever rank.
    pub fn features_among(
        &mut self,
        images: &Images,
        cache: &Cache,
        ranks: &dyn Ranks,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Features> {
        if ranks.size() == 1 {
            return self.features(images, cache, watch);
        }
        let nothing = || Features { width: 0, values: Vec::new(), unbiased: Vec::new(), bias: Vec::new() };
        let key = ranks.is_root().then(|| cache.key(&self.provenance, images));
        let found = key.as_ref().and_then(|key| cache.load(key));
        let prepared = if key.is_some() && found.is_none() { cache.prepare() } else { Ok(()) };
        agree(ranks, prepared)?;
        if any(ranks, [found.is_some()]) == [true] {
            watch(images.len());
            return Ok(found.unwrap_or_else(nothing));
        }
        let shares: Vec<_> = (0..ranks.size()).map(|rank| own_drawings(images.len(), rank, ranks.size())).collect();
        let own: Vec<usize> = shares[ranks.rank()].clone().collect();
        let mut of_all = |done: usize| watch((done * ranks.size()).min(images.len()));
        let made = match own.is_empty() {
            true => Ok(nothing()),
            false => self.features(&images.take(&own), &Cache::none(), &mut of_all),
        };
        let Features { width, values, unbiased, bias } = agree(ranks, made)?;
        let counts = |of_a_drawing: usize| shares.iter().map(|share| share.len() * of_a_drawing).collect::<Vec<_>>();
        let (values, unbiased) = (ranks.gather(&values, &counts(width)), ranks.gather(&unbiased, &counts(bias.len())));
        let features = Features { width, values, unbiased, bias };
        if let Some(key) = key {
            let _ = cache.store(&key, &features);
        }
        Ok(features)
    }
}

/// Drawings that are dealt out together: whole batches of both networks, since a smaller batch may round differently.
const DEALT: usize = 128;

/// The drawings of a rank. Of fewer batches than ranks the first ranks have one each: rank 0, which gathers, always knows how wide
/// features are.
fn own_drawings(drawings: usize, rank: usize, ranks: usize) -> Range<usize> {
    let batches = drawings.div_ceil(DEALT);
    let first = |rank: usize| drawings.min((rank * batches).div_ceil(ranks) * DEALT);
    first(rank)..first(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::builtin;
    use crate::prelude::*;
    use crate::ranks::threads;

    #[test]
    fn features_are_the_same_whoever_makes_them() {
        let folder = tempfile::tempdir().unwrap();
        let (data, run) = (folder.path().join("data"), folder.path().join("run"));
        write_course(&builtin(40, 1).unwrap(), &data).unwrap();
        let models = Models::builtin();
        let defaults = models.defaults("classifier").unwrap();
        let data = data.display().to_string();
        let config = Config { data, epochs: None, steps: Some(2), batch_size: 8, ..defaults };
        Trainer::start(&models, config, &run, false).unwrap().0.run(&mut ()).unwrap();
        let images = builtin(500, 2).unwrap().train.images;
        let (mut alone, _) = Extractor::classifier(&models, &run, None, 1).unwrap();
        let expected = alone.features(&images, &Cache::none(), &mut |_| {}).unwrap();
        for ranks in [1, 2, 3, 5] {
            let cache = Cache::at(folder.path().join(format!("cache-{ranks}")));
            for turn in ["made", "kept"] {
                let made = threads::run(ranks, |rank| {
                    let (mut extractor, _) = Extractor::classifier(&models, &run, None, 1).unwrap();
                    extractor.features_among(&images, &cache, &rank, &mut |_| {}).unwrap()
                });
                assert!(made[0] == expected, "{ranks} ranks, {turn}");
                assert!(made[1..].iter().all(|features| features.values.is_empty()));
            }
        }
    }
}
