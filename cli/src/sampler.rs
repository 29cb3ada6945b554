//! A run's sampler: the one that its folder keeps, or one that is fitted now and kept there.

use std::io::ErrorKind;
use std::path::PathBuf;

use inkgrad_models::data::Dataset;
use inkgrad_models::infer::Inference;
use inkgrad_models::run::config::DeviceKind;
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::sampler::{Fitted, Sampler, Source};
use inkgrad_models::study::fingerprint;
use inkgrad_models::{Error, Result};

use crate::output;

/// Errors that say that a folder may be read alone.
pub const READ_ONLY: [ErrorKind; 2] = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];

/// A sampler's file in a run's folder.
pub struct Kept {
    source: Source,
    path: PathBuf,
}

impl Kept {
    /// That of a sampler for a run's network, fitted on the data of this fingerprint from this seed.
    pub fn new(sampler: Sampler, inference: &Inference, folder: &RunFolder, data_sha256: String, seed: u64) -> Self {
        let weights_sha256 = fingerprint(inference.network());
        let source = Source { sampler, weights_sha256, data_sha256, seed };
        Kept { path: folder.file(&source.file_name()), source }
    }

    /// The sampler, where it is kept. A line says where its file is damaged, and that another takes its place.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn read(&self, inference: &Inference) -> Result<Option<Fitted>> {
        let network = inference.network();
        let densities = if network.sees_classes() { network.classes() } else { 1 };
        if !self.path.exists() {
            return Ok(None);
        }
        match Fitted::load(&self.path, &self.source, network.latent()?, densities) {
            Err(error @ Error::Input { .. }) => {
                output::note(format_args!("{error}: the sampler is fitted anew"));
                Ok(None)
            }
            found => found,
        }
    }

    /// Fits it on training drawings, and where it is to be kept does so, if the processor computed and the folder can be written.
    ///
    /// # Errors
    /// Those of [`Fitted::fit`]; if the file cannot be written for another reason than that the folder is somebody else's.
    pub fn fit(&self, inference: &mut Inference, dataset: &Dataset, keep: bool) -> Result<Fitted> {
        let Source { sampler, seed, .. } = self.source;
        let fitted = Fitted::fit(sampler, inference, &dataset.train, seed)?;
        if !keep || inference.device() != DeviceKind::Cpu {
            // Its latents are rounded differently; the one that is kept gives the same on every machine.
            return Ok(fitted);
        }
        match fitted.save(&self.path, &self.source) {
            Err(inkgrad_models::Error::Io { source, .. }) if READ_ONLY.contains(&source.kind()) => {
                output::note(format_args!("{}: {source}: the sampler is not kept there", self.path.display()));
            }
            saved => saved?,
        }
        Ok(fitted)
    }
}
