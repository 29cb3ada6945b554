//! Features on disk, found again by what they were made from.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::pictures::Pictures;
use super::{Features, Provenance, hexadecimal};
use crate::data::Images;
use crate::run::checkpoint::{Tensor, load_tensors, save_with_sum};
use crate::run::disk;
use crate::{Error, Result};

/// Part of every key: another number where the same inputs give other features than before.
const VERSION: &[u8] = b"inkgrad features 2";

/// A folder of features, or none.
///
/// A file's name is the SHA-256 of everything that its contents depend on: the drawings, the weights, the rule of
/// resizing. So nothing is ever out of date, and any file may be deleted at any time.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Whether features are made all the same where its folder cannot be.
    optional: bool,
}

impl Cache {
    /// No cache: features are made anew each time.
    pub fn none() -> Self {
        Cache::default()
    }

    /// A folder, which is made when something is stored.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Cache { folder: Some(folder.into()), optional: false }
    }

    /// `inkgrad/features` in the user's folder for caches: `$XDG_CACHE_HOME`, or `~/.cache`; none where there is neither. Where it cannot
    /// be made, features are given without being kept.
    pub fn default_place() -> Self {
        Cache { folder: caches().map(|caches| caches.join("features")), optional: true }
    }

    /// The folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The key under which the features of `images` are kept.
    pub(super) fn key(&self, provenance: &Provenance, images: &Images) -> String {
        let mut digest = Self::start(provenance);
        digest.update(images.pixel_type());
        images.hash(&mut digest);
        hexadecimal(digest)
    }

    /// The key under which the features of a folder's pictures are kept.
    pub(super) fn folder_key(&self, provenance: &Provenance, pictures: &Pictures) -> Result<String> {
        let mut digest = Self::start(provenance);
        digest.update("pictures");
        digest.update(pictures.sha256()?);
        Ok(hexadecimal(digest))
    }

    /// The part of a key that is about the network.
    fn start(provenance: &Provenance) -> Sha256 {
        let mut digest = Sha256::new();
        let rule = provenance.resize.map_or("", |rule| rule.name());
        for part in [VERSION, provenance.extractor.as_bytes(), provenance.weights_sha256.as_bytes(), rule.as_bytes()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest
    }

    /// The features with this key, if they are there and whole.
    pub(super) fn load(&self, key: &str) -> Option<Features> {
        let tensors = load_tensors(self.file(key)?).ok()?;
        tensors.check_sum().ok()?;
        let tensor = |name| tensors.get(name).ok().cloned();
        let (features, unbiased, bias) = (tensor("features")?, tensor("unbiased")?, tensor("bias")?);
        match (&*features.shape, &*unbiased.shape, &*bias.shape) {
            (&[n, width], &[m, classes], &[biases]) if n == m && classes == biases => {
                let [values, unbiased, bias] = [features, unbiased, bias].map(|Tensor { values, .. }| values);
                Some(Features { width, values, unbiased, bias })
            }
            _ => None,
        }
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self) -> Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| disk::create_dir_all(folder).map_err(Error::io(folder)))
    }

    /// The same before the work that is to be kept there, unless that may go on without.
    pub(super) fn prepare(&self) -> Result<()> {
        self.make().or_else(|error| if self.optional { Ok(()) } else { Err(error) })
    }

    /// Keeps features under this key.
    pub(super) fn store(&self, key: &str, features: &Features) -> Result<()> {
        let Some(file) = self.file(key) else { return Ok(()) };
        let (n, classes) = (features.len(), features.classes());
        let tensors: [(&str, &[usize], &[f32]); 3] = [
            ("features", &[n, features.width], &features.values),
            ("unbiased", &[n, classes], &features.unbiased),
            ("bias", &[classes], &features.bias),
        ];
        save_with_sum(file, &tensors, BTreeMap::new())
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{key}.safetensors")))
    }
}

/// `inkgrad` in the user's folder for caches: `$XDG_CACHE_HOME`, or `~/.cache`; none where there is neither.
pub fn caches() -> Option<PathBuf> {
    let absolute = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("inkgrad"))
}
