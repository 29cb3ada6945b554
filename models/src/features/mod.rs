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
use crate::data::{Extents, Images, Source};
pub(crate) use crate::digest::hexadecimal;
pub use crate::digest::sha256;
use crate::inception::{self, Inception, Resize};
use crate::infer::Inference;
use crate::model::Models;
use crate::model::config::DeviceKind;
use crate::ranks::{Ranks, Solo, agree, all_gather_f64, any, broadcast, check_count, shares_of_rows};
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
    /// Those of [`Inference::on`] and of [`Inception::on`].
    pub fn on(self, device: DeviceKind) -> Result<Self> {
        let network = match self.network {
            Network::Classifier(network) => Network::Classifier(Box::new(network.on(device)?)),
            Network::Inception(network) => Network::Inception(Box::new(network.on(device)?)),
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
        self.folder_features_among(pictures, cache, &Solo, watch)
    }

    /// The same by several ranks, as [`Extractor::features_among`].
    ///
    /// # Errors
    /// As [`Extractor::folder_features`], of whichever rank.
    pub fn folder_features_among(
        &mut self,
        pictures: &Pictures,
        cache: &Cache,
        ranks: &dyn Ranks,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Features> {
        let key = || cache.folder_key(&self.provenance, pictures);
        let network = &mut self.network;
        kept_or_made(cache, key, pictures.len(), ranks, watch, |rows, watch| match network {
            Network::Inception(network) => network.features(&Rows { all: pictures, rows }, watch),
            Network::Classifier(network) => {
                let images = pictures::same_size(&[pictures], &mut |_| {})?.remove(0);
                let (found, expected) = (images.extents(), network.network().image());
                if found != expected {
                    let problem = format!("pictures of {found}, expected {expected} as in the classifier's training");
                    return Err(Error::input(pictures.folder().display(), problem));
                }
                of_classifier(network, &images, rows, watch)
            }
        })
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
        self.features_among(images, cache, &Solo, watch)
    }

    /// The same by several ranks, each some of the drawings: rank 0 looks into the cache, gets the features and keeps them. Others
    /// get none, or [`to_all`].
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
        let key = || Ok(cache.key(&self.provenance, images));
        let network = &mut self.network;
        kept_or_made(cache, key, images.len(), ranks, watch, |rows, watch| match network {
            Network::Inception(network) => network.features(&Rows { all: images, rows }, watch),
            Network::Classifier(network) => of_classifier(network, images, rows, watch),
        })
    }
}

/// Some of a source's pictures.
struct Rows<'a> {
    all: &'a dyn Source,
    rows: Range<usize>,
}

impl Source for Rows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn picture(&self, index: usize) -> Result<(Extents, Vec<f32>)> {
        self.all.picture(self.rows.start + index)
    }
}

fn of_classifier(
    network: &mut Inference,
    images: &Images,
    rows: Range<usize>,
    watch: &mut dyn FnMut(usize),
) -> Result<Features> {
    let features = network.unbiased_features(&images.part(&rows))?;
    watch(rows.len());
    Ok(features)
}

/// Features that the cache has, or that are made and kept there: `make` is given the rows of this rank, and a watch.
fn kept_or_made(
    cache: &Cache,
    key: impl FnOnce() -> Result<String>,
    drawings: usize,
    ranks: &dyn Ranks,
    watch: &mut dyn FnMut(usize),
    make: impl FnOnce(Range<usize>, &mut dyn FnMut(usize)) -> Result<Features>,
) -> Result<Features> {
    let nothing = || Features { width: 0, values: Vec::new(), unbiased: Vec::new(), bias: Vec::new() };
    let key = agree(ranks, if ranks.is_root() { key() } else { Ok(String::new()) })?;
    let found = if ranks.is_root() { cache.load(&key) } else { None };
    let [is_kept] = any(ranks, [found.is_some()]);
    if is_kept {
        watch(drawings);
        return Ok(found.unwrap_or_else(nothing));
    }
    agree(ranks, if ranks.is_root() { cache.prepare() } else { Ok(()) })?;
    let shares = shares_of_rows(drawings, ranks.size());
    let own = shares[ranks.rank()].clone();
    let mut of_all = |done: usize| watch((done * ranks.size()).min(drawings));
    // Of no drawings one process makes the widths that their features would have.
    let made = if own.is_empty() && ranks.size() > 1 { Ok(nothing()) } else { make(own, &mut of_all) };
    let mut features = agree(ranks, made)?;
    if ranks.size() > 1 {
        let Features { width, values, unbiased, bias } = features;
        let counts = |of_a_drawing: usize| shares.iter().map(|share| share.len() * of_a_drawing).collect::<Vec<_>>();
        let (values, unbiased) = (ranks.gather(&values, &counts(width)), ranks.gather(&unbiased, &counts(bias.len())));
        features = Features { width, values, unbiased, bias };
    }
    if ranks.is_root() {
        // A full disk costs time the next time, and no result.
        let _ = cache.store(&key, &features);
    }
    Ok(features)
}

/// Gives all ranks the features of rank 0.
///
/// # Errors
/// If they are more than ranks can exchange.
pub fn to_all(features: Features, ranks: &dyn Ranks) -> Result<Features> {
    if ranks.size() == 1 {
        return Ok(features);
    }
    let Features { width, values, unbiased, bias } = features;
    // Others learn how many there are.
    let counts = [width, values.len(), unbiased.len(), bias.len()].map(|count| count as f64);
    let counts = &all_gather_f64(ranks, &counts)[0];
    let mut arrays = [values, unbiased, bias];
    for (array, count) in arrays.iter_mut().zip(&counts[1..]) {
        let count = *count as usize;
        check_count(count, ranks)?;
        array.resize(count, 0.0);
        broadcast(ranks, array);
    }
    let [values, unbiased, bias] = arrays;
    Ok(Features { width: counts[0] as usize, values, unbiased, bias })
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
                let made = std::sync::Mutex::new(made);
                let given = threads::run(ranks, |rank| {
                    let own = made.lock().unwrap()[rank.rank()].clone();
                    to_all(own, &rank).unwrap()
                });
                assert!(given.iter().all(|features| *features == expected), "{ranks} ranks, {turn}");
            }
        }
    }
}
